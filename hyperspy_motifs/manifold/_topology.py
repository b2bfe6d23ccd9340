"""What kind of space a manifold is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

_MOST = 2000
# Offset of the mean of a half neighbourhood over its radius is 0.6 in a disc and 0.87 on a line; that of a whole one is near 0.
_ONE_SIDED = 0.45
# One-sided points over those within a neighbourhood's width of a border that there would be at least.
_BORDER = 0.6


@dataclass(frozen=True)
class Topology:
    """Kind of a manifold.

    Attributes
    ----------
    kind : {"torus", "closed surface", "plane", "ring", "interval", "unknown"}
        Closed surface: no border, but fewer than four slow modes of like eigenvalue, such as a torus on which
        opposite shifts are one.
    dimension : float
        Intrinsic dimension.
    border : float
        Part of the points with neighbours on one side only.
    certainty : float
        0 to 1.
    """

    kind: str
    dimension: float
    border: float
    certainty: float


def find_topology(coordinates: NDArray[np.float64], eigenvalues: NDArray[np.float64]) -> Topology:
    """Decide what kind of space points lie on, from its dimension and its border.

    Parameters
    ----------
    coordinates : ndarray, shape (n, d)
        Slow modes.
    eigenvalues : ndarray, shape (d,)
        Theirs.

    Returns
    -------
    Topology

    Notes
    -----
    The dimension is the slope of log k against the logarithm of the distance to the k-th neighbour in diffusion
    distance. A point of the border has its neighbours on one side: the offset of their mean in the tangent plane,
    over their root mean square distance, is 0.6 for a half disc.
    """
    points = coordinates * eigenvalues
    n = len(points)
    chosen = np.unique(np.linspace(0, n - 1, min(n, _MOST)).astype(np.int64))
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
    """Certainty (0 to 1) that six modes are alike and slower than the rest: the waves of a hexagonal torus.

    A plane has two slowest modes, a sphere three.
    """
    if len(eigenvalues) < 7 or eigenvalues[6] <= 0:
        return 0.0
    alike = np.log(eigenvalues[5] / max(eigenvalues[0], 1e-12) / 0.55)
    apart = np.log(0.82 * eigenvalues[5] / eigenvalues[6])
    return float(1 / ((1 + np.exp(-12 * alike)) * (1 + np.exp(-12 * apart))))
