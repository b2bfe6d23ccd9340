"""Atoms within a HyperSpy region of interest, and plots that follow it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.path import Path
from numpy.typing import ArrayLike, NDArray

from ._image import check_positions


def inside_roi(positions: ArrayLike, roi: Any) -> NDArray[np.bool_]:
    """Mask of the atoms within a region of interest.

    Parameters
    ----------
    positions : array_like, shape (n, 2)
        x, y in axis units.
    roi : hyperspy.api.roi.RectangularROI, CircleROI, PolygonROI or SpanROI
        In the same units; a span is along x.

    Returns
    -------
    numpy.ndarray of bool, shape (n,)

    Raises
    ------
    TypeError
        If `roi` is not one of these.
    ValueError
        If it has no position yet.

    Examples
    --------
    >>> import hyperspy.api as hs
    >>> from hyperspy_motifs.draw import inside_roi
    >>> roi = hs.roi.RectangularROI(left=0, top=0, right=2, bottom=1)
    >>> inside_roi([[1.5, 0.5], [0.5, 1.5]], roi).tolist()
    [True, False]
    """
    import hyperspy.api as hs

    x, y = check_positions(positions).T
    known = (hs.roi.RectangularROI, hs.roi.SpanROI, hs.roi.CircleROI, hs.roi.PolygonROI)
    if not isinstance(roi, known):
        raise TypeError(
            f"roi is a {type(roi).__name__}; expected hyperspy.api.roi.RectangularROI, CircleROI, PolygonROI or SpanROI."
        )
    if not roi.is_valid() or (isinstance(roi, hs.roi.PolygonROI) and not roi.vertices):
        raise ValueError(
            "roi has no position yet: set its bounds, or add it to the image with roi.add_widget(s)."
        )
    if isinstance(roi, hs.roi.RectangularROI):
        return (x >= roi.left) & (x < roi.right) & (y >= roi.top) & (y < roi.bottom)
    if isinstance(roi, hs.roi.SpanROI):
        return (x >= roi.left) & (x < roi.right)
    if isinstance(roi, hs.roi.CircleROI):
        distance = np.hypot(x - roi.cx, y - roi.cy)
        return (distance <= roi.r) & (distance >= roi.r_inner)
    return Path(np.asarray(roi.vertices, float)).contains_points(np.column_stack([x, y]))


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
