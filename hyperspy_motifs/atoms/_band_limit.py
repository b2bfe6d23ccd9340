"""Images whose frequencies above a limit were removed: the limit, and the removal itself."""

from __future__ import annotations

import numpy as np
from scipy import fft
from scipy.ndimage import minimum_filter1d

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
    # Sorted by ring, then by power; whole numbers of 16 bits are sorted in one pass.
    order = np.argsort(power.ravel())
    order = order[np.argsort(ring[order].astype(np.uint16), kind="stable")]
    n = np.bincount(ring)[: rings // 2]
    level = np.maximum(power.ravel()[order][np.cumsum(n) - n + n // 2], 1e-300)
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


def _frequency(shape):
    return np.hypot(fft.fftfreq(shape[0])[:, None], fft.rfftfreq(shape[1]))
