"""Topology of a manifold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

_MAX_POINTS = 2000
# The offset of the mean over the root mean square distance is 0.6 for a half disc, 0.87 for a half line, and near 0 for a whole
# neighbourhood.
_ONE_SIDED = 0.45
# Least ratio of the one-sided points to the points that the shortest border would have within the width of a neighbourhood.
_BORDER = 0.6


@dataclass(frozen=True)
class Topology:
    """Kind of a manifold.

    Attributes
    ----------
    kind : {"torus", "closed surface", "plane", "ring", "interval", "unknown"}
        Closed surface: no border, but fewer than four slow modes of similar eigenvalue, such as a torus on which
        opposite shifts are equivalent.
    dimension : float
        Intrinsic dimension.
    border : float
        Share of the points with neighbours on one side only.
    certainty : float
        0 to 1.
    """

    kind: str
    dimension: float
    border: float
    certainty: float


def find_topology(coordinates: NDArray[np.float64], eigenvalues: NDArray[np.float64]) -> Topology:
    """Determine the kind of a manifold from its dimension and its border.

    Parameters
    ----------
    coordinates : ndarray, shape (n, d)
        Slow modes of the diffusion.
    eigenvalues : ndarray, shape (d,)
        Eigenvalues of the modes.

    Returns
    -------
    Topology

    Notes
    -----
    The dimension is the slope of log k against the logarithm of the distance to the k-th neighbour in diffusion
    distance. A point at the border has its neighbours on one side: the offset of their mean in the tangent plane,
    divided by their root mean square distance, is 0.6 for a half disc.
    """
    points = coordinates * eigenvalues
    n = len(points)
    chosen = np.unique(np.linspace(0, n - 1, min(n, _MAX_POINTS)).astype(np.int64))
    k = int(np.clip(n // 25, 16, 96))
    if n < 3 * k:
        return Topology("unknown", float("nan"), float("nan"), 0.0)
    distances, indices = cKDTree(points).query(points[chosen], k=k + 1)
    low = max(k // 4, 4)
    slopes = np.log(k / low) / np.maximum(
        np.log(distances[:, k] / np.maximum(distances[:, low], 1e-300)), 1e-6
    )
    dimension = float(np.median(slopes))
    whole = 1 if dimension < 1.45 else 2
    offsets = points[indices[:, 1:]] - points[chosen, None]
    covariance = np.einsum("ikc,ikd->icd", offsets, offsets) / k
    variance, axes = np.linalg.eigh(covariance)
    tangent = np.einsum("ic,icd->id", offsets.mean(axis=1), axes[:, :, -whole:])
    one_sided = np.sqrt((tangent**2).sum(axis=1) / np.maximum(variance[:, -whole:].sum(axis=1), 1e-300))
    border = float((one_sided > _ONE_SIDED).mean())
    expected = k / n if whole == 1 else np.sqrt(k / n)
    evidence = float(np.log(max(border, 1e-3 * expected) / (_BORDER * expected)))
    open_ = evidence > 0
    certainty = float(1 / (1 + np.exp(-1.5 * abs(evidence))))
    if not 0.5 < dimension < 3.2:
        return Topology("unknown", dimension, border, 1 - certainty)
    certainty *= float(1 - min(abs(dimension - whole), 1) / 2)
    star = _hexagonal_star(eigenvalues)
    if whole == 2 and star > 0.5:
        return Topology("torus", dimension, border, star)
    if whole == 1:
        return Topology("interval" if open_ else "ring", dimension, border, certainty)
    if open_:
        return Topology("plane", dimension, border, certainty)
    torus = len(eigenvalues) > 3 and eigenvalues[3] > 0.7 * eigenvalues[0]
    return Topology("torus" if torus else "closed surface", dimension, border, certainty)


def _hexagonal_star(eigenvalues: NDArray[np.float64]) -> float:
    """Certainty (0 to 1) that six modes are similar and slower than the rest, as the waves of a hexagonal torus.

    A plane has two slowest modes, a sphere three.
    """
    if len(eigenvalues) < 7 or eigenvalues[6] <= 0:
        return 0.0
    similar = np.log(eigenvalues[5] / max(eigenvalues[0], 1e-12) / 0.55)
    apart = np.log(0.82 * eigenvalues[5] / eigenvalues[6])
    return float(1 / ((1 + np.exp(-12 * similar)) * (1 + np.exp(-12 * apart))))
