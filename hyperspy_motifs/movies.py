"""Atoms of a stack in time: tracking, populations and transitions.

The functions use plain arrays: :func:`link_frames` tracks atoms, :func:`count_populations` and
:func:`count_transitions` count. :class:`FollowedUnits` are the atoms, sites, cells or defects of all frames with their births,
deaths and changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import block_array, coo_array, diags_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from scipy.spatial import cKDTree

__all__ = [
    "FollowedUnits",
    "Transitions",
    "count_populations",
    "count_transitions",
    "drift_of_frames",
    "estimate_drift",
    "link_frames",
]

# Largest number of iterations of the drift of a frame.
_ROUNDS = 5
# scipy treats a weight of exactly zero as no edge.
_LEAST_COST = 1e-9


def estimate_drift(before: ArrayLike, after: ArrayLike) -> NDArray[np.float64]:
    """Displacement of a field from one frame to the next, from the positions of its atoms.

    Parameters
    ----------
    before, after : array_like, shape (n, 2), (m, 2)
        x, y of the atoms. A lattice is invariant under its translations: a drift of more than half of the
        nearest-neighbour distance cannot be detected.

    Returns
    -------
    ndarray, shape (2,)
        Median displacement of nearest atoms, subtracted and measured again until convergence.
    """
    old, new = np.asarray(before, float).reshape(-1, 2), np.asarray(after, float).reshape(-1, 2)
    drift = np.zeros(2)
    if not len(old) or not len(new):
        return drift
    tree = cKDTree(new)
    for _ in range(_ROUNDS):
        nearest = tree.query(old + drift)[1]
        step = np.median(new[nearest] - old - drift, axis=0)
        drift = drift + step
        if not step.any():
            break
    return drift


def link_frames(
    positions: ArrayLike,
    frames: ArrayLike,
    reach: float,
    *,
    drift: ArrayLike | str | None = "auto",
    method: str = "assignment",
    memory: int = 0,
) -> NDArray[np.int64]:
    """Number of the track of every atom: atoms of one track are the same atom in several frames.

    Between frames, pairs are chosen that minimise the sum of squared displacements, where an atom without a partner
    has the cost of a displacement by `reach` (linear assignment, as in Jaqaman et al., Nature Methods 5, 695 (2008)).

    Parameters
    ----------
    positions : array_like, shape (n, 2)
        x, y.
    frames : array_like of int, shape (n,)
        Frame of each atom.
    reach : float
        Largest displacement from frame to frame, in the units of the positions, after correction for drift.
    drift : array_like of shape (frames, 2), "auto" or None
        Position of the field in each frame, e.g. from a registration of the images; "auto" estimates it from the
        positions (:func:`estimate_drift`); None means no correction.
    method : {"assignment", "trackpy"}
        "trackpy" links by :func:`trackpy.link` (of the extra ``movies``), which can bridge frames.
    memory : int
        With trackpy: frames for which an atom may be missing.

    Returns
    -------
    ndarray of int64, shape (n,)
        Tracks 0.., numbered in the order of their first frames.

    Raises
    ------
    ValueError
        If `reach` is not positive, the method unknown, or the shapes do not match.
    ImportError
        If trackpy is requested but not installed.
    """
    points, numbers = np.asarray(positions, float).reshape(-1, 2), np.asarray(frames, int)
    if len(points) != len(numbers):
        raise ValueError(
            f"There are {len(points)} positions and {len(numbers)} frames; one frame per atom is expected."
        )
    if not np.isfinite(reach) or reach <= 0:
        raise ValueError(f"reach is {reach:g}; a positive length in the units of the positions is expected.")
    if method not in ("assignment", "trackpy"):
        raise ValueError(f"method is {method!r}; expected 'assignment' or 'trackpy'.")
    if memory and method != "trackpy":
        raise ValueError("memory= needs method='trackpy'.")
    still = points - _places(points, numbers, drift)
    if method == "trackpy":
        return _by_trackpy(still, numbers, reach, memory)
    tracks = np.full(len(points), -1, np.int64)
    n_tracks = 0
    before = np.zeros(0, int)
    for number in range(int(numbers.max(initial=-1)) + 1):
        here = np.flatnonzero(numbers == number)
        old, new = _assign(still[before], still[here], reach)
        tracks[here[new]] = tracks[before[old]]
        fresh = here[tracks[here] < 0]
        tracks[fresh] = n_tracks + np.arange(len(fresh))
        n_tracks += len(fresh)
        before = here
    return tracks


def drift_of_frames(positions: ArrayLike, frames: ArrayLike) -> NDArray[np.float64]:
    """Return the position of the field in each frame, by :func:`estimate_drift` from frame to frame.

    Parameters
    ----------
    positions : array_like, shape (n, 2)
        x, y of the atoms.
    frames : array_like of int, shape (n,)

    Returns
    -------
    ndarray, shape (frames, 2)
        Zero for the first.
    """
    points, numbers = np.asarray(positions, float).reshape(-1, 2), np.asarray(frames, int)
    steps = np.zeros((int(numbers.max(initial=-1)) + 1, 2))
    last: NDArray[np.float64] | None = None
    for number in range(len(steps)):
        now = points[numbers == number]
        if last is not None and len(now):
            steps[number] = estimate_drift(last, now)
        last = now if len(now) else last
    return np.cumsum(steps, axis=0)


def _places(
    points: NDArray[np.float64], numbers: NDArray[np.int64], drift: ArrayLike | str | None
) -> NDArray[np.float64]:
    """Position of the field at every atom, (n, 2)."""
    n_frames = int(numbers.max(initial=-1)) + 1
    if drift is None:
        return np.zeros_like(points)
    if isinstance(drift, str):
        if drift != "auto":
            raise ValueError(f"drift is {drift!r}; expected 'auto', None or an array of shape (frames, 2).")
        places = drift_of_frames(points, numbers)
    else:
        places = np.asarray(drift, float)
        if places.shape != (n_frames, 2):
            raise ValueError(
                f"drift has shape {places.shape}; ({n_frames}, 2) is expected: x, y of every frame."
            )
    return places[numbers]


def _assign(
    before: NDArray[np.float64], after: NDArray[np.float64], reach: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs (indices into `before`, into `after`) of least cost; atoms may stay alone."""
    n, m = len(before), len(after)
    if not n or not m:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    near = cKDTree(before).sparse_distance_matrix(cKDTree(after), reach, output_type="coo_matrix")
    cost = coo_array((near.data**2 / reach**2 + _LEAST_COST, (near.row, near.col)), shape=(n, m))
    # Every atom may be matched with its own dummy; a pair of two dummies has no cost.
    alone = 0.5 + _LEAST_COST
    rest = coo_array((np.full(cost.nnz, _LEAST_COST), (cost.col, cost.row)), shape=(m, n))
    whole = block_array(
        [[cost, diags_array(np.full(n, alone))], [diags_array(np.full(m, alone)), rest]], format="csr"
    )
    rows, columns = min_weight_full_bipartite_matching(whole)
    linked = (rows < n) & (columns < m)
    return rows[linked].astype(np.int64), columns[linked].astype(np.int64)


