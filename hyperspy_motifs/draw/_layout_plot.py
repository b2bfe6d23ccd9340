"""The layout in feature space, and its relaxation step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullLocator
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from ._image import axes_or_new, check_length, check_positions, make_room
from ._motif_plot import drawing_order, scatter_motifs
from ._style import ONE_COLUMN, TWO_COLUMNS, add_motif_legend, as_labels

# An island is what touches in a grid of squares with this part of the longer side of the layout. Islands of fewer atoms, or
# of a smaller part of their motif, have no name in the picture.
_STEP, _FEWEST, _LEAST_PART = 0.03, 5, 0.05
# Smallest ratio of the shorter to the longer side of the axes; the legend stands beside them.
_ROUND = 0.75
# Letters of a name inside the picture; the legend has it in full.
_LONGEST_NAME = 8
_FEW = 6  # motifs whose islands and names have room in one column


def is_categorical(values: NDArray[np.generic]) -> bool:
    """Whether values are labels (integers or booleans) and not numbers on a scale."""
    return bool(np.issubdtype(values.dtype, np.integer) or values.dtype == bool)


def _layout_sides(layout: NDArray[np.float64]) -> NDArray[np.float64]:
    """Width and height of the axes of a layout in its units: it fills them, unless it is narrower than `_ROUND`."""
    sides = np.ptp(layout, axis=0) if len(layout) else np.ones(2)
    return 1.08 * np.maximum(sides, max(_ROUND * float(sides.max()), np.finfo(float).tiny))


def frame_layout(ax: Axes, layout: NDArray[np.float64], axis_label: str = "FR") -> None:
    """Axes for a layout, without ticks because it has no units."""
    if len(layout):
        middle = (layout.min(axis=0) + layout.max(axis=0)) / 2
        x, y = middle[:, None] + 0.5 * np.outer(_layout_sides(layout), [-1, 1])
        ax.set(xlim=x, ylim=y)
    ax.set_aspect("equal")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_xlabel(f"{axis_label} 1", fontsize="small")
    ax.set_ylabel(f"{axis_label} 2", fontsize="small")


def layout_marker_area(n: int) -> float:
    """Marker area in points squared: small enough to show density."""
    return float(np.clip(16000 / max(n, 1), 3.0, 14.0))


# Directions of a name from its island, and its distances from it in points.
_DIRECTIONS = np.array([(1, 1), (1, -1), (-1, 1), (-1, -1), (0, 1), (0, -1), (1, 0), (-1, 0)], dtype=float)
_GAPS = (2.0, 8.0, 16.0, 26.0, 40.0)
# Of many atoms this many show where a name would cover some.
_MOST_OBSTACLES = 5000


def _islands(layout: NDArray[np.float64], motifs: NDArray[np.intp]) -> list[tuple[int, NDArray[np.intp]]]:
    """Motif and atoms of each island of the layout that is large enough for a name."""
    low = layout.min(axis=0)
    # Of a few atoms the distances within an island are larger.
    part = max(_STEP, 0.5 / np.sqrt(len(layout)))
    step = max(part * float(np.ptp(layout, axis=0).max()), np.finfo(float).tiny)
    squares = ((layout - low) / step).astype(np.intp)
    out = []
    for k in np.unique(motifs).tolist():
        rows = np.flatnonzero(motifs == k)
        held = np.zeros(squares.max(axis=0) + 1, dtype=bool)
        held[tuple(squares[rows].T)] = True
        island = ndimage.label(held, np.ones((3, 3)))[0][tuple(squares[rows].T)]
        sizes = np.bincount(island)
        for number in np.argsort(-sizes, kind="stable").tolist():
            if sizes[number] >= max(_FEWEST, _LEAST_PART * len(rows)) or number == sizes.argmax():
                out.append((k, rows[island == number]))
    return out


def _name_groups(
    ax: Axes, layout: NDArray[np.float64], motifs: NDArray[np.intp], names: Sequence[str] | None
) -> None:
    """Write the name of each motif and its number of atoms beside each of its islands, on a large one without room beside it.

    Long names are shortened. A name that would cover another one or several atoms, or leave the axes, is left out.
    """
    ax.apply_aspect()
    scale = 72 / ax.figure.dpi
    low, high = ax.get_window_extent().get_points() * scale
    points = ax.transData.transform(layout) * scale
    obstacles = points[:: -(-len(points) // _MOST_OBSTACLES)]
    taken: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    for k, rows in sorted(_islands(layout, motifs), key=lambda island: -len(island[1])):
        group = points[rows]
        centre = rows[np.argmin(np.sum((group - np.median(group, axis=0)) ** 2, axis=1))]
        text = f"{_short(str(k) if names is None else str(names[k]))} ({len(rows):,})"
        half = np.array([2.7 * len(text) + 1.0, 5.0])
        first, *_, last = np.percentile(group, [2, 10, 90, 98], axis=0)
        beside = (last - first) / 2 + half
        places = [(first + last) / 2 + way * (beside + gap) for gap in _GAPS for way in _DIRECTIONS]
        # An island is large if its name covers no more than its core.
        is_large = bool(np.all(last - first > 2.5 * half))
        places += [points[centre]] * is_large
        places = [
            p for p in places
            if np.all((p - half >= low) & (p + half <= high))
            and not any(np.all(np.abs(p - other) < half + size) for other, size in taken)
        ]  # fmt: skip
        covered = [int(np.all(np.abs(obstacles - p) < half + 1.0, axis=1).sum()) for p in places]
        if not covered or (min(covered) >= _FEWEST and not is_large):
            continue
        place = places[int(np.argmin(covered))]
        taken.append((place, half))
        shift = place - points[centre]
        line = {"arrowstyle": "-", "color": "0.5", "linewidth": 0.5, "shrinkA": 0} if shift.any() else None
        ax.annotate(
            text, layout[centre], xytext=(float(shift[0]), float(shift[1])), textcoords="offset points", ha="center",
            va="center", fontsize="small", zorder=4, path_effects=[withStroke(linewidth=2.2, foreground="white")],
            arrowprops=line,
        )  # fmt: skip


def _short(name: str) -> str:
    """A name for the inside of a picture."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def plot_layout(
    layout: ArrayLike,
    colour_by: ArrayLike | None = None,
    *,
    names: Sequence[str] | None = None,
    label: str | None = None,
    ax: Axes | None = None,
    legend: bool = True,
    **kwargs: Any,
) -> Axes:
    """Draw a two-dimensional layout of the atoms' features.

    Parameters
    ----------
    layout : array_like, shape (n, 2)
        Coordinates of the atoms in the layout. They have no units.
    colour_by : array_like, shape (n,), optional
        Integers are motifs: each has its colour, shape and name. Floats (a probability, a moment, an angle) have a
        colour scale. By default the density of the atoms is drawn.
    names : sequence of str, optional
        Name of each motif, for the legend and its group; the number by default.
    label : str, optional
        Label of the colour bar.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; a new figure by default.
    legend : bool
        Whether to add the legend or the colour bar.
    **kwargs
        To :meth:`matplotlib.axes.Axes.scatter`, or to :meth:`matplotlib.axes.Axes.hexbin` for the density.

    Returns
    -------
    matplotlib.axes.Axes
        Atoms of motifs are drawn the most frequent motif first, so that rare ones are on top; atoms with
        values in the order of the values.

    Raises
    ------
    ValueError
        If shapes do not match, a label is negative or there are too few names.
    """
    xy = check_positions(layout, "layout")
    made_here = ax is None
    many = (
        colour_by is not None and is_categorical(np.asarray(colour_by)) and len(np.unique(colour_by)) > _FEW
    )
    # With its key a square of this side is as wide as two columns.
    sides = (TWO_COLUMNS - 1.2 if many else ONE_COLUMN) * _layout_sides(xy) / _layout_sides(xy).max()
    ax = axes_or_new(ax, tuple(sides.tolist()))
    frame_layout(ax, xy)
    if colour_by is None:
        _draw_density(ax, xy, label, legend, kwargs)
    else:
        _draw_atoms(ax, xy, np.asarray(colour_by), names, label, legend, kwargs)
    if legend:
        make_room(ax, made_here=made_here)
    if colour_by is not None and is_categorical(np.asarray(colour_by)):
        # After the axes have their size, which determines the positions of names.
        _name_groups(ax, xy, as_labels(np.asarray(colour_by).astype(np.intp)), names)
    return ax


