"""Patches navigated by their motif, or by a score."""

from __future__ import annotations

from typing import Any

import numpy as np
from hyperspy.signals import BaseSignal, Signal1D


def choose_navigator(patches: Any, navigator: Any) -> tuple[Any, np.ndarray | None]:
    """The navigator for HyperSpy, and the values to show as points for navigators of this package.

    Parameters
    ----------
    patches : AtomPatches
    navigator : str, array-like of shape (n,), signal or None

    Returns
    -------
    navigator : str, signal or None
        For HyperSpy's ``plot``.
    values : numpy.ndarray of shape (n,) or None
        Of integers for motifs, of floats for scores.
    """
    if navigator is None or isinstance(navigator, BaseSignal):
        return navigator, None
    if isinstance(navigator, str):
        labels = patches.motifs if patches.axes_manager.navigation_dimension == 1 else None
        if navigator == "auto" and (labels is None or patches.navigator is not None):
            return "auto", None
        if navigator not in ("auto", "motif"):
            return navigator, None
        if labels is None:
            raise ValueError("These patches have no motifs: use motifs.patches.")
        return _navigator(patches, labels), labels
    values = np.asarray(navigator, float)
    n = patches.axes_manager.navigation_shape
    if values.shape != n:
        raise ValueError(
            f"navigator has the shape {values.shape}; one number per patch is expected, shape {n}."
        )
    return _navigator(patches, values), values


def _navigator(patches: Any, values: np.ndarray) -> Signal1D:
    axis = patches.axes_manager.navigation_axes[0].get_axis_dictionary()
    return Signal1D(np.asarray(values, float), axes=[{**axis, "navigate": False}])


def show_points(patches: Any, values: np.ndarray) -> None:
    """Points instead of the line of the navigator, because neighbours in a list are not neighbours in the image."""
    from hyperspy_motifs.draw import motif_colours

    plot = patches._plot.navigator_plot
    places = patches.axes_manager.navigation_axes[0].axis
    (line,) = plot.ax_lines
    line.line.set_visible(False)
    labels = patches.motifs
    is_motif = values.dtype.kind in "iu"
    colours = motif_colours(labels) if labels is not None else "black"
    plot.ax.scatter(places, values, s=_area(len(values)), c=colours, linewidths=0)
    if is_motif:
        given = patches._facts().get("names", {})
        names = [given.get(str(k), str(k)) for k in range(int(values.max(initial=0)) + 1)]
        plot.ax.set_yticks(np.arange(len(names)), names)
        plot.ax.set_ylim(-0.6, len(names) - 0.4)
    plot.ax.set_ylabel("motif" if is_motif else "score")
    plot.figure.canvas.draw_idle()


def _area(n: int) -> float:
    """Area of a point, so that many do not hide each other."""
    return float(np.clip(8000 / max(n, 1), 2.0, 20.0))
