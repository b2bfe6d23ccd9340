"""Pictures of motifs: mean patches, atoms of one motif, and what distinguishes two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.markers import MarkerStyle
from matplotlib.patches import Circle
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from ._image import (
    MANY,
    Extent,
    add_scale_bar,
    axes_or_new,
    check_length,
    check_positions,
    grey_limits,
    image_extent,
    make_room,
    marker_area,
    opacities,
    prepare_field,
)
from ._style import (
    ONE_COLUMN,
    TWO_COLUMNS,
    add_motif_legend,
    as_labels,
    contrast_colours,
    motif_colour,
    motif_colours,
    motif_marker,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
    labels: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    symmetries: Sequence[str] | None = None,
    radius: float | None = None,
    pixel_size: float = 1.0,
    units: object = "px",
    n_columns: int | None = None,
    figure: Figure | None = None,
) -> NDArray[np.generic]:
    """Draw the mean patch of each motif, framed in the motif's colour, all on one grey scale.

    Parameters
    ----------
    means : array_like, shape (n_motifs, size, size)
        Mean patch of each motif; NaN (outside the disc) is white.
    counts : array_like of int, shape (n_motifs,), optional
        Number of atoms of each motif.
    labels : array_like of int, shape (n_motifs,), optional
        Number of each motif, for its colour; 0, 1, ... by default.
    names : sequence of str, optional
        Name of each; its number by default.
    symmetries : sequence of str, optional
        Point symmetry of each motif, such as ``'3m'``, written after its name.
    radius : float, optional
        Radius that was compared, in `units`: a circle on each patch.
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
    numbers = np.arange(n) if labels is None else as_labels(labels)
    check_length(numbers, n, "labels")
    columns = min(n, n_columns or _columns(n))
    rows = -(-n // columns)
    if figure is None:
        width = ONE_COLUMN if columns < 4 else TWO_COLUMNS
        side = width / columns
        figure = plt.figure(
            figsize=(width, rows * (side + 0.16 + 0.16 * (counts is not None)) + 0.2), layout="constrained"
        )
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    low, high = grey_limits(patches)
    extent = image_extent(patches.shape[1:], pixel_size)
    for k, ax in enumerate(axes):
        ax.set_xticks([])
        ax.set_yticks([])
        if k >= n:
            ax.set_visible(False)
            continue
        ax.imshow(
            patches[k], cmap="gray", vmin=low, vmax=high, extent=extent, origin="upper", interpolation="bilinear"
        )  # fmt: skip
        for spine in ax.spines.values():
            spine.set(edgecolor=motif_colour(numbers[k]), linewidth=2)
        text = names[k] if names is not None else str(numbers[k])
        if symmetries is not None:
            text += f" ({symmetries[k]})" if symmetries[k] else ""
        if counts is not None:
            text += f"\n{np.asarray(counts)[k]:,} atoms"
        ax.set_title(text, fontsize="small", pad=3, linespacing=1.1)
        if radius is not None:
            middle = (0.5 * (extent[0] + extent[1]), 0.5 * (extent[2] + extent[3]))
            ax.add_patch(
                Circle(middle, radius, fill=False, edgecolor=motif_colour(numbers[k]), linewidth=1.2)
            )
    # Below the first patch of the last row, where it moves no other.
    add_scale_bar(axes[(rows - 1) * columns], units)
    return axes[:n]


def plot_orders(
    orders: ArrayLike,
    signal: ArrayLike,
    noise: ArrayLike,
    *,
    variation: ArrayLike | None = None,
    n_max: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the power of the moments of each radial order and that of their noise.

    Parameters
    ----------
    orders : array_like of int, shape (N,)
        Radial orders n.
    signal, noise : array_like, shape (N,)
        Mean square of the moments of an order without noise, and that of the noise
        (:class:`hyperspy_motifs.zernike.OrderSpectrum`). Values that are not positive are not drawn.
    variation : array_like, shape (N,), optional
        Variance between atoms without noise, which distinguishes patterns.
    n_max : int, optional
        Highest order to keep; higher orders are shaded.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    n = np.asarray(orders)
    curves = [("patterns", signal, {"color": "0.15", "marker": "o"})]
    if variation is not None:
        curves.append(("differences between atoms", variation, {"color": "tab:blue", "marker": "s"}))
    curves.append(("noise", noise, {"color": "tab:red", "linestyle": "--"}))
    ax = axes_or_new(ax, (ONE_COLUMN, 2.6))
    for label, values, style in curves:
        heights = np.asarray(values, dtype=float)
        check_length(heights, len(n), label)
        positive = np.where(heights > 0, heights, np.nan)
        ax.semilogy(n, positive, markersize=3.5, linewidth=1, label=label, **style)  # type: ignore[arg-type]
    if n_max is not None:
        ax.axvspan(n_max + 0.5, float(n.max()) + 0.5, color="0.93", zorder=0, linewidth=0)
    ax.set_xlim(float(n.min()) - 0.5, float(n.max()) + 0.5)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("radial order n")
    ax.set_ylabel("mean square of the moments")
    # Above the axes, because the empty part of them depends on the data.
    beside: dict[str, Any] = {
        "loc": "lower center",
        "bbox_to_anchor": (0.5, 1.0),
        "ncols": 3,
        "columnspacing": 1,
    }
    ax.legend(frameon=False, fontsize="small", **beside)
    return ax


def plot_explanation(
    pictures: ArrayLike,
    titles: Sequence[str],
    functions: ArrayLike,
    mode_titles: Sequence[str],
    *,
    groups: tuple[int, int] | None = None,
    figure: Figure | None = None,
) -> NDArray[np.generic]:
    """Draw two motifs, their difference, and the modes that distinguish them.

    Parameters
    ----------
    pictures : array_like, shape (3, size, size)
        First motif, second motif (one grey scale), and the first minus the second (red is positive, blue negative).
    titles : sequence of str, length 3
    functions : array_like, shape (k, size, size)
        Modes in decreasing order of contribution, each with the sign of its difference.
    mode_titles : sequence of str, length k
    groups : (int, int), optional
        Numbers of the motifs, for the colours of their frames.
    figure : matplotlib.figure.Figure or SubFigure, optional
        Axes to draw on; a new figure by default.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes, shape (3 + k,)

    Raises
    ------
    ValueError
        If there are not three images, or a title is missing.
    """
    shown, modes = np.asarray(pictures, dtype=float), np.asarray(functions, dtype=float)
    if shown.ndim != 3 or len(shown) != 3 or modes.ndim != 3:
        raise ValueError(
            f"pictures of shape (3, size, size) and functions of shape (k, size, size) are expected, got {shown.shape} and "
            f"{modes.shape}."
        )
    if len(titles) != 3 or len(mode_titles) != len(modes):
        raise ValueError(
            f"{len(titles)} and {len(mode_titles)} titles for 3 pictures and {len(modes)} modes."
        )
    n = 3 + len(modes)
    if figure is None:
        width = ONE_COLUMN if n < 4 else TWO_COLUMNS
        figure = plt.figure(figsize=(width, width / n + 0.45), layout="constrained")
    axes = figure.subplots(1, n, squeeze=False).ravel()
    low, high = np.nanmin(shown[:2]), np.nanmax(shown[:2])
    for k in range(2):
        axes[k].imshow(shown[k], cmap="gray", vmin=low, vmax=high)
    for ax, picture in zip(axes[2:], [shown[2], *modes], strict=True):
        limit = float(np.nanmax(np.abs(picture))) or 1.0
        ax.imshow(picture, cmap="RdBu_r", vmin=-limit, vmax=limit)
    for ax, title in zip(axes, [*titles, *mode_titles], strict=True):
        ax.set(xticks=[], yticks=[])
        ax.set_title(title, fontsize="small", pad=3, linespacing=1.1)
        for spine in ax.spines.values():
            spine.set_visible(False)
    for ax, group in zip(axes[:2], groups or (-1, -1), strict=True):
        for spine in ax.spines.values():
            spine.set(visible=group >= 0, edgecolor=motif_colour(max(group, 0)), linewidth=2)
    return axes


def scatter_motifs(ax: Axes, positions: ArrayLike, labels: ArrayLike, **kwargs: Any) -> PathCollection:
    """Draw atoms in the colours and shapes of their motifs as one collection, in the order given.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Axes with limits: the default size depends on the spacing.
    positions : array_like, shape (n, 2)
        x, y in data coordinates.
    labels : array_like of int, shape (n,)
        Motif of each.
    **kwargs
        To :meth:`matplotlib.axes.Axes.scatter`; ``marker`` sets one shape for all.

    Returns
    -------
    matplotlib.collections.PathCollection
    """
    xy = check_positions(positions)
    motifs = as_labels(labels)
    check_length(motifs, len(xy), "labels")
    colours = motif_colours(motifs)
    own_shapes = "marker" not in kwargs
    area = kwargs.pop("s", None)
    area = marker_area(ax, xy, motifs) if area is None else area
    # The width of outlines decreases with the size of the markers to zero.
    diameter = np.sqrt(area)
    width = np.where(diameter < 2.5, 0.0, np.clip(0.09 * diameter, 0.1, 0.5))
    kwargs.setdefault("linewidths", width)
    kwargs.setdefault("edgecolors", contrast_colours(colours))
    kwargs.setdefault("zorder", 2)
    collection = ax.scatter(xy[:, 0], xy[:, 1], s=area, c=colours, **kwargs)
    if own_shapes and len(xy):
        styles = {int(k): MarkerStyle(motif_marker(k)) for k in np.unique(motifs)}
        paths = {k: style.get_path().transformed(style.get_transform()) for k, style in styles.items()}
        collection.set_paths([paths[int(k)] for k in motifs])
    return collection


def _ring(ax: Axes, positions: NDArray[np.float64], area: float) -> None:
    """Open circles in two colours, which show on bright and dark backgrounds."""
    x, y = positions.T
    width = float(np.clip(0.12 * np.sqrt(area), 0.6, 1.5))
    for colour, scale in (("black", 2.2), ("white", 1.0)):
        ax.scatter(x, y, s=area, facecolors="none", edgecolors=colour, linewidths=scale * width, zorder=2.5)


def drawing_order(labels: NDArray[np.intp]) -> NDArray[np.intp]:
    """Order in which atoms are drawn: the most frequent motif first, so that rare ones are on top."""
    if not len(labels):
        return np.empty(0, dtype=np.intp)
    counts = np.bincount(labels)
    return np.lexsort((labels, -counts[labels]))


def plot_motifs(
    positions: ArrayLike,
    labels: ArrayLike,
    image: ArrayLike | None = None,
    *,
    extent: Extent | None = None,
    units: object = "px",
    names: Sequence[str] | None = None,
    ax: Axes | None = None,
    legend: bool = True,
    vacancies: ArrayLike = (),
    outliers: ArrayLike = (),
    emphasis: str = "auto",
    **kwargs: Any,
) -> Axes:
    """Draw the image in grey and its atoms in the colours and shapes of their motifs, rare ones on top.

    Parameters
    ----------
    positions : array_like, shape (n, 2)
        x, y of the atoms in axis units.
    labels : array_like of int, shape (n,)
        Motif of each atom.
    image : array_like, shape (rows, columns), optional
        Background. Without an image only the atoms are drawn.
    extent : tuple of float, optional
        Left, right, bottom, top of the image in axis units (:func:`image_extent`); pixels by default.
    units : str
        Units of the axes, for the scale bar.
    names : sequence of str, optional
        Name of each motif for the legend.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; a new figure by default.
    legend : bool
        Whether to add the legend with names and counts.
    vacancies : array_like, shape (k, 2), optional
        x, y of empty sites in axis units, drawn as open circles.
    outliers : array_like of int, optional
        Atoms that differ from their motif, drawn last, with a ring around them.
    emphasis : {"auto", "rare", "none"}
        ``"rare"`` fades atoms of frequent motifs, so that rare ones, outliers and empty sites are seen among thousands;
        ``"auto"`` does so above 1,000 atoms.
    **kwargs
        To :meth:`matplotlib.axes.Axes.scatter`: ``s`` the area of a marker in points squared (by default it depends
        on the spacing, and rare motifs have larger markers), ``marker`` one shape for all motifs.

    Returns
    -------
    matplotlib.axes.Axes
        Its first new collection has the atoms, those of the most frequent motif first; the rings around outliers and those
        of empty sites follow.

    Raises
    ------
    ValueError
        If shapes do not match, a label is negative, there are too few names or there is no such emphasis.

    Examples
    --------
    >>> import numpy as np
    >>> from hyperspy_motifs.draw import plot_motifs
    >>> xy = np.indices((6, 8)).reshape(2, -1).T * 10.0
    >>> ax = plot_motifs(xy, np.arange(len(xy)) % 3, names=["Mo", "Se2", "vacancy"], units="px")
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['Mo (16)', 'Se2 (16)', 'vacancy (16)']
    """
    xy = check_positions(positions)
    made_here = ax is None
    ax = prepare_field(image, xy, extent, units, ax)
    motifs = as_labels(labels)
    check_length(motifs, len(xy), "labels")
    if emphasis not in ("auto", "rare", "none"):
        raise ValueError(f"emphasis is {emphasis!r}; expected 'auto', 'rare' or 'none'.")
    odd = np.zeros(len(xy), dtype=bool)
    odd[np.asarray(outliers, dtype=np.intp)] = True
    order = drawing_order(motifs)
    order = np.concatenate([order[~odd[order]], order[odd[order]]])
    if emphasis == "rare" or (emphasis == "auto" and len(xy) > MANY):
        kwargs = {"alpha": opacities(motifs, odd)[order], **kwargs}
    scatter_motifs(ax, xy[order], motifs[order], **kwargs)
    empty = check_positions(np.asarray(vacancies, float).reshape(-1, 2))
    if len(empty) or odd.any():
        area = kwargs.get("s")
        area = float(np.median(marker_area(ax, xy, motifs)) if area is None else np.max(area))
        for places, size in ((xy[odd], max(4.0 * area, 30.0)), (empty, max(2.5 * area, 14.0))):
            _ring(ax, places, size)
    if legend:
        add_motif_legend(
            ax, labels, names, marker=kwargs.get("marker"), n_vacancies=len(empty), n_outliers=int(odd.sum())
        )
        make_room(ax, made_here=made_here)
    return ax
