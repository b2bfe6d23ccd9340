"""The k nearest neighbours of each point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ._bond_rule import BondRule, Bonds


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
