"""The levels of a hierarchy, and the nodes of its graph."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba_array
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import ConvexHull, QhullError

from ._cell_plot import plot_cells, plot_values
from ._image import Extent, axes_or_new, make_room, prepare_field
from ._motif_plot import plot_motifs
from ._style import TWO_COLUMNS, is_type, short_name, type_number, type_style

if TYPE_CHECKING:
    from hyperspy_motifs.graph import MotifGraph

# A figure of two columns of a journal, in inches: columns of images, their distance, half an image and half a symbol, a line of
# a caption, space between levels, and space for the names of the levels.
_COLUMNS = 6
_MARGIN = 1.4
_PITCH = (TWO_COLUMNS - _MARGIN) / _COLUMNS
_HALF = 0.27
_SYMBOL = 0.15
_LINE = 0.12
_BETWEEN = 0.42
_READABLE = 0.85  # relative to these sizes: below it fewer types are drawn
# Parts that are less frequent than this share of the most frequent part have no line.
_LEAST_SHARE = 1 / 3
# Width and opacity of a line that passes behind another level, relative to others.
_BEHIND = 0.4
_LEVEL_NAMES = {
    "boundary-class": "boundaries",
    "boundary": "boundaries",
    "moire-cell-class": "moiré cells",
    "motif": "motifs",
    "cell-class": "cells",
}


def _draw_type(
    ax: Axes, node: str, attributes: dict[str, Any], place: tuple[float, float], largest: int
) -> None:
    colour, marker = type_style(node, attributes)
    area = 60 + 260 * np.sqrt(attributes.get("size", 1) / max(largest, 1))
    ax.scatter(*place, s=area, color=[colour], marker=marker, edgecolors="0.2", linewidths=0.6, zorder=3)


def plot_hierarchy(
    graph: nx.DiGraph,
    *,
    pictures: Mapping[str, ArrayLike] | None = None,
    names: Mapping[str, str] | None = None,
    most: int = 6,
    ax: Axes | None = None,
) -> Axes:
    """Draw the composition of the types: motifs at the bottom, cell classes and higher levels above.

    Parameters
    ----------
    graph : networkx.DiGraph
        Motif graph, or its graph of types: nodes with ``kind``, ``level``, ``size``, ``name``, edges of kind
        ``composed_of`` from a type to its parts with their mean ``count``.
    pictures : mapping of str to array_like of shape (k, k), optional
        Images of types; types without an image are drawn as a symbol.
    names : mapping of str to str, optional
        Names of types, in place of their own.
    most : int
        Number of types drawn in each level, the most frequent ones; the number of the others is given. More than
        six need several lines.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; a new figure by default. On small axes fewer types are drawn, at a smaller size.

    Returns
    -------
    matplotlib.axes.Axes
        A line joins a type to its parts that are at least a third as frequent in it as the most frequent one; the number at it
        is their count in one instance, where lines are few. Coordinates are inches of the new figure.

    Raises
    ------
    ValueError
        If the graph has no types.
    """
    types = {node: attributes for node, attributes in graph.nodes(data=True) if is_type(attributes)}
    if not types:
        raise ValueError("the graph contains no types: nodes of kind 'motif' or '...-class' are missing.")
    levels: dict[int, list[str]] = {}
    for node, attributes in types.items():
        levels.setdefault(int(attributes.get("level", 0)), []).append(node)
    for nodes in levels.values():
        nodes.sort(key=lambda node: (-types[node].get("size", 0), type_number(node)))
    columns = min(_COLUMNS, max(min(len(nodes), most) for nodes in levels.values()))
    called = {node: str(a.get("name", node)) for node, a in types.items()} | dict(names or {})
    texts = {
        node: f"{short_name(called[node], 14, lines=3)}\n({types[node].get('size', 0):,})"
        for nodes in levels.values()
        for node in nodes[:most]
    }
    places, rows, height = _placed(levels, most, columns, texts)
    size = 1.0
    if ax is not None:
        available = _size_of(ax)
        size = _scale(available, columns, height)
        while size < _READABLE and columns > 2:
            # Readable images and letters are preferred to a large number of them.
            columns -= 1
            most = min(most, columns)
            places, rows, height = _placed(levels, most, columns, texts)
            size = _scale(available, columns, height)
    ax = axes_or_new(ax, (_PITCH * columns + _MARGIN, height))
    letters = {"name": 9.0 * size, "caption": 6.5 * size, "more": 7.5 * size}
    pictures = {} if pictures is None else pictures
    for level, y in rows.items():
        kind = str(types[levels[level][0]].get("kind"))
        name = _LEVEL_NAMES.get(kind, f"{kind.removesuffix('-class').replace('-', ' ')}s")
        ax.text(-0.5 * _PITCH - 0.05, y, name, ha="right", va="center", fontsize=letters["name"])
        left_out = len(levels[level]) - most
        if left_out > 0:
            rarer = f"and {left_out:,}\nrarer {'one' if left_out == 1 else 'ones'}"
            where = (-0.5 * _PITCH - 0.05, y - 0.09)
            ax.text(*where, rarer, ha="right", va="top", fontsize=letters["more"], color="0.35")
    for node, place in places.items():
        largest = types[levels[int(types[node].get("level", 0))][0]].get("size", 1)
        if node in pictures:
            _draw_picture(
                ax, np.asarray(pictures[node], dtype=float), place, type_style(node, types[node])[0]
            )
        else:
            _draw_type(ax, node, types[node], place, largest)
        ax.text(
            place[0], place[1] - (_HALF if node in pictures else _SYMBOL) - 0.03, texts[node], ha="center", va="top",
            fontsize=letters["caption"], linespacing=1.05, zorder=4,
            bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
        )  # fmt: skip
    _draw_compositions(ax, graph, places, size)
    ax.set_xlim(-0.5 * _PITCH - _MARGIN + 0.3, _PITCH * (columns - 0.5) + 0.3)
    ax.set_ylim(0, height)
    ax.set_aspect("equal", adjustable="box")
    ax.set_axis_off()
    return ax


def _size_of(ax: Axes) -> tuple[float, float]:
    """Width and height of axes in inches."""
    figure = ax.get_figure(root=True)
    if figure is None:
        return 7.0, 7.0
    box = ax.get_window_extent()
    return float(box.width / figure.dpi), float(box.height / figure.dpi)


def _scale(available: tuple[float, float], columns: int, height: float) -> float:
    """Scale, at most 1, at which this number of columns and this height fit."""
    return min(available[0] / (_PITCH * columns + _MARGIN), available[1] / height, 1.0)


def _placed(
    levels: dict[int, list[str]], most: int, columns: int, texts: dict[str, str]
) -> tuple[dict[str, tuple[float, float]], dict[int, float], float]:
    """Return the position of each type, the height of each level's name, and the total height, in inches.

    The height of a line depends on its longest caption, so that nothing overlaps.
    """
    places: dict[str, tuple[float, float]] = {}
    rows: dict[int, float] = {}
    y = 0.0
    for level in sorted(levels):
        shown = levels[level][:most]
        lines = [shown[i : i + columns] for i in range(0, len(shown), columns)]
        heights = []
        for line in reversed(lines):
            y += _LINE * max(1 + texts[node].count("\n") for node in line) + _HALF
            for i, node in enumerate(line):
                places[node] = ((columns - len(line)) / 2 * _PITCH + i * _PITCH, y)
            heights.append(y)
            y += _HALF + 0.12
        rows[level] = float(np.mean(heights))
        y += _BETWEEN
    return places, rows, y - _BETWEEN


def _draw_picture(ax: Axes, picture: np.ndarray, place: tuple[float, float], colour: Any) -> None:
    x, y = place
    low, high = np.nanpercentile(picture, [1, 99.5])
    box = (x - _HALF, x + _HALF, y - _HALF, y + _HALF)
    ax.imshow(
        picture, cmap="gray", vmin=low, vmax=max(high, low + 1e-12), extent=box, zorder=3, aspect="auto",
        interpolation="bilinear",
    )  # fmt: skip
    corner, side = (x - _HALF, y - _HALF), 2 * _HALF
    ax.add_patch(Rectangle(corner, side, side, facecolor="none", edgecolor=colour, linewidth=2.2, zorder=3.5))


def _draw_compositions(
    ax: Axes, graph: nx.DiGraph, places: dict[str, tuple[float, float]], size: float
) -> None:
    edges = []
    for upper in places:
        parts = [(v, d) for v, d in graph.adj[upper].items() if d.get("kind") == "composed_of"]
        most = max((float(d.get("count", 1.0)) for _, d in parts), default=0.0)
        edges += [
            (upper, lower, float(d.get("count", 1.0)), type_style(lower, graph.nodes[lower])[0])
            for lower, d in parts
            if lower in places and float(d.get("count", 1.0)) >= _LEAST_SHARE * most
        ]
    if not edges:
        return
    segments = [(places[upper], places[lower]) for upper, lower, _, _ in edges]
    widths = np.clip([0.7 * count for _, _, count, _ in edges], 0.4, 4.0)
    colours = to_rgba_array([colour for *_, colour in edges])
    # The many lines of a large hierarchy are drawn as a background, as are those that pass behind another level.
    colours[:, 3] = np.clip(0.7 * np.sqrt(24 / len(edges)), 0.15, 0.7)
    heights = np.unique([y for _, y in places.values()])
    passing = np.array([np.sum((heights > lower[1]) & (heights < upper[1])) > 0 for upper, lower in segments])
    colours[passing, 3] *= _BEHIND
    widths[passing] *= _BEHIND
    ax.add_collection(LineCollection(segments, colors=colours, linewidths=widths, zorder=1))
    if len(edges) > 24:
        return
    taken: list[np.ndarray] = []
    for upper, lower, count, _ in edges:
        # Above the lower type, without captions; slightly higher if there is another number, and left out if there are many.
        start, end = np.array(places[lower]), np.array(places[upper])
        rise = max(end[1] - start[1], 1e-6)
        for step in range(6):
            at = start + (end - start) * min((_HALF + 0.1 + 0.07 * step) / rise, 0.5)
            if all(np.any(np.abs(at - other) > [0.24, 0.11]) for other in taken):
                break
        else:
            continue
        taken.append(at)
        ax.text(
            at[0], at[1], f"{count:.2g}", fontsize=6.5 * size, ha="center", va="center", zorder=2,
            bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none"},
        )  # fmt: skip


# Letters of the name of a class.
_LONGEST_NAME = 40


def plot_nodes(
    graph: MotifGraph,
    nodes: str | Iterable[str] | Mapping[str, Any],
    image: ArrayLike | None = None,
    *,
    colour_by: str = "type",
    extent: Extent | None = None,
    units: object = "px",
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw nodes of a motif graph on the image: atoms as points, other nodes as areas.

    Parameters
    ----------
    graph : MotifGraph
    nodes : str, iterable of str, or dict
        Ids, such as the result of ``graph.find(...)``; types are drawn by their instances. For a dict, such as the
        result of ``graph.query(...)``, all ids in it.
    image : array_like, shape (rows, columns), optional
        Drawn below; without it all atoms are drawn as grey points.
    colour_by : str
        "type", or an attribute that is a number, such as "area" or "probability".
    extent, units, ax
        As in :func:`plot_cells`.
    **kwargs
        To :func:`plot_cells` (or, for atoms, to :func:`plot_motifs` or :func:`plot_values`).

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If a node does not exist, there are no nodes, or a node has no such number.
    """
    wanted = instances_of(graph, nodes)
    if not wanted:
        raise ValueError("There are no nodes to draw: nodes is empty.")
    atoms = [n for n in wanted if graph.nodes[n]["kind"] == "atom"]
    areas = [
        (n, polygon) for n in wanted if graph.nodes[n]["kind"] != "atom" for polygon in outlines(graph, n)
    ]
    made_here = ax is None
    if ax is None or not ax.images:
        places = graph.coordinates(graph.find(kind="atom"))
        ax = axes_or_new(ax) if image is None else ax
        ax = prepare_field(image, places, extent, units, ax)
        if image is None:
            ax.scatter(places[:, 0], places[:, 1], s=3, color="0.75", linewidths=0, zorder=1)
    if areas:
        owners, polygons = [n for n, _ in areas], [polygon for _, polygon in areas]
        values, style = _colours(graph, owners, colour_by)
        plot_cells(polygons, values, ax=ax, units=units, **style | kwargs)
    if atoms:
        values, style = _colours(graph, atoms, colour_by)
        draw: Any = plot_motifs if colour_by == "type" else plot_values
        draw(graph.coordinates(atoms), values, ax=ax, units=units, **style | ({} if areas else kwargs))
    make_room(ax, made_here=made_here)
    return ax


