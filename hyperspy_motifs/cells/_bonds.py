"""Bond rules, the triangulation that most of them select from, and planar sets of bonds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import Delaunay, QhullError, cKDTree


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
class Triangulation:
    """Delaunay triangulation of points x, y (n, 2) in the plane.

    `triangles` (t, 3) are the corners of the triangles; `edges` (e, 2) have the lower index first and are sorted. `sides`
    (e, 2) are the triangles on both sides of each edge, -1 for none (the convex hull), and `opposite` (e, 2) the corner
    of each of those triangles that is not on the edge, -1 for none.
    """

    points: NDArray[np.float64]
    triangles: NDArray[np.int64]
    edges: NDArray[np.int64]
    sides: NDArray[np.int64]
    opposite: NDArray[np.int64]

    @classmethod
    def from_points(cls, points: NDArray[np.floating]) -> Triangulation:
        """Triangulate; collinear points have no triangles and no edges."""
        xy = np.asarray(points, dtype=np.float64)
        n = len(xy)
        none = np.zeros((0, 2), dtype=np.int64)
        empty = cls(xy, np.zeros((0, 3), dtype=np.int64), none, none, none)
        if n < 3:
            return empty
        centred = xy - xy.mean(axis=0)
        # Scaled to about 1 by a power of two, which changes no bit of the result: fourth powers would overflow otherwise.
        scaled = np.ldexp(centred, -int(np.frexp(np.abs(centred).max())[1]))
        try:
            triangles = Delaunay(scaled).simplices.astype(np.int64)
        except (QhullError, ValueError):
            return empty
        start, twins = half_edges(triangles, n)
        half = np.arange(len(start))
        base = half - half % 3
        end, third = start[base + (half + 1) % 3], start[base + (half + 2) % 3]
        # The half-edge of lower index represents an edge.
        half = half[(twins < 0) | (half < twins)]
        key = np.minimum(start[half], end[half]) * n + np.maximum(start[half], end[half])
        order = np.argsort(key)
        half, key = half[order], key[order]
        twin = twins[half]
        edges = np.column_stack([key // n, key % n])
        sides = np.column_stack([half // 3, np.where(twin >= 0, twin // 3, -1)])
        opposite = np.column_stack([third[half], np.where(twin >= 0, third[twin], -1)])
        return cls(xy, start.reshape(-1, 3), edges, sides, opposite)

    @cached_property
    def lengths(self) -> NDArray[np.float64]:
        """Length of each edge, shape (e,)."""
        return np.linalg.norm(self.points[self.edges[:, 0]] - self.points[self.edges[:, 1]], axis=1)

    @cached_property
    def nearest(self) -> NDArray[np.float64]:
        """Distance of each point to its nearest other point, shape (n,); NaN for coincident points.

        The nearest neighbour is always one of the Delaunay neighbours.
        """
        nearest = np.full(len(self.points), np.inf)
        np.minimum.at(nearest, self.edges[:, 0], self.lengths)
        np.minimum.at(nearest, self.edges[:, 1], self.lengths)
        nearest[~np.isfinite(nearest)] = np.nan
        return nearest

    @cached_property
    def inner(self) -> NDArray[np.bool_]:
        """Edges with a triangle on both sides, shape (e,): those of the hull depend on the border of the field."""
        return self.sides[:, 1] >= 0

    @cached_property
    def deep(self) -> NDArray[np.bool_]:
        """Points more than two edges from the hull, shape (n,), or fewer edges if these were less than a quarter."""
        near = np.zeros(len(self.points), dtype=bool)
        near[self.edges[~self.inner].ravel()] = True
        deep = ~near if 4 * np.count_nonzero(near) < 3 * len(near) else np.ones(len(near), dtype=bool)
        for _ in range(2):
            near[self.edges[near[self.edges].any(axis=1)].ravel()] = True
            if 4 * np.count_nonzero(near) < 3 * len(near):
                deep = ~near
        return deep

    def window(self, chosen: NDArray[np.bool_]) -> tuple[Triangulation, NDArray[np.int64], NDArray[np.int64]]:
        """The triangles between the points of a mask (n,), and the index of each of their points and edges in this one."""
        triangle = chosen[self.triangles].all(axis=1)
        # The last entries are those of "none", -1.
        whole = np.append(triangle, False)
        edges = np.flatnonzero(whole[self.sides].any(axis=1))
        points = np.unique(self.edges[edges])
        point_number = np.full(len(self.points) + 1, -1, dtype=np.int64)
        point_number[points] = np.arange(len(points))
        triangle_number = np.where(whole, np.cumsum(whole) - 1, -1)
        sides, opposite = triangle_number[self.sides[edges]], self.opposite[edges]
        opposite = np.where(sides >= 0, point_number[opposite], -1)
        swap = sides[:, 0] < 0
        sides[swap], opposite[swap] = sides[swap, ::-1], opposite[swap, ::-1]
        mesh = Triangulation(
            self.points[points],
            point_number[self.triangles[triangle]],
            point_number[self.edges[edges]],
            sides,
            opposite,
        )
        return mesh, points, edges


def half_edges(triangles: NDArray[np.int64], n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First corner of each half-edge of triangles (t, 3) of n points, and the half-edge on its other side or
    -1.
    """
    start = triangles.ravel()
    end = triangles[:, [1, 2, 0]].ravel()
    key = np.minimum(start, end) * n + np.maximum(start, end)
    order = np.argsort(key, kind="stable")
    same = np.flatnonzero(key[order][1:] == key[order][:-1])
    twins = np.full(len(start), -1, dtype=np.int64)
    twins[order[same]], twins[order[same + 1]] = order[same + 1], order[same]
    return start, twins


