"""Scan lines that are brighter or darker than the adjacent lines."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solveh_banded

# Minimum weight of the prior for small offsets relative to the differences between lines. Offsets that vary within 25 lines
# are found; slower ones belong to the background.
_SMALL = 1e-3


def row_offsets(image: np.ndarray) -> np.ndarray:
    """Return the brightness offset of each row of an image relative to the adjacent rows.

    The median over a row of its difference to the mean of the two adjacent rows is the difference of the offsets, because
    columns cover only a fraction of a row. The offsets are the smallest ones that explain these differences (a regularised
    least-squares problem).

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
        Finite values.

    Returns
    -------
    ndarray of shape (rows,)
        In counts of the image; their mean is zero.
    """
    values = np.asarray(image, float)
    if len(values) < 5:
        return np.zeros(len(values))
    beside = np.vstack([values[1:2], 0.5 * (values[:-2] + values[2:]), values[-2:-1]])
    n = len(values)
    away = values - beside
    differs = np.median(away, axis=1)
    # The standard deviation of a median is 1.2533 times that of a mean.
    spread = 1.4826 * np.median(np.abs(away - differs[:, None]), axis=1)
    noise = float(np.mean((1.2533 * spread) ** 2)) / values.shape[1]
    # Independent offsets give differences of 1.5 times their variance.
    power = (float(np.var(differs)) - noise) / 1.5
    if power <= noise:
        return np.zeros(n)
    small = max(noise / power, _SMALL)
    # (D'D + s) o = D' e, with D the difference to the mean of the neighbours: five bands.
    main, side = np.ones(n), np.full((2, n), -0.5)
    side[1, 0], side[0, -1] = -1.0, -1.0
    # Row k has side[0, k] at k - 1 and side[1, k] at k + 1; the first and the last row have one neighbour.
    side[0, 0] = side[1, -1] = 0.0
    bands = np.zeros((3, n))
    bands[0] = main**2 + small
    bands[0, :-1] += side[0, 1:] ** 2
    bands[0, 1:] += side[1, :-1] ** 2
    bands[1, :-1] = main[:-1] * side[1, :-1] + side[0, 1:] * main[1:]
    bands[2, :-2] = side[0, 1:-1] * side[1, 1:-1]
    right = main * differs
    right[:-1] += side[0, 1:] * differs[1:]
    right[1:] += side[1, :-1] * differs[:-1]
    found = solveh_banded(bands, right, lower=True)
    return found - found.mean()