def _draw_density(
    ax: Axes, xy: NDArray[np.float64], label: str | None, legend: bool, kwargs: dict[str, Any]
) -> None:
    defaults = dict[str, Any](gridsize=60, bins="log", cmap="viridis", mincnt=1, linewidths=0.2)
    density = ax.hexbin(xy[:, 0], xy[:, 1], **defaults | kwargs)
    if legend:
        bar = add_colour_bar(ax, density, label or "atoms")
        bar.locator = LogLocator(subs=(1, 2, 5))
        bar.formatter = FormatStrFormatter("%d")
        bar.minorlocator = NullLocator()


def _draw_atoms(
    ax: Axes,
    xy: NDArray[np.float64],
    values: NDArray[np.generic],
    names: Sequence[str] | None,
    label: str | None,
    legend: bool,
    kwargs: dict[str, Any],
) -> None:
    check_length(values, len(xy), "colour_by")
    kwargs.setdefault("s", layout_marker_area(len(xy)))
    if is_categorical(values):
        motifs = as_labels(values.astype(np.intp))
        order = drawing_order(motifs)
        scatter_motifs(ax, xy[order], motifs[order], **kwargs)
        if legend:
            add_motif_legend(ax, motifs, names, marker=kwargs.get("marker"))
        return
    order = np.argsort(values, kind="stable")
    defaults: dict[str, Any] = {"cmap": "viridis", "linewidths": 0, "zorder": 2}
    points = ax.scatter(xy[order, 0], xy[order, 1], c=values[order], **defaults | kwargs)
    if legend:
        add_colour_bar(ax, points, label)


