"""The Zernike and Fourier-Bessel functions of a disc, and moments of many discs in one pass, whole or cut."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.special import jnp_zeros, jv

from hyperspy_motifs.patches import sample_windows, with_margin
from hyperspy_motifs.threads import one_blas_thread, over_rows

from ._disc_basis import DiscBasis


def radial_polynomials(n_max: int, rho: ArrayLike) -> dict[tuple[int, int], NDArray[np.float64]]:
    """Return R_n^m(rho) for every n <= n_max, 0 <= m <= n, n - m even, with R_n^m(1) = 1.

    Parameters
    ----------
    n_max : int
        Largest radial order.
    rho : array_like
        Distances from the centre over the radius of the disc, 0 to 1.

    Returns
    -------
    dict
        {(n, m): array of the shape of rho}.

    Notes
    -----
    R_n^m = rho (R_{n-1}^{|m-1|} + R_{n-1}^{m+1}) - R_{n-2}^m, where polynomials that do not exist are 0: Shakibaei
    and Paramesran, "Recursive formula to compute Zernike radial polynomials", Optics Letters 38 (2013) 2487. It has
    no divisions and no factorials; the sum of factorials of the definition loses all digits at n = 50, this
    recurrence none (1e-13).
    """
    x = np.asarray(rho, dtype=np.float64)
    zero = np.zeros_like(x)
    table = {(0, 0): np.ones_like(x)}
    for n in range(1, n_max + 1):
        for m in range(n % 2, n + 1, 2):
            lower = table.get((n - 1, abs(m - 1)), zero)
            upper = table.get((n - 1, m + 1), zero)
            table[n, m] = x * (lower + upper) - table.get((n - 2, m), zero)
    return table


class ZernikeBasis(DiscBasis):
    """Zernike polynomials Z_nm = N_nm R_n^|m|(rho) times cos(m theta), or sin(|m| theta) for m < 0.

    N_nm = sqrt(n + 1) for m = 0 and sqrt(2 (n + 1)) otherwise; the radial polynomials come from a
    recurrence that is exact to n_max = 60 and beyond. See `DiscBasis` for the order of the modes, the
    normalisation and the integration over pixels, which are the same for every basis.

    Parameters
    ----------
    n_max : int
        Largest radial order; there are (n_max + 1)(n_max + 2) / 2 modes.
    radius : float
        Radius of the disc in pixels; need not be whole. Patches are 2 ceil(radius) + 1 pixels wide.

    Examples
    --------
    >>> basis = ZernikeBasis(n_max=4, radius=6.5)
    >>> basis.size, len(basis.modes)
    (15, 15)
    >>> moments = basis.transform(np.ones((15, 15)))
    >>> round(float(moments[0]), 6), round(float(abs(moments[1:]).max()), 6)
    (1.0, 0.0)
    """

    def radial(self, rho: NDArray[np.float64]) -> dict[tuple[int, int], NDArray[np.float64]]:
        """Return sqrt((2 - delta_m0) (n + 1)) R_n^m(rho) for every (n, m >= 0)."""
        table = radial_polynomials(self.n_max, rho)
        for (n, m), values in table.items():
            values *= np.sqrt((n + 1) * (2 if m else 1))
        return table


@lru_cache(maxsize=8)
def zernike_basis(n_max: int, radius: float) -> ZernikeBasis:
    """Return a cached basis, which the frames of a stack share.

    Parameters
    ----------
    n_max : int
        Largest radial order.
    radius : float
        Radius of the disc in pixels.

    Returns
    -------
    ZernikeBasis
    """
    return ZernikeBasis(n_max, radius)


class FourierBesselBasis(DiscBasis):
    """Fourier-Bessel functions N J_m(l rho) times cos(m theta), or sin(|m| theta) for m < 0.

    Their radial resolution is uniform, whereas that of Zernike polynomials is highest at the edge. Modes are numbered
    as those of Zernike: the k-th radial function of angular order m has n = m + 2 (k - 1). See `DiscBasis` for the
    order of the modes, the normalisation and the integration over pixels.

    Parameters
    ----------
    n_max : int
        Largest radial order.
    radius : float
        Radius of the disc in pixels.

    Notes
    -----
    l are the zeros of the derivative J_m', so that a constant patch is one mode. Zhao, Shkolnisky and Singer, IEEE
    Transactions on Computational Imaging 2 (2016) 1, use those of J_m, with which functions vanish at the edge.

    Examples
    --------
    >>> basis = FourierBesselBasis(n_max=4, radius=6.5)
    >>> moments = basis.transform(np.ones((15, 15)))
    >>> round(float(moments[0]), 6), round(float(abs(moments[1:]).max()), 6)
    (1.0, 0.0)
    """

    def radial(self, rho: NDArray[np.float64]) -> dict[tuple[int, int], NDArray[np.float64]]:
        """Return the radial functions for every (n, m >= 0)."""
        table = {}
        for m in range(self.n_max + 1):
            count = (self.n_max - m) // 2 + 1
            if m == 0:
                zeros = np.concatenate([[0.0], jnp_zeros(0, count)])[:count]
                integral = jv(0, zeros) ** 2 / 2
            else:
                zeros = jnp_zeros(m, count)
                integral = (1 - (m / zeros) ** 2) * jv(m, zeros) ** 2 / 2
            norm = 1 / np.sqrt(integral * (1 if m else 2))
            for k in range(count):
                table[m + 2 * k, m] = norm[k] * jv(m, zeros[k] * rho)
        return table


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
        # Discs with the same cut are solved together. As strings: of rows, NumPy turns an interrupt into a TypeError.
        bits = np.packbits(inside, axis=1)
        _, first, which = np.unique(
            bits.view(f"S{bits.shape[1]}")[:, 0], return_index=True, return_inverse=True
        )
        for g in range(len(first)):
            members = np.flatnonzero(which == g)
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
