"""Moments of many discs in one pass, and of discs that the border or missing pixels cut."""

from functools import lru_cache

import numba as nb
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from hyperspy_motifs.compilation import INNER, OUTER
from hyperspy_motifs.patches import sample_window
from hyperspy_motifs.threads import over_rows

from ._bases import ZernikeBasis
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


# Variance of patterns that the whole discs do not contain, relative to the power of their patterns.
_RARE = 0.01
# Largest order of the model of a patch: 153 modes.
_N_FIT = 16


@lru_cache(maxsize=8)
def _model(n_max: int, radius: float) -> tuple[ZernikeBasis, NDArray[np.float64]]:
    """Return the basis of the model and the means (K, P) of its functions over the pixels: equal for all frames of a stack."""
    basis = ZernikeBasis(n_max, radius)
    means = basis._integrals[0] / basis.areas
    means.flags.writeable = False
    return basis, means


class PartialDiscs:
    r"""Regularised least squares for discs that lie partly outside the image.

    The pixels inside contribute to the moments directly. Those outside are taken from a model of the patch,
    Zernike polynomials :math:`f = Z c + e` of a higher order, fitted to the pixels inside. This fit alone is
    ill-conditioned where the disc is cut. The whole discs of the same image regularise it. Their mean
    :math:`\mu` and covariance C are the prior,

    .. math:: c = \mu + (C^{-1} + Z^T W Z)^{-1} Z^T W (f - Z \mu),

    with the weights W = pixel area over the variance that the model leaves unexplained: Bayesian linear
    regression (Bishop, Pattern Recognition and Machine Learning (2006), section 3.3). The prior is widened
    by a hundredth of the power of the patterns, so that defects that no whole disc contains remain possible.

    Parameters
    ----------
    basis : DiscBasis
        Basis with K modes.
    patches : (n, size, size) array
        Whole, normalised patches of the same image; some hundreds are sufficient.
    """

    def __init__(self, basis: DiscBasis, patches: NDArray) -> None:
        self.basis = basis
        n_fit = max(basis.n_max, min(int(np.ceil(0.7 * basis.radius)) + 4, _N_FIT))
        self._model, self._means = _model(n_fit, basis.radius)
        self._areas = self._model.areas
        self._learn(patches.reshape(len(patches), -1)[:, self._model.pixels].astype(np.float32, copy=False))

    def _learn(self, patches):
        n_modes = len(self._model.modes)
        if len(patches) < 2:
            self._prior_mean = np.zeros(n_modes)
            self._prior = np.eye(n_modes)
            self._variance = 1e-2
            return
        # Single precision, as for the patches. These are sums of many pixels, averaged over many patches.
        values = (patches @ self._model.weights.T.astype(np.float32)).astype(np.float64)
        known = values @ self._model._dual
        self._prior_mean = known.mean(axis=0)
        deviation = known - self._prior_mean
        covariance = deviation.T @ deviation / (len(known) - 1)
        # Few samples give poor estimates of correlations: shrink towards the variances alone.
        shrink = n_modes / (n_modes + len(known))
        covariance = (1 - shrink) * covariance + shrink * np.diag(np.diag(covariance))
        orders = self._model.modes[:, 0]
        power = np.bincount(orders, weights=(known**2).mean(axis=0)) / np.bincount(orders)
        rare = np.maximum(power[orders], 1e-4 * power.max())
        self._prior = np.linalg.inv(covariance + _RARE * np.diag(rare))
        # The square of f - Z c over the disc, term by term: the patches need not be reconstructed.
        area = np.pi * self._model.radius**2
        gram = (self._means * self._areas) @ self._means.T
        squares = (patches**2).sum(axis=0, dtype=np.float64) / len(patches)
        square = squares @ self._areas - 2 * area * (known * values).sum(axis=1).mean()
        square += ((known @ gram) * known).sum(axis=1).mean()
        self._variance = max(square / self._areas.sum(), 1e-6 * power.max())

    def solve(
        self, patches: NDArray, inside: NDArray[np.bool_], noise_std: NDArray
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return moments (b, K) and their noise (b, K) of truncated discs.

        Parameters
        ----------
        patches : (b, size, size) array
            Normalised patches.
        inside : (b, P) bool array
            Pixels of the discs that lie inside the image and hold data.
        noise_std : (b, K) array
            Noise of the moments of whole discs.
        """
        flat = patches.reshape(len(patches), -1)[:, self.basis.pixels]
        moments = np.empty((len(patches), len(self.basis.modes)), np.float32)
        noise = noise_std.copy()
        weights = self.basis.weights
        whole = (weights**2).sum(axis=1)
        # Columns in units of their noise: the sums of squares are symmetric, which BLAS computes in half the time.
        precision = np.sqrt(self._areas / self._variance)
        means, per_noise = self._means * precision, weights / precision
        information = means @ means.T
        single = (self._means * precision**2).astype(np.float32)
        # Discs with the same cut are solved together.
        groups, first, which = np.unique(
            np.packbits(inside, axis=1), axis=0, return_index=True, return_inverse=True
        )
        for g in range(len(groups)):
            members = np.flatnonzero(which.ravel() == g)
            here = inside[first[g]]
            # The area outside is smaller: it is subtracted from the sum over the whole disc.
            lost = means[:, ~here]
            seen = information - lost @ lost.T
            beyond = per_noise[:, ~here] @ lost.T
            learnt = cho_solve(cho_factor(self._prior + seen), beyond.T).T
            constant = (beyond - learnt @ seen) @ self._prior_mean
            operator = learnt.astype(np.float32) @ single[:, here]
            operator += weights[:, here]
            moments[members] = flat[np.ix_(members, here)] @ operator.T + constant
            amplified = np.square(operator, dtype=np.float64).sum(axis=1) / whole
            unknown = (learnt * beyond).sum(axis=1)
            noise[members] = np.sqrt(noise[members].astype(np.float64) ** 2 * amplified + unknown)
        return moments, noise
