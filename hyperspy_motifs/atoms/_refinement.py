"""Sub-pixel positions of all columns of an image in one fit."""

from __future__ import annotations

import numpy as np

from ._atoms import Atoms
from ._column_fit import ColumnFit
from ._neighbours import nearest_neighbour_distance
from ._noise_spectrum import NoiseSpectrum

_METHODS = ("gaussian", "center_of_mass", "atomap", "none")


def refine_atoms(
    image: np.ndarray,
    positions: np.ndarray,
    *,
    polarity: str = "bright",
    separation: float | None = None,
    method: str = "gaussian",
) -> Atoms:
    """Fit a two-dimensional Gaussian on a local background to every column at once.

    Each pass fits every column by Levenberg-Marquardt to the image minus its neighbours from the last pass (Jacobi).
    The tails of neighbours therefore do not shift positions, and the result does not depend on the order of the
    columns or the number of threads. A prior draws the shape towards the common shape of all columns. Its strength
    follows from the noise (empirical Bayes: the scatter of the shapes is the observed scatter minus that of the noise).

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
    positions : array_like of shape (n, 2)
        x (column), y (row) in pixels, correct to a fraction of the nearest-neighbour distance.
    polarity : {"bright", "dark"}
    separation : float, optional
        Typical nearest-neighbour distance in pixels; by default that of `positions`.
    method : {"gaussian", "center_of_mass", "atomap", "none"}
        ``"center_of_mass"`` uses the centre of mass of each disc, with the neighbours subtracted. ``"atomap"`` is the
        Gaussian refinement of atomap, some 200 times slower. ``"none"`` keeps positions and only measures amplitudes.

    Returns
    -------
    Atoms

    Raises
    ------
    ValueError
        If the positions are not finite or lie outside the image, or the method is unknown.
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
    fit = ColumnFit(image, start, separation, 1.0 if polarity == "bright" else -1.0)
    fit.measure_amplitudes()
    if method == "gaussian":
        fit.refine()
    elif method == "center_of_mass":
        fit.take_centres_of_mass(np.ones(len(start), bool))
    elif method == "atomap":
        fit.refine_with_atomap()
    return fit.atoms()


def measure_noise(image: np.ndarray, positions: np.ndarray) -> NoiseSpectrum:
    """Measure the noise spectrum of an image in the residual of a fit of its columns.

    Parameters
    ----------
    image : ndarray of shape (rows, columns)
        Finite and real.
    positions : ndarray of shape (n, 2)
        x, y of the columns in pixels.

    Returns
    -------
    NoiseSpectrum
    """
    fit = ColumnFit(image, positions, nearest_neighbour_distance(positions), 1.0)
    fit.measure_amplitudes()
    # The amplitude of dark columns is negative, which a fit of bright columns would treat as a failure.
    if np.median(fit.parameters[:, 0]) < 0:
        fit = ColumnFit(image, positions, fit.separation, -1.0)
        fit.measure_amplitudes()
    fit.refine(passes=2, final=False)
    return fit.measure_noise()
