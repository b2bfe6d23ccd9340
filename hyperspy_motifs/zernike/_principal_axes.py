"""Principal axes of features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PrincipalAxes:
    """Centre (d,) and orthonormal vectors (d, k) of the axes of largest variance, the largest first."""

    centre: NDArray[np.float64]
    vectors: NDArray[np.float64]

    @classmethod
    def fit(cls, X: NDArray[np.float64], n_axes: int = 20) -> PrincipalAxes:
        """Take the first `n_axes` axes, or all, of the points (n, d)."""
        centre = X.mean(axis=0)
        centred = X - centre
        _, vectors = np.linalg.eigh(centred.T @ centred)
        vectors = vectors[:, ::-1][:, :n_axes]
        largest = np.abs(vectors).argmax(axis=0)
        return cls(centre, vectors * np.sign(vectors[largest, np.arange(vectors.shape[1])]))

    def apply(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the components (n, k) of points (n, d)."""
        return np.asarray((X - self.centre) @ self.vectors)
