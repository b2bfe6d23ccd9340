"""The hierarchy of types, and the neighbours within one of its levels."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize

from ._image import axes_or_new, widen_for_key
from ._layout import add_colour_bar
from ._types import is_type, short_name, type_nodes, type_style

# Grey where chance explains the number.
_SCORES = mpl.colormaps["RdBu_r"].with_extremes(bad="0.75")
_LEVEL_NAMES = {
    "boundary-class": "boundaries",
    "boundary": "boundaries",
    "motif": "motifs",
    "cell-class": "cells",
}


def _draw_type(
    ax: Axes, node: str, attributes: dict[str, Any], place: tuple[float, float], largest: int
) -> None:
    colour, marker = type_style(node, attributes)
    area = 60 + 260 * np.sqrt(attributes.get("size", 1) / max(largest, 1))
    ax.scatter(*place, s=area, color=[colour], marker=marker, edgecolors="0.2", linewidths=0.6, zorder=3)


def plot_hierarchy(graph: nx.DiGraph, *, most: int = 8, ax: Axes | None = None) -> Axes:
    """Draw what is composed of what: motifs at the bottom, cell classes above, and so on upwards.

    Parameters
    ----------
    graph : networkx.DiGraph
        Motif graph, or its graph of types: nodes with ``kind``, ``level``, ``size``, ``name``, edges of kind
        ``composed_of`` from a type to its parts with their mean ``count``.
    most : int
        Number of types drawn in each level, the most frequent ones; the number of the others is told.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        A line's number is how many of the lower type are in one of the upper.

    Raises
    ------
    ValueError
        If the graph has no types.
    """
    types = {node: attributes for node, attributes in graph.nodes(data=True) if is_type(attributes)}
    if not types:
        raise ValueError("the graph holds no types: nodes of kind 'motif' or '...-class' are missing.")
    levels: dict[int, list[str]] = {}
    for node, attributes in types.items():
        levels.setdefault(int(attributes.get("level", 0)), []).append(node)
    widest = max(min(len(nodes), most) for nodes in levels.values())
    ax = axes_or_new(ax, (float(np.clip(0.95 * widest + 1.2, 3.5, 7.2)), 0.3 + 1.25 * len(levels)))
    places: dict[str, tuple[float, float]] = {}
    for row, level in enumerate(sorted(levels)):
        nodes = sorted(levels[level], key=lambda node: (-types[node].get("size", 0), node))
        kind = str(types[nodes[0]].get("kind"))
        name = _LEVEL_NAMES.get(kind, f"{kind.removesuffix('-class')}s")
        ax.text(-0.75, row, name, ha="right", va="center", fontsize="medium")
        shown = nodes[:most]
        left = (widest - len(shown)) / 2
        for i, node in enumerate(shown):
            places[node] = (left + i, float(row))
            _draw_type(ax, node, types[node], places[node], types[nodes[0]].get("size", 1))
            text = f"{short_name(types[node].get('name', node))}\n({types[node].get('size', 0):,})"
            ax.annotate(
                text, places[node], xytext=(0, -13), textcoords="offset points", ha="center", va="top",
                fontsize="x-small", linespacing=1.05, zorder=4,
                bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
            )  # fmt: skip
        if len(nodes) > most:
            ax.text(
                left + most - 0.45, row, f"+{len(nodes) - most}", ha="left", va="center", fontsize="small"
            )
    _draw_compositions(ax, graph, places)
    ax.set_xlim(-0.7, widest - 0.3)
    ax.set_ylim(-0.75, len(levels) - 0.6)
    ax.set_axis_off()
    return ax


def _draw_compositions(ax: Axes, graph: nx.DiGraph, places: dict[str, tuple[float, float]]) -> None:
    edges = [
        (upper, lower, float(d.get("count", 1.0)), type_style(lower, graph.nodes[lower])[0])
        for upper, lower, d in graph.edges(places, data=True)
        if d.get("kind") == "composed_of" and lower in places
    ]
    if not edges:
        return
    segments = [(places[upper], places[lower]) for upper, lower, _, _ in edges]
    widths = [float(np.clip(0.7 * count, 0.4, 4.0)) for _, _, count, _ in edges]
    colours = [colour for *_, colour in edges]
    ax.add_collection(LineCollection(segments, colors=colours, linewidths=widths, alpha=0.7, zorder=1))
    if len(edges) > 24:
        return
    for upper, lower, count, _ in edges:
        # Below the names of the upper types, above the place where lines to one type meet.
        x, y = 0.68 * np.array(places[lower]) + 0.32 * np.array(places[upper])
        ax.text(
            x, y, f"{count:.2g}", fontsize="xx-small", ha="center", va="center", zorder=2,
            bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none"},
        )  # fmt: skip


def plot_type_graph(
    graph: nx.DiGraph,
    *,
    kind: str = "cell-class",
    most: int = 12,
    level: float = 0.05,
    ax: Axes | None = None,
) -> Axes:
    """Draw the types of one level on a circle, joined where their instances are neighbours.

    Parameters
    ----------
    graph : networkx.DiGraph
        Motif graph, or its graph of types, with edges of kind ``neighbours`` (``observed``, ``z``, ``q``).
    kind : str
        Which types: ``'motif'``, ``'cell-class'`` or those of a higher level.
    most : int
        Number of types drawn, the most frequent ones.
    level : float
        False discovery rate up to which an edge is coloured, red where neighbours are favoured and blue where
        they are frustrated. Edges that chance explains are grey.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        The width of a line goes with the logarithm of the number of neighbours observed.
    """
    nodes = sorted(type_nodes(graph, kind), key=lambda node: -graph.nodes[node].get("size", 0))[:most]
    made_here = ax is None
    ax = axes_or_new(ax, (4.0, 4.0))
    angle = np.pi / 2 - 2 * np.pi * np.arange(len(nodes)) / len(nodes)
    places = {n: (float(np.cos(a)), float(np.sin(a))) for n, a in zip(nodes, angle, strict=True)}
    largest = max(graph.nodes[node].get("size", 1) for node in nodes)
    pairs, scores, widths, sure = [], [], [], []
    for source, target, d in graph.edges(nodes, data=True):
        if d.get("kind") == "neighbours" and target in places and d.get("observed", 1) > 0:
            loop = source == target
            pairs.append(_loop(places[source]) if loop else np.array([places[source], places[target]]))
            scores.append(float(d.get("z", 0.0)))
            widths.append(0.4 + 0.6 * np.log10(max(d.get("observed", 1), 1)))
            sure.append(d.get("q", 1.0) <= level)
    coloured = np.array(sure, dtype=bool)
    finite = np.abs(np.array(scores)[coloured]) if coloured.any() else np.ones(1)
    limit = max(float(np.percentile(finite, 95)), 1.0)
    lines = LineCollection(pairs, linewidths=widths, cmap=_SCORES, norm=Normalize(-limit, limit), zorder=1)
    lines.set_array(np.where(coloured, scores, np.nan))
    ax.add_collection(lines)
    for node, (x, y) in places.items():
        _draw_type(ax, node, graph.nodes[node], (x, y), largest)
        text = f"{short_name(graph.nodes[node].get('name', node))}\n({graph.nodes[node].get('size', 0):,})"
        side = "center" if abs(x) < 0.3 else "left" if x > 0 else "right"
        level_side = "center" if abs(y) < 0.6 else "bottom" if y > 0 else "top"
        ax.text(1.32 * x, 1.32 * y, text, ha=side, va=level_side, fontsize="x-small", zorder=4)
    ax.set_xlim(-1.9, 1.9)
    ax.set_ylim(-1.7, 1.7)
    ax.set_aspect("equal")
    ax.set_axis_off()
    add_colour_bar(ax, lines, "z (observed against chance)")
    if made_here:
        widen_for_key(ax)
    return ax


def _loop(place: tuple[float, float]) -> np.ndarray:
    """Small circle outside the ring for neighbours of one type."""
    centre = np.array(place) * 1.13
    turn = np.linspace(0, 2 * np.pi, 40)
    return centre + 0.13 * np.column_stack([np.cos(turn), np.sin(turn)])
