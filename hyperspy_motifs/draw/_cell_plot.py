"""Cells, defects and continuous values of atoms over an image; a continuous manifold and its map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike, NDArray

from ._image import (
    MANY,
    Extent,
    axes_or_new,
    check_length,
    check_positions,
    make_room,
    marker_area,
    opacities,
    plot_image,
    prepare_field,
)
from ._layout_plot import add_colour_bar, frame_layout, is_categorical, layout_marker_area
from ._style import PALETTE, RARE, add_motif_legend, as_labels, cell_colours


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


def _ends(values: NDArray[np.generic], collection: PolyCollection) -> str:
    """Ends of the colour bar that are arrows because values lie beyond them."""
    low, high = collection.get_clim()
    if low is None or high is None or not np.isfinite(values).any():
        return "neither"
    below, above = bool(np.nanmin(values) < low), bool(np.nanmax(values) > high)
    return {(True, True): "both", (True, False): "min", (False, True): "max"}.get((below, above), "neither")


# Outlines that leave the place visible.
_MARKERS = "osD^vPX*hd<>p8"
# Greys of the image run up to this many times its brightest, so that markers are seen.
_MUTED = 1.8


def plot_defects(
    positions: ArrayLike,
    kinds: ArrayLike,
    image: ArrayLike | None = None,
    *,
    order: Sequence[str] | None = None,
    colours: Mapping[str, str] | None = None,
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
        All kinds there could be: a kind has the same colour and shape in every figure. Alphabetical by default.
    colours : mapping of str to colour, optional
        Of some kinds, such as that of a motif; others have the last colours of the palette, which few motifs have.
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
    # Dark colours are seen on a dark image by their light rims.
    rim = [withStroke(linewidth=2.6, foreground="white")]
    kwargs = {"s": 46, "linewidths": 1.4, "facecolors": "none", "zorder": 3, "path_effects": rim, **kwargs}
    for k in np.argsort(-counts, kind="stable"):
        name = str(present[k])
        number = known.index(name) if name in known else len(known)
        which = names == name
        colour = (colours or {}).get(name, PALETTE[-1 - number % len(PALETTE)])
        ax.scatter(
            *xy[which].T, marker=_MARKERS[number % len(_MARKERS)], edgecolors=[colour], label=f"{name} ({counts[k]:,})",
            **kwargs,
        )  # fmt: skip
    if not len(present):
        ax.set_title("no defects", fontsize="small")
    elif legend:
        handles, texts = ax.get_legend_handles_labels()
        ax.legend(
            handles, texts, loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize="small"
        )
        make_room(ax, made_here=made_here)
    return ax


# OKLab to linear sRGB, by B. Ottosson, "A perceptual color space for image processing" (2020).
_LMS_FROM_LAB = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_RGB_FROM_LMS = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def plane_colours(coordinates: ArrayLike) -> NDArray[np.float64]:
    """Colours (n, 3) of points of the unit square: blue to yellow along x, dark to light along y.

    Both directions can be distinguished without red or green cones, so that both coordinates are readable with colour
    blindness.

    Parameters
    ----------
    coordinates : array_like, shape (n, 2)
        From 0 to 1; other values are clipped, NaN is grey.
    """
    points = np.asarray(coordinates, dtype=float)
    known: NDArray[np.bool_] = np.all(np.isfinite(points), axis=1)
    u, v = np.clip(points, 0, 1).T
    # The centre of the first axis would be as grey as the image, so red is added.
    lab = np.stack([0.35 + 0.53 * v, 0.13 * np.sin(np.pi * u), 0.13 * (2 * u - 1)], axis=-1)
    linear = np.clip((lab @ _LMS_FROM_LAB.T) ** 3 @ _RGB_FROM_LMS.T, 0, 1)
    colours = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.where(known[:, None], colours, RARE[:3])


def _unit_square(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values scaled to the unit square by their 1st and 99th percentiles, and these limits (2, 2)."""
    limits = (
        np.nanpercentile(values, [1, 99], axis=0)
        if np.isfinite(values).any()
        else np.array([[0.0, 0.0], [1.0, 1.0]])
    )
    span = np.where(limits[1] > limits[0], limits[1] - limits[0], 1.0)
    return (values - limits[0]) / span, limits


def _cyclic(values: NDArray[np.float64], period: float | None) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """Values within one period, if they have one, and the options of their colours."""
    if period is None:
        return values, {"cmap": "viridis"}
    if not period > 0:
        raise ValueError(f"period must be positive, got {period}.")
    return np.mod(values, period), {"cmap": "twilight", "vmin": 0, "vmax": period}


