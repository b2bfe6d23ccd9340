"""What moves, drawn over a stored picture of what does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.figure import Figure


class MovingLayer:
    """Animated artists of a figure, drawn over the stored rest of it: milliseconds, however much is below.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    artists : callable
        Returns the artists that move, in the order in which they are drawn; each is animated, so that
        matplotlib leaves it out.
    """

    def __init__(self, figure: Figure, artists: Callable[[], Sequence[Artist]]) -> None:
        self.figure = figure
        self._artists = artists
        self._background: Any = None
        self.connection = figure.canvas.mpl_connect("draw_event", self._on_draw)

    def _on_draw(self, event: Any) -> None:
        canvas: Any = self.figure.canvas
        if canvas.is_saving():
            # What moves goes into the file as it stands; the file's background is not that of the window.
            for artist in self._artists():
                artist.draw(event.renderer)
            return
        # Canvases that are not made of pixels (Cairo, vector output) cannot store a background.
        if hasattr(canvas, "copy_from_bbox"):
            self._background = canvas.copy_from_bbox(self.figure.bbox)
        self._draw_artists()

    def _draw_artists(self) -> None:
        for artist in self._artists():
            self.figure.draw_artist(artist)

    def draw(self) -> None:
        """Draw what moves again."""
        canvas: Any = self.figure.canvas
        if self._background is None or not hasattr(canvas, "restore_region"):
            canvas.draw_idle()
            return
        canvas.restore_region(self._background)
        self._draw_artists()
        canvas.blit(self.figure.bbox)
