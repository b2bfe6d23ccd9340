"""Errors of the scan: offsets, jitter and jumps of its lines, and their flyback, each as a test with a level."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter
from scipy.optimize import isotonic_regression
from scipy.signal.windows import hann
from scipy.spatial import cKDTree
from scipy.stats import binom, norm, t, wilcoxon

from hyperspy_motifs.common import (
    BAND,
    LEVEL,
    MOST_IN_MEMORY,
    SAMPLE,
    STRICT_LEVEL,
    distinct_rows,
    robust_spread,
)
from hyperspy_motifs.threads import one_blas_thread, over_rows

from ._noise_spectrum import SMALLEST_WINDOW

# Smallest offsets that are corrected, relative to the standard deviation of the image: less changes no result, and an image
# without noise shows offsets as small as its rounding.
_LEAST_OFFSET = 0.01
# Frequencies along x, in cycles per image, that are compared with zero. A Hann window keeps a slope and a bow of the
# background below 3.
_BESIDE = np.arange(3, 11)
# Frequencies along y, in cycles per image, from which on power is compared. Slower changes belong to the background.
_FIRST = 8
# Part of the frequencies along y at which the specimen itself may have more power at zero than beside it, as its lattice has.
_STRUCTURED = 0.25
# A frequency counts if at most this many of the 16 beside it have as much power.
_ABOVE = 1
# A periodogram is interpolated to so many points per frequency to find the lines of the lattice in it.
_POINTS = 4
# Searches for lines in what the earlier ones leave. With two, lines of dumbbells are left, and taken for row offsets.
_SEARCHES = 8
# Frequencies over which the power beside zero is smoothed.
_SMOOTH = 31
# Blocks of columns whose signs are changed, as often, to find the power without jitter.
_BLOCKS = 32
# Lowest frequency along y, in cycles per pixel, at which displacements are compared: interpolation removes slower ones.
_FAST = 0.2
# What the difference to the interpolated rows leaves of a jump by one pixel, in the two rows before it and the two after.
_JUMP = np.array([1.0, -3.0, 3.0, -1.0]) / 6
# Jumps closer than this number of rows are one: a large displacement reaches further than its pattern.
_JUMP_REACH = 8
# Widths in separations: of the strips at the left and right border whose pairs of columns are compared, and of the blocks of
# rows that count as independent; and distance within which columns are pairs.
_STRIP = 3.0
_ROWS = 4.0
_PAIR = 1.6
_FEWEST = 4


@dataclass(frozen=True)
class ScanLines:
    """Errors of the scan lines of an image.

    Attributes
    ----------
    offsets : ndarray of shape (rows,)
        Brightness of each row relative to the specimen, in counts; 0 where the test finds none.
    offset_std : float
        Standard deviation of the offsets, in counts; 0 where the test finds none.
    offset_error : float
        Standard deviation of what is left after `offsets` are subtracted, in counts.
    error_covariance : ndarray of shape (rows // 2,)
        Covariance of what is left of two rows at a distance of 0, 1, ... rows, in squared counts, without what the
        lattice repeats.
    offset_p : float
        Probability of as much power in the means of the rows without offsets.
    jitter : float
        Standard deviation of the displacement of single rows along x, in pixels; 0 where the test finds none. Too low where
        noise is as strong as the contrast within a row.
    jitter_p : float
        Probability of as much power in the displacements without jitter.
    jumps : ndarray of int of shape (n,)
        Rows from which on all are displaced along x.
    """

    offsets: np.ndarray
    offset_std: float = 0.0
    offset_error: float = 0.0
    offset_p: float = 1.0
    jitter: float = 0.0
    jitter_p: float = 1.0
    jumps: np.ndarray = field(default_factory=lambda: np.empty(0, int))
    error_covariance: np.ndarray = field(default_factory=lambda: np.zeros(1))


def measure_scan_lines(image: np.ndarray) -> ScanLines:
    """Measure the offsets and the jitter of the rows of an image.

    The mean of a row is the sum of its offset, of the specimen and of noise. Offsets have power at frequency zero
    along x only. Noise and disorder have the same power at zero and just beside it. The lattice has more power at zero only at
    its own frequencies along y. At each frequency along y the power at zero is therefore ranked among the powers beside it;
    the number of frequencies where it is first or second is binomial. A quarter of the frequencies may belong to the lattice
    without a rejection.

    If the test rejects, the means are modelled as the lines of a lattice, offsets that are independent from row to row, and
    noise. The lines are found in the periodogram and fitted together (a mixed spectrum: Thomson, Proc. IEEE 70 (1982) 1055),
    and the rest is divided between offsets and noise at each frequency (Wiener).

    The displacement of a row is the projection of its difference to the rows around it, by cubic interpolation, on their
    derivative along x. Noise and structure contribute to the projection over each block of columns with either sign, jitter
    with the same sign. At each frequency along y the power of the displacements is ranked among that with half of the signs
    changed.

    A jump leaves its pattern in the displacements of four rows, in all blocks of columns, and stands out of the jitter of the
    other rows.

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
        Finite values. Rows are scan lines.

    Returns
    -------
    ScanLines
        Without errors if the image has fewer than 64 rows or columns.
    """
    values = np.asarray(image, float)
    n, width = values.shape
    if min(n, width) < SMALLEST_WINDOW:
        return ScanLines(np.zeros(n))
    values = values - values.mean()
    shifts, contrast = _row_shifts(values)
    jumps = _jumps(shifts, contrast)
    # A jump is no jitter of the rows beside it.
    for row in jumps:
        shifts[max(row - 6, 0) : row + 2] = 0
    jitter, jitter_p = _jitter(shifts)
    jitter = jitter if jitter_p < STRICT_LEVEL else 0.0
    p, level, means, beside = _test_offsets(values)
    if p >= STRICT_LEVEL or level < (_LEAST_OFFSET * values.std()) ** 2:
        return ScanLines(np.zeros(n), offset_p=p, jitter=jitter, jitter_p=jitter_p, jumps=jumps)
    offsets, error, covariance = _offsets(means, level, beside)
    return ScanLines(offsets, float(np.sqrt(level)), error, p, jitter, jitter_p, jumps, covariance)


def _excess(power: NDArray[np.float64]) -> float:
    """Return the p-value of the first column of powers (frequencies, 1 + k), against the others, at most frequencies."""
    above = (power[:, 1:] >= power[:, :1]).sum(axis=1)
    chance = (1 + _ABOVE) / power.shape[1]
    expected = _STRUCTURED + (1 - _STRUCTURED) * chance
    return float(binom.sf(np.count_nonzero(above <= _ABOVE) - 1, len(power), expected))


def _periodograms(series: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the power of series (rows, k) along their first axis: that of white noise is its variance."""
    taper = hann(len(series), sym=False)
    spectra = np.fft.rfft(series * taper[:, None], axis=0)
    return np.abs(spectra[: len(series) // 2]) ** 2 / np.sum(taper**2)


def _test_offsets(
    values: NDArray[np.float64],
) -> tuple[float, float, NDArray[np.float64], NDArray[np.float64]]:
    """Return p, the variance of the offsets, the means of the rows and the power of noise in them at each frequency."""
    width = values.shape[1]
    taper = hann(width, sym=False)
    frequencies = np.concatenate([[0], _BESIDE, -_BESIDE])
    waves = (
        np.exp(-2j * np.pi / width * np.outer(np.arange(width), frequencies)) * (taper / taper.sum())[:, None]
    )
    series = values @ waves.real + 1j * (values @ waves.imag)
    taper = hann(len(values), sym=False)
    power = np.abs(np.fft.fft(series * taper[:, None], axis=0)[: len(values) // 2]) ** 2 / np.sum(taper**2)
    # Power is exponentially distributed: its mean is the median over ln 2.
    beside = np.median(power[:, 1:], axis=1) / np.log(2)
    level = float(np.median(power[_FIRST:, 0]) / np.log(2) - np.median(beside[_FIRST:]))
    return _excess(power[_FIRST:]), level, series[:, 0].real, beside


def _offsets(
    means: NDArray[np.float64], level: float, beside: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float, NDArray[np.float64]]:
    """Separate the means of rows into the lines of a lattice, offsets of variance `level` and noise.

    Returns the offsets, the standard deviation of their error and the covariance of the error at each distance of rows.
    """
    n = len(means)
    noise = median_filter(beside, min(_SMOOTH, len(beside)), mode="nearest")
    lines, number = _lines(means - means.mean(), level + float(np.median(beside[_FIRST:])))
    rest = means - lines - means.mean()
    spectrum = np.fft.rfft(rest)
    white = level + np.interp(np.arange(n // 2 + 1), np.arange(len(noise)), noise)
    # Where the power exceeds that of offsets and noise, the rest is the specimen's, layers for example. It decreases with the
    # frequency.
    power = isotonic_regression(np.abs(spectrum[1:]) ** 2 / n, increasing=False).x
    gain = level / np.maximum(white, np.append(power[:1], power))
    offsets = np.fft.irfft(spectrum * gain, n)
    covariance = np.fft.irfft(level * (1 - gain), n)
    # A line takes the offsets at its frequency with it.
    error = np.sqrt(min(covariance[0] + level * number / n, level))
    return offsets - offsets.mean(), float(error), covariance[: n // 2]


def _lines(series: NDArray[np.float64], white: float) -> tuple[NDArray[np.float64], int]:
    """Return the sum of the sinusoids that stand out of a series of which the rest is white, with that variance, and the number
    of their coefficients."""
    n = len(series)
    row = np.arange(n)
    least = white * np.log(n / 2 / LEVEL)
    waves, variances = np.empty((n, 0)), np.empty(0)
    found = np.zeros(n)
    for search in range(_SEARCHES):
        # A taper keeps strong lines from hiding weak ones. It also hides the ends, where a boundary may change the lattice.
        taper = np.ones(n) if search else hann(n, sym=False)
        power = np.abs(np.fft.rfft((series - found) * taper, _POINTS * n)) ** 2 / np.sum(taper**2)
        # The main lobe of a line spans two frequencies on either side: of each such stretch the highest point is taken.
        stretch = 4 * _POINTS
        blocks = np.append(power, np.zeros(-len(power) % stretch)).reshape(-1, stretch)
        peak = np.arange(len(blocks)) * stretch + blocks.argmax(axis=1)
        inner = peak[(peak > 0) & (peak < len(power) - 1)]
        inner = inner[
            (power[inner] > least) & (power[inner] >= power[inner - 1]) & (power[inner] >= power[inner + 1])
        ]
        if not len(inner):
            break
        low, top, high = (np.log(np.maximum(power[inner + k], 1e-300)) for k in (-1, 0, 1))
        frequency = (inner + 0.5 * (low - high) / np.minimum(low - 2 * top + high, -1e-9)) / (_POINTS * n)
        phase = 2 * np.pi * np.outer(row, frequency)
        variance = 2 * power[inner] * np.sum(taper**2) / taper.sum() ** 2
        waves = np.column_stack([waves, np.cos(phase), np.sin(phase)])
        variances = np.concatenate([variances, variance, variance])
        # Ridge regression: lines closer than a frequency share their power.
        normal = waves.T @ waves + np.diag(white / variances)
        found = waves @ np.linalg.solve(normal, waves.T @ series)
    return found, waves.shape[1]


def _bands(first: int, last: int) -> Iterator[slice]:
    """Yield the rows of an image in bands that stay in the cache."""
    for start in range(first, last, BAND):
        yield slice(start, min(start + BAND, last))


def _row_shifts(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the displacements of rows relative to those around them, in pixels, and the contrast that shows them: the parts
    of blocks of columns, each of shape (rows - 4, blocks)."""
    n, width = len(values) - 4, values.shape[1]
    taper = hann(width, sym=False)
    power = np.empty((n, width // 2 + 1))
    edges = np.linspace(0, width, _BLOCKS + 1).astype(int)[:-1]
    shifts, contrast = np.empty((2, n, _BLOCKS))

    def between(rows: slice) -> NDArray[np.float64]:
        near = values[rows.start : rows.stop + 4]
        return np.asarray((4 * (near[1:-3] + near[3:-1]) - (near[:-4] + near[4:])) / 6)

    def fill_power(first: int, last: int) -> None:
        for rows in _bands(first, last):
            power[rows] = np.abs(np.fft.rfft(between(rows) * taper, axis=1)) ** 2

    over_rows(fill_power, n)
    power = np.mean(power, axis=0)
    # Wiener filter: the highest third of the frequencies holds noise.
    noise = np.median(power[2 * len(power) // 3 :])
    signal = np.clip(1 - noise / np.maximum(power, 1e-300), 0, 1)

    def fill(first: int, last: int) -> None:
        for rows in _bands(first, last):
            usual = between(rows)
            derivative = 2j * np.pi * np.fft.rfftfreq(width) * np.fft.rfft(usual, axis=1) * signal
            slope = np.fft.irfft(derivative * signal, width, axis=1)
            away = values[rows.start + 2 : rows.stop + 2] - usual
            shifts[rows] = -np.add.reduceat(away * slope, edges, axis=1)
            square = np.fft.irfft(derivative, width, axis=1) ** 2
            contrast[rows] = np.add.reduceat(square, edges, axis=1)

    over_rows(fill, n)
    whole = np.maximum(contrast.sum(axis=1, keepdims=True), 1e-300)
    return shifts / whole, contrast / whole


def _jumps(shifts: NDArray[np.float64], contrast: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the rows from which on all are displaced along x."""
    n = len(shifts) - len(_JUMP) + 1
    seen = sum(part * shifts[k : k + n] for k, part in enumerate(_JUMP))
    shown = sum(part**2 * contrast[k : k + n] for k, part in enumerate(_JUMP))
    size = seen.sum(axis=1)
    # Structure and noise contribute to each block with either sign; blocks without structure, as in vacuum, do not count.
    total = np.maximum(shown.sum(axis=1), 1e-300)
    freedom = np.maximum(total**2 / np.maximum(np.sum(shown**2, axis=1), 1e-300) - 1, 0.5)
    left = seen - (size / total)[:, None] * shown
    by_blocks = size / np.maximum(np.sqrt(np.sum(left**2, axis=1) * (1 + 1 / freedom)), 1e-300)
    # Jitter is as large in other rows.
    by_rows = size / max(float(robust_spread(size)), 1e-300)
    p = 2 * n * np.maximum(t.sf(np.abs(by_blocks), freedom), norm.sf(np.abs(by_rows)))
    rows: list[int] = []
    for k in np.argsort(p):
        if p[k] < STRICT_LEVEL and all(abs(k - other) > _JUMP_REACH for other in rows):
            rows.append(int(k))
    # The pattern begins two rows before the jump, and the displacements begin at the third row.
    return np.sort(np.array(rows, int)) + 4


def _jitter(shifts: NDArray[np.float64]) -> tuple[float, float]:
    """Return the standard deviation of the displacements of rows along x, in pixels, and the p-value of its test."""
    rng = np.random.default_rng(0)
    signs = np.array([rng.permutation(np.repeat([1.0, -1.0], _BLOCKS // 2)) for _ in range(_BLOCKS)]).T
    periodograms = _periodograms(shifts @ np.column_stack([np.ones(_BLOCKS), signs]))
    frequency = np.arange(len(periodograms)) / len(shifts)
    first = int(np.searchsorted(frequency, _FAST))
    # What the difference to the interpolated row leaves of a displacement.
    kept = 1 - (8 * np.cos(2 * np.pi * frequency) - 2 * np.cos(4 * np.pi * frequency)) / 6
    excess = periodograms[:, 0] - np.median(periodograms[:, 1:], axis=1)
    variance = float(np.median(excess[first:] / kept[first:] ** 2)) / np.log(2)
    return float(np.sqrt(max(variance, 0.0))), _excess(periodograms[first:])


def measure_flyback(positions: np.ndarray, separation: float, width: float) -> float:
    """Return the strain along x of the first columns of each row, which a scan has that does not start at once.

    Each vector between neighbours in a strip at the left border is compared with the same vectors in the middle of the image,
    those at the right border likewise. The difference of the two is free of what a border does to a fit. Its blocks of rows are
    compared with zero (t-test).

    Parameters
    ----------
    positions : ndarray of shape (n, 2)
        x, y of columns.
    separation : float
        Typical nearest-neighbour distance.
    width : float
        Of the image, in the same unit.

    Returns
    -------
    float
        Negative where columns are compressed; 0 where the test finds none.
    """
    pairs = cKDTree(positions).query_pairs(_PAIR * separation, output_type="ndarray")
    if not len(pairs):
        return 0.0
    vectors = positions[pairs[:, 1]] - positions[pairs[:, 0]]
    vectors *= np.where(vectors[:, :1] < 0, -1.0, 1.0)
    middle = (positions[pairs[:, 1]] + positions[pairs[:, 0]]) / 2
    long = vectors[:, 0] > 0.5 * separation
    inner = long & (np.abs(middle[:, 0] - width / 2) < width / 4)
    if not inner.any():
        return 0.0
    block = (middle[:, 1] / (_ROWS * separation)).astype(int)
    # Both strips are compared with the same vectors: what a sample of them misses is not in the difference.
    known = vectors[inner][:: -(-np.count_nonzero(inner) // SAMPLE)]
    tree = cKDTree(known)
    means = []
    for strip in (middle[:, 0] < _STRIP * separation, middle[:, 0] > width - _STRIP * separation):
        which = np.flatnonzero(strip & long)
        usual = vectors[which]
        # To the centre of the vectors that are the same (mean shift).
        for _ in range(_FEWEST):
            near = cKDTree(usual).sparse_distance_matrix(tree, _MISSED * separation, output_type="coo_matrix")
            n_near = np.bincount(near.row, minlength=len(which))
            sums = [np.bincount(near.row, along[near.col], minlength=len(which)) for along in known.T]
            means_near = np.transpose(sums / np.maximum(n_near, 1))
            usual = np.where(n_near[:, None] > 0, means_near, vectors[which])
        strain = vectors[which, 0] / usual[:, 0] - 1
        n = np.bincount(block[which], minlength=block.max() + 1)
        total = np.bincount(block[which], strain, minlength=block.max() + 1)
        means.append(np.where(n >= _FEWEST, total / np.maximum(n, 1), np.nan))
    difference = means[0] - means[1]
    difference = difference[np.isfinite(difference)]
    if len(difference) < _FEWEST or not difference.std() > 0:
        return 0.0
    statistic = difference.mean() / (difference.std(ddof=1) / np.sqrt(len(difference)))
    return float(difference.mean()) if 2 * t.sf(abs(statistic), len(difference) - 1) < STRICT_LEVEL else 0.0


# Longest translation of the lattice by which rows are compared, and least distance of the rows along y, in separations: to the
# next cell of a perovskite or a honeycomb, and beyond the neighbours in one row.
_LONGEST, _LEAST_Y = 4.5, 0.4
# Share of the columns that a translation maps to columns: more than a boundary in the middle leaves. Distance up to which it
# does, and up to which two vectors are the same, in separations: less than half of that of any two columns.
_MAPPED, _MISSED = 0.7, 0.2
# Columns at which translations are sought, and that they are tested on (share known to 0.02); translations that are compared.
_ORIGINS, _TESTED, _TRANSLATIONS = 24, 400, 4
# Parts of the rows along x that are compared, and the least distance between two: strain of the specimen is not alike that far
# apart.
_PARTS, _APART = 8, 3
# Longest period along y of the displacements that count, as slower ones are strain for a neighbourhood, and distance of two
# rows of columns, in separations: that of a centred square lattice. Fewest frequencies: a test of level 0.001 needs ten.
_SLOWEST, _ROW_DISTANCE, _FEWEST_FREQUENCIES = 6.0, 0.7, 10


# Sums of BLAS depend on the number of its threads: one, so that the bits do not.
@one_blas_thread()
def measure_wander(positions: NDArray[np.floating], separation: float) -> float:
    r"""Return by how much the scan wanders along x from row to row: the slope of its structure function.

    A translation T of the lattice maps columns to columns. Where the scan is displaced along x by u(y), the difference of
    their positions along x departs from :math:`T_x` by :math:`u(y + T_y) - u(y)`, over the whole width of the image alike,
    which errors of positions do not. The cross-spectra of the departures of distant parts of the rows therefore have the power
    of this difference as their expectation. A superstructure that displaces rows has all its power at a few frequencies, and
    wander at most: where the cross-spectra are significantly positive over all frequencies (signed-rank test), u is taken as a
    random walk with the structure function

    .. math:: \langle (u(y + h) - u(y))^2 \rangle = s h ,

    and s follows from the median of the power over the frequencies.

    Parameters
    ----------
    positions : ndarray of shape (n, 2)
        x, y of columns in pixels.
    separation : float
        Typical nearest-neighbour distance in pixels.

    Returns
    -------
    float
        s, in squared pixels per pixel, without what displaces several rows alike, which is strain, and too low where positions
        are as uncertain as rows are displaced; 0 where the test finds no wander, or the columns have no translations.
    """
    points = np.asarray(positions, dtype=np.float64)
    slopes: list[float] = []
    for translation in _row_translations(points, separation):
        spectrum = _cross_spectrum(points, translation, separation)
        if not spectrum.any():
            continue
        # Rows are compared once: further translations show the same displacements.
        if not slopes and wilcoxon(spectrum, alternative="greater").pvalue >= STRICT_LEVEL:
            return 0.0
        # Power is exponentially distributed: its mean is the median over ln 2.
        slopes.append(float(np.median(spectrum)) / np.log(2) / float(translation[1]))
    return max(float(np.median(slopes)), 0.0) if slopes else 0.0


def _row_translations(points: NDArray[np.float64], separation: float) -> NDArray[np.float64]:
    """Return the shortest translations (t, 2) of the lattice to other rows, in pixels."""
    nothing = np.zeros((0, 2))
    if len(points) < _ORIGINS:
        return nothing
    tree = cKDTree(points)
    inner = np.argsort(np.hypot(*(points - points.mean(axis=0)).T), kind="stable")
    origins = points[inner[: len(points) // 2][:: max(len(points) // 2 // _ORIGINS, 1)]]
    ends = tree.query_ball_point(origins, _LONGEST * separation)
    vectors = np.concatenate([points[e] - o for e, o in zip(ends, origins, strict=True)])
    vectors = vectors[vectors[:, 1] > _LEAST_Y * separation]
    if not len(vectors):
        return nothing
    # The same vector from several columns is proposed once.
    vectors = vectors[distinct_rows(np.rint(vectors / (_MISSED * separation)))[0]]
    vectors = vectors[np.argsort(np.hypot(*vectors.T), kind="stable")]
    tested = points[:: max(len(points) // _TESTED, 1)]
    low, high = points.min(axis=0), points.max(axis=0)
    found: list[NDArray[np.float64]] = []
    for vector in vectors:
        if any(np.hypot(*(vector - other)) < 2 * _MISSED * separation for other in found):
            continue
        ends = tested + vector
        inside = ((ends >= low) & (ends <= high)).all(axis=1)
        away, nearest = tree.query(ends[inside], distance_upper_bound=_MISSED * separation)
        hit = np.isfinite(away)
        if inside.sum() < _ORIGINS or hit.mean() < _MAPPED:
            continue
        found.append(np.median(points[nearest[hit]] - tested[inside][hit], axis=0))
        if len(found) == _TRANSLATIONS:
            break
    return np.array(found).reshape(-1, 2)


def _cross_spectrum(
    points: NDArray[np.float64], translation: NDArray[np.float64], separation: float
) -> NDArray[np.float64]:
    """Return the mean cross-power of the departures of distant parts of the rows along x, in squared pixels, at frequencies
    along y; empty where there are too few rows."""
    away, end = cKDTree(points).query(points + translation, distance_upper_bound=_MISSED * separation)
    start = np.flatnonzero(np.isfinite(away))
    departure = points[end[start], 0] - points[start, 0]
    x, y = points[start].T
    height = float(np.ptp(y)) if len(y) else 0.0
    slowest, fastest = height / (_SLOWEST * separation), height / (2 * _ROW_DISTANCE * separation)
    frequencies = np.arange(int(slowest) + 1, int(fastest) + 1)
    if len(frequencies) < _FEWEST_FREQUENCIES:
        return np.zeros(0)
    departure -= np.median(departure)
    along = (y - y.min()) / height
    taper = np.sin(np.pi * along) ** 2
    part = np.minimum((_PARTS * (x - x.min()) / max(float(np.ptp(x)), 1e-9)).astype(int), _PARTS - 1)
    spectra = np.zeros((_PARTS, len(frequencies)), dtype=np.complex128)
    at_once = max(MOST_IN_MEMORY // len(frequencies), 1)
    for number in range(_PARTS):
        own = np.flatnonzero(part == number)
        for some in np.split(own, range(at_once, len(own), at_once)):
            waves = np.exp(-2j * np.pi * np.outer(frequencies, along[some]))
            spectra[number] += waves @ (taper[some] * departure[some]) / len(own)
    first, second = np.nonzero(np.subtract.outer(np.arange(_PARTS), np.arange(_PARTS)) <= -_APART)
    power = (spectra[first] * spectra[second].conj()).real.mean(axis=0)
    n_rows = height / (_ROW_DISTANCE * separation)
    return np.asarray(power * n_rows / np.mean(taper**2))