def _by_trackpy(
    points: NDArray[np.float64], numbers: NDArray[np.int64], reach: float, memory: int
) -> NDArray[np.int64]:
    try:
        import pandas as pd
        import trackpy
    except ImportError as error:
        raise ImportError(
            "method='trackpy' needs trackpy: pip install 'hyperspy_motifs[movies]'. method='assignment' works without it."
        ) from error
    table = pd.DataFrame(
        {"x": points[:, 0], "y": points[:, 1], "frame": numbers, "row": np.arange(len(points))}
    )
    trackpy.quiet()
    linked = trackpy.link(table, search_range=reach, memory=memory).sort_values("row")
    found = linked["particle"].to_numpy()
    order = np.argsort(numbers, kind="stable")
    _, first, inverse = np.unique(found[order], return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    tracks = np.empty(len(points), np.int64)
    tracks[order] = rank[inverse]
    return tracks


@dataclass(frozen=True)
class Transitions:
    """Transitions of the atoms of each motif.

    Attributes
    ----------
    counts : ndarray of int, shape (k, k)
        Atoms of motif i (row) that were motif j (column) `lag` frames later.
    vanished : ndarray of int, shape (k,)
        Atoms of motif i that are missing later, although their position is well inside the frame.
    appeared : ndarray of int, shape (k,)
        Atoms of motif j without a predecessor.
    lag : int
        Number of frames between the two states.
    """

    counts: NDArray[np.int64]
    vanished: NDArray[np.int64]
    appeared: NDArray[np.int64]
    lag: int = 1

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Probability, per `lag` frames, that an atom of motif i becomes motif j (columns) or vanishes (last column),
        (k, k + 1).

        Rows of motifs without a later frame are NaN.
        """
        all_ = np.column_stack([self.counts, self.vanished]).astype(float)
        total = all_.sum(axis=1, keepdims=True)
        return np.divide(all_, total, out=np.full_like(all_, np.nan), where=total > 0)

    @property
    def errors(self) -> NDArray[np.float64]:
        """Standard errors of `probabilities` by counting (Agresti and Coull, The American Statistician 52, 119 (1998))."""
        all_ = np.column_stack([self.counts, self.vanished]).astype(float)
        total = all_.sum(axis=1, keepdims=True) + 4
        share = (all_ + 2) / total
        return np.sqrt(share * (1 - share) / total)


def count_transitions(
    labels: ArrayLike,
    frames: ArrayLike,
    tracks: ArrayLike,
    n_motifs: int,
    *,
    lag: int = 1,
    inside: ArrayLike | None = None,
) -> Transitions:
    """Count what the atoms of each motif are `lag` frames later.

    Parameters
    ----------
    labels, frames, tracks : array_like of int, shape (n,)
        Motif, frame and track of each atom; a track has at most one atom per frame.
    n_motifs : int
    lag : int
    inside : array_like of bool, shape (n,), optional
        Atoms that are counted: far enough from the border that their disc is complete and their position is in the
        other frame as well.

    Returns
    -------
    Transitions

    Raises
    ------
    ValueError
        If `lag` is below 1.
    """
    if lag < 1:
        raise ValueError(f"lag is {lag}; a number of frames of 1 or more is expected.")
    kinds, numbers = np.asarray(labels, int), np.asarray(frames, int)
    lines = np.asarray(tracks, int)
    sure = np.ones(len(kinds), bool) if inside is None else np.asarray(inside, bool)
    later = later_units(numbers, lines, lag)
    found = later >= 0
    counts = np.zeros((n_motifs, n_motifs), np.int64)
    after = later[found]
    counted = sure[found]
    np.add.at(counts, (kinds[found][counted], kinds[after][counted]), 1)
    came_from = np.zeros(len(kinds), bool)
    came_from[after] = True
    gone = sure & ~found & (numbers + lag <= numbers.max(initial=0))
    new = sure & ~came_from & (numbers - lag >= numbers.min(initial=0))
    return Transitions(
        counts,
        np.bincount(kinds[gone], minlength=n_motifs),
        np.bincount(kinds[new], minlength=n_motifs),
        lag,
    )


def later_units(frames: NDArray[np.int64], tracks: NDArray[np.int64], lag: int) -> NDArray[np.int64]:
    """Return the unit of the same track `lag` frames later for each unit, shape (n,); -1 for none."""
    stride = int(frames.max(initial=0)) + 1 + lag
    key = tracks * stride + frames
    order = np.argsort(key)
    place = np.minimum(np.searchsorted(key[order], key + lag), len(key) - 1)
    found = order[place] if len(key) else place
    return np.where(key[found] == key + lag, found, -1)


def count_populations(
    labels: ArrayLike, frames: ArrayLike, n_motifs: int, n_frames: int
) -> NDArray[np.int64]:
    """Return the number of atoms of every motif in every frame, shape (n_frames, n_motifs).

    Parameters
    ----------
    labels, frames : array_like of int, shape (n,)
        Motif and frame of each atom.
    n_motifs, n_frames : int

    Returns
    -------
    (n_frames, n_motifs) int64 array
    """
    flat = np.asarray(frames, int) * n_motifs + np.asarray(labels, int)
    return np.bincount(flat, minlength=n_frames * n_motifs).reshape(n_frames, n_motifs)


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

    def events(self) -> dict[str, np.ndarray]:
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
