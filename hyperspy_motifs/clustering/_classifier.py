"""Which motif an atom is, and how surely: Gaussian classes of one common spread."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from ._separation import spread_within

_SHRINKAGE = 0.1


@lru_cache(maxsize=64)
def _median_of_chi2(d: int) -> float:
    return float(chi2.median(d))


Uncertain = tuple[NDArray[np.int64], NDArray[np.float64]]


@dataclass(frozen=True)
class GaussianClasses:
    """Class means and their common spread.

    Attributes
    ----------
    means : ndarray, shape (k, d)
    whitener : ndarray, shape (d, d)
        Multiplied from the right it makes the spread within classes unity.
    log_priors : ndarray, shape (k,)
    scale : float
        Median squared distance of the atoms to their nearest class over that of a Gaussian: tails of real
        images are wider.
    """

    means: NDArray[np.float64]
    whitener: NDArray[np.float64]
    log_priors: NDArray[np.float64]
    scale: float = 1.0

    @classmethod
    def fit(cls, X: NDArray[np.floating], labels: NDArray[np.integer]) -> GaussianClasses:
        """Estimate from points (n, d) and their classes 0..k-1, each with at least one point; negative: left out."""
        points = np.asarray(X, dtype=np.float64)
        inside = labels >= 0
        known = points[inside] if not inside.all() else points
        count, means, covariance = spread_within(known, labels[inside])
        d = len(covariance)
        covariance = (1 - _SHRINKAGE) * covariance + _SHRINKAGE * np.trace(covariance) / d * np.eye(d)
        covariance += 1e-12 * (1 + np.trace(covariance)) * np.eye(d)
        values, vectors = np.linalg.eigh(covariance)
        classes = cls(means, vectors / np.sqrt(values), np.log(count / count.sum()))
        usual = float(np.median(classes.distances(known).min(axis=1))) / _median_of_chi2(d)
        return replace(classes, scale=max(usual, 1e-12))

    def distances(self, X: NDArray[np.floating], uncertain: Uncertain | None = None) -> NDArray[np.float64]:
        """Squared distances to every class in units of the spread, shape (n, k).

        `uncertain` names points (rows of `X`) that are less well known than the others, and the covariance (m, d, d) that
        comes on top of the spread for each: in directions in which a point is not known no class is far.
        """
        points = (np.asarray(X, dtype=np.float64) - self.means[0]) @ self.whitener
        means = (self.means - self.means[0]) @ self.whitener
        square = (points**2).sum(axis=1)[:, None] - 2 * points @ means.T + (means**2).sum(axis=1)
        if uncertain is not None and len(uncertain[0]):
            which, covariance = uncertain
            spread = np.eye(means.shape[1]) + self.whitener.T @ covariance @ self.whitener
            apart = points[which][:, None] - means
            square[which] = (apart * np.linalg.solve(spread, apart.swapaxes(1, 2)).swapaxes(1, 2)).sum(axis=2)
        return np.maximum(square, 0)

    def predict_proba(
        self, X: NDArray[np.floating], uncertain: Uncertain | None = None
    ) -> NDArray[np.float64]:
        """Return the posterior probabilities, shape (n, k); rows sum to one. See `distances` for `uncertain`."""
        score = self.log_priors - 0.5 * self.distances(X, uncertain)
        score -= score.max(axis=1, keepdims=True)
        odds = np.exp(score)
        return odds / odds.sum(axis=1, keepdims=True)

    def outlier_score(
        self, X: NDArray[np.floating], uncertain: Uncertain | None = None
    ) -> NDArray[np.float64]:
        """Return 0..1 per point: how unlike every class it is (chi-squared probability of being nearer than this)."""
        nearest = self.distances(X, uncertain).min(axis=1)
        return np.asarray(chi2.cdf(nearest / self.scale, self.means.shape[1]))
