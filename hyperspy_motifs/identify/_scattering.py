"""Brightness of columns by their composition: a power of the atomic number, with the uncertainty of the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.optimize import least_squares

from ._constants import CONSTANTS
from ._projection import ATOMIC_NUMBERS, Composition, reference_weights


@dataclass(frozen=True)
class Levels:
    """Brightness of each composition, after comparison with the image.

    Attributes
    ----------
    means : ndarray of shape (t,)
        Expected brightness.
    errors : ndarray of shape (t,)
        Standard deviation of `means`, of the model and the data.
    exponent : float
        Of the atomic number.
    coherence : float
        Exponent of the number of atoms.
    gain : float
        Brightness of an atom of hydrogen.
    log_prior : float
        Logarithm of the prior density of the parameters relative to its maximum: minus half the sum of squares.
    log_volume, log_noise : float
        Logarithm of the integral of that density over the ratios of the levels that are seen, and of the volume in which the
        columns show them.
    """

    means: NDArray[np.float64]
    errors: NDArray[np.float64]
    exponent: float
    coherence: float
    gain: float
    log_prior: float
    log_volume: float
    log_noise: float

    @property
    def log_evidence(self) -> float:
        """Logarithm of the probability of the levels, which are fitted to the columns, by the law."""
        return self.log_prior - self.log_volume + self.log_noise


def fit_levels(
    compositions: Sequence[Composition],
    observed: NDArray[np.float64],
    counts: NDArray[np.float64],
    scatter: float,
    layer: bool,
    effective: NDArray[np.float64] = ATOMIC_NUMBERS,
    sites: NDArray[np.int64] | None = None,
) -> Levels:
    r"""Brightness of compositions from the mean brightness of columns.

    .. math:: \log L_t = \log g + \log \sum_i n_i Z_i^\gamma + \kappa \log N_t + \epsilon_t

    with a Cauchy prior of the exponent :math:`\gamma`, and normal priors of :math:`\kappa` and of the errors
    :math:`\epsilon`, which are alike on one site and for elements of like atomic number (a Gaussian process); :math:`\kappa` is
    0 for crystals that repeat along the beam. The maximum of the posterior density is found by least squares.

    Parameters
    ----------
    compositions : sequence of compositions, length t
    observed : ndarray of shape (t,)
        Mean brightness of the columns of each composition; NaN where there are none.
    counts : ndarray of shape (t,)
        Number of columns of each.
    scatter : float
        Standard deviation of the brightness of one column, as a fraction.
    layer : bool
        Whether the crystal is a layer, whose columns have a known number of atoms.
    effective : ndarray, optional
        Effective atomic number by atomic number, for another table of scattering.
    sites : ndarray of int of shape (t,), optional
        Site of each composition; by default each has one of its own.

    Returns
    -------
    Levels
    """
    number = np.array([sum(n for _, n in composition) for composition in compositions])
    log_number = np.log(number) if layer else np.zeros(len(number))
    known = np.flatnonzero(np.isfinite(observed) & (observed > 0) & (counts >= 1))
    log_observed = np.log(observed[known])
    noise = scatter / np.sqrt(np.maximum(counts[known], 1.0))
    covariance = _errors_of_law(compositions, np.arange(len(number)) if sites is None else sites)
    seen = covariance[np.ix_(known, known)] + np.diag(noise**2)
    root = np.linalg.cholesky(seen)

    def predicted(p: NDArray) -> NDArray:
        return p[0] + np.log(reference_weights(compositions, p[1], effective)) + p[2] * log_number

    def residuals(p: NDArray) -> NDArray:
        # Before SciPy 1.14 there is no solution without equations.
        rest = log_observed - predicted(p)[known]
        misfit = solve_triangular(root, rest, lower=True) if len(known) else rest
        exponent = (p[1] - CONSTANTS.exponent) / CONSTANTS.exponent_spread
        # Half its square is the logarithm of a Cauchy density.
        exponent = np.sign(exponent) * np.sqrt(2 * np.log1p(exponent**2))
        return np.concatenate([misfit, [exponent, (p[2] - CONSTANTS.coherence) / CONSTANTS.coherence_spread]])

    start = np.array([0.0, CONSTANTS.exponent, CONSTANTS.coherence])
    if len(known):
        start[0] = float(np.median(log_observed - predicted(start)[known]))
    bounds = ([-np.inf, CONSTANTS.exponent_bounds[0], -1.0], [np.inf, CONSTANTS.exponent_bounds[1], 1.5])
    best = least_squares(residuals, start, bounds=bounds)
    model = predicted(best.x)
    slopes = np.column_stack(
        [np.ones(len(number)), _log_slope(compositions, best.x[1], effective), log_number]
    )
    # Where columns are seen, the law is corrected, and for the other compositions as far as its errors are alike.
    weight = np.linalg.solve(seen, covariance[known]).T
    log_means = model + weight @ (log_observed - model[known])
    rest = slopes - weight @ slopes[known]
    variance = np.diag(covariance) - (weight * covariance[:, known]).sum(axis=1)
    variance += np.einsum("ij,jk,ik->i", rest, np.linalg.pinv(best.jac.T @ best.jac), rest)
    means = np.exp(log_means)
    return Levels(
        means,
        means * np.sqrt(np.maximum(variance, 0.0)),
        float(best.x[1]),
        float(best.x[2]) if layer else 0.0,
        float(np.exp(best.x[0])),
        -float(best.cost),
        _log_volume(seen + (slopes[known] * _PRIOR_SPREAD**2) @ slopes[known].T),
        _log_volume(np.diag(noise**2)),
    )


def _errors_of_law(compositions: Sequence[Composition], sites: NDArray) -> NDArray[np.float64]:
    """Covariance of the errors of the logarithm of the brightness, shape (t, t).

    Half of their variance is that of the site: its vibrations, its neighbours, the spread of the beam. The other half is of
    the elements, each by its share of the brightness, and is alike for elements of like atomic number.
    """
    elements = sorted({z for composition in compositions for z, _ in composition})
    log_z = np.log(elements)
    alike = np.exp(-0.5 * ((log_z[:, None] - log_z) / CONSTANTS.error_range) ** 2)
    shares = np.array([[dict(c).get(z, 0.0) * z**CONSTANTS.exponent for z in elements] for c in compositions])
    shares /= shares.sum(axis=1, keepdims=True)
    of_law = 0.5 * CONSTANTS.model_error**2 * (shares @ alike @ shares.T + (sites[:, None] == sites))
    # What static disorder leaves is each composition's own.
    return np.asarray(of_law + CONSTANTS.scatter[0] ** 2 * np.eye(len(shares)))


# Standard deviations of the logarithm of the gain, which ratios do not contain, of the exponent, and of the coherence.
_PRIOR_SPREAD = np.array([0.0, CONSTANTS.exponent_spread, CONSTANTS.coherence_spread])


def _log_volume(covariance: NDArray) -> float:
    """Logarithm of the volume of a normal density of logarithms of levels over their ratios."""
    k = len(covariance) - 1
    if k < 1:
        return 0.0
    contrast = np.column_stack([-np.ones(k), np.eye(k)])
    return 0.5 * float(np.linalg.slogdet(2 * np.pi * contrast @ covariance @ contrast.T)[1])


def _log_slope(
    compositions: Sequence[Composition], exponent: float, effective: NDArray
) -> NDArray[np.float64]:
    """Derivative of the logarithm of the weights by the exponent."""
    weights = reference_weights(compositions, exponent, effective)
    return (
        np.array(
            [sum(n * effective[z] ** exponent * np.log(effective[z]) for z, n in c) for c in compositions]
        )
        / weights
    )
