"""Alternating diffusion on atoms: kernels in feature space and in the image, and their slow modes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array, diags_array
from scipy.sparse.linalg import LinearOperator, eigsh
from scipy.spatial import cKDTree

from hyperspy_motifs.relaxation import nearest_neighbours
from hyperspy_motifs.threads import one_blas_thread

_SINKHORN = 100
_PRECISION = 1e-6


class FeatureKernel(NamedTuple):
    """Symmetric kernel (n, n) of features, whose rows and columns sum to 1, and what extends it to other points.

    `scales` (n,) are the distances to the neighbours that set the local scales, `weights` (n,) those of points as neighbours of
    others: the product of their normalisation factors.
    """

    matrix: csr_array
    scales: NDArray[np.float64]
    weights: NDArray[np.float64]


def feature_kernel(X: NDArray[np.float64], k: int, scale_neighbour: int) -> FeatureKernel:
    r"""Return the bistochastic kernel of features (n, d) over the `k` nearest neighbours.

    .. math:: w_{ij} = \exp\left(-\frac{|x_i - x_j|^2}{s_i s_j}\right), \quad
              w_{ij} \leftarrow \frac{w_{ij}}{q_i q_j}, \quad q_i = \sum_j w_{ij}

    with local scales s, the distances to one of the neighbours (Zelnik-Manor and Perona, NIPS 17 (2004)), and density
    normalisation alpha = 1 (Coifman and Lafon, Appl. Comput. Harmon. Anal. 21 (2006) 5), then scaled to unit row and column
    sums. The scaling is robust to noise that differs between points (Landa, Coifman and Kluger, SIAM J. Math. Data Sci. 3
    (2021) 388).
    """
    n = len(X)
    indices, distances = nearest_neighbours(X, k)
    apart = distances.astype(np.float64)
    scales = np.maximum(apart[:, scale_neighbour - 1], 1e-12 * max(float(apart.max()), 1e-300))
    values = np.exp(-(apart**2) / (scales[:, None] * scales[indices]))
    rows = np.repeat(np.arange(n), k)
    directed = csr_array(coo_array((values.ravel(), (rows, indices.ravel())), shape=(n, n)))
    bare = csr_array(directed.maximum(directed.T)) + diags_array(np.full(n, 1e-3), format="csr")
    density = np.asarray(bare.sum(axis=1)).ravel()
    matrix, factors = bistochastic(csr_array(diags_array(1 / density) @ bare @ diags_array(1 / density)))
    return FeatureKernel(matrix, scales, factors / density)


def space_kernel(positions: NDArray[np.float64], k: int) -> csr_array:
    """Return the bistochastic Gaussian kernel (n, n) of the `k` nearest atoms in the image and the atom itself."""
    n = len(positions)
    distances, indices = cKDTree(positions).query(positions, k=k + 1)
    scale = float(np.median(distances[:, k]))
    values = np.exp(-((distances / max(scale, 1e-300)) ** 2))
    rows = np.repeat(np.arange(n), k + 1)
    directed = csr_array(coo_array((values.ravel(), (rows, indices.ravel())), shape=(n, n)))
    return bistochastic(csr_array(directed.maximum(directed.T)))[0]


def bistochastic(matrix: csr_array) -> tuple[csr_array, NDArray[np.float64]]:
    """Scale a symmetric matrix with a positive diagonal to unit row and column sums, by factors u (n,): diag(u) W diag(u).

    Symmetric iteration u <- sqrt(u / (W u)) (Knight, Ruiz and Ucar, SIAM J. Matrix Anal. Appl. 35 (2014) 931).
    """
    factors = 1 / np.sqrt(np.asarray(matrix.sum(axis=1)).ravel())
    for _ in range(_SINKHORN):
        sums = factors * (matrix @ factors)
        if np.abs(sums - 1).max() < _PRECISION:
            break
        factors = factors / np.sqrt(sums)
    return csr_array(diags_array(factors) @ matrix @ diags_array(factors)), factors


def slow_modes(
    features: csr_array, space: csr_array | None, repeats: int, n_modes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Return the slowest modes (n, n_modes) of alternating diffusion in features and in the image, and their eigenvalues.

    .. math:: A = S^t F F S^t

    F connects atoms of similar surroundings at any distance in the image, S connects neighbours in the image of any kind; both
    are symmetric and bistochastic, and without S it is A = F F. The slow modes vary with what the two have in common
    (alternating diffusion: Lederman and Talmon, Appl. Comput. Harmon. Anal. 44 (2018) 509), such as the local stacking, but not
    with the sublattice or the position. The eigenvalues are in descending order, 0 to 1, and the constant mode is excluded; the
    modes are orthogonal and of mean square 1, with a positive entry of largest magnitude.
    """
    n = features.shape[0]

    def step(vector: NDArray[np.float64]) -> NDArray[np.float64]:
        vector = vector - vector.mean()
        if space is not None:
            for _ in range(repeats):
                vector = space @ vector
        vector = features @ (features @ vector)
        if space is not None:
            for _ in range(repeats):
                vector = space @ vector
        return vector - vector.mean()

    start = np.cos(np.arange(n) * 2.399963229728653)
    with one_blas_thread():
        operator = LinearOperator((n, n), matvec=step, dtype=np.float64)
        values, vectors = eigsh(
            operator, k=n_modes, v0=start, which="LA", ncv=min(n - 1, max(3 * n_modes, 20)), tol=1e-7
        )
    order = np.argsort(-values, kind="stable")
    values, vectors = np.clip(values[order], 0, 1), vectors[:, order] * np.sqrt(n)
    largest = np.abs(vectors).argmax(axis=0)
    return values, vectors * np.sign(vectors[largest, np.arange(n_modes)])
