"""The explorer in a window: linked image, layout and patches, drawn by matplotlib."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.backend_bases import KeyEvent, MouseEvent
from matplotlib.figure import Figure
from matplotlib.widgets import Button, Slider, TextBox

from ._explorer_panels import (
    KEYS,
    AtomPanel,
    MeansPanel,
    PatchPanel,
    classes_and_colours,
    key_actions,
    without_event,
)
from ._image import image_extent, plot_image
from ._interaction import MovingLayer
from ._layout_plot import frame_layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hyperspy_motifs.motifs import ExplorerState


# Paragraphs on motifs that fit into the window.
MOST_DESCRIBED = 4


class Explorer:
    """Window with linked image, layout and patches of the atoms, for Qt and other windows of matplotlib.

    Atoms are selected by a click or a lasso, in the image or in the layout (with shift: added), or by a click on the
    mean of their motif; they are highlighted in all panels. The selected atoms can become a motif, and their motifs
    can be merged, split, named and hidden, with buttons and keys; ``?`` lists the keys. The patch is that of the atom
    under the pointer. Everything but the drawing is in `state`.

    Parameters
    ----------
    state : hyperspy_motifs.motifs.ExplorerState
    figure : matplotlib.figure.Figure, optional
        Figure to draw on, cleared first; a new figure by default.

    Attributes
    ----------
    state : hyperspy_motifs.motifs.ExplorerState
        Selection, radius, filter, edits and exports.
    figure : matplotlib.figure.Figure
    """

    def __init__(self, state: ExplorerState, *, figure: Figure | None = None) -> None:
        self.state = state
        self.figure = plt.figure(figsize=_size_of_window()) if figure is None else figure
        self.figure.clear()
        # matplotlib keeps weak references to callbacks: without this the explorer would stop when its last variable
        # is deleted.
        self.figure._motif_explorer = self  # type: ignore[attr-defined]
        self._lasso: tuple[AtomPanel, list[tuple[float, float]]] | None = None
        # Before the text boxes connect: they redraw the whole figure at every click that is not intercepted.
        self._connections = [self.figure.canvas.mpl_connect("button_press_event", self._on_press)]
        self._keys = {
            **key_actions(state),
            "d": lambda: state.attempt(self._describe),
            "?": self._toggle_help,
        }
        self._make_panels()
        self._make_controls()
        self._draw_labels()
        connect = self.figure.canvas.mpl_connect
        self._layer = MovingLayer(self.figure, self._moving)
        self._connections += [
            self._layer.connection,
            connect("motion_notify_event", self._on_motion),
            connect("button_release_event", self._on_release),
            connect("key_press_event", self._on_key),
            connect("close_event", lambda _: self.close()),
        ]
        self._stop = state.observe(self._on_change)

    # Window

    def _make_panels(self) -> None:
        add = self.figure.add_axes
        image_ax, layout_ax = add((0.015, 0.345, 0.42, 0.6)), add((0.455, 0.345, 0.37, 0.6))
        self.patch_panel = PatchPanel(
            (
                add((0.855, 0.715, 0.135, 0.205)),
                add((0.855, 0.465, 0.135, 0.205)),
                add((0.855, 0.385, 0.135, 0.04)),
            ),
            self.state,
        )
        self.means_panel = MeansPanel(add((0.015, 0.125, 0.97, 0.17)))
        size = float(np.clip(250 / np.sqrt(self.state.n_atoms), 2.0, 6.0))
        self._draw_image(image_ax)
        frame_layout(layout_ax, self.state.layout)
        self.image_panel = AtomPanel(image_ax, self.state.positions, size, dark=True)
        self.layout_panel = AtomPanel(layout_ax, self.state.layout, min(size, 4.0), dark=False)
        self.atom_panels = (self.image_panel, self.layout_panel)
        self._lasso_lines = {
            panel: panel.ax.plot([], [], color="red", linewidth=1.0, animated=True, zorder=7)[0]
            for panel in self.atom_panels
        }
        # With a margin on the left for the toolbar in a notebook.
        self._status = self.figure.text(0.045, 0.965, "", fontsize="small", va="bottom", animated=True)
        self._help = self.figure.text(
            0.5, 0.55, "", ha="center", va="center", visible=False, animated=True,
            bbox={"facecolor": "white", "edgecolor": "0.5", "boxstyle": "round,pad=1"},
        )  # fmt: skip

    def _draw_image(self, ax: Axes) -> None:
        state = self.state
        image, pixel = state.image, state.extent
        plot_image(image, extent=image_extent(image.shape, *pixel), units=state.motifs.units, ax=ax)
        # The pixels of the screen get a colour, and not those of the image, which are many more.
        ax.images[0].set_interpolation_stage("data")
        # Drawn last: the veil over unselected atoms would hide it.
        self._scale_bar = ax.artists[-1]
        self._scale_bar.set_animated(True)

    def _make_controls(self) -> None:
        state, add = self.state, self.figure.add_axes
        self._buttons: dict[str, Button] = {}
        named = {"new motif": "n", "merge": "m", "split": "x", "undo": "u", "redo": "r", "keys": "?"}
        for i, (text, key) in enumerate(named.items()):
            ax = add((0.015 + 0.07 * i, 0.02, 0.062, 0.04))
            button = Button(ax, text, useblit=False, color="0.93", hovercolor="0.93")
            button.label.set_fontsize("small")
            button.on_clicked(without_event(self._keys[key]))
            self._buttons[text] = button
        self._boxes = {
            "name": TextBox(add((0.52, 0.075, 0.12, 0.04)), "name of the motif "),
            "filter": TextBox(add((0.71, 0.075, 0.275, 0.04)), "show where "),
        }
        self._boxes["name"].on_submit(lambda text: text.strip() and state.attempt(state.rename, text))
        self._boxes["filter"].on_submit(lambda text: state.attempt(setattr, state, "condition", text))
        for box in self._boxes.values():
            box.label.set_fontsize("small")
        self._radius_slider = None
        radii = state.motifs.radii
        if len(radii) > 1:
            self._radius_slider = Slider(
                add((0.17, 0.08, 0.2, 0.03)), "radius (neighbour distances) ", min(radii), max(radii), valinit=state.radius,
                valstep=radii,
            )  # fmt: skip
            self._radius_slider.label.set_fontsize("small")
            self._radius_slider.on_changed(lambda radius: state.attempt(setattr, state, "radius", radius))

    def close(self) -> None:
        """Disconnect from the figure and from the state."""
        for connection in self._connections:
            self.figure.canvas.mpl_disconnect(connection)
        if self._connections:
            self._stop()
        self._connections = []

    # Drawing

    def _on_change(self, change: str) -> None:
        state = self.state
        if change == "frame":
            self.image_panel.ax.images[0].set_data(state.image)
            self.image_panel.set_points(state.positions)
            self.patch_panel.shown = None
        if change in ("frame", "labels"):
            if self._radius_slider is not None and not np.isclose(self._radius_slider.val, state.radius):
                self._radius_slider.set_val(state.radius)
            if self.layout_panel.points is not state.layout:
                self.layout_panel.set_points(state.layout)
                frame_layout(self.layout_panel.ax, state.layout)
        if change in ("selection", "message"):
            for panel in self.atom_panels:
                panel.light(state.selection)
            if len(state.selection) == 1 and change == "selection":
                self.patch_panel.show(int(state.selection[0]))
            self._status.set_text(state.status)
            self._layer.draw()
        else:
            self._draw_labels(means=change != "values")
            self.figure.canvas.draw_idle()

    def _draw_labels(self, means: bool = True) -> None:
        classes, colours = classes_and_colours(self.state)
        for panel in self.atom_panels:
            panel.set_classes(classes, colours, self.state.shown)
            panel.light(self.state.selection)
        if means:
            self.means_panel.draw(self.state)
        self._status.set_text(self.state.status)

    def _moving(self) -> list[Artist]:
        artists = [a for panel in (*self.atom_panels, self.patch_panel) for a in panel.moving]
        return [*artists, self._scale_bar, *self._lasso_lines.values(), self._status, self._help]

    def _toggle_help(self) -> None:
        lines = "\n".join(f"{key}: {text}" for key, text in KEYS.items())
        self._toggle_text(f"click or lasso: select · shift: add\n{lines}")

    def _describe(self) -> None:
        described = [] if self._help.get_visible() else self.state.describe()
        paragraphs = [textwrap.fill(text, 120) for text in described]
        more = [f"and {len(paragraphs) - MOST_DESCRIBED} more motifs: select their atoms"]
        self._toggle_text(
            "\n\n".join(paragraphs[:MOST_DESCRIBED] + more * (len(paragraphs) > MOST_DESCRIBED))
        )

    def _toggle_text(self, text: str) -> None:
        """Show a text over the panels, or hide the one that is shown."""
        self._help.set(text=text, visible=not self._help.get_visible())
        self._layer.draw()

    # Events

    def _place(self, event: MouseEvent) -> tuple[AtomPanel, float, float] | None:
        """Panel of atoms under the pointer, and the data coordinates of the pointer."""
        toolbar = getattr(self.figure.canvas, "toolbar", None)
        if toolbar is not None and str(getattr(toolbar, "mode", "")):
            return None  # panning or zooming
        for panel in self.atom_panels:
            if event.inaxes is panel.ax and event.xdata is not None and event.ydata is not None:
                return panel, event.xdata, event.ydata
        return None

    def _on_press(self, event: MouseEvent) -> None:
        for box in self._boxes.values():
            if box.capturekeystrokes:
                # Submits the text before the click selects other atoms.
                box.stop_typing()
            box.set_active(event.inaxes is box.ax)
        if event.button != 1:
            return
        place = self._place(event)
        if place is not None:
            self._lasso = (place[0], [(event.x, event.y)])
        elif event.inaxes is self.means_panel.ax and event.xdata is not None and event.ydata is not None:
            motif = self.means_panel.motif_at(event.xdata, event.ydata)
            if motif is not None:
                self.state.select_motifs([motif], add=_adds(event))

    def _on_motion(self, event: MouseEvent) -> None:
        if self._lasso is not None:
            panel, trail = self._lasso
            trail.append((event.x, event.y))
            self._lasso_lines[panel].set_data(*panel.ax.transData.inverted().transform(trail).T)
            self._layer.draw()
            return
        place = self._place(event)
        index = place[0].nearest(*place[1:]) if place is not None else None
        if self.patch_panel.show(index):
            for atoms in self.atom_panels:
                atoms.point_at(index)
            if index is not None:
                self._status.set_text(self.state.about(index))
            self._layer.draw()

    def _on_release(self, event: MouseEvent) -> None:
        if self._lasso is None or event.button != 1:
            return
        panel, trail = self._lasso
        self._lasso = None
        self._lasso_lines[panel].set_data([], [])
        path = np.array([*trail, (event.x, event.y)], dtype=float)
        places = panel.ax.transData.inverted().transform(path)
        if np.ptp(path, axis=0).max() < 5:  # small movements are not a lasso
            index = panel.nearest(*places[0])
            self.state.select([] if index is None else [index], add=_adds(event))
        else:
            self.state.select(panel.inside(places), add=_adds(event))

    def _on_key(self, event: KeyEvent) -> None:
        if any(box.capturekeystrokes for box in self._boxes.values()):
            return
        action = self._keys.get({"ctrl+z": "u", "ctrl+y": "r"}.get(event.key or "", event.key or ""))
        if action is not None:
            action()


def open_notebook_explorer(state: ExplorerState) -> Any:
    """The explorer as a widget of a notebook, over the same state as :class:`Explorer`.

    Parameters
    ----------
    state : hyperspy_motifs.motifs.ExplorerState

    Returns
    -------
    NotebookExplorer
        It is shown as the result of a cell, or by ``display``.

    Raises
    ------
    ImportError
        If jupyter_bokeh is not installed; the message names the extra.
    """
    try:
        from ._notebook_explorer import NotebookExplorer
    except ImportError as error:
        raise ImportError(
            "The explorer of a notebook needs jupyter_bokeh, which comes with the extra gui-jupyter: "
            'pip install "hyperspy_motifs[gui-jupyter]". Without it use explore(view="window"), which needs %matplotlib qt '
            "or %matplotlib widget."
        ) from error
    return NotebookExplorer(state)


def _size_of_window() -> tuple[float, float]:
    """Inches of a new figure: a cell of a notebook is narrower than a screen and clips larger figures."""
    backend = mpl.get_backend().lower()
    return (9.4, 6.2) if "ipympl" in backend or backend == "widget" else (12.5, 7.2)


def _adds(event: MouseEvent) -> bool:
    return "shift" in (event.key or "")
