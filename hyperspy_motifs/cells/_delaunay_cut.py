"""Delaunay edges up to a length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ._bond_rule import BondRule, Bonds, clarity_of_cut
from ._triangulation import Triangulation, mode_of_lengths


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
