"""Connected components of points, and the variance within them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

_NEIGHBOURS = 6
# Further axes contain little but noise, and a search in many axes is slow.
_AXES = 10
_MIN_POINTS = 20
_MAX_POINTS = 6000
# Share of the points in large components. Below the first number they do not represent the others (many classes of few atoms,
# some of which are connected); above the second they do. In simulated bilayers the share is 0.6 and more.
_NOT_REPRESENTATIVE, _REPRESENTATIVE = 0.25, 0.5


def mutual_knn_components(X: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return the connected component of each point in the graph of mutual six nearest neighbours.

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
    r"""Return the variance of surroundings within connected components, as a share of their contrast.

    .. math:: v = \frac{\langle |x_i - \bar{x}_{P(i)}|^2 \rangle - d}{c}

    P(i) is the component of point i and has at least twenty points. The d axes have unit noise each, and c is the mean
    square contrast of a patch in the same units. Within a class, sites of a crystal differ by noise, static
    disorder and distortions of the scan: v is a few percent at most. Where the stacking changes over the field,
    v is tens of percent, whether or not gaps separate the sublattices.

    Parameters
    ----------
    X : ndarray, shape (n, d)
        Principal axes in units of the noise.
    contrast : float
        Mean square of the features, their mean included, in squared units of the noise.

    Returns
    -------
    float
        0 where no component is large enough, or where large components contain few of the points.
    """
    n = len(X)
    chosen = X if n <= _MAX_POINTS else X[np.linspace(0, n - 1, _MAX_POINTS).astype(np.int64)]
    component = mutual_knn_components(chosen)
    size = np.bincount(component)
    large = size[component] >= _MIN_POINTS
    if not large.any() or contrast <= 0:
        return 0.0
    mean = np.zeros((len(size), chosen.shape[1]))
    np.add.at(mean, component, chosen)
    mean /= size[:, None]
    # n / (n - 1), because the mean of a component includes the noise of its points.
    own = ((chosen - mean[component]) ** 2).sum(axis=1) * size[component] / np.maximum(size[component] - 1, 1)
    weight = float(
        np.clip((large.mean() - _NOT_REPRESENTATIVE) / (_REPRESENTATIVE - _NOT_REPRESENTATIVE), 0, 1)
    )
    return float(own[large].mean() - chosen.shape[1]) / contrast * weight
