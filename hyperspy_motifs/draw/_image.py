"""The image under a plot, and its scale bar."""

from __future__ import annotations

import math
from typing import Any, cast

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar
from numpy.typing import ArrayLike, NDArray

from ._style import ONE_COLUMN, TWO_COLUMNS

# Above this number of atoms or cells those of frequent kinds are faded, to this opacity.
MANY, _FADED = 1000, 0.25

# Prefixes in steps of a thousand, so that 2000 pm reads 2 nm.
_LENGTHS = ("pm", "nm", "µm", "mm", "m")
_SPELLINGS = {
    "um": "µm", "μm": "µm", "micron": "µm", "A": "Å", "Å": "Å", "angstrom": "Å", "Angstrom": "Å",
    "ångström": "Å", "pixel": "px", "pixels": "px",
}  # fmt: skip


def readable_units(units: object) -> str:
    """Units as printed: ``'um'`` is ``'µm'``, ``'angstrom'`` is ``'Å'``, undefined ones are ``'px'``."""
    text = units.strip() if isinstance(units, str) else ""
    if not text or text.startswith("<"):
        return "px"
    return _SPELLINGS.get(text, text)


def round_length(width: float) -> float:
    """Largest of 1, 2, 5 times a power of ten that is at most a quarter of `width`."""
    if not (math.isfinite(width) and width > 0):
        raise ValueError(f"the width of the figure must be positive and finite, got {width}.")
    target = width / 4
    power = 10.0 ** math.floor(math.log10(target))
    # A small tolerance for rounding: 0.2 / 0.1 may be 1.9999.
    step = next(s for s in (5, 2, 1) if s * power <= target * (1 + 1e-9))
    return step * power


def length_text(length: float, units: object) -> str:
    """Length with its units, with another prefix for numbers of 1000 or more or below 0.1."""
    name = readable_units(units)
    if name in _LENGTHS:
        rank = _LENGTHS.index(name)
        while length >= 1000 and rank < len(_LENGTHS) - 1:
            length, rank = length / 1000, rank + 1
        while length < 0.1 and rank > 0:
            length, rank = length * 1000, rank - 1
        name = _LENGTHS[rank]
    return f"{length:.6g} {name}"


def add_scale_bar(
    ax: Axes,
    units: object = "px",
    *,
    length: float | None = None,
    location: str = "below",
    colour: str | None = None,
) -> AnchoredSizeBar:
    """Draw a scale bar on axes whose coordinates are lengths.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Axes with limits.
    units : str
        Units of the axes' coordinates. Undefined units of HyperSpy mean pixels.
    length : float, optional
        Length of the bar in `units`; by default a round one of 1/10 to 1/4 of the width.
    location : str
        ``"below"`` the axes, where it hides nothing; or within them, as for a legend of matplotlib.
    colour : str, optional
        Of the bar with its text; by default that of texts below the axes, white on a translucent box within them.

    Returns
    -------
    mpl_toolkits.axes_grid1.anchored_artists.AnchoredSizeBar
        Its ``size_bar`` holds a rectangle whose width is `length` in data coordinates.

    Raises
    ------
    ValueError
        If the length is not positive.
    """
    x0, x1 = ax.get_xlim()
    y0, y1 = ax.get_ylim()
    if length is None:
        length = round_length(abs(x1 - x0))
    elif not length > 0:
        raise ValueError(f"the length of a scale bar must be positive, got {length}.")
    below = location == "below"
    place: dict[str, Any] = {"loc": location, "pad": 0.35, "borderpad": 0.5}
    if below:
        anchor = {"bbox_to_anchor": (1.0, 0.0), "bbox_transform": ax.transAxes}
        place = {"loc": "upper right", "pad": 0.0, "borderpad": 0.4, **anchor}
    bar = AnchoredSizeBar(
        ax.transData,
        length,
        length_text(length, units),
        sep=3,
        frameon=not below,
        size_vertical=abs(y1 - y0) * 0.01,
        color=colour or (mpl.rcParams["text.color"] if below else "white"),
        fill_bar=True,
        label_top=not below,
        fontproperties=FontProperties(size="small"),
        **place,
    )
    bar.patch.set(facecolor="black", edgecolor="none", alpha=0.55, boxstyle="round,pad=0,rounding_size=0.2")
    ax.add_artist(bar)
    return bar


Extent = tuple[float, float, float, float]


def image_extent(shape: tuple[int, int], scale: ArrayLike = 1.0, offset: ArrayLike = 0.0) -> Extent:
    """Extent of an image in axis units, for matplotlib: left, right, bottom, top.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    scale, offset : float or (float, float)
        Size of a pixel, and coordinate of the centre of the first one, along x and y.

    Returns
    -------
    tuple of float
        Pixel centres lie at ``offset + index * scale``; bottom is larger than top, as y points down.
    """
    scale_x, scale_y = np.broadcast_to(np.asarray(scale, dtype=float), 2)
    offset_x, offset_y = np.broadcast_to(np.asarray(offset, dtype=float), 2)
    rows, columns = shape
    return (
        float(offset_x - scale_x / 2),
        float(offset_x + (columns - 0.5) * scale_x),
        float(offset_y + (rows - 0.5) * scale_y),
        float(offset_y - scale_y / 2),
    )


