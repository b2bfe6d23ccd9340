"""Animated artists over a stored background."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.figure import Figure


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
