"""Compositions of columns: what a column may be instead of its own (vacancies, substitutes, antisites, adatoms), and what its
brightness says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, gammaln, logsumexp, softmax
from scipy.stats import betabinom, norm
from scipy.stats import t as student

from ._constants import CONSTANTS
from ._emission import Levels, fit_levels
from ._projection import ATOMIC_NUMBERS, Composition, formula

#: Elements without a stable or long-lived isotope, and noble gases, do not occur as substitutes.
_UNSTABLE = frozenset({43, 61, *range(84, 90), 91})
_HEAVIEST = 92

HOST, KIND_VACANCY, KIND_SUBSTITUTE, KIND_ANTISITE, KIND_ADATOM = (
    "host", "vacancy", "substitution", "antisite", "adatom",
)  # fmt: skip


@dataclass(frozen=True)
class Candidate:
    """A composition that a column may have.

    Attributes
    ----------
    composition : tuple of (int, float)
        Empty for a missing column.
    kind : str
        ``"host"``, ``"vacancy"``, ``"substitution"``, ``"antisite"`` or ``"adatom"``.
    weight : float
        Prior probability.
    """

    composition: Composition
    kind: str
    weight: float


def column_name(composition: Composition, host: Composition, symbols: Sequence[str]) -> str:
    """A column in words: ``Mo``, ``Se2``, ``Se1`` for one atom on a site of two, ``V_Se2`` for none."""
    if not composition:
        return f"V_{formula(host, symbols)}"
    text = formula(composition, symbols)
    single = sum(n for _, n in composition) == 1 and sum(n for _, n in host) > 1
    return f"{text}1" if single else text


def candidates_of(
    host: Composition,
    hosts: Sequence[Composition],
    layer: bool,
    substitutes: dict[int, dict[int, float]],
    defects: bool = True,
) -> list[Candidate]:
    """Compositions of a column by rule.

    Parameters
    ----------
    host : composition
    hosts : sequence of compositions
        Of all columns that are seen.
    layer : bool
        Whether the column has the few atoms of a layer, of which single ones may be missing or replaced. A column of a
        crystal is changed as a whole.
    substitutes : dict
        For each element the atomic numbers that may replace it, with weights that sum to 1 (:func:`substitutes_of`), or to less
        for an element that is replaced more rarely (:func:`dopants_of`).
    defects : bool, optional
        False: the host only.

    Returns
    -------
    list of Candidate
        The host first. Weights sum to 1; a missing column has the composition ``()``.
    """
    found: dict[str, dict[Composition, float]] = {}

    def add(amounts: dict[int, float], kind: str, weight: float = 1.0) -> None:
        composition = tuple(sorted(((z, n) for z, n in amounts.items() if n > 0), reverse=True))
        if composition != host and weight > 0:
            some = found.setdefault(kind, {})
            some[composition] = some.get(composition, 0.0) + weight

    ordered = all(abs(n - round(n)) < 1e-6 for _, n in host)
    own = dict(host)
    elements = sorted({z for composition in hosts for z, _ in composition})
    if defects and layer and ordered:
        n_atoms = sum(own.values())
        if n_atoms > 1:
            add({}, KIND_VACANCY, CONSTANTS.vacancy)
        for z in own:
            without = {**own, z: own[z] - 1}
            add(without, KIND_VACANCY)
            for other, share in substitutes[z].items():
                # One atom, all atoms of the element, or one atom beside a vacancy.
                add({**without, other: without.get(other, 0) + 1}, KIND_SUBSTITUTE, share)
                if own[z] > 1:
                    add({**own, z: 0, other: own[z]}, KIND_SUBSTITUTE, share)
                    add({**own, z: 0, other: 1}, KIND_SUBSTITUTE, share * CONSTANTS.vacancy)
            for other in elements:
                if other == z:
                    continue
                add({**without, other: without.get(other, 0) + 1}, KIND_ANTISITE)
                if n_atoms > 1:
                    add({other: 1}, KIND_ANTISITE, 0.5)
        for other in elements:
            add({**own, other: own.get(other, 0) + 1}, KIND_ADATOM)
    elif defects and ordered:
        for composition in hosts:
            if all(abs(n - round(n)) < 1e-6 for _, n in composition):
                add(dict(composition), KIND_ANTISITE)
        for z, n in own.items():
            for other, share in substitutes[z].items():
                add({**own, z: 0, other: own.get(other, 0) + n}, KIND_SUBSTITUTE, share)
    # The same for every host, however many ways there are: a crystal is not the less likely for defects that it does not show.
    frequency = {
        KIND_VACANCY: CONSTANTS.vacancy,
        KIND_SUBSTITUTE: CONSTANTS.substitute,
        KIND_ANTISITE: CONSTANTS.antisite,
        KIND_ADATOM: CONSTANTS.adatom,
    }
    # Elements that are replaced more rarely have weights of a smaller sum.
    whole = {kind: sum(some.values()) for kind, some in found.items()}
    if KIND_SUBSTITUTE in found and (most := max(sum(substitutes[z].values()) for z in own)) < 1:
        whole[KIND_SUBSTITUTE] /= most
    weights: dict[Composition, dict[str, float]] = {}
    for kind, some in found.items():
        for composition, weight in some.items():
            each = weights.setdefault(composition, {})
            each[kind] = frequency[kind] * weight / whole[kind]
    others = [Candidate(c, max(w, key=w.__getitem__), sum(w.values())) for c, w in weights.items()]
    first = Candidate(host, HOST, 1.0 - sum(candidate.weight for candidate in others))
    return [first, *sorted(others, key=lambda candidate: -candidate.weight)]


def substitutes_of(number: int, radii: Sequence[float]) -> dict[int, float]:
    """Elements that may replace another, by Goldschmidt's rules: of like size and valence.

    Parameters
    ----------
    number : int
        Atomic number of the element that is replaced.
    radii : sequence of float
        Covalent radius of each atomic number in ångström.

    Returns
    -------
    dict of int to float
        Weights that sum to 1.
    """
    weights = {
        z: _likeness(z, number, radii)
        for z in range(1, _HEAVIEST + 1)
        if z != number and z not in _NOBLE and z not in _UNSTABLE
    }
    top = max(weights.values())
    kept = {z: w for z, w in weights.items() if w >= CONSTANTS.least_substitute * top}
    total = sum(kept.values())
    return {z: w / total for z, w in kept.items()}


def dopants_of(
    elements: Sequence[int], radii: Sequence[float], given: Sequence[int]
) -> dict[int, dict[int, float]]:
    """Elements known to be in the specimen, in place of those of a structure: each on the site that it is most like.

    Parameters
    ----------
    elements : sequence of int
        Atomic numbers of the elements of the structure.
    radii : sequence of float
        As in :func:`substitutes_of`.
    given : sequence of int
        Atomic numbers of the dopants, all equally likely.

    Returns
    -------
    dict of int to dict of int to float
        Weights of the dopants for each element. Those of a dopant sum to its share of the dopants.
    """
    out: dict[int, dict[int, float]] = {element: {} for element in elements}
    dopants = [z for z in given if set(elements) != {z}]
    for z in dopants:
        likeness = {element: _likeness(z, element, radii) for element in elements if element != z}
        total = sum(likeness.values())
        for element, value in likeness.items():
            out[element][z] = value / total / len(dopants)
    return out


def _likeness(one: int, other: int, radii: Sequence[float]) -> float:
    """Of two elements: in size, relative to the other one, and in the group of the periodic table."""
    difference = (radii[one] - radii[other]) / radii[other]
    of_radius = np.exp(-0.5 * (difference / CONSTANTS.radius_spread) ** 2)
    return float(of_radius / (1 + ((_group(one) - _group(other)) / CONSTANTS.group_spread) ** 2))


#: Atomic numbers of the noble gases, which end the periods.
_NOBLE = (2, 10, 18, 36, 54, 86)


def _group(number: int) -> int:
    """Group of the periodic table, 1 to 18; lanthanides and actinides are in 3."""
    if number == 1:
        return 1
    start = max(z for z in (0, *_NOBLE) if z < number)
    place, last = number - start, next((z for z in _NOBLE if z >= number), 118)
    from_end = 18 - (last - number)
    if place <= 2:
        return place
    if last - start == 32 and place <= 17:
        return 3
    return from_end


# Steps of the expectation maximisation, which converges in a few.
_EM_STEPS = 8
# Tails of the brightness that are summed over.
_N_TAILS = 5
# Step of the levels of populations, in standard deviations of the brightness of one column.
_STEP = 0.5


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
    :math:`(u^2 + (\sigma\bar I)^2)^{1/2}` in a t distribution, or is one of a population of any
    brightness, or none of them. How many columns a population has is learned from all other columns (collapsed variational
    inference, with a Dirichlet prior by the weights of the candidates), and it is named as a motif is: by the weights and the
    law, once.

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
    every: list[Composition] = list(
        dict.fromkeys(c.composition for some in candidates for c in some if c.composition)
    )
    # Missing columns, the last ones, are none of those that are seen.
    place = {composition: j for j, composition in enumerate([*every, ()])}
    # A host stands on its own site, other compositions on that of the first host that they are a candidate of.
    sites = np.empty(len(every), np.int64)
    for h, some in [
        *reversed([*enumerate(candidates)]),
        *((h, some[:1]) for h, some in enumerate(candidates)),
    ]:
        sites[[place[c.composition] for c in some if c.composition]] = h
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
            weights = np.zeros(len(place))
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
                probabilities[here], unexplained[here] = (
                    (share, rest) if len(some) > 1 else (weights[:-1], 0.0)
                )
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
    values: NDArray[np.float64],
    errors: NDArray[np.float64],
    weights: NDArray[np.float64],
    levels: Levels,
    scatter: float,
    alien: float,
    n_sites: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float]:
    """Probabilities (n, j) of the columns of a motif on one host, that of none (n,), those of the motif (j,), and evidence."""
    n, host = len(values), int(weights.argmax())
    middle = max(float(np.median(values)), 1e-3 * float(levels.means.min()))
    relative = np.sqrt((levels.errors / levels.means) ** 2 + scatter**2 / n + CONSTANTS.equal**2)
    # Densities of the logarithm of the median; the last one is of a motif of any brightness, or of columns of several kinds.
    fit = np.append(norm.pdf(np.log(middle / levels.means), 0.0, relative), 0.5 / CONSTANTS.free_ratio)
    amount = np.append((1 - CONSTANTS.unexplained) * weights[:-1], CONSTANTS.unexplained)
    identity = amount * fit / (amount @ fit)
    own = np.sqrt(errors**2 + (scatter * middle) ** 2)
    prior = weights.copy()
    if n > 1:
        prior[host] *= CONSTANTS.irregular
    # Other columns are of populations of any brightness, each of which has a composition that the law allows.
    grid, naming = _populations(values, prior, levels, host, scatter)
    grid_width = np.sqrt(errors[:, None] ** 2 + (scatter * grid) ** 2)
    host_width = np.sqrt(errors**2 + (scatter * levels.means[host]) ** 2 + levels.errors[host] ** 2)
    found = []
    for tail in np.linspace(*CONSTANTS.tail, _N_TAILS):
        member = _density(values, middle, own, tail)[:, None] * (identity if n > 1 else 0 * identity)
        single = np.column_stack(
            [
                _density(values, levels.means[host], host_width, tail),
                _density(values[:, None], grid, grid_width, tail),
            ]
        )
        found.append(_by_column(member, single, naming, prior, host, alien))
    # How heavy the tails are is not known beforehand: that of the image is.
    log_share = np.array([bound for _, bound in found])
    share = softmax(log_share)
    joint = sum(s * one for s, (one, _) in zip(share, found, strict=True))
    # The motif as a whole: one of the host, or of so many of its columns with another composition.
    few = CONSTANTS.prior_columns * np.maximum(amount, 1e-300)
    log_number = betabinom.logpmf(n, n_sites, few, CONSTANTS.prior_columns - few)
    log_number[host] = 0.0
    unit = np.log(np.sqrt(2 * np.pi) * relative[host])
    as_whole = float(logsumexp(np.log(np.maximum(fit, 1e-300))[amount > 0] + log_number[amount > 0]) + unit)
    evidence = float(logsumexp(log_share)) - np.log(_N_TAILS) + as_whole
    return joint, 1 - joint.sum(axis=1), identity[:-1], evidence


def _by_column(
    member: NDArray[np.float64],
    single: NDArray[np.float64],
    naming: NDArray[np.float64],
    prior: NDArray[np.float64],
    host: int,
    alien: float,
) -> tuple[NDArray[np.float64], float]:
    """Probabilities (n, j) of the columns of a motif, and the evidence of their brightness.

    `member` (n, j + 1) are the densities of the brightness by the motif, and `single` (n, 1 + g) those of the host and of
    populations, which have the compositions of `naming` (j, g).
    """
    n = len(member)
    amounts = CONSTANTS.prior_columns * np.append(prior[host], naming.sum(axis=0))
    share = np.zeros_like(single)
    for _ in range(_EM_STEPS):
        # How frequent columns are that differ from their motif is learned from the others.
        fractions = (amounts + share.sum(axis=0) - share) / (n - 1 + CONSTANTS.prior_columns)
        as_motif = np.maximum(1 - fractions.sum(axis=1), 0.0)[:, None] * member
        total = as_motif.sum(axis=1) + (fractions * single).sum(axis=1) + alien
        share = fractions * single / total[:, None]
    named = share[:, 1:] @ (naming / np.maximum(naming.sum(axis=0), 1e-300)).T
    named[:, host] += share[:, 0]
    by_law = single[:, 1:] @ (naming / np.maximum(naming.sum(axis=1, keepdims=True), 1e-300)).T
    by_law[:, host] = single[:, 0]
    bound = _log_described(
        member.sum(axis=1), np.pad(by_law, [(0, 0), (0, 1)])[:, prior > 0], prior[prior > 0], alien
    )
    return as_motif[:, :-1] / total[:, None] + named, bound


def _populations(
    values: NDArray[np.float64], weights: NDArray[np.float64], levels: Levels, host: int, scatter: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Levels (g,) of populations in the range of the values, and the prior (j, g) of each composition but the host there."""
    step = _STEP * scatter
    ends = np.log(np.clip(np.quantile(values, [0, 1]), 0.1 * levels.means.min(), 10 * levels.means.max()))
    grid = np.arange(ends[0] - 3 * scatter, ends[1] + 3 * scatter + step, step)
    centre, error = np.log(levels.means)[:, None], (levels.errors / levels.means)[:, None]
    naming = weights[:-1, None] * step * norm.pdf(grid, centre, np.hypot(error, step))
    naming[host] = 0.0
    return np.exp(grid), naming


