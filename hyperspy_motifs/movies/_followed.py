"""Atoms, sites, cells or defects of a stack, followed from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._movies import Transitions, count_transitions, later_units

#: State of a unit that does not exist.
NONE = "none"


@dataclass(frozen=True)
class FollowedUnits:
    """Units of all frames of a stack, and which of them are the same one.

    Attributes
    ----------
    what : str
        "atoms", "sites", "cells" or "defects".
    states : tuple of str
        What a unit can be: motifs, "empty" for sites, classes of cells, kinds of defects.
    positions : ndarray, shape (n, 2)
        x, y in axis units.
    frames, tracks, labels : ndarray of int, shape (n,)
        Frame, track and state of each unit; a track has at most one unit in a frame.
    inside : ndarray of bool, shape (n,)
        Far enough from the border to be seen in the next frame as well.
    """

    what: str
    states: tuple[str, ...]
    positions: NDArray[np.float64]
    frames: NDArray[np.int64]
    tracks: NDArray[np.int64]
    labels: NDArray[np.int64]
    inside: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        events = self.events()
        born, gone = (int((events[side] == NONE).sum()) for side in ("before", "after"))
        changed = len(events["frame"]) - born - gone
        return (
            f"<{len(np.unique(self.tracks))} {self.what} in {len(np.unique(self.frames))} frames: "
            f"{born} births, {gone} deaths, {changed} changes>"
        )

    def transitions(self, lag: int = 1) -> Transitions:
        """Count what the units of each state are `lag` frames later (:func:`count_transitions`)."""
        return count_transitions(
            self.labels, self.frames, self.tracks, len(self.states), lag=lag, inside=self.inside
        )

    def events(self) -> dict[str, NDArray[Any]]:
        """Births, deaths and changes from one frame to the next, of units well inside the field.

        Returns
        -------
        dict of ndarray, shape (events,)
            Columns for ``pandas.DataFrame``: ``frame`` (that after the event), ``track``, ``x`` and ``y`` of the unit (before
            its death), ``before`` and ``after``: its states, "none" before a birth and after a death.
        """
        after = later_units(self.frames, self.tracks, 1)
        before = np.full(len(self), -1)
        before[after[after >= 0]] = np.flatnonzero(after >= 0)
        changed = self.inside & (after >= 0) & (self.labels != self.labels[after])
        gone = self.inside & (after < 0) & (self.frames < self.frames.max(initial=0))
        born = self.inside & (before < 0) & (self.frames > self.frames.min(initial=0))
        later = after[changed]
        rows = np.concatenate([np.flatnonzero(born), np.flatnonzero(gone), later])
        state = np.append(np.array(self.states, dtype=object), NONE)
        absent = len(self.states)
        was = np.concatenate([np.full(born.sum(), absent), self.labels[gone], self.labels[changed]])
        is_now = np.concatenate([self.labels[born], np.full(gone.sum(), absent), self.labels[later]])
        frames = self.frames[rows] + np.repeat([0, 1, 0], [born.sum(), gone.sum(), len(later)])
        order = np.lexsort((self.tracks[rows], frames))
        x, y = self.positions[rows[order]].T
        return {
            "frame": frames[order], "track": self.tracks[rows[order]], "x": x, "y": y,
            "before": state[was[order]].astype(str), "after": state[is_now[order]].astype(str),
        }  # fmt: skip
