"""Neighbours with a sufficiently long common Voronoi ridge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ._bond_rule import BondRule, Bonds, clarity_of_cut
from ._triangulation import Triangulation


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
