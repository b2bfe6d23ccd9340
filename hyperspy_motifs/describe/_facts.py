"""Coordination, brightness, place and separation of one motif."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from hyperspy_motifs.defects import compare_with_chance

# Neighbours that are looked at: the first two shells of every lattice of the plane have at most 12.
_N_NEIGHBOURS = 12
# Neighbours per atom from which on a motif is named as a neighbour.
_LEAST_NUMBER = 0.05
# Standard deviation of a normal distribution in units of its median absolute deviation.
_MAD = 1.4826
# Random placements of the clustering test: the least p-value is 0.005.
_N_PERMUTATIONS = 199
# Share of the sites from which on a motif is what the sites are made of, and its place is no question.
_MOST_OF_SITES = 0.5
# Alignment of the pairs within an ellipse with axes of 3 to 1.
_ALIGNED = 0.5


@dataclass(frozen=True)
class Shell:
    """First shell of neighbours of the atoms of one motif.

    Attributes
    ----------
    reach : float
        Distance that separates the first shell from the second, in the units of the positions.
    motifs : tuple of int
        Motifs of the neighbours, the most frequent first; -1 for empty sites. Those of fewer than one in twenty atoms are
        left out.
    numbers, distances, scatters : tuple of float
        For each of these, their mean number per atom, median distance and the standard deviation of one distance.
    """

    reach: float
    motifs: tuple[int, ...]
    numbers: tuple[float, ...]
    distances: tuple[float, ...]
    scatters: tuple[float, ...]


def _scatter(values: NDArray[np.floating]) -> float:
    """Robust standard deviation."""
    return float(_MAD * np.median(np.abs(values - np.median(values))))


def _gap(distances: NDArray[np.floating]) -> float:
    """Distance in the largest relative gap between the mean first, second, ... neighbour distance of some points."""
    mean = distances.mean(axis=0)
    mean = mean[np.isfinite(mean)]
    if len(mean) < 2:
        return float(2 * mean.max(initial=0.0))
    last = int(np.argmax(mean[1:] / mean[:-1]))
    return float(np.sqrt(mean[last] * mean[last + 1]))


def find_shell(
    points: NDArray[np.floating],
    labels: NDArray[np.integer],
    members: NDArray[np.integer],
    margin: NDArray[np.floating],
) -> Shell | None:
    """First shell of some points.

    It ends at the largest relative gap between the mean distances of their nearest, second nearest, ... neighbours.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
        Atoms, and empty sites.
    labels : ndarray of int, shape (n,)
        Motif of each; -1 for an empty site.
    members : ndarray of int, shape (k,)
        Rows of the points whose shell is described.
    margin : ndarray of shape (n,)
        Distance of each point from the border of the field.

    Returns
    -------
    Shell or None
        None if all members are closer to the border than their shell is wide, or there is no other point.
    """
    if len(points) < 2:
        return None
    distances, index = cKDTree(points).query(points[members], min(_N_NEIGHBOURS + 1, len(points)))
    distances, index = distances[:, 1:], index[:, 1:]
    whole = margin[members] >= distances[:, -1]
    reach = _gap(distances[whole] if whole.any() else distances)
    inside = margin[members] >= reach
    if not inside.any():
        return None
    near = distances[inside] < reach
    length, motif = distances[inside][near], labels[index[inside][near]]
    kinds, counts = np.unique(motif, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] >= _LEAST_NUMBER * inside.sum()]
    return Shell(
        reach,
        tuple(kinds[order].tolist()),
        tuple((counts[order] / inside.sum()).tolist()),
        tuple(float(np.median(length[motif == kinds[i]])) for i in order),
        tuple(_scatter(length[motif == kinds[i]]) for i in order),
    )


def compare_brightness(
    heights: NDArray[np.floating], members: NDArray[np.bool_], reference: NDArray[np.bool_]
) -> tuple[float, float]:
    """Median height of some columns relative to that of others, and the standard deviation of one column's ratio.

    Parameters
    ----------
    heights : ndarray of shape (n,)
        Height of each column above the background; NaN where it is unknown.
    members, reference : ndarray of bool, shape (n,)

    Returns
    -------
    (float, float)
        NaN where no height is known.
    """
    known = np.isfinite(heights)
    own, others = heights[members & known], heights[reference & known]
    if not len(own) or not len(others):
        return np.nan, np.nan
    typical = float(np.median(others))
    return float(np.median(own)) / typical, _scatter(own) / abs(typical)


@dataclass(frozen=True)
class Place:
    """Where the atoms of a motif are among the sites on which they could be.

    Attributes
    ----------
    kind : {"everywhere", "random", "clustered", "dispersed", "mixed", "too few"}
        "everywhere" for more than half of the sites; otherwise what
        :func:`hyperspy_motifs.defects.compare_with_chance` finds.
    p_value : float
        Of the test; 1 without one.
    n_members, n_sites : int
        Numbers of the atoms and of the sites.
    alignment, direction : float
        Of clustered atoms: length of the mean of exp(2i angle) over the directions of all pairs within 12 nearest-neighbour
        distances, 0 for an island that is equally wide in all directions and 1 for a straight line; and the mean direction in
        degrees from x towards y, -90 to 90.
    """

    kind: str
    p_value: float
    n_members: int
    n_sites: int
    alignment: float = 0.0
    direction: float = 0.0

    @property
    def is_line(self) -> bool:
        """Whether the atoms are along lines: aligned like an ellipse that is three times as long as wide, or more."""
        return self.alignment > _ALIGNED


def describe_place(
    points: NDArray[np.floating], sites: NDArray[np.floating], spacing: float, random_state: int = 0
) -> Place:
    """Whether some atoms are at random on their sites, clustered or along a line.

    Parameters
    ----------
    points : ndarray of shape (k, 2)
        The atoms.
    sites : ndarray of shape (n, 2)
        The sites on which they could be, theirs among them.
    spacing : float
        Nearest-neighbour distance of the atoms.
    random_state : int, optional

    Returns
    -------
    Place
    """
    if len(points) > _MOST_OF_SITES * len(sites):
        return Place("everywhere", 1.0, len(points), len(sites))
    found = compare_with_chance(
        points, sites, spacing, n_permutations=_N_PERMUTATIONS, random_state=random_state
    )
    place = Place(found.kind, found.p_value, len(points), len(sites))
    if found.kind not in ("clustered", "mixed"):
        return place
    pairs = cKDTree(points).query_pairs(float(found.distances[-1]), output_type="ndarray")
    x, y = (points[pairs[:, 1]] - points[pairs[:, 0]]).T
    # Directions are equal modulo 180 degrees, so their double angle is averaged.
    mean = np.mean(np.exp(2j * np.arctan2(y, x)))
    return replace(place, alignment=float(abs(mean)), direction=float(np.degrees(np.angle(mean)) / 2))


def separate(a: NDArray[np.floating], b: NDArray[np.floating]) -> tuple[float, float]:
    """How well two groups are told apart by a linear discriminant that has not seen the point it judges.

    Fisher's discriminant with the shrinkage of Ledoit and Wolf, cross-validated in five parts (or as many as the smaller group
    has points), so that the noise of small groups in many dimensions does not count as a difference.

    Parameters
    ----------
    a, b : ndarray of shapes (n, d), (m, d)

    Returns
    -------
    distance : float
        Of the means of the two along the discriminant, in standard deviations within them; NaN for groups of one point.
    confused : float
        Mean of the fractions of the points of either that are taken for the other.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    parts = min(5, len(a), len(b))
    if parts < 2:
        return np.nan, np.nan
    group = np.repeat([0, 1], [len(a), len(b)])
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=(0.5, 0.5))
    folds = StratifiedKFold(parts, shuffle=True, random_state=0)
    scores = cross_val_predict(model, np.vstack([a, b]), group, cv=folds, method="decision_function")
    first, second = scores[group == 0], scores[group == 1]
    pooled = np.sqrt((len(a) * first.var() + len(b) * second.var()) / (len(scores) - 2))
    confused = (np.mean(first > 0) + np.mean(second <= 0)) / 2
    return float((second.mean() - first.mean()) / max(pooled, np.finfo(float).tiny)), float(confused)
