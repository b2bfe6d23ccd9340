"""Choice of the patch radius."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree

_SAMPLE = 5000


def typical_spacing(positions: ArrayLike) -> float:
    """Return the median distance to the nearest neighbour, in the units of the positions.

    Raises
    ------
    ValueError
        If there are fewer than two distinct positions.
    """
    points = np.asarray(positions, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2:
        raise ValueError(
            "At least two positions, as an (n, 2) array, are needed to know their spacing, "
            f"not an array of shape {points.shape}."
        )
    # An even sample of some thousand atoms is sufficient for the median.
    distance = cKDTree(points).query(points[:: max(len(points) // _SAMPLE, 1)], k=2)[0][:, 1]
    distance = distance[distance > 0]
    if not len(distance):
        raise ValueError("All positions are the same: their spacing is not defined.")
    return float(np.median(distance))


def estimate_patch_radius(positions: ArrayLike, radius: float = 1.2) -> float:
    """Return the radius of a disc of `radius` nearest-neighbour distances.

    Parameters
    ----------
    positions : (n, 2) array_like
        x, y of all atoms, in pixels (or any unit: the radius comes in the same one).
    radius : float
        Reach in units of the median nearest-neighbour distance. 0.6 includes only the column, 1.2 (the default) also
        its nearest neighbours, 2.4 also the second shell.

    Returns
    -------
    float
        Radius, in the unit of the positions.

    Raises
    ------
    ValueError
        If there are fewer than two distinct positions or the radius is not positive.

    Examples
    --------
    >>> square = np.stack(np.meshgrid(np.arange(5), np.arange(4)), axis=-1).reshape(-1, 2)
    >>> estimate_patch_radius(10 * square)
    12.0
    """
    if not np.isfinite(radius) or radius <= 0:
        raise ValueError(f"The radius must be a positive number of neighbour distances, not {radius!r}.")
    return radius * typical_spacing(positions)
