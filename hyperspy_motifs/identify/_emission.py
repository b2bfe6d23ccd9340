"""Brightness of columns by their composition, with the uncertainty of that law, and what is seen at a column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.special import logsumexp, softmax

from hyperspy_motifs.common import robust_spread

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
    log_density : float
        Logarithm of the probability density of the logarithms of the ratios of the levels that are seen, by the law.
    log_noise : float
        Logarithm of the volume in which the columns show them.
    """

    means: NDArray[np.float64]
    errors: NDArray[np.float64]
    exponent: float
    coherence: float
    gain: float
    log_density: float
    log_noise: float

    @property
    def log_evidence(self) -> float:
        """Logarithm of the probability of the levels, which are fitted to the columns, by the law."""
        return self.log_density + self.log_noise


# Exponents that are summed over: steps of an eighth of the width of its prior.
_N_EXPONENTS = 57


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
    0 for crystals that repeat along the beam. All but :math:`\gamma` are linear and normal, and integrated exactly; the levels
    are means over :math:`\gamma`.

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
    elements = sorted({z for composition in compositions for z, _ in composition})
    amounts = np.array([[dict(composition).get(z, 0.0) for z in elements] for composition in compositions])
    log_number = np.log(amounts.sum(axis=1)) if layer else np.zeros(len(amounts))
    exponents = np.linspace(*CONSTANTS.exponent_bounds, _N_EXPONENTS)
    log_prior = -np.log1p(((exponents - CONSTANTS.exponent) / CONSTANTS.exponent_spread) ** 2)
    log_prior -= logsumexp(log_prior)
    law = np.log(effective[elements] ** exponents[:, None] @ amounts.T) + CONSTANTS.coherence * log_number
    known = np.flatnonzero(np.isfinite(observed) & (observed > 0) & (counts >= 1))
    noise = scatter / np.sqrt(np.maximum(counts[known], 1.0))
    coherence = CONSTANTS.coherence_spread**2 * log_number
    covariance = _errors_of_law(amounts, elements, np.arange(len(amounts)) if sites is None else sites)
    covariance += np.outer(coherence, log_number)
    seen = covariance[np.ix_(known, known)] + np.diag(noise**2)
    inverse = np.linalg.inv(seen)
    free = 1 / inverse.sum() if len(known) else 0.0
    rest = np.log(observed[known]) - law[:, known]
    log_gain = free * (rest @ inverse).sum(axis=1)
    rest -= log_gain[:, None]
    log_joint = log_prior - 0.5 * np.einsum("gi,ij,gj->g", rest, inverse, rest)
    share = softmax(log_joint)
    # Where columns are seen, the law is corrected, and for the other compositions as far as its errors are alike.
    weight = covariance[:, known] @ inverse
    log_levels = law + log_gain[:, None] + rest @ weight.T
    middle = share @ log_levels
    variance = np.diag(covariance) - (weight * covariance[:, known]).sum(axis=1)
    variance += free * (1 - weight.sum(axis=1)) ** 2 + share @ (log_levels - middle) ** 2
    means = np.exp(middle)
    return Levels(
        means,
        means * np.sqrt(np.maximum(variance, 0.0)),
        float(share @ exponents),
        CONSTANTS.coherence + float(share @ rest @ inverse @ coherence[known]) if layer else 0.0,
        float(np.exp(share @ log_gain)),
        float(logsumexp(log_joint)) - _log_volume(seen),
        _log_volume(np.diag(noise**2)),
    )


