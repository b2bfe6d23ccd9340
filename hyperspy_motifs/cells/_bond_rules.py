"""Bond rules: the contract, and the rules that decide by distance, by Delaunay, by Voronoi, or by a list."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from ._triangulation import Triangulation, mode_of_lengths


class Bonds(NamedTuple):
    """Bonds of a set of points.

    Attributes
    ----------
    pairs : numpy.ndarray of int, shape (b, 2)
        Indices of the bonded points, the lower first, sorted, each bond once.
    clarity : float
        0 to 1. Of :class:`AutoBonds`, the expected share of right cells; of the other rules, the separation of the kept
        neighbour distances from the others: 1 if the shortest rejected distance exceeds the longest kept one by
        half of it, 0 if they overlap.
    reason : str
        One sentence on the choice.
    is_doubtful : bool
        Whether another rule is as good.
    """

    pairs: NDArray[np.int64]
    clarity: float
    reason: str
    is_doubtful: bool = False


class BondRule(ABC):
    """A bond rule: called with points and motif labels, it returns :class:`Bonds`.

    A rule is an object that holds its parameters. To add one, derive from this class and implement ``__call__``;
    :func:`~hyperspy_motifs.cells.find_cells` accepts any instance as ``bonds=``. Bonds may cross: the shorter of two
    crossing bonds is kept.

    Attributes
    ----------
    planar : bool
        Whether the rule guarantees that no bonds cross (a part of the Delaunay triangulation), so that crossings need
        not be searched for.
    """

    planar: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, points: NDArray[np.floating], labels: NDArray[np.integer] | None = None) -> Bonds:
        """Bonds of the points.

        Parameters
        ----------
        points : numpy.ndarray, shape (n, 2)
            Positions x, y in any unit.
        labels : numpy.ndarray of int, shape (n,), optional
            Motif of each point, for rules with cuts per pair of motifs.

        Returns
        -------
        Bonds
        """


def clarity_of_cut(kept: NDArray[np.floating], dropped: NDArray[np.floating]) -> float:
    """Clarity of a cut of neighbour distances, 0 to 1.

    The log ratio of the 0.5 % quantile of the dropped to the 99.5 % quantile of the kept lengths, in units of
    log(1.5), clipped to 0...1; 1 if nothing was dropped.
    """
    if len(kept) == 0:
        return 0.0
    if len(dropped) == 0:
        return 1.0
    ratio = np.quantile(dropped, 0.005) / np.quantile(kept, 0.995)
    return float(np.clip(np.log(max(ratio, 1e-12)) / np.log(1.5), 0.0, 1.0))


@dataclass(frozen=True)
class NearestBonds(BondRule):
    """Bonds to the k nearest neighbours.

    Parameters
    ----------
    k : int
        Neighbours of each point.
    mutual : bool
        Keep a bond only if each point is among the nearest neighbours of the other.
    """

    k: int
    mutual: bool = False

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"k must be at least 1 neighbour, got {self.k!r}")

    def __call__(self, points: NDArray[np.floating], labels: NDArray[np.integer] | None = None) -> Bonds:
        n = len(points)
        k = min(self.k, n - 1)
        # One additional neighbour determines the clarity of the cut.
        distance, index = cKDTree(points).query(points, k=min(k + 2, n))
        start = np.repeat(np.arange(n), k)
        end = index[:, 1 : k + 1].ravel()
        key, count = np.unique(np.minimum(start, end) * n + np.maximum(start, end), return_counts=True)
        if self.mutual:
            key = key[count == 2]
        pairs = np.column_stack([key // n, key % n]).astype(np.int64)
        clarity = 1.0
        if distance.shape[1] > k + 1:
            step = np.log(distance[:, k + 1] / np.maximum(distance[:, k], 1e-300))
            clarity = float(np.clip(np.median(step) / np.log(1.5), 0.0, 1.0))
        return Bonds(pairs, clarity, f"{k} nearest neighbours")


@dataclass(frozen=True)
class RadiusBonds(BondRule):
    """All pairs up to a radius apart.

    Parameters
    ----------
    radius : float
        In the unit of the points.
    """

    radius: float

    def __post_init__(self) -> None:
        if not self.radius > 0:
            raise ValueError(
                f"radius must be a positive length in the unit of the points, got {self.radius!r}"
            )

    def __call__(self, points: NDArray[np.floating], labels: NDArray[np.integer] | None = None) -> Bonds:
        pairs = cKDTree(points).query_pairs(self.radius, output_type="ndarray").astype(np.int64)
        pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
        mesh = Triangulation.from_points(points)
        dropped = mesh.lengths[mesh.inner & (mesh.lengths > self.radius)]
        kept = mesh.lengths[mesh.lengths <= self.radius]
        return Bonds(pairs, clarity_of_cut(kept, dropped), f"pairs up to {self.radius:.4g}")


@dataclass(frozen=True)
class ExplicitBonds(BondRule):
    """Given pairs of point indices.

    Parameters
    ----------
    pairs : array-like of int, shape (b, 2)
        Indices into the points; order and repetitions do not matter.
    """

    pairs: ArrayLike

    def __call__(self, points: NDArray[np.floating], labels: NDArray[np.integer] | None = None) -> Bonds:
        n = len(points)
        pairs = np.asarray(self.pairs)
        if pairs.size == 0:
            pairs = np.zeros((0, 2), dtype=np.int64)
        if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu":
            raise ValueError(
                f"explicit bonds must be an integer array of shape (b, 2), got {pairs.dtype} {pairs.shape}"
            )
        if pairs.size and (pairs.min() < 0 or pairs.max() >= n):
            raise ValueError(
                f"explicit bonds refer to points {pairs.min()}...{pairs.max()}; the points are 0...{n - 1}"
            )
        if np.any(pairs[:, 0] == pairs[:, 1]):
            raise ValueError("explicit bonds join a point to itself; remove those pairs")
        key = np.unique(pairs.min(axis=1).astype(np.int64) * n + pairs.max(axis=1))
        return Bonds(np.column_stack([key // n, key % n]), 1.0, "given bonds")


def circumcircles(mesh: Triangulation) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centres (t, 2) and radii (t,) of the circles through the corners of the triangles."""
    a, b, c = (mesh.points[mesh.triangles[:, k]] for k in range(3))
    u, v = b - a, c - a
    cross = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    cross = np.where(np.abs(cross) < 1e-300, 1e-300, cross)
    uu, vv = (u * u).sum(axis=1), (v * v).sum(axis=1)
    offset = (
        np.column_stack([v[:, 1] * uu - u[:, 1] * vv, u[:, 0] * vv - v[:, 0] * uu]) / (2 * cross)[:, None]
    )
    return a + offset, np.linalg.norm(offset, axis=1)


