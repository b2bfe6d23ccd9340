"""Density clusters of a layout at the finest granularity."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial import cKDTree

from ._parameters import MIN_MOTIF_SIZE

_LINKS = 12
_MANY = 4000


def density_clusters(
    layout: NDArray[np.floating], min_motif_size: int = MIN_MOTIF_SIZE, prominence: float = 1.3
) -> NDArray[np.int32]:
    r"""Return the leaves of the density tree of a layout.

    Points are merged in the order of their mutual reachability distance :math:`\max(c_i, c_j, d_{ij})`, where c is
    the distance to the `min_motif_size`-th neighbour (Campello, Moulavi and Sander, 2013). A branch is a cluster if
    it has at least `min_motif_size` points and its smallest distance is `prominence` times smaller than the distance
    at which it meets another such branch. Branches that meet with less prominence form one cluster. Links connect
    each point with its twelve nearest neighbours, so the run time grows as n log n.

    Parameters
    ----------
    layout : ndarray, shape (n, d)
    min_motif_size : int
        Number of points of the smallest cluster.
    prominence : float
        Ratio of distances, at least 1. A value of 1 keeps every fluctuation.

    Returns
    -------
    ndarray of int32, shape (n,)
        Cluster of each point, from 0, or -1 for points between clusters.
    """
    n = len(layout)
    if n <= max(min_motif_size, 2):
        return np.zeros(n, dtype=np.int32)
    k = min(max(_LINKS, min_motif_size) + 1, n)
    # Several threads are used only for many points. Each point is queried independently.
    workers = int(numba.get_num_threads()) if n > _MANY else 1
    distances, indices = cKDTree(layout).query(layout, k=k, workers=workers)
    core = distances[:, min(min_motif_size, k - 1)]
    rows = np.repeat(np.arange(n, dtype=np.int64), k - 1)
    columns = indices[:, 1:].ravel()
    lengths = np.maximum(np.maximum(core[rows], core[columns]), distances[:, 1:].ravel())
    order = np.lexsort((columns, rows, lengths))
    seeds = _leaves(rows[order], columns[order], lengths[order], core, min_motif_size, prominence)
    labels = np.full(n, -1, dtype=np.int32)
    found, numbers = np.unique(seeds[seeds >= 0], return_inverse=True)
    labels[seeds >= 0] = numbers
    return labels if len(found) else np.zeros(n, dtype=np.int32)


def _leaves(
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    lengths: NDArray[np.float64],
    core: NDArray[np.float64],
    min_motif_size: int,
    prominence: float,
) -> NDArray[np.int64]:
    """Apply single linkage to sorted links. A component is young (too small), a leaf, or closed (has finished leaves)."""
    n = len(core)
    # Links between parts of one component change nothing. By rank, all links differ, and the tree is unique.
    ranks = csr_array((np.arange(1.0, len(rows) + 1), (rows, columns)), shape=(n, n))
    tree = np.sort(minimum_spanning_tree(ranks).data).astype(np.int64) - 1
    parent, members = list(range(n)), [[i] for i in range(n)]
    birth, closed = core.tolist(), [False] * n  # innermost distance of the component
    leaf_of = np.full(n, -1)
    for i, j, length in zip(rows[tree].tolist(), columns[tree].tolist(), lengths[tree].tolist(), strict=True):
        a, b = _root(parent, i), _root(parent, j)
        size_a, size_b = len(members[a]), len(members[b])
        if size_a < size_b or (size_a == size_b and b < a):
            a, b, size_a, size_b = b, a, size_b, size_a
        a_stands = closed[a] or (size_a >= min_motif_size and birth[a] * prominence <= length)
        b_stands = closed[b] or (size_b >= min_motif_size and birth[b] * prominence <= length)
        if a_stands and b_stands:
            for c in (a, b):
                if not closed[c]:
                    leaf_of[members[c]] = c
            closed[a] = True
        elif a_stands or b_stands:
            closed[a] = closed[a] or closed[b]
        parent[b] = a
        birth[a] = min(birth[a], birth[b])
        members[a] += members[b]
        members[b] = []
    for c in range(n):
        if not closed[c] and len(members[c]) >= min_motif_size:
            leaf_of[members[c]] = c
    return leaf_of


def _root(parent: list[int], i: int) -> int:
    while parent[i] != i:
        parent[i] = i = parent[parent[i]]
    return i
