"""Noise of an image over spatial frequencies, its band limit, and windows and block means that represent it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import minimum_filter1d

# Cells from zero to the highest frequency along an axis. They are fine enough for noise smoothed over some pixels (a
# Gaussian of 2 px falls to 1/e within two cells), and coarse enough for a median of a hundred values in a window of 256 pixels.
_CELLS = 16
#: Smallest side of a window in pixels: it must contain two frequencies per cell.
SMALLEST_WINDOW = 4 * _CELLS
#: Lower noise, relative to the standard deviation of the image, is the deviation of columns from Gaussians: 0.005 to 0.035 on
#: simulated monolayers, boundaries and oxides without any noise.
MISFIT = 0.04
#: Power relative to the highest below which a spectrum is not used: leakage from other frequencies.
LEAST_POWER = 1e-4
# Fewest frequencies that show how a spectrum falls.
_FEWEST_RINGS = 4
# Largest deviation of a logarithmic spectrum from that of smoothed noise, root mean square over the frequencies. Noise that was
# smoothed by 0.7 to 2.5 px has 0.06 to 0.21, that of a cut-off or of splines 0.3 to 1.2 (real and simulated monolayers).
_DEVIATION = 0.26


class NoiseSpectrum:
    """Spectral density of the noise of an image.

    It is measured from the residual of a fit of columns. In each cell of the frequency plane the median of the power is
    used: deviations of the columns from their model repeat with the lattice, and so affect few frequencies. The power of
    noise is exponentially distributed, so that its mean is the median over ln 2.

    Parameters
    ----------
    density : ndarray of shape (33, 17)
        Variance per unit of frequency squared (cycles a pixel), along y from -1/2 to 1/2, along x from 0 to 1/2.
    """

    def __init__(self, density: np.ndarray):
        self.density = np.asarray(density, float)

    @classmethod
    def white(cls, variance: float) -> NoiseSpectrum:
        """Create the spectrum of noise of that variance, independent from pixel to pixel."""
        return cls(np.full((2 * _CELLS + 1, _CELLS + 1), float(variance)))

    @classmethod
    def of_windows(cls, windows: Iterable[np.ndarray]) -> NoiseSpectrum:
        """Measure the noise in windows (rows, columns) of an image from which all columns were subtracted.

        Windows of less than 64 pixels a side give the variance only.
        """
        total, n = np.zeros((2 * _CELLS + 1, _CELLS + 1)), 0
        smallest = []
        for window in windows:
            if min(window.shape) < SMALLEST_WINDOW:
                smallest.append(float(np.var(window)))
                continue
            total += _density(window)
            n += 1
        return cls(total / n) if n else cls.white(float(np.mean(smallest)) if smallest else 0.0)

    @property
    def variance(self) -> float:
        """Variance of a pixel."""
        return float(np.trapezoid(np.trapezoid(self.density, axis=1), axis=0) / (2 * _CELLS**2))

    def rings(self) -> np.ndarray:
        """Return the medians of the density over rings of frequencies 0, 1/32, ..., 1/2 cycles a pixel, shape (17,)."""
        y, x = np.mgrid[-_CELLS : _CELLS + 1, : _CELLS + 1]
        ring = np.rint(np.hypot(y, x))
        return np.array([np.median(self.density[ring == k]) for k in range(_CELLS + 1)])

    def smoothing(self, lowest: float) -> float:
        """Return the standard deviation, in pixels, of the Gaussian that white noise was smoothed with; 0 if there is none.

        Parameters
        ----------
        lowest : float
            Frequency in cycles a pixel from which on the spectrum holds noise alone.

        Returns
        -------
        float
        """
        power, frequency = self.rings(), np.arange(_CELLS + 1) / (2 * _CELLS)
        inside = frequency > lowest
        if not inside.any():
            return 0.0
        used = inside & (power > LEAST_POWER * power[inside].max())
        last = int(np.argmax(inside)) + int(np.argmin(np.append(used[np.argmax(inside) :], False)))
        square, level = frequency[np.argmax(inside) : last] ** 2, np.log(power[np.argmax(inside) : last])
        if len(level) < _FEWEST_RINGS:
            return 0.0
        slope, start = np.polyfit(square, level, 1)
        if np.std(level - slope * square - start) > _DEVIATION:
            return 0.0
        return float(np.sqrt(max(-slope, 0.0)) / (2 * np.pi))

    def level_below(self, lowest: float) -> NoiseSpectrum:
        """Return the spectrum with the density below a frequency (cycles a pixel) replaced by the next higher one."""
        y, x = np.mgrid[-_CELLS : _CELLS + 1, : _CELLS + 1]
        ring = np.rint(np.hypot(y, x))
        first = min(int(np.ceil(2 * _CELLS * lowest)), _CELLS)
        return NoiseSpectrum(np.where(ring < first, np.median(self.density[ring == first]), self.density))

    def at(self, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return the density at frequencies `y` (rows), `x` (columns) of a grid, cycles a pixel; float32 (len(y), len(x))."""
        rows = _interpolation(np.asarray(y) * 2 * _CELLS + _CELLS, 2 * _CELLS + 1)
        columns = _interpolation(np.abs(np.asarray(x)) * 2 * _CELLS, _CELLS + 1)
        return (rows @ self.density.astype(np.float32)) @ columns.T

    def variance_of_sum(self, weights: np.ndarray) -> float:
        """Return the variance of the sum of the noise over pixels with `weights` (rows, columns)."""
        shape = tuple(fft.next_fast_len(2 * n, real=True) for n in weights.shape)
        power = np.abs(fft.rfft2(weights, shape)) ** 2
        density = self.at(fft.fftfreq(shape[0]), fft.rfftfreq(shape[1]))
        # Columns of a half spectrum count twice, except the first, and the last of an even number.
        twice = np.full(power.shape[1], 2.0)
        twice[0] = 1.0
        if shape[1] % 2 == 0:
            twice[-1] = 1.0
        return float((power * density) @ twice @ np.ones(len(power)) / np.prod(shape))


