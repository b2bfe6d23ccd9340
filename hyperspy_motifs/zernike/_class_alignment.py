"""The mean of each class of patterns that are equal up to a rotation, and the angle of every pattern relative to
it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._alignment import align
from ._disc_basis import rotate_moments
from ._modes import to_complex


class ClassAlignment(NamedTuple):
    """Alignment of patterns to the mean of their class.

    Attributes
    ----------
    means : (k, K) array
        Mean moments of each class, after every member was rotated back; NaN for a class without valid members.
    angles : (n,) array
        Rotation in radians, from x towards y, from the mean of its class to the pattern; NaN if the moments are
        unknown.
    mirrored : (n,) bool array
        Whether the mean was mirrored (y to -y) before that rotation.
    distance : (n,) array
        Distance to the mean after alignment, in units of the weights.
    """

    means: NDArray[np.float64]
    angles: NDArray[np.float64]
    mirrored: NDArray[np.bool_]
    distance: NDArray[np.float64]


def align_classes(
    moments: ArrayLike,
    labels: ArrayLike,
    modes: NDArray[np.int64],
    *,
    reflection: bool = True,
    weights: ArrayLike | None = None,
    n_rounds: int = 3,
) -> ClassAlignment:
    """Align the members of each class to the mean of that class, which is computed from the aligned members.

    Parameters
    ----------
    moments : (n, K) array_like
        Real moments; rows with NaN are excluded from the means.
    labels : (n,) array_like of int
        Class of each pattern, from 0.
    modes : (K, 2) int array
        (n, m) of the moments.
    reflection : bool
        Whether a pattern may be the mirror image of its mean.
    weights : (K,) array_like, optional
        Factor for each moment, for example 1 / noise, equal for sine and cosine of a mode.
    n_rounds : int
        Number of iterations of the mean.

    Returns
    -------
    ClassAlignment

    Notes
    -----
    Alignment to a reference that is the mean of the aligned patterns is the 2-D class average of electron
    cryomicroscopy (Penczek, Radermacher and Frank, Ultramicroscopy 40 (1992) 33). It starts from the member whose
    rotation invariants are nearest to the median of its class.
    """
    values = np.asarray(moments, dtype=np.float64)
    classes = np.asarray(labels)
    known = np.isfinite(values).all(axis=1)
    n_classes = int(classes.max()) + 1 if len(classes) else 0
    factor = np.ones(values.shape[1]) if weights is None else np.asarray(weights, dtype=np.float64)
    means = np.full((n_classes, values.shape[1]), np.nan)
    angles, distance = np.full(len(values), np.nan), np.full(len(values), np.nan)
    mirrored = np.zeros(len(values), dtype=bool)
    sine = modes[:, 1] < 0
    for k in range(n_classes):
        members = np.flatnonzero((classes == k) & known)
        if not len(members):
            continue
        mine = values[members]
        reference = mine[_most_typical(mine * factor, modes)]
        for _ in range(max(n_rounds, 1)):
            found = align(mine, reference, modes, reflection=reflection, weights=factor)
            turned = rotate_moments(mine, modes, -found.angles[:, 0])
            turned[np.ix_(found.reflected[:, 0], sine)] *= -1
            reference = turned.mean(axis=0)
        found = align(mine, reference, modes, reflection=reflection, weights=factor)
        means[k] = reference
        angles[members], mirrored[members] = found.angles[:, 0], found.reflected[:, 0]
        distance[members] = found.distance[:, 0]
    return ClassAlignment(means, angles, mirrored, distance)


def _most_typical(values: NDArray[np.float64], modes: NDArray[np.int64]) -> int:
    """Index of the row whose rotation invariants are nearest to the median of all."""
    parts, kept = to_complex(values, modes)
    invariants = np.where(kept[:, 1] == 0, parts.real, np.abs(parts))
    return int(((invariants - np.median(invariants, axis=0)) ** 2).sum(axis=1).argmin())
