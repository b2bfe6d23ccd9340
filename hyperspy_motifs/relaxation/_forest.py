"""Approximate nearest neighbours: a forest of random splits, then neighbours of neighbours.

The two ideas are those of Dasgupta and Freund, "Random projection trees and low dimensional manifolds" (2008)
and Dong, Moses and Li, "Efficient k-nearest neighbor graph construction for generic similarity measures"
(2011).
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.threads import INNER, OUTER, over_rows

from ._forces import random_integer

# Points of a leaf, number of trees, and iterations over the neighbours of neighbours.
_LEAF = 48
_TREES = 6
_ROUNDS = 3


def forest_neighbours(
    points: NDArray[np.float32], k: int, random_state: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return indices (n, k) and squared distances (n, k) of near neighbours, nearest first.

    In each iteration the neighbours of a point are the best of its candidates: its neighbours, their neighbours, and
    the points of which it is a neighbour. Points write only to their own row and read the previous iteration, so that
    the result does not depend on threads.
    """
    n = len(points)
    # A leaf is halved when it is larger: k others remain.
    leaf = max(_LEAF, 2 * (k + 1))
    indices = np.full((n, k), -1, dtype=np.int32)
    squares = np.full((n, k), np.inf, dtype=np.float32)
    orders = np.empty((_TREES, n), dtype=np.int32)
    bounds = [np.empty(0, dtype=np.int64)] * _TREES
    over_rows(_grow_trees, _TREES, points, leaf, random_state, orders, bounds, least=1)
    # In the order of the leaves of the first tree, so that near points are near in memory.
    order = orders[0].copy()
    rank = np.empty(n, dtype=np.int32)
    rank[order] = np.arange(n, dtype=np.int32)
    points, orders = points[order], rank[orders]
    for tree in range(_TREES):
        over_rows(_search_leaves, len(bounds[tree]) - 1, points, orders[tree], bounds[tree], indices, squares)
    for _ in range(_ROUNDS):
        reverse, offsets = _reverse(indices)
        new = indices.copy(), squares.copy()
        over_rows(_improve, n, points, indices, squares, reverse, offsets, *new, least=1024)
        indices, squares = new
    points, indices, squares = points[rank], order[indices[rank]], squares[rank]
    over_rows(_put_in_order, n, points, indices, squares)
    return indices, squares


def _grow_trees(
    first: int,
    last: int,
    points: NDArray[np.float32],
    leaf: int,
    random_state: int,
    orders: NDArray[np.int32],
    bounds: list[NDArray[np.int64]],
) -> None:
    for tree in range(first, last):
        bounds[tree] = _grow(points, leaf, np.uint64(random_state), np.uint64(tree), orders[tree])


