from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


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
    stride = int(numbers.max(initial=0)) + 1 + lag
    key = lines * stride + numbers
    order = np.argsort(key)
    place = np.searchsorted(key[order], key + lag)
    found = np.zeros(len(key), bool)
    within = place < len(key)
    found[within] = key[order][place[within]] == key[within] + lag
    counts = np.zeros((n_motifs, n_motifs), np.int64)
    after = order[place[found]]
    counted = sure[found]
    np.add.at(counts, (kinds[found][counted], kinds[after][counted]), 1)
    came_from = np.zeros(len(key), bool)
    came_from[after] = True
    gone = sure & ~found & (numbers + lag <= numbers.max(initial=0))
    new = sure & ~came_from & (numbers - lag >= numbers.min(initial=0))
    return Transitions(
        counts,
        np.bincount(kinds[gone], minlength=n_motifs),
        np.bincount(kinds[new], minlength=n_motifs),
        lag,
    )