def plot_values(
    positions: ArrayLike,
    values: ArrayLike,
    image: ArrayLike | None = None,
    *,
    extent: Extent | None = None,
    units: object = "px",
    label: str | None = None,
    period: float | None = None,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw a value of every atom (disorder, probability, a manifold coordinate, an angle) on the image.

    Parameters
    ----------
    positions : array_like, shape (n, 2)
        x, y of the atoms in axis units.
    values : array_like, shape (n,) or (n, 2)
        One value per atom, or two, such as the first coordinates of a manifold: these are drawn in two-dimensional
        colours, with a key in a corner.
    image : array_like, shape (rows, columns), optional
        Background.
    extent : tuple of float, optional
        Left, right, bottom, top of the image in axis units; pixels by default.
    units : str
        Units of the axes, for the scale bar.
    label : str, optional
        Label of the values.
    period : float, optional
        Period of cyclic values, such as 60 for the angle of hexagons: 0 and `period` have one colour.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; a new figure by default.
    **kwargs
        To :meth:`matplotlib.axes.Axes.scatter`.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If shapes do not match, or `period` is not positive.
    """
    xy = check_positions(positions)
    array = np.asarray(values, dtype=float)
    check_length(array, len(xy), "values")
    if array.ndim > 2 or (array.ndim == 2 and array.shape[1] not in (1, 2)):
        raise ValueError(f"values must have shape (n,) or (n, 2), got {array.shape}.")
    _cyclic(array, period)  # raises an error before drawing
    made_here = ax is None
    ax = prepare_field(image, xy, extent, units, ax)
    # One size for all atoms, large enough to cover the image.
    size = marker_area(ax, xy, np.zeros(len(xy), dtype=np.intp), fraction=0.8)
    style: dict[str, Any] = {"s": size, "linewidths": 0, "zorder": 2} | kwargs
    if array.ndim == 2 and array.shape[1] == 2:
        square, _ = _unit_square(array)
        ax.scatter(xy[:, 0], xy[:, 1], c=plane_colours(square), **style)
        _draw_plane_key(ax, label)
        return ax
    array, scale = _cyclic(array.reshape(len(xy)), period)
    points = ax.scatter(xy[:, 0], xy[:, 1], c=array, **scale | style)
    add_colour_bar(ax, points, label)
    make_room(ax, made_here=made_here)
    return ax


def _draw_plane_key(ax: Axes, label: str | None) -> None:
    """Square in the upper right corner that shows the plane of colours."""
    key = ax.inset_axes((0.79, 0.79, 0.19, 0.19))
    steps = np.linspace(0, 1, 32)
    grid = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    key.imshow(plane_colours(grid).reshape(32, 32, 3), origin="lower", extent=(0, 1, 0, 1))
    key.set_xticks([])
    key.set_yticks([])
    for spine in key.spines.values():
        spine.set(edgecolor="white", linewidth=1.5)
    box = key.get_window_extent()
    name = f"{label or 'value'} 1 →"
    # In a small figure the name would be wider than the key.
    if box.width * 72 / ax.figure.dpi < 0.62 * 0.694 * float(mpl.rcParams["font.size"]) * len(name):
        name = "1 →"
    text: dict[str, Any] = {"fontsize": "x-small", "ha": "center", "va": "center", "transform": key.transAxes}
    key.text(0.5, 0.14, name, color="white", **text)
    key.text(0.14, 0.55, "2 →", color="white", rotation=90, **text)


def plot_map(
    values: ArrayLike,
    *,
    extent: Extent | None = None,
    units: object = "px",
    label: str | None = None,
    period: float | None = None,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw a dense map: a value of every pixel, such as n-fold symmetry, with its colour bar and scale bar.

    Parameters
    ----------
    values : array_like, shape (rows, columns)
        NaN is white.
    extent : tuple of float, optional
        Left, right, bottom, top in axis units; pixels by default.
    units : str
        Units of the axes, for the scale bar.
    label : str, optional
        Label of the values.
    period : float, optional
        Period of cyclic values.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; a new figure by default.
    **kwargs
        To :meth:`matplotlib.axes.Axes.imshow`.

    Returns
    -------
    matplotlib.axes.Axes
    """
    array, style = _cyclic(np.asarray(values, dtype=float), period)
    made_here = ax is None
    ax = plot_image(array, extent=extent, units=units, ax=ax, **style | kwargs)
    add_colour_bar(ax, ax.images[-1], label)
    make_room(ax, made_here=made_here)
    return ax


def plot_manifold(
    coordinates: ArrayLike,
    colour_by: ArrayLike | None = None,
    *,
    label: str | None = None,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw the atoms in the first two coordinates of their manifold.

    Parameters
    ----------
    coordinates : array_like, shape (n, d)
        Manifold coordinates; for a single one a histogram is drawn.
    colour_by : array_like, shape (n,), optional
        Value for the colours. By default the colours of ``plot_values(positions, coordinates[:, :2])``.
    label : str, optional
        Label of `colour_by`.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; a new figure by default.
    **kwargs
        To :meth:`matplotlib.axes.Axes.scatter` (or :meth:`~matplotlib.axes.Axes.hist`).

    Returns
    -------
    matplotlib.axes.Axes
    """
    points = np.asarray(coordinates, dtype=float)
    if points.ndim != 2 or points.shape[1] < 1:
        raise ValueError(f"coordinates must have shape (n, d), got {points.shape}.")
    made_here = ax is None
    ax = axes_or_new(ax)
    if points.shape[1] == 1:
        bars: dict[str, Any] = {"bins": 60, "color": "0.4"}
        ax.hist(points[:, 0], **bars | kwargs)
        ax.set_xlabel("manifold coordinate", fontsize="small")
        ax.set_ylabel("atoms", fontsize="small")
        ax.tick_params(labelsize="small")
        return ax
    plane = points[:, :2]
    frame_layout(ax, plane, "manifold coordinate")
    style: dict[str, Any] = {"s": layout_marker_area(len(plane)), "linewidths": 0, "zorder": 2} | kwargs
    if colour_by is None:
        ax.scatter(plane[:, 0], plane[:, 1], c=plane_colours(_unit_square(plane)[0]), **style)
        return ax
    values = np.asarray(colour_by, dtype=float)
    check_length(values, len(plane), "colour_by")
    drawn = ax.scatter(plane[:, 0], plane[:, 1], c=values, **{"cmap": "viridis"} | style)
    add_colour_bar(ax, drawn, label)
    make_room(ax, made_here=made_here)
    return ax
