"""Comparison of two models of each site, empty or occupied, given the measured amplitudes of the sites of its kind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.special import expit
from scipy.stats import norm

_ITERATIONS = 12
# Prior probability that an occupied site has any other amplitude than its kind has, such as a column with one atom less.
_OTHER_AMPLITUDE = 0.02
# Scatter of the amplitudes of one kind relative to their mean, below which the fit itself is not exact.
_LEAST_SCATTER = 0.05


@dataclass(frozen=True)
class Occupancy:
    """Probabilities of m sites; amplitudes in the units of the image.

    Attributes
    ----------
    probability : ndarray of shape (m,)
        Probability that the site is occupied.
    share : ndarray of shape (m,)
        Expected fraction of occupied sites among those of the same kind nearby.
    expected : ndarray of shape (m,)
        Mean amplitude of the occupied ones among them.
    evidence : ndarray of shape (m,)
        Logarithm of the likelihood ratio of two models of the sites of this kind nearby: a mixture of occupied and empty
        sites, and empty sites only. It is reduced by the two parameters of the mixture (Bayesian information criterion).
    """

    probability: np.ndarray
    share: np.ndarray
    expected: np.ndarray
    evidence: np.ndarray


def same_kind(links: np.ndarray, m: int) -> csr_array:
    """Return which of m sites one or two translations join: they are of the same kind, and near.

    Places are joined to the columns that predict them. The second step leads to the other places of these columns.

    Parameters
    ----------
    links : ndarray of int of shape (l, 2)
        Pairs of sites that a translation joins.
    m : int

    Returns
    -------
    sparse array of shape (m, m)
        Symmetric, of ones; each site belongs to its own kind.
    """
    rows = np.concatenate([links[:, 0], links[:, 1], np.arange(m)])
    columns = np.concatenate([links[:, 1], links[:, 0], np.arange(m)])
    around = csr_array((np.ones(len(rows)), (rows, columns)), shape=(m, m))
    around = around @ around
    around.data[:] = 1.0
    return around


def compare_models(
    amplitudes: np.ndarray, uncertainties: np.ndarray, around: csr_array, claimed: np.ndarray
) -> Occupancy:
    """Estimate the probability that each site is occupied.

    The amplitude of an empty site is distributed about zero, that of an occupied one about the mean of the occupied sites of
    its kind nearby. With a small prior probability it is anything else. The shares of both are estimated from the sites
    that translations join, by expectation maximisation. The rule is that of maximum a posteriori probability, as used
    for the number of columns in [1]_.

    Parameters
    ----------
    amplitudes, uncertainties : ndarray of shape (m,)
    around : sparse array of shape (m, m)
        The sites of the same kind near each, itself included; see `same_kind`.
    claimed : ndarray of bool of shape (m,)
        Sites at which a column was found: the initial estimate.

    Returns
    -------
    Occupancy

    References
    ----------
    .. [1] J. Fatermans et al., Physical Review Letters 121, 056101 (2018), doi:10.1103/PhysRevLett.121.056101.
    """
    m = len(amplitudes)
    number = around @ np.ones(m)
    probability = claimed.astype(float)
    typical = float(np.median(amplitudes[claimed]))
    for _ in range(_ITERATIONS):
        weight = around @ probability
        known = np.maximum(weight, 1e-9)
        mean = np.maximum(around @ (probability * amplitudes) / known, 1e-3 * typical)
        share = (weight + 1) / (number + 2)
        # Scatter of the occupied sites of this kind beyond their noise.
        square = around @ (probability * (amplitudes**2 - uncertainties**2)) / known
        scatter = np.sqrt(np.maximum(square - mean**2, (_LEAST_SCATTER * mean) ** 2))
        width = np.hypot(uncertainties, scatter)
        occupied = norm.pdf(amplitudes, mean, width) * (1 - _OTHER_AMPLITUDE)
        # Any other amplitude up to twice the mean, in proportion to it: a column of next to nothing is none.
        noise = np.hypot(uncertainties, _LEAST_SCATTER * mean)
        z = amplitudes / noise
        occupied += _OTHER_AMPLITUDE * noise * (z * norm.cdf(z) + norm.pdf(z)) / (2 * mean**2)
        empty = norm.pdf(amplitudes, 0.0, noise)
        with np.errstate(divide="ignore"):
            ratio = np.log(np.maximum(occupied, 1e-300)) - np.log(np.maximum(empty, 1e-300))
        new = expit(np.log(share / (1 - share)) + ratio)
        done = np.abs(new - probability).max(initial=0.0) < 1e-3
        probability = new
        if done:
            break
    gain = np.logaddexp(np.log(share) + ratio, np.log1p(-share))
    evidence = around @ gain - np.log(number)
    return Occupancy(probability, share, mean, evidence)
