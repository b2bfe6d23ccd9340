"""Local translations of a crystal: the vectors that map columns to columns of the same kind around each column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter, uniform_filter
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

# Lengths are in nearest-neighbour distances.
# Longest translation. The shortest ones of graphene and MoS2 have 1.7, those of a perovskite with its oxygen 2.
_LONGEST = 4.5
# Two columns coincide, and a displacement agrees with a translation, within this distance.
TOLERANCE = 0.3
_BIN = 0.1
_BLOCK = 8.0
# Radius of the surroundings from which the translations of one column are estimated.
_SURROUNDINGS = 3.5
# Fraction of the columns of a window of 2 x 2 blocks that a vector must map to columns for it to be tried. The chance
# level, density times area, is about 0.2.
_TRIED = 0.4
# Fraction of the columns around one that a translation of the crystal maps to columns. A vector between the two
# columns of a cell with equal columns, as in graphene, has a half. One sublattice of which any fraction is missed leaves
# 0.83 or more.
RECURRING = 0.7
_FEWEST = 8
# A translation preserves the kind of the columns: the mean difference of the amplitudes that it joins, relative to the
# smallest such difference of all vectors. The mean of a hundred has a standard error of 7 %, and the smallest of twenty is
# two of them too small. Differences, relative to the typical amplitude, count up to that of two kinds, so that a few defects
# do not decide.
_SAME_KIND = 1.5
_LEAST_DIFFERENCE = 0.1
_MOST_DIFFERENCE = 0.3
_MOST_VECTORS = 128


@dataclass(frozen=True)
class Translations:
    """Local translations of n columns; lengths in pixels.

    Attributes
    ----------
    vectors : ndarray of shape (n, t, 2)
        Estimates of t translations around each column; x, y.
    scatter : ndarray of shape (n, t)
        Standard deviation per axis of single displacements from these estimates.
    valid : ndarray of bool of shape (n, t)
        Whether the structure around the column repeats by the translation.
    partners : ndarray of int of shape (n, t)
        The column to which each column is mapped; -1 if there is none.
    inside : ndarray of bool of shape (n, t)
        Whether the column is mapped to a pixel with data.
    proposed : ndarray of shape (t, 2)
        The t vectors before they were fitted to each column.
    """

    vectors: np.ndarray
    scatter: np.ndarray
    valid: np.ndarray
    partners: np.ndarray
    inside: np.ndarray
    proposed: np.ndarray


def local_translations(
    positions: np.ndarray,
    amplitudes: np.ndarray,
    spacing: float,
    has_data: np.ndarray,
    proposed: np.ndarray | None = None,
) -> Translations:
    """Estimate the translations of the crystal around every column.

    A vector is a translation where it maps nearly all columns to columns of the same amplitude. Vectors are proposed by
    the histogram of the displacements in overlapping windows (the Patterson map of the positions). They are then tested
    and averaged in the surroundings of each column, so that drift, strain and grain boundaries are followed.

    Parameters
    ----------
    positions : ndarray of shape (n, 2)
        x, y in pixels.
    amplitudes : ndarray of shape (n,)
        Heights of the columns, positive.
    spacing : float
        Nearest-neighbour distance in pixels.
    has_data : ndarray of bool of shape (rows, columns)
        Pixels of the image with data.
    proposed : ndarray of shape (t, 2), optional
        Vectors to be tested, in pixels; by default those that recur.

    Returns
    -------
    Translations
        Without vectors (t = 0) where nothing repeats, as in a glass.
    """
    n = len(positions)
    # In the order of rows of columns, so that neighbours are near in memory.
    order = np.lexsort((positions[:, 0], positions[:, 1] // spacing))
    back = np.argsort(order)
    positions, amplitudes = positions[order], amplitudes[order]
    tree = cKDTree(positions)
    pairs = tree.query_pairs(_LONGEST * spacing, output_type="ndarray")
    firsts, seconds = pairs.ravel(), pairs[:, ::-1].ravel()
    displacements = (positions[seconds] - positions[firsts]) / spacing
    if proposed is None:
        vectors = _proposed(positions / spacing, firsts, displacements)
    else:
        vectors = proposed / spacing
    if not len(vectors):
        return _none(n)
    # The column nearest to the end of each vector, by the deviation of the displacement.
    deviation, which = cKDTree(vectors).query(displacements, distance_upper_bound=TOLERANCE)
    close = np.flatnonzero(np.isfinite(deviation))
    close = close[np.argsort(-deviation[close], kind="stable")]
    partners = np.full((n, len(vectors)), -1)
    partners[firsts[close], which[close]] = seconds[close]
    matched = partners >= 0
    ends = positions[:, None] + spacing * vectors
    inside = matched | lies_in(ends.reshape(-1, 2), has_data).reshape(matched.shape)
    near = tree.query_pairs(_SURROUNDINGS * spacing, output_type="ndarray")
    rows = np.concatenate([near[:, 0], near[:, 1], np.arange(n)])
    columns = np.concatenate([near[:, 1], near[:, 0], np.arange(n)])
    around = csr_array((np.ones(len(rows)), (rows, columns)), shape=(n, n))
    eligible, found = around @ inside.astype(float), around @ matched.astype(float)
    there = np.where(matched, partners, np.arange(n)[:, None])
    steps = positions[there] - positions[:, None]
    # Atoms that are given beside the columns have no amplitude.
    positive = amplitudes[amplitudes > 0]
    scale = float(np.median(positive)) if len(positive) else 1.0
    change = np.minimum(np.abs(amplitudes[there] - amplitudes[:, None]) / scale, _MOST_DIFFERENCE)
    least = np.maximum(found, 1.0)
    recurring = (found >= RECURRING * eligible) & (found >= _FEWEST)
    # The mean over the surroundings of the surroundings, which is precise enough to separate kinds by noisy amplitudes.
    number = around @ (found * recurring)
    difference = (around @ ((around @ change) * recurring)) / np.maximum(number, 1.0)
    smallest = np.where(recurring, difference, np.inf).min(axis=1, keepdims=True)
    valid = recurring & (difference <= np.maximum(_SAME_KIND * smallest, _LEAST_DIFFERENCE))
    mean = np.stack([around @ (steps[..., k] * matched) for k in (0, 1)], axis=-1) / least[..., None]
    square = around @ ((steps**2).sum(axis=-1) * matched) / least
    variance = np.maximum(square - (mean**2).sum(axis=-1), 0.0) / 2 * least / np.maximum(least - 1, 1.0)
    used = valid.any(axis=0)
    partners = np.where(matched, order[partners], -1)
    at = np.ix_(back, used)
    return Translations(
        mean[at],
        np.sqrt(variance[at]),
        valid[at],
        partners[at],
        inside[at],
        spacing * vectors[used],
    )


def _none(n: int) -> Translations:
    empty = np.zeros((n, 0))
    return Translations(
        np.zeros((n, 0, 2)),
        empty,
        empty.astype(bool),
        empty.astype(np.int64),
        empty.astype(bool),
        np.zeros((0, 2)),
    )


def _proposed(positions: np.ndarray, firsts: np.ndarray, displacements: np.ndarray) -> np.ndarray:
    """Return the vectors (t, 2) that recur in a window of 2 x 2 blocks; all lengths in nearest-neighbour distances."""
    block = ((positions - positions.min(axis=0)) / _BLOCK).astype(int)
    n_blocks = block.max(axis=0) + 1
    middle = int(np.ceil(_LONGEST / _BIN)) + 2
    shape = (n_blocks[0], n_blocks[1], 2 * middle + 1, 2 * middle + 1)
    bins = middle + np.rint(displacements / _BIN).astype(int)
    own = block[firsts]
    index = np.ravel_multi_index((own[:, 0], own[:, 1], bins[:, 0], bins[:, 1]), shape)
    counts = np.bincount(index, minlength=int(np.prod(shape))).reshape(shape).astype(np.float32)
    number = np.zeros(tuple(n_blocks), np.float32)
    np.add.at(number, (block[:, 0], block[:, 1]), 1.0)
    # Sums over 2 x 2 blocks; beyond the border there is nothing.
    counts = uniform_filter(counts, (2, 2, 0, 0), mode="constant")
    number = uniform_filter(number, 2, mode="constant")
    smooth = gaussian_filter(counts, (0, 0, 1, 1))
    width = 2 * round(TOLERANCE / _BIN) - 1
    mass = uniform_filter(counts, (0, 0, width, width)) * width**2
    peak = (smooth == maximum_filter(smooth, (1, 1, width, width))) & (smooth > 0)
    part = mass / np.maximum(number, 1e-6)[:, :, None, None]
    peak &= (part > _TRIED) & (number > _FEWEST / 4)[:, :, None, None]
    at = np.argwhere(peak)
    # The same vector of many windows, best first.
    cells, number_of = np.unique(at[:, 2:] - middle, axis=0, return_inverse=True)
    best = np.zeros(len(cells))
    np.maximum.at(best, number_of.ravel(), part[peak])
    found = cells * _BIN
    kept = np.zeros((0, 2))
    for k in np.lexsort((found[:, 1], found[:, 0], -np.round(best, 3))):
        if not len(kept) or np.hypot(*(kept - found[k]).T).min() > TOLERANCE:
            kept = np.concatenate([kept, found[k : k + 1]])
        if len(kept) == _MOST_VECTORS:
            break
    return kept


def lies_in(points: np.ndarray, has_data: np.ndarray) -> np.ndarray:
    """Return a mask (n,) of the points x, y (n, 2) in pixels that lie in pixels with data."""
    rows, columns = has_data.shape
    # A point may be far outside, or no number.
    column, row = np.rint(np.clip(np.nan_to_num(points, nan=-1.0), -1, max(rows, columns) + 1)).astype(int).T
    ok = (column >= 0) & (row >= 0) & (column < columns) & (row < rows)
    ok[ok] = has_data[row[ok], column[ok]]
    return ok
