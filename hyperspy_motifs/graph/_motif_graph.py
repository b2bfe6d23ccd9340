"""MotifGraph: atoms, motifs, cells and what they build, as one graph."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from typing import Any

import networkx as nx
import numpy as np

from hyperspy_motifs.hierarchy import formula

from . import _schema as schema
from ._builder import GraphBuilder
from ._graphml_reader import read_graphml
from ._graphml_writer import write_graphml

_MISSING = object()


class MotifGraph(nx.DiGraph):
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

    Everything that networkx does works on it; lengths are in ``graph["units"]``.

    Examples
    --------
    >>> import numpy as np
    >>> from hyperspy_motifs.graph import MotifGraph
    >>> graph = MotifGraph.from_arrays(np.array([[0.0, 0.0], [1.0, 0.0]]), [0, 1], names=["Mo", "Se"])
    >>> graph.find(level="atom", type="Se")
    ['atom:1']
    """

    @classmethod
    def from_arrays(
        cls,
        positions: np.ndarray,
        labels: np.ndarray,
        probabilities: np.ndarray | None = None,
        *,
        cells: Any = None,
        hierarchy: Any = None,
        names: Any = None,
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
            The motif-cells, as `hyperspy_motifs.cells.find_cells` gives them, in the same units.
        hierarchy : Hierarchy, optional
            The levels above the cells, as `hyperspy_motifs.hierarchy.build_hierarchy` gives them.
        names : sequence of str or dict of int to str, optional
            Names of the motifs; ``m0``, ``m1``, ... without.
        units : str
            Units of the positions.
        frames : array-like of int, shape (n,), optional
            Frame of each atom in a stack.
        n_permutations, random_state : int
            Of the neighbour statistics; 0 permutations is quicker and takes the null as normal.

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
        builder.add_atoms(probabilities, None if frames is None else _frames(frames, len(labels)))
        if cells is not None:
            builder.add_cells(cells)
        if hierarchy is not None:
            builder.add_hierarchy(hierarchy)
        return graph

    @property
    def levels(self) -> dict[int, str]:
        """Kind of the instances of each level, from the atoms upwards."""
        levels: dict[int, str] = {}
        for attributes in self._node.values():
            kind = attributes.get("kind", "")
            if not schema.is_type_kind(kind):
                levels.setdefault(attributes.get("level", -1), kind)
        return dict(sorted(levels.items()))

    def level(self, k: int | str) -> list[str]:
        """Return the ids of the instances of a level, given by its number or its kind (``"cell"``)."""
        return self.find(level=k)

    def find(self, **conditions: Any) -> list[str]:
        """Return the ids of the nodes that meet all conditions.

        Parameters
        ----------
        **conditions
            Attribute and what it must be: a value; a set, list or tuple of allowed values; or a function
            of the value that returns whether it will do. ``level`` takes the number of a level or its kind
            and gives instances only, unless ``kind`` asks for types; ``type`` takes the id of a type, its
            name or its number.

        Returns
        -------
        list of str
            Ids in the order of the graph.

        Examples
        --------
        ``graph.find(level="cell", n_corners=5)``, ``graph.find(kind="atom", probability=lambda p: p < 0.5)``.
        """
        conditions = {
            name: set(value) if isinstance(value, list | tuple | range) else value
            for name, value in conditions.items()
        }
        level = conditions.pop("level", None)
        if isinstance(level, str):
            if conditions.setdefault("kind", level) != level:
                raise ValueError(f"level={level!r} and kind={conditions['kind']!r} cannot both be met.")
            level = None
        found: list[str] | None = None
        if "kind" in conditions:
            found = self._matching(found, "kind", conditions.pop("kind"))
        elif level is not None:
            found = self._matching(self._matching(None, "level", level), "kind", _is_instance_kind)
            level = None
        if level is not None:
            found = self._matching(found, "level", level)
        for name, wanted in conditions.items():
            if name == "type" and not callable(wanted):
                wanted = self._types_meant(found, wanted)
            found = self._matching(found, name, wanted)
        return list(self._node) if found is None else found

    def _matching(self, among: list[str] | None, name: str, wanted: Any) -> list[str]:
        """Return the nodes whose attribute `name` is `wanted`, is in it, or passes it.

        The dictionaries themselves are looked at: columns kept beside them would be quicker still, but wrong
        as soon as an attribute is edited. Lists of ids alone do not wake the garbage collector.
        """
        nodes = self._node
        if among is None:
            if not callable(wanted) and not isinstance(wanted, set | frozenset):
                return [n for n, d in nodes.items() if d.get(name, _MISSING) == wanted]
            among = list(nodes)
        if callable(wanted):
            return [n for n in among if name in nodes[n] and wanted(nodes[n][name])]
        if isinstance(wanted, set | frozenset):
            return [n for n in among if nodes[n].get(name, _MISSING) in wanted]
        return [n for n in among if nodes[n].get(name, _MISSING) == wanted]

    def _types_meant(self, among: list[str] | None, asked: Any) -> set[str]:
        """Return the types of the nodes `among` that are meant by their ids, names or numbers."""
        wanted = asked if isinstance(asked, set | frozenset) else {asked}
        met = {self._node[n].get("type") for n in (self._node if among is None else among)}
        found = set()
        for node in met:
            if node in self._node:
                number = node.rpartition(":")[2]
                known = (node, self._node[node].get("name"), int(number) if number.isdecimal() else None)
                if not wanted.isdisjoint(known):
                    found.add(node)
        return found

    def parents(self, node: str) -> list[str]:
        """Return what `node` is part of; for a type, the types that are composed of it."""
        out = [v for v, d in self._successors(node) if d.get("kind") == schema.PART_OF]
        return out + [u for u, d in self._predecessors(node) if d.get("kind") == schema.COMPOSED_OF]

    def children(self, node: str) -> list[str]:
        """Return the parts of `node`; for a type, the types that it is composed of."""
        out = [u for u, d in self._predecessors(node) if d.get("kind") == schema.PART_OF]
        return out + [v for v, d in self._successors(node) if d.get("kind") == schema.COMPOSED_OF]

    def neighbours(self, node: str) -> list[str]:
        """Return the nodes beside `node` in its level; for a type, the types that it was seen beside."""
        beside = (schema.ADJACENT, schema.NEIGHBOURS)
        found = [v for v, d in self._successors(node) if d.get("kind") in beside]
        found += [u for u, d in self._predecessors(node) if d.get("kind") in beside and u != node]
        return found

    def type_of(self, node: str) -> str | None:
        """Return the type that `node` is an instance of; None for a type."""
        types = [v for v, d in self._successors(node) if d.get("kind") == schema.INSTANCE_OF]
        return types[0] if types else None

    def instances(self, node: str) -> list[str]:
        """Return the instances of a type."""
        return [u for u, d in self._predecessors(node) if d.get("kind") == schema.INSTANCE_OF]

    def _successors(self, node: str) -> Iterable[tuple[str, dict[str, Any]]]:
        self._require(node)
        return self._succ[node].items()

    def _predecessors(self, node: str) -> Iterable[tuple[str, dict[str, Any]]]:
        self._require(node)
        return self._pred[node].items()

    def _require(self, node: str) -> None:
        if node not in self._node:
            raise ValueError(f"The graph has no node {node!r}; ids look like 'atom:12' or 'cell:3'.")

    def atoms(self, node: str) -> dict[str, float]:
        """Return the atoms in `node` and the share of each one that belongs to it.

        Parts of parts count by the product of their fractions.
        """
        self._require(node)
        shares: dict[str, float] = {}
        pending = [(node, 1.0)]
        while pending:
            current, share = pending.pop()
            if self._node[current].get("kind") == schema.ATOM:
                shares[current] = shares.get(current, 0.0) + share
                continue
            for child, d in self._pred[current].items():
                if d.get("kind") == schema.PART_OF:
                    pending.append((child, share * d.get("fraction", 1.0)))
        return shares

    def composition(self, node: str) -> dict[str, float]:
        """Return how much of each motif is in `node`, shared atoms by their fraction.

        For a type, the mean over its instances, without those at the border where there are others.

        Returns
        -------
        dict of str to float
            Amounts by the name of the motif, in the order of the motifs. `formula` writes them as text.
        """
        members = self.instances(node) if schema.is_type_kind(self._kind(node)) else [node]
        inner = [m for m in members if not self._node[m].get("on_border", False)]
        members = inner or members
        amounts: dict[str, float] = {}
        for member in members:
            for atom, share in self.atoms(member).items():
                motif = self._node[atom]["type"]
                amounts[motif] = amounts.get(motif, 0.0) + share / len(members)
        order = [n for n, d in self._node.items() if d.get("kind") == schema.MOTIF]
        return {self._node[m].get("name", m): amounts[m] for m in order if m in amounts}

    def formula(self, node: str, decimals: int = 2) -> str:
        """Return the composition of `node` as text, such as ``Mo1 Se1``."""
        return formula(self.composition(node), decimals)

    def _kind(self, node: str) -> str:
        self._require(node)
        return self._node[node].get("kind", "")

    @property
    def types(self) -> MotifGraph:
        """The small graph of the types alone: motifs, classes, what composes them and their neighbours."""
        kept = [n for n, d in self._node.items() if schema.is_type_kind(d.get("kind", ""))]
        # Copied edge by edge: a subgraph view would walk all edges of the instances.
        small = type(self)(**self.graph)
        small.add_nodes_from((n, dict(self._node[n])) for n in kept)
        small.add_edges_from(
            (u, v, dict(d)) for u in kept for v, d in self._succ[u].items() if v in small._node
        )
        return small

    def summary(self) -> str:
        """Return the graph in words: levels, types, compositions and what is not chance."""
        from ._summary import summarise

        return summarise(self)

    def to_graphml(self, path: str | PathLike[str]) -> None:
        """Write the graph as GraphML, for networkx, igraph, Graphviz, Gephi and Cytoscape.

        Parameters
        ----------
        path : str or path
            File to be written; an existing one is replaced only when all is written.

        Raises
        ------
        TypeError
            If a node id is not a string, or an attribute is not a str, int, float or bool.
        """
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
        read_graphml(graph, path)
        return graph


def _is_instance_kind(kind: Any) -> bool:
    return not schema.is_type_kind(kind)


def _n_motifs(labels: np.ndarray, names: Any) -> int:
    n = int(labels.max(initial=-1)) + 1
    if names is None:
        return n
    return max([n, *(int(i) + 1 for i in names)]) if isinstance(names, dict) else max(n, len(names))


def _frames(frames: np.ndarray, n: int) -> np.ndarray:
    frames = np.asarray(frames)
    if frames.shape != (n,):
        raise ValueError(f"There must be one frame number per atom: {n}, not the shape {frames.shape}.")
    return frames.astype(np.int64)


def _validate(positions: Any, labels: Any, probabilities: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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
