"""Layouts of the same features by several methods, for comparison."""

from __future__ import annotations

import importlib.util

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._layout import ForceRelaxedLayout


def layouts_to_compare(
    features: ArrayLike, *, random_state: int = 0, umap: bool | None = None
) -> dict[str, NDArray[np.floating]]:
    """Compute layouts of the same features by principal components, after each stage of the relaxation, and by UMAP.

    Parameters
    ----------
    features : array_like of shape (n, d)
        In units of their noise.
    random_state : int
    umap : bool, optional
        Whether to include UMAP; by default if umap-learn is installed.

    Returns
    -------
    dict of str to ndarray of shape (n, 2)
        Titles and layouts, in the order of the method.

    Raises
    ------
    ImportError
        If UMAP is requested but not installed.
    """
    relaxed = ForceRelaxedLayout(random_state=random_state).fit(features)
    first, *others = relaxed.stage_embeddings_
    found = {"principal components": relaxed.start_, "repulsion-dominated": first}
    if others:
        found["attraction-dominated"] = others[-1]
    if umap is None:
        umap = importlib.util.find_spec("umap") is not None
    if umap:
        try:
            from umap import UMAP
        except ImportError as error:
            raise ImportError("UMAP needs the package umap-learn: pip install umap-learn.") from error
        found["UMAP"] = UMAP(random_state=random_state, n_jobs=1).fit_transform(np.asarray(features))
    return found


def film_frames(history: NDArray[np.floating], size: int = 256) -> tuple[NDArray[np.float32], float, float]:
    """Compute the density of the points of every stored layout of a relaxation.

    Parameters
    ----------
    history : ndarray of shape (frames, n, 2)
    size : int
        Pixels along a side.

    Returns
    -------
    images : ndarray of float32, shape (frames, size, size)
        Points per pixel; rows are the second coordinate. All frames have the same scale.
    low : float
        Coordinate of the first pixel's edge, along both axes.
    step : float
        Width of a pixel.
    """
    layouts = np.asarray(history, dtype=np.float64)
    if layouts.ndim != 3 or layouts.shape[2] != 2:
        raise ValueError(f"A history of shape (frames, n, 2) is expected, not {layouts.shape}.")
    reach = 1.05 * float(np.abs(layouts).max()) or 1.0
    step = 2 * reach / size
    cells = np.clip(((layouts + reach) / step).astype(np.int64), 0, size - 1)
    images = np.zeros((len(layouts), size * size), np.float32)
    for image, cell in zip(images, cells, strict=True):
        image += np.bincount(cell[:, 1] * size + cell[:, 0], minlength=size * size)
    return images.reshape(-1, size, size), -reach, step
