"""Moments of many discs in one pass, and of discs that the border or missing pixels cut."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from hyperspy_motifs.patches import sample_windows, with_margin
from hyperspy_motifs.threads import one_blas_thread, over_rows

from ._bases import ZernikeBasis
from ._disc_basis import DiscBasis

# Discs whose moments are one matrix product. A fixed number: the rounding of a product depends on its size.
_BLOCK = 64


def disc_moments(
    coefficients: NDArray[np.float32], positions: NDArray[np.float64], basis: DiscBasis
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the moments (n, K) and the means (n,) of the discs around positions x, y (n, 2) in pixels."""
    n, n_modes = len(positions), len(basis.modes)
    weights = np.zeros((basis.size**2, n_modes + 1), np.float32)
    weights[basis.pixels, :n_modes] = basis.weights.T
    weights[basis.pixels, n_modes] = basis.areas / basis.areas.sum()
    out = np.empty((n, n_modes + 1), np.float32)
    padded = with_margin(coefficients, basis.size)

    def fill(first: int, last: int) -> None:
        for start in range(first * _BLOCK, min(last * _BLOCK, n), _BLOCK):
            block = slice(start, start + _BLOCK)
            patches = sample_windows(padded, positions[block], basis.size)
            np.matmul(patches.reshape(len(patches), -1), weights, out=out[block])

    with one_blas_thread():
        over_rows(fill, -(-n // _BLOCK), least=1)
    return out[:, :n_modes], out[:, n_modes]


def disc_coverage(
    positions: NDArray[np.float64], shape: tuple[int, int], basis: DiscBasis
) -> NDArray[np.float64]:
    """Return the part of each atom's disc inside an image of `shape` (rows, columns).

    Parameters
    ----------
    positions : (n, 2) array
        x, y in pixels.
    shape : (int, int)
        Rows and columns of the image.
    basis : DiscBasis
        Its radius is that of the discs.

    Returns
    -------
    (n,) float64 array
        0 to 1.
    """
    full = np.bincount(basis.pixels, weights=basis.areas, minlength=basis.size**2).reshape(
        basis.size, basis.size
    )
    total = np.zeros((basis.size + 1, basis.size + 1))
    total[1:, 1:] = full.cumsum(0).cumsum(1)
    top, bottom, left, right = window_limits(positions, shape, basis.size)
    inside = total[bottom, right] - total[top, right] - total[bottom, left] + total[top, left]
    return inside / basis.areas.sum()


def pixels_inside(
    positions: NDArray[np.float64], mask: NDArray[np.bool_] | None, shape: tuple[int, int], basis: DiscBasis
) -> NDArray[np.bool_]:
    """Return which pixels (n, P) of each disc lie inside an image of `shape` (rows, columns) and hold data."""
    inside = pixels_within(np.stack(window_limits(positions, shape, basis.size), axis=1), basis)
    if mask is not None:
        rows, columns = np.divmod(basis.pixels, basis.size)
        half = basis.size // 2
        x = np.clip(np.rint(positions[:, :1] + columns - half).astype(int), 0, shape[1] - 1)
        y = np.clip(np.rint(positions[:, 1:] + rows - half).astype(int), 0, shape[0] - 1)
        inside &= ~mask[y, x]
    return inside


def pixels_within(limits: NDArray[np.integer], basis: DiscBasis) -> NDArray[np.bool_]:
    """Return which pixels (n, P) of each disc lie within the first and past-last row and column (n, 4) of its window."""
    rows, columns = np.divmod(basis.pixels, basis.size)
    top, bottom, left, right = limits.T[:, :, None]
    return (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)


def window_limits(
    positions: NDArray[np.float64], shape: tuple[int, int], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the part of the window around each atom inside an image of `shape` (rows, columns).

    Parameters
    ----------
    positions : (n, 2) array
        x, y in pixels.
    shape : (int, int)
        Rows and columns of the image.
    size : int
        Pixels of the windows along a side.

    Returns
    -------
    top, bottom, left, right : (n,) int arrays
        First and past-last row, first and past-last column whose sample points lie inside.
    """
    half = size // 2
    x, y = positions.T
    left, top = (np.clip(np.ceil(half - c - 0.5), 0, size).astype(int) for c in (x, y))
    right, bottom = (
        np.clip(np.floor(half - c + length - 0.5) + 1, 0, size).astype(int)
        for c, length in ((x, shape[1]), (y, shape[0]))
    )
    return top, bottom, left, right


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

    def __init__(self, basis: DiscBasis, patches: NDArray[np.floating]) -> None:
        self.basis = basis
        n_fit = max(basis.n_max, min(int(np.ceil(0.7 * basis.radius)) + 4, _N_FIT))
        self._model, self._means = _model(n_fit, basis.radius)
        self._areas = self._model.areas
        self._learn(patches.reshape(len(patches), -1)[:, self._model.pixels].astype(np.float32, copy=False))

    def _learn(self, patches: NDArray[np.float32]) -> None:
        n_modes = len(self._model.modes)
        if len(patches) < 2:
            self._prior_mean = np.zeros(n_modes)
            self._prior: NDArray[np.floating] = np.eye(n_modes)
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
        self, patches: NDArray[np.floating], inside: NDArray[np.bool_], noise_std: NDArray[np.floating]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return moments (b, K) of truncated discs and their noise, from normalised patches (b, size, size).

        `inside` (b, P) are the pixels inside the image that hold data, `noise_std` (b, K) the noise of whole discs.
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