def _log_described(
    member: NDArray[np.float64], by_law: NDArray[np.float64], prior: NDArray[np.float64], alien: float
) -> float:
    """Bound of the evidence of the columns of a motif: how well the motif (n,), compositions (n, k) with the errors of the law
    and their prior frequencies (k,) describe them, less what is learned of the frequencies."""
    n, before = len(member), CONSTANTS.prior_columns * prior
    fractions = prior
    for _ in range(_EM_STEPS):
        total = max(1 - fractions.sum(), 0.0) * member + by_law @ fractions + alien
        number = fractions * (by_law / total[:, None]).sum(axis=0) + before
        # The variational mean: one column alone is little reason to believe that there are such.
        fractions = np.exp(digamma(number)) / (n + CONSTANTS.prior_columns)
    # Irregular columns, which are more than those without any name, decide nothing.
    described = np.log(total / alien * CONSTANTS.unexplained + CONSTANTS.irregular - CONSTANTS.unexplained)
    if n == 1:
        return float(described.sum())
    after = np.append(number, n + CONSTANTS.prior_columns - number.sum())
    return float(described.sum()) - _divergence(
        after, np.append(before, CONSTANTS.prior_columns - before.sum())
    )


def _divergence(after: NDArray[np.float64], before: NDArray[np.float64]) -> float:
    """Kullback-Leibler divergence of two Dirichlet distributions."""
    volume = gammaln(after.sum()) - gammaln(before.sum()) + (gammaln(before) - gammaln(after)).sum()
    return float(volume + ((after - before) * (digamma(after) - digamma(after.sum()))).sum())


def _density(
    x: NDArray[np.float64], mean: NDArray[np.float64] | float, spread: NDArray[np.float64], tail: float
) -> NDArray[np.float64]:
    """Of the brightness of a column: Student's, with the inverse `tail` of its degrees of freedom, and as wide as `spread`."""
    scale = spread / _bulk_width(tail)
    z = (x - mean) / scale
    if tail == 0:
        return np.asarray(np.exp(-0.5 * z**2) / (np.sqrt(2 * np.pi) * scale))
    nu = 1 / tail
    height = np.exp(gammaln((nu + 1) / 2) - gammaln(nu / 2)) / np.sqrt(np.pi * nu)
    return np.asarray(height / scale * (1 + z**2 / nu) ** (-(nu + 1) / 2))


@cache
def _bulk_width(tail: float) -> float:
    """Standard deviation of a distribution of unit scale within three robust spreads, which is what `scatter` measures."""
    one = norm if tail == 0 else student(1 / tail)
    end = 3 * one.ppf(0.75) / norm.ppf(0.75)
    x = np.linspace(0.0, end, 2001)
    density = one.pdf(x)
    return float(np.sqrt((density * x**2).sum() / density.sum()))
