"""One step of the relaxation: forces on a range of vertices.

The displacements from some vertices to all vertices that act on them are stored contiguously, so that the arithmetic
is vectorised. Only the sums of each vertex are computed one by one, always in the same order. `ends` contains the end
of the row of each vertex.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.compilation import INNER, OUTER

from ._hash import random_integer

_BLOCK = 64  # vertices per block: their rows stay in the first-level cache


@numba.njit(cache=True, **INNER)
def _displacements(coordinate, first, near, ends, apart):  # type: ignore[no-untyped-def]
    """Coordinates of the acting vertices minus that of the vertex, for the vertices from `first` on."""
    start = np.uint32(0)
    for row in range(len(ends)):
        stop = np.uint32(ends[row])
        here = coordinate[first + row]
        for p in range(start, stop):
            apart[p] = coordinate[np.uint32(near[p])] - here
        start = stop


@numba.njit(cache=True, **INNER)
def _add_squares(values, out):  # type: ignore[no-untyped-def]
    for p in range(len(out)):
        out[p] += values[p] * values[p]


@numba.njit(cache=True, **INNER)
def _multiply(values, out):  # type: ignore[no-untyped-def]
    for p in range(len(values)):
        out[p] *= values[p]


@numba.njit(cache=True, **INNER)
def _strengths(square, exponent, strength, out):  # type: ignore[no-untyped-def]
    """strength / (d^exponent + 1) from d^2; whole even exponents, those of the published stages, without a power."""
    one, half = np.float32(1), np.float32(0.5)
    if exponent == 0:
        for p in range(len(out)):
            out[p] = strength / np.float32(2)
    elif exponent == 2:
        for p in range(len(out)):
            out[p] = strength / (square[p] + one)
    elif exponent == 4:
        for p in range(len(out)):
            out[p] = strength / (square[p] * square[p] + one)
    else:
        for p in range(len(out)):
            out[p] = strength / (np.float32(square[p] ** (half * exponent)) + one)


@numba.njit(cache=True, **INNER)
def _bounded_forces(strength, clip, apart):  # type: ignore[no-untyped-def]
    """Convert displacements to forces."""
    for p in range(len(strength)):
        apart[p] = min(max(strength[p] * apart[p], -clip), clip)


@numba.njit(cache=True, **INNER)
def _add_up(part, ends, sign, out):  # type: ignore[no-untyped-def]
    """Add the row of each vertex to its sum, or subtract it."""
    start = np.uint32(0)
    for row in range(len(ends)):
        stop = np.uint32(ends[row])
        total = out[row]
        for p in range(start, stop):
            total += sign * part[p]
        out[row] = total
        start = stop


@numba.njit(cache=True, **INNER)
def _squares_apart(layout, first, near, ends, apart, square):  # type: ignore[no-untyped-def]
    """Displacements by coordinate, and their squared lengths."""
    for p in range(len(square)):
        square[p] = 0
    for d in range(len(layout)):
        _displacements(layout[d], first, near, ends, apart[d])
        _add_squares(apart[d], square)


@numba.njit(cache=True, **INNER)
def _sample(seed, step, first, n_rows, n_negatives, n, out):  # type: ignore[no-untyped-def]
    """Vertices that repel each of those from `first` on."""
    for row in range(n_rows):
        for k in range(n_negatives):
            out[row * n_negatives + k] = random_integer(seed, step, np.uint64(first + row), np.uint64(k), n)


@numba.njit(cache=True, **INNER)
def _spare_neighbours(first, near, ends, sampled, n_negatives, seen, strength):  # type: ignore[no-untyped-def]
    """Exclude attracting vertices from the repulsion; `seen` (n,) stores the last vertex with each one as a
    neighbour."""
    start = np.uint32(0)
    for row in range(len(ends)):
        stop, vertex = np.uint32(ends[row]), np.int32(first + row)
        for p in range(start, stop):
            seen[np.uint32(near[p])] = vertex
        start = stop
        for k in range(np.uint32(row * n_negatives), np.uint32((row + 1) * n_negatives)):
            if seen[np.uint32(sampled[k])] == vertex:
                strength[k] = 0


@numba.njit(cache=True, **OUTER)
def step_rows(
    first: int,
    last: int,
    layout: NDArray[np.float32],
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    weights: NDArray[np.float32],
    parameters: NDArray[np.float32],
    bounds: NDArray[np.float32],
    n_negatives: int,
    counter: NDArray[np.uint64],
    new: NDArray[np.float32],
    work: NDArray[np.float32],
) -> None:
    """Move the vertices from `first` to `last`.

    Parameters
    ----------
    first, last : int
    layout : (d, n) float32 array
        Before the step.
    indptr, indices, weights : arrays
        Of the graph, as rows of a CSR array.
    parameters : (4,) float32 array
        Exponents and strengths of attraction and repulsion, in the order of `Stage`.
    bounds : (2,) float32 array
        Length of the step and bound of a single force.
    n_negatives : int
        Number of repelling vertices for each.
    counter : (2,) uint64 array
        Seed and number of the step.
    new : (d, n) float32 array
        Filled with the layout after the step.
    work : (n,) float32 array
        Filled with half the work of the forces on each vertex, attraction minus repulsion.
    """
    dimensions, n = layout.shape
    rate, clip = bounds[0], bounds[1]
    room = _BLOCK * n_negatives
    for start in range(first, last, _BLOCK):
        room = max(room, indptr[min(start + _BLOCK, last)] - indptr[start])
    apart = np.empty((dimensions, room), dtype=np.float32)
    square, strength = np.empty(room, dtype=np.float32), np.empty(room, dtype=np.float32)
    sampled = np.empty(_BLOCK * n_negatives, dtype=np.int32)
    # Loops, because array expressions take long to compile.
    row_ends, sampled_ends = np.empty(_BLOCK, dtype=np.int32), np.empty(_BLOCK, dtype=np.int32)
    for row in range(_BLOCK):
        sampled_ends[row] = (row + 1) * n_negatives
    seen = np.empty(n, dtype=np.int32)
    for i in range(n):
        seen[i] = -1
    force = np.empty((dimensions, _BLOCK), dtype=np.float32)
    total_weight = np.empty(_BLOCK, dtype=np.float32)
    plus, minus, half, one = np.float32(1), np.float32(-1), np.float32(0.5), np.float32(1)
    for start in range(first, last, _BLOCK):
        stop = min(start + _BLOCK, last)
        near, weight = indices[indptr[start] : indptr[stop]], weights[indptr[start] : indptr[stop]]
        ends, done, heavy = row_ends[: stop - start], work[start:stop], total_weight[: stop - start]
        for row in range(stop - start):
            ends[row] = indptr[start + row + 1] - indptr[start]
            done[row] = heavy[row] = 0
            for d in range(dimensions):
                force[d, row] = 0
        squares, pull = square[: len(near)], strength[: len(near)]
        _squares_apart(layout, start, near, ends, apart, squares)
        _strengths(squares, parameters[0], parameters[2], pull)
        for d in range(dimensions):
            _bounded_forces(pull, clip, apart[d])
            _multiply(weight, apart[d])
            _add_up(apart[d], ends, plus, force[d])
        _multiply(weight, pull)
        _multiply(pull, squares)
        _add_up(squares, ends, plus, done)
        _add_up(weight, ends, plus, heavy)

        others = sampled[: (stop - start) * n_negatives]
        _sample(counter[0], counter[1], start, stop - start, n_negatives, n, others)
        squares, push = square[: len(others)], strength[: len(others)]
        other_ends = sampled_ends[: stop - start]
        _squares_apart(layout, start, others, other_ends, apart, squares)
        _strengths(squares, parameters[1], parameters[3], push)
        _spare_neighbours(start, near, ends, others, n_negatives, seen, push)
        for d in range(dimensions):
            _bounded_forces(push, clip, apart[d])
            _add_up(apart[d], other_ends, minus, force[d])
        _multiply(push, squares)
        _add_up(squares, other_ends, minus, done)
        for row in range(stop - start):
            done[row] *= half
            step = rate / max(heavy[row], one)
            for d in range(dimensions):
                new[d, start + row] = layout[d, start + row] + step * force[d, row]
