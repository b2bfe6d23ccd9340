"""Nodes of a motif graph at their positions."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import ConvexHull, QhullError

from ._cell_plot import plot_cells
from ._image import Extent, axes_or_new, make_room, prepare_field
from ._motif_plot import plot_motifs
from ._types import is_type, type_number
from ._values import plot_values

_LONGEST_NAME = 40


def plot_nodes(
    graph: Any,
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


def instances_of(graph: Any, nodes: str | Iterable[str] | Mapping[str, Any]) -> list[str]:
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


def outlines(graph: Any, node: str) -> list[NDArray[np.float64]]:
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


def _colours(graph: Any, nodes: list[str], colour_by: str) -> tuple[NDArray[Any], dict[str, Any]]:
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
