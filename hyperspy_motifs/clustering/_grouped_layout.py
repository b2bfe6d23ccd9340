"""The layout of groups of atoms that are relaxed together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hyperspy_motifs.relaxation import fuzzy_weights, nearest_neighbours, relax_layout

from ._features import Axes
from ._view import View, sound_members

_SPREAD = 10.0


def relax_groups(
    view: View,
    groups: NDArray[np.int32],
    before: NDArray[np.float32] | None,
    n_neighbors: int,
    random_state: int,
) -> NDArray[np.float32]:
    """Relax all atoms at once, each joined to neighbours of its own group only.

    Parameters
    ----------
    view : View
    groups : (n,) int32 array
        0..
    before : (n, 2) float32 array or None
        Layout through the lens before, from which the atoms start.
    n_neighbors, random_state : int

    Returns
    -------
    (n, 2) float32 array
    """
    n = len(groups)
    start = np.zeros((n, 2), dtype=np.float64)
    blocks, order = [], []
    for group in range(int(groups.max()) + 1):
        members = np.flatnonzero(groups == group)
        components = Axes.fit(view.X[sound_members(members, view)]).apply(view.X[members])
        k = min(n_neighbors, len(members) - 1)
        if k > 0:
            blocks.append(fuzzy_weights(*nearest_neighbours(components, k, random_state=random_state)))
        else:
            blocks.append(csr_array((1, 1), dtype=np.float32))
        plane = np.zeros((len(members), 2))
        plane[:, : min(2, components.shape[1])] = components[:, :2]
        reach = max(float(np.abs(plane).max()), 1e-12)
        start[members] = _SPREAD * np.sqrt(len(members) / n) * plane / reach
        order.append(members)
    if before is not None:
        start = 0.5 * start + before
    jitter = np.random.default_rng(random_state).uniform(-1e-2, 1e-2, (n, 2))
    permutation = np.concatenate(order)
    graph = _side_by_side(blocks)
    relaxed = relax_layout(
        graph, (start + jitter)[permutation].astype(np.float32), random_state=random_state
    ).layout
    layout = np.empty_like(relaxed)
    layout[permutation] = relaxed
    return layout


def _side_by_side(blocks: list[csr_array]) -> csr_array:
    """One graph of several that are not connected; their indices are sorted."""
    sizes, counts = [block.shape[0] for block in blocks], [block.nnz for block in blocks]
    first, before = np.cumsum([0, *sizes]), np.cumsum([0, *counts])
    indptr = [block.indptr[:-1] + start for block, start in zip(blocks, before, strict=False)]
    indices = [block.indices + start for block, start in zip(blocks, first, strict=False)]
    data = np.concatenate([block.data for block in blocks])
    return csr_array(
        (data, np.concatenate(indices), np.concatenate([*indptr, before[-1:]])), shape=(first[-1], first[-1])
    )
