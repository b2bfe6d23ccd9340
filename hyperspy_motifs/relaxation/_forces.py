"""Forces of the layout, its two stages, and their random numbers, which depend on a counter and not on the order of threads.

Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011); the mixing function is
the finaliser of SplitMix64 (Steele, Lea and Flood 2014).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hyperspy_motifs.threads import INNER, OUTER, over_rows


@numba.njit(cache=True, inline="always")
def _mix(x: np.uint64) -> np.uint64:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@numba.njit(cache=True, inline="always")
def counter_hash(seed: np.uint64, iteration: np.uint64, vertex: np.uint64, k: np.uint64) -> np.uint64:
    """Return 64 random bits for (seed, iteration, vertex, k), all uint64."""
    x = _mix(seed + np.uint64(0x9E3779B97F4A7C15))
    x = _mix(x + iteration * np.uint64(0x9E3779B97F4A7C15) + np.uint64(1))
    x = _mix(x + vertex * np.uint64(0xD1B54A32D192ED03) + np.uint64(2))
    return _mix(x + k * np.uint64(0x8CB92BA72F3D8DD7) + np.uint64(3))


@numba.njit(cache=True, inline="always")
def random_integer(
    seed: np.uint64, iteration: np.uint64, vertex: np.uint64, k: np.uint64, n: int
) -> np.int64:
    """Return an int64 in 0..n-1 for the counter (seed, iteration, vertex, k); n below 2^32."""
    high = counter_hash(seed, iteration, vertex, k) >> np.uint64(32)
    return np.int64((high * np.uint64(n)) >> np.uint64(32))


_BLOCK = 64  # vertices per block: their rows stay in the first-level cache


@numba.njit(cache=True, **INNER)
def _displacements(
    coordinate: NDArray[np.float32],
    first: int,
    near: NDArray[np.int32],
    ends: NDArray[np.int32],
    apart: NDArray[np.float32],
) -> None:
    """Coordinates of the acting vertices minus that of the vertex, for the vertices from `first` on."""
    start = np.uint32(0)
    for row in range(len(ends)):
        stop = np.uint32(ends[row])
        here = coordinate[first + row]
        for p in range(start, stop):
            apart[p] = coordinate[np.uint32(near[p])] - here
        start = stop


@numba.njit(cache=True, **INNER)
def _add_squares(values: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    for p in range(len(out)):
        out[p] += values[p] * values[p]


@numba.njit(cache=True, **INNER)
def _multiply(values: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    for p in range(len(values)):
        out[p] *= values[p]


@numba.njit(cache=True, **INNER)
def _strengths(
    square: NDArray[np.float32], exponent: np.float32, strength: np.float32, out: NDArray[np.float32]
) -> None:
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
def _bounded_forces(strength: NDArray[np.float32], clip: np.float32, apart: NDArray[np.float32]) -> None:
    """Convert displacements to forces."""
    for p in range(len(strength)):
        apart[p] = min(max(strength[p] * apart[p], -clip), clip)


@numba.njit(cache=True, **INNER)
def _add_up(
    part: NDArray[np.float32], ends: NDArray[np.int32], sign: np.float32, out: NDArray[np.float32]
) -> None:
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
def _squares_apart(
    layout: NDArray[np.float32],
    first: int,
    near: NDArray[np.int32],
    ends: NDArray[np.int32],
    apart: NDArray[np.float32],
    square: NDArray[np.float32],
) -> None:
    """Displacements by coordinate, and their squared lengths."""
    for p in range(len(square)):
        square[p] = 0
    for d in range(len(layout)):
        _displacements(layout[d], first, near, ends, apart[d])
        _add_squares(apart[d], square)


@numba.njit(cache=True, **INNER)
def _sample(
    seed: np.uint64,
    step: np.uint64,
    first: int,
    n_rows: int,
    n_negatives: int,
    n: int,
    out: NDArray[np.int32],
) -> None:
    """Vertices that repel each of those from `first` on."""
    for row in range(n_rows):
        for k in range(n_negatives):
            out[row * n_negatives + k] = random_integer(seed, step, np.uint64(first + row), np.uint64(k), n)


@numba.njit(cache=True, **INNER)
def _spare_neighbours(
    first: int,
    near: NDArray[np.int32],
    ends: NDArray[np.int32],
    sampled: NDArray[np.int32],
    n_negatives: int,
    seen: NDArray[np.int32],
    strength: NDArray[np.float32],
) -> None:
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


# A row takes a tenth of a microsecond: for fewer rows threads are slower.
_ROWS = 1024


class Stage(NamedTuple):
    """Forces and length of one stage of the relaxation.

    The attraction along an edge of weight w is ``w alpha / (d^N + 1)`` and the repulsion between two vertices
    ``beta / (d^M + 1)``, each times the displacement d.

    Attributes
    ----------
    attraction_exponent : float
        N. With 0 the edges are springs; with 2 the attraction decreases beyond unit distance, so that a few wrong
        edges cannot connect two groups.
    repulsion_exponent : float
        M. With 2 the repulsion is long-ranged (as 1/d), with 4 short-ranged.
    attraction, repulsion : float
        Strengths alpha and beta.
    n_iter : int
        Steps; the step length decays linearly to zero within the stage.
    """

    attraction_exponent: float
    repulsion_exponent: float
    attraction: float
    repulsion: float
    n_iter: int = 75


STAGES: tuple[Stage, ...] = (Stage(0, 2, 1, 1), Stage(2, 4, 5, 2))
"""The published pair: repulsion-dominated, then attraction-dominated."""


class Relaxation(NamedTuple):
    """Result of `relax_layout`.

    Attributes
    ----------
    layout : ndarray, shape (n, d)
    stage_layouts : list of ndarray, shape (n, d)
        At the end of each stage.
    energies : list of ndarray, shape (n_iter,)
        Per stage: sum over the vertices of half the work of the forces along the displacement at every step
        (attraction minus repulsion), per vertex. It decreases as the layout converges.
    history : ndarray, shape (frames, n, d), or None
    """

    layout: NDArray[np.float32]
    stage_layouts: list[NDArray[np.float32]]
    energies: list[NDArray[np.float64]]
    history: NDArray[np.float32] | None


def relax_layout(
    graph: csr_array,
    start: NDArray[np.float32],
    stages: Sequence[Stage] = STAGES,
    *,
    n_negatives: int = 8,
    clip: float = 4.0,
    random_state: int = 0,
    keep: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Relaxation:
    """Relax a start layout on a weighted graph through the stages.

    The forces on every vertex are computed from the positions of the previous step (Jacobi), divided by the sum
    of its edge weights so that a spring never overshoots; its negatives come from a counter-based hash of
    (seed, step, vertex, k). The result is bit-identical for any number of threads.

    Parameters
    ----------
    graph : csr_array, shape (n, n)
        Symmetric weights.
    start : ndarray, shape (n, d)
    stages : sequence of Stage
    n_negatives : int
        Vertices sampled for the repulsion at each step; they are weighted to represent the number of the published
        scheme.
    clip : float
        Bound of each component of a single force.
    random_state : int
    keep : int
        Keep every `keep`-th layout; 0 keeps none.
    progress : callable, optional
        Called with the fraction done.

    Returns
    -------
    Relaxation
    """
    # One row per coordinate: the kernels process one coordinate of many vertices at a time.
    layout = np.array(np.asarray(start, dtype=np.float32).T, order="C")
    n = layout.shape[1]
    indptr = np.ascontiguousarray(graph.indptr, dtype=np.int32)
    indices = np.ascontiguousarray(graph.indices, dtype=np.int32)
    weights = np.ascontiguousarray(graph.data, dtype=np.float32)
    history = [layout.T.copy()] if keep else None
    stage_layouts: list[NDArray[np.float32]] = []
    energies: list[NDArray[np.float64]] = []
    n_total = max(sum(stage.n_iter for stage in stages), 1)
    step = 0
    work = np.empty(n, dtype=np.float32)
    for stage in stages:
        parameters = np.array(stage[:4], dtype=np.float32)
        energy = np.empty(stage.n_iter)
        for iteration in range(stage.n_iter):
            rate = np.float32(1 - iteration / stage.n_iter)
            new = np.empty_like(layout)
            over_rows(
                step_rows, n, layout, indptr, indices, weights, parameters,
                np.array([rate, clip], dtype=np.float32), n_negatives,
                np.array([random_state, step], dtype=np.uint64), new, work, least=_ROWS,
            )  # fmt: skip
            layout = new
            energy[iteration] = float(np.mean(work, dtype=np.float64))
            step += 1
            if history is not None and step % keep == 0:
                history.append(layout.T.copy())
            if progress is not None:
                progress(step / n_total)
        stage_layouts.append(layout.T.copy())
        energies.append(energy)
    return Relaxation(
        layout.T.copy(), stage_layouts, energies, None if history is None else np.stack(history)
    )
