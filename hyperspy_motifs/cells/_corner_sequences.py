"""Canonical cyclic sequences of the motifs around a cell."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


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


def _canonical(sequence: tuple[int, ...]) -> tuple[tuple[int, ...], int, int, int]:
    """Least rotation of one sequence over both directions, its handedness, first corner and symmetry."""
    n = len(sequence)
    if n == 0:
        return (), 0, 0, 1
    forth, back = sequence + sequence, sequence[::-1] + sequence[::-1]
    s = min(range(n), key=lambda i: forth[i : i + n])
    t = min(range(n), key=lambda i: back[i : i + n])
    ahead, behind = forth[s : s + n], back[t : t + n]
    least = min(ahead, behind)
    handedness = (behind > ahead) - (ahead > behind)
    twice = least + least
    period = next(p for p in range(1, n + 1) if n % p == 0 and twice[p : p + n] == least)
    return least, handedness, s if handedness >= 0 else n - 1 - t, n // period


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
    ids, sequences = sequence_ids(letters, offsets)
    found = [_canonical(sequence) for sequence in sequences]
    m = len(offsets) - 1
    numbers = np.array([(h, s, n) for _, h, s, n in found], dtype=np.int64).reshape(-1, 3)[ids]
    spelled = [np.array(least, dtype=np.int64) for least, *_ in found]
    out = np.concatenate([spelled[k] for k in ids]) if m else np.zeros(0, dtype=np.int64)
    return CanonicalSequences(out, numbers[:, 0].astype(np.int8), numbers[:, 1], numbers[:, 2])


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
