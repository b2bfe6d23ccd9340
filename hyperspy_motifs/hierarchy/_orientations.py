"""Orientations of cells: the rotation of each cell relative to the cells of its class, or of the class of which it is
a variant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["CellOrientations", "cell_orientations"]

#: A class below this frequency is not a separate phase, but may be a variant of one.
_LEAST_SHARE = 0.01
_LEAST_CELLS = 5
#: ... if its frequency relative to that of the phase is at most this.
_RARE = 0.3
#: Largest share of the corners of a variant with another motif than in its class.
_MOST_ODD = 0.2


@dataclass(frozen=True)
class CellOrientations:
    """Class and orientation of the cells; those with a deviating corner are assigned to the original class.

    Attributes
    ----------
    parent : numpy.ndarray of int, shape (m,)
        Class of the cell, or the common class that it is a variant of; -1 for neither.
    phase : numpy.ndarray of complex, shape (m,)
        ``exp(i r t)`` for a cell rotated by ``t``, where ``r`` is the order of its rotational symmetry.
    order : numpy.ndarray of int, shape (m,)
        That order.
    odd : numpy.ndarray of int, shape (m,)
        Number of corners of another motif than in the class.
    kind : numpy.ndarray of int, shape (m,)
        Cells of one class, one handedness and similar orientation are of one kind; -1 for no class.
    """

    parent: np.ndarray
    phase: np.ndarray
    order: np.ndarray
    odd: np.ndarray
    kind: np.ndarray


def cell_orientations(
    points: np.ndarray, labels: np.ndarray, vertices: np.ndarray, offsets: np.ndarray, classes: np.ndarray
) -> CellOrientations:
    """Find the orientation of every cell relative to the common cells with the same number of corners.

    A class is common if it has 1 % of the cells or more. A cell of another class is a variant of the common class, in
    the orientation, from which the fewest of its corners differ: at most a fifth.

    Parameters
    ----------
    points : numpy.ndarray of float, shape (n, 2)
        Positions x, y.
    labels : numpy.ndarray of int, shape (n,)
        Motif of each point.
    vertices, offsets : numpy.ndarray of int
        Corners of all cells, counter-clockwise, and the start of each cell.
    classes : numpy.ndarray of int, shape (m,)
        Class of each cell.

    Returns
    -------
    CellOrientations
    """
    m = len(classes)
    parent = np.full(m, -1)
    phase = np.zeros(m, dtype=complex)
    order = np.ones(m, dtype=np.int64)
    odd = np.zeros(m, dtype=np.int64)
    mirrored = np.zeros(m, dtype=np.int64)
    sizes = np.diff(offsets)
    count = np.bincount(classes) if m else np.empty(0, dtype=np.int64)
    common = np.flatnonzero(count >= max(_LEAST_SHARE * m, _LEAST_CELLS))
    common = common[np.argsort(-count[common], kind="stable")]
    models: dict[int, np.ndarray] = {}
    for c in common.tolist():
        sequence = _first_sequence(c, classes, labels, vertices, offsets)
        if not any(_is_variant(sequence, models[k], count[c] / count[k]) for k in models):
            models[c] = sequence
    for size in np.unique(sizes).tolist():
        members = np.flatnonzero(sizes == size)
        corners = vertices[offsets[members][:, None] + np.arange(size)]
        sequences = labels[corners]
        angles = _corner_directions(points, corners)
        free = np.ones(len(members), dtype=bool)
        # Members of a common class first: their class is known, only the orientation is not.
        for exact in (True, False):
            for c, model in models.items():
                if len(model) != size:
                    continue
                rows = np.flatnonzero(free & (classes[members] == c) if exact else free)
                if not len(rows):
                    continue
                mismatch, turns, mirror = _best_turns(sequences[rows], model)
                fits = mismatch <= (size if exact else int(_MOST_ODD * size))
                rows, turns, mirror = rows[fits], turns[fits], mirror[fits]
                r = int(turns.sum(axis=1).max(initial=1))
                at = members[rows]
                parent[at], order[at], odd[at], mirrored[at] = c, r, mismatch[fits], mirror
                phase[at] = _phases(angles[rows], turns, r)
                free[rows] = False
    return CellOrientations(parent, phase, order, odd, _kinds(parent, mirrored, phase))


def _first_sequence(
    c: int, classes: np.ndarray, labels: np.ndarray, vertices: np.ndarray, offsets: np.ndarray
) -> np.ndarray:
    """Return the motifs around the first cell of a class, in its orientation."""
    cell = int(np.argmax(classes == c))
    return labels[vertices[offsets[cell] : offsets[cell + 1]]]


def _is_variant(sequence: np.ndarray, model: np.ndarray, ratio: float) -> bool:
    """Return whether a class is a rare variant of a more frequent one, `ratio` times as frequent."""
    if len(sequence) != len(model) or ratio > _RARE:
        return False
    return bool(_best_turns(sequence[None], model)[0][0] <= int(_MOST_ODD * len(model)))


def _corner_directions(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Return the directions (k, n) of the corners from the centres, as complex numbers of length 1."""
    z = points[corners][..., 0] + 1j * points[corners][..., 1]
    z -= z.mean(axis=1, keepdims=True)
    return z / np.maximum(np.abs(z), 1e-12)


def _best_turns(sequences: np.ndarray, model: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the least number of deviating corners (k,), the rotations (k, n) with this number, and whether mirrored
    (k,).

    The model is tested unchanged and mirrored; a mirrored fit is used only if it is better.
    """
    n = len(model)
    turned = (np.arange(n)[:, None] + np.arange(n)) % n
    straight, mirrored = ((sequences[:, turned] != sequence).sum(axis=2) for sequence in (model, model[::-1]))
    mirror = mirrored.min(axis=1) < straight.min(axis=1)
    chosen = np.where(mirror[:, None], mirrored, straight)
    mismatch = chosen.min(axis=1)
    return mismatch, chosen == mismatch[:, None], mirror


def _kinds(parent: np.ndarray, mirrored: np.ndarray, phase: np.ndarray) -> np.ndarray:
    """Number the combinations of class, handedness and mode of the orientation."""
    kind = np.full(len(parent), -1)
    n = 0
    for p, h in sorted(set(zip(parent[parent >= 0].tolist(), mirrored[parent >= 0].tolist(), strict=True))):
        members = np.flatnonzero((parent == p) & (mirrored == h))
        modes = _modes(phase[members])
        nearest = np.abs(np.angle(phase[members][:, None] * modes.conj())).argmin(axis=1)
        kind[members] = n + nearest
        n += len(modes)
    return kind


def _modes(phase: np.ndarray) -> np.ndarray:
    """Return the modes of the given phases: peaks of their histogram on the circle."""
    n_bins = 36
    centre = np.exp(2j * np.pi * (np.arange(n_bins) + 0.5) / n_bins)
    # Von Mises kernel of about 15 degrees: noise does not separate neighbours with the same orientation.
    density = np.exp(15 * (np.real(centre[:, None] * phase.conj()) - 1)).sum(axis=1)
    higher = (density >= np.roll(density, 1)) & (density > np.roll(density, -1))
    peaks = np.flatnonzero(higher & (density >= 0.1 * density.max()))
    return centre[peaks] if len(peaks) else centre[[int(density.argmax())]]


def _phases(directions: np.ndarray, turns: np.ndarray, order: int) -> np.ndarray:
    """Return the mean direction of the first corners of the model, to the power of its order."""
    total = (directions**order * turns).sum(axis=1)
    return total / np.maximum(np.abs(total), 1e-12)
