"""Figures, tables and styles of the explorer of a notebook, as models of Bokeh."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import numpy as np
from bokeh.models import (
    BoxSelectTool,
    CDSView,
    ColorBar,
    ColumnDataSource,
    CustomJS,
    CustomJSFilter,
    CustomJSHover,
    DataTable,
    HoverTool,
    HTMLTemplateFormatter,
    LassoSelectTool,
    LinearColorMapper,
    NumberFormatter,
    PanTool,
    Range1d,
    ResetTool,
    SaveTool,
    ScientificFormatter,
    Slider,
    StringFormatter,
    TableColumn,
    TapTool,
    TextInput,
    WheelZoomTool,
    ZoomInTool,
    ZoomOutTool,
)
from bokeh.plotting import figure
from matplotlib.colors import to_hex
from numpy.typing import NDArray

from ._explorer_panels import identity_colours, value_limits
from ._image import grey_levels, image_extent
from ._linked import INK, adapt_to_theme, as_address
from ._style import cell_colours, motif_colours

if TYPE_CHECKING:
    from bokeh.models import GlyphRenderer, Plot, Renderer

    from hyperspy_motifs.defects import Defects
    from hyperspy_motifs.motifs import ExplorerState

# A notebook column is about 900 CSS pixels wide.
IMAGE_SIZE = 500
LAYOUT_SIZE = 300
PATCH_SIZE = 48
# Radius of the disc of an atom in nearest-neighbour distances: discs of neighbours leave as much of the image between them.
DISC = 0.2
OPACITY = 0.85
# A larger image is sent as means of blocks of pixels: a screen shows no more.
MOST_PIXELS = 2048

COPY = """
const text = cb_obj.value;
if (text === "") return;
const by_hand = () => {
  const area = document.createElement("textarea");
  area.value = text; document.body.append(area); area.select();
  document.execCommand("copy"); area.remove();
};
if (navigator.clipboard == null) by_hand(); else navigator.clipboard.writeText(text).catch(by_hand);
"""

# The magnifier shows the surroundings of the atom under the pointer: its image is in the browser already.
MAGNIFY = """
const i = cb_data.index.indices[0];
if (i == null) return;
const [x, y] = [source.data.x[i], source.data.y[i]];
if (near.x_range.start === x - reach) return;
near.x_range.setv({start: x - reach, end: x + reach});
near.y_range.setv({start: y + reach, end: y - reach});
"""


# The rows of the shown atoms among which the pointer finds one. The browser asks for them at first and after each change, and
# builds an index of them for both figures, for longer than it draws the discs: therefore there are none until it is quiet.
FIND = """
if (source.indexed !== source.data) {
  setTimeout(() => opacity.properties.value.change.emit(), 0);
  clearTimeout(source.waits);
  source.waits = setTimeout(() => {
    source.indexed = source.data;
    source.change.emit();
    quiet.value = String(performance.now());
  }, 200);
  return [];
}
const out = [], {shown} = source.data;
for (let i = 0; i < shown.length; i++) if (shown[i]) out.push(i);
return out;
"""


# Draws discs at the shown atoms, in the colours of their values, into a picture of as many pixels as the figure has on the
# screen. A browser fills a hundred thousand paths in seconds, where no graphics card helps it, and these pixels at once.
PAINT = """
if (picture.waits) return;
picture.waits = true;
const paint = () => {
  const ratio = window.devicePixelRatio || 1, {x_range, y_range} = fig;
  const [columns, rows] = [fig.inner_width, fig.inner_height].map((n) => Math.round(n * ratio));
  // Before the figure has its place in the page.
  if (!(columns > 0 && rows > 0)) return void setTimeout(paint, 100);
  picture.waits = false;
  const corner = (range) => [Math.min(range.start, range.end), Math.abs(range.end - range.start)];
  const [[left, width], [low, height]] = [corner(x_range), corner(y_range)];
  let pixels = picture.data.image[0];
  if (pixels.length !== rows * columns) pixels = new pixels.constructor(rows * columns, [rows, columns]);
  pixels.fill(0);
  const bytes = new Uint8ClampedArray(pixels.buffer);
  const {data, selected} = atoms, xs = data[x], ys = data[y], {shown, value} = data;
  const lit = new Uint8Array(xs.length);
  for (const i of selected.indices) lit[i] = 1;
  const some = selected.indices.length > 0;
  const rgb = (text) => [1, 3, 5].map((k) => parseInt(text.slice(k, k + 2), 16));
  const palette = mapper.palette.map(rgb), unknown = rgb(mapper.nan_color);
  const step = palette.length / (mapper.high - mapper.low);
  const r = Math.max(size / 2 * ratio, radius * columns / width);
  // The selected ones above the others.
  for (const pass of some ? [0, 1] : [0]) for (let i = 0; i < xs.length; i++) {
    if (!shown[i] || lit[i] !== pass) continue;
    const u = (xs[i] - left) / width * columns, v = (ys[i] - low) / height * rows;
    if (!(u > -r && v > -r && u < columns + r && v < rows + r)) continue;
    const k = Math.floor((value[i] - mapper.low) * step);
    const colour = isNaN(k) ? unknown : palette[Math.min(Math.max(k, 0), palette.length - 1)];
    const alpha = pass ? 1 : some ? 0.15 : opacity.value;
    const bottom = Math.min(rows - 1, Math.floor(v + r)), right = Math.min(columns - 1, Math.floor(u + r));
    for (let row = Math.max(0, Math.floor(v - r)); row <= bottom; row++) {
      for (let column = Math.max(0, Math.floor(u - r)); column <= right; column++) {
        const a = alpha * Math.min(1, r + 0.5 - Math.sqrt((column + 0.5 - u) ** 2 + (row + 0.5 - v) ** 2));
        if (!(a > 0)) continue;
        const at = 4 * (row * columns + column), below = bytes[at + 3] / 255 * (1 - a);
        for (let c = 0; c < 3; c++) bytes[at + c] = (colour[c] * a + bytes[at + c] * below) / (a + below);
        bytes[at + 3] = 255 * (a + below);
      }
    }
  }
  // Without a change of the property, which would be sent to the kernel.
  Object.assign(picture.data, {image: [pixels], x: [left], y: [low], width: [width], height: [height]});
  picture.change.emit();
};
// Before the figure is painted; what comes from the kernel is several changes, which are waited for.
if (cb_obj === atoms.selected) queueMicrotask(paint); else setTimeout(paint, 0);
"""


def place_columns(state: ExplorerState) -> dict[str, NDArray[np.generic]]:
    """Columns of the atoms that no edit and no radius changes, one row per atom of the frame."""
    height = state.columns.get("amplitude", np.full(state.n_atoms, np.nan))
    return {
        "x": state.positions[:, 0], "y": state.positions[:, 1],
        "number": state.numbers.astype(np.int32), "height": height.astype(np.float32),
    }  # fmt: skip


def atom_columns(state: ExplorerState) -> dict[str, NDArray[np.generic]]:
    """The other columns of the atoms for the browser."""
    return {
        "u": state.layout[:, 0].astype(np.float32), "v": state.layout[:, 1].astype(np.float32),
        "motif": state.labels.astype(np.int32), "probability": state.probabilities.astype(np.float32),
        "value": state.values.astype(np.float32), "shown": state.shown.astype(np.uint8),
    }  # fmt: skip


def reason_columns(reasons: list[str]) -> tuple[dict[str, list[str]], dict[str, NDArray[np.generic]]]:
    """Each text once, and its row for each atom: most atoms have the empty one."""
    texts, why = {"": 0}, np.zeros(len(reasons), dtype=np.int32)
    for i, text in enumerate(reasons):
        if text:
            why[i] = texts.setdefault(text, len(texts))
    return {"text": list(texts)}, {"why": why}


def scale_of_values(state: ExplorerState) -> dict[str, Any]:
    """Palette and limits of the colour mapper."""
    if state.colour_by == "motif":
        palette = [to_hex(c) for c in identity_colours(state)]
        return {"palette": palette, "low": -0.5, "high": len(palette) - 0.5}
    from bokeh.palettes import Viridis256

    low, high = value_limits(state.values)
    return {"palette": list(Viridis256), "low": low, "high": high}


def image_columns(state: ExplorerState) -> dict[str, list[Any]]:
    """The image of the frame as 8-bit grey levels, and its corner and size in axis units."""
    image = state.image
    left, right, bottom, top = image_extent(image.shape, *state.extent)
    step = -(-max(image.shape) // MOST_PIXELS)
    if step > 1:
        rows, columns = (n // step * step for n in image.shape)
        blocks = image[:rows, :columns].reshape(rows // step, step, columns // step, step)
        right, bottom = (
            left + (right - left) * columns / image.shape[1],
            top + (bottom - top) * rows / image.shape[0],
        )
        image = blocks.mean(axis=(1, 3))
    return {
        "image": [grey_levels(image)],
        "x": [left], "y": [top], "width": [right - left], "height": [bottom - top],
    }  # fmt: skip


def motif_columns(state: ExplorerState) -> dict[str, list[Any]]:
    """Rows of the table of motifs: colour, mean patch, number, name, atoms and probability."""
    means, colours = state.mean_patches(), identity_colours(state)
    every = list(means.values())
    limits = float(np.min(every)), float(np.max(every))
    total = max(int(state.counts.sum()), 1)
    certain = np.bincount(state.labels, state.probabilities, minlength=len(state.names))
    rows = range(len(state.names))
    return {
        "motif": list(rows),
        "name": list(state.names),
        "colour": [to_hex(colours[k]) for k in rows],
        "patch": [as_address(grey_levels(means[k], limits), "PNG") if k in means else "" for k in rows],
        "circle": [100 * state.radius * state.spacing / state.patch_reach] * len(rows),
        "atoms": state.counts.tolist(),
        "share": (state.counts / total).tolist(),
        "probability": (certain / np.maximum(state.counts, 1)).tolist(),
    }


def defect_columns(defects: Defects) -> dict[str, list[Any]]:
    """Rows of the list of defects, the most certain first."""
    order = np.argsort(defects.q_values, kind="stable")
    return {
        "kind": defects.kinds[order].tolist(), "atom": [a if a >= 0 else None for a in defects.atoms[order].tolist()],
        "x": defects.positions[order, 0].tolist(), "y": defects.positions[order, 1].tolist(),
        "q": defects.q_values[order].tolist(), "evidence": defects.evidence[order].tolist(),
    }  # fmt: skip


def cell_columns(state: ExplorerState) -> dict[str, list[Any]]:
    """Outlines and colours of the cells."""
    outlines, classes = state.cells
    colours = [to_hex(c) for c in cell_colours(classes)]
    return {"xs": [p[:, 0] for p in outlines], "ys": [p[:, 1] for p in outlines], "colour": colours}


def site_columns(state: ExplorerState) -> dict[str, Any]:
    """Positions of the empty sites, what is missing there, and the probability that the site is empty."""
    sites, colours = state.empty_sites, identity_colours(state)
    expected = np.clip(sites.expected_motifs, 0, len(colours) - 1)
    if not state.is_chosen_radius:
        colours = motif_colours(np.arange(int(expected.max(initial=0)) + 1))
    return {
        "x": sites.positions[:, 0], "y": sites.positions[:, 1], "probability": 1 - sites.probability,
        "missing": sites.expected_motifs, "colour": [to_hex(colours[k]) for k in expected],
    }  # fmt: skip


def make_figures(
    state: ExplorerState, sources: dict[str, ColumnDataSource], quiet: TextInput
) -> dict[str, Any]:
    """Image, layout and magnifier over the same sources, so that a selection in one is seen in all without the kernel.

    The browser changes the value of `quiet` when it has shown a change and has time.
    """
    columns = image_columns(state)
    sources["image"] = ColumnDataSource(columns)
    left, top = columns["x"][0], columns["y"][0]
    width, height = columns["width"][0], columns["height"][0]
    scale = IMAGE_SIZE / max(abs(width), abs(height))
    mapper = LinearColorMapper(nan_color="#888888", **scale_of_values(state))
    opacity = Slider(title="atoms over image", start=0, end=1, value=OPACITY, step=0.05, width=140)
    view = CDSView(filter=CustomJSFilter(args={"opacity": opacity, "quiet": quiet}, code=FIND))
    # While one draws, each selection would be sent to the kernel.
    draw: dict[str, Any] = {"continuous": False}
    plain: dict[str, Any] = {"lod_threshold": None}
    picture = figure(
        frame_width=round(abs(width) * scale), frame_height=round(abs(height) * scale),
        x_range=Range1d(left, left + width), y_range=Range1d(top + height, top),
        toolbar_location="above", **plain,
    )  # fmt: skip
    grey = picture.image(
        "image", "x", "y", "width", "height", source=sources["image"], palette="Greys256", level="image"
    )
    cells = picture.patches(
        "xs", "ys", source=sources["cells"], fill_color="colour", fill_alpha=0.35, line_color="colour", line_alpha=0.8,
        visible=False,
    )  # fmt: skip
    # Discs that grow when one zooms in.
    radius = DISC * state.spacing
    size = float(np.clip(2 * radius * scale, 3, 12))
    found: dict[str, Any] = {"source": sources["atoms"], "view": view}
    paint = {"atoms": sources["atoms"], "mapper": mapper, "opacity": opacity}
    _add_discs(picture, "x", "y", 1.5, radius, paint)
    # The pointer finds an atom up to half way to its neighbours.
    atoms = picture.circle("x", "y", radius=radius, hit_dilation=0.5 / DISC, **found)
    _hide(atoms, radius=np.nan)
    empty = picture.scatter(
        "x", "y", source=sources["sites"], size=size + 5, marker="circle_x", fill_color=None, line_color="colour",
        line_width=2,
    )  # fmt: skip
    picture.scatter(
        "x", "y", source=sources["here"], size=26, fill_color=None, line_color="#ff2020", line_width=2
    )
    x_range, y_range = (Range1d(*limits) for limits in layout_limits(state))
    layout = figure(
        frame_width=LAYOUT_SIZE, frame_height=LAYOUT_SIZE, x_range=x_range, y_range=y_range,
        toolbar_location="above", **plain,
    )  # fmt: skip
    size = float(np.clip(250 / np.sqrt(state.n_atoms), 2, 5))
    _add_discs(layout, "u", "v", size, 0.0, paint)
    points = layout.scatter("u", "v", size=size, hit_dilation=2, **found)
    _hide(points, angle=np.nan)
    bar = ColorBar(
        color_mapper=mapper, visible=state.colour_by != "motif", height=8, background_fill_color=None,
        major_label_text_color=INK, title_text_color=INK,
    )  # fmt: skip
    layout.add_layout(bar, "below")
    near = figure(
        frame_width=150, frame_height=150, x_range=Range1d(0, 1), y_range=Range1d(1, 0), tools=[],
        toolbar_location=None, **plain,
    )  # fmt: skip
    near.image(
        "image", "x", "y", "width", "height", source=sources["image"], color_mapper=grey.glyph.color_mapper
    )
    reach = state.patch_reach
    near.x_range.update(start=left, end=left + 2 * reach)
    near.y_range.update(start=top + 2 * reach, end=top)
    for fig, glyph in ((picture, atoms), (layout, points)):
        wheel, lasso = WheelZoomTool(), LassoSelectTool(renderers=[glyph], **draw)
        box, tap = BoxSelectTool(renderers=[glyph], **draw), TapTool(renderers=[glyph])
        # These two are for the keyboard; the layout is small.
        zoom = (ZoomInTool(), ZoomOutTool()) if fig is picture else ()
        others = PanTool(), box, tap, *zoom, ResetTool(), SaveTool()
        fig.toolbar.tools = [lasso, wheel, *others, _hover(state, glyph, sources, near)]
        fig.toolbar.update(active_drag=lasso, active_scroll=wheel)
    picture.add_tools(
        HoverTool(
            renderers=[empty],
            tooltips=[("empty site of motif", "@missing"), ("probability", "@probability{0.000}")],
        )
    )
    for fig in (picture, layout, near):
        fig.grid.visible = fig.axis.visible = False
        adapt_to_theme(fig)
        fig.toolbar.logo = None
    return {
        "image": picture, "layout": layout, "near": near, "mapper": mapper, "bar": bar, "atoms": atoms, "cells": cells,
        "empty": empty, "grey": grey, "opacity": opacity,
    }  # fmt: skip


def layout_limits(state: ExplorerState) -> list[tuple[float, float]]:
    """Limits of the layout along both axes, of one length."""
    low, high = state.layout.min(axis=0), state.layout.max(axis=0)
    half = 0.54 * max(float((high - low).max()), 1e-9)
    return [(float(c - half), float(c + half)) for c in (low + high) / 2]


def bring_into_view(fig: Plot, place: NDArray[np.float64]) -> None:
    """Move a place that is outside to the middle of a figure."""
    for limits, at in zip((fig.x_range, fig.y_range), place.tolist(), strict=True):
        middle = (limits.start + limits.end) / 2
        if abs(at - middle) > abs(limits.end - limits.start) / 2:
            limits.update(start=limits.start + at - middle, end=limits.end + at - middle)


def _hide(renderer: Renderer, **place: float) -> None:
    """Let the pointer and the lasso find the points, but draw none: a browser skips those without a size or an angle."""
    unseen = renderer.glyph.clone(**place)
    renderer.update(muted=True, muted_glyph=unseen, selection_glyph=unseen, nonselection_glyph=unseen)


def _add_discs(fig: Plot, x: str, y: str, size: float, radius: float, paint: dict[str, Any]) -> None:
    """Draw discs at the atoms, of a diameter in pixels of the page or a radius in axis units, whichever is larger."""
    picture = ColumnDataSource(
        {"image": [np.zeros((1, 1), np.uint32)], "x": [0.0], "y": [0.0], "width": [1.0], "height": [1.0]}
    )
    fig.image_rgba("image", "x", "y", "width", "height", source=picture)
    more = {"fig": fig, "picture": picture, "x": x, "y": y, "size": size, "radius": radius}
    code = CustomJS(args={**paint, **more}, code=PAINT)
    changes = [(paint["atoms"].selected, "indices"), (paint["opacity"], "value")]
    for model, name in [
        *changes,
        *((r, end) for r in (fig.x_range, fig.y_range) for end in ("start", "end")),
    ]:
        model.js_on_change(name, code)


def _hover(
    state: ExplorerState, glyph: GlyphRenderer, sources: dict[str, ColumnDataSource], near: GlyphRenderer
) -> HoverTool:
    name = CustomJSHover(
        args={"motifs": sources["motifs"]}, code="return `${value} (${motifs.data.name[value]})`"
    )
    why = CustomJSHover(
        args={"texts": sources["texts"], "why": sources["why"]},
        code='return texts.data.text[why.data.why[special_vars.index]] ?? ""',
    )
    units = html.escape(state.motifs.units)
    return HoverTool(
        renderers=[glyph],
        tooltips=[
            ("atom", "@number"), ("motif", "@motif{custom}"), ("probability", "@probability{0.000}"), ("height", "@height"),
            ("x, y", f"@x{{0.000}}, @y{{0.000}} {units}"), ("why", "@number{custom}"),
        ],
        formatters={"@motif": name, "@number": why},
        callback=CustomJS(args={"source": sources["atoms"], "near": near, "reach": state.patch_reach}, code=MAGNIFY),
    )  # fmt: skip


def motif_table(source: ColumnDataSource) -> DataTable:
    """The legend: a row for each motif with its mean patch, in which the circle is the compared radius."""
    patch = f"""<div style="position:relative;width:{PATCH_SIZE}px;height:{PATCH_SIZE}px;border:3px solid <%= colour %>">
      <img src="<%= patch %>" style="width:100%;height:100%;image-rendering:pixelated" alt="mean patch of motif <%= motif %>">
      <div style="position:absolute;border:1px solid <%= colour %>;border-radius:50%;width:<%= circle %>%;
      height:<%= circle %>%;left:calc(50% - <%= circle / 2 %>%);top:calc(50% - <%= circle / 2 %>%)"></div></div>"""
    columns = [
        TableColumn(field="patch", title="mean", formatter=HTMLTemplateFormatter(template=patch), width=70),
        TableColumn(field="motif", title="motif", width=50),
        TableColumn(field="name", title="name", width=240),
        TableColumn(field="atoms", title="atoms", formatter=NumberFormatter(format="0,0"), width=80),
        TableColumn(field="share", title="share", formatter=NumberFormatter(format="0.0 %"), width=80),
        TableColumn(
            field="probability", title="probability", formatter=NumberFormatter(format="0.000"), width=90
        ),
    ]
    return _table(source, columns, autosize_mode="none", row_height=PATCH_SIZE + 10)


def defect_table(source: ColumnDataSource) -> DataTable:
    """The list of defects."""
    number = NumberFormatter(format="0.000")
    columns = [
        TableColumn(field="kind", title="kind", width=100),
        TableColumn(field="atom", title="atom", formatter=StringFormatter(null_format=""), width=60),
        TableColumn(field="x", title="x", formatter=number, width=70),
        TableColumn(field="y", title="y", formatter=number, width=70),
        TableColumn(field="q", title="q", formatter=ScientificFormatter(precision=1), width=70),
        TableColumn(field="evidence", title="evidence", width=480),
    ]  # fmt: skip
    return _table(source, columns)


def _table(source: ColumnDataSource, columns: list[TableColumn], **options: object) -> DataTable:
    size = {"width": 860, "height": 260}
    return DataTable(
        source=source, columns=columns, index_position=None, reorderable=False, **size, **options
    )
