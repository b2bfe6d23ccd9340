"""Groups of one lens: density clusters of the layout, merged by the test against noise, refined in feature space."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ._classifier import GaussianClasses
from ._density import density_clusters
from ._merging import merge_alike
from ._separation import common_covariance, numbered_anew

_ROUNDS = 3


def part(
    X: NDArray[np.float64],
    layout: NDArray[np.floating],
    threshold: float = 3.5,
    min_motif_size: int = 5,
    random_state: int = 0,
) -> NDArray[np.int32]:
    """Return the groups of points that differ by more than noise.

    Parameters
    ----------
    X : ndarray, shape (n, d)
        Features in units of their noise.
    layout : ndarray, shape (n, 2)
        Their relaxed layout.
    threshold : float
        Separation, in units of the spread within groups, from which two groups are two.
    min_motif_size : int
        Points of the smallest group.
    random_state : int

    Returns
    -------
    ndarray of int32, shape (n,)
        Groups 0.., every point in one.
    """
    labels = fill(layout, density_clusters(layout, min_motif_size))
    common = common_covariance(X, labels)
    for turn in range(_ROUNDS):
        labels = merge_alike(X, labels, threshold, random_state + turn, common)
        if labels.max() == 0:
            break
        classes = GaussianClasses.fit(X, labels)
        refined = classes.predict_proba(X).argmax(axis=1)
        refined = _dissolve(classes, X, refined, min_motif_size)
        same = np.array_equal(refined, labels)
        labels = refined
        if same:
            break
    return merge_alike(X, labels, threshold, random_state, common)


def fill(layout: NDArray[np.floating], labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Give points without a cluster that of the nearest point in the layout that has one."""
    inside = labels >= 0
    if inside.all():
        return labels
    nearest = cKDTree(layout[inside]).query(layout[~inside])[1]
    filled = labels.copy()
    filled[~inside] = labels[inside][nearest]
    return filled


def _dissolve(
    classes: GaussianClasses, X: NDArray[np.float64], labels: NDArray[np.integer], min_motif_size: int
) -> NDArray[np.int32]:
    """Give the points of groups below `min_motif_size` to the next likely group; number the rest 0.."""
    count = np.bincount(labels, minlength=len(classes.means))
    large = count >= min_motif_size
    if not large.any():
        large[count.argmax()] = True
    if not large.all():
        probabilities = classes.predict_proba(X)
        probabilities[:, ~large] = -1
        labels = probabilities.argmax(axis=1)
    return numbered_anew(labels)
