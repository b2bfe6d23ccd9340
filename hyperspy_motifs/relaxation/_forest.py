"""Approximate nearest neighbours: a forest of random splits, then neighbours of neighbours.

The two ideas are those of Dasgupta and Freund, "Random projection trees and low dimensional manifolds" (2008)
and Dong, Moses and Li, "Efficient k-nearest neighbor graph construction for generic similarity measures"
(2011).
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.compilation import OUTER
from hyperspy_motifs.threads import over_rows

from ._hash import random_integer

_LEAF = 48
_TREES = 6
_ROUNDS = 3


def forest_neighbours(
    points: NDArray[np.float32], k: int, random_state: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return indices (n, k) and squared distances (n, k) of near neighbours, nearest first.

    Each round gives a point the best of its candidates, its neighbours, theirs, and the points it is a
    neighbour of; points write to their own row only and read the previous round's, so that threads do not
    matter.
    """
    n = len(points)
    leaf = max(_LEAF, k + 1)
    indices = np.full((n, k), -1, dtype=np.int32)
    squares = np.full((n, k), np.inf, dtype=np.float32)
    for tree in range(_TREES):
        order, bounds = _grow(points, leaf, np.uint64(random_state), np.uint64(tree))
        over_rows(_search_leaves, len(bounds) - 1, points, order, bounds, indices, squares)
    for _ in range(_ROUNDS):
        reverse, offsets = _reverse(indices)
        new = indices.copy(), squares.copy()
        over_rows(_improve, n, points, indices, squares, reverse, offsets, *new)
        indices, squares = new
    return indices, squares


@numba.njit(cache=True, **OUTER)
def _grow(
    points: NDArray[np.float32], leaf: int, seed: np.uint64, tree: np.uint64
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Split at the median along the line through two random points until no leaf is larger than `leaf`."""
    n, dimensions = points.shape
    order = np.arange(n).astype(np.int32)
    starts = [0]
    stops = [n]
    bounds = [0]
    bounds.pop()
    counter = np.uint64(0)
    while len(starts) > 0:
        start = starts.pop()
        stop = stops.pop()
        size = stop - start
        if size <= leaf:
            bounds.append(start)
            continue
        a = order[start + random_integer(seed, tree, counter, np.uint64(0), size)]
        b = order[start + random_integer(seed, tree, counter, np.uint64(1), size)]
        counter += np.uint64(1)
        projection = np.empty(size, dtype=np.float32)
        for i in range(size):
            total = np.float32(0)
            for d in range(dimensions):
                total += points[order[start + i], d] * (points[b, d] - points[a, d])
            projection[i] = total
        rank = np.argsort(projection, kind="mergesort")
        order[start:stop] = order[start:stop][rank]
        middle = start + size // 2
        starts.append(middle)
        stops.append(stop)
        starts.append(start)
        stops.append(middle)
    edges = np.array([*bounds, n], dtype=np.int64)
    return order, np.sort(edges)


@numba.njit(cache=True, inline="always")
def _insert(row_index, row_square, j, square):  # type: ignore[no-untyped-def]
    """Insert j into a sorted row unless it is there already or too far."""
    k = len(row_index)
    if square >= row_square[k - 1]:
        return
    for c in range(k):
        if row_index[c] == j:
            return
    slot = k - 1
    while slot > 0 and row_square[slot - 1] > square:
        row_square[slot] = row_square[slot - 1]
        row_index[slot] = row_index[slot - 1]
        slot -= 1
    row_square[slot] = square
    row_index[slot] = j


@numba.njit(cache=True, inline="always")
def _square(points, i, j):  # type: ignore[no-untyped-def]
    total = np.float32(0)
    for d in range(points.shape[1]):
        step = points[i, d] - points[j, d]
        total += step * step
    return total


@numba.njit(cache=True, **OUTER)
def _search_leaves(
    first: int,
    last: int,
    points: NDArray[np.float32],
    order: NDArray[np.int32],
    bounds: NDArray[np.int64],
    indices: NDArray[np.int32],
    squares: NDArray[np.float32],
) -> None:
    for cell in range(first, last):
        for p in range(bounds[cell], bounds[cell + 1]):
            i = order[p]
            for q in range(bounds[cell], bounds[cell + 1]):
                j = order[q]
                if i != j:
                    _insert(indices[i], squares[i], j, _square(points, i, j))


@numba.njit(cache=True, **OUTER)
def _reverse(indices: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The points that each point is a neighbour of."""
    n, k = indices.shape
    offsets = np.zeros(n + 1, dtype=np.int64)
    for i in range(n):
        for c in range(k):
            offsets[indices[i, c] + 1] += 1
    offsets = np.cumsum(offsets)
    fill = offsets[:-1].copy()
    reverse = np.empty(n * k, dtype=np.int32)
    for i in range(n):
        for c in range(k):
            j = indices[i, c]
            reverse[fill[j]] = i
            fill[j] += 1
    return reverse, offsets


@numba.njit(cache=True, **OUTER)
def _improve(
    first: int,
    last: int,
    points: NDArray[np.float32],
    indices: NDArray[np.int32],
    squares: NDArray[np.float32],
    reverse: NDArray[np.int32],
    offsets: NDArray[np.int64],
    new_indices: NDArray[np.int32],
    new_squares: NDArray[np.float32],
) -> None:
    k = indices.shape[1]
    for i in range(first, last):
        for c in range(k):
            j = indices[i, c]
            for e in range(k):
                m = indices[j, e]
                if m != i:
                    _insert(new_indices[i], new_squares[i], m, _square(points, i, m))
        for p in range(offsets[i], min(offsets[i + 1], offsets[i] + 2 * k)):
            j = reverse[p]
            _insert(new_indices[i], new_squares[i], j, _square(points, i, j))
            for e in range(k):
                m = indices[j, e]
                if m != i:
                    _insert(new_indices[i], new_squares[i], m, _square(points, i, m))
