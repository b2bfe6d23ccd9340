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


_BLOCK = 64  # vertices, or ranks, per block: their rows stay in the first-level cache


@numba.njit(cache=True, **INNER)
def _act(
    layout: NDArray[np.float32],
    first: int,
    near: NDArray[np.int32],
    ends: NDArray[np.int32],
    weight: NDArray[np.float32],
    exponent: np.float32,
    strength: np.float32,
    clip: np.float32,
    square: NDArray[np.float32],
    pull: NDArray[np.float32],
    apart: NDArray[np.float32],
    force: NDArray[np.float32],
    work: NDArray[np.float32],
) -> None:
    """Add to `force` (d, rows) and `work` (rows,) what the vertices `near` exert on those from `first` on.

    Those of row r are ``near[ends[r]:ends[r + 1]]``; negative weights repel. One operation at a time for all pairs compiles
    to vector instructions. `square`, `pull` and `apart` are scratch, for all pairs and coordinates.
    """
    one, half = np.float32(1), np.float32(0.5)
    n_pairs = len(near)
    for p in range(n_pairs):
        square[p] = 0
    for d in range(len(layout)):
        coordinate, along = layout[d], apart[d]
        for row in range(len(work)):
            here = coordinate[first + row]
            for p in range(np.uint32(ends[row]), np.uint32(ends[row + 1])):
                along[p] = coordinate[np.uint32(near[p])] - here
        for p in range(n_pairs):
            square[p] += along[p] * along[p]
    # Whole even exponents, those of the published stages, without a power.
    if exponent == 0:
        for p in range(n_pairs):
            pull[p] = strength / np.float32(2)
    elif exponent == 2:
        for p in range(n_pairs):
            pull[p] = strength / (square[p] + one)
    elif exponent == 4:
        for p in range(n_pairs):
            pull[p] = strength / (square[p] * square[p] + one)
    else:
        for p in range(n_pairs):
            pull[p] = strength / (np.float32(square[p] ** (half * exponent)) + one)
    for d in range(len(layout)):
        along = apart[d]
        for p in range(n_pairs):
            along[p] = min(max(pull[p] * along[p], -clip), clip) * weight[p]
        for row in range(len(work)):
            total = force[d, row]
            for p in range(np.uint32(ends[row]), np.uint32(ends[row + 1])):
                total += along[p]
            force[d, row] = total
    for p in range(n_pairs):
        square[p] *= weight[p] * pull[p]
    for row in range(len(work)):
        total = work[row]
        for p in range(np.uint32(ends[row]), np.uint32(ends[row + 1])):
            total += square[p]
        work[row] = total


@numba.njit(cache=True, **OUTER)
def step_rows(
    first: int,
    last: int,
    layout: NDArray[np.float32],
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    weights: NDArray[np.float32],
    total_weight: NDArray[np.float32],
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
    total_weight : (n,) float32 array
        By which the force on each vertex is divided.
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
    square, pull = np.empty(room, dtype=np.float32), np.empty(room, dtype=np.float32)
    sampled = np.empty(_BLOCK * n_negatives, dtype=np.int32)
    repulsion = np.empty(_BLOCK * n_negatives, dtype=np.float32)
    # Loops, because array expressions take long to compile.
    ends, sampled_ends = np.empty(_BLOCK + 1, dtype=np.int32), np.empty(_BLOCK + 1, dtype=np.int32)
    # The last vertex that has each one as a neighbour.
    seen = np.empty(n, dtype=np.int32)
    for i in range(n):
        seen[i] = -1
    force = np.empty((dimensions, _BLOCK), dtype=np.float32)
    for start in range(first, last, _BLOCK):
        rows = min(_BLOCK, last - start)
        low, high = indptr[start], indptr[start + rows]
        done = work[start : start + rows]
        for row in range(rows + 1):
            ends[row] = indptr[start + row] - low
            sampled_ends[row] = row * n_negatives
        for row in range(rows):
            vertex = np.int32(start + row)
            done[row] = 0
            for d in range(dimensions):
                force[d, row] = 0
            for p in range(np.uint32(indptr[vertex]), np.uint32(indptr[vertex + 1])):
                seen[np.uint32(indices[p])] = vertex
            for k in range(n_negatives):
                sampled[row * n_negatives + k] = random_integer(
                    counter[0], counter[1], np.uint64(vertex), np.uint64(k), n
                )
            # Neighbours attract, and do not repel.
            for k in range(row * n_negatives, (row + 1) * n_negatives):
                repulsion[k] = 0 if seen[np.uint32(sampled[k])] == vertex else -1
        _act(
            layout, start, indices[low:high], ends, weights[low:high], parameters[0], parameters[2], clip,
            square, pull, apart, force, done,
        )  # fmt: skip
        _act(
            layout, start, sampled[: rows * n_negatives], sampled_ends, repulsion, parameters[1], parameters[3], clip,
            square, pull, apart, force, done,
        )  # fmt: skip
        for row in range(rows):
            done[row] *= np.float32(0.5)
            step = rate / total_weight[start + row]
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
    # A vertex with weak edges alone moves less.
    total_weight = np.maximum(graph.astype(np.float32) @ np.ones(n, np.float32), np.float32(1))
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
                step_rows, n, layout, indptr, indices, weights, total_weight, parameters,
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
