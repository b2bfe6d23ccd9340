"""Principal components of features, and their axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._noise import whiten


@dataclass(frozen=True)
class PrincipalFeatures:
    """Features along the directions in which atoms differ by more than noise.

    Attributes
    ----------
    values : (n, d) float64 array
        Features of the atoms, in units of noise times `damping`. NaN for atoms without moments.
    components : (d, K) array
        Directions in the whitened features, orthonormal.
    mean : (K,) array
        Mean of the whitened features.
    variance : (d,) array
        Variance along each direction; noise alone has 1.
    damping : (d,) array
        Factor of each direction, 0 to 1: the part of its variance without noise.
    """

    values: NDArray[np.float64]
    components: NDArray[np.float64]
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    damping: NDArray[np.float64]


def get_principal_features(
    values: ArrayLike, noise_std: ArrayLike, *, damp: bool = True
) -> PrincipalFeatures:
    r"""Return the principal components of whitened features with a variance above that of noise.

    Distances between atoms then contain less noise, because the directions in which atoms do not differ are removed.
    A defect of few atoms among thousands may contribute less variance than noise: use all whitened features to detect
    single atoms.

    Parameters
    ----------
    values : (n, K) array_like
        Moments or invariants; atoms with NaN are ignored.
    noise_std : (K,) or (n, K) array_like
        Their standard deviations due to noise.
    damp : bool
        Multiply each direction by 1 - 1 / variance (Wiener), so that those near the noise have less weight.

    Returns
    -------
    PrincipalFeatures
        At least one direction.

    Raises
    ------
    ValueError
        If fewer than two atoms have features.

    Notes
    -----
    Noise alone has variances up to :math:`(1 + \sqrt{K / n})^2` among n atoms (Marchenko and Pastur,
    Mathematics of the USSR-Sbornik 1 (1967) 457): directions above that edge are kept. Within the angular
    orders of moments this is the steerable PCA of Zhao, Shkolnisky and Singer, IEEE Transactions on
    Computational Imaging 2 (2016) 1, without its steering.
    """
    features = np.asarray(whiten(values, noise_std), dtype=np.float64)
    known = np.isfinite(features).all(axis=1)
    count = int(known.sum())
    if count < 2:
        raise ValueError(f"{count} atoms have features: at least two are needed to compare them.")
    mean = features[known].mean(axis=0)
    deviation = features - mean
    variance, vectors = np.linalg.eigh(deviation[known].T @ deviation[known] / count)
    edge = (1 + np.sqrt(features.shape[1] / count)) ** 2
    n_kept = max(int((variance > edge).sum()), 1)
    variance = np.maximum(variance[::-1][:n_kept], 0)
    components = vectors[:, ::-1][:, :n_kept].T
    # The sign of an eigenvector is arbitrary: its largest entry is made positive.
    largest = np.abs(components).argmax(axis=1)
    components = components * np.sign(components[np.arange(n_kept), largest])[:, None]
    damping = np.clip(1 - 1 / np.maximum(variance, 1e-12), 1e-3, 1) if damp else np.ones(n_kept)
    return PrincipalFeatures(deviation @ components.T * damping, components, mean, variance, damping)


@dataclass(frozen=True)
class PrincipalAxes:
    """Centre (d,) and orthonormal vectors (d, k) of the axes of largest variance, the largest first."""

    centre: NDArray[np.float64]
    vectors: NDArray[np.float64]

    @classmethod
    def fit(cls, X: NDArray[np.float64], n_axes: int = 20) -> PrincipalAxes:
        """Take the first `n_axes` axes, or all, of the points (n, d)."""
        centre = X.mean(axis=0)
        centred = X - centre
        _, vectors = np.linalg.eigh(centred.T @ centred)
        vectors = vectors[:, ::-1][:, :n_axes]
        largest = np.abs(vectors).argmax(axis=0)
        return cls(centre, vectors * np.sign(vectors[largest, np.arange(vectors.shape[1])]))

    def apply(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the components (n, k) of points (n, d)."""
        return np.asarray((X - self.centre) @ self.vectors)
