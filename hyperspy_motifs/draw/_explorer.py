"""The explorer with linked image, layout and patches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import KeyEvent, MouseEvent
from matplotlib.figure import Figure
from matplotlib.widgets import Button, TextBox
from numpy.typing import ArrayLike, NDArray

from ._explorer_panels import AtomPanel, ExplorerArrays, MeansPanel, PatchPanel, refusing, without_event
from ._image import check_positions, plot_image
from ._interaction import Labelling, MovingLayer
from ._layout_plot import frame_layout

# Result of a callback: labels, labels and names of the motifs, or None.
NewLabels = ArrayLike | tuple[ArrayLike, Sequence[str]] | None

_HELP = (
    "click or draw around atoms · shift adds · a: whole motif · n: new motif · m: merge · x: split · "
    "u: undo · esc: none"
)


class Explorer:
    """Window with linked image, layout and patches of the atoms.

    Atoms are selected by a click or a lasso, in the image or in the layout (with shift: added), or by a click on the
    mean of their motif; they are highlighted in all panels. The selected atoms can become a motif, and their motifs
    can be merged, split and named, with buttons and keys. Every step can be undone. The patch is that of the atom
    under the pointer.

    Callbacks are called for every edit and may return labels (n,), or a tuple of labels and names if the motifs were
    renumbered; these are then used. If they return None (or are missing), the explorer edits its labels itself.
    Splitting needs its callback. A ValueError of a callback is shown in the status line, and nothing is changed.

    Parameters
    ----------
    arrays : ExplorerArrays
        The displayed data.
    on_new_motif : callable, optional
        Called with the indices of the atoms, an array of int.
    on_merge : callable, optional
        Called with the list of the motifs.
    on_split : callable, optional
        Called with the motif.
    on_name : callable, optional
        Called with the motif and its name.
    on_undo : callable, optional
        Called without arguments; may return labels.
    figure : matplotlib.figure.Figure, optional
        Figure to draw on, cleared first; a new figure by default.

    Attributes
    ----------
    labelling : Labelling
        Current labels and names.
    selection : numpy.ndarray of int
        Sorted indices of the selected atoms.
    figure : matplotlib.figure.Figure
    """

    def __init__(
        self,
        arrays: ExplorerArrays,
        *,
        on_new_motif: Callable[[NDArray[np.intp]], NewLabels] | None = None,
        on_merge: Callable[[list[int]], NewLabels] | None = None,
        on_split: Callable[[int], NewLabels] | None = None,
        on_name: Callable[[int, str], None] | None = None,
        on_undo: Callable[[], NewLabels] | None = None,
        figure: Figure | None = None,
    ) -> None:
        self.arrays = arrays
        self.labelling = Labelling(arrays.labels, arrays.names)
        self.selection: NDArray[np.intp] = np.empty(0, dtype=np.intp)
        self._on_new_motif, self._on_merge, self._on_split = on_new_motif, on_merge, on_split
        self._on_name, self._on_undo = on_name, on_undo
        self.figure = plt.figure(figsize=_size_of_window()) if figure is None else figure
        self.figure.clear()
        # matplotlib keeps weak references to callbacks: without this the explorer would stop when its last variable
        # is deleted.
        self.figure._motif_explorer = self  # type: ignore[attr-defined]
        self._lasso: tuple[AtomPanel, list[tuple[float, float]]] | None = None
        # Before the text box connects: it redraws the whole figure at every click that is not intercepted.
        self._connections = [self.figure.canvas.mpl_connect("button_press_event", self._on_press)]
        self._make_panels()
        self._make_buttons()
        self._draw_labels()
        self._set_status()
        connect = self.figure.canvas.mpl_connect
        self._layer = MovingLayer(self.figure, self._moving)
        self._connections += [
            self._layer.connection,
            connect("motion_notify_event", self._on_motion),
            connect("button_release_event", self._on_release),
            connect("key_press_event", self._on_key),
        ]

    # Window

    def _make_panels(self) -> None:
        arrays = self.arrays
        positions, layout = check_positions(arrays.positions), check_positions(arrays.layout)
        has_side = (
            arrays.patches is not None or arrays.reconstructions is not None or arrays.moments is not None
        )
        right = 0.83 if has_side else 0.985
        middle = 0.015 + 0.54 * (right - 0.015)
        image_ax = self.figure.add_axes((0.015, 0.31, middle - 0.025, 0.635))
        plot_image(arrays.image, extent=arrays.extent, units=arrays.units, ax=image_ax)
        # Drawn last: the veil over unselected atoms would hide it.
        self._scale_bar = image_ax.artists[-1]
        self._scale_bar.set_animated(True)
        layout_ax = self.figure.add_axes((middle + 0.015, 0.31, right - middle - 0.02, 0.635))
        frame_layout(layout_ax, layout)
        size = float(np.clip(250 / np.sqrt(len(positions)), 2.0, 6.0))
        self.image_panel = AtomPanel(image_ax, positions, size, dark=True)
        self.layout_panel = AtomPanel(layout_ax, layout, min(size, 4.0), dark=False)
        self.atom_panels = (self.image_panel, self.layout_panel)
        side: dict[str, Axes] = {}
        for name, bottom, height in (
            ("patches", 0.715, 0.205),
            ("reconstructions", 0.465, 0.205),
            ("moments", 0.335, 0.085),
        ):
            if getattr(arrays, name) is not None:
                side[name] = self.figure.add_axes((0.855, bottom, 0.135, height))
        self.patch_panel = PatchPanel(side, arrays)
        self.means_panel = MeansPanel(self.figure.add_axes((0.015, 0.085, 0.97, 0.205)))
        self._lasso_lines = {
            panel: panel.ax.plot([], [], color="red", linewidth=1.0, animated=True, zorder=7)[0]
            for panel in self.atom_panels
        }
        # With a margin on the left for the toolbar in a notebook.
        self._status = self.figure.text(0.045, 0.965, "", fontsize="small", va="bottom", animated=True)
        self.figure.text(0.985, 0.965, _HELP, fontsize="x-small", ha="right", va="bottom", color="0.35")

    def _make_buttons(self) -> None:
        self._buttons: dict[str, Button] = {}
        actions: list[tuple[str, Callable[[], object]]] = [
            ("new motif", self.new_motif),
            ("merge", self.merge),
        ]
        if self._on_split is not None:
            actions.append(("split", self.split))
        actions += [("undo", self.undo), ("clear", self.clear)]
        for i, (text, action) in enumerate(actions):
            ax = self.figure.add_axes((0.015 + 0.085 * i, 0.02, 0.075, 0.045))
            button = Button(ax, text, useblit=False, color="0.93", hovercolor="0.93")
            button.label.set_fontsize("small")
            button.on_clicked(without_event(action))
            self._buttons[text] = button
        self._name_box = TextBox(
            self.figure.add_axes((0.6, 0.02, 0.2, 0.045)), "name of the motif ", initial=""
        )
        self._name_box.label.set_fontsize("small")
        self._name_box.on_submit(self._on_submit)

    # Selection

    def select(self, indices: ArrayLike, *, add: bool = False) -> None:
        """Select atoms and highlight them in all panels.

        Parameters
        ----------
        indices : array_like of int
            Atoms.
        add : bool
            Whether to keep the previous selection.
        """
        chosen = np.unique(np.asarray(indices, dtype=np.intp))
        if chosen.size and not 0 <= chosen[0] <= chosen[-1] < len(self.labelling.labels):
            raise ValueError(f"indices must be those of {len(self.labelling.labels)} atoms.")
        self.selection = np.union1d(self.selection, chosen) if add else chosen
        for panel in self.atom_panels:
            panel.light(self.selection)
        if len(chosen) == 1:
            self.patch_panel.show(int(chosen[0]))
        self._set_status()
        self._layer.draw()

    def select_motifs(self, motifs: Iterable[int], *, add: bool = False) -> None:
        """Select all atoms of the given motifs."""
        self.select(np.flatnonzero(np.isin(self.labelling.labels, list(motifs))), add=add)

    def clear(self) -> None:
        """Clear the selection."""
        self.select([])

    @property
    def selected_motifs(self) -> list[int]:
        """Motifs of the selected atoms."""
        return np.unique(self.labelling.labels[self.selection]).tolist()

    # Editing

    @refusing
    def new_motif(self) -> bool:
        """Make the selected atoms a motif; return whether this was possible."""
        if not len(self.selection):
            return self._refuse("choose the atoms of the new motif first")
        answer = self._on_new_motif(self.selection) if self._on_new_motif else None
        return self._take(self.labelling.with_new_motif(self.selection) if answer is None else answer)

    @refusing
    def merge(self) -> bool:
        """Merge the motifs of the selected atoms; return whether this was possible."""
        motifs = self.selected_motifs
        if len(motifs) < 2:
            return self._refuse("choose atoms of two motifs or more to merge them")
        answer = self._on_merge(motifs) if self._on_merge else None
        return self._take(self.labelling.with_merged(motifs) if answer is None else answer)

    @refusing
    def split(self) -> bool:
        """Split the motif of the selected atoms; return whether this was possible."""
        motifs = self.selected_motifs
        if len(motifs) != 1:
            return self._refuse("choose atoms of one motif to split it")
        answer = self._on_split(motifs[0]) if self._on_split else None
        if answer is None or np.array_equal(_labels_of(answer), self.labelling.labels):
            return self._refuse(f"{self.labelling.names[motifs[0]]} cannot be split")
        return self._take(answer)

    @refusing
    def rename(self, name: str) -> bool:
        """Name the motif of the selected atoms; return whether this was possible."""
        motifs = self.selected_motifs
        if len(motifs) != 1:
            return self._refuse("choose atoms of one motif to name it")
        if self._on_name:
            self._on_name(motifs[0], name)
        self.labelling.rename(motifs[0], name)
        self._relabel()
        return True

    @refusing
    def undo(self) -> bool:
        """Revert the last edit; return whether there was one."""
        if not self.labelling.can_undo:
            return self._refuse("there is nothing to undo")
        answer = self._on_undo() if self._on_undo else None
        self.labelling.undo(_labels_of(answer), answer[1] if isinstance(answer, tuple) else None)
        self._relabel()
        return True

    def close(self) -> None:
        """Disconnect from the figure."""
        for connection in self._connections:
            self.figure.canvas.mpl_disconnect(connection)
        self._connections = []

    def _take(self, answer: Any) -> bool:
        self.labelling.replace(_labels_of(answer), answer[1] if isinstance(answer, tuple) else None)
        self._relabel()
        return True

    def _refuse(self, reason: str) -> bool:
        self._status.set_text(reason)
        self._layer.draw()
        return False

    def _relabel(self) -> None:
        self._draw_labels()
        self._set_status()
        self.figure.canvas.draw_idle()

    # Drawing

    def _draw_labels(self) -> None:
        labels = self.labelling.labels
        for panel in self.atom_panels:
            panel.set_labels(labels)
        self.means_panel.set_labels(labels, self.labelling.names, self.arrays.means(labels))

    def _set_status(self) -> None:
        chosen = self.labelling.labels[self.selection]
        motifs, counts = np.unique(chosen, return_counts=True)
        order = np.argsort(-counts, kind="stable")[:5]
        parts = [f"{self.labelling.names[motifs[i]]} ({counts[i]:,})" for i in order]
        if len(motifs) > len(parts):
            parts.append("…")
        n = len(chosen)
        text = f"{n:,} {'atom' if n == 1 else 'atoms'} chosen: {', '.join(parts)}" if n else "no atom chosen"
        self._status.set_text(text)

    def _moving(self) -> list[Artist]:
        artists = [a for panel in (*self.atom_panels, self.patch_panel) for a in panel.moving]
        return [*artists, self._scale_bar, *self._lasso_lines.values(), self._status]

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
        if self._name_box.capturekeystrokes:
            # Submits the name before the click selects other atoms.
            self._name_box.stop_typing()
        self._name_box.set_active(event.inaxes is self._name_box.ax)
        if event.button != 1:
            return
        place = self._place(event)
        if place is not None:
            self._lasso = (place[0], [(event.x, event.y)])
        elif event.inaxes is self.means_panel.ax and event.xdata is not None and event.ydata is not None:
            motif = self.means_panel.motif_at(event.xdata, event.ydata)
            if motif is not None:
                self.select_motifs([motif], add=_adds(event))

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
            self.select([] if index is None else [index], add=_adds(event))
        else:
            self.select(panel.inside(places), add=_adds(event))

    def _on_key(self, event: KeyEvent) -> None:
        if self._name_box.capturekeystrokes:
            return
        actions: dict[str, Callable[[], object]] = {
            "n": self.new_motif, "m": self.merge, "x": self.split, "u": self.undo, "escape": self.clear,
            "a": lambda: self.select_motifs(self.selected_motifs),
        }  # fmt: skip
        if event.key in actions:
            actions[event.key]()

    def _on_submit(self, text: str) -> None:
        if text.strip():
            self.rename(text.strip())


def _size_of_window() -> tuple[float, float]:
    """Inches of a new figure: a cell of a notebook is narrower than a screen and clips larger figures."""
    backend = mpl.get_backend().lower()
    return (9.4, 6.2) if "ipympl" in backend or backend == "widget" else (12.5, 7.2)


def _labels_of(answer: Any) -> Any:
    """Labels in the result of a callback."""
    return answer[0] if isinstance(answer, tuple) else answer


def _adds(event: MouseEvent) -> bool:
    return "shift" in (event.key or "")
