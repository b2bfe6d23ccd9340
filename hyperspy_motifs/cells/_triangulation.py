"""Delaunay triangulation, and planar sets of bonds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay, QhullError, cKDTree


@dataclass(frozen=True)
class Triangulation:
    """Delaunay triangulation of points in the plane.

    Attributes
    ----------
    points : numpy.ndarray, shape (n, 2)
        Positions x, y.
    triangles : numpy.ndarray of int, shape (t, 3)
        Corners of the triangles.
    edges : numpy.ndarray of int, shape (e, 2)
        Edges, lower index first, sorted.
    sides : numpy.ndarray of int, shape (e, 2)
        The triangles on both sides of each edge, -1 for none (the convex hull).
    opposite : numpy.ndarray of int, shape (e, 2)
        The corner of each of those triangles that is not on the edge, -1 for none.
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
        """The triangles between some of the points.

        Parameters
        ----------
        chosen : numpy.ndarray of bool, shape (n,)

        Returns
        -------
        mesh : Triangulation
        points, edges : numpy.ndarray of int
            Index of each of its points and edges in this triangulation.
        """
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
