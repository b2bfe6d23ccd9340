"""Build the graph of an image or a movie from its motifs, cells and levels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import networkx as nx
import numpy as np

from hyperspy_motifs.cells import EMPTY_SITE
from hyperspy_motifs.hierarchy import NeighbourStatistics, corner_shares, neighbour_statistics, polygon_shares

from . import _schema as schema

Nodes = Iterator[tuple[str, dict[str, Any]]]
Edges = Iterator[tuple[str, str, dict[str, Any]]]


def node_ids(kind: str, n: int) -> list[str]:
    """Return the ids of the `n` nodes of one kind."""
    return [f"{kind}:{i}" for i in range(n)]


def nodes_from_columns(ids: list[str], constants: dict[str, Any], columns: dict[str, Any]) -> Nodes:
    """Yield nodes with their attributes.

    Parameters
    ----------
    ids : list of str
        The node ids.
    constants : dict
        Attributes that all nodes share.
    columns : dict of str to sequence
        Attributes that differ, arrays or lists with one entry per node.
    """
    names = list(columns)
    for node, row in zip(ids, _rows(columns.values(), len(ids)), strict=True):
        yield node, {**constants, **dict(zip(names, row, strict=True))}


def edges_from_columns(sources: list[str], targets: list[str], kind: str, columns: dict[str, Any]) -> Edges:
    """Yield edges of one kind with their attributes, as `nodes_from_columns` does nodes."""
    names = list(columns)
    rows = _rows(columns.values(), len(sources))
    if len(names) == 1:
        # Most of the up to millions of edges are of this kind.
        [name] = names
        for source, target, (value,) in zip(sources, targets, rows, strict=True):
            yield source, target, {"kind": kind, name: value}
        return
    for source, target, row in zip(sources, targets, rows, strict=True):
        yield source, target, {"kind": kind, **dict(zip(names, row, strict=True))}


def _rows(columns: Iterable[Any], n: int) -> Iterable[tuple[Any, ...]]:
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
    columns = {
        "observed": s.observed[kept], "expected": s.expected[kept], "z": s.z[kept], "p": s.p[kept],
        "q": s.q[kept],
    }  # fmt: skip
    sources = [ids[i] for i in s.first[kept].tolist()]
    targets = [ids[i] for i in s.second[kept].tolist()]
    return edges_from_columns(sources, targets, schema.NEIGHBOURS, columns)


def type_statistics(
    labels: np.ndarray, edges: np.ndarray, n_permutations: int, random_state: int
) -> NeighbourStatistics:
    """Return the statistics of one level; a separate function treats all levels equally."""
    return neighbour_statistics(labels, edges, n_permutations, random_state)


class GraphBuilder:
    """Writes the atoms, the cells and the levels above them into a graph, one column at a time.

    Parameters
    ----------
    graph : networkx.DiGraph
        Empty graph to be filled.
    positions : numpy.ndarray of float, shape (n, 2)
        Positions x, y of the atoms.
    labels : numpy.ndarray of int, shape (n,)
        Motif of each atom, from 0.
    names : list of str
        Name of each motif.
    n_permutations, random_state : int
        Of the neighbour statistics.
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
        self.atoms = node_ids(schema.ATOM, len(labels))
        #: Nodes and positions of the corners of cells: the atoms, then the empty sites.
        self.corners = self.atoms
        self.corner_positions = positions

    def add_atoms(self, probabilities: np.ndarray, frames: np.ndarray | None) -> None:
        """Add the atoms, the motifs and their edges."""
        motifs = node_ids(schema.MOTIF, len(self.names))
        types = take(motifs, self.labels)
        columns = {
            "x": self.positions[:, 0],
            "y": self.positions[:, 1],
            "type": types,
            "probability": probabilities,
        }
        if frames is not None:
            columns["frame"] = frames
        constants = {"kind": schema.ATOM, "level": 0, "size": 1}
        self.graph.add_nodes_from(nodes_from_columns(self.atoms, constants, columns))
        sizes = np.bincount(self.labels, minlength=len(motifs))
        certainty = np.bincount(self.labels, probabilities, minlength=len(motifs)) / np.maximum(sizes, 1)
        columns = {"name": self.names, "size": sizes, "probability": certainty}
        constants = {"kind": schema.MOTIF, "level": 0}
        self.graph.add_nodes_from(nodes_from_columns(motifs, constants, columns))
        self.graph.add_edges_from(edges_from_columns(self.atoms, types, schema.INSTANCE_OF, {}))

    def add_empty_sites(self, positions: np.ndarray) -> None:
        """Add the empty sites (k, 2), which are corners of cells like atoms but have no motif."""
        ids = node_ids(schema.VACANCY, len(positions))
        columns = {"x": positions[:, 0], "y": positions[:, 1]}
        constants = {"kind": schema.VACANCY, "level": 0, "size": 1}
        self.graph.add_nodes_from(nodes_from_columns(ids, constants, columns))
        self.corners = self.atoms + ids
        self.corner_positions = np.vstack([self.positions, positions])

    def add_bonds(self, bonds: np.ndarray, edge_of: np.ndarray) -> None:
        """Add the bonds (b, 2) between atoms and empty sites, each shared by `edge_of` (b,) cells."""
        bonds = np.sort(bonds, axis=1)
        sources, targets = take(self.corners, bonds[:, 0]), take(self.corners, bonds[:, 1])
        columns = {"shared": edge_of}
        self.graph.add_edges_from(edges_from_columns(sources, targets, schema.ADJACENT, columns))
        self._add_neighbours(schema.MOTIF, self.labels, bonds[bonds[:, 1] < len(self.labels)])

    def add_cells(self, cells: Any) -> None:
        """Add the cells of a ``Cells`` object, their empty sites, their classes and their edges."""
        empty = np.asarray(getattr(cells, "empty_sites", ())).reshape(-1, 2)
        if len(empty):
            self.add_empty_sites(empty)
        labels = np.asarray(cells.labels, dtype=np.int64)
        n, n_classes = len(labels), int(labels.max(initial=-1)) + 1
        ids = node_ids(schema.CELL, n)
        classes = node_ids(schema.CELL_CLASS, n_classes)
        types = take(classes, labels)
        sequences = [sequence_text(sequence) for sequence in cells.corner_sequences]
        n_corners = np.asarray(cells.n_corners, dtype=np.int64)
        centres = np.asarray(cells.centres, dtype=float).reshape(-1, 2)
        areas = np.asarray(cells.areas, dtype=float)
        columns: dict[str, Any] = {
            "x": centres[:, 0], "y": centres[:, 1], "type": types, "size": n_corners, "n_corners": n_corners,
            "corner_sequence": sequences, "area": areas, "on_border": np.asarray(cells.on_border, dtype=bool),
        }  # fmt: skip
        for name, dtype in (("handedness", np.int64), ("orientation", float)):
            values = getattr(cells, name, None)
            if values is not None:
                columns[name] = np.asarray(values).astype(dtype)
        constants = {"kind": schema.CELL, "level": 1}
        self.graph.add_nodes_from(nodes_from_columns(ids, constants, columns))
        self._add_cell_classes(classes, labels, n_corners, sequences, areas)
        self.graph.add_edges_from(edges_from_columns(ids, types, schema.INSTANCE_OF, {}))
        corners = np.concatenate([np.asarray(p, dtype=np.int64) for p in cells.corners] or [np.empty(0, int)])
        offsets = np.concatenate([[0], np.cumsum(n_corners)])
        sides = corners
        owner, share = corner_shares(self.corner_positions, corners, offsets)
        corners, owner, share = self._with_centre_atoms(cells, corners, owner, share)
        self._add_parts(self.corners, ids, corners, owner, share)
        is_atom = corners < len(self.atoms)
        self._add_composition(classes, labels, corners[is_atom], owner[is_atom], share[is_atom])
        self.add_bonds(*_bonds_with_cells(np.asarray(cells.bonds).reshape(-1, 2), sides, offsets))
        adjacency = np.asarray(cells.adjacency, dtype=np.int64).reshape(-1, 3)
        self._add_adjacency(ids, adjacency)
        self._add_neighbours(schema.CELL_CLASS, labels, adjacency[:, :2])

    def add_hierarchy(self, hierarchy: Any) -> None:
        """Add the levels of a ``Hierarchy``."""
        for number, level in enumerate(hierarchy.levels, start=2):
            self._add_level(number, level)
        if any(level.kind == "domain" for level in hierarchy.levels):
            for atom, domain in zip(self.atoms, hierarchy.atom_domains.tolist(), strict=True):
                self.graph.nodes[atom]["domain"] = domain
        self.graph.graph.update(hierarchy.scalars)
        self.graph.graph["reason"] = hierarchy.reason

    def _add_level(self, number: int, level: Any) -> None:
        ids = node_ids(level.kind, len(level.labels))
        kind = schema.class_kind(level.kind)
        classes = node_ids(kind, len(level.names))
        types = take(classes, level.labels)
        owner = level.parts[:, 1]
        columns: dict[str, Any] = {
            "x": level.centres[:, 0],
            "y": level.centres[:, 1],
            "type": types,
            "size": np.bincount(owner, minlength=len(ids)),
            **level.columns,
        }
        constants = {"kind": level.kind, "level": number}
        self.graph.add_nodes_from(nodes_from_columns(ids, constants, columns))
        sizes = np.bincount(level.labels, minlength=len(classes))
        columns = {"name": list(level.names), "size": sizes}
        for name in ("area",):
            if name in level.columns:
                sums = np.bincount(level.labels, level.columns[name], minlength=len(classes))
                columns[name] = sums / np.maximum(sizes, 1)
        constants = {"kind": kind, "level": number}
        self.graph.add_nodes_from(nodes_from_columns(classes, constants, columns))
        self.graph.add_edges_from(edges_from_columns(ids, types, schema.INSTANCE_OF, {}))
        children = node_ids(level.child_kind, int(level.parts[:, 0].max(initial=-1)) + 1)
        self._add_parts(children, ids, level.parts[:, 0], owner, level.fractions)
        self._add_level_composition(classes, children, level)
        self._add_adjacency(ids, level.adjacency)
        self._add_neighbours(kind, level.labels, level.adjacency[:, :2])
        self.graph.graph[f"reason:{level.kind}"] = level.reason
        self.graph.graph.update({f"{level.kind}:{name}": v for name, v in level.scalars.items()})

    def _add_level_composition(self, classes: list[str], children: list[str], level: Any) -> None:
        """Add the mean number of parts of each type for the classes of a level."""
        child_type = [self.graph.nodes[child]["type"] if child in self.graph else "" for child in children]
        met, of_child = np.unique(np.array(child_type, dtype=object).astype(str), return_inverse=True)
        n = len(classes) * len(met)
        key = level.labels[level.parts[:, 1]] * len(met) + of_child[level.parts[:, 0]]
        count, fraction = np.bincount(key, minlength=n), np.bincount(key, level.fractions, minlength=n)
        members = np.bincount(level.labels, minlength=len(classes))
        pairs = np.flatnonzero(count)
        of_class = pairs // max(len(met), 1)
        columns = {
            "count": count[pairs] / members[of_class],
            "fraction": fraction[pairs] / members[of_class],
        }
        sources = take(classes, of_class)
        targets = met[pairs % max(len(met), 1)].tolist()
        self.graph.add_edges_from(edges_from_columns(sources, targets, schema.COMPOSED_OF, columns))

    def _with_centre_atoms(
        self, cells: Any, corners: np.ndarray, owner: np.ndarray, share: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Add the atoms inside cells to the corners: they belong completely to their cell."""
        number = np.asarray(getattr(cells, "n_centre_atoms", np.zeros(len(cells.labels))))
        full = np.flatnonzero(number > 0)
        if not len(full):
            return corners, owner, share
        sizes = [len(cells.corners[k]) for k in full.tolist()]
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

    def _add_cell_classes(
        self,
        classes: list[str],
        labels: np.ndarray,
        n_corners: np.ndarray,
        sequences: list[str],
        areas: np.ndarray,
    ) -> None:
        n = len(classes)
        sizes = np.bincount(labels, minlength=n)
        first = np.zeros(n, dtype=np.int64)
        first[labels[::-1]] = np.arange(len(labels))[::-1]
        columns = {
            "name": [self._sequence_name(sequences[i]) for i in first],
            "size": sizes,
            "n_corners": n_corners[first],
            "corner_sequence": [sequences[i] for i in first],
            "area": np.bincount(labels, areas, minlength=n) / np.maximum(sizes, 1),
        }
        constants = {"kind": schema.CELL_CLASS, "level": 1}
        self.graph.add_nodes_from(nodes_from_columns(classes, constants, columns))

    def _sequence_name(self, sequence: str) -> str:
        names = {"v": schema.VACANCY, **{str(i): name for i, name in enumerate(self.names)}}
        return " ".join(names.get(part, part) for part in sequence.split("-") if part)

    def _add_parts(
        self,
        children: list[str],
        parents: list[str],
        child: np.ndarray,
        parent: np.ndarray,
        share: np.ndarray,
    ) -> None:
        # A ring that touches itself has an atom at two of its corners: one edge has both fractions.
        pairs, inverse = np.unique(child * len(parents) + parent, return_inverse=True)
        if len(pairs) < len(child):
            share = np.bincount(inverse.ravel(), share)
            child, parent = pairs // len(parents), pairs % len(parents)
        sources, targets = take(children, child), take(parents, parent)
        columns = {"fraction": share}
        self.graph.add_edges_from(edges_from_columns(sources, targets, schema.PART_OF, columns))

    def _add_composition(
        self,
        classes: list[str],
        labels: np.ndarray,
        corners: np.ndarray,
        owner: np.ndarray,
        share: np.ndarray,
    ) -> None:
        """Add the number of corners of each motif of a class, and the fractions of these motifs."""
        n_motifs = len(self.names)
        key = labels[owner] * n_motifs + self.labels[corners]
        n = len(classes) * n_motifs
        count, fraction = np.bincount(key, minlength=n), np.bincount(key, share, minlength=n)
        members = np.bincount(labels, minlength=len(classes))
        pairs = np.flatnonzero(count)
        of_class, motif = pairs // n_motifs, pairs % n_motifs
        columns = {
            "count": count[pairs] / members[of_class],
            "fraction": fraction[pairs] / members[of_class],
        }
        motifs = node_ids(schema.MOTIF, n_motifs)
        sources, targets = take(classes, of_class), take(motifs, motif)
        self.graph.add_edges_from(edges_from_columns(sources, targets, schema.COMPOSED_OF, columns))

    def _add_adjacency(self, ids: list[str], adjacency: np.ndarray) -> None:
        low, high = adjacency[:, :2].min(axis=1), adjacency[:, :2].max(axis=1)
        columns = {"shared": adjacency[:, 2]}
        sources, targets = take(ids, low), take(ids, high)
        self.graph.add_edges_from(edges_from_columns(sources, targets, schema.ADJACENT, columns))

    def _add_neighbours(self, kind: str, labels: np.ndarray, edges: np.ndarray) -> None:
        ids = {i: f"{kind}:{i}" for i in np.unique(labels).tolist()}
        statistics = type_statistics(labels, edges, self.n_permutations, self.random_state)
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
