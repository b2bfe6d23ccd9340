"""Brightness of columns by their composition: a power of the atomic number, with the uncertainty of the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
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
    """

    means: NDArray[np.float64]
    errors: NDArray[np.float64]
    exponent: float
    coherence: float
    gain: float
    log_prior: float


def fit_levels(
    compositions: Sequence[Composition],
    observed: NDArray[np.float64],
    counts: NDArray[np.float64],
    scatter: float,
    layer: bool,
    effective: NDArray[np.float64] = ATOMIC_NUMBERS,
) -> Levels:
    r"""Brightness of compositions from the mean brightness of columns.

    .. math:: \log L_t = \log g + \log \sum_i n_i Z_i^\gamma + \kappa \log N_t + \epsilon_t

    with a Cauchy prior of the exponent :math:`\gamma`, and normal priors of :math:`\kappa` and of the errors
    :math:`\epsilon`; :math:`\kappa` is 0 for crystals that repeat along the beam. The maximum of the posterior density is
    found by least squares.

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

    Returns
    -------
    Levels
    """
    error = CONSTANTS.model_error
    number = np.array([sum(n for _, n in composition) for composition in compositions])
    log_number = np.log(number) if layer else np.zeros(len(number))
    known = np.isfinite(observed) & (observed > 0) & (counts >= 1)
    log_observed = np.log(np.where(known, observed, 1.0))
    noise = scatter / np.sqrt(np.maximum(counts, 1.0))
    spread = np.hypot(error, noise)

    def predicted(p: NDArray) -> NDArray:
        return p[0] + np.log(reference_weights(compositions, p[1], effective)) + p[2] * log_number

    def residuals(p: NDArray) -> NDArray:
        misfit = (log_observed - predicted(p))[known] / spread[known]
        exponent = (p[1] - CONSTANTS.exponent) / CONSTANTS.exponent_spread
        # Half its square is the logarithm of a Cauchy density.
        exponent = np.sign(exponent) * np.sqrt(2 * np.log1p(exponent**2))
        return np.concatenate([misfit, [exponent, (p[2] - CONSTANTS.coherence) / CONSTANTS.coherence_spread]])

    start = np.array([0.0, CONSTANTS.exponent, CONSTANTS.coherence])
    if known.any():
        start[0] = float(np.median((log_observed - predicted(start))[known]))
    bounds = ([-np.inf, CONSTANTS.exponent_bounds[0], -1.0], [np.inf, CONSTANTS.exponent_bounds[1], 1.5])
    best = least_squares(residuals, start, bounds=bounds)
    model = predicted(best.x)
    # The parameters are uncertain, which matters to levels without columns.
    covariance = np.linalg.pinv(best.jac.T @ best.jac)
    slopes = np.column_stack(
        [np.ones(len(number)), _log_slope(compositions, best.x[1], effective), log_number]
    )
    of_model = np.hypot(error, np.sqrt(np.einsum("ij,jk,ik->i", slopes, covariance, slopes)))
    # Of the two estimates of a level, by the model and by its columns, each counts by its precision.
    weight = np.where(known, of_model**2 / (of_model**2 + noise**2), 0.0)
    log_means = model + weight * np.where(known, log_observed - model, 0.0)
    return Levels(
        np.exp(log_means),
        np.exp(log_means) * np.where(known, np.sqrt(weight) * noise, of_model),
        float(best.x[1]),
        float(best.x[2]) if layer else 0.0,
        float(np.exp(best.x[0])),
        -float(best.cost),
    )


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
