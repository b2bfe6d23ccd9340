"""Given bonds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._bond_rule import BondRule, Bonds


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
