"""Edges between interstices that do not overlap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ._bond_rule import BondRule, Bonds, clarity_of_cut
from ._triangulation import Triangulation, mode_of_lengths
from ._voronoi import circumcircles


@dataclass(frozen=True)
class InterstitialBonds(BondRule):
    """Delaunay edges between two interstices that do not overlap.

    An interstice is the circle around the circumcentre of a Delaunay triangle that touches three atoms of equal
    radius (half the most frequent nearest distance). If the circles of two neighbouring triangles overlap by more
    than `overlap` of the smaller radius, they form one hole and the edge between them is removed. Polyhedra from
    interstices were introduced by Banadaki and Patala (npj Comput. Mater. 3, 13, 2017).

    Parameters
    ----------
    overlap : float
        0 merges all circles that touch; 1 merges only circles whose smaller one has its centre deep inside the
        larger.
    """

    overlap: float = 0.3

    planar: ClassVar[bool] = True

    def __call__(self, points: NDArray[np.floating], labels: NDArray[np.integer] | None = None) -> Bonds:
        mesh = Triangulation.from_points(points)
        if len(mesh.edges) == 0:
            return Bonds(mesh.edges, 0.0, "the points have no triangulation")
        spacing = mode_of_lengths(mesh.nearest)
        centre, radius = circumcircles(mesh)
        free = np.maximum(radius - 0.5 * spacing, 0.0)
        keep = np.ones(len(mesh.edges), dtype=bool)
        inner = mesh.inner
        left, right = mesh.sides[inner, 0], mesh.sides[inner, 1]
        distance = np.linalg.norm(centre[left] - centre[right], axis=1)
        shared = free[left] + free[right] - distance
        keep[inner] = shared <= self.overlap * np.minimum(free[left], free[right])
        keep[~inner] = mesh.lengths[~inner] <= 1.5 * spacing
        clarity = clarity_of_cut(mesh.lengths[keep], mesh.lengths[~keep & inner])
        return Bonds(
            mesh.edges[keep], clarity, f"interstices that overlap by more than {self.overlap:.3g} merged"
        )
