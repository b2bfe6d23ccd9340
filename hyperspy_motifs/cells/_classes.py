"""Classes of cells: by shape, and by the sequence of their corners."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.common import distinct_rows

from ._constants import CONSTANTS
from ._shapes import affine_strain, align_to_mean, lay_on_mean, shape_moments, shape_name, split_by_gap


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
        first, inverse, _ = distinct_rows(rows)
        ids[members] = inverse + len(sequences)
        sequences.extend(tuple(int(x) for x in rows[k]) for k in first)
    return ids, sequences


class ClassTable(NamedTuple):
    """Result of :func:`classify`; attributes as in :class:`~hyperspy_motifs.cells.Cells`."""

    centres: NDArray[np.float64]
    labels: NDArray[np.int64]
    handedness: NDArray[np.int8]
    orientation: NDArray[np.float64]
    strain: NDArray[np.float64]
    class_corner_sequences: NDArray[np.int64]
    class_offsets: NDArray[np.int64]
    class_shapes: list[str]
    class_centre_atoms: NDArray[np.int64]
    class_symmetry: NDArray[np.int64]


def classify(
    points: NDArray[np.float64],
    letters: NDArray[np.int64],
    doubt: NDArray[np.bool_],
    vertices: NDArray[np.int64],
    offsets: NDArray[np.int64],
    centre_atoms: NDArray[np.int64],
) -> ClassTable:
    """Sort polygons into classes of (corners, canonical sequence, centre atom's motif, shape), the most frequent first.

    `letters` (n,) are the motifs of the points, uncertain where `doubt` (n,), and `centre_atoms` (m,) the point inside each
    polygon, or -1.
    """
    m = len(offsets) - 1
    if m == 0:
        none = np.zeros(0, dtype=np.int64)
        return ClassTable(
            np.zeros((0, 2)), none, np.zeros(0, dtype=np.int8), np.zeros(0), np.zeros((0, 3)),
            none, np.zeros(1, dtype=np.int64), [], none, none,
        )  # fmt: skip
    sizes = np.diff(offsets)
    spelled = _settled_letters(letters, doubt, vertices, offsets)
    sequences = canonical_sequences(spelled, offsets)
    sequence, _ = sequence_ids(sequences.letters, offsets)
    centres = np.add.reduceat(points[vertices], offsets[:-1], axis=0) / sizes[:, None]
    occupied = np.where(centre_atoms >= 0, letters[centre_atoms], -1)
    corners = _canonical_corners(points, vertices, offsets, centres, sequences)
    shape = _shape_groups(corners, sizes)
    key = np.column_stack([sequence, occupied, shape])
    first, inverse, _ = distinct_rows(key)
    count = np.bincount(inverse)
    # Most frequent first; among equally frequent ones fewer corners, then the lower sequence.
    order = np.argsort(-count, kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    labels = rank[inverse]
    first = first[order]
    orientation, strain, names, symmetry = _within_classes(corners, sizes, labels, sequences, len(order))
    class_sizes = sizes[first]
    class_offsets = np.r_[0, np.cumsum(class_sizes)].astype(np.int64)
    index = np.repeat(offsets[:-1][first] - class_offsets[:-1], class_sizes) + np.arange(class_offsets[-1])
    return ClassTable(
        centres, labels, sequences.handedness, orientation, strain, sequences.letters[index], class_offsets,
        _distinct_names(names, key[first, :2]), key[first, 1], symmetry,
    )  # fmt: skip


def _settled_letters(
    letters: NDArray[np.int64],
    doubt: NDArray[np.bool_],
    vertices: NDArray[np.int64],
    offsets: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Letters of all corners, with uncertain ones chosen for the most frequent sequence of certain corners."""
    spelled = letters[vertices].copy()
    unsure = doubt[vertices]
    if not unsure.any():
        return spelled
    has_doubt = np.logical_or.reduceat(unsure, offsets[:-1])
    sequences = canonical_sequences(spelled, offsets)
    ids, names = sequence_ids(sequences.letters, offsets)
    count = np.bincount(ids[~has_doubt], minlength=len(names))
    known = np.argsort(-count, kind="stable")
    known = known[count[known] > 0]
    by_size: dict[int, list[tuple[int, ...]]] = {}
    for k in known:
        by_size.setdefault(len(names[k]), []).append(names[k])
    turned: dict[int, NDArray[np.int64]] = {}
    for size, group in by_size.items():
        rows = np.array(group)
        turn = (np.arange(size)[None, :] + np.arange(size)[:, None]) % size
        # Every sequence in all its rotations and reflections, the most frequent sequence first.
        turned[size] = np.concatenate([rows[:, turn], rows[:, ::-1][:, turn]], axis=1).reshape(-1, size)
    for cell in np.flatnonzero(has_doubt):
        part = slice(offsets[cell], offsets[cell + 1])
        candidates = turned.get(int(offsets[cell + 1] - offsets[cell]))
        if candidates is None:
            continue
        fits = ((candidates == spelled[part]) | unsure[part]).all(axis=1)
        if fits.any():
            spelled[part] = candidates[int(fits.argmax())]
    return spelled


def _canonical_corners(
    points: NDArray[np.float64],
    vertices: NDArray[np.int64],
    offsets: NDArray[np.int64],
    centres: NDArray[np.float64],
    sequences: CanonicalSequences,
) -> NDArray[np.complex128]:
    """Corners about their mean as complex numbers, in the order of the canonical sequence, shape (v,).

    Cells of handedness -1 are mirrored (y reversed), so that all cells of a class have the same direction.
    """
    sizes = np.diff(offsets)
    cell = np.repeat(np.arange(len(sizes)), sizes)
    k = np.arange(len(vertices)) - offsets[:-1][cell]
    back = (sequences.handedness == -1)[cell]
    k = (sequences.start[cell] + np.where(back, -k, k)) % sizes[cell]
    xy = points[vertices[offsets[:-1][cell] + k]] - centres[cell]
    return xy[:, 0] + 1j * np.where(back, -xy[:, 1], xy[:, 1])


def _shape_groups(corners: NDArray[np.complex128], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Shape of each polygon among those of equal size, shape (m,)."""
    offsets = np.r_[0, np.cumsum(sizes)]
    group = np.zeros(len(sizes), dtype=np.int64)
    for size in np.unique(sizes):
        members = np.flatnonzero(sizes == size)
        rows = corners[offsets[members][:, None] + np.arange(size)]
        group[members] = split_by_gap(shape_moments(rows))
    return group


def _within_classes(
    corners: NDArray[np.complex128],
    sizes: NDArray[np.int64],
    labels: NDArray[np.int64],
    sequences: CanonicalSequences,
    n_classes: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str], NDArray[np.int64]]:
    """Orientation (m,) and strain (m, 3) of each cell relative to the mean of its class; name of the shape of that
    mean, and the order of its rotational symmetry.
    """
    offsets = np.r_[0, np.cumsum(sizes)]
    orientation, strain = np.zeros(len(sizes)), np.zeros((len(sizes), 3))
    names: list[str] = []
    symmetry = np.ones(n_classes, dtype=np.int64)
    order = np.argsort(labels, kind="stable")
    ends = np.cumsum(np.bincount(labels, minlength=n_classes))
    for k in range(n_classes):
        members = order[(ends[k - 1] if k else 0) : ends[k]]
        size = int(sizes[members[0]])
        rows = corners[offsets[members][:, None] + np.arange(size)]
        repeat = int(sequences.symmetry[members[0]])
        shifts = np.arange(repeat) * (size // repeat)
        achiral = sequences.handedness[members[0]] == 0
        mean, shift, mirrored, angle = align_to_mean(rows, shifts, bool(achiral))
        flip = mirrored ^ (sequences.handedness[members] == -1)
        tensor = affine_strain(mean, lay_on_mean(rows, shift, mirrored))
        tensor[flip, 2] *= -1
        strain[members] = tensor
        turned = np.where(flip, -angle, angle)
        symmetry[k] = _symmetry_order(mean, shifts)
        orientation[members] = _least_angle(turned, int(symmetry[k]))
        names.append(shape_name(mean))
    return orientation, strain, names, symmetry


def _symmetry_order(mean: NDArray[np.complexfloating], shifts: NDArray[np.integer]) -> int:
    """Rotations that leave the sequence and, approximately, the mean polygon invariant."""
    n = len(mean)
    index = (np.arange(n)[None, :] + shifts[:, None]) % n
    overlap = np.abs(mean[index] @ mean.conj()) / float(np.sum(np.abs(mean) ** 2))
    return int(np.sum(overlap > 1 - CONSTANTS.largest_turned**2 / 2 * n))


def _least_angle(angle: NDArray[np.floating], order: int) -> NDArray[np.floating]:
    """Angle modulo a full turn over `order`, of least magnitude."""
    period = 2 * np.pi / max(order, 1)
    return angle - period * np.round(angle / period)


def _distinct_names(names: list[str], keys: NDArray[np.int64]) -> list[str]:
    """Shape names; a number distinguishes classes with the same sequence, centre atom and name."""
    seen: dict[tuple[int, int, str], int] = {}
    out = []
    for name, (sequence, centre_atom) in zip(names, keys.tolist(), strict=True):
        count = seen.get((sequence, centre_atom, name), 0) + 1
        seen[(sequence, centre_atom, name)] = count
        out.append(name if count == 1 else f"{name} {count}")
    return out
