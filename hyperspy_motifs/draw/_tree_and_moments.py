"""Splits of motifs with increasing radius; Zernike moments: their basis functions and the spectrum of a patch or a motif."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox
from numpy.typing import ArrayLike, NDArray

from ._image import axes_or_new, check_length, make_room
from ._style import ONE_COLUMN, TWO_COLUMNS, motif_colour, motif_colours, motif_marker

# Rows of letters of 7 points on a page of a journal.
_MOST_LEAVES = 48


def _tree_of(parents: NDArray[np.intp], sizes: NDArray[np.float64]) -> nx.DiGraph:
    """Tree with edges from each parent to its children, the larger ones first; its roots are children of -1."""
    order = np.argsort(-sizes, kind="stable")
    tree = nx.DiGraph(zip(parents[order].tolist(), order.tolist(), strict=True))
    if len(parents) and (-1 not in tree or len(nx.descendants(tree, -1)) < len(parents)):
        raise ValueError(
            "parents do not describe a tree: some nodes cannot be reached from a root (parent -1)."
        )
    return tree


def _heights(tree: nx.DiGraph) -> NDArray[np.float64]:
    """Height at which each node is drawn: leaves in order, parents in the middle between their children."""
    height = np.zeros(len(tree) - 1)
    leaves = itertools.count()
    for node in nx.dfs_postorder_nodes(tree, -1):
        below = list(tree[node])
        if node >= 0:
            height[node] = (height[below[0]] + height[below[-1]]) / 2 if below else next(leaves)
    return height


def _one_fork_a_radius(
    tree: nx.DiGraph, radius: NDArray[np.float64], motif: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Nodes that are drawn, and their parents among these: several splits at one radius are one fork."""
    for parent, node in list(nx.bfs_edges(tree, -1)):
        above = next(tree.predecessors(parent), -1) if parent in tree else -1
        # Roots and nodes that are motifs are kept.
        if above >= 0 and motif[parent] < 0 and radius[node] == radius[parent]:
            nx.contracted_nodes(tree, above, parent, self_loops=False, copy=False)
    kept = np.array(sorted(tree))[1:]
    above = np.array([next(tree.predecessors(k)) for k in kept.tolist()])
    return kept, np.where(above >= 0, np.searchsorted(kept, above), -1)


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
        if there is not enough space. Of more than 48 leaves the splits beyond the motifs are omitted.

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
    tree = _tree_of(parent, size)
    if sum(not below for _, below in tree.out_degree()) > _MOST_LEAVES:
        # The motifs remain legible without the splits beyond them.
        tree.remove_nodes_from(
            set().union(*(nx.descendants(tree, k) for k in np.flatnonzero(motif >= 0).tolist()))
        )
    kept, parent = _one_fork_a_radius(tree, radius, motif)
    size, radius, motif = size[kept], radius[kept], motif[kept]
    y = _heights(_tree_of(parent, size))
    is_leaf = ~np.isin(np.arange(len(parent)), parent)
    ax = axes_or_new(ax, (TWO_COLUMNS, min(9.0, max(2.2, 0.6 + 0.22 * is_leaf.sum()))))
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
    nodes = [Bbox.from_bounds(u - 3, v - 2, 6, 4) for u, v in points]
    taken: list[Bbox] = []
    for node in first:
        u, v = points[node]
        fontsize = leaf_size if is_leaf[node] else fork_size
        width, height = 0.58 * fontsize * len(texts[node]), 0.9 * fontsize
        if is_leaf[node]:
            choices = [((u + 8, v - height / 2), (8, 0), "left", "center")]
        else:
            choices = [
                ((u - width / 2, v + 7), (0, 7), "center", "bottom"),
                ((u - 6 - width, v - height / 2), (-6, 0), "right", "center"),
            ]
        for corner, shift, across, along in choices:
            box = Bbox.from_bounds(*corner, width, height)
            if not box.count_overlaps([*taken, *nodes[:node], *nodes[node + 1 :]]):
                taken.append(box)
                ax.annotate(
                    texts[node], places[node], xytext=shift, textcoords="offset points", ha=across, va=along,
                    fontsize=fontsize, color="black" if is_leaf[node] else "0.3", zorder=3,
                    path_effects=[withStroke(linewidth=1.8, foreground="white")],
                )  # fmt: skip
                break


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
    width = ONE_COLUMN if n_max < 5 else TWO_COLUMNS
    step = (width - 0.6) / (high - low + 2.2)
    ax = axes_or_new(ax, (width, 2 * step * (n_max + 1.2) + 0.6))
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
    ax = axes_or_new(ax, (TWO_COLUMNS, 2.6))
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
        ax.tick_params(axis="x", which="minor", labelsize=6.5, length=0, pad=1)
        ax.tick_params(axis="x", which="major", pad=10)
        ax.text(1.01, -0.02, "|m|", transform=ax.transAxes, fontsize=6.5, ha="left", va="top", style="italic")
    ax.tick_params(axis="both", which="major", labelsize="small")
    ax.tick_params(axis="x", which="major", length=0)
    ax.set_xlim(-0.6, len(pairs) - 0.4)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("n", style="italic")
    ax.set_ylabel(r"$|A_{nm}|$")
    return ax
