"""Cells on the image by class or by a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from numpy.typing import ArrayLike, NDArray

from ._image import FADED, MANY, Extent, check_length, check_positions, make_room, prepare_field, rarity
from ._layout_plot import add_colour_bar, is_categorical
from ._legend import add_motif_legend
from ._palette import as_labels, cell_colours


def plot_cells(
    polygons: Sequence[ArrayLike],
    colour_by: ArrayLike | None = None,
    image: ArrayLike | None = None,
    *,
    extent: Extent | None = None,
    units: object = "px",
    names: Sequence[str] | None = None,
    label: str | None = None,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw cells as translucent areas on the image; above 1,000 cells frequent classes are faded.

    Parameters
    ----------
    polygons : sequence of array_like, each of shape (k, 2)
        x, y of the corners of each cell in axis units: ``[xy[indices] for indices in cells.polygons]``.
    colour_by : array_like, shape (m,), optional
        Integers are classes with a legend, in which classes from 12 on are one grey; floats (areas) have a colour scale.
        By default only outlines are drawn.
    image : array_like, shape (rows, columns), optional
        Background.
    extent : tuple of float, optional
        Left, right, bottom, top of the image in axis units; pixels by default.
    units : str
        Units of the axes, for the scale bar.
    names : sequence of str, optional
        Name of each class for the legend, indexed by the integers of `colour_by`.
    label : str, optional
        Label of the colour bar.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; a new figure by default.
    **kwargs
        To :class:`matplotlib.collections.PolyCollection`: ``alpha``, ``cmap``, ``clim``, ``linewidths``.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If shapes do not match, a class is negative or there are too few names.
    """
    corners = [check_positions(polygon, "each polygon") for polygon in polygons]
    points = np.concatenate(corners) if corners else np.empty((0, 2))
    made_here = ax is None
    had_image = ax is not None and bool(ax.images)
    ax = prepare_field(image, points, extent, units, ax)
    on_image = image is not None or had_image
    # The lines of many cells would cover them.
    width = 0.5 if len(corners) <= MANY else 0.2
    kwargs = {"linewidths": width, "edgecolors": "white" if on_image else "0.35", "zorder": 1.5} | kwargs
    alpha = kwargs.pop("alpha", (0.55 if len(corners) <= MANY else 0.85) if on_image else 0.9)
    values = None if colour_by is None else np.asarray(colour_by)
    if values is None:
        ax.add_collection(PolyCollection(corners, facecolors="none", **kwargs))
        return ax
    check_length(values, len(corners), "colour_by")
    if is_categorical(values):
        classes = as_labels(values.astype(np.intp))
        faces = cell_colours(classes)
        faces[:, 3] = alpha
        if len(corners) > MANY:
            faces[:, 3] *= FADED + (1 - FADED) * rarity(classes)
        ax.add_collection(PolyCollection(corners, facecolors=faces, **kwargs))
        add_motif_legend(ax, classes, names, cells=True)
    else:
        # The image is fainter than for classes, so that shades of one scale are readable.
        collection = PolyCollection(corners, **{"cmap": "viridis", "alpha": max(alpha, 0.75)} | kwargs)
        collection.set_array(values)
        ax.add_collection(collection)
        bar = add_colour_bar(ax, collection, label, extend=_ends(values, collection))
        if bar.solids is not None:
            bar.solids.set_alpha(1)
    make_room(ax, made_here=made_here)
    return ax


def _ends(values: NDArray[Any], collection: PolyCollection) -> str:
    """Ends of the colour bar that are arrows because values lie beyond them."""
    low, high = collection.get_clim()
    if low is None or high is None or not np.isfinite(values).any():
        return "neither"
    below, above = bool(np.nanmin(values) < low), bool(np.nanmax(values) > high)
    return {(True, True): "both", (True, False): "min", (False, True): "max"}.get((below, above), "neither")
