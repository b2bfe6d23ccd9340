"""What moves in a plot: fast redrawing, switches, regions, and atoms that are added, moved and removed by mouse."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import PickEvent
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.widgets import RectangleSelector, Slider
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from hyperspy_motifs.pipeline import inside_roi

from ._layout_plot import plot_layout

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal
    from matplotlib.backend_bases import CloseEvent, DrawEvent, KeyEvent, MouseEvent

    from hyperspy_motifs.pipeline import AtomTable


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
        self._background: object = None
        self.connection = figure.canvas.mpl_connect("draw_event", self._on_draw)

    def _on_draw(self, event: DrawEvent) -> None:
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

    limits = {"xlim": axes.get_xlim(), "ylim": axes.get_ylim()}

    def draw() -> None:
        inside = inside_roi(positions, roi)
        axes.clear()
        axes.set(xticks=[], yticks=[])
        if inside.any():
            chosen = None if values is None else values[inside]
            plot_layout(layout[inside], chosen, names=names, ax=axes, **kwargs)
        axes.set(**limits)
        axes.figure.canvas.draw_idle()

    def stop(event: CloseEvent) -> None:
        if draw in roi.events.changed.connected:
            roi.events.changed.disconnect(draw)

    roi.events.changed.connect(draw, [])
    axes.figure.canvas.mpl_connect("close_event", stop)
    draw()
    return axes


# A click belongs to an atom within this part of the distance of the atoms; a drag is longer than this part of it.
_NEAR, _DRAG = 0.5, 0.1
_HELP = "click: add, remove   drag: move   right drag: remove all in it   u: undo   enter: remove the marked"


class AtomEditor:
    """The plot of an image in which atoms are edited by mouse.

    A click with the left button removes an atom, or adds one if there is none; a drag moves it. A rectangle with the right
    button removes all atoms in it. The slider marks the atoms whose fitted height is below a part of the median height of the
    frame, and the key ``enter`` removes the marked ones. The key ``u`` reverts the last edit. Clicks are ignored while a tool
    of the toolbar (zoom, pan) is active. Every edit is written to ``signal.atoms``. Keep a reference to the editor while the
    figure is open.

    Parameters
    ----------
    signal : AtomicImage
        An image with or without atoms (``find_atoms``).

    Attributes
    ----------
    signal : AtomicImage
    figure : matplotlib.figure.Figure
    slider : matplotlib.widgets.Slider
    """

    def __init__(self, signal: BaseSignal) -> None:
        self.signal = signal
        signal.plot()
        self._ax = signal._plot.signal_plot.ax
        self.figure = self._ax.figure
        self._history: list[AtomTable | None] = []
        self._pressed: tuple[float, float] | None = None
        style = {"mfc": "none", "ms": 6, "mew": 1.2, "ls": "none"}
        (self._dots,) = self._ax.plot([], [], "o", mec="#e69f00", **style)
        (self._weak,) = self._ax.plot([], [], "X", mec="#d55e00", **style)
        # Room for the title, the slider and what the mouse does.
        self.figure.subplots_adjust(bottom=0.22, top=0.9)
        self.figure.text(0.5, 0.085, _HELP, ha="center", fontsize="small")
        where = self.figure.add_axes((0.5, 0.03, 0.3, 0.03))
        self.slider = Slider(where, "weaker than … median heights ", 0.0, 1.0, valinit=0.0)
        self.slider.on_changed(lambda _: self._redraw())
        self._box = RectangleSelector(self._ax, self._on_box, button=[3])  # type: ignore[list-item]
        canvas = self.figure.canvas
        # HyperSpy draws the image as an animated artist above all other artists.
        for artist in (self._dots, self._weak, *self._box.artists):
            artist.set_animated(canvas.supports_blit)
        events = {
            "button_press_event": self._on_press, "button_release_event": self._on_release, "key_press_event": self._on_key,
            "close_event": lambda _: self.close(),
        }  # fmt: skip
        self._connections = [canvas.mpl_connect(name, act) for name, act in events.items()]
        signal.axes_manager.events.indices_changed.connect(self._redraw, [])
        self._redraw()

    @property
    def frame(self) -> int:
        """Flat index of the displayed frame."""
        shape = self.signal.axes_manager.navigation_shape
        if not shape:
            return 0
        return int(np.ravel_multi_index(self.signal.axes_manager.indices[::-1], shape[::-1]))

    @property
    def weak(self) -> np.ndarray:
        """Mask of the atoms of the frame that the slider marks; atoms without a fitted height are never marked."""
        table = getattr(self.signal, "atoms", None)
        heights = None if table is None else table.columns.get("amplitude")
        if heights is None:
            return np.zeros(len(self._positions()), bool)
        heights = np.abs(heights[table.frames == self.frame])  # type: ignore[union-attr]
        return (
            heights < self.slider.val * np.nanmedian(heights) if np.isfinite(heights).any() else heights < 0
        )

    def toggle(self, x: float, y: float) -> None:
        """Remove the atom at x, y (axis units), or add one if there is none."""
        atom = self._atom_at(x, y)
        if atom is None:
            self._edit(lambda: self.signal.add_atoms([(x, y)], frame=self.frame))
        else:
            self.remove([atom])

    def move(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Move the atom at `start` to `end` (axis units)."""
        atom = self._atom_at(*start)
        if atom is not None:

            def act() -> None:
                # Added first: the last atom of a frame cannot be removed.
                self.signal.add_atoms([end], frame=self.frame)
                self.signal.remove_atoms([atom], frame=self.frame)

            self._edit(act)

    def remove(self, positions: Sequence[tuple[float, float]] | NDArray[np.float64]) -> None:
        """Remove the atoms at some positions (axis units), in one step."""
        if len(positions):
            self._edit(lambda: self.signal.remove_atoms(positions, frame=self.frame))

    def undo(self) -> None:
        """Revert the last edit."""
        from hyperspy_motifs.pipeline import keep_atoms

        if self._history:
            keep_atoms(self.signal, self._history.pop())
            self._redraw()

    def close(self) -> None:
        """Disconnect from the figure."""
        for connection in self._connections:
            self.figure.canvas.mpl_disconnect(connection)
        self._connections = []
        self._box.set_active(False)
        if self._redraw in self.signal.axes_manager.events.indices_changed.connected:
            self.signal.axes_manager.events.indices_changed.disconnect(self._redraw)

    def _edit(self, act: Callable[[], object]) -> None:
        before = getattr(self.signal, "atoms", None)
        act()
        self._history.append(before)
        self._redraw()

    def _positions(self) -> np.ndarray:
        if not hasattr(self.signal, "atoms"):
            return np.zeros((0, 2))
        table = self.signal.atoms
        return table.positions[table.frames == self.frame]

    def _spacing(self) -> float:
        """Median distance of the atoms of the frame; that of the whole view if there are fewer than two."""
        here = self._positions()
        if len(here) < 2:
            return float(abs(np.subtract(*self._ax.get_xlim())))
        return float(np.median(cKDTree(here).query(here, 2)[0][:, 1]))

    def _atom_at(self, x: float, y: float) -> tuple[float, float] | None:
        here = self._positions()
        if not len(here):
            return None
        distance = np.hypot(*(here - [x, y]).T)
        near = len(here) > 1 and distance.min() < _NEAR * self._spacing()
        return tuple(here[distance.argmin()].tolist()) if near else None

    def _redraw(self) -> None:
        here, weak = self._positions(), self.weak
        self._dots.set_data(*here[~weak].T)
        self._weak.set_data(*here[weak].T)
        self._ax.hspy_fig.render_figure()

    def _on_press(self, event: Any) -> None:
        toolbar = getattr(self.figure.canvas, "toolbar", None)
        busy = bool(toolbar is not None and getattr(toolbar, "mode", ""))
        left = event.inaxes is self._ax and event.button == 1 and not busy
        self._pressed = (event.xdata, event.ydata) if left else None

    def _on_release(self, event: Any) -> None:
        start, self._pressed = self._pressed, None
        if start is None or event.inaxes is not self._ax or event.button != 1:
            return
        end = (event.xdata, event.ydata)
        if np.hypot(end[0] - start[0], end[1] - start[1]) > _DRAG * self._spacing():
            self.move(start, end)
        else:
            self.toggle(*end)

    def _on_box(self, press: MouseEvent, release: MouseEvent) -> None:
        corners = np.sort([[press.xdata, press.ydata], [release.xdata, release.ydata]], axis=0)
        here = self._positions()
        self.remove(here[np.all((here >= corners[0]) & (here <= corners[1]), axis=1)])

    def _on_key(self, event: KeyEvent) -> None:
        if event.key == "u":
            self.undo()
        elif event.key == "enter":
            self.remove(self._positions()[self.weak])
