"""Cells and defects over an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from numpy.typing import ArrayLike, NDArray

from ._image import MANY, Extent, check_length, check_positions, make_room, opacities, prepare_field
from ._layout_plot import add_colour_bar, is_categorical
from ._style import add_motif_legend, as_labels, cell_colours, motif_colour


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
    alpha = kwargs.pop("alpha", (0.7 if len(corners) <= MANY else 0.85) if on_image else 0.9)
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
            faces[:, 3] *= opacities(classes)
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
