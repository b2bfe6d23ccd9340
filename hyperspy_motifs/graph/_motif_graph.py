"""The multiscale graph and its summary."""

from __future__ import annotations

import contextlib
import gc
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import ArrayLike

from hyperspy_motifs.cells import Cells
from hyperspy_motifs.common import REPORTED_LEVEL
from hyperspy_motifs.hierarchy import Hierarchy

from . import _schema as schema
from ._files import read_graphml, write_graphml, write_tables
from ._relations import RelationGraph, TypeComparison, compare_types
from ._schema import GraphBuilder, Value


@contextlib.contextmanager
def collection_paused() -> Iterator[None]:
    """Pause the cyclic garbage collector; reference counting continues.

    Hundreds of thousands of permanent dictionaries are created: the search for cycles among them takes as long as
    their creation.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class MotifGraph(RelationGraph):
    """The hierarchy of motifs as a directed graph.

    Node ids are strings (``atom:12``, ``cell:3``, ``motif:2``, ``cell-class:5``). Instances (atoms,
    cells, ...) have the attributes ``kind``, ``level``, ``x``, ``y``, ``type`` (id of their type) and
    ``size`` (number of parts); types (motifs, classes) have ``kind``, ``level``, ``name`` and ``size``
    (number of their instances). The attribute ``kind`` of an edge is one of

    - ``part_of``, child to parent, with the ``fraction`` of the child that belongs to the parent;
    - ``adjacent``, within a level, each pair once, with the number of ``shared`` sides;
    - ``instance_of``, from an instance to its type;
    - ``composed_of``, from a type to its parts' types, with their mean ``count`` and ``fraction``;
    - ``neighbours``, between types, each pair once, with the ``observed`` number of neighbours, the number
      ``expected`` by chance, ``z``, ``p`` and ``q``.

    All functions of networkx can be used; lengths are in ``graph["units"]``.

    Examples
    --------
    >>> import numpy as np
    >>> from hyperspy_motifs.graph import MotifGraph
    >>> graph = MotifGraph.from_arrays(np.array([[0.0, 0.0], [1.0, 0.0]]), [0, 1], names=["Mo", "Se"])
    >>> graph.find(level="atom", type="Se")
    ['atom:1']
    """

    #: Returns the image (rows, columns) and its extent in axis units for `plot`, or None.
    canvas: Callable[[], tuple[np.ndarray, tuple[float, float, float, float]]] | None = None

    def __repr__(self) -> str:
        levels = ", ".join(f"{len(self.level(kind)):,} {kind}" for kind in self.levels.values())
        return f"<MotifGraph: {levels or 'empty'}; {self.number_of_edges():,} edges; print(graph.summary()) gives details>"

    @classmethod
    def from_arrays(
        cls,
        positions: np.ndarray,
        labels: np.ndarray,
        probabilities: np.ndarray | None = None,
        *,
        cells: Cells | None = None,
        hierarchy: Hierarchy | None = None,
        names: Sequence[str] | Mapping[int, str] | None = None,
        units: str = "px",
        frames: np.ndarray | None = None,
        n_permutations: int = 1000,
        random_state: int = 0,
    ) -> MotifGraph:
        """Build the graph from arrays.

        Parameters
        ----------
        positions : array-like of float, shape (n, 2)
            Positions x, y of the atoms, in `units`.
        labels : array-like of int, shape (n,)
            Motif of each atom, from 0.
        probabilities : array-like of float, shape (n,), optional
            Certainty of each label, 0 to 1.
        cells : Cells, optional
            The motif-cells of `hyperspy_motifs.cells.find_cells`, in the same units.
        hierarchy : Hierarchy, optional
            The levels above the cells from `hyperspy_motifs.hierarchy.build_hierarchy`.
        names : sequence of str or dict of int to str, optional
            Names of the motifs; ``m0``, ``m1``, ... by default.
        units : str
            Units of the positions.
        frames : array-like of int, shape (n,), optional
            Frame of each atom in a stack.
        n_permutations, random_state : int
            Of the neighbour statistics; 0 permutations is faster and assumes a normal distribution.

        Returns
        -------
        MotifGraph

        Raises
        ------
        ValueError
            If lengths differ, labels are negative or positions are not finite.
        """
        positions, labels, probabilities = _validate(positions, labels, probabilities)
        names = schema.motif_names(names, _n_motifs(labels, names))
        graph = cls(schema=schema.SCHEMA_NAME, schema_version=schema.SCHEMA_VERSION, units=str(units))
        builder = GraphBuilder(graph, positions, labels, names, n_permutations, random_state)
        with collection_paused():
            builder.add_atoms(probabilities, None if frames is None else _frames(frames, len(labels)))
            if cells is not None:
                builder.add_cells(cells)
            if hierarchy is not None:
                builder.add_hierarchy(hierarchy)
        return graph

    @property
    def types(self) -> MotifGraph:
        """The graph of the types only: motifs, classes, their components and neighbours."""
        return self._subgraph([n for n, d in self._node.items() if schema.is_type_kind(d.get("kind", ""))])

    def summary(self) -> str:
        """Return the graph as text: levels, types, compositions and significant neighbours."""
        return summarise(self)

    def around(self, node: str, radius: int = 1) -> MotifGraph:
        """Return the part of the graph near a node, with the types of its instances.

        Parameters
        ----------
        node : str
            Central node.
        radius : int
            Number of steps along edges to parts, parents and neighbours.

        Returns
        -------
        MotifGraph
        """
        self._require(node)
        near, front = {node}, [node]
        for _ in range(radius):
            beside = {m for n in front for m in (*self.parents(n), *self.children(n), *self.neighbours(n))}
            front = sorted(beside - near)
            near.update(front)
        near.update({t for n in near if (t := self.type_of(n)) is not None})
        return self._subgraph([n for n in self._node if n in near])

    def add_defects(
        self,
        atoms: np.ndarray,
        positions: np.ndarray,
        kinds: np.ndarray,
        q_values: np.ndarray,
        spacing: float,
    ) -> None:
        """Mark atoms and vacancies as defects: attributes ``defect`` (its kind) and ``q_value`` of their nodes.

        Parameters
        ----------
        atoms : numpy.ndarray of int, shape (k,)
            Number of each atom; -1 for a vacancy, which becomes a node if there is none at its place.
        positions : numpy.ndarray of float, shape (k, 2)
            x, y.
        kinds : numpy.ndarray of str, shape (k,)
        q_values : numpy.ndarray of float, shape (k,)
        spacing : float
            Nearest-neighbour distance.
        """
        empty = self.find(kind=schema.VACANCY)
        places = np.array([[self.nodes[v]["x"], self.nodes[v]["y"]] for v in empty]).reshape(-1, 2)
        n_empty = len(empty)
        for atom, place, kind, q in zip(
            atoms.tolist(), positions.tolist(), kinds.tolist(), q_values.tolist(), strict=True
        ):
            node = f"{schema.ATOM}:{atom}"
            if atom < 0:
                away = np.hypot(*(places - place).T) if len(places) else np.array([np.inf])
                if away.min() <= 0.5 * spacing:
                    node = empty[int(away.argmin())]
                else:
                    node, n_empty = f"{schema.VACANCY}:{n_empty}", n_empty + 1
                    self.add_node(node, kind=schema.VACANCY, level=0, size=1, x=place[0], y=place[1])
            if node in self.nodes:
                self.nodes[node].update(defect=kind, q_value=q)

    def _subgraph(self, kept: list[str]) -> MotifGraph:
        """Return some nodes and the edges between them, copied."""
        part = type(self)(**self.graph)
        part.canvas = self.canvas
        part.add_nodes_from((n, dict(self._node[n])) for n in kept)
        # Edge by edge from the kept nodes: a subgraph view would visit all edges of their neighbours.
        part.add_edges_from(
            (u, v, dict(d)) for u in kept for v, d in self._succ[u].items() if v in part._node
        )
        return part

    def query(self, cypher: str) -> dict[str, list[Any]]:
        """Return the result of a query in openCypher.

        Node labels and relation types are the kinds of nodes and edges (``cell_class`` for ``cell-class``):
        ``MATCH (c:cell)-[:part_of]->(d:domain) WHERE c.n_corners = 5 RETURN id(c), d.area``.
        A query cannot change the graph. `find` is faster on large graphs.

        Parameters
        ----------
        cypher : str
            The query.

        Returns
        -------
        dict of str to list
            A column for each returned expression.

        Raises
        ------
        ImportError
            If grand-cypher is not installed (the extra ``query``).
        ValueError
            If the query cannot be parsed.
        """
        return run_query(self, cypher)

    def plot(self, nodes: Any, image: Any = None, **kwargs: Any) -> Any:
        """Draw nodes on the image: atoms as points, cells and higher levels as areas, in the colours of their types.

        Parameters
        ----------
        nodes : str, iterable of str, or dict
            Result of `find`, `children`, `paths`, ... or `query`: ids of nodes. Types are drawn by their instances.
        image : array-like of shape (rows, columns), optional
            Background. ``motifs.graph`` has its image. A graph from a file has none, and all its atoms are drawn as
            grey points unless `image` (with ``extent``) or ``ax`` is given.
        **kwargs
            To :func:`hyperspy_motifs.draw.plot_nodes`: ``colour_by``, ``extent``, ``units``, ``ax``, ``alpha``, ...

        Returns
        -------
        matplotlib.axes.Axes
        """
        from hyperspy_motifs.draw import plot_nodes

        kwargs = {"units": self.graph.get("units", "px"), **kwargs}
        if image is None and self.canvas is not None:
            image, kwargs["extent"] = self.canvas()
        return plot_nodes(self, nodes, image, **kwargs)

    def compare(self, other: MotifGraph) -> TypeComparison:
        """Compare the types of two graphs: classes, numbers and neighbour rules.

        Motifs are matched by name, other classes by kind and name.
        """
        return compare_types(self, other)

    def to_csv(self, folder: str | PathLike[str]) -> None:
        """Write two tables, ``nodes.csv`` and ``edges.csv``, into a folder, which is created if necessary.

        The columns are the union of all attributes; missing attributes are empty.
        """
        write_tables(self, folder)

    def to_graphml(self, path: str | PathLike[str]) -> None:
        """Write the graph as GraphML, for networkx, igraph, Graphviz, Gephi and Cytoscape.

        Parameters
        ----------
        path : str or path
            File to be written; an existing one is replaced by the complete new one.

        Raises
        ------
        TypeError
            If a node id is not a string, or an attribute is not a str, int, float or bool.
        """
        with collection_paused():
            write_graphml(self, path)

    @classmethod
    def from_graphml(cls, path: str | PathLike[str]) -> MotifGraph:
        """Read a graph that `to_graphml` wrote; nothing in the file is executed or expanded.

        Raises
        ------
        ValueError
            If the file is not a motif graph, is damaged, or declares a document type or entities.
        """
        graph = cls()
        with collection_paused():
            read_graphml(graph, path)
        return graph


def _n_motifs(labels: np.ndarray, names: Sequence[str] | Mapping[int, str] | None) -> int:
    n = int(labels.max(initial=-1)) + 1
    if names is None:
        return n
    return max([n, *(int(i) + 1 for i in names)]) if isinstance(names, Mapping) else max(n, len(names))


def _frames(frames: np.ndarray, n: int) -> np.ndarray:
    frames = np.asarray(frames)
    if frames.shape != (n,):
        raise ValueError(f"There must be one frame number per atom: {n}, not the shape {frames.shape}.")
    return frames.astype(np.int64)


def _validate(
    positions: ArrayLike, labels: ArrayLike, probabilities: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    positions = np.asarray(positions, dtype=float)
    labels = np.asarray(labels)
    if positions.ndim != 2 or positions.shape[1] != 2:
        raise ValueError(f"The positions must have the shape (n, 2), columns x, y, not {positions.shape}.")
    n = len(positions)
    if not np.isfinite(positions).all():
        raise ValueError("The positions must be finite numbers.")
    if labels.shape != (n,):
        raise ValueError(f"There must be one label per atom: {n}, not the shape {labels.shape}.")
    if n and not (np.issubdtype(labels.dtype, np.integer) and labels.min() >= 0):
        raise ValueError("The labels must be integers from 0.")
    probabilities = np.ones(n) if probabilities is None else np.asarray(probabilities, dtype=float)
    if probabilities.shape != (n,):
        raise ValueError(f"There must be one probability per atom: {n}, not the shape {probabilities.shape}.")
    return positions, labels.astype(np.int64), probabilities


def summarise(graph: MotifGraph, most: int = 8) -> str:
    """Return the levels, up to `most` of their types, and their neighbour rules as text."""
    vacancies = len(graph.find(kind=schema.VACANCY))
    empty = f" and {vacancies} empty sites" if vacancies else ""
    lines = [
        f"Motif graph of {len(graph.level(schema.ATOM))} atoms{empty}, {graph.number_of_edges()} edges, in {_units(graph)}"
    ]
    for number, kind in graph.levels.items():
        nodes = graph.level(kind)
        types = sorted(graph.find(kind=schema.class_kind(kind)), key=lambda t: -graph.nodes[t]["size"])
        lines.append(f"Level {number}, {kind}: {len(nodes)} in {len(types)} {_plural('class', len(types))}")
        reason = graph.graph.get(f"reason:{kind}")
        if reason:
            lines.append(f"  {_short(reason, 200)}")
        for node in types[:most]:
            lines.append(f"  {_describe(graph, node, kind)}")
        if len(types) > most:
            lines.append(f"  and {len(types) - most} more")
        lines += [f"  {rule}" for rule in _rules(graph, types, most // 2)]
    if "bits_per_atom" in graph.graph:
        bits, error = graph.graph["bits_per_atom"], graph.graph.get("bits_per_atom_std", 0.0)
        lines.append(f"Disorder: {bits:.3f} ± {error:.3f} bits per atom")
    end = graph.graph.get("reason")
    return "\n".join([*lines, end] if end else lines)


def _units(graph: MotifGraph) -> str:
    return graph.graph.get("units", "px")


def _plural(word: str, n: int) -> str:
    return word if n == 1 else f"{word}es"


def _describe(graph: MotifGraph, node: str, kind: str) -> str:
    attributes = graph.nodes[node]
    name = attributes.get("name", "")
    # The name of a motif without one is its number, which the node ends with.
    called = "" if node.endswith(f":{name}") else f" {_short(name)}"
    text = f"{node}{called}: {attributes['size']}"
    if kind not in (schema.ATOM, "vertex-figure"):
        composition = graph.formula(node)
        text += f", contains {_short(composition)}" if composition not in ("", name) else ""
        if "area" in attributes:
            text += f", area {attributes['area']:.4g} {_units(graph)}²"
    return text


def _short(text: str, longest: int = 72) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _rules(graph: MotifGraph, types: list[str], most: int) -> list[str]:
    """Return the significant neighbours, the most significant first."""
    found = []
    for source in types:
        for target, d in graph.succ[source].items():
            if d["kind"] == schema.NEIGHBOURS and d["q"] <= REPORTED_LEVEL:
                found.append((-abs(d["z"]), source, target, d))
    found.sort(key=lambda item: item[:3])
    lines = [
        f"{s} next to {t}: {d['observed']} times, {d['expected']:.1f} expected by chance, "
        f"{'enriched' if d['z'] > 0 else 'depleted'} (z = {d['z']:+.1f})"
        for _, s, t, d in found[:most]
    ]
    if len(found) > most:
        lines.append(f"and {len(found) - most} more pairs of classes that differ from chance")
    return lines


def run_query(graph: nx.DiGraph, cypher: str) -> dict[str, list[Any]]:
    """Run a query on a copy of the graph in which kinds are labels."""
    if not isinstance(cypher, str):
        raise TypeError(f"A query must be a string in openCypher, not {type(cypher).__name__}.")
    try:
        from grandcypher import GrandCypher
        from lark.exceptions import LarkError
    except ImportError as error:
        raise ImportError(
            "Queries in openCypher need grand-cypher: pip install 'hyperspy_motifs[query]'. "
            "find() works without it."
        ) from error
    host: nx.DiGraph = nx.DiGraph()
    for node, attributes in graph.nodes.items():
        host.add_node(node, **attributes, __labels__=_labels(attributes))
    for u, v, attributes in graph.edges(data=True):
        host.add_edge(u, v, **attributes, __labels__=_labels(attributes))
    try:
        found = GrandCypher(host).run(_double_quoted(cypher))
    except LarkError as error:
        raise ValueError(f"The query cannot be parsed: {_first_line(error)}") from error
    except Exception as error:
        # grand-cypher raises various exceptions for unsupported queries: KeyError, NotImplementedError ...
        raise ValueError(
            f"The query failed ({type(error).__name__}: {_first_line(error)}). Try find() instead."
        ) from error
    return {str(name): [_plain(value) for value in values] for name, values in found.items()}


# Strings in double and in single quotes; an escaped quote does not end them.
_TEXTS = re.compile(r""""(?:[^"\\]|\\.)*"|'((?:[^'\\]|\\.)*)'""", re.DOTALL)

# Replacement of quotes inside double quotes; other escaped characters do not change.
_MARKS = re.compile(r'\\.|"', re.DOTALL)
_IN_DOUBLE = {"\\'": "'", '"': '\\"'}


def _double_quoted(cypher: str) -> str:
    """Return the query with its strings in double quotes, which grand-cypher requires; openCypher has both."""

    def quoted(text: re.Match[str]) -> str:
        inner = text.group(1)
        if inner is None:
            return text.group()
        return '"' + _MARKS.sub(lambda mark: _IN_DOUBLE.get(mark.group(), mark.group()), inner) + '"'

    return _TEXTS.sub(quoted, cypher)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "no reason given")


def _labels(attributes: dict[str, Value]) -> set[str]:
    kind = str(attributes.get("kind", ""))
    # openCypher's names have no hyphens.
    return {kind, kind.replace("-", "_")}


def _plain(value: object) -> object:
    """Return a found value without the labels that were added for the query."""
    if isinstance(value, dict):
        return {name: entry for name, entry in value.items() if name != "__labels__"}
    return value
