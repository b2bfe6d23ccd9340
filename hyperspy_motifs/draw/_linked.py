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
    from bokeh.models import ColumnDataSource, GlyphRenderer, InlineStyleSheet, Plot, UIElement

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


# The colours of JupyterLab's theme, dark or light; elsewhere those that the browser prefers.
STYLE = """
:host {
  --ink: var(--jp-content-font-color1, light-dark(#222, #ddd));
  --paper: var(--jp-layout-color1, light-dark(#fff, #111));
  --line: var(--jp-border-color1, light-dark(#bbb, #555));
  --bokeh-icon-color: #808080; color-scheme: light dark; color: var(--ink);
}
:host(.motif-explorer) { background: var(--paper); }
.bk-input, .bk-btn, .bk-tab, .noUi-target { background: var(--paper); color: var(--ink); border-color: var(--line); }
.bk-tab.bk-active { background: var(--paper); color: var(--ink); border-color: #E69F00; }
.slick-header-column, .slick-row, .slick-cell, .slick-viewport, .slick-header {
  background: var(--paper) !important; color: var(--ink) !important; border-color: var(--line) !important; }
.slick-cell.selected, .bk-cell-select.selected { background: color-mix(in srgb, var(--paper), #E69F00 30%) !important; }
kbd { border: 1px solid var(--line); border-radius: 3px; padding: 0 0.3em; }
s { opacity: 0.6; }
"""
# Colour of texts on the canvas of a figure, which knows no theme: its contrast is above 4 on white and on the dark paper.
INK = "#767676"

# What Bokeh lacks for a keyboard, once in a page. What has the focus has a frame. Enter opens a tab and sorts by a head. A
# table is one stop of Tab, whose rows are chosen by arrows, and takes the focus from nothing else when its rows are selected.
# `keys` are those of an explorer that has the focus, or the pointer over it; arrows only where a figure has the focus.
KEYBOARD = """
if (!window.motif_keyboard) {
  window.motif_keyboard = true;
  let framed = null, hovered = null;
  const has = (path, selector) => path.find((e) => e.matches?.(selector));
  const roots = (node) => [...node.querySelectorAll("*")].flatMap((e) =>
    e.shadowRoot ? [e.shadowRoot, ...roots(e.shadowRoot)] : []);
  const tidy = () => {
    for (const root of roots(document)) {
      const rows = root.querySelector(".grid-canvas");
      if (!rows || rows.tidy) continue;
      rows.tidy = true;
      for (const stop of root.querySelectorAll("[tabindex='0']")) {
        stop.tabIndex = -1;
        stop.focus = () => {};
      }
      delete rows.focus;
      for (const stop of [rows, ...root.querySelectorAll(".slick-header-column")]) stop.tabIndex = 0;
    }
  };
  window.addEventListener("pointerover", (event) => { hovered = has(event.composedPath(), ".motif-explorer"); });
  window.addEventListener("pointerdown", (event) => {
    if (framed) framed.style.outline = "";
    if (has(event.composedPath(), ".bk-events, .bk-DataTable")) tidy();
  }, true);
  window.addEventListener("keyup", () => {
    let element = document.activeElement;
    while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
    if (framed) framed.style.outline = "";
    if (!(element?.getRootNode() instanceof ShadowRoot)) return;
    framed = element.closest(".slick-viewport") ?? element;
    framed.style.outline = "2px solid #E69F00";
    framed.style.outlineOffset = "-2px";
  }, true);
  window.addEventListener("keydown", (event) => {
    const path = event.composedPath(), [element] = path, {key} = event;
    const explorer = has(path, ".motif-explorer") ?? hovered, table = has(path, ".slick-viewport");
    if (explorer || keys.length === 0) tidy();
    // A notebook takes the focus at a key in its output.
    if (explorer) explorer.onkeydown = (own) => own.stopPropagation();
    if (table && key === "Tab") return event.stopImmediatePropagation();
    if (["Enter", " "].includes(key) && has([element], ".slick-header-column, .bk-tab")) {
      event.preventDefault();
      return element.click();
    }
    if (table && key === "ArrowDown" && !table.querySelector(".slick-cell.active")) {
      event.preventDefault();
      event.stopImmediatePropagation();
      return table.querySelector(".slick-cell")?.click();
    }
    if (!explorer || event.altKey || element.isContentEditable) return;
    if (has([element], "textarea, select, input:not([type=checkbox])")) return;
    const control = event.ctrlKey || event.metaKey, bare = has(path, ".bk-events") ? /^arrow/ : /^$/;
    const name = control ? {z: "u", y: "r"}[key] ?? "" : key.toLowerCase().replace(bare, "");
    if (!keys.includes(name)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const model = Bokeh.documents.map((d) => d.get_model_by_id(explorer.dataset.keys)).find((m) => m);
    model.value = name + " " + performance.now();
  }, true);
}
"""


def keyboard_script() -> str:
    """Script of a page without an explorer, which makes its linked figures and tables usable by keyboard."""
    return f"<script>{{const keys = [];{KEYBOARD}}}</script>"


