"""The image with its defects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from ._image import Extent, check_length, check_positions, make_room, prepare_field
from ._palette import motif_colour

# Outlines that leave the place visible; a motif has a colour of its own, from the same palette.
_MARKERS = "osD^vPX*hd<>p8"
# Greys of the image run up to this many times its brightest, so that markers are seen.
_MUTED = 1.8


def plot_defects(
    positions: ArrayLike,
    kinds: ArrayLike,
    image: ArrayLike | None = None,
    *,
    order: Sequence[str] | None = None,
    extent: Extent | None = None,
    units: object = "px",
    ax: Axes | None = None,
    legend: bool = True,
    **kwargs: Any,
) -> Axes:
    """Mark defects on a muted image, rare kinds on top.

    Parameters
    ----------
    positions : array_like, shape (k, 2)
        x, y in axis units.
    kinds : array_like of str, shape (k,)
        Kind of each, which gives its colour and shape.
    image : array_like, shape (rows, columns), optional
        Background.
    order : sequence of str, optional
        All kinds there could be: a kind has the same colour in every figure. Alphabetical by default.
    extent : tuple of float, optional
        Left, right, bottom, top of the image in axis units (:func:`image_extent`); pixels by default.
    units : str
        Units of the axes, for the scale bar.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; a new figure by default.
    legend : bool
        Whether to add the legend with kinds and counts.
    **kwargs
        To :meth:`matplotlib.axes.Axes.scatter`: ``s`` the area of a marker in points squared.

    Returns
    -------
    matplotlib.axes.Axes
        With one collection per kind, the most frequent first.

    Raises
    ------
    ValueError
        If shapes do not match.
    """
    xy, names = check_positions(positions), np.asarray(kinds, dtype=str)
    check_length(names, len(xy), "kinds")
    made_here = ax is None
    ax = prepare_field(image, xy, extent, units, ax)
    if image is not None:
        shown = ax.images[-1]
        low, high = shown.get_clim()
        shown.set_clim(low, low + _MUTED * (high - low))
    present, counts = np.unique(names, return_counts=True)
    known = list(present if order is None else order)
    kwargs = {"s": 46, "linewidths": 1.4, "facecolors": "none", "zorder": 3, **kwargs}
    for k in np.argsort(-counts, kind="stable"):
        name = str(present[k])
        number = known.index(name) if name in known else len(known)
        which = names == name
        ax.scatter(
            xy[which, 0],
            xy[which, 1],
            marker=_MARKERS[number % len(_MARKERS)],
            edgecolors=[motif_colour(number)],
            label=f"{name} ({counts[k]:,})",
            **kwargs,
        )
    if legend and len(present):
        handles, texts = ax.get_legend_handles_labels()
        ax.legend(
            handles, texts, loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize="small"
        )
        make_room(ax, made_here=made_here)
    return ax
