"""How many axes groups are sought in, and the scatter of groups."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.zernike import PrincipalAxes

from ._constants import CONSTANTS


def axes_of(X: NDArray[np.float64]) -> PrincipalAxes:
    """Return as many principal axes of the points (n, d) as `n` points determine."""
    c = CONSTANTS
    return PrincipalAxes.fit(X, min(c.dimensions[-1], max(len(X) // c.points_per_axis, c.few_dimensions[0])))


def tried_dimensions(n_points: int, n_axes: int) -> list[int]:
    """Return the numbers of axes in which groups of `n_points` points are sought."""
    c = CONSTANTS
    return sorted({min(k, n_axes) for k in (c.few_dimensions if n_points < c.few else c.dimensions)})


def scatter(residuals: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the covariance (k, k) of residuals (n, k) with a ridge; points beyond four robust spreads are left out.

    None where too few points are left.
    """
    k = residuals.shape[1]
    spread = 1.4826 * np.median(np.abs(residuals), axis=0)
    inside = (np.abs(residuals) < 4 * np.maximum(spread, np.sqrt(CONSTANTS.ridge))).all(axis=1)
    if inside.sum() <= k + 2:
        return None
    return np.atleast_2d(np.cov(residuals[inside].T)) + CONSTANTS.ridge * np.eye(k)