def linked_source(columns: Mapping[str, object]) -> ColumnDataSource:
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
) -> ColumnDataSource:
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


def _view(**options: object) -> Plot:
    from bokeh.plotting import figure

    view = figure(
        frame_width=_VIEW, frame_height=_VIEW, match_aspect=True, active_scroll="wheel_zoom", active_drag="lasso_select",
        tools="pan,wheel_zoom,box_zoom,zoom_in,zoom_out,lasso_select,tap,reset,save", **options,
    )  # fmt: skip
    adapt_to_theme(view)
    return view


def adapt_to_theme(view: Plot) -> None:
    """Let a figure of Bokeh be legible on a light and on a dark page."""
    view.update(background_fill_color=None, border_fill_color=None, outline_line_color=INK)
    parts = "axis_label_text", "major_label_text", "axis_line", "major_tick_line", "minor_tick_line"
    for axis in view.axis:
        axis.update(**{f"{part}_color": INK for part in parts})
    for grid in view.grid:
        grid.update(grid_line_color=INK, grid_line_alpha=0.2)


def _add_atoms(view: Plot, atoms: ColumnDataSource, x: str, y: str, size: float) -> list[GlyphRenderer]:
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
    atoms: ColumnDataSource,
    *,
    spacing: float,
    cells: Cells | None = None,
    marks: ColumnDataSource | None = None,
) -> UIElement:
    """The image with its atoms beside their layout, to zoom and to click in; the legend and the boxes below hide motifs.

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
    bokeh.models.Column
    """
    from bokeh.layouts import column, gridplot
    from bokeh.models import CheckboxGroup, CustomJS, HoverTool
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
    others = _add_atoms(layout, atoms, "u", "v", 5.0)
    texts, motifs = np.array(atoms.data["name"], dtype=str), np.array(atoms.data["motif"])
    groups = [motifs == glyph.view.filter.group for glyph in glyphs]
    captions = [f"{texts[own][0]} ({own.sum():,})" for own in groups]
    items = [
        LegendItem(label=label, renderers=[glyph]) for label, glyph in zip(captions, glyphs, strict=True)
    ]
    legend = Legend(items=items[: _VIEW // 20], click_policy="hide", label_text_font_size="9pt", spacing=0)
    legend.update(glyph_height=14, glyph_width=14, background_fill_color=None, label_text_color=INK)
    view.add_layout(legend, "right")
    # A legend is no stop of Tab.
    boxes = CheckboxGroup(
        labels=captions, active=list(range(len(glyphs))), inline=True, width=_PAGE, stylesheets=[sheet()]
    )
    for glyph, other in zip(glyphs, others, strict=True):
        glyph.js_link("visible", other, "visible")
        shown = "boxes.active = glyphs.flatMap((glyph, k) => glyph.visible ? [k] : []);"
        glyph.js_on_change("visible", CustomJS(args={"glyphs": glyphs, "boxes": boxes}, code=shown))
    code = "glyphs.forEach((glyph, k) => { glyph.visible = cb_obj.active.includes(k); });"
    boxes.js_on_change("active", CustomJS(args={"glyphs": glyphs}, code=code))
    plots = gridplot(
        [[view, layout]], merge_tools=True, toolbar_location="right", toolbar_options={"logo": None}
    )
    return column(plots, boxes)


def sheet() -> InlineStyleSheet:
    """Style of a widget, dark or light."""
    from bokeh.models import InlineStyleSheet

    return InlineStyleSheet(css=STYLE)


def as_address(grey: NDArray[np.uint8], kind: str, **options: object) -> str:
    """Address of a picture of a kind of file such as "PNG", reduced to a size for a page."""
    from PIL import Image

    picture = Image.fromarray(grey)
    picture.thumbnail((_MOST_PIXELS, _MOST_PIXELS))
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return f"data:image/{kind.lower()};base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def linked_cells(polygons: Sequence[ArrayLike], labels: ArrayLike) -> ColumnDataSource:
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
        height=height or min(300, 27 * (n + 1) + 10), autosize_mode="none", reorderable=False, stylesheets=[sheet()],
    )  # fmt: skip
    if lights is not None:
        code = CustomJS(args={"source": source, "target": lights}, code=_LIGHT)
        source.selected.js_on_change("indices", code)
    return table


def _number_format(values: NDArray[np.generic]) -> Any:
    """Whole numbers, four digits of the largest number, or powers of ten where there are very small ones."""
    from bokeh.models.widgets.tables import NumberFormatter, ScientificFormatter

    if values.dtype.kind in "iu":
        return NumberFormatter(format="0,0", text_align="right")
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    if len(sizes) and sizes.min() < 1e-5:
        return ScientificFormatter(precision=1, power_limit_high=4, power_limit_low=-3, text_align="right")
    digits = int(np.clip(3 - np.floor(np.log10(sizes.max())), 0, 6)) if len(sizes) else 0
    return NumberFormatter(format=f"0.{'0' * digits}".rstrip("."), text_align="right", nan_format="–")
