"""Sub-pixel positions of all columns of an image at once."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from hyperspy_motifs.atoms._atoms import Atoms
from hyperspy_motifs.atoms._kernels import centres_of_mass, fit_columns, fit_quality, linear_start
from hyperspy_motifs.atoms._neighbours import nearest_neighbour_distance, neighbour_table

_METHODS = ("gaussian", "center_of_mass", "none")
_START_WIDTH = 0.22
_PASSES = 4
_STEPS_PER_PASS = 6
# Bounds of the scatter of 1/sigma^2 among the columns of one image, over its common value.
_NARROWEST_SHAPES = 0.05
_WIDEST_SHAPES = 0.4
_FURTHEST_SHIFT = 0.45


def refine_atoms(
    image: np.ndarray,
    positions: np.ndarray,
    *,
    polarity: str = "bright",
    separation: float | None = None,
    method: str = "gaussian",
) -> Atoms:
    """Fit a two-dimensional Gaussian on a local background to every column at once.

    Each pass fits every column by Levenberg-Marquardt to the image less its neighbours as they were after the
    last pass (Jacobi), so that the tails of neighbours do not pull positions and the result does not depend on
    the order of the columns or the number of threads. The shape is drawn towards the shape common to all
    columns, as strongly as the noise asks for.

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
    positions : array_like of shape (n, 2)
        x (column), y (row) in pixels, correct to a fraction of the nearest-neighbour distance.
    polarity : {"bright", "dark"}
    separation : float, optional
        Typical nearest-neighbour distance in pixels; by default that of `positions`.
    method : {"gaussian", "center_of_mass", "none"}

    Returns
    -------
    Atoms

    Raises
    ------
    ValueError
        When the positions are not finite, lie outside the image or the method is unknown.
    """
    if method not in _METHODS:
        raise ValueError(f"method must be one of {', '.join(_METHODS)}, not {method!r}")
    if polarity not in ("bright", "dark"):
        raise ValueError(f"polarity must be 'bright' or 'dark', not {polarity!r}")
    start = np.array(positions, float).reshape(-1, 2)
    height, width = image.shape
    inside = (start > -0.5).all(axis=1) & (start[:, 0] < width - 0.5) & (start[:, 1] < height - 0.5)
    if not inside.all():
        raise ValueError(
            f"{int((~inside).sum())} of {len(start)} positions are not finite or lie outside the image of "
            f"{width} x {height} pixels"
        )
    if separation is None:
        separation = nearest_neighbour_distance(start)
    sign = 1.0 if polarity == "bright" else -1.0
    work = np.ascontiguousarray(image, np.float64) * sign
    radii = _fit_radii(start, separation)
    starts, neighbours = neighbour_table(start, 2.2 * separation)
    parameters = _starting_parameters(work, start, separation, radii, (starts, neighbours))
    fitted = np.zeros(len(start), bool)
    uncertainty = np.full((len(start), 2), np.nan)
    if method == "gaussian":
        parameters, fitted, uncertainty = _fit(work, parameters, radii, (starts, neighbours), separation)
    if method != "none":
        centres = np.empty_like(start)
        centres_of_mass(work, parameters, radii, starts, neighbours, centres)
        near = np.hypot(*(centres - start).T) < _FURTHEST_SHIFT * separation
        centres = np.where(near[:, None], centres, start)
        parameters[~fitted, 1:3] = centres[~fitted]
    return _as_atoms(parameters, fitted, uncertainty, sign, separation)


def _fit_radii(positions: np.ndarray, separation: float) -> np.ndarray:
    if len(positions) < 2:
        return np.full(len(positions), 0.6 * separation)
    nearest = cKDTree(positions).query(positions, k=2)[0][:, 1]
    return np.clip(0.7 * nearest, max(2.0, 0.45 * separation), 0.9 * separation)


def _starting_parameters(image, positions, separation, radii, table):
    precision = 1.0 / (_START_WIDTH * separation) ** 2
    parameters = np.zeros((len(positions), 7))
    parameters[:, 1:3] = positions
    parameters[:, 3] = parameters[:, 5] = precision
    for _ in range(3):
        new = np.empty_like(parameters)
        linear_start(image, parameters, radii, *table, new)
        parameters = new
    return parameters


def _fit(image, parameters, radii, table, separation):
    start = parameters.copy()
    common, strength, scatter = parameters[0, 3], 0.0, _WIDEST_SHAPES
    variance = np.empty(len(parameters))
    spread = np.empty((len(parameters), 4))
    for _ in range(_PASSES):
        new = np.empty_like(parameters)
        fit_columns(image, parameters, radii, *table, common, strength, _STEPS_PER_PASS, new)
        lost = _is_lost(new, start, common, separation)
        new[lost] = start[lost]
        new[lost, 3] = new[lost, 5] = common
        parameters = new
        sound = ~lost & (parameters[:, 0] > 0)
        if not sound.any():
            break
        common = _common_precision(parameters[sound])
        fit_quality(image, parameters, radii, *table, np.array([common, 0.0]), variance, spread)
        scatter = _shape_scatter(parameters[sound, 3] / common, spread[sound, 3] / common**2, scatter)
        noise = float(np.nanmedian(variance[sound]))
        strength = noise / scatter**2
    fit_quality(image, parameters, radii, *table, np.array([common, strength]), variance, spread)
    fitted = ~_is_lost(parameters, start, common, separation) & np.isfinite(spread).all(axis=1)
    fitted &= (parameters[:, 0] > 0) & ~lost
    uncertainty = np.where(fitted[:, None], np.sqrt(spread[:, :2]), np.nan)
    return parameters, fitted, uncertainty


def _shape_scatter(relative_precision, noise_variance, prior_scatter):
    """True scatter of the columns' shapes: what is seen less what the noise of the fits accounts for.

    The fits were drawn towards the common shape by a prior of `prior_scatter`, which is undone first
    (empirical Bayes).
    """
    noise = float(np.nanmedian(noise_variance))
    if not np.isfinite(noise):
        return prior_scatter
    shrink = prior_scatter**2 / (prior_scatter**2 + noise)
    middle = np.median(relative_precision)
    seen = (1.4826 * np.median(np.abs(relative_precision - middle))) ** 2
    return float(np.sqrt(np.clip(seen / shrink**2 - noise, _NARROWEST_SHAPES**2, _WIDEST_SHAPES**2)))


def _common_precision(parameters):
    """Median of the precisions over the stronger half of the columns."""
    strong = parameters[parameters[:, 0] >= np.median(parameters[:, 0])]
    return float(np.median(np.sqrt(np.maximum(strong[:, 3] * strong[:, 5] - strong[:, 4] ** 2, 1e-12))))


def _is_lost(parameters, start, common, separation):
    shift = np.hypot(*(parameters[:, 1:3] - start[:, 1:3]).T)
    determinant = parameters[:, 3] * parameters[:, 5] - parameters[:, 4] ** 2
    size = np.sqrt(np.maximum(determinant, 0)) / common
    return (
        ~np.isfinite(parameters).all(axis=1)
        | (shift > _FURTHEST_SHIFT * separation)
        | (size < 0.1)
        | (size > 16)
    )


def _as_atoms(parameters, fitted, uncertainty, sign, separation):
    xx, xy, yy = parameters[:, 3:6].T
    middle = (xx + yy) / 2
    half = np.hypot((xx - yy) / 2, xy)
    large, small = middle + half, np.maximum(middle - half, 1e-12)
    sigma = np.column_stack([1 / np.sqrt(small), 1 / np.sqrt(large)])
    # The eigenvector of the smaller precision is the long axis.
    angle = (0.5 * np.arctan2(2 * xy, xx - yy) + np.pi / 2) % np.pi
    return Atoms(
        positions=parameters[:, 1:3].copy(),
        amplitude=sign * parameters[:, 0],
        sigma=sigma,
        ellipticity=sigma[:, 0] / sigma[:, 1],
        angle=angle,
        background=sign * parameters[:, 6],
        uncertainty=uncertainty,
        fitted=fitted,
        separation=float(separation),
        separation_certainty=1.0,
        polarity="bright" if sign > 0 else "dark",
        polarity_certainty=1.0,
    )
