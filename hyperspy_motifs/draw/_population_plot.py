"""Populations of motifs, and the enrichment of pairs of neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from ._image import axes_or_new, make_room
from ._layout_plot import add_colour_bar
from ._legend import short_name, type_nodes
from ._palette import motif_colour, motif_marker

# Probabilities below this have the colour of zero: one atom in ten thousand.
_FAINTEST = 1e-4


def plot_populations(
    populations: ArrayLike,
    *,
    times: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    fraction: bool = False,
    label: str = "frame",
    ax: Axes | None = None,
) -> Axes:
    """Draw the number of atoms of each motif as a function of time, in the colours and markers of the motifs.

    Parameters
    ----------
    populations : array_like of int, shape (frames, k)
        From :func:`hyperspy_motifs.movies.count_populations`.
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
    ax = axes_or_new(ax, (4.8, 3.2))
    if fraction:
        counts = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    texts = [str(k) for k in range(counts.shape[1])] if names is None else list(names)
    for k, text in enumerate(texts):
        ax.plot(
            x,
            counts[:, k],
            marker=motif_marker(k),
            ms=4,
            lw=1.2,
            color=motif_colour(k),
            label=text,
            clip_on=False,
        )
    ax.set_xlabel(label)
    ax.set_ylabel("fraction of atoms" if fraction else "atoms")
    ax.set_ylim(bottom=0)
    ax.margins(x=0.02)
    if times is None:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(title="motif", frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1.02, 0.5))
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
    ax = axes_or_new(ax, (0.5 * len(columns) + 1.9, 0.5 * k + 1.1) if k > 3 else (3.6, 2.8))
    shown = ax.imshow(
        np.ma.masked_array(np.maximum(matrix, _FAINTEST), ~known), norm=LogNorm(_FAINTEST, 1), cmap="Blues"
    )
    if k <= 12:
        for i, j in zip(*np.nonzero(known), strict=True):
            dark = matrix[i, j] > 0.05
            ax.text(
                j,
                i,
                _short(matrix[i, j]),
                ha="center",
                va="center",
                fontsize=7,
                color="white" if dark else "black",
            )
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


_WRITTEN = 12  # largest number of types with scores in the fields


def _matrices(
    graph: nx.DiGraph, kind: str, most: int
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
    return z, q, [short_name(graph.nodes[node].get("name", node)) for node in nodes]


def plot_enrichment(
    scores: ArrayLike | nx.DiGraph,
    names: Sequence[str] | None = None,
    *,
    q: ArrayLike | None = None,
    kind: str = "motif",
    most: int = 20,
    level: float = 0.05,
    ax: Axes | None = None,
) -> Axes:
    """Draw the matrix of z-scores of neighbouring types: red enriched, blue depleted.

    Parameters
    ----------
    scores : array_like, shape (k, k), or networkx.DiGraph
        Observed minus expected number of neighbours, in standard deviations, NaN where unknown; or a motif graph with
        ``neighbours`` edges between types.
    names : sequence of str, optional
        Name of each type.
    q : array_like, shape (k, k), optional
        False discovery rate of each pair. Pairs at or below `level` are framed.
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
        The scores are written into the fields for up to 12 types.

    Raises
    ------
    ValueError
        If the scores are not a square matrix, or the graph has no types of that kind.
    """
    if isinstance(scores, nx.Graph):
        z, rates, found = _matrices(scores, kind, most)
        names = found if names is None else names
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
    size = float(np.clip(0.45 * k + 0.9, 2.4, 6.0))
    ax = axes_or_new(ax, (size, size))
    finite = np.abs(z[np.isfinite(z)])
    limit = max(float(np.percentile(finite, 95)), 1.0) if finite.size else 1.0
    shown = ax.imshow(z, cmap="RdBu_r", vmin=-limit, vmax=limit, origin="upper")
    ax.set_facecolor("0.9")
    # A name of two lines does not fit into a field of a large matrix.
    texts = [short_name(text, 10, lines=1) if k > _WRITTEN else text for text in texts]
    rotated = max((len(text) for text in texts), default=0) > (3 if k <= _WRITTEN else 2)
    fontsize = "small" if k <= _WRITTEN else "x-small" if k <= 20 else "xx-small"
    ax.set_xticks(range(k), texts, rotation=90 if rotated else 0, fontsize=fontsize)
    ax.set_yticks(range(k), texts, fontsize=fontsize)
    ax.tick_params(length=0)
    for i, j in np.argwhere(rates <= level):
        ax.add_patch(
            Rectangle((j - 0.46, i - 0.46), 0.92, 0.92, fill=False, edgecolor="black", linewidth=0.8)
        )
    if k <= _WRITTEN:
        for i, j in np.argwhere(np.isfinite(z)):
            colour = "white" if abs(z[i, j]) > 0.6 * limit else "black"
            ax.text(
                j,
                i,
                f"{z[i, j]:+.0f}".replace("-", "−"),
                ha="center",
                va="center",
                fontsize="x-small",
                color=colour,
            )
    extend = "both" if finite.size and finite.max() > limit else "neither"
    add_colour_bar(ax, shown, "z (observed versus random)", extend=extend)
    make_room(ax, made_here=made_here)
    return ax
