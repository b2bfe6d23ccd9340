"""Proximity graphs: the beta-skeletons, including the Gabriel graph and the relative-neighbourhood graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ._bond_rule import BondRule, Bonds, clarity_of_cut
from ._triangulation import Triangulation


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
