"""Coordination, brightness, place and separation of one motif."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
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
# A group is a line if it is this many times longer than wide, the width being that of a row at least.
_ELONGATED = 3.0


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
        None if all members are closer to the border than their shell is wide.
    """
    distances, index = cKDTree(points).query(points[members], min(_N_NEIGHBOURS + 1, len(points)))
    distances, index = distances[:, 1:], index[:, 1:]
    if not distances.size:
        return None
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
    n_members, n_sites, n_groups : int
        Numbers of the atoms, of the sites, and of groups of atoms on adjacent sites.
    largest : int
        Atoms of the largest group.
    length, width : float
        Of the largest group along and across its principal axis, in the units of the positions.
    is_line : bool
        Whether the largest group is a line: at least three times as long as wide, or as the distance of adjacent sites.
    """

    kind: str
    p_value: float
    n_members: int
    n_sites: int
    n_groups: int
    largest: int
    length: float
    width: float
    is_line: bool


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
    kind, p_value = "everywhere", 1.0
    if len(points) <= _MOST_OF_SITES * len(sites):
        found = compare_with_chance(
            points, sites, spacing, n_permutations=_N_PERMUTATIONS, random_state=random_state
        )
        kind, p_value = found.kind, found.p_value
    n_near = min(_N_NEIGHBOURS + 1, len(sites))
    distances = cKDTree(sites).query(sites, n_near)[0][:, 1:] if n_near > 1 else np.full((1, 1), spacing)
    pairs = cKDTree(points).query_pairs(_gap(distances), output_type="ndarray")
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(points), len(points)))
    n_groups, group = connected_components(graph, directed=False)
    sizes = np.bincount(group)
    members = points[group == sizes.argmax()]
    axes = np.linalg.svd(members - members.mean(axis=0), full_matrices=False)[2]
    length, width = (float(v) for v in [*np.ptp(members @ axes.T, axis=0), 0.0][:2])
    row = float(np.median(distances[:, 0]))
    return Place(
        kind, p_value, len(points), len(sites), int(n_groups), int(sizes.max()), length, width,
        len(members) > 3 and length > _ELONGATED * max(width, row),
    )  # fmt: skip


def separate(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Distance of two groups along the line that joins their means, in standard deviations within them.

    Every point is projected on the line that the other points give, so that the noise of the means of small groups does not
    count as a distance (leave-one-out).

    Parameters
    ----------
    a, b : ndarray of shapes (n, d), (m, d)

    Returns
    -------
    float
        NaN for groups of one atom.
    """
    if len(a) < 2 or len(b) < 2:
        return np.nan
    means = a.mean(axis=0), b.mean(axis=0)
    middle = (means[0] + means[1]) / 2
    places = []
    for group, own, other, sign in ((a, means[0], means[1], 1.0), (b, means[1], means[0], -1.0)):
        line = (len(group) * own - group) / (len(group) - 1) - other
        line /= np.maximum(np.linalg.norm(line, axis=1), np.finfo(float).tiny)[:, None]
        places.append(sign * ((group - middle) * line).sum(axis=1))
    squares = sum(len(p) * p.var() for p in places)
    pooled = np.sqrt(squares / (len(a) + len(b) - 2))
    return float((places[0].mean() - places[1].mean()) / max(pooled, np.finfo(float).tiny))
