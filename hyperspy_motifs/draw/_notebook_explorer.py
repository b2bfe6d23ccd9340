"""The explorer in a notebook: linked figures, tables and controls in the browser, drawn by Bokeh."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from bokeh.document.events import ModelChangedEvent
from bokeh.events import DocumentReady
from bokeh.layouts import column, row
from bokeh.models import (
    Button,
    CategoricalSlider,
    CheckboxGroup,
    ColorPicker,
    ColumnDataSource,
    CustomJS,
    Div,
    Select,
    Slider,
    TabPanel,
    Tabs,
    TextInput,
    UIElement,
)
from jupyter_bokeh import BokehModel

from . import _notebook_parts as parts
from ._explorer_panels import KEYS, key_actions
from ._linked import KEYBOARD, sheet

if TYPE_CHECKING:
    from bokeh.document.events import DocumentChangedEvent
    from bokeh.model import Model
    from matplotlib.figure import Figure

    from hyperspy_motifs.motifs import ExplorerState

# Buttons of the edits, and their keys.
EDITS = {
    "new motif": "n", "merge": "m", "split": "x", "undo": "u", "redo": "r", "whole motif": "a", "hide": "h",
    "show all": "v", "none": "escape",
}  # fmt: skip
# Outlines of more cells are drawn slowly by a browser, so that the user has to ask for them.
MANY_CELLS = 3000


class Widget(BokehModel):
    """Widget of a model of Bokeh that hears each change of the browser once, and not its own echo.

    jupyter_bokeh 4.1 calls the callbacks of a change twice. It also sends each change that the kernel made back to it; late
    by a moment, an echo would take back what was done since then.
    """

    def __init__(self, model: Model, **kwargs: object) -> None:
        self._told: dict[tuple[str, str], list[object]] = {}
        self._heard: set[tuple[str, str]] | None = None
        super().__init__(model, **kwargs)

    def is_repeated(self, model: Model, attribute: str) -> bool:
        """Whether a callback of the change that is being received was called before."""
        if self._heard is None:
            return False
        known = (model.id, attribute) in self._heard
        self._heard.add((model.id, attribute))
        return known

    def _document_patched(self, event: DocumentChangedEvent) -> None:
        if event.setter is not self and isinstance(event, ModelChangedEvent):
            self._told.setdefault((event.model.id, event.attr), []).append(event.new)
        super()._document_patched(event)

    def _sync_model(self, _model: object, content: dict[str, Any], _buffers: object) -> None:
        if content.get("kind") == "ModelChanged":
            told = self._told.get((content["model"]["id"], content["attr"]), [])
            # A user never changes data.
            if content["attr"] == "data":
                return
            if content["new"] in told:
                del told[: told.index(content["new"]) + 1]
                return
        self._heard = set()
        try:
            super()._sync_model(_model, content, _buffers)
        finally:
            self._heard = None


class NotebookExplorer:
    """Linked image, layout, table of motifs and list of defects in a notebook; edits are applied to the motifs.

    The discs of the atoms, the linking of a selection, the text under the pointer and the magnifier are made in the browser, so
    that they do not wait for the kernel. Everything but the drawing is in `state`. Created by ``motifs.explore()``.

    Parameters
    ----------
    state : hyperspy_motifs.motifs.ExplorerState

    Attributes
    ----------
    state : hyperspy_motifs.motifs.ExplorerState
        Selection, radius, frame, filter, edits and exports.
    layout : bokeh.models.LayoutDOM
        The whole, for another page of Bokeh or Panel.
    controls : dict of str to bokeh.models.UIElement
        Buttons, sliders, fields and tables by name.
    sources : dict of str to bokeh.models.ColumnDataSource
        Data in the browser by name.
    exported : object
        The last region or subset that a button made.
    """

    def __init__(self, state: ExplorerState) -> None:
        self.state = state
        self.exported: Figure | None = None
        self._quiet = False
        self._widget: Widget | None = None
        self._told: list[str] = []
        self.sources = {
            "atoms": ColumnDataSource(parts.place_columns(state) | parts.atom_columns(state)),
            "texts": ColumnDataSource({"text": []}),
            "why": ColumnDataSource({"why": []}),
            "motifs": ColumnDataSource(parts.motif_columns(state)),
            "defects": ColumnDataSource({name: [] for name in ("kind", "atom", "x", "y", "q", "evidence")}),
            "cells": ColumnDataSource({"xs": [], "ys": [], "colour": []}),
            "sites": ColumnDataSource(parts.site_columns(state)),
            "here": ColumnDataSource({"x": [], "y": []}),
        }
        self.controls: dict[str, UIElement] = {"quiet": TextInput(visible=False)}
        self.figures = parts.make_figures(state, self.sources, self.controls["quiet"])
        self._status = Div(text="", width=860, height=22)
        self._history = Div(text="", width=860)
        self._about = Div(text="", width=860)
        self._make_controls()
        self.layout = self._arrange()
        style = sheet()
        for element in self.layout.select({"type": UIElement}):
            if hasattr(element, "stylesheets"):
                element.stylesheets = [*element.stylesheets, style]
        self._connect()
        self._show_cells(0 < len(state.cells[1]) <= MANY_CELLS)
        self._write_status()
        state.observe(self._on_change)

    def _repr_mimebundle_(self, **kwargs: object) -> object:
        from bokeh.document import Document
        from bokeh.io import output_notebook
        from bokeh.resources import INLINE

        if self._widget is None:
            # The scripts of Bokeh for the page; without a network too.
            output_notebook(INLINE, hide_banner=True)
            if self.layout.document is None:
                Document().add_root(self.layout)
            listen = CustomJS(args={"keys": list(KEYS)}, code=KEYBOARD)
            self.layout.document.js_on_event(DocumentReady, listen)
            self._widget = Widget(self.layout)
        return self._widget._repr_mimebundle_(**kwargs)

    def close(self) -> None:
        """Stop following the state."""
        self.state.close()

    # Window

    def _make_controls(self) -> None:
        state, make = self.state, self.controls
        radii = [f"{r:g}" for r in state.motifs.radii]
        if len(radii) > 1:
            make["radius"] = CategoricalSlider(
                title="radius (neighbour distances)", categories=radii, value=f"{state.radius:g}", width=230
            )
        if state.n_frames > 1:
            make["frame"] = Slider(
                title="frame", start=0, end=state.n_frames - 1, value=state.frame, step=1, width=190
            )
        make["colour_by"] = Select(
            title="colour by", options=state.value_names, value=state.colour_by, width=150
        )
        make["condition"] = TextInput(title="show where", placeholder="probability < 0.9", width=215)
        make["find"] = TextInput(title="find atom", placeholder="number", width=80)
        make["opacity"] = self.figures["opacity"]
        make["layers"] = CheckboxGroup(labels=["cells", "empty sites"], active=[1], inline=True, width=170)
        for name, key in EDITS.items():
            make[name] = Button(label=f"{name} ({key[:3]})", width=None, height=30)
        make["shown"] = CheckboxGroup(inline=True, width=480, **self._visible())
        make["name"] = TextInput(title="selected motif", placeholder="name of the motif", width=150)
        make["colour"] = ColorPicker(title="colour", width=60, color="#0072b2")
        make["file"] = TextInput(title="file", value="selection.csv", width=200)
        for name in ("CSV", "copy", "region", "subset", "save image"):
            make[name] = Button(label=name, width=90)
        make["clipboard"] = TextInput(visible=False)
        make["key"] = TextInput(visible=False)
        make["motifs"] = parts.motif_table(self.sources["motifs"])
        make["defects"] = parts.defect_table(self.sources["defects"])

    def _visible(self) -> dict[str, Any]:
        names = [f"{k} {name}" if name != str(k) else name for k, name in enumerate(self.state.names)]
        return {"labels": names, "active": self.state.visible_motifs}

    def _arrange(self) -> UIElement:
        make, figures = self.controls, self.figures
        first = [
            make[k] for k in ("radius", "frame", "colour_by", "condition", "find", "opacity") if k in make
        ]
        wrapped = {"flex-wrap": "wrap", "max-width": "880px"}
        keys = "".join(f"<tr><td><kbd>{key}</kbd></td><td>{text}</td></tr>" for key, text in KEYS.items())
        help_text = (
            "<p>Draw around atoms, or click on one: it is selected in every view. With shift atoms are added. The wheel zooms. "
            "Tab reaches every control; in a table arrows choose rows, and Enter on a head sorts. These keys act while the "
            f"explorer has the focus or the pointer over it, arrows while a figure has the focus:</p><table>{keys}</table>"
        )
        legend = row(Div(text="shown:"), make["shown"], make["name"], make["colour"])
        tabs = {
            "motifs": column(make["motifs"], legend), "about": self._about, "defects": make["defects"],
            "edits": self._history,
            "save": row(*[make[k] for k in ("file", "CSV", "copy", "region", "subset", "save image")]),
            "?": Div(text=help_text, width=860),
        }  # fmt: skip
        self.tabs = Tabs(tabs=[TabPanel(title=title, child=child) for title, child in tabs.items()])
        return column(
            row(*first, styles=wrapped),
            row(figures["image"], column(figures["layout"], row(figures["near"], make["layers"]))),
            self._status,
            row(*[make[name] for name in EDITS], styles=wrapped),
            self.tabs,
            *(make[name] for name in ("clipboard", "key", "quiet")),
            css_classes=["motif-explorer"],
            # Of JupyterLab's own keys one cuts the cell.
            html_attributes={"data-keys": make["key"].id, "data-lm-suppress-shortcuts": "true"},
        )

    def _connect(self) -> None:
        state, make = self.state, self.controls
        attempt = state.attempt
        actions = {
            **key_actions(state),
            "d": lambda: self._open("about"),
            "?": lambda: self._open("?"),
        }
        self._on("key", "value", lambda pressed: actions[pressed.split(" ")[0]]())
        self._on("radius", "value", lambda radius: attempt(setattr, state, "radius", float(radius)))
        self._on("frame", "value", lambda frame: attempt(setattr, state, "frame", frame))
        self._on("colour_by", "value", lambda name: attempt(setattr, state, "colour_by", name))
        self._on("condition", "value", lambda text: attempt(setattr, state, "condition", text))
        self._on("find", "value", lambda text: text and attempt(state.find, text))
        self._on("layers", "active", self._show_layers)
        self._on("shown", "active", state.show_motifs)
        self._on("quiet", "value", lambda _: self._write_reasons())
        self._on("name", "value", lambda text: text and attempt(state.rename, text))
        self._on("colour", "color", lambda colour: attempt(state.recolour, colour))
        for name, key in EDITS.items():
            make[name].on_click(actions[key])
        make["CSV"].on_click(lambda: self._save(state.to_csv))
        make["save image"].on_click(lambda: self._save(state.save))
        make["copy"].on_click(self._copy)
        make["region"].on_click(lambda: self._export(state.to_roi, "region of interest"))
        make["subset"].on_click(lambda: self._export(state.subset, "subset"))
        make["clipboard"].js_on_change("value", CustomJS(code=parts.COPY))
        sources = self.sources
        self._listen(sources["atoms"].selected, "indices", state.select)
        self._listen(sources["motifs"].selected, "indices", self._select_motifs)
        self._listen(sources["defects"].selected, "indices", self._select_defects)
        self.tabs.on_change("active", lambda attr, old, new: self._fill_tab())

    def _on(self, control: str, attribute: str, action: Callable[[Any], object]) -> None:
        if control in self.controls:
            self._listen(self.controls[control], attribute, action)

    def _listen(self, model: Model, attribute: str, action: Callable[[Any], object]) -> None:
        """Call `action` with the new value of an attribute that the user changed, and not this program."""

        def changed(attr: str, old: object, new: object) -> None:
            repeated = self._widget is not None and self._widget.is_repeated(model, attr)
            if not self._quiet and not repeated:
                action(new)

        model.on_change(attribute, changed)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        quiet, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = quiet

    # From the state to the browser

    def _on_change(self, change: str) -> None:
        state, sources = self.state, self.sources
        with self._writing():
            if change == "frame":
                sources["image"].data = parts.image_columns(state)
                self.controls["frame"].value = state.frame
                sources["here"].data = {"x": [], "y": []}
            if change in ("frame", "labels", "values"):
                # Before the values, with which the discs are drawn again.
                self.figures["mapper"].update(**parts.scale_of_values(state))
            if change in ("frame", "labels"):
                columns = parts.atom_columns(state)
                if change == "frame":
                    sources["atoms"].data = parts.place_columns(state) | columns
                else:
                    known = sources["atoms"].data
                    known.update({k: v for k, v in columns.items() if not np.array_equal(v, known[k])})
                for axis, (start, end) in zip("xy", parts.layout_limits(state), strict=True):
                    limits = {"start": start, "end": end, "reset_start": start, "reset_end": end}
                    getattr(self.figures["layout"], f"{axis}_range").update(**limits)
                sources["sites"].data = parts.site_columns(state)
                if self.figures["cells"].visible:
                    self._show_cells(True)
                if "radius" in self.controls:
                    self.controls["radius"].value = f"{state.radius:g}"
            if change == "values":
                sources["atoms"].data["value"] = state.values.astype(np.float32)
                self.figures["bar"].visible = state.colour_by != "motif"
                self.figures["bar"].title = state.colour_by
                self.controls["colour_by"].value = state.colour_by
            if change == "shown":
                sources["atoms"].data["shown"] = state.shown.astype(np.uint8)
                self.controls["condition"].value = state.condition
            if change in ("frame", "labels"):
                # Of rows that are no more the table would select those that are left, as if the user had.
                sources["motifs"].selected.indices = []
                sources["motifs"].data = parts.motif_columns(state)
            if change in ("frame", "labels", "shown"):
                self.controls["shown"].update(**self._visible())
            if change != "message":
                self._write_selection()
            if change in ("frame", "labels") or (change == "selection" and self._is_open("about")):
                self._fill_tab()
            self._write_status()

    def _write_selection(self) -> None:
        state, selected = self.state, self.sources["atoms"].selected
        if not np.array_equal(selected.indices, state.selection):
            selected.indices = state.selection.tolist()
        self.sources["motifs"].selected.indices = state.selected_motifs
        chosen = state.positions[state.selection[:1] if len(state.selection) == 1 else []]
        here = self.sources["here"]
        if len(chosen) or len(here.data["x"]):
            here.data = {"x": chosen[:, 0], "y": chosen[:, 1]}
        for place in chosen:
            parts.bring_into_view(self.figures["image"], place)
        if len(state.selected_motifs) == 1:
            self.controls["name"].value = ""
            self.controls["colour"].color = self.sources["motifs"].data["colour"][state.selected_motifs[0]]

    def _write_status(self) -> None:
        state = self.state
        n = int(state.shown.sum())
        hidden = "" if n == state.n_atoms else f" · {n:,} of {state.n_atoms:,} atoms shown"
        self._status.text = html.escape(state.status + hidden)

    def _show_layers(self, active: list[int]) -> None:
        self._show_cells(0 in active)
        self.figures["empty"].visible = 1 in active

    def _show_cells(self, shown: bool) -> None:
        """Outlines are sent when they are to be seen: those of many cells are the most of all data."""
        with self._writing():
            self.sources["cells"].data = (
                parts.cell_columns(self.state) if shown else {"xs": [], "ys": [], "colour": []}
            )
            self.figures["cells"].visible = shown
            others = [k for k in self.controls["layers"].active if k != 0]
            self.controls["layers"].active = [0, *others] if shown else others

    # From the browser to the state

    def _select_motifs(self, rows: list[int]) -> None:
        # A table gives up its rows when its data change: that is no choice of the user.
        if rows:
            self.state.select_motifs(rows)

    def _select_defects(self, rows: list[int]) -> None:
        if not rows:
            return
        data = self.sources["defects"].data
        atoms = [data["atom"][k] for k in rows if data["atom"][k] is not None]
        self.state.select(np.searchsorted(self.state.numbers, atoms))
        with self._writing():
            self.sources["here"].data = {axis: [data[axis][k] for k in rows] for axis in ("x", "y")}

    def _is_open(self, title: str) -> bool:
        return bool(self.tabs.tabs[self.tabs.active].title == title)

    def _open(self, title: str) -> None:
        """Open a tab, or the first one if it is open."""
        titles = [tab.title for tab in self.tabs.tabs]
        self.tabs.active = 0 if self._is_open(title) else titles.index(title)

    def _fill_tab(self) -> None:
        """What takes time is computed when it is to be seen."""
        if self._is_open("defects"):
            self.state.attempt(self._write_defects)
        elif self._is_open("about"):
            self.state.attempt(self._write_about)
        elif self._is_open("edits"):
            self._write_history()

    def _write_history(self) -> None:
        done = "".join(f"<li>{html.escape(text)}</li>" for text in self.state.history)
        undone = "".join(f"<li><s>{html.escape(text)}</s></li>" for text in self.state.undone)
        self._history.text = f"<ol>{done}{undone}</ol>" if done or undone else "No edit yet."

    def _write_about(self) -> None:
        self._about.text = "".join(f"<p>{html.escape(text)}</p>" for text in self.state.describe())

    def _write_defects(self) -> None:
        self.sources["defects"].data = parts.defect_columns(self.state.defects())
        # The text under the pointer names them too, from now on.
        self._write_reasons()

    def _write_reasons(self) -> None:
        """The last line of the text under the pointer, which takes longer than all other columns."""
        if self._told is not self.state.reasons:
            self._told = self.state.reasons
            self.sources["texts"].data, self.sources["why"].data = parts.reason_columns(self._told)

    def _save(self, write: Callable[[str], object]) -> None:
        path = self.controls["file"].value
        try:
            write(path)
        except (OSError, ValueError) as error:
            self.state.say(str(error))
        else:
            self.state.say(f"written to {path}")

    def _copy(self) -> None:
        self.controls["clipboard"].value = ""
        self.controls["clipboard"].value = self.state.to_text()
        self.state.say("table copied to the clipboard")

    def _export(self, make: Callable[[], object], what: str) -> None:
        if self.state.attempt(lambda: setattr(self, "exported", make())):
            self.state.say(f"the {what} is the attribute `exported` of this explorer")
