"""Zernike moments: their basis functions and the spectrum of a patch or a motif."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from ._image import axes_or_new, check_length, make_room
from ._style import motif_colour, motif_marker


def _check_modes(modes: ArrayLike) -> NDArray[np.intp]:
    array = np.asarray(modes)
    if array.ndim != 2 or array.shape[1] != 2 or not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"modes must be integers of shape (K, 2), columns n and m, got {array.shape}.")
    return array.astype(np.intp)


def plot_basis(functions: ArrayLike, modes: ArrayLike, *, ax: Axes | None = None) -> Axes:
    """Draw the Zernike polynomials as a pyramid: a row for each n, a column for each m.

    Parameters
    ----------
    functions : array_like, shape (K, size, size)
        Basis functions; red is positive and blue negative, each on its own scale.
    modes : array_like of int, shape (K, 2)
        Columns n, m of each; m < 0 are the sines.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        One image for each function, and n and m on its axes.
    """
    pictures = np.asarray(functions, dtype=float)
    orders = _check_modes(modes)
    if pictures.ndim != 3:
        raise ValueError(f"functions must have shape (K, size, size), got {pictures.shape}.")
    check_length(pictures, len(orders), "functions")
    n_max = int(orders[:, 0].max())
    low, high = int(orders[:, 1].min()), int(orders[:, 1].max())
    # A step of m has half the width of one of n, because neighbours in a row differ by two in m.
    step = min(0.3, 7.0 / (high - low + 2.2))
    ax = axes_or_new(ax, (step * (high - low + 2.2) + 0.6, 2 * step * (n_max + 1.2) + 0.6))
    half_width = min(0.95, 0.46 * (2 if n_max > 1 else 1))
    rows, columns = np.mgrid[: pictures.shape[1], : pictures.shape[2]]
    centre_row, centre_column = (np.array(pictures.shape[1:]) - 1) / 2
    outside = np.hypot(rows - centre_row, columns - centre_column) > max(centre_row, centre_column) + 0.5
    for picture, (n, m) in zip(pictures, orders, strict=True):
        limit = np.abs(picture).max() or 1.0
        extent = (m - half_width, m + half_width, n + 0.46, n - 0.46)
        shown = np.where(outside, np.nan, picture)
        ax.imshow(shown, cmap="RdBu_r", vmin=-limit, vmax=limit, extent=extent, aspect="auto", origin="upper")
    ax.set_xlim(low - 1.1, high + 1.1)
    ax.set_ylim(n_max + 0.6, -0.6)
    ax.set_aspect(2)
    ax.set_xticks(range(low, high + 1, 2 if high - low > 8 else 1))
    ax.set_yticks(range(n_max + 1))
    ax.tick_params(labelsize="small", length=0)
    ax.set_xlabel("m", style="italic")
    ax.set_ylabel("n", style="italic")
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax


def group_magnitudes(
    moments: NDArray[np.generic], orders: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Magnitude (M, J) of each pair (n, |m|), in the order of n and then |m|, and these pairs (J, 2)."""
    keys = np.column_stack([orders[:, 0], np.abs(orders[:, 1])])
    pairs, index = np.unique(keys, axis=0, return_inverse=True)
    squares = np.zeros((len(moments), len(pairs)))
    np.add.at(squares.T, index.ravel(), np.abs(moments.T) ** 2)
    return np.sqrt(squares), pairs


def plot_zernike_spectrum(
    moments: ArrayLike,
    modes: ArrayLike,
    *,
    errors: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the magnitudes of Zernike moments, which are invariant under rotations of the patch.

    Parameters
    ----------
    moments : array_like, shape (K,) or (M, K)
        Moments of a patch, or of M motifs: real ones (cosines and sines, joined here to their magnitude) or
        complex ones.
    modes : array_like of int, shape (K, 2)
        Columns n, m of each; m < 0 are the sines.
    errors : array_like, same shape as `moments`, optional
        Standard deviation of each.
    labels : array_like of int, shape (M,), optional
        Motif of each of the M; 0, 1, ... by default.
    names : sequence of str, optional
        Name of each motif.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        Bars for one patch, a line for each of several motifs. Along x the pairs (n, |m|), grouped by n.
    """
    values = np.asarray(moments)
    orders = _check_modes(modes)
    single = values.ndim == 1
    values = np.atleast_2d(values)
    if values.ndim != 2 or values.shape[1] != len(orders):
        raise ValueError(
            f"moments must have shape ({len(orders)},) or (M, {len(orders)}), got {values.shape}."
        )
    heights, pairs = group_magnitudes(values, orders)
    spread = None if errors is None else group_magnitudes(np.atleast_2d(np.asarray(errors)), orders)[0]
    if spread is not None:
        check_length(spread, len(heights), "errors")
    made_here = ax is None
    ax = axes_or_new(ax, (5.2, 2.4))
    x = np.arange(len(pairs))
    if single:
        style: dict[str, Any] = {"ecolor": "0.2", "error_kw": {"linewidth": 0.6}}
        ax.bar(x, heights[0], yerr=None if spread is None else spread[0], width=0.75, color="0.45", **style)
    else:
        motifs = np.arange(len(heights)) if labels is None else np.asarray(labels)
        check_length(motifs, len(heights), "labels")
        for i, k in enumerate(motifs):
            ax.errorbar(
                x, heights[i], yerr=None if spread is None else spread[i], color=motif_colour(k),
                marker=motif_marker(k), markersize=3, linewidth=0.9, elinewidth=0.5,
                label=names[k] if names is not None else f"motif {k}",
            )  # fmt: skip
        ax.legend(
            loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0, fontsize="small", frameon=False,
            ncols=max(1, int(np.ceil(len(motifs) / 14))), title="motif", title_fontsize="small", alignment="left",
        )  # fmt: skip
        make_room(ax, made_here=made_here)
    starts = np.flatnonzero(np.diff(pairs[:, 0], prepend=-1))
    ends = np.append(starts[1:], len(pairs))
    for start in starts[1:]:
        ax.axvline(start - 0.5, color="0.85", linewidth=0.6, zorder=0)
    ax.set_xticks((starts + ends - 1) / 2, [str(n) for n in pairs[starts, 0]])
    if len(pairs) <= 40:
        # Otherwise the central |m| of a group is omitted, because its n is below it.
        ax.xaxis.remove_overlapping_locs = False
        ax.set_xticks(x, [str(m) for m in pairs[:, 1]], minor=True)
        ax.tick_params(axis="x", which="minor", labelsize=5.5, length=0, pad=1)
        ax.tick_params(axis="x", which="major", pad=10)
        ax.text(
            -0.01, -0.02, "|m|", transform=ax.transAxes, fontsize=5.5, ha="right", va="top", style="italic"
        )
    ax.tick_params(axis="both", which="major", labelsize="small")
    ax.tick_params(axis="x", which="major", length=0)
    ax.set_xlim(-0.6, len(pairs) - 0.4)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("n", style="italic")
    ax.set_ylabel(r"$|A_{nm}|$")
    return ax
