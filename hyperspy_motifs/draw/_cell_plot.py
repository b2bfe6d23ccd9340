"""Cells on the image by class, number of corners, area, strain or orientation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
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


def plot_orientation(
    polygons: Sequence[ArrayLike],
    angles: ArrayLike,
    image: ArrayLike | None = None,
    *,
    n_fold: int = 1,
    extent: Extent | None = None,
    units: object = "px",
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw the orientation of cells in cyclic colours.

    Parameters
    ----------
    polygons : sequence of array_like, each of shape (k, 2)
        x, y of the corners of each cell in axis units.
    angles : array_like, shape (m,)
        Orientation of each in radians.
    image : array_like, shape (rows, columns), optional
        Background.
    n_fold : int
        Rotational symmetry of the cells: angles are equal modulo 2 pi / `n_fold`.
    extent, units, ax, **kwargs
        As in :func:`plot_cells`.

    Returns
    -------
    matplotlib.axes.Axes
    """
    if n_fold < 1:
        raise ValueError(f"n_fold must be at least 1, got {n_fold}.")
    period = 360 / n_fold
    degrees = np.mod(np.degrees(np.asarray(angles, dtype=float)), period)
    style: dict[str, Any] = {"cmap": "twilight", "clim": (0, period), "alpha": 0.75}
    return plot_cells(
        polygons, degrees, image, extent=extent, units=units, label="orientation (°)", ax=ax, **style | kwargs
    )


def plot_strain(
    polygons: Sequence[ArrayLike],
    strain: ArrayLike,
    *,
    limit: float | None = None,
    units: object = "px",
    figure: Any = None,
) -> NDArray[Any]:
    """Draw the three components of the strain of cells, on one scale.

    Parameters
    ----------
    polygons : sequence of array_like, each of shape (k, 2)
        x, y of the corners of each cell in axis units.
    strain : array_like, shape (m, 3)
        Components xx, yy and xy of each cell (as fractions; drawn in percent).
    limit : float, optional
        Largest strain of the scale, as a fraction; the 98th percentile of the absolute values by default.
    units : str
        Units of the axes, for the scale bars.
    figure : matplotlib.figure.Figure or SubFigure, optional
        Axes to draw on; a new figure by default.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes, shape (3,)
    """
    values = np.asarray(strain, dtype=float)
    if values.shape != (len(polygons), 3):
        raise ValueError(
            f"strain must have shape ({len(polygons)}, 3), columns xx, yy, xy, got {values.shape}."
        )
    if limit is None:
        limit = float(np.nanpercentile(np.abs(values), 98)) if values.size else 1.0
    if figure is None:
        figure = plt.figure(figsize=(7.2, 2.4), layout="constrained")
    axes = figure.subplots(1, 3)
    corners = [check_positions(polygon, "each polygon") for polygon in polygons]
    points = np.concatenate(corners) if corners else np.empty((0, 2))
    collection = None
    for ax, component, name in zip(axes, values.T, ("xx", "yy", "xy"), strict=True):
        prepare_field(None, points, None, units, ax)
        collection = PolyCollection(corners, cmap="RdBu_r", edgecolors="face", linewidths=0.2)
        collection.set_array(100 * component)
        collection.set_clim(-100 * limit, 100 * limit)
        ax.add_collection(collection)
        ax.set_title(rf"$\varepsilon_{{{name}}}$", fontsize="medium")
    bar = figure.colorbar(collection, ax=list(axes), fraction=0.03, pad=0.02, extend="both")
    bar.set_label("strain (%)", fontsize="small")
    bar.ax.tick_params(labelsize="small")
    return axes