@dataclass(frozen=True)
class VoronoiBonds(BondRule):
    """Voronoi neighbours with a sufficiently long common ridge.

    The weight of a ridge is its length over the distance of its two points, which is 0.58 for hexagons, 1 for
    squares, and falls towards 0 where two Voronoi cells barely touch (a diagonal of a square). Bonds are those with a
    weight of at least `weight`, and a length of up to `longest` median nearest distances (ridges across a hole are
    also long).

    Parameters
    ----------
    weight : float
        Least ridge length over distance.
    longest : float
        In units of the median length of the edges with sufficient weight.
    """

    weight: float = 0.25
    longest: float = 1.6

    planar: ClassVar[bool] = True

    def __call__(self, points: NDArray[np.floating], labels: NDArray[np.integer] | None = None) -> Bonds:
        mesh = Triangulation.from_points(points)
        if len(mesh.edges) == 0:
            return Bonds(mesh.edges, 0.0, "the points have no triangulation")
        centre, _ = circumcircles(mesh)
        ridge = np.full(len(mesh.edges), np.inf)
        inner = mesh.inner
        ridge[inner] = np.linalg.norm(centre[mesh.sides[inner, 0]] - centre[mesh.sides[inner, 1]], axis=1)
        keep = ridge >= self.weight * mesh.lengths
        longest = (
            self.longest * float(np.median(mesh.lengths[keep & inner])) if (keep & inner).any() else np.inf
        )
        keep &= mesh.lengths <= longest
        clarity = clarity_of_cut(mesh.lengths[keep], mesh.lengths[~keep & inner])
        return Bonds(
            mesh.edges[keep], clarity, f"Voronoi ridges of at least {self.weight:.3g} of the distance"
        )