def mode_of_lengths(lengths: NDArray[np.floating]) -> float:
    """Most frequent length, by a Gaussian-smoothed histogram of the logarithm (2 % bins)."""
    logs = np.log(lengths[lengths > 0])
    low = logs.min()
    counts = np.pad(np.bincount(((logs - low) / 0.02).astype(np.int64)), 4)
    kernel = np.exp(-0.5 * (np.arange(-4, 5) / 1.5) ** 2)
    peak = int(np.convolve(counts, kernel, mode="valid").argmax())
    near = logs[np.abs(logs - (low + (peak + 0.5) * 0.02)) < 0.04]
    return float(np.exp(np.median(near)))


def crossing_pairs(points: NDArray[np.floating], bonds: NDArray[np.integer]) -> NDArray[np.int64]:
    """Pairs of bonds that cross in their inner parts, shape (c, 2)."""
    if len(bonds) < 2:
        return np.zeros((0, 2), dtype=np.int64)
    p, q = points[bonds[:, 0]], points[bonds[:, 1]]
    half = 0.5 * np.linalg.norm(p - q, axis=1)
    # The midpoints of two crossing bonds are closer than the sum of their half lengths. The rare long bonds are
    # tested separately, so that the search among the others stays local.
    long = half > 2.5 * np.median(half)
    tree = cKDTree(0.5 * (p + q))
    pairs = tree.query_pairs(2 * float(half[~long].max()), output_type="ndarray")
    parts = [pairs[~long[pairs].any(axis=1)]]
    for k in np.flatnonzero(long):
        other = np.asarray(
            tree.query_ball_point(0.5 * (p[k] + q[k]), half[k] + float(half.max())), dtype=np.int64
        )
        other = other[~long[other] | (other > k)]
        parts.append(np.column_stack([np.full(len(other), k), other]))
    pairs = np.concatenate(parts).astype(np.int64)
    a, b = bonds[pairs[:, 0]], bonds[pairs[:, 1]]
    apart = (a[:, :, None] != b[:, None, :]).all(axis=(1, 2))
    pairs, a, b = pairs[apart], a[apart], b[apart]

    def side(
        start: NDArray[np.integer], end: NDArray[np.integer], other: NDArray[np.integer]
    ) -> NDArray[np.floating]:
        u, v = points[end] - points[start], points[other] - points[start]
        return u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]

    crosses = (side(a[:, 0], a[:, 1], b[:, 0]) * side(a[:, 0], a[:, 1], b[:, 1]) < 0) & (
        side(b[:, 0], b[:, 1], a[:, 0]) * side(b[:, 0], b[:, 1], a[:, 1]) < 0
    )
    return pairs[crosses]


def without_crossings(points: NDArray[np.floating], bonds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bonds that remain after removal of the longer of two crossing ones (of equal ones that of higher index).

    The longest crossing bond is removed first, so that no bond is removed for a crossing that no longer exists.
    """
    pairs = crossing_pairs(points, bonds)
    if len(pairs) == 0:
        return bonds
    length = np.linalg.norm(points[bonds[:, 0]] - points[bonds[:, 1]], axis=1)
    keep = np.ones(len(bonds), dtype=bool)
    rank = np.empty(len(bonds), dtype=np.int64)
    rank[np.lexsort((np.arange(len(bonds)), length))] = np.arange(len(bonds))
    worse = np.where(rank[pairs[:, 0]] > rank[pairs[:, 1]], pairs[:, 0], pairs[:, 1])
    better = pairs.sum(axis=1) - worse
    for k in np.argsort(-rank[worse], kind="stable"):
        if keep[worse[k]] and keep[better[k]]:
            keep[worse[k]] = False
    return bonds[keep]
