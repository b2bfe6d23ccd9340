"""What an explorer shows, has selected and edits: everything but the drawing."""

from __future__ import annotations

import csv
import io
import sys
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import ConvexHull

from ._explored_frame import ExploredFrame, carried_identities, rows_where

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal
    from matplotlib.figure import Figure

    from ._motifs import Motifs


@dataclass(frozen=True)
class Step:
    """The motifs before or after an edit: fields of their record that edits change, identities and colours."""

    text: str
    record: dict[str, Any]
    ids: np.ndarray
    colours: dict[int, str]


class ExplorerState(ExploredFrame):
    """Selection, visible motifs, radius, frame, values, filter and edits of an explorer, without any drawing.

    Views register with :meth:`observe` and read the attributes. Edits are applied to the motifs at once, all of them can be
    undone and redone, and an edit that is impossible raises a ValueError and changes nothing. Atoms are numbered within
    the frame, from 0; :attr:`numbers` gives their rows in ``motifs.positions``, and the other attributes of
    :class:`ExploredFrame` what is known of them.

    Parameters
    ----------
    motifs : Motifs
    frame : int, optional
        Flat index of the frame of a stack (C order of the navigation shape).

    Attributes
    ----------
    motifs : Motifs
    selection : numpy.ndarray of int
        Sorted numbers of the selected atoms.
    colours : dict of int to str
        Colour that was given to an identity, as hexadecimal RGB.
    message : str
        The last message to the user, such as the reason of a refused edit.

    Raises
    ------
    ValueError
        If the frame has no atoms.
    """

    def __init__(self, motifs: Motifs, frame: int = 0) -> None:
        self.colours: dict[int, str] = {}
        self.message = ""
        self.selection = np.empty(0, dtype=np.intp)
        self._observers: list[Callable[[str], None]] = []
        self._done: list[Step] = []
        self._undone: list[Step] = []
        self._hidden: set[int] = set()
        self._condition = ""
        self._colour_by = "motif"
        super().__init__(motifs, frame)
        axes = motifs.signal.axes_manager
        if axes.navigation_dimension:
            axes.events.indices_changed.connect(self._follow_navigator, [])

    # ------------------------------------------------------------------ observers

    def observe(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Call `callback` after every change; return a function that ends this.

        The callback gets what has changed: "selection", "shown", "labels" (with everything that depends on them),
        "values", "frame", or "message".
        """
        self._observers.append(callback)
        return lambda: self._observers.remove(callback)

    def _tell(self, change: str) -> None:
        for callback in list(self._observers):
            callback(change)

    def attempt(self, action: Callable[..., object], *arguments: object) -> bool:
        """Call an action of this state; if it is refused, put the reason into `message` and return False."""
        try:
            action(*arguments)
        except ValueError as error:
            self.say(str(error))
            return False
        return True

    def say(self, message: str) -> None:
        """Set the message to the user."""
        self.message = message
        self._tell("message")

    # ------------------------------------------------------------------ frame, radius, atoms

    @property
    def frame(self) -> int:
        """Flat index of the shown frame; HyperSpy's navigator follows it, and it follows the navigator."""
        return self._frame

    @frame.setter
    def frame(self, frame: int) -> None:
        if int(frame) == self._frame:
            return
        self._enter(int(frame))
        axes = self.motifs.signal.axes_manager
        if axes.navigation_dimension:
            axes.indices = np.unravel_index(self._frame, axes.navigation_shape[::-1])[::-1]
        self.selection = self.selection[:0]
        self._tell("frame")

    def _follow_navigator(self) -> None:
        axes = self.motifs.signal.axes_manager
        frame = int(np.ravel_multi_index(axes.indices[::-1], axes.navigation_shape[::-1]))
        if frame != self._frame:
            self.attempt(lambda: setattr(self, "frame", frame))

    @property
    def radius(self) -> float:
        """Radius whose motifs are shown, one of ``motifs.radii``; edits need that of ``motifs.labels``."""
        return self._radius

    @radius.setter
    def radius(self, radius: float) -> None:
        self.motifs.labels_at(radius)  # raises an error for another radius
        if not np.isclose(radius, self._radius):
            self._radius = float(radius)
            self._read()
            self._tell("labels")

    # ------------------------------------------------------------------ values

    @property
    def value_names(self) -> list[str]:
        """Names of the columns that atoms can be coloured by; the first is "motif"."""
        skipped = ("motif", "frame", "number")
        numeric = [k for k, v in self.columns.items() if v.dtype.kind in "fiub" and k not in skipped]
        return ["motif", *numeric]

    @property
    def colour_by(self) -> str:
        """Name of the column whose values are shown in colour."""
        return self._colour_by

    @colour_by.setter
    def colour_by(self, name: str) -> None:
        if name not in self.value_names:
            raise ValueError(f"There is no value {name!r}; there are {', '.join(self.value_names)}.")
        self._colour_by = name
        self._tell("values")

    @property
    def values(self) -> np.ndarray:
        """Value of each atom that is shown in colour, shape (n,)."""
        # The columns of many atoms take time, and a motif is known without them.
        values = self.labels if self._colour_by == "motif" else self.columns[self._colour_by]
        return np.asarray(values, dtype=float)

    # ------------------------------------------------------------------ what is shown

    @property
    def condition(self) -> str:
        """Condition in words that shown atoms fulfil, such as ``probability < 0.9 and motif == 2``; "" for all."""
        return self._condition

    @condition.setter
    def condition(self, text: str) -> None:
        if text.strip():
            rows_where(text, self.columns)  # raises an error before anything changes
        self._condition = text.strip()
        self._forget("shown")
        self._tell("shown")

    def show_motifs(self, motifs: Iterable[int] | None = None) -> None:
        """Show only the given motifs; all by default."""
        wanted = set(range(len(self.ids))) if motifs is None else {int(k) for k in motifs}
        self._hidden = {int(self.ids[k]) for k in range(len(self.ids)) if k not in wanted}
        self._forget("shown")
        self._tell("shown")

    @property
    def visible_motifs(self) -> list[int]:
        """Numbers of the motifs that are not hidden."""
        return [k for k, identity in enumerate(self.ids.tolist()) if identity not in self._hidden]

    @cached_property
    def shown(self) -> np.ndarray:
        """Whether each atom is shown: its motif is visible and the condition holds, shape (n,)."""
        shown = np.isin(self.labels, self.visible_motifs)
        return shown & rows_where(self._condition, self.columns) if self._condition else shown

    # ------------------------------------------------------------------ selection

    def select(self, atoms: ArrayLike, *, add: bool = False) -> None:
        """Select atoms by their numbers within the frame; with `add` besides those that are selected."""
        chosen = np.unique(np.asarray(atoms, dtype=np.intp))
        if chosen.size and not 0 <= chosen[0] <= chosen[-1] < self.n_atoms:
            raise ValueError(f"There is no atom {chosen[-1]}; numbers of {self.n_atoms} atoms start at 0.")
        self.selection = np.union1d(self.selection, chosen) if add else chosen
        self.message = ""
        self._tell("selection")

    def select_motifs(self, motifs: Iterable[int], *, add: bool = False) -> None:
        """Select the shown atoms of motifs."""
        self.select(np.flatnonzero(np.isin(self.labels, list(motifs)) & self.shown), add=add)

    def select_shown(self) -> None:
        """Select all shown atoms."""
        self.select(np.flatnonzero(self.shown))

    def find(self, number: int | str) -> None:
        """Select the atom of a row in ``motifs.positions``; its frame is shown."""
        frames = self.motifs.frames
        if not str(number).strip().isdecimal() or int(number) >= len(frames):
            raise ValueError(f"There is no atom {number}; atoms are 0 to {len(frames) - 1}.")
        self.frame = int(frames[int(number)])
        self.select(np.searchsorted(self.numbers, [int(number)]))

    def step(self, right: int, down: int) -> None:
        """Select the next shown atom in a direction of the image, within 45 degrees; at first that nearest to the centre."""
        rows = np.flatnonzero(self.shown)
        if not len(rows):
            raise ValueError("No atom is shown: show all motifs, or change the condition.")
        if len(self.selection) != 1:
            distance = np.linalg.norm(self.positions[rows] - self.positions[rows].mean(axis=0), axis=1)
        else:
            across, along = (self.positions[rows] - self.positions[self.selection]).T * np.sign(
                self.extent[0]
            )[:, None]
            if right:
                across, along = along, across
            along = along * (right + down)
            distance = np.where(along > np.abs(across), np.hypot(along, across), np.inf)
        if not np.isfinite(distance).any():
            raise ValueError("There is no atom on this side.")
        self.select([rows[np.argmin(distance)]])

    @property
    def selected_motifs(self) -> list[int]:
        """Motifs of the selected atoms."""
        return np.unique(self.labels[self.selection]).tolist()

    def describe(self) -> list[str]:
        """A paragraph on each motif of the selected atoms, on all motifs if none is selected: ``motifs.describe``."""
        if not self.is_chosen_radius:
            raise ValueError(
                f"Motifs are described at radius {self.motifs.radius:g}, but those at {self._radius:g} are shown: "
                "go back first."
            )
        found = self.motifs.describe()
        return [found[k].text for k in self.selected_motifs or range(len(found))]

    @property
    def status(self) -> str:
        """The message, or what is selected in words."""
        if self.message:
            return self.message
        motifs, n = np.unique(self.labels[self.selection], return_counts=True)
        order = np.argsort(-n, kind="stable")[:5]
        parts = [f"{self.names[motifs[i]]} ({n[i]:,})" for i in order]
        if len(motifs) > len(parts):
            parts.append("…")
        total = len(self.selection)
        if not total:
            return "no atom selected"
        if total == 1:
            return f"selected: {self.about(int(self.selection[0]))}"
        return f"{total:,} atoms selected: {', '.join(parts)}"

    def about(self, atom: int) -> str:
        """Number, motif, probability, height and place of an atom, and why it deserves a look, as far as that is known."""
        (x, y), height = self.positions[atom], self.columns.get("amplitude")
        parts = [
            f"atom {self.numbers[atom]}, motif {self.names[self.labels[atom]]}",
            f"probability {self.probabilities[atom]:.3f}",
            *([] if height is None else [f"height {height[atom]:.4g}"]),
            f"x {x:.4g}, y {y:.4g} {self.motifs.units}",
        ]
        # The reasons of many atoms take time, and are known once a view has asked for them.
        why = self.__dict__.get("reasons", [""] * self.n_atoms)[atom]
        return ", ".join(parts) + (f"; {why}" if why else "")

    # ------------------------------------------------------------------ edits

    def new_motif(self) -> None:
        """Make the selected atoms a motif."""
        if not len(self.selection):
            raise ValueError("Select the atoms of the new motif first.")
        labels = self.motifs.labels.copy()
        labels[self.numbers[self.selection]] = self.motifs.n_motifs
        self._edit(f"new motif of {len(self.selection)} atoms", lambda: self.motifs.relabel(labels))

    def merge(self) -> None:
        """Merge the motifs of the selected atoms."""
        chosen = self.selected_motifs
        if len(chosen) < 2:
            raise ValueError("Select atoms of two motifs or more to merge them.")
        self._edit(f"merge {', '.join(self.names[k] for k in chosen)}", lambda: self.motifs.merge(chosen))

    def split(self) -> None:
        """Split the motif of the selected atoms."""
        motif = self._one("split")
        self._edit(f"split {self.names[motif]}", lambda: self.motifs.split(motif))

    def rename(self, name: str, motif: int | None = None) -> None:
        """Name a motif; by default that of the selected atoms."""
        chosen = self._one("name") if motif is None else int(motif)
        if not name.strip():
            raise ValueError("The name of a motif is empty; expected a text such as Mo.")
        if name.strip() == self.names[chosen]:
            return
        self._edit(f"name {self.names[chosen]} {name}", lambda: self.motifs.relabel({chosen: name.strip()}))

    def recolour(self, colour: str, motif: int | None = None) -> None:
        """Give a motif a colour ("#rrggbb") in the views; by default that of the selected atoms."""
        chosen = self._one("colour") if motif is None else int(motif)
        given = {**self.colours, int(self.ids[chosen]): colour}
        self._edit(f"colour {self.names[chosen]}", lambda: setattr(self, "colours", given))

    def _one(self, purpose: str) -> int:
        chosen = self.selected_motifs
        if len(chosen) != 1:
            raise ValueError(f"Select atoms of one motif to {purpose} it.")
        return int(chosen[0])

    def _edit(self, text: str, action: Callable[[], object]) -> None:
        if not self.is_chosen_radius:
            raise ValueError(
                f"Edits change the motifs at radius {self.motifs.radius:g}, but those at {self._radius:g} are shown: "
                "go back first."
            )
        before = self._step(text)
        old = self.motifs.labels
        action()
        new = self.motifs.labels
        if new is not old:
            self._chosen_ids = carried_identities(old, self._chosen_ids, new)
        self._done.append(before)
        self._undone.clear()
        self._edited()

    def _step(self, text: str) -> Step:
        record = self.motifs._refresh()
        kept = ("labels", "probabilities", "names", "cells")
        fields = {name: getattr(record, name) for name in kept}
        return Step(text, fields, self._chosen_ids, dict(self.colours))

    def _edited(self) -> None:
        self.message = ""
        self._read()
        self._tell("labels")

    @property
    def history(self) -> list[str]:
        """Edits that can be undone, the first one first."""
        return [step.text for step in self._done]

    @property
    def undone(self) -> list[str]:
        """Edits that can be made again, the next one first."""
        return [step.text for step in reversed(self._undone)]

    def undo(self) -> None:
        """Revert the last edit."""
        if not self._done:
            raise ValueError("There is nothing to undo.")
        self._return_to(self._done, self._undone)

    def redo(self) -> None:
        """Make the last reverted edit again."""
        if not self._undone:
            raise ValueError("There is nothing to redo.")
        self._return_to(self._undone, self._done)

    def _return_to(self, source: list[Step], other: list[Step]) -> None:
        record, step = self.motifs._refresh(), source[-1]
        if len(record.labels) != len(step.record["labels"]):
            raise ValueError("The image has other atoms than before this edit. Open the explorer again.")
        source.pop()
        other.append(self._step(step.text))
        self.motifs.edit._write(replace(record, **step.record), has_cells=True)
        self._chosen_ids, self.colours = step.ids, step.colours
        self._edited()

    # ------------------------------------------------------------------ results

    def _chosen(self) -> np.ndarray:
        """The selected atoms; all shown ones if none is selected."""
        return self.selection if len(self.selection) else np.flatnonzero(self.shown)

    def to_text(self, delimiter: str = "\t") -> str:
        """Table of the selected atoms (all shown ones if none is selected), for a spreadsheet."""
        rows = self._chosen()
        text = io.StringIO()
        writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(zip(*(values[rows].tolist() for values in self.columns.values()), strict=True))
        return text.getvalue()

    def to_csv(self, path: str | PathLike[str]) -> Path:
        """Write the table of :meth:`to_text` as comma-separated values, UTF-8."""
        Path(path).write_text(self.to_text(","), encoding="utf-8")
        return Path(path)

    def to_roi(self) -> Any:
        """The convex hull of the selected atoms, half a nearest-neighbour distance wider, as a HyperSpy ``PolygonROI``."""
        import hyperspy.api as hs

        if not len(self.selection):
            raise ValueError("Select the atoms of the region first.")
        turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        disc = 0.5 * self.spacing * np.column_stack([np.cos(turn), np.sin(turn)])
        points = (self.positions[self.selection][:, None] + disc).reshape(-1, 2)
        return hs.roi.PolygonROI(vertices=[tuple(p) for p in points[ConvexHull(points).vertices].tolist()])

    def subset(self) -> BaseSignal:
        """The selected atoms (all shown ones if none is selected) as motifs: ``motifs.subset``."""
        return self.motifs.subset(self.numbers[self._chosen()])

    def save(self, path: str | PathLike[str]) -> Path:
        """Save the image with its motifs (``.hspy``, ``.zspy``); an existing file is not overwritten."""
        if Path(path).exists():
            raise ValueError(f"{path} exists already: give another name, or remove it.")
        self.motifs.signal.save(str(path))
        return Path(path)

    def close(self) -> None:
        """Stop following HyperSpy's navigator, and forget the observers."""
        events = self.motifs.signal.axes_manager.events.indices_changed
        if self._follow_navigator in events.connected:
            events.disconnect(self._follow_navigator)
        self._observers.clear()


def is_in_notebook() -> bool:
    """Whether this is Jupyter, and matplotlib draws still pictures in it."""
    import matplotlib as mpl

    # Jupyter has imported it; elsewhere it may be missing.
    ipython = sys.modules.get("IPython")
    kernel = ipython is not None and hasattr(ipython.get_ipython(), "kernel")
    backend = mpl.get_backend().lower()
    return kernel and (backend == "agg" or backend.endswith("inline"))


def open_explorer(motifs: Motifs, frame: int, view: str, figure: Figure | None) -> Any:
    """Open the explorer of motifs, in the notebook or in a window."""
    from hyperspy_motifs.draw import Explorer, open_notebook_explorer

    if view not in ("auto", "notebook", "window"):
        raise ValueError(f'view is {view!r}; expected "auto", "notebook" or "window".')
    state = ExplorerState(motifs, frame)
    if view == "notebook" or (view == "auto" and figure is None and is_in_notebook()):
        try:
            return open_notebook_explorer(state)
        except ImportError as error:
            if view == "notebook":
                raise
            warnings.warn(str(error), UserWarning, stacklevel=3)
    return Explorer(state, figure=figure)
