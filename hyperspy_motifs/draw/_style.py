"""Sizes, colours, symbols and legends."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_rgba_array
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    import networkx as nx
    from matplotlib.artist import Artist

#: Widths in inches of one and of two columns of a journal: 85 and 170 mm.
ONE_COLUMN = 85 / 25.4
TWO_COLUMNS = 2 * ONE_COLUMN


def journal_style(**settings: Any) -> AbstractContextManager[None]:
    """Draw and save figures for a journal within a ``with`` block, without a change of the global settings.

    Letters are of 8 points in a font without serifs. PDF and PostScript files contain the fonts as TrueType (type 42), which
    journals ask for, and SVG files contain texts as texts. Bitmaps have 600 dots per inch.

    Parameters
    ----------
    **settings
        Further settings of matplotlib with ``_`` in place of the dot, such as ``font_size=7``.

    Returns
    -------
    context manager

    Examples
    --------
    >>> import hyperspy_motifs as hm
    >>> with hm.draw.journal_style():
    ...     ax = hm.draw.plot_motifs([[0, 0], [1, 0], [0, 1]], [0, 0, 1])
    ...     ax.figure.savefig("motifs.pdf")  # doctest: +SKIP
    """
    chosen: Any = {
        "font.family": "sans-serif", "font.size": 8, "pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "none",
        "savefig.dpi": 600, "axes.linewidth": 0.6,
    }  # fmt: skip
    own: Any = {key.replace("_", ".", 1): value for key, value in settings.items()}
    return mpl.rc_context({**chosen, **own})


# The first seven are those of Okabe and Ito (2008) without black, which is not visible on a dark image. Each later
# one is the colour, of a grid of 33 levels a channel in sRGB (OKLab lightness 0.36 to 0.91, chroma above 0.07), that
# is farthest in OKLab from all before it, the distance being the least of three: that with normal vision, and 1.5
# times that with protanopia and with deuteranopia (matrices of Machado, Oliveira and Fernandes 2009, severity 1, on
# linear RGB). Each depends only on those before it, so motif k has the same colour for any number of motifs. Least
# distance (normal, protan, deutan): 0.156, 0.096, 0.076 for 12 colours, 0.096, 0.063, 0.061 for 30 and 0.078, 0.051,
# 0.051 for all 40; 0.02 is just noticeable. In CIELAB, with tritanopia too, motifs that follow each other and the first twelve
# are 16 apart, and those of one shape 7.7.
PALETTE: tuple[str, ...] = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#F0E442", "#780040",
    "#3800A8", "#20F8D8", "#7810FF", "#705000", "#9078FF", "#B80078", "#90C090", "#D800C0",
    "#B8C8FF", "#FFD0A0", "#600078", "#106068", "#FF4868", "#A05840", "#682800", "#0000D8",
    "#A0D860", "#FF80C8", "#6040A0", "#5868E0", "#883848", "#F8A8B8", "#503060", "#A06890",
    "#58C858", "#C070D8", "#A048A0", "#888848", "#FF80FF", "#C09028", "#881888", "#B80810",
)  # fmt: skip

# Nine shapes and forty colours have no common divisor: colour and shape together repeat after 360 motifs.
MARKERS: tuple[str, ...] = ("o", "s", "^", "D", "v", "P", "X", "p", "h")

# Areas are lighter than atoms. The first seven are those of the scheme "light" of Paul Tol (SRON/EPS/TN/09-002, 2021), made
# for filled areas, without grey and the blue that is motif 4. Each later one is the colour of the grid above (OKLab
# lightness 0.62 to 0.95, chroma 0.05 to 0.17, at least 0.07 from the first eight motifs) farthest from all before it and
# from RARE, in the distance above. Least distance (normal, protan, deutan): 0.094, 0.049, 0.053. Rarer classes are grey: more
# colours than these are not found in a legend.
CELL_PALETTE: tuple[str, ...] = (
    "#EE8866", "#EEDD88", "#FFAABB", "#99DDFF", "#44BB99", "#BBCC33", "#AAAA00", "#7078E7", "#CF8FFF", "#C758A7",
    "#B77800", "#87FFCF",
)  # fmt: skip

# Colour of classes that are too rare for a separate colour.
RARE = (0.75, 0.75, 0.75, 1.0)

_RGBA = to_rgba_array(PALETTE)
_CELL_RGBA = np.vstack([to_rgba_array(CELL_PALETTE), RARE])


def as_labels(labels: ArrayLike) -> NDArray[np.intp]:
    array = np.asarray(labels)
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"labels must be integers, got an array of {array.dtype}.")
    if array.size and array.min() < 0:
        raise ValueError(
            "labels must not be negative: motif 0 is the most frequent, and there is no noise motif."
        )
    return array.astype(np.intp)


def motif_colour(motif: int) -> str:
    """Colour of one motif.

    Parameters
    ----------
    motif : int
        Number of the motif, 0 or more. Colours repeat after 40.

    Returns
    -------
    str
        Hexadecimal RGB.
    """
    return PALETTE[int(as_labels(motif)) % len(PALETTE)]


def motif_marker(motif: int) -> str:
    """Matplotlib's name of the marker shape of one motif: a second cue in addition to the colour."""
    return MARKERS[int(as_labels(motif)) % len(MARKERS)]


