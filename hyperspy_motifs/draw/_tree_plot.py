"""Splits of motifs with increasing radius."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike, NDArray

from ._image import axes_or_new, check_length
from ._style import motif_colours


def _leaf_order(parents: NDArray[np.intp], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Height at which each node is drawn: leaves in order, the larger branch first, parents at the mean."""
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


def _one_fork_a_radius(
    parent: NDArray[np.intp], radius: NDArray[np.float64], motif: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Nodes that are drawn, and their parents among these: several splits at one radius are one fork."""
    has_parent = parent >= 0
    same = has_parent & (radius == radius[parent])
    dissolved = np.zeros(len(parent), dtype=bool)
    dissolved[parent[same]] = True
    # Roots and nodes that are motifs are kept.
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
    radii: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the tree of motifs: splits at a small radius on the left, at larger radii on the right.

    Parameters
    ----------
    parents : array_like of int, shape (n_nodes,)
        Parent of each node, -1 for a root.
    sizes : array_like of int, shape (n_nodes,)
        Atoms in each node.
    radii : array_like of float, shape (n_nodes,)
        Radius at which each node is split from its sibling, in nearest-neighbour distances (0 for the root).
    labels : array_like of int, shape (n_nodes,), optional
        Motif of each node, for its colour; -1 for nodes that are not motifs, drawn in grey.
    names : sequence of str, optional
        Name of each motif.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        Several splits at one radius are drawn as one fork. Numbers count atoms; those of small branches are omitted
        if there is not enough space.

    Raises
    ------
    ValueError
        If lengths differ or the parents do not describe a tree.
    """
    parent = np.asarray(parents, dtype=np.intp)
    size = np.asarray(sizes, dtype=float)
    radius = np.asarray(radii, dtype=float)
    check_length(size, len(parent), "sizes")
    check_length(radius, len(parent), "radii")
    motif = np.full(len(parent), -1) if labels is None else np.asarray(labels, dtype=np.intp)
    check_length(motif, len(parent), "labels")
    _leaf_order(parent, size)  # raises an error if it is not a tree
    kept, parent = _one_fork_a_radius(parent, radius, motif)
    size, radius, motif = size[kept], radius[kept], motif[kept]
    y = _leaf_order(parent, size)
    is_leaf = ~np.isin(np.arange(len(parent)), parent)
    ax = axes_or_new(ax, (4.8, min(9.0, max(2.2, 0.6 + 0.22 * is_leaf.sum()))))
    # Radii are drawn at equal steps: their ratios, not their differences, distinguish shells.
    levels, x = np.unique(radius, return_inverse=True)
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
    nodes = ax.scatter(x, y, s=area, c=colours, edgecolors="white", linewidths=0.6, zorder=2)
    ax.set_xticks(
        range(len(levels)), ["all" if level == 0 else f"{level:g}" for level in levels], fontsize="small"
    )
    ax.set_xlim(-0.3, len(levels) - 1 + 0.3 * max(1, len(levels) - 1))
    ax.set_ylim(max(float(y.max()) + 0.7, 0.7), -0.9)
    ax.set_yticks([])
    ax.set_xlabel("radius (nearest-neighbour distances)", fontsize="small")
    for side in ("left", "right", "top"):
        ax.spines[side].set_visible(False)
    texts = [f"{int(n):,}" for n in size]
    for node in np.flatnonzero(motif >= 0):
        name = names[motif[node]] if names is not None else f"motif {motif[node]}"
        texts[node] = f"{name} ({texts[node]})"
    # Priority of texts if space is limited: motifs, then the branches with most atoms.
    order = np.lexsort((-size, motif < 0))
    step = _row_step(ax, y[is_leaf])
    nodes.set_sizes(np.minimum(area, max(step, 3.0) ** 2))
    _write_texts(ax, np.column_stack([x, y]), texts, is_leaf, order, step)
    return ax


def _row_step(ax: Axes, rows: NDArray[np.float64]) -> float:
    """Least distance in points of rows at heights `rows`, after the layout of the figure."""
    root = ax.get_figure(root=True)
    engine = root.get_layout_engine() if root is not None else None
    if root is not None and engine is not None:
        engine.execute(root)
    heights = np.unique(rows)
    if len(heights) < 2:
        return np.inf
    box = ax.get_window_extent()
    low, high = ax.get_ylim()
    return float(np.diff(heights).min() * box.height / abs(high - low) * 72 / ax.figure.dpi)


def _write_texts(
    ax: Axes,
    places: NDArray[np.float64],
    texts: Sequence[str],
    is_leaf: NDArray[np.bool_],
    first: NDArray[np.intp],
    step: float,
) -> None:
    """Write the text of each node: next to a leaf, above a fork, or before it to avoid overlap.

    For narrow rows letters are smaller, and texts that still overlap previous ones, in the order `first`, are
    omitted.
    """
    points = ax.transData.transform(places) * 72 / ax.figure.dpi
    base = float(mpl.rcParams["font.size"])
    leaf_size, fork_size = float(np.clip(0.95 * step, 5.0, 0.833 * base)), min(0.694 * base, max(step, 5.0))
    nodes = [(u - 3, u + 3, v - 2, v + 2) for u, v in points]
    taken: list[tuple[float, float, float, float]] = []
    for node in first:
        u, v = points[node]
        fontsize = leaf_size if is_leaf[node] else fork_size
        width, height = 0.58 * fontsize * len(texts[node]), 0.9 * fontsize
        if is_leaf[node]:
            choices = [((u + 8, u + 8 + width, v - height / 2, v + height / 2), (8, 0), "left", "center")]
        else:
            choices = [
                ((u - width / 2, u + width / 2, v + 7, v + 7 + height), (0, 7), "center", "bottom"),
                ((u - 6 - width, u - 6, v - height / 2, v + height / 2), (-6, 0), "right", "center"),
            ]
        for box, shift, across, along in choices:
            if not any(_overlap(box, other) for other in (*taken, *nodes[:node], *nodes[node + 1 :])):
                taken.append(box)
                ax.annotate(
                    texts[node], places[node], xytext=shift, textcoords="offset points", ha=across, va=along,
                    fontsize=fontsize, color="black" if is_leaf[node] else "0.3", zorder=3,
                    path_effects=[withStroke(linewidth=1.8, foreground="white")],
                )  # fmt: skip
                break


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3]
