"""A result on HyperSpy's plot of its image."""

from __future__ import annotations

from typing import Any

import numpy as np


def plot_motifs(signal: Any, motifs: Any, frame: int | None, cells: bool, **kwargs: Any) -> None:
    """Plot `signal` with one set of markers per motif, optionally the cells, and a legend with counts."""
    from hyperspy_motifs.draw import MotifSwitch, add_motif_legend

    navigation_shape = signal.axes_manager.navigation_shape
    if frame is not None:
        if not 0 <= frame < int(np.prod(navigation_shape, dtype=int)):
            raise ValueError(
                f"frame is {frame}; this signal has {int(np.prod(navigation_shape, dtype=int))} frames."
            )
        if navigation_shape:
            signal.axes_manager.indices = np.unravel_index(frame, navigation_shape[::-1])[::-1]
    signal.plot(**kwargs)
    markers = motifs.export.markers(cells=cells)
    for marker in markers:
        signal.add_marker(marker, permanent=False, render_figure=False)
    ax = signal._plot.signal_plot.ax
    # The legend does not change when the navigator moves.
    counted: dict[str, Any] = {"title": "motif (atoms in all frames)"} if navigation_shape else {}
    counted["n_vacancies"] = int(motifs.sites.vacant.sum())
    legend = add_motif_legend(
        ax,
        motifs.labels,
        motifs.names,
        location="upper right",
        marker="o",
        **counted,
    )
    present = np.unique(motifs.labels).tolist()
    MotifSwitch(legend, dict(zip(present, markers[len(markers) - len(present) :], strict=True)))
    ax.figure.canvas.draw_idle()


def as_html(signal: Any) -> str:
    """Representation of an image in a notebook: HyperSpy's line and the result."""
    from html import escape

    from hyperspy_motifs import store
    from hyperspy_motifs.motifs import Motifs

    lines = [repr(signal)]
    if store.has_result(signal):
        try:
            motifs = Motifs(signal)
            many = f"{motifs.n_motifs} motif{'s' if motifs.n_motifs != 1 else ''}"
            lines.append(f"{len(motifs.labels):,} atoms, {many}" if len(motifs.labels) else "no atoms in it")
        except ValueError as error:
            # An invalid result must not prevent the display of the image.
            lines.append(str(error))
    return f"<pre>{escape(chr(10).join(lines))}</pre>"