def add_colour_bar(
    ax: Axes, mappable: ScalarMappable, label: str | None, extend: str | None = None
) -> Colorbar:
    """Slim colour bar on the right of `ax`."""
    # An inset has the height of axes with fixed aspect, unlike new axes with the height of the figure.
    bar = ax.figure.colorbar(mappable, cax=ax.inset_axes((1.03, 0, 0.035, 1)), extend=extend)
    bar.ax.tick_params(labelsize="small")
    bar.outline.set_linewidth(0.5)
    if label:
        bar.set_label(label, fontsize="small")
    return bar


def compare_layouts(
    layouts: Mapping[str, ArrayLike],
    labels: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    figure: Figure | None = None,
    legend: bool = True,
) -> NDArray[np.generic]:
    """Draw layouts of the same atoms next to each other (force-relaxed, PCA, UMAP), in the same colours.

    Parameters
    ----------
    layouts : mapping of str to array_like of shape (n, 2)
        Title and coordinates of each.
    labels : array_like of int, shape (n,)
        Motif of each atom.
    names : sequence of str, optional
        Name of each motif.
    figure : matplotlib.figure.Figure or SubFigure, optional
        Axes to draw on; a new figure by default.
    legend : bool
        Whether to add one legend for all, next to the last panel.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes, shape (number of layouts,)
    """
    if not layouts:
        raise ValueError("layouts is empty: give at least one layout with its title.")
    if figure is None:
        width = TWO_COLUMNS if len(layouts) > 1 else ONE_COLUMN
        height = (width - 0.9 * legend) / len(layouts) + 0.3
        figure = plt.figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(1, len(layouts), squeeze=False)[0]
    for i, (title, layout) in enumerate(layouts.items()):
        plot_layout(
            layout, as_labels(labels), names=names, ax=axes[i], legend=legend and i == len(layouts) - 1
        )
        axes[i].set_title(title, fontsize="medium")
        axes[i].set_xlabel("")
        axes[i].set_ylabel("")
    return axes


def animate_relaxation(
    history: ArrayLike,
    labels: ArrayLike,
    *,
    iterations: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    interval: int = 50,
    ax: Axes | None = None,
    **kwargs: Any,
) -> FuncAnimation:
    """Animate the relaxation of the layout, with the atoms in the colours of their final motifs.

    Parameters
    ----------
    history : array_like, shape (n_frames, n, 2)
        Layout at each stored iteration.
    labels : array_like of int, shape (n,)
        Motif of each atom.
    iterations : array_like of int, shape (n_frames,), optional
        Number of the iteration of each frame; the number of the frame by default.
    names : sequence of str, optional
        Name of each motif for the legend.
    interval : int
        Milliseconds between frames.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; a new figure by default.
    **kwargs
        To :class:`matplotlib.animation.FuncAnimation`, such as ``repeat=False``.

    Returns
    -------
    matplotlib.animation.FuncAnimation
        Keep a reference to it while it runs; ``.save("relaxation.gif")`` writes it, ``.to_jshtml()`` shows it
        in a notebook.

    Raises
    ------
    ValueError
        If shapes do not match.
    """
    frames = np.asarray(history, dtype=float)
    if frames.ndim != 3 or frames.shape[2] != 2 or not len(frames):
        raise ValueError(f"history must have shape (n_frames, n, 2), got {frames.shape}.")
    motifs = as_labels(labels)
    check_length(motifs, frames.shape[1], "labels")
    numbers = np.arange(len(frames)) if iterations is None else np.asarray(iterations)
    check_length(numbers, len(frames), "iterations")
    made_here = ax is None
    # A title is above the axes, which fill the rest.
    sides = _layout_sides(frames.reshape(-1, 2))
    width, height = ONE_COLUMN * sides / sides.max()
    ax = axes_or_new(ax, (width, height + 0.2))
    # The rare motifs on top, as in the figure of the layout.
    order = drawing_order(motifs)
    frames = frames[:, order]
    # Constant limits for the whole movie, because rescaling would hide the motion.
    frame_layout(ax, frames.reshape(-1, 2))
    atoms = scatter_motifs(ax, frames[0], motifs[order], s=layout_marker_area(len(motifs)))
    title = ax.set_title(f"iteration {numbers[0]}", fontsize="small")
    add_motif_legend(ax, motifs, names)
    make_room(ax, made_here=made_here)

    def draw_frame(i: int) -> tuple[Any, Any]:
        atoms.set_offsets(frames[i])
        title.set_text(f"iteration {numbers[i]}")
        return atoms, title

    return FuncAnimation(cast(Figure, ax.figure), draw_frame, frames=len(frames), interval=interval, **kwargs)