@dataclass(frozen=True)
class DelaunayBonds(BondRule):
    """Delaunay edges up to `factor` times the most frequent nearest-neighbour distance.

    Parameters
    ----------
    factor : float
        In units of the mode of the nearest-neighbour distances.
    """

    factor: float = 1.25

    planar: ClassVar[bool] = True

    def __call__(self, points: NDArray[np.floating], labels: NDArray[np.integer] | None = None) -> Bonds:
        mesh = Triangulation.from_points(points)
        if len(mesh.edges) == 0:
            return Bonds(mesh.edges, 0.0, "the points have no triangulation")
        cut = self.factor * mode_of_lengths(mesh.nearest)
        keep = mesh.lengths <= cut
        clarity = clarity_of_cut(mesh.lengths[keep], mesh.lengths[~keep & mesh.inner])
        return Bonds(mesh.edges[keep], clarity, f"Delaunay edges up to {cut:.4g}")


@dataclass(frozen=True)
class BetaSkeletonBonds(BondRule):
    r"""Lune-based beta-skeleton (Kirkpatrick and Radke, 1985), for :math:`\beta \ge 1`.

    Points p and q at distance d are bonded if no other point lies inside the lune, the intersection of the
    two discs of radius :math:`\beta d / 2` centred at
    :math:`(1 - \beta/2)\,p + (\beta/2)\,q` and :math:`(1 - \beta/2)\,q + (\beta/2)\,p`.
    :math:`\beta = 1` is the Gabriel graph, :math:`\beta = 2` the relative-neighbourhood graph. All are parts of
    the Delaunay triangulation, whose edges are the candidates.

    Rings of a network need a beta near 2, while an equilateral triangle survives only below 2: no single value is
    suitable for all tilings.

    Parameters
    ----------
    beta : float
        At least 1.
    """

    beta: float = 1.2

    planar: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.beta >= 1:
            raise ValueError(f"beta must be at least 1 (Gabriel's graph), got {self.beta!r}")

    def __call__(self, points: NDArray[np.floating], labels: NDArray[np.integer] | None = None) -> Bonds:
        mesh = Triangulation.from_points(points)
        if len(mesh.edges) == 0:
            return Bonds(mesh.edges, 0.0, "the points have no triangulation")
        p, q = mesh.points[mesh.edges[:, 0]], mesh.points[mesh.edges[:, 1]]
        half = 0.5 * self.beta
        first, second = (1 - half) * p + half * q, (1 - half) * q + half * p
        radius = half * mesh.lengths
        # The lune lies inside the disc around the midpoint through its tips.
        reach = mesh.lengths * np.sqrt(max(half - 0.25, 0.25))
        # Points in the lune are usually among the nearest to the midpoint; a few iterations with more neighbours find
        # the others.
        tree = cKDTree(mesh.points)
        keep = np.ones(len(mesh.edges), dtype=bool)
        todo = np.arange(len(mesh.edges))
        k = 8
        while len(todo):
            k = min(k, len(mesh.points))
            distance, index = tree.query(0.5 * (p[todo] + q[todo]), k=k)
            other = (index != mesh.edges[todo, 0, None]) & (index != mesh.edges[todo, 1, None])
            candidate = mesh.points[index]
            # The tolerance makes the result stable for exact lattices, whose points lie on the boundary of the lune.
            limit = (radius[todo] * (1 - 1e-9))[:, None]
            inside = (
                other
                & (np.linalg.norm(candidate - first[todo, None], axis=2) < limit)
                & (np.linalg.norm(candidate - second[todo, None], axis=2) < limit)
            ).any(axis=1)
            keep[todo[inside]] = False
            if k == len(mesh.points):
                break
            todo = todo[~inside & (distance[:, -1] < reach[todo])]
            k *= 4
        clarity = clarity_of_cut(mesh.lengths[keep], mesh.lengths[~keep & mesh.inner])
        return Bonds(mesh.edges[keep], clarity, f"beta-skeleton, beta = {self.beta:.3g}")
