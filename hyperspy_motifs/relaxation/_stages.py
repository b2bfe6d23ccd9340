"""The two stages of the relaxation: forces, step, trajectory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hyperspy_motifs.threads import over_rows

from ._forces import step_rows

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
