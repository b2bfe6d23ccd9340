"""Patches around the centres of cells, and groups of cells with similar patches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hyperspy_motifs import store


def chosen_cells(cells: Any, n_corners: int | Sequence[int] | None) -> np.ndarray:
    """Numbers of the cells with `n_corners` corners; of all by default."""
    if n_corners is None:
        chosen = np.arange(len(cells))
    else:
        chosen = np.flatnonzero(np.isin(cells.n_corners, n_corners))
    if not len(chosen):
        sizes = np.unique(cells.n_corners).tolist()
        raise ValueError(
            f"No cells match: n_corners is {n_corners}, the cells have {sizes or 'none'}. "
            "motifs.find_cells(...) with another bond rule may find some."
        )
    return chosen


def cell_patches(
    signal: Any, record: store.Record, cells: Any, chosen: np.ndarray, radius: float | None, normalise: bool
) -> Any:
    """Discs around the centres of the `chosen` cells; discs that leave the image are omitted."""
    from ._atom_patches import NODE
    from ._patch_extraction import sample

    if radius is None:
        radius = float(np.sqrt(np.median(cells.areas[chosen]) / np.pi))
    frames = cells.of_points(record.frames)[chosen]
    pixels = record.stamp.to_pixels(cells.centres[chosen])
    scale = abs(record.stamp.scale[0])
    patches = sample(signal, record.stamp, pixels, frames, radius / scale, normalise, drop_outside=True)
    patches.metadata.set_item(f"{NODE}.atoms", chosen[patches.atoms])
    return patches


def cell_groups(
    features: Any,
    numbers: np.ndarray,
    n_cells: int,
    rotation_invariant: bool,
    n_clusters: int | None,
    random_state: int,
) -> np.ndarray:
    """Group (n_cells,) of each cell by its features, those of the cells `numbers`; -1 for cells without."""
    from hyperspy_motifs.clustering import MotifClustering
    from hyperspy_motifs.zernike import invariants, whiten

    moments = features.get_moments()
    values, noise = invariants(moments) if rotation_invariant else (moments.values, moments.noise_std)
    groups = np.full(n_cells, -1)
    usable = np.flatnonzero(moments.valid)
    if len(usable) < 2:
        raise ValueError(
            f"The discs of only {len(usable)} of these cells lie inside the image: too few to compare."
        )
    model = MotifClustering(n_clusters, noise=1.0, random_state=random_state)
    groups[numbers[usable]] = model.fit_predict(whiten(values, noise)[usable])
    return groups
