"""Moments of many discs: spline sampling and sums over the disc in one pass, without patches."""

import numba as nb
import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.compilation import INNER, OUTER
from hyperspy_motifs.patches import sample_window
from hyperspy_motifs.threads import over_rows

from ._disc_basis import DiscBasis


@nb.njit(cache=True, fastmath={"contract"}, **INNER)
def _fold(patch, rows, columns, folded):
    """Compute sums and differences of the four mirror images of each pixel of the quarter disc."""
    half = patch.shape[0] // 2
    for q in range(len(rows)):
        r, c = rows[q], columns[q]
        a, b = patch[half + r, half + c], patch[half + r, half - c]
        d, e = patch[half - r, half + c], patch[half - r, half - c]
        folded[0, q] = (a + b) + (d + e)
        folded[1, q] = (a - b) + (d - e)
        folded[2, q] = (a + b) - (d + e)
        folded[3, q] = (a - b) - (d - e)


@nb.njit(cache=True, fastmath={"contract"}, **INNER)
def _add_up(values, weights, columns, sums, out):
    """Sum four pixels at a time, which reads the sums from memory a quarter as often."""
    n_padded = weights.shape[1]
    sums[:] = 0
    for q in range(0, len(values), 4):
        a, b, c, d = values[q], values[q + 1], values[q + 2], values[q + 3]
        w, x, y, z = weights[q], weights[q + 1], weights[q + 2], weights[q + 3]
        for k in range(n_padded):
            sums[k] += (a * w[k] + b * x[k]) + (c * y[k] + d * z[k])
    for k in range(len(columns)):
        out[columns[k]] = sums[k]


@nb.njit(cache=True, **OUTER)
def _moments(first, last, coefficients, x, y, size, rows, columns, weights, modes, out):
    """Compute the moments of atoms `first` to `last`; each atom is handled by one thread, and only its moments are kept."""
    for i in range(first, last):
        patch = np.empty((size, size), np.float32)
        sample_window(coefficients, x[i], y[i], patch)
        folded = np.zeros((4, weights[0].shape[0]), np.float32)
        _fold(patch, rows, columns, folded)
        sums = np.empty(weights[0].shape[1], np.float32)
        for k in range(4):
            _add_up(folded[k], weights[k], modes[k], sums[: weights[k].shape[1]], out[i])


def _padded(weights):
    """Pad the weights to a multiple of 4 rows and of 8 columns, for vectorised loops."""
    rows, columns = (-(-length // step) * step for length, step in zip(weights.shape, (4, 8), strict=True))
    out = np.zeros((rows, max(columns, 8)), np.float32)
    out[: weights.shape[0], : weights.shape[1]] = weights
    return out


def disc_moments(
    coefficients: NDArray[np.float32], positions: NDArray[np.float64], basis: DiscBasis
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the moments (n, K) and the means (n,) of the discs around positions.

    Every mode is even or odd in x and in y. A disc is therefore first folded to a quarter, in four combinations of
    sums and differences. Each mode uses one of them, which takes a quarter of the operations.

    Parameters
    ----------
    coefficients : (rows, columns) float32 array
        From `patches.spline_coefficients`.
    positions : (n, 2) array
        x, y in pixels.
    basis : DiscBasis
        Basis with K modes.
    """
    half = basis.size // 2
    rows, columns = (index - half for index in np.divmod(basis.pixels, basis.size))
    quarter = np.flatnonzero((rows >= 0) & (columns >= 0))
    rows, columns = rows[quarter], columns[quarter]
    # A pixel on an axis is its own mirror image and must not count twice.
    share = np.where(rows == 0, 0.5, 1.0) * np.where(columns == 0, 0.5, 1.0)
    mean = (basis.areas / basis.areas.sum())[None, quarter]
    table = np.concatenate([basis.weights[:, quarter], mean]) * share
    m = np.append(basis.modes[:, 1], 0)
    odd_x, odd_y = np.where(m >= 0, m % 2 == 1, m % 2 == 0), m < 0
    members = [np.flatnonzero((odd_x == (k % 2 == 1)) & (odd_y == (k >= 2))) for k in range(4)]
    weights = tuple(_padded(table[chosen].T) for chosen in members)
    out = np.empty((len(positions), len(m)), np.float32)
    over_rows(
        _moments,
        len(positions),
        coefficients,
        np.ascontiguousarray(positions[:, 0]),
        np.ascontiguousarray(positions[:, 1]),
        basis.size,
        rows,
        columns,
        weights,
        tuple(members),
        out,
    )
    return out[:, :-1], out[:, -1]
