"""The model of a motif: a mean, one scatter for all motifs, the noise of each atom, and a broad component for outliers."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.spatial.distance import cdist
from scipy.special import fdtrc, fdtri, gammaln, logsumexp
from scipy.stats import f as f_distribution

from hyperspy_motifs.zernike import PrincipalAxes

from ._constants import CONSTANTS

_STEPS = 15  # of the expectation maximisation
_AT_ONCE = 1024  # atoms with a scatter of their own that are classified together
# Degrees of freedom between which tails are estimated: with fewer they have no variance, with more they are Gaussian.
_FEWEST_DEGREES, _MOST_DEGREES = 3.0, 1000.0
UNKNOWN = 1e8  # variance of a feature that was not seen, in squared units of the noise
_UPPER = 0.95  # quantile of the distances that, with their median, fixes the tail


def axes_of(X: NDArray[np.float64]) -> PrincipalAxes:
    """Return as many principal axes of the points (n, d) as `n` points determine."""
    c = CONSTANTS
    return PrincipalAxes.fit(X, min(c.dimensions[-1], max(len(X) // c.points_per_axis, c.few_dimensions[0])))


@dataclass(frozen=True)
class MotifMixture:
    r"""A mixture of motifs.

    An atom of motif g has features with a t distribution about :math:`\mu_g`, with the scatter :math:`\Sigma + V`: that of
    all motifs, which includes the noise of whole discs, and what the noise of this atom exceeds that by. Its squared distance
    from :math:`\mu_g` in this metric, divided by k and by `scale`, is distributed as

    .. math:: (1 - \epsilon) F(k, \nu) + \epsilon w^2 F(k, 1)

    The second term is the broad component of outliers. Means and scatter are those of greatest likelihood (Peel and
    McLachlan, Statistics and Computing 10 (2000) 339): an atom far from its motif counts less, so that contamination and
    defects do not widen the scatter. `scale` and the degrees of freedom :math:`\nu` are fitted to distances of atoms that
    were left out of the means and the scatter, so that one in a hundred of the atoms of the motifs has a p-value below 0.01.

    Attributes
    ----------
    centre : ndarray, shape (d,)
    vectors : ndarray, shape (d, k)
        Principal axes of the features.
    means : ndarray, shape (g, k)
    covariance : ndarray, shape (k, k)
    shares : ndarray, shape (g,)
        Of each motif among the atoms; they sum to 1.
    scale, degrees : float
    facing : ndarray, shape (g, g, 2)
        Scale and degrees of freedom of the positions of the atoms of the first motif on the line towards the second.
    """

    centre: NDArray[np.float64]
    vectors: NDArray[np.float64]
    means: NDArray[np.float64]
    covariance: NDArray[np.float64]
    shares: NDArray[np.float64]
    scale: float
    degrees: float
    facing: NDArray[np.float64]

    @classmethod
    def fit(
        cls, X: NDArray[np.float64], labels: NDArray[np.integer], one_sided: bool = False
    ) -> MotifMixture:
        """Fit to features (n, d) of atoms and their motifs 0..g-1, each with one atom or more.

        With `one_sided` the tail of a frequent motif that faces a rare one is fitted by itself, to the atoms on that side. It
        decides how many of the frequent atoms lie near the rare motif, and is often longer than the tail on the other side.
        """
        axes = axes_of(X)
        P = axes.apply(X)
        weights, near = _weights(P, labels)
        means, covariance, shares = _moments(P, weights, near)
        scale, degrees = _tails(P, weights, near)
        facing = np.broadcast_to([scale, degrees], (len(means), len(means), 2)).copy()
        if one_sided:
            for motif, other in _frequent_beside_rare(labels):
                along = _along(P[labels == motif], means[motif], means[other], covariance)
                if (along > 0).sum() >= CONSTANTS.points_per_axis:
                    facing[motif, other] = fitted_tails(along[along > 0] ** 2, 1)
        return cls(axes.centre, axes.vectors, means, covariance, shares, scale, degrees, facing)

    @property
    def n_motifs(self) -> int:
        """Number of motifs."""
        return len(self.means)

    def classify(
        self,
        X: NDArray[np.float64],
        variance: NDArray[np.floating] | None = None,
        names: NDArray[np.integer] | None = None,
    ) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]:
        """Return motif, probability and p-value of atoms.

        Parameters
        ----------
        X : ndarray, shape (n, d)
            Features; NaN rows are atoms of which nothing is known.
        variance : ndarray, shape (n, d), optional
            What the variance of the noise of each feature exceeds that of whole discs by, in squared units of the noise.
        names : ndarray of int, shape (g,), optional
            Components of one name are one motif, with the sum of their probabilities.

        Returns
        -------
        labels : ndarray of int32, shape (n,)
        probabilities : ndarray, shape (n,)
            That the atom belongs to the motif and is no outlier.
        p_values : ndarray, shape (n,)
            Share of the atoms of the motif that lie further out.
        """
        unknown = np.asarray(~np.isfinite(X).all(axis=1))
        P = (np.where(unknown[:, None], self.centre, X) - self.centre) @ self.vectors
        distance = _squares(P, self.means, self.covariance)
        lengths = _lengths(self.means, self.covariance)
        posterior = self._probabilities(distance, np.broadcast_to(lengths, (len(P), *lengths.shape)))
        more = np.zeros((len(X), 1)) if variance is None else variance
        rows = np.flatnonzero((more > 0).any(axis=1) | unknown)
        for some in np.array_split(rows, -(-len(rows) // _AT_ONCE)) if len(rows) else ():
            added = np.where(unknown[some, None], UNKNOWN, np.minimum(more[some], UNKNOWN))
            added = np.broadcast_to(added, (len(some), X.shape[1]))
            spread = self.covariance + np.einsum(
                "da,nd,db->nab", self.vectors, added, self.vectors, optimize=True
            )
            apart = P[some, None, :] - self.means
            solved = np.linalg.solve(spread, apart.swapaxes(1, 2)).swapaxes(1, 2)
            distance[some] = np.maximum((apart * solved).sum(axis=2), 0)
            posterior[some] = self._probabilities(distance[some], _lengths(self.means, spread))
        labels = posterior.argmax(axis=1)
        at = np.arange(len(P)), labels
        k = P.shape[1]
        ratio = distance[at] / (k * self.scale)
        p_values = fdtrc(k, self.degrees, ratio)
        width = CONSTANTS.outlier_width**2
        inside = (1 - CONSTANTS.outlier_share) * f_distribution.pdf(ratio, k, self.degrees)
        broad = f_distribution.pdf(ratio / width, k, CONSTANTS.outlier_degrees) / width
        outside = CONSTANTS.outlier_share * broad
        near = ratio < 1  # an atom nearer than most is no outlier, however few lie that near
        belongs = np.where(near, 1.0, inside / np.maximum(inside + outside, 1e-300))
        own = posterior[at]
        if names is not None:
            own = np.where(names == names[labels][:, None], posterior, 0).sum(axis=1)
        return labels.astype(np.int32), own * belongs, p_values

    def _probabilities(
        self, distance: NDArray[np.float64], lengths: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Probabilities (n, g) of the motifs, from squared distances (n, g) and the lengths (n, g, g) of the lines."""
        at, best = np.arange(len(distance)), distance.argmin(axis=1)
        score = np.zeros_like(distance)
        for _ in range(self.n_motifs - 1):
            length = lengths[at, best]
            # An atom beyond a mean is no less its own than one at the mean.
            nearer = distance[at, best][:, None] - distance + length**2
            along = np.clip(nearer / np.maximum(2 * length, 1e-12), 0, length)
            score = _log_line(length - along, self.facing[:, best].swapaxes(0, 1))
            score += np.log(self.shares / self.shares[best, None]) - _log_line(along, self.facing[best])
            score[at, best] = 0
            before, best = best, score.argmax(axis=1)
            if (best == before).all():
                break
        score = np.exp(score - score.max(axis=1, keepdims=True))
        return np.asarray(score / score.sum(axis=1, keepdims=True))

    def squares(self, X: NDArray[np.float64], covariance: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the squared distances (n, g) of features (n, d) from the motifs, in units of a scatter (k, k)."""
        return _squares((X - self.centre) @ self.vectors, self.means, covariance)

    def log_densities(self, squares: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return logarithms (n, g) of densities at squared distances, of equally frequent motifs and of outliers around them.

        They lack the determinant of the scatter, and what is the same for both.
        """
        k, x = self.means.shape[1], squares / self.scale
        wide, nu = CONSTANTS.outlier_width, CONSTANTS.outlier_degrees
        inside = np.log(1 - CONSTANTS.outlier_share) + _log_t(x, self.degrees, k)
        outside = np.log(CONSTANTS.outlier_share) + _log_t(x / wide**2, nu, k) - k * np.log(wide)
        return inside - np.log(len(self.means)), outside - np.log(len(self.means))

    def weights(self, squares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how much atoms count for the means of motifs (n, g), outliers less than others."""
        k, x = self.means.shape[1], squares / self.scale
        wide, nu = CONSTANTS.outlier_width, CONSTANTS.outlier_degrees
        inside, outside = self.log_densities(squares)
        total = logsumexp(np.logaddexp(inside, outside), axis=1, keepdims=True)
        near = np.exp(inside - total) * (self.degrees + k) / (self.degrees + x)
        return np.asarray(near + np.exp(outside - total) * (nu + k) / (nu * wide**2 + x))

    def separations(self) -> NDArray[np.float64]:
        """Return the distances (g, g) of the means in units of the scatter, infinite on the diagonal."""
        return _separations(self.means, self.covariance)

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return the parameters by name."""
        return {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[np.float64]]) -> MotifMixture:
        """Return the mixture of `to_arrays`."""
        centre, vectors, means, covariance, shares = (
            np.asarray(arrays[n], np.float64) for n in ("centre", "vectors", "means", "covariance", "shares")
        )
        scale, degrees = float(arrays["scale"]), float(arrays["degrees"])
        facing = np.asarray(arrays["facing"], np.float64)
        return cls(centre, vectors, means, covariance, shares, scale, degrees, facing)


def settled_labels(X: NDArray[np.float64], labels: NDArray[np.integer]) -> NDArray[np.int32]:
    """Return the motifs (n,) of atoms after the expectation-maximisation algorithm."""
    found = _weights(axes_of(X).apply(X), labels, settle=True)[0].argmax(axis=1)
    return np.unique(found, return_inverse=True)[1].astype(np.int32)


def separations_of(X: NDArray[np.float64], labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return ``MotifMixture.fit(X, labels).separations()``, for which no tails need to be fitted."""
    P = axes_of(X).apply(X)
    return _separations(*_moments(P, *_weights(P, labels, False))[:2])


def _separations(means: NDArray[np.float64], covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    whitened = means @ _whitener(covariance)
    out = cdist(whitened, whitened)
    np.fill_diagonal(out, np.inf)
    return out


def _weights(
    P: NDArray[np.float64], labels: NDArray[np.integer], settle: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probabilities (n, g) that atoms belong to the motifs, and how much each counts (n,), of greatest likelihood."""
    at = np.arange(len(P)), labels
    weights = np.zeros((len(P), int(labels.max()) + 1))
    weights[at] = 1
    k, near = P.shape[1], np.ones(len(P))
    for _ in range(_STEPS):
        means, covariance, shares = _moments(P, weights, near)
        distance = _squares(P, means, covariance)
        # As long as atoms stay in their motifs, the mean over the motifs is the distance from one of them.
        scale, degrees = fitted_tails((weights * distance).sum(axis=1) if settle else distance[at], k)
        new = _memberships(distance / scale, shares, degrees, k) if settle else weights
        if (new.sum(axis=0) < 1).any():
            break
        own = (new * distance).sum(axis=1) if settle else distance[at]
        new_near = (degrees + k) / (degrees + own / scale)
        change = np.abs(new_near - near).max()
        change = max(np.abs(new - weights).max(), change) if settle else change
        weights, near = new, new_near
        if change < 1e-3:
            break
    return weights, near


def _moments(
    P: NDArray[np.float64], weights: NDArray[np.float64], near: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Means, scatter and shares of motifs, where each atom counts as much as it is `near` (n,) its motif."""
    counted = weights * near[:, None]
    size = counted.sum(axis=0)
    means = counted.T @ P / np.maximum(size, 1e-9)[:, None]
    covariance = ((P.T * near) @ P - (means.T * size) @ means) / len(P) + CONSTANTS.ridge * np.eye(P.shape[1])
    return means, covariance, np.maximum(weights.sum(axis=0), 1e-9) / len(P)


def _squares(
    P: NDArray[np.float64], means: NDArray[np.float64], covariance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Squared distances (n, g) in units of the scatter."""
    whitener = _whitener(covariance)
    a, b = P @ whitener, means @ whitener
    return np.maximum((a**2).sum(axis=1)[:, None] - 2 * a @ b.T + (b**2).sum(axis=1), 0)


def _frequent_beside_rare(labels: NDArray[np.integer]) -> list[tuple[int, int]]:
    """Pairs of motifs of which the first is ``rarity`` times as frequent as the second, which cannot make up its tail."""
    size = np.bincount(labels)
    return [(int(a), int(b)) for a, b in np.argwhere(size[:, None] >= CONSTANTS.rarity * size)]


def _along(
    P: NDArray[np.float64],
    mean: NDArray[np.float64],
    other: NDArray[np.float64],
    covariance: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Positions (n,) of atoms on the line from one mean to another, from the first, in units of the scatter."""
    line = np.linalg.solve(covariance, other - mean)
    return np.asarray((P - mean) @ line / np.sqrt((other - mean) @ line))


def _lengths(means: NDArray[np.float64], covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances (..., g, g) of means (g, k) in units of scatters (..., k, k)."""
    products = means @ np.linalg.solve(covariance, means.T)
    own = np.diagonal(products, axis1=-2, axis2=-1)
    return np.asarray(np.sqrt(np.maximum(own[..., :, None] + own[..., None, :] - 2 * products, 0)))


def _log_line(x: NDArray[np.float64], tails: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithm of the density of t distributions at positions, with scale and degrees of freedom (..., 2)."""
    scale, degrees = tails[..., 0], tails[..., 1]
    return _log_t(x**2 / scale, degrees, 1) - 0.5 * np.log(scale)


def _log_t(x: NDArray[np.float64], degrees: float | NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """Logarithm of the density of a t distribution in k dimensions at squared distances, without that of a common factor."""
    norm = gammaln((degrees + k) / 2) - gammaln(degrees / 2) - 0.5 * k * np.log(degrees)
    return np.asarray(norm - 0.5 * (degrees + k) * np.log1p(x / degrees))


def _whitener(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors / np.sqrt(values))


def _memberships(
    distance: NDArray[np.float64], shares: NDArray[np.float64], degrees: float, k: int
) -> NDArray[np.float64]:
    """Probabilities (n, g) of motifs with t distributions in k dimensions."""
    score = np.log(shares) - 0.5 * (degrees + k) * np.log1p(distance / degrees)
    score = np.exp(score - score.max(axis=1, keepdims=True))
    return np.asarray(score / score.sum(axis=1, keepdims=True))


def _tails(
    P: NDArray[np.float64], weights: NDArray[np.float64], near: NDArray[np.float64]
) -> tuple[float, float]:
    """Scale and degrees of freedom of the distances of atoms from means that were found without them."""
    n, k = P.shape
    fold = np.arange(n) % CONSTANTS.folds
    own = weights.argmax(axis=1)
    distance = np.empty(n)
    for number in range(CONSTANTS.folds):
        held = fold == number
        if held.all() or not held.any() or n < 2 * CONSTANTS.folds:
            return 1.0, _MOST_DEGREES
        means, covariance, _ = _moments(P[~held], weights[~held], near[~held])
        whole = weights[~held].sum(axis=0) < 1  # a motif whose atoms all lie in this fold
        means[whole] = (weights.T @ P / np.maximum(weights.sum(axis=0), 1e-9)[:, None])[whole]
        distance[held] = _squares(P[held], means, covariance)[np.arange(held.sum()), own[held]]
    return fitted_tails(distance, k)


def fitted_tails(distance: NDArray[np.float64], k: int) -> tuple[float, float]:
    """Return scale and degrees of freedom of an F distribution of squared distances (n,) in k dimensions."""
    half, upper = np.quantile(distance / k, (0.5, _UPPER))
    degrees = _degrees_of(round(float(upper / max(half, 1e-12)), 3), k)
    return max(float(half / fdtri(k, degrees, 0.5)), 1e-12), degrees


@lru_cache(maxsize=256)
def _degrees_of(ratio: float, k: int) -> float:
    """Degrees of freedom at which the quantiles 0.95 and 0.5 of an F distribution have a ratio."""

    def excess(degrees: float) -> float:
        upper, half = fdtri(k, degrees, (_UPPER, 0.5))
        return float(upper / half) - ratio

    if excess(_MOST_DEGREES) >= 0:
        return _MOST_DEGREES
    if excess(_FEWEST_DEGREES) <= 0:
        return _FEWEST_DEGREES
    return float(brentq(excess, _FEWEST_DEGREES, _MOST_DEGREES, xtol=1e-3))
