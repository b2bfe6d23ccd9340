"""Recognition of the pixels of an image, whatever its brightness, its type of numbers and its orientation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from hyperspy_motifs.threads import one_blas_thread

# One pixel in so many is sampled, and at least so many in all: a crop of 64 x 64 pixels then holds eight samples.
PIXELS_OF_A_SAMPLE, FEWEST_SAMPLES = 512, 256
# Rows that are read together.
_ROWS = 64
# Independent checksums of one frame.
N_CHECKSUMS = 3
# Largest difference of two checksums of equal pixels; they are of the order of 1. A change of one pixel by a standard
# deviation changes them by 1 / sqrt(number of pixels), 2e-4 for 4096 x 4096 pixels.
TOLERANCE = 1e-5
# Level of the test that a resampled image shows the same as the original.
LEVEL = 1e-3
# Fewer samples are no evidence: equal, or similar.
FEWEST_EQUAL, FEWEST_SIMILAR = 3, 8


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """Numbers by which the frames of an image are recognised.

    Attributes
    ----------
    checksums : numpy.ndarray of shape (frames, 3)
        Weighted sums of the standardised pixels, which a positive linear change of brightness does not change.
    levels : numpy.ndarray of shape (frames, 2)
        Mean and standard deviation of the pixels.
    samples : numpy.ndarray of shape (frames, k)
        Pixels at :func:`sample_places`.
    """

    checksums: NDArray[np.float64]
    levels: NDArray[np.float64]
    samples: NDArray[np.float64]

    @classmethod
    def of(cls, frames: Iterable[NDArray]) -> Fingerprint:
        """Fingerprint of frames of shape (rows, columns)."""
        sums, levels, samples = [], [], []
        for frame in frames:
            one, level = checksums(frame)
            column, row = sample_places(frame.shape).T
            sums.append(one)
            levels.append(level)
            samples.append(np.asarray(frame[row, column], float))
        return cls(np.array(sums), np.array(levels), np.array(samples))


# More threads of BLAS cost more than they save here, and its sums depend on their number.
@one_blas_thread()
@np.errstate(over="ignore", invalid="ignore")
def checksums(frame: NDArray) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Checksums (3,) of a frame (rows, columns), and mean and standard deviation of its finite pixels.

    Each is a^T Z b / sqrt(pixels), with the standardised pixels Z and two fixed sequences a and b of mean square 1. Every pixel
    counts, and sequences that no symmetry of a lattice shares tell an image from its mirror images.
    """
    rows, columns = frame.shape
    left = np.array([_sequence(rows, k) for k in range(N_CHECKSUMS)])
    right = np.array([_sequence(columns, N_CHECKSUMS + k) for k in range(N_CHECKSUMS)])
    first = np.asarray(frame[: max(rows // 16, 1)], np.float64)
    some = first[np.isfinite(first)]
    # Differences from a typical value: sums of large numbers would be rounded.
    typical = float(some.mean()) if some.size else 0.0
    total, squares, n = 0.0, 0.0, 0
    weighted, weights = np.zeros((N_CHECKSUMS, columns)), np.zeros((N_CHECKSUMS, columns))
    # Some rows at a time, so that they stay in the cache.
    for start in range(0, rows, _ROWS):
        part = slice(start, start + _ROWS)
        values = np.asarray(frame[part], np.float64) - typical
        added = float(values.sum())
        if np.isfinite(added):
            n += values.size
            weights += left[:, part].sum(axis=1)[:, None]
        else:
            finite = np.isfinite(values)
            values[~finite] = 0.0
            added = float(values.sum())
            n += int(finite.sum())
            weights += left[:, part] @ finite.astype(np.float64)
        total += added
        squares += float(np.vdot(values, values))
        weighted += left[:, part] @ values
    n = max(n, 1)
    mean = total / n
    std = float(np.sqrt(max(squares / n - mean**2, 0.0)))
    if std <= 1e-9 * abs(mean + typical):
        return np.zeros(N_CHECKSUMS), (mean + typical, 0.0)
    sums = ((weighted - mean * weights) * right).sum(axis=1) / (std * np.sqrt(max(rows * columns, 1)))
    return sums, (mean + typical, std)


def sample_places(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Places (k, 2) of the sampled pixels of an image of `shape` (rows, columns): column, row, evenly distributed.

    They follow the two-dimensional additive recurrence of the plastic number.
    """
    rows, columns = shape
    k = min(max(rows * columns // PIXELS_OF_A_SAMPLE, FEWEST_SAMPLES), rows * columns)
    plastic = 1.32471795724474602596
    steps = np.array([1 / plastic, 1 / plastic**2])
    unit = (0.5 + np.arange(1, k + 1)[:, None] * steps) % 1
    return (unit * [columns, rows]).astype(np.int64)


def same_frames(
    sums: NDArray[np.float64],
    levels: NDArray[np.float64],
    before: Fingerprint,
    hint: NDArray[np.int64] | None,
) -> NDArray[np.int64]:
    """Frame of `before` with the same pixels as each frame of checksums `sums` (n, 3) and `levels` (n, 2), or -1.

    Where several frames have the same pixels, that of `hint` (n,) is preferred.
    """
    # Float32 rounds pixels with a large mean and a small spread.
    rounding = np.finfo(np.float32).eps * np.abs(levels[:, 0]) / np.maximum(levels[:, 1], 1e-300)
    limit = TOLERANCE + np.minimum(rounding, 100 * TOLERANCE)
    found = np.full(len(sums), -1)
    known, known_levels = before.checksums, before.levels
    for number, (one, level, most) in enumerate(zip(sums, levels, limit, strict=True)):
        flat = (known_levels[:, 1] > 0) == (level[1] > 0)
        equal = np.flatnonzero((np.abs(known - one) <= most * (1 + np.abs(one))).all(axis=1) & flat)
        if len(equal):
            wanted = -1 if hint is None else int(hint[number])
            found[number] = wanted if wanted in equal else equal[0]
    return found


def are_equal(before: NDArray[np.float64], now: NDArray[np.float64]) -> bool:
    """Whether samples (k,) are the same but for a positive linear change of brightness."""
    finite = np.isfinite(before)
    if (finite != np.isfinite(now)).any():
        return False
    before, now = before[finite], now[finite]
    if len(before) < FEWEST_EQUAL:
        return True
    size = max(float(np.abs(before).max()), float(np.abs(now).max()))
    if np.allclose(before, now, rtol=1e-6, atol=1e-9 * size):
        return True
    if before.std() == 0 or now.std() == 0:
        return bool(before.std() == now.std())
    slope = float(now.std() / before.std())
    rest = (now - now.mean()) - slope * (before - before.mean())
    limit = 1e-5 * now.std() + 4 * np.finfo(np.float32).eps * float(np.abs(now).max())
    return bool(np.abs(rest).max() <= limit)


def are_similar(before: NDArray[np.float64], now: NDArray[np.float64]) -> bool:
    """Whether samples (k,) of an image and of a resampled one correlate (one-sided test at level 0.001)."""
    finite = np.isfinite(before) & np.isfinite(now)
    before, now = before[finite], now[finite]
    if len(before) < FEWEST_SIMILAR:
        return True
    if before.std() == 0 or now.std() == 0:
        return bool(before.std() == now.std())
    return bool(stats.pearsonr(before, now, alternative="greater").pvalue < LEVEL)


def _sequence(n: int, number: int) -> NDArray[np.float64]:
    """Fixed sequence (n,) with mean square 1: the fractional parts of an irrational number times the square numbers."""
    irrational = np.sqrt((2.0, 3.0, 5.0, 7.0, 11.0, 13.0)[number])
    return np.sqrt(3) * (2 * ((np.arange(1, n + 1, dtype=float) ** 2 * irrational) % 1) - 1)
