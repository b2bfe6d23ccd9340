"""Disorder of atoms relative to their manifold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from hyperspy_motifs.relaxation import nearest_neighbours
from hyperspy_motifs.threads import one_blas_thread
from hyperspy_motifs.zernike import PrincipalAxes

from ._constants import CONSTANTS
from ._manifold import Manifold


@dataclass(frozen=True)
class ManifoldDisorder:
    """Disorder of every atom and of the image.

    Attributes
    ----------
    distance : ndarray, shape (n,)
        Distance of each atom to the local manifold beyond the noise, in units of the noise; 0 where noise explains
        the whole distance, NaN without features.
    excess : ndarray, shape (n,)
        The squared distance less the noise, which can be negative: its mean is unbiased.
    roughness : ndarray, shape (n,)
        Distance of the coordinates of an atom, computed from its own features, to the plane through those of its neighbours
        in the image, in units of the standard deviation of the coordinates; NaN without positions or manifold.
    value : float
        Root of the mean excess of all atoms.
    error : float
        Standard error of `value`, by the jackknife over blocks of the image.
    confidence : float
        Probability that there is disorder beyond the noise.
    """

    distance: NDArray[np.float64]
    excess: NDArray[np.float64]
    roughness: NDArray[np.float64]
    value: float
    error: float
    confidence: float


def estimate_disorder(
    X: ArrayLike,
    positions: ArrayLike | None = None,
    *,
    manifold: Manifold | None = None,
) -> ManifoldDisorder:
    r"""Measure the distance of atoms to the manifold of atoms with similar surroundings.

    .. math:: e_i = |P_i (x_i - \bar{x}_i)|^2 - (p - m) (1 + 1/k)

    with the mean of the k nearest neighbours in feature space, the projection P that removes their m main directions, and p
    features of unit noise. A surface has two tangents and three directions of curvature (the second derivatives along the
    tangents): m = 5. m is at most p / 3 (or 2, if that is larger).

    Parameters
    ----------
    X : array_like, shape (n, p)
        Features in units of their noise, NaN where not known. All features, not only the first principal axes: the first
        axes span the manifold, and disorder appears in the others. Neighbours are found on the first twenty axes.
    positions : array_like, shape (n, 2), optional
        x, y in any unit. The roughness and the error need them.
    manifold : Manifold, optional
        Fitted to these atoms. The roughness needs it.

    Returns
    -------
    ManifoldDisorder

    Notes
    -----
    The noise of the nearest neighbours is correlated with that of the atom, so that the excess of pure noise is slightly
    negative: small disorder is underestimated. Curvature above second order between neighbours counts as disorder. Few
    atoms on a large manifold therefore have a value above zero; compare images of similar size and dose.
    """
    features = np.asarray(X, dtype=np.float64)
    if features.ndim != 2 or features.shape[1] <= CONSTANTS.tangents:
        raise ValueError(
            f"Features of shape {features.shape}; expected (atoms, more than {CONSTANTS.tangents} features)."
        )
    valid: NDArray[np.bool_] = np.asarray(np.isfinite(features).all(axis=1))
    if valid.sum() < 2 * CONSTANTS.disorder_neighbours:
        raise ValueError(
            f"{valid.sum()} atoms have features; at least {2 * CONSTANTS.disorder_neighbours} are needed."
        )
    excess = np.full(len(features), np.nan)
    excess[valid] = _excess(features[valid])
    places = None if positions is None else np.asarray(positions, dtype=np.float64)
    rough = np.full(len(features), np.nan)
    if manifold is not None and places is not None:
        rough[valid] = _roughness(manifold.raw_coordinates_[valid], places[valid])
    mean, error = _mean_and_error(excess[valid], None if places is None else places[valid])
    value = float(np.sqrt(max(mean, 0)))
    confidence = float(1 / (1 + np.exp(-np.clip(1.7 * mean / max(error, 1e-300), -50, 50))))
    return ManifoldDisorder(
        distance=np.sqrt(np.maximum(excess, 0)),
        excess=excess,
        roughness=rough,
        value=value,
        error=float(error / (2 * value)) if value > 0 else float(np.sqrt(error)),
        confidence=confidence,
    )


def _excess(points: NDArray[np.float64]) -> NDArray[np.float64]:
    k, p = CONSTANTS.disorder_neighbours, points.shape[1]
    # Tangents and directions of curvature, but at most a third of the features, so that enough remain.
    n_out = min(
        CONSTANTS.tangents + CONSTANTS.tangents * (CONSTANTS.tangents + 1) // 2,
        max(CONSTANTS.tangents, p // 3),
    )
    out = np.empty(len(points))
    with one_blas_thread():
        indices, _ = nearest_neighbours(PrincipalAxes.fit(points).apply(points), k)
        for first in range(0, len(points), 1024):
            rows = slice(first, first + 1024)
            near = points[indices[rows]]
            mean = near.mean(axis=1)
            offset = points[rows] - mean
            spread = near - mean[:, None]
            # Main directions of few points in many dimensions, from the Gram matrix.
            strength, weights = np.linalg.eigh(spread @ spread.swapaxes(1, 2))
            inner = np.einsum(
                "ikd,ik->id", weights[:, :, k - n_out :], np.einsum("ikc,ic->ik", spread, offset)
            )
            along = inner**2 / np.maximum(strength[:, k - n_out :], 1e-300)
            out[rows] = (offset**2).sum(axis=1) - along.sum(axis=1)
    return out - (p - n_out) * (1 + 1 / k)


def _roughness(raw: NDArray[np.float64], positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Root mean square deviation of the coordinates from a plane through those of the neighbours in the image."""
    k = min(CONSTANTS.roughness_neighbours, len(positions) - 1)
    _, indices = cKDTree(positions).query(positions, k=k + 1)
    around = positions[indices[:, 1:]] - positions[:, None]
    design = np.concatenate(
        [np.ones((*around.shape[:2], 1)), around / max(float(np.abs(around).max()), 1e-300)], axis=2
    )
    # The value of the plane at the atom is its constant term.
    plane = np.linalg.pinv(design)[:, 0]
    expected = np.einsum("ik,ikd->id", plane, raw[indices[:, 1:]])
    return np.sqrt(((raw - expected) ** 2).mean(axis=1))


def _mean_and_error(
    excess: NDArray[np.float64], positions: NDArray[np.float64] | None
) -> tuple[float, float]:
    """Mean and its standard error over blocks of the image, because neighbouring atoms share pixels."""
    if positions is None:
        return float(excess.mean()), float(excess.std() / np.sqrt(len(excess)))
    low, extent = positions.min(axis=0), np.maximum(np.ptp(positions, axis=0), 1e-300)
    block = np.minimum(
        (CONSTANTS.error_blocks * (positions - low) / extent).astype(int), CONSTANTS.error_blocks - 1
    ) @ np.array([1, CONSTANTS.error_blocks])
    count = np.bincount(block, minlength=CONSTANTS.error_blocks**2)
    total = np.bincount(block, weights=excess, minlength=CONSTANTS.error_blocks**2)
    used = count > 0
    means = (excess.sum() - total[used]) / np.maximum(len(excess) - count[used], 1)
    m = int(used.sum())
    return float(excess.mean()), float(np.sqrt((m - 1) / m * ((means - means.mean()) ** 2).sum()))
