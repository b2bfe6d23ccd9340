"""Profiles of columns added at exact sub-pixel positions."""

import math

import numpy as np
from numba import njit

# Number of standard deviations beyond which a Gaussian is below 4e-6 of its peak.
REACH = 5.0


@njit(cache=True)
def add_gaussians(image, x, y, weights, sigma, row_shift):
    """Add normalised Gaussians to an image, sampled at the pixel centres as by a scanned probe.

    Parameters
    ----------
    image : (rows, columns) float64 array
        Changed in place.
    x, y : (n,) float64 arrays
        Centres in pixels.
    weights : (n,) float64 arrays
        Integral of each Gaussian.
    sigma : float
        Standard deviation in pixels.
    row_shift : (rows,) float64 array
        Shift of each row of the scan along x, in pixels.
    """
    rows, columns = image.shape
    reach = REACH * sigma
    curvature = math.exp(-1.0 / sigma**2)
    for i in range(x.size):
        first_row = max(0, math.ceil(y[i] - reach))
        last_row = min(rows - 1, math.floor(y[i] + reach))
        height = weights[i] / (2.0 * math.pi * sigma**2)
        for row in range(first_row, last_row + 1):
            centre = x[i] + row_shift[row]
            first = max(0, math.ceil(centre - reach))
            last = min(columns - 1, math.floor(centre + reach))
            offset = first - centre
            # On a regular grid a Gaussian is computed from its first value by two products per step, without exp.
            value = height * math.exp(-((row - y[i]) ** 2 + offset**2) / (2.0 * sigma**2))
            ratio = math.exp(-(2.0 * offset + 1.0) / (2.0 * sigma**2))
            for column in range(first, last + 1):
                image[row, column] += value
                value *= ratio
                ratio *= curvature


def add_columns(
    image: np.ndarray,
    positions: np.ndarray,
    weights: np.ndarray,
    profile: tuple[tuple[float, float], ...],
    row_shift: np.ndarray,
) -> None:
    """Add columns whose profile is a sum of Gaussians.

    Parameters
    ----------
    image : (rows, columns) float64 array
        Changed in place.
    positions : (n, 2) float64 array
        x, y in pixels.
    weights : (n,) float64 array
        Integral of each column.
    profile : tuple of (share, sigma)
        Shares of the integral and standard deviations in pixels of the Gaussians.
    row_shift : (rows,) float64 array
        Shift of each row of the scan along x, in pixels.
    """
    x, y = np.ascontiguousarray(positions[:, 0]), np.ascontiguousarray(positions[:, 1])
    for share, sigma in profile:
        if share > 0:
            add_gaussians(image, x, y, share * weights, sigma, row_shift)
