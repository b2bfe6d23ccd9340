"""Manifold coordinates of atoms whose surroundings change without a step."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from hyperspy_motifs.relaxation._nearest_neighbours import nearest_in
from hyperspy_motifs.threads import one_blas_thread

from ._diffusion import feature_kernel, slow_modes, space_kernel
from ._features import Axes, MomentsLike, noise_unit, noise_units
from ._topology import Topology, find_topology

# Neighbours in the image, and steps: a short walk where stackings change within a few atoms, a long one where they do not.
_WALKS = ((6, 1), (15, 2))
_GAPS = 8
# Where surroundings change from one atom to the next (twists near 30 degrees) neighbours share nothing, and a walk among
# them would wash the coordinates out.
_LEAST_SHARED = 0.45


class ManifoldFeatures(NamedTuple):
    """Features for a manifold.

    Attributes
    ----------
    values : ndarray, shape (n, d)
        Principal axes of the moments in units of their noise; NaN where not valid.
    axes : Axes
    unit : ndarray, shape (K,)
        Noise of each moment.
    whole : ndarray, shape (n, K)
        The moments in units of their noise, before axes were chosen; NaN where not valid.
    """

    values: NDArray[np.float64]
    axes: Axes
    unit: NDArray[np.float64]
    whole: NDArray[np.float64]


def manifold_features(moments: MomentsLike, like: ManifoldFeatures | None = None) -> ManifoldFeatures:
    """Return what `Manifold` and `estimate_continuity` work on.

    Parameters
    ----------
    moments : zernike.Moments
        Not rotation-invariant: a registry is a vector.
    like : ManifoldFeatures, optional
        Use the axes and units of these, for atoms of another image.

    Returns
    -------
    ManifoldFeatures
    """
    valid = np.asarray(moments.valid, dtype=bool)
    unit = noise_unit(moments) if like is None else like.unit
    X = noise_units(moments, False, unit)
    with one_blas_thread():
        # All of them for however few atoms: by its many dimensions noise is told from a continuum.
        axes = Axes.fit(X[valid], fewer=False) if like is None else like.axes
        values = np.full((len(X), axes.vectors.shape[1]), np.nan)
        values[valid] = axes.apply(X[valid])
    return ManifoldFeatures(values, axes, unit, np.where(valid[:, None], X, np.nan))


class Manifold:
    """Manifold coordinates by diffusion in features and in space by turns.

    Parameters
    ----------
    n_coordinates : int
        Six describe a hexagonal torus; eight leave room for what the spectrum does not order as it should.
    n_neighbors : int
        Neighbours in feature space.

    Attributes
    ----------
    coordinates_ : ndarray, shape (n, n_coordinates)
        Modes of falling eigenvalue, mean square 1 over the atoms with features. Atoms without valid features have the
        mean of their neighbours in the image.
    eigenvalues_ : ndarray, shape (n_coordinates,)
    dimension_ : float
        Intrinsic dimension.
    topology_ : Topology
        What kind of space it is, with a certainty.
    valid_ : ndarray of bool, shape (n,)
    """

    def __init__(self, n_coordinates: int = 8, *, n_neighbors: int = 8) -> None:
        self.n_coordinates = n_coordinates
        self.n_neighbors = n_neighbors

    def fit(self, X: ArrayLike, positions: ArrayLike | None = None) -> Manifold:
        """Find the coordinates.

        Parameters
        ----------
        X : array_like, shape (n, d)
            Features in units of their noise, NaN where not known; rotation invariance off, as a registry is a vector.
        positions : array_like, shape (n, 2), optional
            x, y in any unit. With them the coordinates say what neighbours in the image share: not which
            sublattice an atom belongs to. Without them it is a plain diffusion map.

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
        fewest = max(3 * self.n_coordinates, 40)
        if valid.sum() < fewest:
            raise ValueError(
                f"{valid.sum()} atoms have features; a manifold of {self.n_coordinates} coordinates needs {fewest}."
            )
        inside = features[valid]
        kernel = feature_kernel(inside, self.n_neighbors, max(self.n_neighbors - 1, 1))
        values, modes, space, repeats = self._walk(kernel.matrix, None if places is None else places[valid])
        # Half way through one step of the operator: what new atoms are averaged over.
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
        self.coordinates_ = _spread(modes, valid, places)
        self.topology_: Topology = find_topology(modes, values)
        self.dimension_ = self.topology_.dimension
        return self

    def fit_transform(self, X: ArrayLike, positions: ArrayLike | None = None) -> NDArray[np.float64]:
        """Find the coordinates and return them, shape (n, n_coordinates)."""
        return self.fit(X, positions).coordinates_

    def transform(self, X: ArrayLike, positions: ArrayLike | None = None) -> NDArray[np.float64]:
        """Return the coordinates of other atoms on the same manifold (Nystroem extension).

        Parameters
        ----------
        X : array_like, shape (m, d)
            Features in the same units and axes; NaN where not known.
        positions : array_like, shape (m, 2), optional
            With them the coordinates are averaged over neighbours as those of the fit were.

        Returns
        -------
        ndarray, shape (m, n_coordinates)
            NaN where neither features nor positions tell.
        """
        features, places = _checked(X, positions)
        if features.shape[1] != self._features.shape[1]:
            raise ValueError(
                f"{features.shape[1]} features; the manifold was found on {self._features.shape[1]}."
            )
        valid = np.asarray(np.isfinite(features).all(axis=1))
        if not valid.any():
            return np.full((len(features), self.n_coordinates), np.nan)
        # The atom itself is a neighbour where it was among those of the fit.
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
            return _spread(raw / self._gain, valid, places)
        space = space_kernel(places[valid], size)
        for _ in range(repeats):
            raw = space @ raw
        return _spread(raw / np.maximum(self.eigenvalues_, 1e-12), valid, places)

    def _walk(
        self, features: csr_array, positions: NDArray[np.float64] | None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], csr_array | None, int]:
        """Modes of the walk in space, short or long, that parts the first few of them best from the rest."""
        n_modes = max(self.n_coordinates, _GAPS) + 1
        if positions is None:
            values, modes = slow_modes(features, None, 0, n_modes)
            return values[: self.n_coordinates], modes[:, : self.n_coordinates], None, 0
        found = []
        for size, repeats in _WALKS:
            space = space_kernel(positions, min(size, len(positions) - 1))
            values, modes = slow_modes(features, space, repeats, n_modes)
            ratio = (values[1 : _GAPS + 1] / np.maximum(values[:_GAPS], 1e-12)).min()
            found.append((ratio, values, modes, space, repeats))
        _, values, modes, space, repeats = min(found, key=lambda entry: entry[0])
        if values[0] < _LEAST_SHARED:
            return self._walk(features, None)
        return values[: self.n_coordinates], modes[:, : self.n_coordinates], space, repeats


def space_kernel_size(repeats: int) -> int:
    """Return the number of neighbours of the walk of so many steps."""
    return next((size for size, steps in _WALKS if steps == repeats), 0)


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


def _spread(
    inside: NDArray[np.float64], valid: NDArray[np.bool_], positions: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Give atoms without features the mean of the six nearest that have them."""
    out = np.full((len(valid), inside.shape[1]), np.nan)
    out[valid] = inside
    if positions is not None and not valid.all():
        k = min(6, int(valid.sum()))
        _, near = cKDTree(positions[valid]).query(positions[~valid], k=k)
        out[~valid] = inside[np.reshape(near, (-1, k))].mean(axis=1)
    return out
