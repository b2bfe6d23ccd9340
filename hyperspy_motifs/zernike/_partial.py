"""Moments of discs that stick out of the image."""

import numpy as np
from numpy.typing import NDArray

from ._disc_basis import DiscBasis

# Whole discs from which the prior is learned; more would not change it.
_SAMPLE = 4000


class PartialDiscs:
    r"""Regularised least squares for discs of which a part lies outside the image.

    The pixels inside, :math:`f = Z c + e`, determine the coefficients badly where the disc is cut. What
    the whole discs of the same image teach settles it: their mean :math:`\mu` and covariance :math:`C`
    are the prior, and

    .. math:: c = \mu + (C^{-1} + Z^T W Z)^{-1} Z^T W (f - Z \mu),

    with the weights W = pixel area over the variance that the modes leave unexplained. So the part inside
    is fitted, and the part outside is what the image has elsewhere beside such a part. (Bayesian linear
    regression: Bishop, Pattern Recognition and Machine Learning (2006), section 3.3.)

    Parameters
    ----------
    basis : DiscBasis
        Basis with K modes.
    moments : (n, K) array
        Moments of whole discs of the same image.
    noise_std : (n, K) array
        Their noise.
    """

    def __init__(self, basis: DiscBasis, moments: NDArray, noise_std: NDArray) -> None:
        self.basis = basis
        n_modes = len(basis.modes)
        integrals, areas, _ = basis._integrals
        self._means = integrals / areas
        self._areas = areas
        step = max(len(moments) // _SAMPLE, 1)
        known = moments[::step].astype(np.float64)
        if len(known) >= 2:
            self._prior_mean = known.mean(axis=0)
            deviation = known - self._prior_mean
            covariance = deviation.T @ deviation / (len(known) - 1)
            # Few samples say little about correlations: shrink towards the variances alone.
            shrink = n_modes / (n_modes + len(known))
            floor = 1e-3 * max(float(np.trace(covariance)) / n_modes, 1e-12)
            diagonal = np.diag(np.diag(covariance) + floor)
            self._prior = np.linalg.inv((1 - shrink) * covariance + shrink * diagonal)
            noise = float(np.mean(noise_std.astype(np.float64) ** 2))
        else:
            self._prior_mean = np.zeros(n_modes)
            self._prior = np.eye(n_modes)
            noise = 1e-3
        # Variance of a pixel of unit area: its noise, and a floor for what lies between the modes.
        self._variance = np.pi * basis.radius**2 * max(noise, 1e-6)

    def solve(
        self, patches: NDArray, limits: NDArray[np.int64], wanted: NDArray[np.bool_], noise_std: NDArray
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return moments (b, K) and their noise (b, K) of cut discs.

        Parameters
        ----------
        patches : (b, size, size) array
            Normalised patches.
        limits : (b, 4) int array
            First and past-last row, first and past-last column inside the image.
        wanted : (b,) bool array
            Which of them to solve; the others come back as NaN.
        noise_std : (b, K) array
            Noise that the moments of whole discs would have.
        """
        flat = patches.reshape(len(patches), -1)[:, self.basis.pixels].astype(np.float64)
        rows, columns = np.divmod(self.basis.pixels, self.basis.size)
        moments = np.full((len(patches), len(self.basis.modes)), np.nan, np.float32)
        noise = noise_std.copy()
        gram = self._means * self._areas / (np.pi * self.basis.radius**2) @ self._means.T
        groups, which = np.unique(limits, axis=0, return_inverse=True)
        for g, (top, bottom, left, right) in enumerate(groups):
            members = np.flatnonzero((which.ravel() == g) & wanted)
            if not len(members):
                continue
            inside = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
            design = self._means[:, inside]
            weight = self._areas[inside] / self._variance
            system = self._prior + (design * weight) @ design.T
            operator = np.linalg.solve(system, design * weight)
            residual = flat[members][:, inside] - self._prior_mean @ design
            # The coefficients of least squares, brought to the moments of a whole disc.
            moments[members] = (self._prior_mean + residual @ operator.T) @ gram
            spread = np.sqrt(np.einsum("kp,kp->k", gram @ operator, gram @ operator))
            whole = np.sqrt((self.basis.weights**2).sum(axis=1))
            noise[members] *= np.maximum(spread / whole, 1.0).astype(np.float32)
        return moments, noise
