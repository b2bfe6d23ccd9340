"""Composition of every column from its brightness: what its motif is, and whether it differs from its motif."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, gammaln, logsumexp
from scipy.stats import betabinom, norm
from scipy.stats import t as student_t

from ._candidates import Candidate
from ._constants import CONSTANTS
from ._projection import ATOMIC_NUMBERS, Composition
from ._scattering import Levels, fit_levels

# Steps of the expectation maximisation, which converges in a few.
_EM_STEPS = 8


@dataclass(frozen=True)
class Compositions:
    """Probabilities of the compositions of columns.

    Attributes
    ----------
    compositions : list of compositions, length j
    probabilities : ndarray of shape (n, j)
        Of each column.
    unexplained : ndarray of shape (n,)
        Probability that none of them is right.
    levels : Levels
        Of the compositions.
    log_evidence : float
        Bound of the logarithm of the likelihood ratio of the brightness of all columns against any brightness: that of the
        hosts by the law, and that of every motif by the law and the hosts, under the Dirichlet prior of the numbers of
        columns by the weights of the candidates.
    """

    compositions: list[Composition]
    probabilities: NDArray[np.float64]
    unexplained: NDArray[np.float64]
    levels: Levels
    log_evidence: float


def compositions_by_brightness(
    values: NDArray[np.float64],
    errors: NDArray[np.float64],
    hosts: NDArray[np.int64],
    motifs: NDArray[np.int64],
    candidates: Sequence[Sequence[Candidate]],
    scatter: float,
    layer: bool,
    effective: NDArray[np.float64] = ATOMIC_NUMBERS,
) -> Compositions:
    r"""Probability of each candidate composition of each column.

    The columns of a motif on the sites of a host have one composition :math:`j`, or none in common (`unexplained`). The prior
    of a composition is the weight of the candidate, and its likelihood that of their median brightness :math:`\bar I` under
    the law of scattering, :math:`\mathcal N(\log\bar I;\,\log L_j,\,\delta_j^2 + \sigma^2/n + 0.05^2)`. The error
    :math:`\delta_j` of the law (:func:`fit_levels`, from the hosts and from motifs that are certain) is common to all of them,
    so that many columns are no more certain of their name than a few; the last term is for their surroundings. A single
    column has the composition of its motif, with a brightness of the mean :math:`\bar I` and the width
    :math:`(u^2 + (\sigma\bar I)^2)^{1/2}` in a t distribution (`brightness_freedom`), or one of its own, or none of them. How
    many columns of the motif have one of their own is learned by expectation maximisation, from a Dirichlet prior by the
    weights of the candidates.

    Parameters
    ----------
    values, errors : ndarray of shape (n,)
        Brightness without slow changes, and its standard deviation.
    hosts : ndarray of int of shape (n,)
        Number of the host; -1 for columns that are left out.
    motifs : ndarray of int of shape (n,)
    candidates : sequence of sequence of Candidate
        Of each host, the host first.
    scatter : float
        Standard deviation of the brightness of equal columns, as a fraction.
    layer : bool
    effective : ndarray, optional
        As in :func:`fit_levels`.

    Returns
    -------
    Compositions
    """
    every: list[Composition] = list(dict.fromkeys(c.composition for some in candidates for c in some))
    place = {composition: j for j, composition in enumerate(every)}
    # A host stands on its own site, other compositions on that of the first host that they are a candidate of.
    sites = np.empty(len(every), np.int64)
    for h, some in [
        *reversed([*enumerate(candidates)]),
        *((h, some[:1]) for h, some in enumerate(candidates)),
    ]:
        sites[[place[c.composition] for c in some]] = h
    n = len(values)
    observed, counts = np.full(len(every), np.nan), np.zeros(len(every))
    for h, some in enumerate(candidates):
        here = hosts == h
        if here.any():
            j = place[some[0].composition]
            observed[j], counts[j] = max(float(np.median(values[here])), 0.0), here.sum()
    width = 1.3 * float(np.quantile(np.abs(values), 0.99)) + 1e-300 if n else 1.0
    probabilities, unexplained = np.zeros((n, len(every))), np.ones(n)
    levels = fit_levels(every, observed, counts, scatter, layer, effective, sites)
    evidence = levels.log_evidence
    for first in (True, False):
        certain = False
        for h, some in enumerate(candidates):
            weights = np.zeros(len(every))
            for c in some:
                weights[place[c.composition]] += c.weight
            for motif in np.unique(motifs[hosts == h]).tolist():
                here = np.flatnonzero((hosts == h) & (motifs == motif))
                share, rest, identity, log_sum = _of_motif(
                    values[here],
                    np.nan_to_num(errors[here]),
                    weights,
                    levels,
                    scatter,
                    CONSTANTS.unexplained / width,
                    int((hosts == h).sum()),
                )
                # With nothing to choose from, as for columns of mixed occupancy, brightness decides nothing.
                probabilities[here], unexplained[here] = (share, rest) if len(some) > 1 else (weights, 0.0)
                j = int(identity.argmax())
                if first:
                    evidence += log_sum
                    if identity[j] > CONSTANTS.certain and not np.isfinite(observed[j]):
                        observed[j], counts[j] = max(float(np.median(values[here])), 0.0), len(here)
                        certain = True
        if not certain:
            break
        # Motifs that are certain, such as single vacancies, add to what is known of the law.
        levels = fit_levels(every, observed, counts, scatter, layer, effective, sites)
    return Compositions(every, probabilities, unexplained, levels, evidence)


def _of_motif(
    values: NDArray,
    errors: NDArray,
    weights: NDArray,
    levels: Levels,
    scatter: float,
    alien: float,
    n_sites: int,
) -> tuple[NDArray, NDArray, NDArray, float]:
    """Probabilities (n, j) of the columns of a motif on one host, that of none (n,), those of the motif (j,), and evidence."""
    n, host = len(values), int(weights.argmax())
    middle = max(float(np.median(values)), 1e-3 * float(levels.means.min()))
    relative = np.sqrt((levels.errors / levels.means) ** 2 + scatter**2 / n + CONSTANTS.equal**2)
    # Densities of the logarithm of the median; the last one is of a motif of any brightness, or of columns of several kinds.
    fit = np.append(norm.pdf(np.log(middle / levels.means), 0.0, relative), 0.5 / CONSTANTS.free_ratio)
    amount = np.append((1 - CONSTANTS.unexplained) * weights, CONSTANTS.unexplained)
    identity = amount * fit / (amount @ fit)
    own = np.sqrt(errors**2 + (scatter * middle) ** 2)
    member = _density(values, middle, own)[:, None] * identity if n > 1 else np.zeros((1, len(identity)))
    spread = np.sqrt(errors[:, None] ** 2 + (scatter * levels.means) ** 2 + levels.errors**2)
    single = _density(values[:, None], levels.means, spread)
    prior = weights.copy()
    if n > 1:
        prior[host] *= CONSTANTS.irregular
    fractions = prior
    # How frequent columns are that differ from their motif is learned: their prior is worth a few columns only.
    for _ in range(_EM_STEPS):
        as_motif = max(1 - fractions.sum(), 0.0) * member
        total = as_motif.sum(axis=1) + (fractions * single).sum(axis=1) + alien
        share = fractions * single / total[:, None]
        joint = as_motif[:, :-1] + fractions * single
        # The variational mean: one column alone is little reason to believe that there are such.
        number = np.maximum(share.sum(axis=0) + CONSTANTS.prior_columns * prior, 1e-9)
        fractions = np.where(prior > 0, np.exp(digamma(number)), 0.0) / (n + CONSTANTS.prior_columns)
    # The bound of the evidence: how well the columns are described, less what is learned of their frequencies. Irregular
    # columns, which are more than those without any name, decide nothing.
    before = np.append(
        CONSTANTS.prior_columns * prior[prior > 0], CONSTANTS.prior_columns * (1 - prior.sum())
    )
    after = np.append(number[prior > 0], n + CONSTANTS.prior_columns - number.sum())
    described = np.log(total / alien * CONSTANTS.unexplained + CONSTANTS.irregular - CONSTANTS.unexplained)
    bound = float(described.sum()) - (_divergence(after, before) if n > 1 else 0.0)
    # The motif as a whole: one of the host, or of so many of its columns with another composition.
    few = CONSTANTS.prior_columns * np.maximum(amount, 1e-300)
    log_number = betabinom.logpmf(n, n_sites, few, CONSTANTS.prior_columns - few)
    log_number[host] = 0.0
    unit = np.log(np.sqrt(2 * np.pi) * relative[host])
    as_whole = float(logsumexp(np.log(np.maximum(fit, 1e-300))[amount > 0] + log_number[amount > 0]) + unit)
    return joint / total[:, None], 1 - joint.sum(axis=1) / total, identity[:-1], bound + as_whole


def _divergence(after: NDArray, before: NDArray) -> float:
    """Kullback-Leibler divergence of two Dirichlet distributions."""
    volume = gammaln(after.sum()) - gammaln(before.sum()) + (gammaln(before) - gammaln(after)).sum()
    return float(volume + ((after - before) * (digamma(after) - digamma(after.sum()))).sum())


def _density(x: NDArray, mean: NDArray | float, spread: NDArray) -> NDArray[np.float64]:
    """Of the brightness of a column."""
    return np.asarray(student_t.pdf(x, CONSTANTS.brightness_freedom, mean, spread), float)
