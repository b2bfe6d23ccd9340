"""Types that are neighbours more, or less, often than by chance."""

from __future__ import annotations

from collections.abc import Sequence

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from ._image import axes_or_new, make_room
from ._layout_plot import add_colour_bar
from ._types import short_name, type_nodes

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
