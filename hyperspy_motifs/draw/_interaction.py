"""What moves in a plot: fast redrawing, switches and regions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import PickEvent
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from numpy.typing import ArrayLike, NDArray

from hyperspy_motifs.pipeline import inside_roi

from ._image import check_positions
from ._layout_plot import plot_layout


class MovingLayer:
    """Animated artists of a figure, drawn over a stored background in milliseconds.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    artists : callable
        Returns the animated artists in drawing order; matplotlib excludes them from normal drawing.
    """

    def __init__(self, figure: Figure, artists: Callable[[], Sequence[Artist]]) -> None:
        self.figure = figure
        self._artists = artists
        self._background: Any = None
        self.connection = figure.canvas.mpl_connect("draw_event", self._on_draw)

    def _on_draw(self, event: Any) -> None:
        canvas: Any = self.figure.canvas
        if canvas.is_saving():
            # Animated artists are drawn normally in a file, whose background differs from that of the window.
            for artist in self._artists():
                artist.draw(event.renderer)
            return
        # Canvases without pixels (Cairo, vector output) cannot store a background.
        if hasattr(canvas, "copy_from_bbox"):
            self._background = canvas.copy_from_bbox(self.figure.bbox)
        self._draw_artists()

    def _draw_artists(self) -> None:
        for artist in self._artists():
            self.figure.draw_artist(artist)

    def draw(self) -> None:
        """Draw the animated artists again."""
        canvas: Any = self.figure.canvas
        if self._background is None or not hasattr(canvas, "restore_region"):
            canvas.draw_idle()
            return
        canvas.restore_region(self._background)
        self._draw_artists()
        canvas.blit(self.figure.bbox)


# Opacity of the name of a class that is hidden.
_FAINT = 0.25


class MotifSwitch:
    """Entries of a legend that show and hide the HyperSpy markers of their motifs.

    Parameters
    ----------
    legend : matplotlib.legend.Legend
        Result of :func:`~hyperspy_motifs.draw.add_motif_legend`: one entry per motif that occurs, in their order.
    markers : dict of int to HyperSpy marker
        Marker of each motif, plotted (:func:`~hyperspy_motifs.draw.motif_markers`).

    Attributes
    ----------
    hidden : set of int
        Motifs that are switched off.
    """

    def __init__(self, legend: Legend, markers: Mapping[int, Any]) -> None:
        self.hidden: set[int] = set()
        self._markers = dict(markers)
        self._entries: dict[int, tuple[Any, Any]] = {
            motif: (handle, text)
            for motif, handle, text in zip(
                sorted(markers), legend.legend_handles, legend.get_texts(), strict=False
            )
        }
        self._motif_of = {artist: motif for motif, entry in self._entries.items() for artist in entry}
        for artist in self._motif_of:
            artist.set_picker(5)
        self._ax = legend.axes
        figure: Any = legend.get_figure(root=True)
        self._canvas = figure.canvas
        self._canvas.mpl_connect("pick_event", self._on_pick)
        # matplotlib keeps weak references to callbacks: the switch exists as long as its legend.
        legend._motif_switch = self  # type: ignore[attr-defined]

    def toggle(self, motif: int) -> None:
        """Hide the atoms of `motif`, or show them again."""
        self.hidden ^= {motif}
        shown = motif not in self.hidden
        # None after its figure is closed.
        collection = self._markers[motif]._collection
        if collection is not None:
            collection.set_visible(shown)
        for artist in self._entries[motif]:
            artist.set_alpha(None if shown else _FAINT)
        plot = getattr(self._ax, "hspy_fig", None)
        if plot is not None:
            plot.render_figure()
        else:
            self._canvas.draw_idle()

    def _on_pick(self, event: PickEvent) -> None:
        motif = self._motif_of.get(event.artist)
        if motif is not None:
            self.toggle(motif)


class RegionView:
    """Axes that are redrawn for the atoms in a region of interest when the region changes.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Cleared before each drawing; its limits are kept.
    positions : array_like, shape (n, 2)
        x, y of the atoms in axis units.
    roi : HyperSpy ROI
        See :func:`inside_roi`.
    draw : callable
        Called with the mask of the atoms inside, shape (n,); draws on `ax`.

    Attributes
    ----------
    inside : numpy.ndarray of bool, shape (n,)
        Displayed atoms.
    """

    def __init__(
        self, ax: Axes, positions: ArrayLike, roi: Any, draw: Callable[[NDArray[np.bool_]], object]
    ) -> None:
        self._ax, self._roi, self._draw = ax, roi, draw
        self._positions = check_positions(positions)
        self._limits = ax.get_xlim(), ax.get_ylim()
        roi.events.changed.connect(self.update, [])
        ax.figure.canvas.mpl_connect("close_event", self._on_close)
        # matplotlib keeps weak references to callbacks: the view exists as long as its axes.
        ax._motif_region = self  # type: ignore[attr-defined]
        self.update()

    def update(self) -> None:
        """Draw the atoms in the current region."""
        self.inside = inside_roi(self._positions, self._roi)
        self._ax.clear()
        self._draw(self.inside)
        self._ax.set_xlim(self._limits[0])
        self._ax.set_ylim(self._limits[1])
        self._ax.figure.canvas.draw_idle()

    def close(self) -> None:
        """Stop following the region."""
        if self.update in self._roi.events.changed.connected:
            self._roi.events.changed.disconnect(self.update)

    def _on_close(self, event: Any) -> None:
        self.close()


def plot_layout_in_region(
    layout: np.ndarray,
    positions: np.ndarray,
    roi: Any,
    values: ArrayLike | None = None,
    *,
    names: Sequence[str] | None = None,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw the layout of the atoms in a region of interest, on the axes of the whole layout.

    Parameters
    ----------
    layout, positions : array of shape (n, 2)
        Of the layout, and of the image (x, y).
    roi : hyperspy.api.roi.RectangularROI, CircleROI, PolygonROI or SpanROI
        The plot follows it when it is moved.
    values, names, ax, **kwargs
        As in :func:`plot_layout`.

    Returns
    -------
    matplotlib.axes.Axes
    """
    values = None if values is None else np.asarray(values)
    inside_roi(positions[:0], roi)  # raises an error before drawing
    if values is not None and values.dtype.kind == "f" and "norm" not in kwargs:
        # The colours of the remaining atoms must not change.
        kwargs = {"vmin": values.min(), "vmax": values.max(), **kwargs}
    axes = plot_layout(layout, values, names=names, ax=ax, **kwargs)

    def draw(inside: np.ndarray) -> None:
        axes.set(xticks=[], yticks=[])
        if inside.any():
            chosen = None if values is None else values[inside]
            plot_layout(layout[inside], chosen, names=names, ax=axes, **kwargs)

    RegionView(axes, positions, roi, draw)
    return axes