def instances_of(graph: MotifGraph, nodes: str | Iterable[str] | Mapping[str, Any]) -> list[str]:
    """Return the instances among some nodes and of the types among them, each once."""
    if isinstance(nodes, str):
        nodes = [nodes]
    elif isinstance(nodes, Mapping):
        nodes = [v for column in nodes.values() for v in column if isinstance(v, str) and v in graph]
    found: dict[str, None] = {}
    for node in nodes:
        if node not in graph:
            raise ValueError(f"The graph has no node {node!r}; ids look like 'atom:12' or 'cell:3'.")
        found.update(dict.fromkeys(graph.instances(node) if is_type(graph.nodes[node]) else [node]))
    return list(found)


def outlines(graph: MotifGraph, node: str) -> list[NDArray[np.float64]]:
    """Return the polygons of a node: those of its cells, or the hull of its atoms."""
    kinds = {graph.nodes[child]["kind"] for child in graph.children(node)}
    if kinds - {"atom"}:
        return [p for child in graph.children(node) for p in outlines(graph, child)]
    if graph.nodes[node]["kind"] == "cell":
        corners = [child for child in graph.children(node) if graph.edges[child, node]["fraction"] < 1.0]
        places = graph.coordinates(corners)
        # Sorted around the centre of the corners: correct for star-shaped cells.
        centre = np.array([graph.nodes[node]["x"], graph.nodes[node]["y"]])
        return [places[np.argsort(np.arctan2(*(places - centre).T[::-1]), kind="stable")]]
    places = graph.coordinates(graph.children(node))
    try:
        return [places[ConvexHull(places).vertices]]
    except (QhullError, ValueError):
        return []


def _colours(
    graph: MotifGraph, nodes: list[str], colour_by: str
) -> tuple[NDArray[np.generic], dict[str, Any]]:
    """Return a class or a number for each node, and the corresponding names or label."""
    if colour_by == "type":
        types = [graph.nodes[n].get("type", "") for n in nodes]
        numbers = np.array([type_number(t) for t in types], dtype=np.int64)
        names = [str(k) for k in range(int(numbers.max()) + 1)]
        for kind in sorted(set(types)):
            name = str(graph.nodes[kind].get("name", kind)) if kind in graph else kind
            names[type_number(kind)] = textwrap.shorten(name, _LONGEST_NAME, placeholder=" …")
        return numbers, {"names": names}
    values = [graph.nodes[n].get(colour_by) for n in nodes]
    lacking = [n for n, v in zip(nodes, values, strict=True) if not isinstance(v, int | float)]
    if lacking:
        raise ValueError(
            f"colour_by is {colour_by!r}, but {lacking[0]!r} has no numeric attribute of that name."
        )
    label = f"area ({graph.graph.get('units', 'px')}²)" if colour_by == "area" else colour_by
    return np.array(values, dtype=float), {"label": label}