def motif_colours(labels: ArrayLike) -> NDArray[np.float64]:
    """Colours of motifs, the same for a motif in all figures.

    Parameters
    ----------
    labels : array_like of int, shape (n,)
        Motif of each atom; ``range(k)`` gives the first k colours.

    Returns
    -------
    numpy.ndarray, shape (n, 4)
        RGBA from 0 to 1.

    Raises
    ------
    TypeError
        If the labels are not integers.
    ValueError
        If a label is negative.

    Examples
    --------
    >>> from hyperspy_motifs.draw import motif_colours
    >>> motif_colours([0, 3, 0]).shape
    (3, 4)
    """
    return _RGBA[as_labels(labels) % len(PALETTE)]


def cell_colours(labels: ArrayLike) -> NDArray[np.float64]:
    """Colours (m, 4) RGBA of cell classes, none of which is that of a motif; classes from 12 on are grey."""
    return _CELL_RGBA[np.minimum(as_labels(labels), len(CELL_PALETTE))]


def motif_colormap(n_motifs: int) -> ListedColormap:
    """Colour map of the first `n_motifs` motifs, for images of labels (limits -0.5, n_motifs - 0.5)."""
    if n_motifs < 1:
        raise ValueError(f"n_motifs must be at least 1, got {n_motifs}.")
    return ListedColormap(motif_colours(np.arange(n_motifs)), name=f"motifs_{n_motifs}")


def contrast_colours(colours: NDArray[np.float64]) -> NDArray[np.float64]:
    """Black or white outline (n, 4), with the higher contrast to each fill (WCAG relative luminance)."""
    rgb = np.asarray(colours)[:, :3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    light = linear @ np.array([0.2126, 0.7152, 0.0722]) > 0.18
    return np.where(light[:, None], np.array([0.0, 0.0, 0.0, 0.8]), np.array([1.0, 1.0, 1.0, 0.8]))


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
    return wrapped(text, width, lines) or str(name)


def wrapped(text: str, width: int, lines: int | None = None) -> str:
    """Break a text into lines, but not within a word of up to twice the width, "2 × motif 3" or "Se2 (2)"."""
    whole = re.sub(r"(?<=motif) |(?<=×) |(?<=\d) (?=×)| (?=\(\d)", "\N{NO-BREAK SPACE}", text)
    longest = max(map(len, whole.split(" ")))
    # Wider words are broken.
    width = max(width, longest) if longest <= 2 * width else width
    return "\n".join(textwrap.wrap(whole, width, max_lines=lines, placeholder=" …"))


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


def _rarer(number: int, rows: NDArray[np.bool_]) -> str:
    return f"{number} rarer {'one' if number == 1 else 'ones'} ({rows.sum():,})"


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
    handles: list[Artist] = []
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
        lines.append(_rarer(len(np.unique(labels[is_other])), is_other))
    for what, number, diameter in (("empty sites", n_vacancies, 5.5), ("outliers", n_outliers, 8.0)):
        if number:
            ring: dict[str, Any] = {"marker": "o", "markersize": diameter, "markerfacecolor": "none"}
            handles.append(Line2D([], [], linestyle="none", markeredgecolor="black", **ring))
            lines.append(f"{what} ({number:,})")
    if cells:
        lines = [wrapped(line, _CELL_NAME) for line in lines]
    outside = location == "outside right"
    if outside:
        kwargs.setdefault("bbox_to_anchor", (1.02, 1.0))
    size = "small" if len(lines) <= _rows(ax, outside, "small") else "x-small"
    rows = _rows(ax, outside, size)
    if outside and len(lines) > rows:
        # The entries after the motifs, if any, are kept.
        kept = max(1, rows - 1 - (len(lines) - len(present)))
        left_out = present[kept:]
        more = _rarer(len(left_out), np.isin(labels, left_out))
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