# Of height to width, from which a field is upright; and the height of a page in inches.
_UPRIGHT, _TALLEST = 1.3, 8.0


def axes_or_new(ax: Axes | None, figsize: tuple[float, float] = (ONE_COLUMN, ONE_COLUMN)) -> Axes:
    """`ax`, or the axes of a new figure with space for legends outside."""
    if ax is not None:
        return ax
    ax = plt.subplots(figsize=figsize, layout="constrained")[1]
    # Axes of fixed aspect are placed on the left, so that the free space is on the side of the legend.
    ax.set_anchor("W")
    return ax


def field_size(extent: Extent) -> tuple[float, float]:
    """Size in inches of a new figure for a field of view, with room for a scale bar; one column for an upright field."""
    aspect = abs(extent[3] - extent[2]) / abs(extent[1] - extent[0])
    width = TWO_COLUMNS if aspect < _UPRIGHT else ONE_COLUMN
    return width, min(max(width * aspect, 1.5) + 0.4, _TALLEST)


def make_room(ax: Axes, *, made_here: bool) -> None:
    """Reserve space for the legend or colour bar of `ax`: a figure of this module is widened, in another one the axes
    shrink.

    Constrained layout reduces the axes, but too little for a fixed aspect, because part of the reduction is not used
    by the axes. Each further iteration reduces part of the remaining overlap.
    """
    root = ax.get_figure(root=True)
    engine = root.get_layout_engine() if root is not None else None
    if made_here:
        widen_for_key(ax)
    elif root is not None and isinstance(engine, ConstrainedLayoutEngine):
        for _ in range(6):
            before = ax.get_position(original=True).bounds
            engine.execute(root)
            if np.allclose(before, ax.get_position(original=True).bounds, atol=2e-3):
                break
    elif root is not None and engine is None:
        shrink_for_key(ax)


def _key_edge(ax: Axes) -> float | None:
    """Right edge of the legend or colour bar of `ax` in dots, None without one."""
    ax.apply_aspect()
    keys = [key for key in (ax.get_legend(), *ax.child_axes) if key is not None]
    edges = [box.x1 for key in keys if (box := key.get_tightbbox()) is not None]
    return max(edges) if edges else None


def shrink_for_key(ax: Axes) -> None:
    """Shrink axes of a figure without a layout engine by the part of their legend or colour bar outside the figure.

    At most half of their width.
    """
    root = cast(Figure, ax.get_figure(root=True))
    least = ax.get_position(original=True).width / 2
    for _ in range(6):
        edge = _key_edge(ax)
        beyond = 0.0 if edge is None else (edge + 0.05 * root.dpi) / root.bbox.width - 1
        place = ax.get_position(original=True)
        if beyond < 1e-3 or place.width <= least:
            break
        # Axes of fixed aspect are placed on the left, so that the rest is free for the key.
        ax.set_anchor("W")
        width = max(place.width - beyond, least)
        ax.set_position((place.x0, place.y0, width, place.height))


def widen_for_key(ax: Axes) -> None:
    """Make a figure of this module as wide as one column of a journal, or two, its legend or colour bar included."""
    figure = cast(Figure, ax.figure)
    edge = _key_edge(ax)
    if edge is not None:
        width, height = figure.get_size_inches()
        beyond = (edge - ax.get_window_extent().x1) / figure.dpi + 0.15
        # What was drawn for one column stays there, unless its key takes more than two fifths of it.
        column = ONE_COLUMN if width <= ONE_COLUMN and beyond < 0.4 * ONE_COLUMN else TWO_COLUMNS
        size = max((column - beyond) / width, 0.5)
        figure.set_size_inches(size * width + beyond, min(size * height, _TALLEST))


def check_positions(positions: ArrayLike, name: str = "positions") -> NDArray[np.float64]:
    """`positions` as (n, 2) floats."""
    array = np.asarray(positions, dtype=float)
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"{name} must have shape (n, 2), columns x and y, got {array.shape}.")
    return array


def check_length(values: NDArray[np.generic], n: int, name: str) -> None:
    """Raise an error unless there is one value for each of `n` items."""
    if values.shape[:1] != (n,):
        raise ValueError(
            f"{name} must hold one value for each of {n} things drawn, got shape {values.shape}."
        )


def grey_limits(image: ArrayLike) -> tuple[float, float]:
    """The 0.2th and the 99.8th percentile of an image: single hot pixels do not affect its contrast."""
    array = np.asarray(image, dtype=float)
    finite = array[np.isfinite(array)]
    low, high = np.percentile(finite, [0.2, 99.8]) if finite.size else (0.0, 1.0)
    return float(low), float(high)