def _interpolation(place: NDArray[np.float64], length: int) -> NDArray[np.float32]:
    """Return the matrix of linear interpolation at positions on an axis of `length` points."""
    place = np.clip(place, 0, length - 1)
    first = np.minimum(place.astype(int), length - 2)
    matrix = np.zeros((len(place), length), np.float32)
    index = np.arange(len(place))
    matrix[index, first] = 1 - (place - first)
    matrix[index, first + 1] += place - first
    return matrix


def _density(window: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the medians of the periodogram in the cells, as a density."""
    taper = [np.hanning(n + 2)[1:-1].astype(np.float32) for n in window.shape]
    values = (window - window.mean()).astype(np.float32) * taper[0][:, None] * taper[1]
    norm = float(np.sum(taper[0] ** 2, dtype=float) * np.sum(taper[1] ** 2, dtype=float))
    power = np.abs(fft.rfft2(values)) ** 2
    row = np.rint(fft.fftfreq(window.shape[0]) * 2 * _CELLS).astype(int) + _CELLS
    column = np.rint(fft.rfftfreq(window.shape[1]) * 2 * _CELLS).astype(int)
    cell = (row[:, None] * (_CELLS + 1) + column[None]).ravel()
    # The medians of all cells at once: sorted by cell, then by power. The bits of positive numbers are in their order.
    key = (cell.astype(np.uint64) << np.uint64(32)) + power.ravel().view(np.uint32)
    ordered = np.sort(key).astype(np.uint32).view(np.float32) / (norm * np.log(2))
    n = np.bincount(cell, minlength=(2 * _CELLS + 1) * (_CELLS + 1))
    first = np.cumsum(n) - n
    lower, upper = first + np.maximum(n - 1, 0) // 2, np.minimum(first + n // 2, len(ordered) - 1)
    density = np.where(n > 0, (ordered[np.minimum(lower, len(ordered) - 1)] + ordered[upper]) / 2, np.nan)
    density = density.reshape(2 * _CELLS + 1, _CELLS + 1)
    # The highest frequency of an even number of rows occurs once, as negative.
    density[-1] = np.where(np.isnan(density[-1]), density[0], density[-1])
    density[0] = np.where(np.isnan(density[0]), density[-1], density[0])
    return np.where(np.isnan(density), np.nanmedian(density), density)


# Ratio of the lowest power in some rings of frequencies to the highest beyond the next ring from which on there is a limit: the
# taper leaves the power of one ring in the next.
_BELOW = 9
_FALL = 100.0
# Lowest limit in cycles an image: the spectrum of few columns, or of a background, falls as steeply below.
_LOWEST = 16
# Relative power below which a spectrum is rounding errors, or leakage through the taper.
_LOST = 1e-6


def band_limit(image: np.ndarray) -> float:
    """Return the frequency above which an image has none, in cycles a pixel; infinite if its spectrum ends nowhere sharply.

    Parameters
    ----------
    image : ndarray of shape (rows, columns)

    Returns
    -------
    float
    """
    taper = [np.hanning(n + 2)[1:-1] for n in image.shape]
    power = np.abs(fft.rfft2((image - image.mean()) * taper[0][:, None] * taper[1])) ** 2
    rings = min(image.shape)
    ring = np.rint(_frequency(image.shape) * rings).astype(int).ravel()
    # Whole numbers of 16 bits are sorted in one pass.
    sorted_by_ring = power.ravel()[np.argsort(ring.astype(np.uint16), kind="stable")]
    of_ring = np.split(sorted_by_ring, np.cumsum(np.bincount(ring)))[: rings // 2]
    level = np.maximum([np.partition(one, len(one) // 2)[len(one) // 2] for one in of_ring], 1e-300)
    # Between the reflections of a lattice without noise there is no power either.
    within = minimum_filter1d(level, _BELOW, origin=(_BELOW - 1) // 2)
    beyond = np.maximum.accumulate(level[::-1])[::-1]
    fall = np.where(level[:-2] > _LOST * level.max(), within[:-2] / beyond[2:], 0.0)
    fall[:_LOWEST] = 0
    k = int(np.argmax(fall))
    return (k - 0.5) / rings if fall[k] > _FALL else np.inf


def within_band(image: np.ndarray, limit: float) -> np.ndarray:
    """Return an image without its frequencies above a limit.

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
    limit : float
        Cycles a pixel.

    Returns
    -------
    ndarray of shape (rows, columns)
    """
    return fft.irfft2(fft.rfft2(image) * (_frequency(image.shape) < limit), image.shape)


def _frequency(shape: tuple[int, ...]) -> NDArray[np.float64]:
    return np.hypot(fft.fftfreq(shape[0])[:, None], fft.rfftfreq(shape[1]))


#: Side of a window, in pixels, that shows what an image of any size has: scales, noise, smoothing.
TILE = 512
#: Pixels of a separation that are ample: block means of more contain the same information.
AMPLE = 10.0


def tiles(shape: tuple[int, int], size: int = TILE) -> list[tuple[slice, slice]]:
    """Return at most four windows of an image that together represent all of it."""
    starts = []
    for length in shape:
        if length <= size * 1.25:
            starts.append([(0, length)])
        else:
            first = min(length // 4, (length - size) // 4)
            last = length - size - first
            starts.append([(first, first + size), (last, last + size)])
    return [(slice(*rows), slice(*columns)) for rows in starts[0] for columns in starts[1]]


def near_tiles(points: np.ndarray, shape: tuple[int, int], reach: float) -> np.ndarray:
    """Return a mask (n,) of the points x, y (n, 2) at most `reach` pixels outside the windows of `tiles`."""
    near = np.zeros(len(points), bool)
    for rows, columns in tiles(shape):
        low, high = (columns.start, rows.start), (columns.stop, rows.stop)
        near |= np.maximum(low - points, points - high).max(axis=1) <= reach
    return near


def central(image: np.ndarray, side: int) -> np.ndarray:
    """Return the central `side` x `side` pixels of an image, or as many as it has."""
    window = []
    for length in image.shape:
        first = max((length - side) // 2, 0)
        window.append(slice(first, min(first + side, length)))
    return image[tuple(window)]


def block_means(image: np.ndarray, step: int) -> np.ndarray:
    """Return means over blocks of pixels; remaining pixels at the right and at the bottom are cut off.

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
    step : int
        Side of a block in pixels.

    Returns
    -------
    ndarray of shape (rows // step, columns // step)
    """
    if step == 1:
        return image
    height, width = (n // step * step for n in image.shape)
    return image[:height, :width].reshape(height // step, step, width // step, step).mean(axis=(1, 3))
