"""Figures and tables to click in: linked views of one image in a page (Bokeh)."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._image import Extent, grey_levels, rarity, readable_units
from ._style import as_labels, cell_colours, motif_colour, motif_marker

if TYPE_CHECKING:
    from hyperspy_motifs.cells import Cells

# Pixels along the longer side of an image, above which it is reduced: a page must stay small.
_MOST_PIXELS = 1600
_JPEG_QUALITY = 85
# Width and height of a view in pixels of the page.
_VIEW = 440
# Width of a page in its pixels.
_PAGE = 1100
_SHAPES = {
    "o": "circle", "s": "square", "^": "triangle", "D": "diamond", "v": "inverted_triangle", "P": "plus", "X": "square_pin",
    "p": "star", "h": "hex",
}  # fmt: skip
_HOVER = [
    ("atom", "@number"), ("motif", "@name"), ("probability", "@probability{0.00}"), ("height", "@height{0.000a}"),
    ("x, y", "@x{0.000}, @y{0.000}"),
]  # fmt: skip
# Selects in the target what the chosen rows of a table hold.
_LIGHT = (
    "target.selected.indices = [...new Set(cb_obj.indices.flatMap(i => Array.from(source.data.rows[i])))];"
)


def linked_source(columns: Mapping[str, Any]) -> Any:
    """Data that several views share: what is selected in one of them is selected in all.

    Parameters
    ----------
    columns : mapping of str to sequence
        Columns of one length. Numbers are kept with seven digits.

    Returns
    -------
    bokeh.models.ColumnDataSource
    """
    from bokeh.models import ColumnDataSource

    kept = {}
    for name, values in columns.items():
        array = values if isinstance(values, list) else np.asarray(values)
        if isinstance(array, np.ndarray) and array.dtype.kind == "f":
            array = array.astype(np.float32)
        kept[name] = array.tolist() if isinstance(array, np.ndarray) and array.dtype.kind == "U" else array
    return ColumnDataSource(kept)


def linked_atoms(
    positions: ArrayLike,
    labels: ArrayLike,
    names: Sequence[str],
    layout: ArrayLike,
    columns: Mapping[str, ArrayLike],
) -> Any:
    """Data of the atoms for :func:`linked_views` and :func:`linked_table`.

    Parameters
    ----------
    positions : array_like, shape (n, 2)
        x, y in axis units.
    labels : array_like of int, shape (n,)
    names : sequence of str
        Name of each motif.
    layout : array_like, shape (n, 2)
    columns : mapping of str to array_like of shape (n,)
        Further columns, such as "probability" and "height", or other values of these: "number" is the row by default.

    Returns
    -------
    bokeh.models.ColumnDataSource
    """
    motifs, (x, y), (u, v) = as_labels(labels), np.asarray(positions).T, np.asarray(layout).T
    given = {"probability": np.ones(len(motifs)), "height": np.full(len(motifs), np.nan), **columns}
    return linked_source(
        {
            "x": x, "y": y, "u": u, "v": v, "number": np.arange(len(motifs)), "motif": motifs.astype(str),
            "name": np.array(names, dtype=str)[motifs], **given,
        }
    )  # fmt: skip


def _view(**options: Any) -> Any:
    from bokeh.plotting import figure

    return figure(
        frame_width=_VIEW, frame_height=_VIEW, tools="pan,wheel_zoom,box_zoom,lasso_select,tap,reset,save",
        active_scroll="wheel_zoom", active_drag="lasso_select", match_aspect=True, **options,
    )  # fmt: skip


def _add_atoms(view: Any, atoms: Any, x: str, y: str, size: float) -> list[Any]:
    """Add the atoms, a glyph for each motif, and return the glyphs."""
    from bokeh.models import CDSView, GroupFilter, HoverTool

    motifs = np.array(atoms.data["motif"]).astype(np.intp)
    present, first = np.unique(motifs, return_index=True)
    glyphs = []
    for k, rare in zip(present.tolist(), rarity(motifs)[first].tolist(), strict=True):
        glyphs.append(
            view.scatter(
                x, y, source=atoms, view=CDSView(filter=GroupFilter(column_name="motif", group=str(k))),
                marker=_SHAPES[motif_marker(k)], size=size * (1 + 0.6 * rare), color=motif_colour(k),
                alpha=0.45 + 0.5 * rare, line_width=0.3, line_color="black", nonselection_alpha=0.08,
                selection_alpha=1.0, selection_line_width=1.5,
            )
        )  # fmt: skip
    view.add_tools(HoverTool(tooltips=_HOVER, renderers=glyphs))
    return glyphs


def linked_views(
    image: ArrayLike,
    extent: Extent,
    units: object,
    atoms: Any,
    *,
    spacing: float,
    cells: Cells | None = None,
    marks: Any = None,
) -> Any:
    """The image with its atoms beside their layout, to zoom and to click in; a click on the legend hides a motif in both.

    Parameters
    ----------
    image : array_like, shape (rows, columns)
    extent : tuple of float
        Left, right, bottom, top in axis units.
    units : str
    atoms : bokeh.models.ColumnDataSource
        From :func:`linked_atoms`.
    spacing : float
        Nearest-neighbour distance in axis units, for the size of the markers.
    cells : bokeh.models.ColumnDataSource, optional
        From :func:`linked_cells`.
    marks : bokeh.models.ColumnDataSource, optional
        With the columns x, y, kind, why and ring: defects, drawn as open circles where ``ring`` is 1, and all where they
        are selected.

    Returns
    -------
    bokeh.models.GridPlot
    """
    from bokeh.layouts import gridplot
    from bokeh.models import HoverTool
    from bokeh.models.annotations import Legend, LegendItem

    left, right, bottom, top = extent
    longest = max(right - left, bottom - top)
    labels = {"x_axis_label": f"x ({readable_units(units)})", "y_axis_label": f"y ({readable_units(units)})"}
    view = _view(x_range=(left, left + longest), y_range=(top + longest, top), **labels)
    view.grid.visible = False
    picture = as_address(grey_levels(image), "JPEG", quality=_JPEG_QUALITY)
    view.image_url(url=[picture], x=left, y=top, w=right - left, h=bottom - top, anchor="top_left")
    if cells is not None:
        view.patches(
            "xs", "ys", source=cells, fill_color="colour", fill_alpha=0.0, line_color="white", line_width=0.4,
            line_alpha=0.4, selection_fill_alpha=0.7, selection_line_alpha=1.0, nonselection_fill_alpha=0.0,
            nonselection_line_alpha=0.2,
        )  # fmt: skip
    glyphs = _add_atoms(view, atoms, "x", "y", float(np.clip(0.45 * _VIEW * spacing / longest, 3.0, 11.0)))
    if marks is not None and len(marks.data["x"]):
        rings = [
            view.scatter(
                "x", "y", source=marks, size=13, fill_alpha=0.0, line_color=colour, line_width=width,
                line_alpha="ring", nonselection_line_alpha="ring", selection_line_alpha=1.0,
                selection_line_width=2 * width,
            )
            for colour, width in (("black", 3.0), ("white", 1.3))
        ]  # fmt: skip
        view.add_tools(HoverTool(tooltips=[("defect", "@kind"), ("why", "@why")], renderers=rings[1:]))
    layout = _view(x_axis_label="FR 1", y_axis_label="FR 2")
    layout.xaxis.ticker = layout.yaxis.ticker = []
    texts = np.array(atoms.data["name"], dtype=str)
    items = []
    for glyph, other in zip(glyphs, _add_atoms(layout, atoms, "u", "v", 5.0), strict=True):
        glyph.js_link("visible", other, "visible")
        own = np.array(atoms.data["motif"]) == glyph.view.filter.group
        items.append(LegendItem(label=f"{texts[own][0]} ({own.sum():,})", renderers=[glyph]))
    legend = Legend(items=items[: _VIEW // 20], click_policy="hide", label_text_font_size="9pt", spacing=0)
    legend.glyph_height = legend.glyph_width = 14
    view.add_layout(legend, "right")
    return gridplot([[view, layout]], merge_tools=True, toolbar_location="right")


def as_address(grey: NDArray[np.uint8], kind: str, **options: Any) -> str:
    """Address of a picture of a kind of file such as "PNG", reduced to a size for a page."""
    from PIL import Image

    picture = Image.fromarray(grey)
    picture.thumbnail((_MOST_PIXELS, _MOST_PIXELS))
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return f"data:image/{kind.lower()};base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def linked_cells(polygons: Sequence[ArrayLike], labels: ArrayLike) -> Any:
    """Data of cells for :func:`linked_views`.

    Parameters
    ----------
    polygons : sequence of array_like, each of shape (k, 2)
    labels : array_like of int, shape (m,)
        Class of each.

    Returns
    -------
    bokeh.models.ColumnDataSource
    """
    from matplotlib.colors import to_hex

    corners = [np.asarray(p, dtype=float) for p in polygons]
    digits = 0
    if corners:
        digits = max(0, 4 - int(np.floor(np.log10(max(float(np.ptp(np.concatenate(corners))), 1e-12)))))
    xs, ys = ([p[:, axis].round(digits).tolist() for p in corners] for axis in (0, 1))
    return linked_source({"xs": xs, "ys": ys, "colour": [to_hex(c) for c in cell_colours(labels)]})


def linked_table(
    source: Any, columns: Mapping[str, str] | None = None, *, lights: Any = None, height: int | None = None
) -> Any:
    """A table that is sorted by a click on the head of a column.

    Parameters
    ----------
    source : bokeh.models.ColumnDataSource
    columns : mapping of str to str, optional
        Title of each column that is shown; all but ``rows`` with their names by default.
    lights : bokeh.models.ColumnDataSource, optional
        Data in which the rows in the column ``rows`` of a selected row are selected, such as the atoms of a motif.
    height : int, optional
        In pixels; by default that of the rows, 300 at most.

    Returns
    -------
    bokeh.models.DataTable
    """
    from bokeh.models import CustomJS
    from bokeh.models.widgets.tables import DataTable, StringFormatter, TableColumn

    shown, widths = [], []
    for name, title in (columns or {name: name for name in source.data if name != "rows"}).items():
        values = source.data[name]
        texts = [title]
        if isinstance(values, np.ndarray) and values.dtype.kind in "iuf":
            formatter = _number_format(values)
        else:
            formatter = StringFormatter()
            texts += [str(v) for v in values[:50]]
        widths.append(max(66, 30 + 6 * min(max(map(len, texts)), 90)))
        # A head is HTML, and may hold the unit of the axes.
        head = html.escape(title)
        shown.append(TableColumn(field=name, title=head, formatter=formatter, width=widths[-1]))
    n = len(next(iter(source.data.values())))
    table = DataTable(
        source=source, columns=shown, index_position=None, width=min(_PAGE, max(sum(widths), 300)),
        height=height or min(300, 27 * (n + 1) + 10), autosize_mode="none", selectable=True,
    )  # fmt: skip
    if lights is not None:
        code = CustomJS(args={"source": source, "target": lights}, code=_LIGHT)
        source.selected.js_on_change("indices", code)
    return table


def _number_format(values: NDArray[Any]) -> Any:
    """Whole numbers, four digits of the largest number, or powers of ten where there are very small ones."""
    from bokeh.models.widgets.tables import NumberFormatter, ScientificFormatter

    if values.dtype.kind in "iu":
        return NumberFormatter(format="0,0", text_align="right")
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    if len(sizes) and sizes.min() < 1e-5:
        return ScientificFormatter(precision=1, power_limit_high=4, power_limit_low=-3, text_align="right")
    digits = int(np.clip(3 - np.floor(np.log10(sizes.max())), 0, 6)) if len(sizes) else 0
    return NumberFormatter(format=f"0.{'0' * digits}".rstrip("."), text_align="right", nan_format="–")
