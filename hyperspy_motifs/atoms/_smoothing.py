"""Processing of an image after it was recorded: smoothing, its measurement in the noise and its removal; blocks of a JPEG."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.stats import t

from hyperspy_motifs.common import STRICT_LEVEL

from ._estimation import estimate_scales
from ._noise_spectrum import LEAST_POWER, TILE, NoiseSpectrum, central

#: Smaller standard deviations, in pixels, change neither columns nor moments.
LEAST_SMOOTHING = 0.5
# Smallest side of an image, in pixels, of which smoothing is measured.
_SMALLEST = 32
# Pixels a side of the blocks of a JPEG (ITU-T T.81).
_BLOCK = 8
# Fewest blocks along an axis.
_FEWEST = 8


def measure_smoothing(image: np.ndarray) -> float:
    """Return the standard deviation of the Gaussian that an image was smoothed with after it was recorded, in pixels.

    Noise is recorded pixel by pixel, so that its spectrum is flat. After a filter it is the square of the transfer
    function of that filter. The noise is measured in the residual of columns.

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
        Finite values.

    Returns
    -------
    float
        0 if the noise is flat, falls otherwise than a Gaussian (a cut-off, splines), or is too weak to be measured.
    """
    if min(image.shape) < _SMALLEST:
        return 0.0
    # Without noise at the highest frequencies the image may have been smoothed; else there is nothing to measure.
    high, middle = NoiseSpectrum.of_windows([central(image, TILE)]).rings()[[-1, -8]]
    if high > middle * np.exp(-((2 * np.pi * LEAST_SMOOTHING) ** 2) * (0.5**2 - 0.28**2)):
        return 0.0
    smoothing = estimate_scales(image).smoothing
    return smoothing if smoothing >= LEAST_SMOOTHING else 0.0


def sharpen(image: np.ndarray, smoothing: float) -> np.ndarray:
    """Return an image from which a Gaussian smoothing is removed.

    Frequencies of which the smoothing left less than the measurable part are set to zero.

    Parameters
    ----------
    image : ndarray, shape (rows, columns)
    smoothing : float
        Standard deviation of the Gaussian in pixels.

    Returns
    -------
    ndarray, shape (rows, columns)
    """
    # The cosine transform continues the image by its mirror image, as filters do: a jump at the border, of which the inverse
    # filter makes ripples across the field, does not arise.
    y, x = (np.arange(n) / (2 * n) for n in image.shape)
    transfer = np.exp(-2 * (np.pi * smoothing) ** 2 * (y[:, None] ** 2 + x**2))
    inverse = np.where(transfer**2 > LEAST_POWER, 1 / np.maximum(transfer, LEAST_POWER), 0.0)
    return np.asarray(fft.idctn(fft.dctn(np.asarray(image, np.float64)) * inverse))


def has_blocks(image: np.ndarray) -> bool:
    """Return whether an image was compressed in blocks of 8 x 8 pixels, as a JPEG is.

    The step between two pixels of different blocks is larger than the steps beside it, and no other place of the eight is as
    large: every second one is in an image enlarged twice. A column is wider than one step. Both axes are tested (t-test).

    Parameters
    ----------
    image : ndarray of shape (rows, columns)

    Returns
    -------
    bool
    """
    return all(_has_blocks_along(values) for values in (image, image.T))


def _has_blocks_along(values: NDArray[np.float64]) -> bool:
    step = np.diff(values, axis=1)
    rough = np.abs(step[:, 1:-1] - (step[:, :-2] + step[:, 2:]) / 2).mean(axis=0)
    excess = rough[1:-1] - (rough[:-2] + rough[2:]) / 2
    n = len(excess) // _BLOCK
    if n < _FEWEST:
        return False
    places = excess[: n * _BLOCK].reshape(n, _BLOCK)
    mean, error = places.mean(axis=0), places.var(axis=0, ddof=1) / n
    first, second = np.argsort(mean)[[-1, -2]]
    statistic = (mean[first] - mean[second]) / max(float(np.sqrt(error[first] + error[second])), 1e-300)
    return bool(mean[first] > 0 and _BLOCK * t.sf(statistic, n - 1) < STRICT_LEVEL)