def _errors_of_law(
    amounts: NDArray[np.float64], elements: Sequence[int], sites: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Covariance of the errors of the logarithm of the brightness, shape (t, t).

    Half of their variance is that of the site: its vibrations, its neighbours, the spread of the beam. The other half is of
    the elements, each by its share of the brightness, and is alike for elements of like atomic number.
    """
    log_z = np.log(elements)
    alike = np.exp(-0.5 * ((log_z[:, None] - log_z) / CONSTANTS.error_range) ** 2)
    shares = amounts * np.exp(CONSTANTS.exponent * log_z)
    shares /= shares.sum(axis=1, keepdims=True)
    of_law = 0.5 * CONSTANTS.model_error**2 * (shares @ alike @ shares.T + (sites[:, None] == sites))
    # What static disorder leaves is each composition's own.
    return np.asarray(of_law + CONSTANTS.scatter[0] ** 2 * np.eye(len(shares)))


def _log_volume(covariance: NDArray[np.float64]) -> float:
    """Logarithm of the volume of a normal density of logarithms of levels over their ratios."""
    k = len(covariance) - 1
    if k < 1:
        return 0.0
    contrast = np.column_stack([-np.ones(k), np.eye(k)])
    return 0.5 * float(np.linalg.slogdet(2 * np.pi * contrast @ covariance @ contrast.T)[1])


# Pseudo-count of the motifs of a column.
_FEW = 0.5


class Emission(Protocol):
    """Log-likelihood ratio of what is seen at each point, for each kind of column."""

    def update(self, belief: NDArray[np.float64]) -> NDArray[np.float64]:
        """From the probabilities (n, t) that the points are columns of each kind, log ratios (n, t)."""

    def log_prior(self) -> float:
        """Logarithm of the probability of the parameters, which are fitted to the points."""

    def log_odds(self, kind: NDArray[np.int64], columns: NDArray[np.int64]) -> float:
        """Logarithm of the Bayes factor of the brightness of kinds and columns (n,) against that of another crystal.

        Columns of another crystal are equal or have any ratio of brightness (`free_ratio`).
        """


class Brightness:
    """Brightness by composition (:func:`~hyperspy_motifs.identify.fit_levels`), against any brightness in the image.

    Parameters
    ----------
    values, errors : ndarray of shape (n,)
        Height of each column above the background, positive, and its standard deviation.
    points : ndarray of shape (n, 2)
        To follow slow changes of the brightness.
    compositions : sequence of compositions
    shares : ndarray of shape (t,)
        Number of columns of each composition in a cell.
    layer : bool
    order : sequence of int, optional
        At first, composition t has the brightness that the law gives to ``order[t]``: the start of an alternative, in which
        compositions are exchanged.
    effective : ndarray, optional
        As in :func:`~hyperspy_motifs.identify.fit_levels`.
    """

    def __init__(
        self,
        values: NDArray[np.float64],
        errors: NDArray[np.float64],
        points: NDArray[np.float64],
        compositions: Sequence[Composition],
        shares: NDArray[np.float64],
        layer: bool,
        order: Sequence[int] | None = None,
        effective: NDArray[np.float64] = ATOMIC_NUMBERS,
    ) -> None:
        self.raw, self.errors = np.asarray(values, float), np.nan_to_num(np.asarray(errors, float))
        self.compositions, self.layer = list(compositions), layer
        k = min(CONSTANTS.nearby + 1, len(points))
        # Without the point itself, whose brightness would hold its own kind where it is.
        self.nearby = cKDTree(points).query(points, k=k)[1].reshape(len(points), -1)[:, 1:]
        self.effective = effective
        weights = reference_weights(compositions, CONSTANTS.exponent, effective)
        weights = weights if order is None else weights[list(order)]
        typical = float((weights * shares).sum() / shares.sum())
        gain = float(np.clip(self.raw, 0, None).mean()) / typical
        self.levels = Levels(gain * weights, 0.3 * gain * weights, CONSTANTS.exponent, 0.0, gain, 0.0, 0.0)
        self.scatter = CONSTANTS.scatter[1]
        self.local = np.ones(len(points))

    @property
    def values(self) -> NDArray[np.float64]:
        """Brightness without slow changes."""
        return self.raw / self.local

    def update(self, belief: NDArray[np.float64]) -> NDArray[np.float64]:
        """See :class:`Emission`; the levels, the scatter and the slow changes follow `belief`."""
        kind = belief.argmax(axis=1)
        sure = belief.max(axis=1) > 0.5
        if sure.sum() >= 8:
            self._follow(kind, sure)
        return self.log_ratios()

    def log_ratios(self) -> NDArray[np.float64]:
        """Log ratios (n, t) by the present levels."""
        values, levels = self.values, self.levels
        spread = np.sqrt(
            (self.errors / self.local)[:, None] ** 2 + (self.scatter * levels.means) ** 2 + levels.errors**2
        )
        z = (values[:, None] - levels.means) / spread
        fit = np.exp(-0.5 * z**2) / (np.sqrt(2 * np.pi) * spread)
        return np.log((1 - CONSTANTS.irregular) * fit * self.range + CONSTANTS.irregular)

    @property
    def range(self) -> float:
        """Width of the distribution of any brightness."""
        return 1.3 * float(np.quantile(np.abs(self.values), 0.99)) + 1e-300

    def _follow(self, kind: NDArray[np.integer], sure: NDArray[np.float64]) -> None:
        ratio = self.raw / self.levels.means[kind]
        usable = sure & (ratio > 0)
        overall = float(np.median(ratio[usable])) if usable.any() else 1.0
        near = np.sort(np.where(usable, ratio, np.inf)[self.nearby], axis=1)
        number = usable[self.nearby].sum(axis=1)
        middle = near[np.arange(len(near)), number // 2 - (number > 0) * (number % 2 == 0)]
        self.local = np.where(number >= 6, middle, overall) / overall
        values = self.values
        counts = np.bincount(kind[sure], minlength=len(self.compositions)).astype(float)
        observed = np.full(len(counts), np.nan)
        for t in np.flatnonzero(counts >= 3):
            observed[t] = np.median(values[sure & (kind == t)])
        rest = values / observed[kind] - 1
        noise = self.errors / self.local / observed[kind]
        bulk = sure & np.isfinite(rest)
        if bulk.any():
            # The width of the bulk without its tails, which defects make, and without the noise, which is known.
            bulk &= np.abs(rest) <= 3 * robust_spread(rest[bulk])
            variance = np.mean(rest[bulk] ** 2 - noise[bulk] ** 2)
            self.scatter = float(np.clip(np.sqrt(max(variance, 0.0)), *CONSTANTS.scatter))
        self.levels = fit_levels(
            self.compositions, observed, counts, self.scatter, self.layer, self.effective
        )

    def log_prior(self) -> float:
        """See :class:`Emission`."""
        return self.levels.log_evidence

    def log_odds(self, kind: NDArray[np.int64], columns: NDArray[np.int64]) -> float:
        """See :class:`Emission`."""
        # As measured: slow changes are those of all columns, and where two are unlike, they cannot be told from these.
        any_ratio, equal = np.log(2 * CONSTANTS.free_ratio), np.log(np.sqrt(2 * np.pi) * CONSTANTS.equal)
        total, levels = self.levels.log_density, []
        for t in np.unique(kind[kind >= 0]).tolist():
            parts = [self.raw[columns == c] for c in np.unique(columns[kind == t]).tolist()]
            middles = np.array([np.median(part) for part in parts])
            scatter = np.array([robust_spread(part - m) for part, m in zip(parts, middles, strict=True)])
            counts = np.array([len(part) for part in parts], dtype=float)
            common = max(float((counts * middles).sum() / counts.sum()), np.finfo(float).tiny)
            variance = scatter**2 / counts + (CONSTANTS.equal * common) ** 2
            total -= 0.5 * float(((middles - common) ** 2 / variance).sum())
            total += (len(parts) - 1) * (any_ratio - equal)
            levels.append(np.log(common))
        ratios = np.sort(levels)[:-1] - max(levels)
        other = np.logaddexp(-0.5 * (ratios / CONSTANTS.equal) ** 2 - equal, -any_ratio) - np.log(2)
        return float(total - other.sum())


class Kinds:
    """Motifs as kinds without a meaning: columns of one kind have the same motifs. For images without a law of brightness.

    Parameters
    ----------
    labels : ndarray of int of shape (n,)
    n_types : int
        Kinds of columns.
    shares : ndarray of shape (t,)
        Number of columns of each kind in a cell.
    order : sequence of int
        At first, kind t has the motifs that the frequencies suggest for ``order[t]``: the start of an alternative.
    """

    def __init__(
        self, labels: NDArray[np.integer], shares: NDArray[np.float64], order: Sequence[int]
    ) -> None:
        self.labels = np.asarray(labels)
        self.n_labels = int(self.labels.max(initial=0)) + 1
        self.share = np.bincount(self.labels, minlength=self.n_labels) / max(len(self.labels), 1)
        expected, left = (
            np.asarray(shares, float) / np.sum(shares),
            np.asarray(shares, float) / np.sum(shares),
        )
        start = np.full((len(expected), self.n_labels), 0.1)
        for motif in np.argsort(-self.share, kind="stable").tolist():
            # The kind of which most columns have no motif yet.
            kind = int(np.argmax(left))
            start[kind, motif] = 10.0
            left[kind] -= self.share[motif]
        start = start[list(order)]
        self.table = start / start.sum(axis=1, keepdims=True)

    def update(self, belief: NDArray[np.float64]) -> NDArray[np.float64]:
        """See :class:`Emission`."""
        if belief.sum() > 0:
            counts = _FEW * self.share + np.stack(
                [np.bincount(self.labels, belief[:, t], self.n_labels) for t in range(belief.shape[1])]
            )
            self.table = counts / counts.sum(axis=1, keepdims=True)
        return self.log_ratios()

    def log_ratios(self) -> NDArray[np.float64]:
        """Log ratios (n, t) by the present table."""
        return np.log(self.table[:, self.labels] / np.maximum(self.share[self.labels], 1e-12)).T

    def log_prior(self) -> float:
        """Zero: every table is as likely."""
        return 0.0

    def log_odds(self, kind: NDArray[np.int64], columns: NDArray[np.int64]) -> float:
        """Infinite: brightness is not used."""
        return np.inf