@numba.njit(cache=True, **INNER)
def _partition_at(values: NDArray[np.float32], items: NDArray[np.int32], middle: int) -> None:
    """Exchange values until none before `middle` exceeds one after it (Hoare's selection); items move with the values."""
    low, high = 0, len(values) - 1
    while low < high:
        pivot = values[(low + high) // 2]
        left, right = low, high
        while left <= right:
            while values[left] < pivot:
                left += 1
            while values[right] > pivot:
                right -= 1
            if left <= right:
                values[left], values[right] = values[right], values[left]
                items[left], items[right] = items[right], items[left]
                left += 1
                right -= 1
        if middle <= right:
            high = right
        elif middle >= left:
            low = left
        else:
            return


@numba.njit(cache=True, **OUTER)
def _grow(
    points: NDArray[np.float32], leaf: int, seed: np.uint64, tree: np.uint64, order: NDArray[np.int32]
) -> NDArray[np.int64]:
    """Split at the median along the line through two random points until no leaf is larger than `leaf`.

    Fill `order` (n,) with the points leaf by leaf, and return the start of each leaf and the end.
    """
    n, dimensions = points.shape
    for i in range(n):
        order[i] = i
    # Repeated halving: largest numbers of leaves and of pending intervals.
    n_most = 2
    while n_most * leaf < 2 * n:
        n_most *= 2
    edges, open_ = np.empty(n_most + 1, dtype=np.int64), np.empty((n_most + 1, 2), dtype=np.int64)
    projection, line = np.empty(n, dtype=np.float32), np.empty(dimensions, dtype=np.float32)
    open_[0, 0], open_[0, 1] = 0, n
    n_open, n_edges = 1, 0
    counter = np.uint64(0)
    while n_open > 0:
        n_open -= 1
        start, stop = open_[n_open, 0], open_[n_open, 1]
        size = stop - start
        if size <= leaf:
            edges[n_edges] = start
            n_edges += 1
            continue
        a = order[start + random_integer(seed, tree, counter, np.uint64(0), size)]
        b = order[start + random_integer(seed, tree, counter, np.uint64(1), size)]
        counter += np.uint64(1)
        for d in range(dimensions):
            line[d] = points[b, d] - points[a, d]
        for i in range(size):
            total = np.float32(0)
            for d in range(dimensions):
                total += points[order[start + i], d] * line[d]
            projection[i] = total
        _partition_at(projection[:size], order[start:stop], size // 2)
        middle = start + size // 2
        open_[n_open, 0], open_[n_open, 1] = middle, stop
        open_[n_open + 1, 0], open_[n_open + 1, 1] = start, middle
        n_open += 2
    # The lower half is always processed first, so that the leaves are in order.
    edges[n_edges] = n
    return edges[: n_edges + 1]


@numba.njit(cache=True, inline="always")
def _insert(
    row_index: NDArray[np.int32], row_square: NDArray[np.float32], j: int, square: np.float32
) -> None:
    """Insert j into a sorted row unless it is present or too far."""
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


@numba.njit(cache=True, fastmath={"reassoc", "contract"}, **INNER)
def _square(a: NDArray[np.float32], b: NDArray[np.float32]) -> np.float32:
    """Squared distance; the compiler may reorder the sum, which is used only for ranking."""
    total = np.float32(0)
    for d in range(len(a)):
        step = a[d] - b[d]
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
    dimensions = points.shape[1]
    widest = 0
    for cell in range(first, last):
        widest = max(widest, bounds[cell + 1] - bounds[cell])
    # Coordinates of the points of a leaf, row by row, for the distances of a point from all of them.
    inside, square = np.empty((dimensions, widest), dtype=np.float32), np.empty(widest, dtype=np.float32)
    for cell in range(first, last):
        members = order[bounds[cell] : bounds[cell + 1]]
        for d in range(dimensions):
            for p in range(len(members)):
                inside[d, p] = points[members[p], d]
        for p in range(len(members)):
            i = members[p]
            square[:] = 0
            for d in range(dimensions):
                row, here = inside[d], inside[d, p]
                for q in range(len(members)):
                    square[q] += (row[q] - here) * (row[q] - here)
            own_indices, own_squares = indices[i], squares[i]
            for q in range(len(members)):
                if q != p:
                    _insert(own_indices, own_squares, members[q], square[q])


@numba.njit(cache=True, **OUTER)
def _reverse(indices: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The points of which each point is a neighbour."""
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
    seen = np.full(len(points), -1, dtype=np.int32)  # last point whose distance to each was computed
    through = np.empty(3 * k, dtype=np.int32)
    for i in range(first, last):
        own_indices, own_squares, here = new_indices[i], new_squares[i], points[i]
        seen[i] = i
        for c in range(k):
            through[c] = indices[i, c]
            seen[through[c]] = i
        n_through = k
        for p in range(offsets[i], min(offsets[i + 1], offsets[i] + 2 * k)):
            j = reverse[p]
            through[n_through] = j
            n_through += 1
            if seen[j] != i:
                seen[j] = i
                _insert(own_indices, own_squares, j, _square(here, points[j]))
        for t in range(n_through):
            for e in range(k):
                j = indices[through[t], e]
                if seen[j] != i:
                    seen[j] = i
                    _insert(own_indices, own_squares, j, _square(here, points[j]))


@numba.njit(cache=True, **OUTER)
def _put_in_order(
    first: int,
    last: int,
    points: NDArray[np.float32],
    indices: NDArray[np.int32],
    squares: NDArray[np.float32],
) -> None:
    """Compute the distances in double precision and sort by distance, then by index."""
    k, dimensions = indices.shape[1], points.shape[1]
    exact = np.empty(k)
    for i in range(first, last):
        for c in range(k):
            index, total = indices[i, c], 0.0
            for d in range(dimensions):
                step = float(points[i, d]) - float(points[index, d])
                total += step * step
            slot = c
            while slot > 0 and (
                exact[slot - 1] > total or (exact[slot - 1] == total and indices[i, slot - 1] > index)
            ):
                exact[slot] = exact[slot - 1]
                indices[i, slot] = indices[i, slot - 1]
                slot -= 1
            exact[slot] = total
            indices[i, slot] = index
        for c in range(k):
            squares[i, c] = exact[c]
