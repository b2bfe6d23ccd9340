"""Atoms added and removed by mouse."""

from __future__ import annotations

from typing import Any

import numpy as np

# Largest distance of a click from its atom, in units of half the separation.
NEAR = 1.0


class AtomEditor:
    """The plot of an image in which a click removes an atom, or adds one if there is none.

    The left button edits, the key ``u`` reverts the last edit. Clicks are ignored while a tool of the toolbar (zoom,
    pan) is active. Every edit is written to ``signal.atoms``. Keep a reference to the editor while the figure is
    open.

    Parameters
    ----------
    signal : AtomicImage
        An image with or without atoms (``find_atoms``).

    Attributes
    ----------
    signal : AtomicImage
    figure : matplotlib.figure.Figure
    """

    def __init__(self, signal: Any) -> None:
        self.signal = signal
        signal.plot()
        self._ax = signal._plot.signal_plot.ax
        self.figure = self._ax.figure
        self._undo: list[tuple[str, tuple[float, float], int]] = []
        (self._dots,) = self._ax.plot([], [], "o", mfc="none", mec="#e69f00", ms=6, mew=1.2, ls="none")
        canvas = self.figure.canvas
        self._connections = [
            canvas.mpl_connect("button_press_event", self._on_click),
            canvas.mpl_connect("key_press_event", self._on_key),
        ]
        signal.axes_manager.events.indices_changed.connect(self._redraw, [])
        canvas.mpl_connect("close_event", lambda _: self.close())
        self._redraw()

    @property
    def frame(self) -> int:
        """Flat index of the displayed frame."""
        shape = self.signal.axes_manager.navigation_shape
        if not shape:
            return 0
        return int(np.ravel_multi_index(self.signal.axes_manager.indices[::-1], shape[::-1]))

    def toggle(self, x: float, y: float) -> None:
        """Remove the atom at x, y (axis units), or add one if there is none."""
        here = self._positions()
        if len(here) > 1:
            distance = np.hypot(*(here - [x, y]).T)
            between = np.sort(
                np.hypot(*(here[:, None] - here[distance.argmin()]).transpose(2, 0, 1)).ravel()
            )[1]
            if distance.min() < NEAR * between / 2:
                x, y = here[distance.argmin()]
                self._apply("remove", (float(x), float(y)), self.frame)
                return
        self._apply("add", (float(x), float(y)), self.frame)

    def undo(self) -> None:
        """Revert the last edit."""
        if self._undo:
            kind, place, frame = self._undo.pop()
            self._edit("add" if kind == "remove" else "remove", place, frame)

    def close(self) -> None:
        """Disconnect from the figure."""
        for connection in self._connections:
            self.figure.canvas.mpl_disconnect(connection)
        self._connections = []
        if self._redraw in self.signal.axes_manager.events.indices_changed.connected:
            self.signal.axes_manager.events.indices_changed.disconnect(self._redraw)

    def _apply(self, kind: str, place: tuple[float, float], frame: int) -> None:
        self._edit(kind, place, frame)
        self._undo.append((kind, place, frame))

    def _edit(self, kind: str, place: tuple[float, float], frame: int) -> None:
        change = self.signal.remove_atoms if kind == "remove" else self.signal.add_atoms
        change([place], frame=frame)
        self._redraw()

    def _positions(self) -> np.ndarray:
        if not hasattr(self.signal, "atoms"):
            return np.zeros((0, 2))
        table = self.signal.atoms
        return table.positions[table.frames == self.frame]

    def _redraw(self) -> None:
        self._dots.set_data(*self._positions().T)
        self.figure.canvas.draw_idle()

    def _on_click(self, event: Any) -> None:
        toolbar = getattr(self.figure.canvas, "toolbar", None)
        busy = bool(toolbar is not None and getattr(toolbar, "mode", ""))
        if event.inaxes is self._ax and event.button == 1 and not busy:
            self.toggle(event.xdata, event.ydata)

    def _on_key(self, event: Any) -> None:
        if event.key == "u":
            self.undo()
