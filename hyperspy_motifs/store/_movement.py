"""How an image moved since its result was written, and recognition of its pixels whatever their brightness and orientation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from hyperspy_motifs.common import STRICT_LEVEL
from hyperspy_motifs.threads import one_blas_thread

from ._nodes_and_signals import Stamp, unit_factor

# One pixel in so many is sampled, and at least so many in all: a crop of 64 x 64 pixels then holds eight samples.
PIXELS_OF_A_SAMPLE, FEWEST_SAMPLES = 512, 256
# Rows that are read together.
_ROWS = 64
# Independent checksums of one frame.
N_CHECKSUMS = 3
# Largest difference of two checksums of equal pixels; they are of the order of 1. A change of one pixel by a standard
# deviation changes them by 1 / sqrt(number of pixels), 2e-4 for 4096 x 4096 pixels.
TOLERANCE = 1e-5
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
    def of(cls, frames: Iterable[np.ndarray]) -> Fingerprint:
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
def checksums(frame: np.ndarray) -> tuple[NDArray[np.float64], tuple[float, float]]:
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


@lru_cache(maxsize=16)
def sample_places(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Places (k, 2) of the sampled pixels of an image of `shape` (rows, columns): column, row, evenly distributed.

    They follow the two-dimensional additive recurrence of the plastic number.
    """
    rows, columns = shape
    k = min(max(rows * columns // PIXELS_OF_A_SAMPLE, FEWEST_SAMPLES), rows * columns)
    plastic = 1.32471795724474602596
    steps = np.array([1 / plastic, 1 / plastic**2])
    unit = (0.5 + np.arange(1, k + 1)[:, None] * steps) % 1
    places = (unit * [columns, rows]).astype(np.int64)
    # The same array for all who ask.
    places.flags.writeable = False
    return places


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
    return bool(stats.pearsonr(before, now, alternative="greater").pvalue < STRICT_LEVEL)


def _sequence(n: int, number: int) -> NDArray[np.float64]:
    """Fixed sequence (n,) with mean square 1: the fractional parts of an irrational number times the square numbers."""
    irrational = np.sqrt((2.0, 3.0, 5.0, 7.0, 11.0, 13.0)[number])
    return np.sqrt(3) * (2 * ((np.arange(1, n + 1, dtype=float) ** 2 * irrational) % 1) - 1)


# In pixels: the offset of a crop is a whole number of pixels.
_WHOLE = 0.01

CHANGED = "its pixels have changed since then, by more than a linear change of brightness"
NO_FRAME = "it holds images that are none of the frames that were analysed, or HyperSpy does not record which of them it holds"


@dataclass(frozen=True, eq=False)
class Movement:
    """The way of the pixels from the image of a result to the present one.

    Attributes
    ----------
    swapped : bool
        Whether x and y are exchanged.
    calibrated : bool
        Whether positions in axis units stay, as after a crop. Otherwise positions in pixels stay, as after a calibration.
    sources : numpy.ndarray of int, shape (frames,)
        For each present frame the one that it was; -1 for none.
    gains : numpy.ndarray of shape (frames, 2) or None
        Factor and offset of the brightness of each frame; None if unknown.
    """

    swapped: bool
    calibrated: bool
    sources: NDArray[np.int64]
    gains: NDArray[np.float64] | None = None

    def to_units(self, positions: NDArray[np.float64], old: Stamp, new: Stamp) -> NDArray[np.float64]:
        """Positions x, y (n, 2) in the units of `old` to those of `new`."""
        order = [1, 0] if self.swapped else [0, 1]
        if self.calibrated:
            return positions[:, order] * unit_factor(old.units, new.units)
        pixels = (positions - old.offset) / np.array(old.pixel_size)
        return pixels[:, order] * np.array(new.pixel_size) + new.offset

    def factors(self, old: Stamp, new: Stamp) -> NDArray[np.float64]:
        """Present units per former unit of length along present x and y, shape (2,); negative for a mirrored calibration."""
        if self.calibrated:
            return np.full(2, unit_factor(old.units, new.units))
        order = [1, 0] if self.swapped else [0, 1]
        return np.array(new.pixel_size) / np.array(old.pixel_size)[order]

    def turn(self, old: Stamp, new: Stamp) -> NDArray[np.float64]:
        """Directions of the pixel grid: the matrix (2, 2) from former to present columns and rows, with entries 0, 1 and -1."""
        matrix = np.array([[0.0, 1.0], [1.0, 0.0]]) if self.swapped else np.eye(2)
        return np.diag(self._signs(old, new)) @ matrix

    def view(self, frame: np.ndarray, old: Stamp, new: Stamp) -> np.ndarray:
        """A present frame (rows, columns) as it was oriented before."""
        sx, sy = self._signs(old, new)
        frame = frame[:: int(sy), :: int(sx)]
        return frame.T if self.swapped else frame

    def _signs(self, old: Stamp, new: Stamp) -> NDArray[np.float64]:
        if not self.calibrated:
            return np.ones(2)
        order = [1, 0] if self.swapped else [0, 1]
        return np.sign(new.pixel_size) * np.sign(np.array(old.pixel_size)[order])


def find_movement(
    old: Stamp,
    new: Stamp,
    before: Fingerprint | None,
    frames: Sequence[np.ndarray] | None,
    picked: NDArray[np.int64] | None = None,
) -> Movement | str:
    """Movement from the image of `old` and `before` to the one of `new` and `frames`, or the reason why there is none.

    Parameters
    ----------
    old, new : Stamp
    before : Fingerprint or None
        None if the pixels of the result were not read: a lazy image.
    frames : sequence of numpy.ndarray of shape (rows, columns), or None
        None for a lazy image, of which only the axes are compared.
    picked : numpy.ndarray of int, optional
        The remaining frames after slices.
    """
    hint = source_frames(old, new, picked)
    if before is None or frames is None:
        return NO_FRAME if hint is None else movement_by_axes(old, new, hint)
    for swapped in (False, True):
        for calibrated in (False, True):
            found = _try(Movement(swapped, calibrated, np.zeros(0, int)), old, new, before, frames, hint)
            if found is not None:
                return found
    return CHANGED if hint is not None else NO_FRAME


def _try(
    way: Movement,
    old: Stamp,
    new: Stamp,
    before: Fingerprint,
    frames: Sequence[np.ndarray],
    hint: NDArray[np.int64] | None,
) -> Movement | None:
    """`way` with its frames, if the pixels agree with it."""
    was = old.n_pixels[::-1] if way.swapped else old.n_pixels
    if was == new.n_pixels:
        if way.calibrated and (way._signs(old, new) > 0).all():
            return None  # the same pixels as without a new calibration
        found = [checksums(way.view(frame, old, new)) for frame in frames[:1]]
        levels = np.array([level for _, level in found])
        if (same_frames(np.array([s for s, _ in found]), levels, before, hint) < 0).any():
            return None
        found += [checksums(way.view(frame, old, new)) for frame in frames[1:]]
        levels = np.array([level for _, level in found])
        sources = same_frames(np.array([s for s, _ in found]), levels, before, hint)
        if (sources < 0).any():
            return None
        known = before.levels[sources]
        factor = np.divide(levels[:, 1], known[:, 1], out=np.ones(len(known)), where=known[:, 1] > 0)
        offset = levels[:, 0] - factor * known[:, 0]
        rounding = 1e-5 * known[:, 1] + 4 * np.finfo(np.float32).eps * np.abs(known[:, 0])
        equal = (np.abs(factor - 1) < 1e-5) & (np.abs(offset) <= rounding)
        gains = np.where(equal[:, None], [1.0, 0.0], np.column_stack([factor, offset]))
        return Movement(way.swapped, way.calibrated, sources, gains)
    if not way.calibrated or hint is None:
        return None
    try:
        resampled = is_resampled(way, old, new)
    except ValueError:
        if way.swapped:
            return None
        raise
    places = sample_places(old.n_pixels[::-1])
    units = way.to_units(places * np.array(old.pixel_size) + old.offset, old, new)
    pixels = (units - new.offset) / np.array(new.pixel_size)
    column, row = np.rint(pixels).astype(int).T
    inside = (column >= 0) & (column < new.n_pixels[0]) & (row >= 0) & (row < new.n_pixels[1])
    if not resampled and np.abs(pixels - np.rint(pixels)).max(initial=0) > _WHOLE:
        return None
    if not _is_inside(way, old, new) or (
        way.swapped and inside.sum() < FEWEST_EQUAL and old.names != new.names[::-1]
    ):
        return None
    agree = are_similar if resampled else are_equal
    for frame, source in zip(frames, hint, strict=True):
        now = np.asarray(frame[row[inside], column[inside]], float)
        if source >= 0 and not agree(before.samples[source][inside], now):
            return None
    return Movement(way.swapped, True, hint)


def _is_inside(way: Movement, old: Stamp, new: Stamp) -> bool:
    """Whether the present image lies in the former one, as a crop does, but for one of its pixels."""
    corners = np.array([[0, 0], np.array(old.n_pixels) - 1]) * np.array(old.pixel_size) + old.offset
    first, last = np.sort((way.to_units(corners, old, new) - new.offset) / np.array(new.pixel_size), axis=0)
    return bool((first <= 1).all() and (last >= np.array(new.n_pixels) - 2).all())


def movement_by_axes(old: Stamp, new: Stamp, sources: NDArray[np.int64] | None = None) -> Movement:
    """The movement of an image whose pixels are not compared, with its frames `sources`, if they matter."""
    sources = np.zeros(1, int) if sources is None else sources
    named = len(set(old.names)) == 2 and old.names == new.names[::-1]
    swapped = named or (old.n_pixels != new.n_pixels and old.n_pixels == new.n_pixels[::-1])
    order = [1, 0] if swapped else [0, 1]
    size = tuple(old.n_pixels[k] for k in order)
    if size != new.n_pixels:
        return Movement(swapped, True, sources)
    scale, offset = np.array(old.pixel_size)[order], np.array(old.offset)[order]
    last = offset + scale * (np.array(size) - 1)
    mirrored = np.isclose(new.pixel_size, -scale) & np.isclose(
        new.offset, last, atol=1e-6 * np.abs(scale).max()
    )
    same = np.isclose(new.pixel_size, scale) & np.isclose(new.offset, offset, atol=1e-6 * np.abs(scale).max())
    return Movement(swapped, bool(mirrored.any() and (mirrored | same).all()), sources)


def moved_pixels(
    frames: np.ndarray, way: Movement, old: Stamp, new: Stamp
) -> tuple[np.ndarray, NDArray[np.bool_]]:
    """Frames (..., rows, columns) of the image of `old` as they are now, and where pixels were known, (rows, columns)."""
    columns, rows = new.n_pixels
    if not way.calibrated:
        moved = np.swapaxes(frames, -1, -2) if way.swapped else frames
        return moved, np.ones((rows, columns), bool)
    order = [1, 0] if way.swapped else [0, 1]
    factor = unit_factor(new.units, old.units)
    places = [
        factor * (new.offset[k] + new.pixel_size[k] * np.arange(n)) for k, n in enumerate((columns, rows))
    ]
    former = [np.rint((places[order[k]] - old.offset[k]) / old.pixel_size[k]).astype(int) for k in (0, 1)]
    known = [(index >= 0) & (index < n) for index, n in zip(former, old.n_pixels, strict=True)]
    column, row = (np.clip(index, 0, n - 1) for index, n in zip(former, old.n_pixels, strict=True))
    moved, there = frames[..., row, :][..., column], known[1][:, None] & known[0]
    return (np.swapaxes(moved, -1, -2), there.T) if way.swapped else (moved, there)


def is_resampled(way: Movement, old: Stamp, new: Stamp) -> bool:
    """Whether the present pixels are not those of the former image, but larger or smaller."""
    if not way.calibrated:
        return False
    size = np.array(old.pixel_size)[[1, 0] if way.swapped else [0, 1]] * unit_factor(old.units, new.units)
    return not np.allclose(np.abs(new.pixel_size), np.abs(size), rtol=1e-4)


def source_frames(
    old: Stamp, new: Stamp, picked: NDArray[np.int64] | None = None
) -> NDArray[np.int64] | None:
    """Former number of each present frame by the navigation axes, -1 for none; None if the axes do not show it.

    `picked` are the frames that slices left, where they are recorded.
    """
    n_old, n_new = (int(np.prod(s.navigation_shape, dtype=int)) for s in (old, new))
    if picked is not None and len(picked) == n_new:
        return np.where((picked >= 0) & (picked < n_old), picked, -1)
    if old.navigation_shape == new.navigation_shape:
        return np.arange(n_old)
    if len(old.navigation_shape) != len(new.navigation_shape):
        # A frame selected from a stack: HyperSpy does not record which one, unless there was only one.
        return np.zeros(1, int) if n_old == n_new == 1 else None
    # HyperSpy lists navigation axes fastest first; flat numbers are in C order, slowest first.
    index = np.unravel_index(np.arange(n_new), new.navigation_shape[::-1])
    moved, there = [], np.ones(n_new, bool)
    for axis, i in zip(range(len(index) - 1, -1, -1), index, strict=True):
        value = new.navigation_offset[axis] + new.navigation_scale[axis] * i
        j = np.rint((value - old.navigation_offset[axis]) / old.navigation_scale[axis]).astype(int)
        there &= (j >= 0) & (j < old.navigation_shape[axis])
        moved.append(np.clip(j, 0, old.navigation_shape[axis] - 1))
    return np.where(there, np.ravel_multi_index(tuple(moved), old.navigation_shape[::-1]), -1)
