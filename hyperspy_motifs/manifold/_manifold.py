"""Manifold coordinates of atoms whose surroundings change continuously, and the topology of their manifold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array, csr_array, diags_array
from scipy.sparse.linalg import LinearOperator, eigsh
from scipy.spatial import cKDTree

from hyperspy_motifs.common import SAMPLE
from hyperspy_motifs.relaxation import nearest_in, nearest_neighbours
from hyperspy_motifs.threads import one_blas_thread
from hyperspy_motifs.zernike import MomentsLike, PrincipalAxes, noise_unit, noise_units

from ._constants import CONSTANTS


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
    for _ in range(CONSTANTS.iterations):
        sums = factors * (matrix @ factors)
        if np.abs(sums - 1).max() < CONSTANTS.kernel_precision:
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


@dataclass(frozen=True)
class Topology:
    """Kind of a manifold.

    Attributes
    ----------
    kind : {"torus", "closed surface", "plane", "ring", "interval", "unknown"}
        Closed surface: no border, but fewer than four slow modes of similar eigenvalue, such as a torus on which
        opposite shifts are equivalent.
    dimension : float
        Intrinsic dimension.
    border : float
        Share of the points with neighbours on one side only.
    certainty : float
        0 to 1.
    """

    kind: str
    dimension: float
    border: float
    certainty: float


def find_topology(coordinates: NDArray[np.float64], eigenvalues: NDArray[np.float64]) -> Topology:
    """Determine the kind of a manifold from its dimension and its border.

    Parameters
    ----------
    coordinates : ndarray, shape (n, d)
        Slow modes of the diffusion.
    eigenvalues : ndarray, shape (d,)
        Eigenvalues of the modes.

    Returns
    -------
    Topology

    Notes
    -----
    The dimension is the slope of log k against the logarithm of the distance to the k-th neighbour in diffusion
    distance. A point at the border has its neighbours on one side: the offset of their mean in the tangent plane,
    divided by their root mean square distance, is 0.6 for a half disc.
    """
    points = coordinates * eigenvalues
    n = len(points)
    chosen = np.unique(np.linspace(0, n - 1, min(n, SAMPLE)).astype(np.int64))
    k = int(np.clip(n // 25, 16, 96))
    if n < 3 * k:
        return Topology("unknown", float("nan"), float("nan"), 0.0)
    distances, indices = cKDTree(points).query(points[chosen], k=k + 1)
    low = max(k // 4, 4)
    slopes = np.log(k / low) / np.maximum(
        np.log(distances[:, k] / np.maximum(distances[:, low], 1e-300)), 1e-6
    )
    dimension = float(np.median(slopes))
    whole = 1 if dimension < 1.45 else 2
    offsets = points[indices[:, 1:]] - points[chosen, None]
    covariance = np.einsum("ikc,ikd->icd", offsets, offsets) / k
    variance, axes = np.linalg.eigh(covariance)
    tangent = np.einsum("ic,icd->id", offsets.mean(axis=1), axes[:, :, -whole:])
    one_sided = np.sqrt((tangent**2).sum(axis=1) / np.maximum(variance[:, -whole:].sum(axis=1), 1e-300))
    border = float((one_sided > CONSTANTS.one_sided).mean())
    expected = k / n if whole == 1 else np.sqrt(k / n)
    evidence = float(np.log(max(border, 1e-3 * expected) / (CONSTANTS.border * expected)))
    open_ = evidence > 0
    certainty = float(1 / (1 + np.exp(-1.5 * abs(evidence))))
    if not 0.5 < dimension < 3.2:
        return Topology("unknown", dimension, border, 1 - certainty)
    certainty *= float(1 - min(abs(dimension - whole), 1) / 2)
    star = _hexagonal_star(eigenvalues)
    if whole == 2 and star > 0.5:
        return Topology("torus", dimension, border, star)
    if whole == 1:
        return Topology("interval" if open_ else "ring", dimension, border, certainty)
    if open_:
        return Topology("plane", dimension, border, certainty)
    torus = len(eigenvalues) > 3 and eigenvalues[3] > 0.7 * eigenvalues[0]
    return Topology("torus" if torus else "closed surface", dimension, border, certainty)


def _hexagonal_star(eigenvalues: NDArray[np.float64]) -> float:
    """Certainty (0 to 1) that six modes are similar and slower than the rest, as the waves of a hexagonal torus.

    A plane has two slowest modes, a sphere three.
    """
    if len(eigenvalues) < 7 or eigenvalues[6] <= 0:
        return 0.0
    similar = np.log(eigenvalues[5] / max(eigenvalues[0], 1e-12) / 0.55)
    apart = np.log(0.82 * eigenvalues[5] / eigenvalues[6])
    return float(1 / ((1 + np.exp(-12 * similar)) * (1 + np.exp(-12 * apart))))


class ManifoldFeatures(NamedTuple):
    """Features for a manifold.

    Attributes
    ----------
    values : ndarray, shape (n, d)
        Principal axes of the moments in units of their noise; NaN where not valid.
    axes : PrincipalAxes
    unit : ndarray, shape (K,)
        Noise of each moment.
    whole : ndarray, shape (n, K)
        All moments in units of their noise; NaN where not valid.
    whitening : ndarray, shape (K, K), or None
        Matrix by which moments in units of their noise are multiplied where errors of scan lines are noise as well.
    """

    values: NDArray[np.float64]
    axes: PrincipalAxes
    unit: NDArray[np.float64]
    whole: NDArray[np.float64]
    whitening: NDArray[np.float64] | None = None


def manifold_features(moments: MomentsLike, like: ManifoldFeatures | None = None) -> ManifoldFeatures:
    """Return the features that `Manifold` and `estimate_continuity` take.

    Parameters
    ----------
    moments : zernike.Moments
        Not rotation-invariant: a registry is a vector.
    like : ManifoldFeatures, optional
        Use their axes and units, for atoms of another image.

    Returns
    -------
    ManifoldFeatures
    """
    valid = np.asarray(moments.valid, dtype=bool)
    unit = noise_unit(moments) if like is None else like.unit
    X = noise_units(moments, False, unit)
    whitening = None if like is None else like.whitening
    with one_blas_thread():
        if like is None and moments.scan_error is not None:
            # Atoms that differ by the errors of their scan lines form no continuum: these are noise as well.
            error = np.asarray(moments.scan_error, dtype=np.float64)[valid] / unit
            variances, vectors = np.linalg.eigh(error.T @ error / max(len(error), 1))
            whitening = (vectors / np.sqrt(1 + np.maximum(variances, 0))) @ vectors.T
        if whitening is not None:
            X = X @ whitening
        # All axes for any number of atoms: noise is distinguished from a continuum by its many dimensions.
        axes = PrincipalAxes.fit(X[valid]) if like is None else like.axes
        values = np.full((len(X), axes.vectors.shape[1]), np.nan)
        values[valid] = axes.apply(X[valid])
    return ManifoldFeatures(values, axes, unit, np.where(valid[:, None], X, np.nan), whitening)


class Manifold:
    """Manifold coordinates by alternating diffusion in features and in the image.

    Parameters
    ----------
    n_coordinates : int
        Six describe a hexagonal torus; eight allow for modes that noise puts in another order.
    n_neighbors : int
        Neighbours in feature space.

    Attributes
    ----------
    coordinates_ : ndarray, shape (n, n_coordinates)
        Modes in descending order of eigenvalue, with mean square 1 over the atoms with features. Atoms without valid
        features have the mean of their neighbours in the image.
    eigenvalues_ : ndarray, shape (n_coordinates,)
    dimension_ : float
        Intrinsic dimension.
    topology_ : Topology
        Kind of the manifold, with a certainty.
    valid_ : ndarray of bool, shape (n,)
    """

    def __init__(self, n_coordinates: int = 8, *, n_neighbors: int = 8) -> None:
        self.n_coordinates = n_coordinates
        self.n_neighbors = n_neighbors

    def fit(self, X: ArrayLike, positions: ArrayLike | None = None) -> Manifold:
        """Compute the coordinates.

        Parameters
        ----------
        X : array_like, shape (n, d)
            Features in units of their noise, NaN where not known. Not rotation-invariant: a registry is a vector.
        positions : array_like, shape (n, 2), optional
            x, y in any unit. With positions, the coordinates describe what neighbours in the image have in common, and
            not the sublattice of an atom. Without them, they are those of a plain diffusion map.

        Returns
        -------
        Manifold

        Raises
        ------
        ValueError
            If there are too few atoms with features, or shapes do not fit.
        """
        features, places = _checked(X, positions)
        valid: NDArray[np.bool_] = np.asarray(np.isfinite(features).all(axis=1))
        needed = max(3 * self.n_coordinates, 40)
        if valid.sum() < needed:
            raise ValueError(
                f"{valid.sum()} atoms have features; a manifold of {self.n_coordinates} coordinates needs {needed}."
            )
        inside = features[valid]
        kernel = feature_kernel(inside, self.n_neighbors, max(self.n_neighbors - 1, 1))
        values, modes, space, repeats = self._walk(kernel.matrix, None if places is None else places[valid])
        # The modes after half a step of the operator. Coordinates of new atoms are averages of these.
        half = modes
        if space is not None:
            for _ in range(repeats):
                half = space @ half
        half = kernel.matrix @ half
        raw = kernel.matrix @ half
        self._gain = np.maximum((raw * modes).mean(axis=0), 1e-12)
        self._half, self._features, self._kernel = half, inside, kernel
        self._walked = (space_kernel_size(repeats), repeats)
        self.eigenvalues_ = values
        self.valid_ = valid
        self.raw_coordinates_ = np.full((len(features), self.n_coordinates), np.nan)
        self.raw_coordinates_[valid] = raw / self._gain
        self.coordinates_ = _fill_missing(modes, valid, places)
        self.topology_: Topology = find_topology(modes, values)
        self.dimension_ = self.topology_.dimension
        return self

    def fit_transform(self, X: ArrayLike, positions: ArrayLike | None = None) -> NDArray[np.float64]:
        """Compute the coordinates and return them, shape (n, n_coordinates)."""
        return self.fit(X, positions).coordinates_

    def transform(self, X: ArrayLike, positions: ArrayLike | None = None) -> NDArray[np.float64]:
        """Return the coordinates of other atoms on the same manifold (Nystroem extension).

        Parameters
        ----------
        X : array_like, shape (m, d)
            Features in the same units and axes; NaN where not known.
        positions : array_like, shape (m, 2), optional
            With positions, the coordinates are averaged over neighbours as in the fit.

        Returns
        -------
        ndarray, shape (m, n_coordinates)
            NaN for atoms without features, if no positions are given or no atom has features.
        """
        features, places = _checked(X, positions)
        if features.shape[1] != self._features.shape[1]:
            raise ValueError(
                f"{features.shape[1]} features; the manifold was found on {self._features.shape[1]}."
            )
        valid = np.asarray(np.isfinite(features).all(axis=1))
        if not valid.any():
            return np.full((len(features), self.n_coordinates), np.nan)
        # An atom of the fit is a neighbour of itself.
        with one_blas_thread():
            indices, distances = nearest_in(
                features[valid].astype(np.float32), self._features.astype(np.float32), self.n_neighbors + 1
            )
        apart = distances.astype(np.float64)
        scale = np.maximum(apart[:, -1:], 1e-12)
        weights = np.exp(-(apart**2) / (scale * self._kernel.scales[indices])) * self._kernel.weights[indices]
        weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-300)
        raw = np.einsum("ij,ijk->ik", weights, self._half[indices])
        size, repeats = self._walked
        if places is None or repeats == 0 or valid.sum() <= size:
            return _fill_missing(raw / self._gain, valid, places)
        space = space_kernel(places[valid], size)
        for _ in range(repeats):
            raw = space @ raw
        return _fill_missing(raw / np.maximum(self.eigenvalues_, 1e-12), valid, places)

    def _walk(
        self, features: csr_array, positions: NDArray[np.float64] | None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], csr_array | None, int]:
        """Modes of the short or the long walk in the image, whichever separates the first modes better from the rest."""
        n_modes = max(self.n_coordinates, CONSTANTS.compared_modes) + 1
        if positions is None:
            values, modes = slow_modes(features, None, 0, n_modes)
            return values[: self.n_coordinates], modes[:, : self.n_coordinates], None, 0
        found = []
        for size, repeats in CONSTANTS.walks:
            space = space_kernel(positions, min(size, len(positions) - 1))
            values, modes = slow_modes(features, space, repeats, n_modes)
            ratio = (
                values[1 : CONSTANTS.compared_modes + 1]
                / np.maximum(values[: CONSTANTS.compared_modes], 1e-12)
            ).min()
            found.append((ratio, values, modes, space, repeats))
        _, values, modes, space, repeats = min(found, key=lambda entry: entry[0])
        if values[0] < CONSTANTS.least_eigenvalue:
            return self._walk(features, None)
        return values[: self.n_coordinates], modes[:, : self.n_coordinates], space, repeats


def space_kernel_size(repeats: int) -> int:
    """Return the number of neighbours of the walk with this number of steps."""
    return next((size for size, steps in CONSTANTS.walks if steps == repeats), 0)


def _checked(
    X: ArrayLike, positions: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    features = np.asarray(X, dtype=np.float64)
    if features.ndim != 2:
        raise ValueError(f"Features of shape {features.shape}; expected (atoms, features).")
    if positions is None:
        return features, None
    places = np.asarray(positions, dtype=np.float64)
    if places.shape != (len(features), 2) or not np.isfinite(places).all():
        raise ValueError(
            f"positions must be finite and of shape {(len(features), 2)} (x, y), not {places.shape}."
        )
    return features, places


def _fill_missing(
    inside: NDArray[np.float64], valid: NDArray[np.bool_], positions: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Set the coordinates of atoms without features to the mean of the six nearest atoms with features."""
    out = np.full((len(valid), inside.shape[1]), np.nan)
    out[valid] = inside
    if positions is not None and not valid.all():
        k = min(6, int(valid.sum()))
        _, near = cKDTree(positions[valid]).query(positions[~valid], k=k)
        out[~valid] = inside[np.reshape(near, (-1, k))].mean(axis=1)
    return out
