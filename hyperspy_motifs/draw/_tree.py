"""How motifs split as one looks farther."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import ArrayLike, NDArray

from ._image import axes_or_new, check_length
from ._palette import motif_colours


def _leaf_order(parents: NDArray[np.intp], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Height at which each node is drawn: leaves in turn, the larger branch first, parents half-way."""
    children: dict[int, list[int]] = {}
    for node in np.argsort(-sizes, kind="stable"):
        children.setdefault(int(parents[node]), []).append(int(node))
    height = np.full(len(parents), np.nan)
    next_leaf = 0
    stack = [(root, False) for root in reversed(children.get(-1, []))]
    while stack:
        node, below_done = stack.pop()
        below = children.get(node, [])
        if below_done:
            height[node] = (height[below[0]] + height[below[-1]]) / 2
        elif below:
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(below))
        else:
            height[node] = next_leaf
            next_leaf += 1
    if np.isnan(height).any():
        raise ValueError(
            "parents do not describe a tree: some nodes cannot be reached from a root (parent -1)."
        )
    return height


def _one_fork_a_lens(
    parent: NDArray[np.intp], lens: NDArray[np.float64], motif: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Nodes that are drawn, and their parents among these: what parts in several steps at one lens is one fork."""
    has_parent = parent >= 0
    same = has_parent & (lens == lens[parent])
    dissolved = np.zeros(len(parent), dtype=bool)
    dissolved[parent[same]] = True
    # A root stays, as all the others come from it, and so does a node that is a motif.
    dissolved &= has_parent & (motif < 0)
    kept = np.flatnonzero(~dissolved)
    above = parent.copy()
    for _ in range(len(parent)):
        through = (above >= 0) & dissolved[above]
        if not through.any():
            break
        above[through] = parent[above[through]]
    number = np.cumsum(~dissolved) - 1
    return kept, np.where(above[kept] >= 0, number[above[kept]], -1)


def plot_tree(
    parents: ArrayLike,
    sizes: ArrayLike,
    lenses: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the tree of motifs: from the left, what a small lens tells apart; to the right, larger lenses.

    Parameters
    ----------
    parents : array_like of int, shape (n_nodes,)
        Parent of each node, -1 for a root.
    sizes : array_like of int, shape (n_nodes,)
        Atoms in each node.
    lenses : array_like of float, shape (n_nodes,)
        Lens through which each node is told apart, in nearest-neighbour distances (0 for the root).
    labels : array_like of int, shape (n_nodes,), optional
        Motif of each node, whose colour it gets; -1 for nodes that are no motif, drawn in grey.
    names : sequence of str, optional
        Name of each motif.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        What parts in several steps through one lens is drawn as one fork.

    Raises
    ------
    ValueError
        If lengths differ or the parents do not describe a tree.
    """
    parent = np.asarray(parents, dtype=np.intp)
    size = np.asarray(sizes, dtype=float)
    lens = np.asarray(lenses, dtype=float)
    check_length(size, len(parent), "sizes")
    check_length(lens, len(parent), "lenses")
    motif = np.full(len(parent), -1) if labels is None else np.asarray(labels, dtype=np.intp)
    check_length(motif, len(parent), "labels")
    _leaf_order(parent, size)  # says what is no tree
    kept, parent = _one_fork_a_lens(parent, lens, motif)
    size, lens, motif = size[kept], lens[kept], motif[kept]
    y = _leaf_order(parent, size)
    is_leaf = ~np.isin(np.arange(len(parent)), parent)
    ax = axes_or_new(ax, (4.8, min(9.0, max(2.2, 0.6 + 0.22 * is_leaf.sum()))))
    # Lenses are drawn at equal steps: their ratios, not their differences, tell shells apart.
    levels, x = np.unique(lens, return_inverse=True)
    child = np.flatnonzero(parent >= 0)
    origin = parent[child]
    share = np.sqrt(size[child] / max(size.max(), 1))
    middle = x[child] - 0.5
    segments = np.stack(
        [
            np.column_stack([x[origin], y[origin]]),
            np.column_stack([middle, y[origin]]),
            np.column_stack([middle, y[child]]),
            np.column_stack([x[child], y[child]]),
        ],
        axis=1,
    )
    ax.add_collection(LineCollection(list(segments), colors="0.7", linewidths=0.6 + 2.4 * share, zorder=1))
    colours = np.tile([0.55, 0.55, 0.55, 1.0], (len(parent), 1))
    colours[motif >= 0] = motif_colours(motif[motif >= 0])
    area = 12 + 110 * np.sqrt(size / max(size.max(), 1))
    ax.scatter(x, y, s=area, c=colours, edgecolors="white", linewidths=0.6, zorder=2)
    for node in range(len(parent)):
        count = f"{int(size[node]):,}"
        if motif[node] >= 0:
            name = names[motif[node]] if names is not None else f"motif {motif[node]}"
            count = f"{name} ({count})"
        if is_leaf[node]:
            ax.annotate(
                count if motif[node] >= 0 else f"({count})", (x[node], y[node]), xytext=(8, 0),
                textcoords="offset points", va="center", fontsize="small", zorder=3,
            )  # fmt: skip
        else:
            ax.annotate(
                count, (x[node], y[node]), xytext=(0, 7), textcoords="offset points", ha="center", va="bottom",
                fontsize="x-small", color="0.3", zorder=3,
            )  # fmt: skip
    ax.set_xticks(
        range(len(levels)), ["all" if level == 0 else f"{level:g}" for level in levels], fontsize="small"
    )
    ax.set_xlim(-0.3, len(levels) - 1 + 0.45 * max(1, len(levels) - 1))
    ax.set_ylim(max(float(y.max()) + 0.7, 0.7), -0.9)
    ax.set_yticks([])
    ax.set_xlabel("lens (nearest-neighbour distances)", fontsize="small")
    for side in ("left", "right", "top"):
        ax.spines[side].set_visible(False)
    return ax
