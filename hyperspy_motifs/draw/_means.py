"""Mean patches of the motifs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from numpy.typing import ArrayLike, NDArray

from ._image import image_extent
from ._palette import motif_colour
from ._scale_bar import add_scale_bar


def _columns(n: int) -> int:
    """Patches per row: up to six in one row, more in rows of similar length, about twice as wide as high."""
    if n <= 6:
        return n
    rows = -(-n // int(np.ceil(np.sqrt(2 * n))))
    return -(-n // rows)


def plot_means(
    means: ArrayLike,
    counts: ArrayLike | None = None,
    *,
    names: Sequence[str] | None = None,
    symmetries: Sequence[str] | None = None,
    pixel_size: float = 1.0,
    units: object = "px",
    n_columns: int | None = None,
    figure: Any = None,
) -> NDArray[Any]:
    """Draw the mean patch of each motif, framed in the motif's colour, all on one grey scale.

    Parameters
    ----------
    means : array_like, shape (n_motifs, size, size)
        Mean patch of each motif; NaN (outside the disc) is white.
    counts : array_like of int, shape (n_motifs,), optional
        Number of atoms of each motif.
    names : sequence of str, optional
        Name of each motif; its number by default.
    symmetries : sequence of str, optional
        Point symmetry of each motif, such as ``'3m'``, written below its patch.
    pixel_size : float
        Size of a pixel in `units`.
    units : str
        Units of the scale bar, which is drawn once.
    n_columns : int, optional
        Patches per row; by default the grid is about twice as wide as high.
    figure : matplotlib.figure.Figure or SubFigure, optional
        Axes to draw on; a new figure by default.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes, shape (n_motifs,)

    Raises
    ------
    ValueError
        If `means` is not a stack of patches, or the other sequences have another length.
    """
    patches = np.asarray(means)
    if patches.ndim != 3 or not len(patches):
        raise ValueError(f"means must have shape (n_motifs, size, size), got {patches.shape}.")
    n = len(patches)
    for title, values in (("counts", counts), ("names", names), ("symmetries", symmetries)):
        if values is not None and len(values) < n:  # type: ignore[arg-type]
            raise ValueError(f"{title} must hold one value for each of {n} motifs, got {len(values)}.")  # type: ignore[arg-type]
    columns = min(n, n_columns or _columns(n))
    rows = -(-n // columns)
    if figure is None:
        height = 1.12 + 0.16 * (counts is not None) + 0.2 * (symmetries is not None)
        width = min(7.2, 1.05 * columns)
        figure = plt.figure(figsize=(width, height * rows * width / (1.05 * columns)), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    finite = patches[np.isfinite(patches)]
    low, high = np.percentile(finite, [0.2, 99.8]) if finite.size else (0.0, 1.0)
    extent = image_extent(patches.shape[1:], pixel_size)
    for k, ax in enumerate(axes):
        ax.set_xticks([])
        ax.set_yticks([])
        if k >= n:
            ax.set_visible(False)
            continue
        ax.imshow(patches[k], cmap="gray", vmin=low, vmax=high, extent=extent, origin="upper")
        for spine in ax.spines.values():
            spine.set(edgecolor=motif_colour(k), linewidth=2)
        text = names[k] if names is not None else str(k)
        if counts is not None:
            text += f"\nn = {np.asarray(counts)[k]:,}"
        ax.set_title(text, fontsize="small", pad=3, linespacing=1.1)
        if symmetries is not None:
            ax.set_xlabel(symmetries[k], fontsize="small", labelpad=2)
    bar = add_scale_bar(axes[0], units, location="lower center", background=None)
    # A dark outline instead of a box, which would hide a third of the patch.
    rim = [withStroke(linewidth=2, foreground="black")]
    for text_area in bar.findobj(Text):
        text_area.set(fontsize="x-small", path_effects=rim)
    for rectangle in bar.findobj(Rectangle):
        rectangle.set_path_effects(rim)
    return axes[:n]
