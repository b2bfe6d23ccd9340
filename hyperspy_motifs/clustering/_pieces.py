"""Pieces that points fall into, and how much each varies inside."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

_NEIGHBOURS = 6
# Beyond the first axes there is little but noise, and a search in them takes long.
_AXES = 10
_FEWEST = 20
_MOST = 6000
# Where the large pieces hold less of the points than the first, they do not speak for the others (many classes of few atoms, of
# which some ran together); from the second on they do. Of the simulated bilayers they hold 0.6 and more.
_SILENT, _SPEAKS = 0.25, 0.5


def mutual_knn_components(X: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return the piece of each point: points are joined where each is among the six nearest of the other.

    Parameters
    ----------
    X : ndarray, shape (n, d)
        Principal axes first; ten of them are used.

    Returns
    -------
    ndarray of int32, shape (n,)
    """
    points = X[:, :_AXES]
    n, k = len(points), min(_NEIGHBOURS, len(points) - 1)
    if k < 1:
        return np.zeros(n, dtype=np.int32)
    nearest = cKDTree(points).query(points, k=k + 1)[1][:, 1:]
    rows = np.repeat(np.arange(n), k)
    directed = csr_array(coo_array((np.ones(n * k), (rows, nearest.ravel())), shape=(n, n)))
    return np.asarray(connected_components(directed.multiply(directed.T), directed=False)[1], dtype=np.int32)


def within_component_variance(X: NDArray[np.float64], contrast: float) -> float:
    r"""Return how much surroundings vary within the pieces that they fall into, as a share of their contrast.

    .. math:: v = \frac{\langle |x_i - \bar{x}_{P(i)}|^2 \rangle - d}{c}

    with the mean of the piece P(i) of at least twenty points that a point lies in, d axes each of unit noise, and the mean
    square c of a patch's contrast in the same units. Sites of a crystal differ within a class by noise, static
    disorder and distortions of the scan: a few percent of their contrast at most. Where stacking drifts over
    the field it is tens of percent, whether or not gaps part what has drifted from one sublattice from that of another.

    Parameters
    ----------
    X : ndarray, shape (n, d)
        Principal axes in units of the noise.
    contrast : float
        Mean square of the features, their mean included, in squared units of the noise.

    Returns
    -------
    float
        0 where no piece is large enough, or large ones hold hardly any of the points.
    """
    n = len(X)
    chosen = X if n <= _MOST else X[np.linspace(0, n - 1, _MOST).astype(np.int64)]
    piece = mutual_knn_components(chosen)
    size = np.bincount(piece)
    large = size[piece] >= _FEWEST
    if not large.any() or contrast <= 0:
        return 0.0
    mean = np.zeros((len(size), chosen.shape[1]))
    np.add.at(mean, piece, chosen)
    mean /= size[:, None]
    # n / (n - 1): the mean of a piece follows its own noise.
    own = ((chosen - mean[piece]) ** 2).sum(axis=1) * size[piece] / np.maximum(size[piece] - 1, 1)
    speaks = float(np.clip((large.mean() - _SILENT) / (_SPEAKS - _SILENT), 0, 1))
    return float(own[large].mean() - chosen.shape[1]) / contrast * speaks
