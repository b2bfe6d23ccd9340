"""Legends, and the styles of types of nodes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import ArrayLike

from ._palette import (
    CELL_PALETTE,
    RARE,
    as_labels,
    cell_colours,
    contrast_colours,
    motif_colour,
    motif_colours,
    motif_marker,
)


def is_type(attributes: dict[str, Any]) -> bool:
    """Whether a node of a motif graph is a type (a motif, a class) and not an instance of one."""
    kind = str(attributes.get("kind", ""))
    return kind == "motif" or kind.endswith("-class")


def type_nodes(graph: nx.DiGraph, kind: str) -> list[str]:
    """Nodes of the types of one kind, in the order of their numbers."""
    nodes = [node for node, attributes in graph.nodes(data=True) if attributes.get("kind") == kind]
    if not nodes:
        kinds = sorted({str(a["kind"]) for _, a in graph.nodes(data=True) if is_type(a)})
        raise ValueError(f"the graph has no types of kind {kind!r}; it has {', '.join(kinds) or 'none'}.")
    return sorted(nodes, key=type_number)


def type_number(node: str) -> int:
    """Return the number of a type from its id `node`: 5 of ``'cell-class:5'``."""
    number = str(node).rpartition(":")[2]
    return int(number) if number.isdecimal() else 0


def short_name(name: str, width: int = 14, lines: int | None = None) -> str:
    """Write repetitions in a name once (``Mo Se Mo Se`` is ``(Mo Se)×2``), and break it into lines.

    Parameters
    ----------
    name : str
    width : int
        Characters of a line.
    lines : int, optional
        Largest number of lines; the last one ends in an ellipsis if the name is truncated.

    Returns
    -------
    str
    """
    words = str(name).split()
    for period in range(1, len(words) // 2 + 1):
        times, rest = divmod(len(words), period)
        if not rest and words == words[:period] * times:
            inner = " ".join(words[:period])
            words = (f"({inner})×{times}" if period > 1 else f"{inner}×{times}").split()
            break
    text = " ".join(words)
    broken = textwrap.wrap(text, width, max_lines=lines, placeholder=" …")
    return "\n".join(broken) or str(name)


def type_style(node: str, attributes: dict[str, Any]) -> tuple[Any, Any]:
    """Return colour and marker of a type: those of the motif, or a polygon with the corners of the cell class.

    Levels above the cells are grey, because other colours could be confused with those of cells.

    Parameters
    ----------
    node : str
        Id of the type in a graph, such as ``"cell-class:5"``.
    attributes : dict
        Attributes of the node: ``kind``, and ``n_corners`` of a class of cells.

    Returns
    -------
    colour : matplotlib colour
    marker : str or tuple
        Marker of matplotlib.
    """
    number = type_number(node)
    if attributes.get("kind") == "motif":
        return motif_colour(number), motif_marker(number)
    if attributes.get("kind") != "cell-class":
        return "0.88", "o"
    corners = int(attributes.get("n_corners", 0))
    colour = tuple(cell_colours([number])[0])
    # A square is drawn on its side, other polygons on a corner.
    return colour, (corners, 0, 45 if corners == 4 else 0) if corners >= 3 else "o"


def label_texts(labels: ArrayLike, names: Sequence[str] | None = None, kind: str = "motif") -> dict[int, str]:
    """Text of each label that occurs: its name and count."""
    present, counts = np.unique(as_labels(labels), return_counts=True)
    if names is not None and len(present) and len(names) <= present[-1]:
        raise ValueError(f"names has {len(names)} names, but there are labels up to {present[-1]}.")
    return {
        int(k): f"{names[k] if names is not None else f'{kind} {k}'} ({count:,})"
        for k, count in zip(present, counts, strict=True)
    }


# Height of an entry of the legend in units of the font size of the figure.
_LINE = {"small": 0.833 * 1.45, "x-small": 0.694 * 1.45}
# Letters of a line of a legend of cells.
_CELL_NAME = 30


def _rows(ax: Axes, outside: bool, size: str) -> int:
    """Largest number of rows of a legend within the height of the axes, without its title."""
    height = ax.get_window_extent().height * 72 / ax.figure.dpi
    return max(
        1, int(height * (1.0 if outside else 0.9) / (_LINE[size] * float(mpl.rcParams["font.size"]))) - 1
    )


def add_motif_legend(
    ax: Axes,
    labels: ArrayLike,
    names: Sequence[str] | None = None,
    *,
    cells: bool = False,
    marker: str | None = None,
    n_vacancies: int = 0,
    n_outliers: int = 0,
    location: str = "outside right",
    **kwargs: Any,
) -> Legend:
    """Add a legend with the colour, shape, name and count of each motif.

    Also for figures that HyperSpy has plotted: ``add_motif_legend(s._plot.signal_plot.ax, labels)``.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to add it.
    labels : array_like of int, shape (n,)
        Motif of each atom (or class of each cell). Motifs without atoms are omitted.
    names : sequence of str, optional
        Name of each motif; ``'motif 0'`` and so on by default.
    cells : bool
        Whether the labels are those of cells, drawn as coloured areas. Those from 12 on are joined in one grey entry.
    marker : str, optional
        One shape for all motifs instead of different ones.
    n_vacancies, n_outliers : int
        Numbers of empty sites and of outliers; open circles in the last entries unless they are 0.
    location : str
        ``'outside right'`` of the axes, with motifs that do not fit combined in one entry, or a location of
        matplotlib.
    **kwargs
        To :meth:`matplotlib.axes.Axes.legend`.

    Returns
    -------
    matplotlib.legend.Legend

    Raises
    ------
    ValueError
        If there are fewer names than labels.
    """
    labels = as_labels(labels)
    is_other = labels >= (len(CELL_PALETTE) if cells else np.inf)
    texts = label_texts(labels[~is_other], names, "cell" if cells else "motif")
    present = np.fromiter(texts, dtype=np.intp, count=len(texts))
    handles: list[Any] = []
    if cells:
        for colour in cell_colours(present):
            handles.append(Patch(facecolor=colour, edgecolor="0.25", linewidth=0.5))
    else:
        colours = motif_colours(present)
        for k, colour, edge in zip(present, colours, contrast_colours(colours), strict=True):
            # A white outline is for dark images; the background of a legend is white.
            edge = edge if edge[0] == 0 else colour
            handles.append(
                Line2D([], [], linestyle="none", marker=marker or motif_marker(k), markersize=5.5,
                       markerfacecolor=colour, markeredgecolor=edge, markeredgewidth=0.5)
            )  # fmt: skip
    lines = list(texts.values())
    if is_other.any():
        handles.append(Patch(facecolor=RARE, edgecolor="0.25", linewidth=0.5))
        lines.append(f"{len(np.unique(labels[is_other]))} rarer ones ({is_other.sum():,})")
    for what, number, diameter in (("empty sites", n_vacancies, 5.5), ("outliers", n_outliers, 8.0)):
        if number:
            ring: dict[str, Any] = {"marker": "o", "markersize": diameter, "markerfacecolor": "none"}
            handles.append(Line2D([], [], linestyle="none", markeredgecolor="black", **ring))
            lines.append(f"{what} ({number:,})")
    if cells:
        lines = [textwrap.fill(line, _CELL_NAME) for line in lines]
    outside = location == "outside right"
    if outside:
        kwargs.setdefault("bbox_to_anchor", (1.02, 1.0))
    size = "small" if len(lines) <= _rows(ax, outside, "small") else "x-small"
    rows = _rows(ax, outside, size)
    if outside and len(lines) > rows:
        # The entries after the motifs, if any, are kept.
        kept = max(1, rows - 1 - (len(lines) - len(present)))
        left_out = present[kept:]
        more = f"{len(left_out)} rarer ones ({np.isin(labels, left_out).sum():,})"
        lines = [*lines[:kept], more, *lines[len(present) :]]
        handles = [*handles[:kept], Line2D([], [], linestyle="none"), *handles[len(present) :]]
    defaults: dict[str, Any] = {
        "title": None if cells else "motif (atoms)", "alignment": "left", "title_fontsize": size,
        "fontsize": size, "frameon": not outside, "borderaxespad": 0.0 if outside else 0.5,
        "borderpad": 0.2 if outside else 0.4, "labelspacing": 0.35,
        "handletextpad": 0.4 if cells else 0.2, "handlelength": 1.4,
    }  # fmt: skip
    defaults["loc"] = "upper left" if outside else location
    legend = ax.legend(handles, lines, **defaults | kwargs)
    if hasattr(ax, "hspy_fig"):
        # HyperSpy draws the image as an animated artist above all other artists.
        legend.set_animated(ax.figure.canvas.supports_blit)
        ax.hspy_fig.render_figure()
    return legend
