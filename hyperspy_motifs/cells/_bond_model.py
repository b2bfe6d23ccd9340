"""Odds of each Delaunay edge of being a bond, by its length, the angles that face it and the kinds of its ends."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._triangulation import Triangulation, mode_of_lengths

#: Least scatter of positions, in units of length: below it, positions are exact.
_LEAST_SCATTER = 0.01
#: Scatter that is added to the positions, as a share of that of the bonds (`benchmarks/bench_bonds.py`).
_ADDED_SCATTER = 0.6
#: Least number of edges of a pair of kinds with odds of its own.
_LEAST_EDGES = 40
#: Base of the numbers of pairs of kinds.
_MOST_KINDS = 2**31
#: Ridge of the logistic regression for all edges, which keeps a perfect separation finite, and for pairs of kinds,
#: whose odds are shrunk towards the common ones, in nats per squared weight.
_RIDGE, _PAIR_RIDGE = 1e-3, 1.0


class EdgeFeatures(NamedTuple):
    """What distinguishes bonds from diagonals.

    Attributes
    ----------
    length : numpy.ndarray, shape (e,)
        Logarithm of the length in the unit.
    angle : numpy.ndarray, shape (e,)
        Sum of the two angles that face the edge across its triangles, in half turns: 1 for every diagonal of a
        regular polygon, 1/p + 1/q for the bond between a p-gon and a q-gon.
    """

    length: NDArray[np.float64]
    angle: NDArray[np.float64]

    @property
    def scale(self) -> NDArray[np.float64]:
        """One number for each edge, low for bonds: its length in powers of the square root of 2, plus the angle.

        Bonds of regular tilings have values of 0.1...0.7, diagonals of 2 and more.
        """
        return self.length / np.log(np.sqrt(2)) + self.angle

    def take(self, edges: NDArray[np.integer]) -> EdgeFeatures:
        return EdgeFeatures(self.length[edges], self.angle[edges])


def edge_features(mesh: Triangulation, unit: NDArray[np.float64]) -> EdgeFeatures:
    """Features of the edges of a triangulation, with the unit of length at each point, shape (n,)."""
    of_edge = np.sqrt(unit[mesh.edges[:, 0]] * unit[mesh.edges[:, 1]])
    facing = np.zeros(len(mesh.edges))
    start, end = mesh.points[mesh.edges[:, 0]], mesh.points[mesh.edges[:, 1]]
    for side in (0, 1):
        tip = mesh.points[mesh.opposite[:, side]]
        u, v = start - tip, end - tip
        angle = np.abs(np.arctan2(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0], (u * v).sum(axis=1)))
        # The other side of an edge of the hull is unknown: half of the angle of a diagonal.
        facing += np.where(mesh.sides[:, side] >= 0, angle, np.pi / 2)
    return EdgeFeatures(np.log(np.maximum(mesh.lengths, 1e-300) / of_edge), facing / np.pi)


def field_unit(mesh: Triangulation) -> NDArray[np.float64]:
    """The most frequent nearest distance of the field, at each point, shape (n,)."""
    return np.full(len(mesh.points), mode_of_lengths(mesh.nearest))


def local_unit(mesh: Triangulation) -> NDArray[np.float64]:
    """The nearest distances of the points up to three edges around each point, shape (n,).

    It follows a slow change of scale and separate phases, but blurs structures with several bond lengths.
    """
    n = len(mesh.points)
    around = np.log(np.maximum(np.nan_to_num(mesh.nearest, nan=1e-300), 1e-300))
    i, j = mesh.edges[mesh.inner].T
    count = np.bincount(i, minlength=n) + np.bincount(j, minlength=n) + 1.0
    for _ in range(3):
        around = (
            around + np.bincount(i, around[j], minlength=n) + np.bincount(j, around[i], minlength=n)
        ) / count
    around = np.exp(around)
    return around * mode_of_lengths(mesh.nearest / around)


class BondModel(NamedTuple):
    """Logistic model of the probability of an edge of being a bond.

    Attributes
    ----------
    weights : numpy.ndarray, shape (3 + k,)
        Of a constant, the length, the angle, and k pairs of kinds.
    pairs : numpy.ndarray of int, shape (k,)
        The pairs of kinds as numbers, see :func:`kind_pairs`, sorted.
    scatter : float
        Standard deviation of each coordinate of the points, in units of length.
    """

    weights: NDArray[np.float64]
    pairs: NDArray[np.int64]
    scatter: float

    def log_odds(
        self, mesh: Triangulation, features: EdgeFeatures, kinds: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Logarithm of the odds of each edge, shape (e,)."""
        constant, length, angle = self.weights[:3]
        odds: NDArray[np.float64] = constant + length * features.length + angle * features.angle
        if len(self.pairs):
            pair = kind_pairs(mesh, kinds)
            place = np.minimum(np.searchsorted(self.pairs, pair), len(self.pairs) - 1)
            odds += np.where(self.pairs[place] == pair, self.weights[3:][place], 0.0)
        return odds


