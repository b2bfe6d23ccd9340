"""Nodes and edges of a motif graph from arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from hyperspy_motifs.cells import EMPTY_SITE
from hyperspy_motifs.hierarchy import NeighbourStatistics, neighbour_statistics

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
