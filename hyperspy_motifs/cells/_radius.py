"""All pairs within a radius."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ._bond_rule import BondRule, Bonds, clarity_of_cut
from ._triangulation import Triangulation


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
