"""Canonical cyclic sequences of the motifs around a cell."""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.compilation import INNER, OUTER


class CanonicalSequences(NamedTuple):
    """Canonical sequences of many polygons.

    Attributes
    ----------
    letters : numpy.ndarray of int, shape (v,)
        Concatenated sequences, polygon k at ``offsets[k]:offsets[k + 1]``.
    handedness : numpy.ndarray of int8, shape (m,)
        1: counter-clockwise, -1: clockwise (the mirror image), 0: both are equal.
    start : numpy.ndarray of int, shape (m,)
        First corner of the sequence in the polygon.
    symmetry : numpy.ndarray of int, shape (m,)
        Number of rotations that leave the sequence invariant (1 to n_corners).
    """

    letters: NDArray[np.int64]
    handedness: NDArray[np.int8]
    start: NDArray[np.int64]
    symmetry: NDArray[np.int64]


@nb.njit(cache=True, **INNER)
def _least_rotation(sequence: NDArray[np.int64]) -> int:
    """Start of the lexicographically least rotation (two-pointer form of Booth's algorithm, O(n))."""
    n = len(sequence)
    i, j, k = 0, 1, 0
    while i < n and j < n and k < n:
        a, b = sequence[(i + k) % n], sequence[(j + k) % n]
        if a == b:
            k += 1
            continue
        if a > b:
            i += k + 1
        else:
            j += k + 1
        if i == j:
            j += 1
        k = 0
    return min(i, j)


@nb.njit(cache=True, **OUTER)
def _canonical(
    letters: NDArray[np.int64],
    offsets: NDArray[np.int64],
    out: NDArray[np.int64],
    handedness: NDArray[np.int8],
    start: NDArray[np.int64],
    symmetry: NDArray[np.int64],
) -> None:
    for k in range(len(offsets) - 1):
        begin = offsets[k]
        n = offsets[k + 1] - begin
        sequence = letters[begin : begin + n]
        back = sequence[::-1].copy()
        s, t = _least_rotation(sequence), _least_rotation(back)
        sign = 0
        for c in range(n):
            a, b = sequence[(s + c) % n], back[(t + c) % n]
            if a != b:
                sign = 1 if a < b else -1
                break
        handedness[k] = sign
        start[k] = s if sign >= 0 else n - 1 - t
        for c in range(n):
            out[begin + c] = sequence[(s + c) % n] if sign >= 0 else back[(t + c) % n]
        for period in range(1, n + 1):
            if n % period:
                continue
            same = True
            for c in range(n):
                if out[begin + c] != out[begin + (c + period) % n]:
                    same = False
                    break
            if same:
                symmetry[k] = n // period
                break


def canonical_sequences(letters: NDArray[np.integer], offsets: NDArray[np.integer]) -> CanonicalSequences:
    """Least rotation of each cyclic sequence, over both directions.

    Two polygons have the same canonical sequence exactly when a rotation or reflection takes one's cyclic sequence
    into the other's; the handedness distinguishes the two.

    Parameters
    ----------
    letters : numpy.ndarray of int, shape (v,)
        Letters of all sequences, counter-clockwise.
    offsets : numpy.ndarray of int, shape (m + 1,)
        Start of each sequence.

    Returns
    -------
    CanonicalSequences
    """
    spelled: NDArray[np.int64] = np.ascontiguousarray(letters, dtype=np.int64)
    begins: NDArray[np.int64] = np.ascontiguousarray(offsets, dtype=np.int64)
    m = len(begins) - 1
    out = np.empty_like(spelled)
    handedness = np.zeros(m, dtype=np.int8)
    start = np.zeros(m, dtype=np.int64)
    symmetry = np.ones(m, dtype=np.int64)
    _canonical(spelled, begins, out, handedness, start, symmetry)
    return CanonicalSequences(out, handedness, start, symmetry)


def sequence_ids(
    letters: NDArray[np.integer], offsets: NDArray[np.integer]
) -> tuple[NDArray[np.int64], list[tuple[int, ...]]]:
    """Number the distinct sequences, shortest first, then in lexicographic order.

    Returns
    -------
    ids : numpy.ndarray of int, shape (m,)
    sequences : list of tuple of int
    """
    m = len(offsets) - 1
    ids = np.zeros(m, dtype=np.int64)
    sequences: list[tuple[int, ...]] = []
    sizes = np.diff(offsets)
    for size in np.unique(sizes):
        members = np.flatnonzero(sizes == size)
        rows = letters[offsets[members][:, None] + np.arange(size)]
        first, inverse = distinct_rows(rows)
        ids[members] = inverse + len(sequences)
        sequences.extend(tuple(int(x) for x in rows[k]) for k in first)
    return ids, sequences


def distinct_rows(rows: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First occurrence of each distinct row, in lexicographic order, and the index of the distinct row of each row.

    Like ``np.unique(rows, axis=0)``; rows of small numbers are packed into one integer, which sorts ten times
    faster.
    """
    low = rows.min(axis=0)
    span = (rows.max(axis=0) - low + 1).astype(np.float64)
    if np.log2(span).sum() < 62:
        key = np.zeros(len(rows), dtype=np.int64)
        for column, width, least in zip(rows.T, span.astype(np.int64), low, strict=True):
            key = key * width + (column - least)
        _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    else:
        _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    return first, inverse.reshape(-1)
