"""Power of radial orders, and modes that distinguish two motifs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from ._image import axes_or_new, check_length
from ._palette import motif_colour


def plot_orders(
    orders: ArrayLike,
    signal: ArrayLike,
    noise: ArrayLike,
    *,
    variation: ArrayLike | None = None,
    n_max: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the power of the moments of each radial order and that of their noise.

    Parameters
    ----------
    orders : array_like of int, shape (N,)
        Radial orders n.
    signal, noise : array_like, shape (N,)
        Mean square of the moments of an order without noise, and that of the noise
        (:class:`hyperspy_motifs.zernike.OrderSpectrum`). Values that are not positive are not drawn.
    variation : array_like, shape (N,), optional
        Variance between atoms without noise, which distinguishes patterns.
    n_max : int, optional
        Highest order to keep; higher orders are shaded.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    n = np.asarray(orders)
    curves = [("patterns", signal, {"color": "0.15", "marker": "o"})]
    if variation is not None:
        curves.append(("differences between atoms", variation, {"color": "tab:blue", "marker": "s"}))
    curves.append(("noise", noise, {"color": "tab:red", "linestyle": "--"}))
    ax = axes_or_new(ax, (4.4, 2.9))
    for label, values, style in curves:
        heights = np.asarray(values, dtype=float)
        check_length(heights, len(n), label)
        positive = np.where(heights > 0, heights, np.nan)
        ax.semilogy(n, positive, markersize=3.5, linewidth=1, label=label, **style)  # type: ignore[arg-type]
    if n_max is not None:
        ax.axvspan(n_max + 0.5, float(n.max()) + 0.5, color="0.93", zorder=0, linewidth=0)
    ax.set_xlim(float(n.min()) - 0.5, float(n.max()) + 0.5)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("radial order n")
    ax.set_ylabel("mean square of the moments")
    # Above the axes, because the empty part of them depends on the data.
    ax.legend(
        frameon=False,
        fontsize="small",
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=3,
        columnspacing=1,
    )
    return ax


def plot_explanation(
    pictures: ArrayLike,
    titles: Sequence[str],
    functions: ArrayLike,
    mode_titles: Sequence[str],
    *,
    groups: tuple[int, int] | None = None,
    figure: Any = None,
) -> NDArray[Any]:
    """Draw two motifs, their difference, and the modes that distinguish them.

    Parameters
    ----------
    pictures : array_like, shape (3, size, size)
        First motif, second motif (one grey scale), and the first minus the second (red is positive, blue negative).
    titles : sequence of str, length 3
    functions : array_like, shape (k, size, size)
        Modes in decreasing order of contribution, each with the sign of its difference.
    mode_titles : sequence of str, length k
    groups : (int, int), optional
        Numbers of the motifs, for the colours of their frames.
    figure : matplotlib.figure.Figure or SubFigure, optional
        Axes to draw on; a new figure by default.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes, shape (3 + k,)

    Raises
    ------
    ValueError
        If there are not three images, or a title is missing.
    """
    shown, modes = np.asarray(pictures, dtype=float), np.asarray(functions, dtype=float)
    if shown.ndim != 3 or len(shown) != 3 or modes.ndim != 3:
        raise ValueError(
            f"pictures of shape (3, size, size) and functions of shape (k, size, size) are expected, got {shown.shape} and "
            f"{modes.shape}."
        )
    if len(titles) != 3 or len(mode_titles) != len(modes):
        raise ValueError(
            f"{len(titles)} and {len(mode_titles)} titles for 3 pictures and {len(modes)} modes."
        )
    n = 3 + len(modes)
    if figure is None:
        figure = plt.figure(figsize=(1.15 * n, 1.6), layout="constrained")
    axes = figure.subplots(1, n, squeeze=False).ravel()
    low, high = np.nanmin(shown[:2]), np.nanmax(shown[:2])
    for k in range(2):
        axes[k].imshow(shown[k], cmap="gray", vmin=low, vmax=high)
    for ax, picture in zip(axes[2:], [shown[2], *modes], strict=True):
        limit = float(np.nanmax(np.abs(picture))) or 1.0
        ax.imshow(picture, cmap="RdBu_r", vmin=-limit, vmax=limit)
    for ax, title in zip(axes, [*titles, *mode_titles], strict=True):
        ax.set(xticks=[], yticks=[])
        ax.set_title(title, fontsize="small", pad=3, linespacing=1.1)
        for spine in ax.spines.values():
            spine.set_visible(False)
    for ax, group in zip(axes[:2], groups or (-1, -1), strict=True):
        for spine in ax.spines.values():
            spine.set(visible=group >= 0, edgecolor=motif_colour(max(group, 0)), linewidth=2)
    return axes
