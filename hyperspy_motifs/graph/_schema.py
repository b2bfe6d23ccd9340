"""The names of nodes, edges and attributes in a motif graph, and its construction from motifs, cells and levels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import networkx as nx
import numpy as np

from hyperspy_motifs.cells import EMPTY_SITE, Cells
from hyperspy_motifs.hierarchy import (
    Hierarchy,
    Level,
    NeighbourStatistics,
    corner_shares,
    neighbour_statistics,
    polygon_shares,
)

#: Types of attributes that GraphML knows.
Value = str | int | float | bool

SCHEMA_NAME = "hyperspy_motifs.graph"
# Grows with every change that an older version of this package cannot read.
SCHEMA_VERSION = 1

ATOM = "atom"
VACANCY = "vacancy"
CELL = "cell"
IMAGE = "image"
MOTIF = "motif"
CELL_CLASS = "cell-class"

#: Possible levels of a graph; the levels of an image depend on its structure.
INSTANCE_KINDS = frozenset(
    (
        ATOM, VACANCY, CELL, "vertex-figure", "composite", "half-cell", "unit-cell", "coarse-cell", "domain", "boundary",
        "moire-cell", IMAGE,
    )
)  # fmt: skip

PART_OF = "part_of"
ADJACENT = "adjacent"
INSTANCE_OF = "instance_of"
COMPOSED_OF = "composed_of"
NEIGHBOURS = "neighbours"

#: Types of the attributes of the schema; other attributes may have any type of GraphML.
NODE_TYPES: dict[str, type] = {
    "kind": str, "level": int, "x": float, "y": float, "type": str, "size": int, "name": str,
    "probability": float, "frame": int, "image": int,
    "n_corners": int, "corner_sequence": str, "area": float, "on_border": bool,
}  # fmt: skip
EDGE_TYPES: dict[str, type] = {
    "kind": str, "fraction": float, "shared": int, "count": float, "observed": int, "expected": float,
    "z": float, "p": float, "q": float,
}  # fmt: skip


def class_kind(kind: str) -> str:
    """Return the kind of the types of nodes of `kind`."""
    return MOTIF if kind == ATOM else f"{kind}-class"


def is_type_kind(kind: str) -> bool:
    """Return whether `kind` is a kind of types, not of instances."""
    return kind == MOTIF or kind.endswith("-class")


def motif_names(names: Sequence[str] | Mapping[int, str] | None, n_motifs: int) -> list[str]:
    """Return a name for every motif: the given ones, or ``m0``, ``m1``, ..."""
    defaults = [f"m{i}" for i in range(n_motifs)]
    if names is None:
        return defaults
    given = dict(names) if isinstance(names, Mapping) else dict(enumerate(names))
    for label, name in given.items():
        if not isinstance(name, str):
            raise ValueError(f"The name of motif {label} must be a string, not {name!r}.")
        if isinstance(names, Mapping) and not 0 <= int(label) < n_motifs:
            raise ValueError(f"There is no motif {label} for the name {name!r}: there are {n_motifs} motifs.")
    return [given.get(i, default) for i, default in enumerate(defaults)]


def check_graph(name: str, attributes: Mapping[str, object]) -> None:
    """Reject the attributes of a graph, read from the file `name`, that is no motif graph or one of a later version."""
    if attributes.get("schema") != SCHEMA_NAME:
        raise ValueError(
            f"{name} is not a motif graph: its graph has no attribute schema = {SCHEMA_NAME!r}. "
            "Read other graphs with networkx."
        )
    version = attributes.get("schema_version")
    if type(version) is not int or version < 1:
        raise ValueError(f"{name} has no valid schema_version: {version!r}.")
    if version > SCHEMA_VERSION:
        raise ValueError(
            f"{name} has the schema version {version}; this hyperspy_motifs reads up to {SCHEMA_VERSION}. "
            "Update hyperspy_motifs."
        )


def checked(
    name: str, owner: object, attributes: dict[str, Value], expected: dict[str, type]
) -> dict[str, Value]:
    """Return the attributes of a node or an edge after validation of their types; the kind must not be missing."""
    if "kind" not in attributes:
        raise ValueError(f"{name}: {str(owner)[:60]!r} has no kind.")
    for attribute, value in attributes.items():
        kind = expected.get(attribute)
        if kind is not None and type(value) is not kind:
            raise ValueError(
                f"{name}: {attribute}={str(value)[:40]!r} of {str(owner)[:60]} should be of the type "
                f"{kind.__name__}, not {type(value).__name__}."
            )
    return attributes


Column = np.ndarray | Sequence[Value]
Edges = Iterator[tuple[str, str, dict[str, Value]]]


def node_ids(kind: str, n: int) -> list[str]:
    """Return the ids of the `n` nodes of one kind."""
    return [f"{kind}:{i}" for i in range(n)]


def add_nodes(
    graph: nx.DiGraph, ids: list[str], kind: str, level: int, columns: Mapping[str, Column]
) -> None:
    """Add nodes of one kind and level, new ones, with their other attributes: arrays or lists with one entry per node.

    ``add_nodes_from`` searches for each node before it adds it, and copies the attributes.
    """
    names = ("kind", "level", *columns)
    nodes, following, preceding = graph._node, graph._succ, graph._pred
    for node, row in zip(ids, _rows(columns.values(), len(ids)), strict=True):
        nodes[node] = dict(zip(names, (kind, level, *row), strict=True))
        following[node], preceding[node] = {}, {}
    graph.add_nodes_from(())  # what networkx derived from the graph before is no longer valid


def edges_from_columns(
    sources: list[str], targets: list[str], kind: str, columns: Mapping[str, Column]
) -> Edges:
    """Yield edges of one kind with their attributes, arrays or lists with one entry per edge."""
    names = list(columns)
    rows = _rows(columns.values(), len(sources))
    for source, target, row in zip(sources, targets, rows, strict=True):
        yield source, target, {"kind": kind, **dict(zip(names, row, strict=True))}


def add_edges(
    graph: nx.DiGraph, sources: list[str], targets: list[str], kind: str, columns: Mapping[str, Column]
) -> None:
    """Add edges of one kind between nodes of the graph, each with at most one other attribute, and each pair once.

    Most of the up to millions of edges are of this kind. ``add_edges_from`` searches for each node and edge before it adds
    an edge, and takes twice as long.
    """
    names = list(columns)
    # What ``graph.succ`` and ``graph.pred`` show; both hold the same dictionary of an edge.
    following, preceding = graph._succ, graph._pred
    rows = _rows(columns.values(), len(sources))
    if names:
        [name] = names
        for source, target, (value,) in zip(sources, targets, rows, strict=True):
            preceding[target][source] = following[source][target] = {"kind": kind, name: value}
    else:
        for source, target in zip(sources, targets, strict=True):
            preceding[target][source] = following[source][target] = {"kind": kind}
    graph.add_edges_from(())  # what networkx derived from the graph before is no longer valid


def _rows(columns: Iterable[Column], n: int) -> Iterable[tuple[Value, ...]]:
    # tolist() converts NumPy's scalars to Python's own, the only types of GraphML.
    lists = [c.tolist() if isinstance(c, np.ndarray) else c for c in columns]
    return zip(*lists, strict=True) if lists else ((),) * n


def take(ids: list[str], index: np.ndarray) -> list[str]:
    """Return the ids at the positions `index`."""
    return [ids[i] for i in index.tolist()]


def sequence_text(sequence: Iterable[int]) -> str:
    """Return a cyclic sequence of labels as text: ``0-1-0-1``, with ``v`` for an empty site."""
    return "-".join("v" if label == EMPTY_SITE else str(int(label)) for label in sequence)


def neighbour_edges(ids: dict[int, str], statistics: NeighbourStatistics) -> Edges:
    """Yield the ``neighbours`` edges between types, for pairs that occur or are expected.

    Pairs that neither occur nor are expected at least once are omitted: they contain no information and would make
    the graph of types complete.
    """
    s = statistics
    kept = (s.observed > 0) | (s.expected >= 1.0)
    columns: dict[str, Column] = {
        "observed": s.observed[kept], "expected": s.expected[kept], "z": s.z[kept], "p": s.p[kept],
        "q": s.q[kept],
    }  # fmt: skip
    sources = [ids[i] for i in s.first[kept].tolist()]
    targets = [ids[i] for i in s.second[kept].tolist()]
    return edges_from_columns(sources, targets, NEIGHBOURS, columns)


class GraphBuilder:
    """Writes the atoms, the cells and the levels above them into an empty graph, one column at a time.

    Positions x, y (n, 2) and labels (n,) are those of the atoms; `n_permutations` and `random_state` those of the neighbour
    statistics.
    """

    def __init__(
        self,
        graph: nx.DiGraph,
        positions: np.ndarray,
        labels: np.ndarray,
        names: list[str],
        n_permutations: int,
        random_state: int,
    ) -> None:
        self.graph = graph
        self.positions = positions
        self.labels = labels
        self.names = names
        self.n_permutations = n_permutations
        self.random_state = random_state
        self.atoms = node_ids(ATOM, len(labels))
        #: Nodes and positions of the corners of cells: the atoms, then the empty sites.
        self.corners = self.atoms
        self.corner_positions = positions

    def add_atoms(self, probabilities: np.ndarray, frames: np.ndarray | None) -> None:
        """Add the atoms, the motifs and their edges."""
        motifs = node_ids(MOTIF, len(self.names))
        types = take(motifs, self.labels)
        columns: dict[str, Column] = {
            "x": self.positions[:, 0],
            "y": self.positions[:, 1],
            "type": types,
            "size": np.ones(len(types), dtype=np.int64),
            "probability": probabilities,
        }
        if frames is not None:
            columns["frame"] = frames
        add_nodes(self.graph, self.atoms, ATOM, 0, columns)
        sizes = np.bincount(self.labels, minlength=len(motifs))
        certainty = np.bincount(self.labels, probabilities, minlength=len(motifs)) / np.maximum(sizes, 1)
        columns = {"name": self.names, "size": sizes, "probability": certainty}
        add_nodes(self.graph, motifs, MOTIF, 0, columns)
        add_edges(self.graph, self.atoms, types, INSTANCE_OF, {})

    def add_empty_sites(self, positions: np.ndarray) -> None:
        """Add the empty sites (k, 2), which are corners of cells like atoms but have no motif."""
        ids = node_ids(VACANCY, len(positions))
        columns = {"x": positions[:, 0], "y": positions[:, 1], "size": np.ones(len(ids), dtype=np.int64)}
        add_nodes(self.graph, ids, VACANCY, 0, columns)
        self.corners = self.atoms + ids
        self.corner_positions = np.vstack([self.positions, positions])

    def add_bonds(self, bonds: np.ndarray, edge_of: np.ndarray) -> None:
        """Add the bonds (b, 2) between atoms and empty sites, each shared by `edge_of` (b,) cells."""
        bonds = np.sort(bonds, axis=1)
        sources, targets = take(self.corners, bonds[:, 0]), take(self.corners, bonds[:, 1])
        columns = {"shared": edge_of}
        add_edges(self.graph, sources, targets, ADJACENT, columns)
        self._add_neighbours(MOTIF, self.labels, bonds[bonds[:, 1] < len(self.labels)])

    def add_cells(self, cells: Cells) -> None:
        """Add the cells, their empty sites, their classes and their edges."""
        if len(cells.empty_sites):
            self.add_empty_sites(cells.empty_sites)
        ids = node_ids(CELL, len(cells))
        classes = node_ids(CELL_CLASS, len(cells.classes))
        types = take(classes, cells.labels)
        of_class = [sequence_text(c.corner_sequence) for c in cells.classes]
        sequences = take(of_class, cells.labels)
        columns: dict[str, Column] = {
            "x": cells.centres[:, 0], "y": cells.centres[:, 1], "type": types, "size": cells.n_corners,
            "n_corners": cells.n_corners, "corner_sequence": sequences, "area": cells.areas,
            "on_border": cells.on_border, "handedness": cells.handedness, "orientation": cells.orientation,
        }  # fmt: skip
        add_nodes(self.graph, ids, CELL, 1, columns)
        self._add_cell_classes(classes, cells)
        add_edges(self.graph, ids, types, INSTANCE_OF, {})
        owner, share = corner_shares(self.corner_positions, cells.vertices, cells.offsets)
        corners, owner, share = self._with_centre_atoms(cells, owner, share)
        self._add_parts(self.corners, ids, corners, owner, share)
        is_atom = corners < len(self.atoms)
        motifs = node_ids(MOTIF, len(self.names))
        self._add_composition(
            classes, motifs, cells.labels, self.labels[corners[is_atom]], owner[is_atom], share[is_atom]
        )
        self.add_bonds(*_bonds_with_cells(cells.bonds, cells.vertices, cells.offsets))
        self._add_adjacency(ids, cells.adjacency)
        self._add_neighbours(CELL_CLASS, cells.labels, cells.adjacency[:, :2])
        # In a part of an image some classes have no cell left.
        counts = np.bincount(cells.labels, minlength=len(classes))
        self.graph.remove_nodes_from([classes[k] for k in np.flatnonzero(counts == 0)])

    def add_hierarchy(self, hierarchy: Hierarchy) -> None:
        """Add the levels above the cells."""
        for number, level in enumerate(hierarchy.levels, start=2):
            self._add_level(number, level)
        if any(level.kind == "domain" for level in hierarchy.levels):
            for atom, domain in zip(self.atoms, hierarchy.atom_domains.tolist(), strict=True):
                self.graph.nodes[atom]["domain"] = domain
        self.graph.graph.update(hierarchy.scalars)
        self.graph.graph["reason"] = hierarchy.reason

    def _add_level(self, number: int, level: Level) -> None:
        ids = node_ids(level.kind, len(level.labels))
        kind = class_kind(level.kind)
        classes = node_ids(kind, len(level.names))
        types = take(classes, level.labels)
        owner = level.parts[:, 1]
        columns: dict[str, Column] = {
            "x": level.centres[:, 0],
            "y": level.centres[:, 1],
            "type": types,
            "size": np.bincount(owner, minlength=len(ids)),
            **level.columns,
        }
        add_nodes(self.graph, ids, level.kind, number, columns)
        sizes = np.bincount(level.labels, minlength=len(classes))
        columns = {"name": list(level.names), "size": sizes}
        if "area" in level.columns:
            sums = np.bincount(level.labels, level.columns["area"], minlength=len(classes))
            columns["area"] = sums / np.maximum(sizes, 1)
        add_nodes(self.graph, classes, kind, number, columns)
        add_edges(self.graph, ids, types, INSTANCE_OF, {})
        children = node_ids(level.child_kind, int(level.parts[:, 0].max(initial=-1)) + 1)
        self._add_parts(children, ids, level.parts[:, 0], owner, level.fractions)
        nodes = self.graph._node
        child_type = [nodes[child]["type"] if child in nodes else "" for child in children]
        met = sorted(set(child_type))
        number_of = {name: k for k, name in enumerate(met)}
        child_labels = np.array([number_of[name] for name in child_type], dtype=np.int64)[level.parts[:, 0]]
        self._add_composition(classes, met, level.labels, child_labels, owner, level.fractions)
        self._add_adjacency(ids, level.adjacency)
        self._add_neighbours(kind, level.labels, level.adjacency[:, :2])
        self.graph.graph[f"reason:{level.kind}"] = level.reason
        self.graph.graph.update({f"{level.kind}:{name}": v for name, v in level.scalars.items()})

    def _with_centre_atoms(
        self, cells: Cells, owner: np.ndarray, share: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the corners, and the atoms inside cells, which belong completely to their cell."""
        corners = cells.vertices
        full = np.flatnonzero(cells.n_centre_atoms > 0)
        if not len(full):
            return corners, owner, share
        sizes = cells.n_corners[full]
        rings = np.concatenate([cells.corners[k] for k in full.tolist()])
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        pairs, held = polygon_shares(self.positions, self.corner_positions[rings], offsets, 0.0)
        ring_owner = np.repeat(np.arange(len(full)), sizes)
        n = len(full)
        inside = ~np.isin(pairs[:, 0] * n + pairs[:, 1], rings * n + ring_owner) & (held == 1.0)
        return (
            np.concatenate([corners, pairs[inside, 0]]),
            np.concatenate([owner, full[pairs[inside, 1]]]),
            np.concatenate([share, held[inside]]),
        )

    def _add_cell_classes(self, classes: list[str], cells: Cells) -> None:
        sizes = np.bincount(cells.labels, minlength=len(classes))
        sequences = [sequence_text(c.corner_sequence) for c in cells.classes]
        columns: dict[str, Column] = {
            "name": [self._sequence_name(sequence) for sequence in sequences],
            "size": sizes,
            "n_corners": [c.n_corners for c in cells.classes],
            "corner_sequence": sequences,
            "area": np.bincount(cells.labels, cells.areas, minlength=len(classes)) / np.maximum(sizes, 1),
        }
        add_nodes(self.graph, classes, CELL_CLASS, 1, columns)

    def _sequence_name(self, sequence: str) -> str:
        names = {"v": VACANCY, **{str(i): name for i, name in enumerate(self.names)}}
        return " ".join(names.get(part, part) for part in sequence.split("-") if part)

    def _add_parts(
        self,
        children: list[str],
        parents: list[str],
        child: np.ndarray,
        parent: np.ndarray,
        share: np.ndarray,
    ) -> None:
        sources, targets = take(children, child), take(parents, parent)
        columns = {"fraction": share}
        add_edges(self.graph, sources, targets, PART_OF, columns)

    def _add_composition(
        self,
        classes: list[str],
        parts: list[str],
        labels: np.ndarray,
        part_labels: np.ndarray,
        owner: np.ndarray,
        share: np.ndarray,
    ) -> None:
        """Add the mean number and fraction of parts of each type for the classes of the nodes that own them."""
        n_types = len(parts)
        key = labels[owner] * n_types + part_labels
        n = len(classes) * n_types
        count, fraction = np.bincount(key, minlength=n), np.bincount(key, share, minlength=n)
        members = np.bincount(labels, minlength=len(classes))
        pairs = np.flatnonzero(count)
        of_class, of_type = pairs // max(n_types, 1), pairs % max(n_types, 1)
        columns: dict[str, Column] = {
            "count": count[pairs] / members[of_class],
            "fraction": fraction[pairs] / members[of_class],
        }
        sources, targets = take(classes, of_class), take(parts, of_type)
        self.graph.add_edges_from(edges_from_columns(sources, targets, COMPOSED_OF, columns))

    def _add_adjacency(self, ids: list[str], adjacency: np.ndarray) -> None:
        low, high = adjacency[:, :2].min(axis=1), adjacency[:, :2].max(axis=1)
        columns = {"shared": adjacency[:, 2]}
        sources, targets = take(ids, low), take(ids, high)
        add_edges(self.graph, sources, targets, ADJACENT, columns)

    def _add_neighbours(self, kind: str, labels: np.ndarray, edges: np.ndarray) -> None:
        ids = {i: f"{kind}:{i}" for i in np.unique(labels).tolist()}
        statistics = neighbour_statistics(labels, edges, self.n_permutations, self.random_state)
        self.graph.add_edges_from(neighbour_edges(ids, statistics))


def _bonds_with_cells(
    bonds: np.ndarray, corners: np.ndarray, offsets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the bonds (b, 2), lower atom first, and the number of cells (b,) at each one."""
    counts = np.diff(offsets)
    index = np.arange(len(corners))
    last, first = np.repeat(offsets[1:], counts) - 1, np.repeat(offsets[:-1], counts)
    ahead = corners[np.where(index == last, first, index + 1)]
    n = int(max(corners.max(initial=0), bonds.max(initial=0))) + 1
    sides = np.minimum(corners, ahead) * n + np.maximum(corners, ahead)
    keys = np.unique(np.concatenate([bonds.min(axis=1) * n + bonds.max(axis=1), sides]).astype(np.int64))
    cells_of = np.bincount(np.searchsorted(keys, sides), minlength=len(keys))
    return np.column_stack([keys // n, keys % n]), cells_of
