"""Numbers of atoms: by frame, by transition, by image, and by height."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import matplotlib as mpl
import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.container import ErrorbarContainer
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from numpy.typing import ArrayLike, NDArray

from hyperspy_motifs.common import REPORTED_LEVEL

from ._image import axes_or_new, check_length, make_room, round_length
from ._layout_plot import add_colour_bar
from ._style import ONE_COLUMN, TWO_COLUMNS, as_labels, motif_colour, motif_marker, short_name, type_nodes

# Rows of a figure with one for each motif, and bins of a histogram.
_MOST_ROWS, _BINS = 16, 60
# Probabilities below this have the colour of zero: one atom in ten thousand.
_FAINTEST = 1e-4


def plot_populations(
    populations: ArrayLike,
    errors: ArrayLike | None = None,
    *,
    times: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    fraction: bool = False,
    label: str = "frame",
    ax: Axes | None = None,
) -> Axes:
    """Draw the number of atoms of each motif as a function of time, or of one image, in the colours of the motifs.

    Parameters
    ----------
    populations : array_like of int, shape (frames, k)
        From :func:`hyperspy_motifs.movies.count_populations`. The numbers of one frame are drawn as points in a row for each
        motif, on a logarithmic scale.
    errors : array_like, same shape, optional
        Standard error of each.
    times : array_like, shape (frames,), optional
        The numbers of the frames by default.
    names : sequence of str, optional
        Of the motifs.
    fraction : bool
        Draw fractions of the atoms of each frame.
    label : str
        Of the x axis.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If the shapes do not match.
    """
    counts = np.asarray(populations, float)
    x = np.arange(len(counts)) if times is None else np.asarray(times, float)
    if counts.ndim != 2 or x.shape != counts.shape[:1]:
        raise ValueError(
            f"populations of shape (frames, motifs) and as many times are expected, got {counts.shape} and {x.shape}."
        )
    spread = None if errors is None else np.asarray(errors, float)
    if spread is not None and spread.shape != counts.shape:
        raise ValueError(f"errors have shape {spread.shape}, the populations {counts.shape}.")
    if fraction:
        total = np.maximum(counts.sum(axis=1, keepdims=True), 1)
        counts, spread = counts / total, None if spread is None else spread / total
    texts = [str(k) for k in range(counts.shape[1])] if names is None else list(names)
    what = "fraction of atoms" if fraction else "atoms"
    if len(counts) == 1:
        return _one_population(counts[0], None if spread is None else spread[0], texts, what, ax)
    ax = axes_or_new(ax, (TWO_COLUMNS, 3.2))
    for k, text in enumerate(texts):
        ax.errorbar(
            x, counts[:, k], yerr=None if spread is None else spread[:, k], marker=motif_marker(k), ms=4, lw=1.2,
            elinewidth=0.8, color=motif_colour(k), label=text, clip_on=False,
        )  # fmt: skip
    ax.set_xlabel(label)
    ax.set_ylabel(what)
    ax.set_ylim(bottom=0)
    ax.margins(x=0.02)
    if times is None:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(title="motif", frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1.02, 0.5))
    return ax


def _one_population(
    counts: NDArray[np.float64],
    errors: NDArray[np.float64] | None,
    texts: list[str],
    what: str,
    ax: Axes | None,
) -> Axes:
    """A row for each motif, the most frequent at the top."""
    shown = np.arange(min(len(counts), _MOST_ROWS))
    ax = axes_or_new(ax, (ONE_COLUMN, 0.22 * len(shown) + 0.7))
    for k in shown.tolist():
        low = None if errors is None else min(errors[k], 0.9 * counts[k])
        ax.errorbar(
            counts[k], k, xerr=None if errors is None else [[low], [errors[k]]], marker=motif_marker(k), ms=5,
            color=motif_colour(k), capsize=2, linestyle="none",
        )  # fmt: skip
    ax.set_xscale("log")
    # From one round number (of 1, 2 and 5) to another, so that there are at least two.
    low, high = ax.get_xlim()
    low, high = round_length(4 * low), 1 / round_length(4 / high)
    ax.set_xlim(0.97 * low, 1.03 * high)
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
    ax.xaxis.set_major_formatter("{x:,g}")
    ax.xaxis.set_minor_locator(LogLocator(subs=range(2, 10)))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_yticks(shown, [short_name(texts[k], 24, lines=1) for k in shown.tolist()])
    ax.set_ylim(len(shown) - 0.5, -0.5)
    ax.set_xlabel(
        what + (f"; and {len(counts) - len(shown)} rarer motifs" if len(shown) < len(counts) else "")
    )
    ax.grid(axis="x", color="0.9", linewidth=0.6)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def plot_heights(
    heights: ArrayLike,
    labels: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    label: str = "fitted height",
    ax: Axes | None = None,
) -> Axes:
    """Draw the histogram of a value of the atoms for each motif, one below the other on a common scale.

    Parameters
    ----------
    heights : array_like, shape (n,)
        Such as the fitted height of each column; NaN where it is unknown.
    labels : array_like of int, shape (n,)
        Motif of each atom.
    names : sequence of str, optional
        Of the motifs.
    label : str
        Of the x axis.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        Each histogram has the same height; the tick below it is the median.

    Raises
    ------
    ValueError
        If there is not one label for each value, or no value is known.
    """
    values, motifs = np.asarray(heights, float), as_labels(labels)
    check_length(motifs, len(values), "labels")
    known = np.isfinite(values)
    if not known.any():
        raise ValueError("No height is known: there is nothing to draw.")
    present, counts = np.unique(motifs[known], return_counts=True)
    rows = present[:_MOST_ROWS]
    # A failed fit must not stretch the scale.
    low, high = np.percentile(values[known], [0.1, 99.9])
    edges = np.linspace(low, high, _BINS + 1)
    ax = axes_or_new(ax, (ONE_COLUMN, 0.34 * len(rows) + 0.6))
    for row, k in enumerate(rows.tolist()):
        own = values[known & (motifs == k)]
        bins = np.histogram(np.clip(own, low, high), edges)[0]
        tops = row + 0.45 - 0.85 * bins / max(bins.max(), 1)
        ax.stairs(tops, edges, baseline=row + 0.45, fill=True, color=motif_colour(k), linewidth=0)
        ax.plot([np.median(own)] * 2, [row + 0.36, row + 0.52], color="black", linewidth=1)
    called = [str(k) if names is None else names[k] for k in rows.tolist()]
    texts = [f"{short_name(name, 18, lines=1)} ({n:,})" for name, n in zip(called, counts, strict=False)]
    ax.set_yticks(range(len(rows)), texts)
    ax.set_ylim(len(rows) - 0.4, -0.5)
    # The power of ten of very large and small values is in the label: at the end of the axis it would cover it.
    power = int(np.floor(np.log10(max(abs(low), abs(high), np.finfo(float).tiny))))
    if not -3 <= power <= 3:
        label += f" ($10^{{{power}}}$)"
        ax.xaxis.set_major_formatter(lambda x, _: f"{x / 10.0**power:g}")
    ax.set_xlabel(
        label + (f"; and {len(present) - len(rows)} rarer motifs" if len(rows) < len(present) else "")
    )
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    return ax


def plot_transitions(
    probabilities: ArrayLike,
    counts: ArrayLike | None = None,
    *,
    names: Sequence[str] | None = None,
    lag: int = 1,
    ax: Axes | None = None,
) -> Axes:
    """Draw the matrix of probabilities of transitions from one motif (row) to another (column).

    Parameters
    ----------
    probabilities : array_like, shape (k, k) or (k, k + 1)
        NaN where unknown. An additional last column is for vanished atoms.
    counts : array_like of int, of the same shape, optional
        Number of atoms of each; fields without atoms are empty.
    names : sequence of str, optional
        Of the motifs.
    lag : int
        Number of frames between the two states.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        Probabilities are written into the fields for up to 12 motifs; colours are on a logarithmic scale.

    Raises
    ------
    ValueError
        If the shapes do not match.
    """
    matrix = np.asarray(probabilities, float)
    if matrix.ndim != 2 or matrix.shape[1] - matrix.shape[0] not in (0, 1):
        raise ValueError(f"probabilities of shape (k, k) or (k, k + 1) are expected, got {matrix.shape}.")
    if counts is not None and np.shape(counts) != matrix.shape:
        raise ValueError(f"counts have shape {np.shape(counts)}, the probabilities {matrix.shape}.")
    k = len(matrix)
    texts = [str(i) for i in range(k)] if names is None else list(names)[:k]
    columns = [*texts, "gone"] if matrix.shape[1] > k else texts
    known = np.isfinite(matrix) & (matrix > 0)
    if counts is not None:
        known &= np.asarray(counts) > 0
    width = ONE_COLUMN if len(columns) < 5 else TWO_COLUMNS
    ax = axes_or_new(ax, (width, min((width - 1.6) * k / len(columns), 6.0) + 0.8))
    shown = ax.imshow(
        np.ma.masked_array(np.maximum(matrix, _FAINTEST), ~known), norm=LogNorm(_FAINTEST, 1), cmap="Blues"
    )
    if k <= 12:
        for i, j in zip(*np.nonzero(known), strict=True):
            colour = "white" if matrix[i, j] > 0.05 else "black"
            ax.text(j, i, _short(matrix[i, j]), ha="center", va="center", fontsize=7, color=colour)
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(k), texts)
    ax.set_xlabel("one frame later" if lag == 1 else f"{lag} frames later")
    ax.set_ylabel("motif before")
    ax.tick_params(length=0, labelsize="small")
    ax.set_xticks(np.arange(len(columns) + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(k + 1) - 0.5, minor=True)
    ax.grid(which="minor", color="0.85", lw=0.6)
    ax.tick_params(which="minor", length=0)
    add_colour_bar(ax, shown, "probability")
    return ax


def _short(value: float) -> str:
    """Two significant digits, without a leading zero, because a field is small."""
    if value > 0.9995:
        return "1"
    text = f"{value:.3f}" if value < 0.0995 or value > 0.9 else f"{value:.2f}"
    return text.lstrip("0") if float(text) else "<.001"


_WRITTEN = 12  # largest number of types with names of two lines


def _matrices(
    graph: nx.DiGraph, kind: str, most: int, names: Mapping[str, str]
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
    """Matrices z and q (k, k) of the most frequent types, NaN where unknown, and their names."""
    nodes = sorted(type_nodes(graph, kind), key=lambda node: -graph.nodes[node].get("size", 0))[:most]
    rank = {node: i for i, node in enumerate(nodes)}
    z, q = np.full((2, len(nodes), len(nodes)), np.nan)
    for source, target, edge in graph.edges(nodes, data=True):
        if edge.get("kind") == "neighbours" and target in rank:
            i, j = rank[source], rank[target]
            z[i, j] = z[j, i] = edge["z"]
            q[i, j] = q[j, i] = edge.get("q", np.nan)
    return z, q, [names.get(node, str(graph.nodes[node].get("name", node))) for node in nodes]


def plot_enrichment(
    scores: ArrayLike | nx.DiGraph,
    names: Sequence[str] | Mapping[str, str] | None = None,
    *,
    q: ArrayLike | None = None,
    kind: str = "motif",
    most: int = 20,
    level: float = REPORTED_LEVEL,
    ax: Axes | None = None,
) -> Axes:
    """Draw a bubble for each pair of neighbouring types: red enriched, blue depleted, larger for larger z-scores.

    Parameters
    ----------
    scores : array_like, shape (k, k), or networkx.DiGraph
        Observed minus expected number of neighbours, in standard deviations, NaN where unknown; or a motif graph with
        ``neighbours`` edges between types.
    names : sequence of str, or mapping of str to str, optional
        Name of each type; of a graph, names of types in place of their own.
    q : array_like, shape (k, k), optional
        False discovery rate of each pair. Only pairs at or below `level` are filled.
    kind : str
        Kind of types of a graph: ``'motif'``, ``'cell-class'`` or one of a higher level.
    most : int
        Number of types of a graph, the most frequent ones.
    level : float
        See `q`.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        The area of a bubble is proportional to the score, up to that of the colour bar's ends.

    Raises
    ------
    ValueError
        If the scores are not a square matrix, or the graph has no types of that kind.
    """
    if isinstance(scores, nx.Graph):
        own = names if isinstance(names, Mapping) else {}
        z, rates, found = _matrices(scores, kind, most, own)
        names = found if names is None or isinstance(names, Mapping) else names
    else:
        z = np.asarray(scores, dtype=float)
        rates = np.full(z.shape, np.nan) if q is None else np.asarray(q, dtype=float)
    if z.ndim != 2 or z.shape[0] != z.shape[1] or rates.shape != z.shape:
        raise ValueError(
            f"scores and q must be square matrices of one shape, got {z.shape} and {rates.shape}."
        )
    k = len(z)
    texts = [str(i) for i in range(k)] if names is None else list(names)[:k]
    made_here = ax is None
    # The colour bar fills the column.
    size = (ONE_COLUMN if k < 6 else TWO_COLUMNS) - 0.95
    ax = axes_or_new(ax, (size, size))
    finite = np.abs(z[np.isfinite(z)])
    limit = max(float(np.percentile(finite, 95)), 1.0) if finite.size else 1.0
    i, j = np.nonzero(np.isfinite(z))
    sure = ~(rates[i, j] > level)
    colours = mpl.colormaps["RdBu_r"](Normalize(-limit, limit)(z[i, j]))
    # Diameter of the largest bubble in points: nearly the distance of two.
    largest = 0.85 * 72 * min(ax.get_window_extent().size) / ax.figure.dpi / max(k, 1)
    area = largest**2 * np.clip(np.abs(z[i, j]) / limit, 0.02, 1.0)
    faces = np.where(sure[:, None], colours, np.array([1.0, 1.0, 1.0, 0.0]))
    edges = np.where(sure, "0.2", "0.7").tolist()
    ax.scatter(j, i, s=area, facecolors=faces, edgecolors=edges, linewidths=0.7, zorder=2)
    ax.set(xlim=(-0.5, k - 0.5), ylim=(k - 0.5, -0.5), aspect="equal")
    ax.grid(color="0.92", linewidth=0.6)
    ax.set_axisbelow(True)
    # A name of two lines does not fit into a field of a large matrix.
    width, lines = (10, 1) if k > _WRITTEN else (22, 2)
    texts = [short_name(text, width, lines=lines) for text in texts]
    rotated = max((len(text) for text in texts), default=0) > (3 if k <= _WRITTEN else 2)
    fontsize = "small" if k <= _WRITTEN else "x-small" if k <= 20 else "xx-small"
    ax.set_xticks(range(k), texts, rotation=90 if rotated else 0, fontsize=fontsize)
    ax.set_yticks(range(k), texts, fontsize=fontsize)
    ax.tick_params(length=0)
    if not sure.all():
        ax.set_xlabel(f"open: not significant (q > {level:g})", fontsize="small")
    extend = "both" if finite.size and finite.max() > limit else "neither"
    add_colour_bar(
        ax, ScalarMappable(Normalize(-limit, limit), "RdBu_r"), "z (observed versus random)", extend=extend
    )
    make_room(ax, made_here=made_here)
    return ax


def plot_image_populations(
    fractions: NDArray[np.floating],
    errors: NDArray[np.floating],
    motif_names: Sequence[str],
    image_names: Sequence[str],
    *,
    groups: Sequence[object] | None = None,
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
    ax = axes_or_new(ax, (TWO_COLUMNS, 3.4))
    labels = [str(g) for g in groups] if groups is not None else [""] * n_images
    order = sorted(range(n_images), key=lambda i: (list(dict.fromkeys(labels)).index(labels[i]), i))
    handles: list[ErrorbarContainer] = []
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
    ax.tick_params(axis="x", labelsize="small" if n_images <= 25 else "xx-small")
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
    groups: Sequence[object] | None = None,
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
    ax = axes_or_new(ax, (TWO_COLUMNS, 4.2))
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
