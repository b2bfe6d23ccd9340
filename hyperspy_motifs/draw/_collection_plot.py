"""Motifs of many images."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ._image import axes_or_new
from ._palette import motif_colour, motif_marker


def plot_image_populations(
    fractions: NDArray[np.floating],
    errors: NDArray[np.floating],
    motif_names: Sequence[str],
    image_names: Sequence[str],
    *,
    groups: Sequence[Any] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the fraction of each motif in each image on a logarithmic axis, as rare motifs differ from frequent ones by orders.

    Parameters
    ----------
    fractions, errors : ndarray, shape (images, motifs)
    motif_names, image_names : sequence of str
    groups : sequence, length images, optional
        Images are sorted by group.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    n_images, n_motifs = fractions.shape
    ax = axes_or_new(ax, (max(4.0, 1.6 + 0.45 * n_images), 3.4))
    labels = [str(g) for g in groups] if groups is not None else [""] * n_images
    order = sorted(range(n_images), key=lambda i: (list(dict.fromkeys(labels)).index(labels[i]), i))
    handles: list[Any] = []
    for k in range(n_motifs):
        shown = [i for i in order if fractions[i, k] > 0]
        x = np.array([order.index(i) for i in shown]) + 0.5 * (k / max(n_motifs - 1, 1) - 0.5)
        y, e = fractions[shown, k], errors[shown, k]
        drawn = ax.errorbar(
            x, y, yerr=[np.minimum(e, 0.9 * y), e], fmt=motif_marker(k), ms=4, lw=1, color=motif_colour(k)
        )  # fmt: skip
        handles.append(drawn)
    ax.set_yscale("log")
    ax.set_xticks(range(n_images), [image_names[i] for i in order], rotation=45, ha="right")
    for place, (before, after) in enumerate(pairwise(order)):
        if labels[before] != labels[after]:
            ax.axvline(place + 0.5, color="0.7", lw=0.8)
    if groups is not None:
        for name in dict.fromkeys(labels):
            places = [place for place, i in enumerate(order) if labels[i] == name]
            ax.text(float(np.mean(places)), 1.02, name, transform=ax.get_xaxis_transform(), ha="center")
    ax.set_ylabel("fraction of atoms")
    # Names are given with the handles: as labels of artists, those that begin with an underscore are left out.
    ax.legend(
        handles, motif_names, title="motif", loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False
    )
    return ax


def plot_image_map(
    places: NDArray[np.floating],
    image_names: Sequence[str],
    *,
    groups: Sequence[Any] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw images as named points.

    Parameters
    ----------
    places : ndarray, shape (images, 2)
    image_names : sequence of str
    groups : sequence, length images, optional
        Drawn in one colour and marker each, with a legend.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, (4.4, 3.8))
    labels = np.array([str(g) for g in groups] if groups is not None else ["images"] * len(places))
    names = list(dict.fromkeys(labels.tolist()))
    handles = []
    for k, name in enumerate(names):
        x, y = places[labels == name].T
        handles.append(ax.scatter(x, y, color=motif_colour(k), marker=motif_marker(k), s=36))
    for place, name in zip(places, image_names, strict=True):
        # Towards the middle, where names stay within the axes.
        side = -1 if place[0] > places[:, 0].mean() else 1
        ax.annotate(
            name, tuple(place), xytext=(5 * side, 3), textcoords="offset points", fontsize=8,
            ha="left" if side > 0 else "right",
        )  # fmt: skip
    ax.margins(0.15)
    ax.set_aspect("equal", adjustable="datalim")
    ax.set_xlabel("difference of motifs, axis 1")
    ax.set_ylabel("axis 2")
    if groups is not None:
        # Beside the axes: within them its markers would look like images.
        ax.legend(handles, names, title="group", loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return ax