def grey_levels(image: ArrayLike, limits: tuple[float, float] | None = None) -> NDArray[np.uint8]:
    """An image as grey levels from 0 to 255 between its limits (:func:`grey_limits`); NaN is black."""
    array = np.asarray(image, dtype=float)
    low, high = limits or grey_limits(array)
    grey = np.clip((np.nan_to_num(array, nan=low) - low) / max(high - low, np.finfo(float).tiny), 0, 1)
    return np.round(255 * grey).astype(np.uint8)


def plot_image(
    image: ArrayLike,
    *,
    extent: Extent | None = None,
    units: object = "px",
    ax: Axes | None = None,
    scale_bar: bool = True,
    **kwargs: Any,
) -> Axes:
    """Show an image in grey, with a scale bar and no ticks.

    Parameters
    ----------
    image : array_like, shape (rows, columns)
        Grey levels run between its :func:`grey_limits`.
    extent : tuple of float, optional
        Left, right, bottom, top in axis units (:func:`image_extent`); pixels by default.
    units : str
        Units of the extent.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; a new figure by default.
    scale_bar : bool
        Whether to draw it.
    **kwargs
        To :meth:`matplotlib.axes.Axes.imshow`.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If the image is not two-dimensional.
    """
    array = np.asarray(image)
    if array.ndim != 2:
        raise ValueError(f"image must have two dimensions (rows, columns), got shape {array.shape}.")
    extent = extent or image_extent(array.shape)
    ax = axes_or_new(ax, field_size(extent))
    if not {"vmin", "vmax", "norm"} & kwargs.keys():
        kwargs["vmin"], kwargs["vmax"] = grey_limits(array)
    kwargs.setdefault("cmap", "gray")
    ax.imshow(array, extent=extent, origin="upper", **kwargs)
    ax.set_xticks([])
    ax.set_yticks([])
    if scale_bar:
        add_scale_bar(ax, units)
    return ax


def prepare_field(
    image: ArrayLike | None,
    positions: NDArray[np.float64],
    extent: Extent | None,
    units: object,
    ax: Axes | None,
) -> Axes:
    """Axes for drawing at `positions`: with the image, or empty without one.

    Axes with an image are not changed, so that several functions can draw on them.
    """
    if image is not None:
        return plot_image(image, extent=extent, units=units, ax=ax)
    if ax is not None and ax.images:
        return ax
    if extent is None:
        low, high = (
            (positions.min(axis=0), positions.max(axis=0)) if len(positions) else (np.zeros(2), np.ones(2))
        )
        margin = 0.03 * max(float((high - low).max()), np.finfo(float).tiny)
        extent = (low[0] - margin, high[0] + margin, high[1] + margin, low[1] - margin)
    ax = axes_or_new(ax, field_size(extent))
    if not ax.collections:
        ax.set_aspect("equal")
        ax.set_xlim(extent[0], extent[1])
        ax.set_ylim(extent[2], extent[3])
        ax.set_xticks([])
        ax.set_yticks([])
        add_scale_bar(ax, units)
    return ax


def rarity(labels: NDArray[np.intp]) -> NDArray[np.float64]:
    """How rare the motif of each atom is: 0 from 30 % of the atoms on, 1 up to 3 %, between them by the logarithm."""
    share = np.bincount(labels)[labels] / max(len(labels), 1)
    return np.clip(np.log(share / 0.3) / np.log(0.03 / 0.3), 0, 1)


def opacities(labels: NDArray[np.intp], odd: ArrayLike = False) -> NDArray[np.float64]:
    """Opacity of each atom: 1 of the rarest and of the `odd` ones, lower the more frequent its motif is beside them."""
    rare = np.maximum(rarity(labels), odd)
    return 1 - (1 - _FADED) * (rare.max(initial=0.0) - rare)


def marker_area(
    ax: Axes, positions: NDArray[np.float64], labels: NDArray[np.intp], fraction: float = 0.45
) -> NDArray[np.float64]:
    """Marker areas in points squared such that markers span `fraction` of the atoms' mean spacing.

    Markers of rare motifs (:func:`rarity`) are larger, by up to twice the area and at least 4.5 points across, so that a
    dopant among thousands of atoms is visible.
    """
    if not len(positions):
        return np.full(0, 9.0)
    x0, x1 = ax.get_xlim()
    y0, y1 = ax.get_ylim()
    box = ax.get_window_extent()
    points_per_unit = 72 / ax.figure.dpi * min(box.width / abs(x1 - x0), box.height / abs(y1 - y0))
    covered = max(float(np.prod(np.ptp(positions, axis=0))), np.finfo(float).tiny)
    spacing = np.sqrt(covered / len(positions)) * points_per_unit
    rare = rarity(labels)
    diameter = np.clip(fraction * spacing, 1.2, 6.5) * np.sqrt(1 + rare)
    return np.maximum(diameter, 1.2 + 3.3 * rare) ** 2
