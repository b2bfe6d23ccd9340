"""The movie of a relaxation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from matplotlib.animation import FuncAnimation
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from ._image import axes_or_new, check_length, make_room
from ._layout_plot import frame_layout, layout_marker_area
from ._legend import add_motif_legend
from ._motif_plot import drawing_order, scatter_motifs
from ._palette import as_labels


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
    ax = axes_or_new(ax, (3.7, 3.9))
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
