"""Relations between atoms, cells and levels, and the comparison of types."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import networkx as nx
import numpy as np
from scipy import special, stats

from hyperspy_motifs.common import REPORTED_LEVEL
from hyperspy_motifs.hierarchy import formula

from . import _schema as schema
from ._schema import Value

_MISSING = object()


class RelationGraph(nx.DiGraph):
    """A directed graph in the schema of `MotifGraph`, with queries."""

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

    def find(self, **conditions: object) -> list[str]:
        """Return the ids of the nodes that meet all conditions.

        Parameters
        ----------
        **conditions
            Attribute and condition: a value; a set, list or tuple of allowed values; or a function of the value that
            returns a bool. ``level`` is the number of a level or its kind and selects only instances, unless ``kind``
            selects types; ``type`` is the id of a type, its name or its number.

        Returns
        -------
        list of str
            Ids in the order of the graph.

        Raises
        ------
        ValueError
            If the level does not exist, or if no node that meets the other conditions has the attribute.

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
                raise ValueError(f"level={level!r} and kind={conditions['kind']!r} contradict each other.")
            self._check_level(level)
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
            among, found = found, self._matching(found, name, wanted)
            if not found:
                self._check_attribute(among, name)
        return list(self._node) if found is None else found

    def _check_level(self, kind: str) -> None:
        """Reject a level that does not exist in any graph: it is an error of the caller."""
        if kind in schema.INSTANCE_KINDS or schema.is_type_kind(kind):
            return
        present = sorted(set(self.levels.values()))
        if kind not in present:
            raise ValueError(
                f"There is no level {kind!r}; the levels of this graph are {', '.join(present)}."
            )

    def _check_attribute(self, among: list[str] | None, name: str) -> None:
        """Reject an attribute that no node has, if there are nodes."""
        nodes = [self._node[n] for n in (self._node if among is None else among)]
        if nodes and not any(name in attributes for attributes in nodes):
            known = ", ".join(sorted(set().union(*nodes)))
            raise ValueError(f"None of these nodes has the attribute {name!r}; they have {known}.")

    def _matching(self, among: list[str] | None, name: str, wanted: object) -> list[str]:
        """Return the nodes whose attribute `name` meets the condition `wanted`.

        The dictionaries themselves are searched: separate columns would be faster, but wrong after an attribute is
        edited. Lists of ids do not trigger the garbage collector.
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

    def _types_meant(self, among: list[str] | None, nodes: object) -> set[str]:
        """Return the types among the nodes `among` with the given ids, names or numbers."""
        wanted = nodes if isinstance(nodes, set | frozenset) else {nodes}
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
        """Return the nodes that contain `node`; for a type, the types that are composed of it."""
        out = [v for v, d in self._successors(node) if d.get("kind") == schema.PART_OF]
        return out + [u for u, d in self._predecessors(node) if d.get("kind") == schema.COMPOSED_OF]

    def children(self, node: str) -> list[str]:
        """Return the parts of `node`; for a type, the types that it is composed of."""
        out = [u for u, d in self._predecessors(node) if d.get("kind") == schema.PART_OF]
        return out + [v for v, d in self._successors(node) if d.get("kind") == schema.COMPOSED_OF]

    def neighbours(self, node: str) -> list[str]:
        """Return the nodes next to `node` in its level; for a type, the types that its instances are next to."""
        beside = (schema.ADJACENT, schema.NEIGHBOURS)
        found = [v for v, d in self._successors(node) if d.get("kind") in beside]
        found += [u for u, d in self._predecessors(node) if d.get("kind") in beside and u != node]
        return found

    def type_of(self, node: str) -> str | None:
        """Return the type of `node`; None for a type."""
        types = [v for v, d in self._successors(node) if d.get("kind") == schema.INSTANCE_OF]
        return types[0] if types else None

    def instances(self, node: str) -> list[str]:
        """Return the instances of a type."""
        return [u for u, d in self._predecessors(node) if d.get("kind") == schema.INSTANCE_OF]

    def _successors(self, node: str) -> Iterable[tuple[str, dict[str, Value]]]:
        self._require(node)
        return self._succ[node].items()

    def _predecessors(self, node: str) -> Iterable[tuple[str, dict[str, Value]]]:
        self._require(node)
        return self._pred[node].items()

    def _require(self, node: str) -> None:
        if node not in self._node:
            raise ValueError(f"The graph has no node {node!r}; ids look like 'atom:12' or 'cell:3'.")

    def atoms(self, node: str) -> dict[str, float]:
        """Return the atoms in `node` and the share of each one that belongs to it.

        The fraction of a part of a part is the product of both fractions.
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

    def atom_indices(self, nodes: str | Iterable[str]) -> np.ndarray:
        """Return the indices of the atoms in some nodes, or of the instances of some types.

        They refer to the arrays of the graph, so that any result can be drawn on the image.

        Parameters
        ----------
        nodes : str or iterable of str
            One node or several.

        Returns
        -------
        numpy.ndarray of int, shape (k,)
            In increasing order, each once.
        """
        found: set[str] = set()
        for node in [nodes] if isinstance(nodes, str) else nodes:
            members = self.instances(node) if schema.is_type_kind(self._kind(node)) else [node]
            for member in members:
                found.update(self.atoms(member))
        return np.array(sorted(int(atom.rpartition(":")[2]) for atom in found), dtype=np.int64)

    def coordinates(self, nodes: Iterable[str]) -> np.ndarray:
        """Return x and y (k, 2) of some nodes, in the units of the graph.

        Raises
        ------
        ValueError
            If a node has no position; types have none.
        """
        places = []
        for node in nodes:
            self._require(node)
            attributes = self._node[node]
            if "x" not in attributes or "y" not in attributes:
                raise ValueError(f"{node!r} has no position in the image; its instances do.")
            places.append((attributes["x"], attributes["y"]))
        return np.array(places, dtype=float).reshape(-1, 2)

    def composition(self, node: str) -> dict[str, float]:
        """Return the amount of each motif in `node`, with shared atoms by their fraction.

        For a type, the mean over its instances, without those at the border if there are others.

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

    def paths(
        self, source: str, target: str, kinds: Iterable[str] = (schema.ADJACENT,), most: int = 100
    ) -> list[list[str]]:
        """Return the shortest paths between two nodes.

        Parameters
        ----------
        source, target : str
            The ends.
        kinds : iterable of str
            Kinds of edges of the paths, in both directions.
        most : int
            Largest number of paths: a lattice has very many.

        Returns
        -------
        list of list of str
            Each from `source` to `target`; empty if there is no path.
        """
        self._require(source)
        self._require(target)
        allowed = set(kinds)
        way = nx.subgraph_view(self.to_undirected(as_view=True), filter_edge=self._edge_filter(allowed))
        try:
            return list(islice(nx.all_shortest_paths(way, source, target), most))
        except nx.NetworkXNoPath:
            return []

    def _edge_filter(self, kinds: set[str]) -> Callable[[str, str], bool]:
        succ = self._succ

        def passes(u: str, v: str) -> bool:
            return any(d is not None and d.get("kind") in kinds for d in (succ[u].get(v), succ[v].get(u)))

        return passes

    def _kind(self, node: str) -> str:
        self._require(node)
        return self._node[node].get("kind", "")


def _is_instance_kind(kind: str) -> bool:
    return not schema.is_type_kind(kind)


class Difference(NamedTuple):
    """A class, or a pair of neighbouring classes, in two graphs.

    Attributes
    ----------
    key : tuple of str
        Kind and name of the class; for a pair, kind and both names.
    first, second : int
        Numbers in the two graphs.
    of_first, of_second : int
        Numbers of all of the kind.
    z : float
        Difference of the shares in units of its standard deviation; positive: more in the second.
    q : float
        False discovery rate at which the difference is significant.
    """

    key: tuple[str, ...]
    first: int
    second: int
    of_first: int
    of_second: int
    z: float
    q: float


@dataclass(frozen=True)
class TypeComparison:
    """Comparison of the classes and rules of two graphs.

    Attributes
    ----------
    classes : tuple of Difference
        All classes of either graph.
    rules : tuple of Difference
        All pairs of classes that are neighbours in either graph.
    """

    classes: tuple[Difference, ...]
    rules: tuple[Difference, ...]

    @property
    def only_first(self) -> list[tuple[str, ...]]:
        """Classes that only the first graph has."""
        return [d.key for d in self.classes if d.second == 0]

    @property
    def only_second(self) -> list[tuple[str, ...]]:
        """Classes that only the second graph has."""
        return [d.key for d in self.classes if d.first == 0]

    def differing(self, level: float = REPORTED_LEVEL) -> list[Difference]:
        """Return the classes and rules whose share differs, at a false discovery rate of `level`."""
        return [d for d in (*self.classes, *self.rules) if d.q <= level]

    def summary(self) -> str:
        """Return the differences as text."""
        lines = [
            f"{len(self.classes)} classes, {len(self.only_first)} in the first graph only, "
            f"{len(self.only_second)} in the second only."
        ]
        for title, entries in (("classes", self.classes), ("neighbours", self.rules)):
            found = sorted((d for d in entries if d.q <= REPORTED_LEVEL), key=lambda d: -abs(d.z))
            lines.append(f"{len(found)} of {len(entries)} {title} differ in their share:")
            lines += [
                f"  {' '.join(d.key)}: {d.first} of {d.of_first}, then {d.second} of {d.of_second} (z = {d.z:+.1f})"
                for d in found
            ]
        return "\n".join(lines)


def compare_types(first: RelationGraph, second: RelationGraph) -> TypeComparison:
    """Compare the numbers of all classes, and of their neighbours, as shares of their kind.

    Classes are the same if kind and name are. Shares are compared by the two-proportion z-test, the p-values
    corrected by the method of Benjamini and Hochberg.

    Parameters
    ----------
    first, second : RelationGraph
        Graphs with types, usually those of whole images.

    Returns
    -------
    TypeComparison
    """
    classes = _differences(_sizes(first), _sizes(second))
    rules = _differences(_neighbours(first), _neighbours(second))
    return TypeComparison(classes, rules)


def _name(graph: RelationGraph, node: str) -> str:
    return str(graph.nodes[node].get("name", node))


def _sizes(graph: RelationGraph) -> dict[tuple[str, ...], int]:
    sizes: dict[tuple[str, ...], int] = {}
    for node, d in graph.nodes.items():
        if schema.is_type_kind(d.get("kind", "")):
            key = (d["kind"], _name(graph, node))
            sizes[key] = sizes.get(key, 0) + int(d.get("size", 0))
    return sizes


def _neighbours(graph: RelationGraph) -> dict[tuple[str, ...], int]:
    counts: dict[tuple[str, ...], int] = {}
    for u, d in graph.nodes.items():
        if not schema.is_type_kind(d.get("kind", "")):
            continue
        for v, edge in graph.succ[u].items():
            if edge.get("kind") == schema.NEIGHBOURS:
                key = (d["kind"], *sorted((_name(graph, u), _name(graph, v))))
                counts[key] = counts.get(key, 0) + int(edge["observed"])
    return counts


def _differences(
    first: dict[tuple[str, ...], int], second: dict[tuple[str, ...], int]
) -> tuple[Difference, ...]:
    keys = sorted(set(first) | set(second))
    if not keys:
        return ()
    a = np.array([first.get(key, 0) for key in keys], dtype=float)
    b = np.array([second.get(key, 0) for key in keys], dtype=float)
    _, kind = np.unique([key[0] for key in keys], return_inverse=True)
    n, m = np.bincount(kind, a)[kind], np.bincount(kind, b)[kind]
    pooled = (a + b) / np.maximum(n + m, 1)
    variance = pooled * (1 - pooled) * (1 / np.maximum(n, 1) + 1 / np.maximum(m, 1))
    testable = (variance > 0) & (n > 0) & (m > 0)
    z = np.where(
        testable, (b / np.maximum(m, 1) - a / np.maximum(n, 1)) / np.sqrt(np.where(testable, variance, 1)), 0
    )
    q = stats.false_discovery_control(np.where(testable, 2 * special.ndtr(-np.abs(z)), 1.0))
    counts = np.column_stack([a, b, n, m]).astype(int).tolist()
    return tuple(
        Difference(keys[i], c[0], c[1], c[2], c[3], float(z[i]), float(q[i])) for i, c in enumerate(counts)
    )