def kind_pairs(mesh: Triangulation, kinds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of the pair of kinds at the ends of each edge, shape (e,), the same in any part of a field."""
    ends = kinds[mesh.edges]
    return ends.min(axis=1) * _MOST_KINDS + ends.max(axis=1)


def fit_bond_model(
    mesh: Triangulation,
    bonds: NDArray[np.bool_],
    kinds: NDArray[np.int64],
    unit: NDArray[np.float64],
    *,
    random_state: int = 0,
) -> BondModel | None:
    r"""Learn the odds of bonds from a first choice of bonds.

    How much the length of an edge says about it, and how much its facing angles, depends on the scatter of the
    positions, which the lengths of the bonds show (as an upper limit: bonds of different kinds also differ). Further
    scatter is added to the positions. The model is the logistic regression that recovers the bonds in the moved
    positions; it is then applied to the positions as they are (as in calibration by added noise; Cook and Stefanski,
    J. Am. Stat. Assoc. 89, 1314, 1994).

    Parameters
    ----------
    mesh : Triangulation
    bonds : numpy.ndarray of bool, shape (e,)
        First choice.
    kinds : numpy.ndarray of int, shape (n,)
        Kind of each point, from 0.
    unit : numpy.ndarray, shape (n,)
        Unit of length at each point.
    random_state : int
        Of the movements.

    Returns
    -------
    BondModel or None
        None if all inner edges are bonds, or none.
    """
    used = bonds & mesh.inner
    if used.sum() == mesh.inner.sum() or not used.any():
        return None
    features = edge_features(mesh, unit)
    low, high = np.quantile(features.length[used], (0.16, 0.84))
    # The length of a bond has twice the variance of a coordinate.
    scatter = max(float(high - low) / 2 / np.sqrt(2), _LEAST_SCATTER)
    steps = np.random.default_rng(random_state).normal(0, _ADDED_SCATTER * scatter, mesh.points.shape)
    moved = Triangulation.from_points(mesh.points + steps * unit[:, None])
    code = np.array([len(mesh.points), 1])
    target = np.isin(moved.edges @ code, mesh.edges[bonds] @ code, assume_unique=True)[moved.inner]
    if target.all() or not target.any():
        return None
    pair = kind_pairs(moved, kinds)[moved.inner]
    pairs, counts = np.unique(pair, return_counts=True)
    pairs = pairs[counts >= _LEAST_EDGES] if len(pairs) > 1 else pairs[:0]
    inner = edge_features(moved, unit).take(np.flatnonzero(moved.inner))
    return BondModel(_logistic(_columns(inner, pair, pairs), target), pairs, scatter)


def _columns(
    features: EdgeFeatures, pair: NDArray[np.int64], pairs: NDArray[np.int64]
) -> NDArray[np.float64]:
    columns = [np.ones(len(pair)), features.length, features.angle]
    return np.column_stack([*columns, *((pair == value).astype(np.float64) for value in pairs)])


def _logistic(columns: NDArray[np.float64], target: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weights of a logistic regression with a ridge, by Newton's method."""
    weights = np.zeros(columns.shape[1])
    ridge = np.full(columns.shape[1], _RIDGE)
    ridge[3:] = _PAIR_RIDGE
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(columns @ weights, -50, 50)))
        slope = columns.T @ (target - p) - ridge * weights
        curvature = (columns * (p * (1 - p))[:, None]).T @ columns + np.diag(ridge)
        step = np.linalg.solve(curvature, slope)
        # A full step overshoots where the separation is almost perfect.
        step *= min(1.0, 20 / max(np.abs(step).max(), 1e-300))
        weights = weights + step
        if np.abs(step).max() < 1e-2 * np.abs(weights).max():
            break
    return weights
