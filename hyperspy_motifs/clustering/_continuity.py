"""Discrete or continuous: do the motifs fill a manifold that noise does not explain?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.relaxation import nearest_in, nearest_neighbours

from ._features import Axes

_DIMENSIONS = 6
_NEIGHBOURS = 6
_FEWEST = 60
_ASKED = 4000
_LIMIT = 0.06
_STEEPNESS = 6


def neighbour_ratio(X: NDArray[np.float64], labels: NDArray[np.integer]) -> float:
    r"""Return how near neighbours lie within motifs, against any two atoms of the motif.

    .. math:: q = \left\langle \frac{\mathrm{median}_i\, d_6(i)^2}{\langle d_{ij}^2\rangle}
              \left(\frac{n}{1000}\right)^{1/3} \right\rangle

    with the distance to the sixth neighbour :math:`d_6` among the first six principal components of
    a motif of n
    atoms, averaged over the motifs by size. For a cloud of noise in six dimensions the exponent
    makes q a constant of about 0.12; on a
    manifold of one or two dimensions that is wider than the noise neighbours lie much nearer.

    Parameters
    ----------
    X : ndarray, shape (n, d)
        Features in units of their noise.
    labels : ndarray of int, shape (n,)

    Returns
    -------
    float
        NaN where no motif holds 60 atoms.
    """
    ratios, weights = [], []
    for motif in range(int(labels.max()) + 1):
        inside = X[labels == motif]
        n = len(inside)
        if n < _FEWEST:
            continue
        components = Axes.fit(inside).apply(inside)[:, :_DIMENSIONS]
        spread = 2 * float(components.var(axis=0).sum())
        if spread == 0:
            continue
        near = _distance_to_neighbour(components.astype(np.float32)).astype(float) ** 2
        ratios.append(float(np.median(near)) / spread * (n / 1000) ** (1 / 3))
        weights.append(n)
    return float(np.average(ratios, weights=weights)) if ratios else float("nan")


def _distance_to_neighbour(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Distance to the sixth neighbour of all points, or of as many as tell the median, spread evenly over the list."""
    n = len(points)
    if n <= _ASKED:
        return nearest_neighbours(points, _NEIGHBOURS)[1][:, -1]
    chosen = np.linspace(0, n - 1, _ASKED).astype(np.int64)
    # A point is the nearest to itself.
    return nearest_in(points[chosen], points, _NEIGHBOURS + 1)[1][:, -1]


def continuity(ratios: NDArray[np.float64]) -> float:
    """Return from 0 (discrete motifs) to 1 (a continuum) for the neighbour ratios of one or several lenses.

    0.5 lies at a ratio of 0.06: half of what a cloud of noise has. Not known (NaN) counts as discrete.
    """
    known = np.asarray(ratios, dtype=float)
    known = known[np.isfinite(known)]
    if not len(known):
        return 0.0
    return float(1 / (1 + (float(known.mean()) / _LIMIT) ** _STEEPNESS))
