"""Rings with a centre atom, identified by geometry alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._shapes import shape_moments

#: Least and largest tolerance of shape moments and log size for equal rings, in units of the radius.
_LEAST_TOLERANCE, _MOST_TOLERANCE = 0.03, 0.05
#: Least share of empty copies among rings of one geometry; fewer may be accidental (a missing atom also leaves a
#: ring).
_EMPTY_SHARE = 0.08


class RingGeometry(NamedTuple):
    """Centred rings identified by geometry.

    Attributes
    ----------
    taken : numpy.ndarray of bool, shape (w,)
        Mask of the centred rings that are rings with a centre atom.
    alike : numpy.ndarray of bool, shape (w,)
        Mask of the centred rings whose ring has the size and shape of those.
    """

    taken: NDArray[np.bool_]
    alike: NDArray[np.bool_]


def ring_features(points: NDArray[np.float64], rings: NDArray[np.int64]) -> NDArray[np.float64]:
    """Log radius and magnitudes of the shape moments of rings of equal size, shape (r, n - 1)."""
    z = points[rings][..., 0] + 1j * points[rings][..., 1]
    z = z - z.mean(axis=1, keepdims=True)
    n = z.shape[1]
    radius = np.sqrt(np.mean(np.abs(z) ** 2, axis=1))
    return np.column_stack([np.log(np.maximum(radius, 1e-300)), shape_moments(z)[:, : n - 2]])


def rings_found_empty(
    features: NDArray[np.float64],
    empty: NDArray[np.float64],
    kinds: NDArray[np.integer],
    foreign: NDArray[np.bool_],
    neighbours: NDArray[np.int64],
) -> RingGeometry:
    """Centred rings with one number of spokes whose rings are empty elsewhere, with the same size and shape.

    All centred rings like the most frequent empty ring are accepted if few of them touch one another. Otherwise, a
    kind of centred rings (hubs of one motif) is accepted under three conditions: at least two empty faces, and 8 % of
    the matching centred rings, match its ring; most of these do not touch one another; and not nearly all centred
    rings of that geometry have hubs that are also ring atoms of others, as in a close-packed lattice with vacancies.

    Parameters
    ----------
    features, empty : numpy.ndarray
        :func:`ring_features` of the centred_rings' rings, and of empty faces of that size.
    kinds : numpy.ndarray of int, shape (w,)
    foreign : numpy.ndarray of bool, shape (w,)
        Whether the motif of the hub differs from those of its ring.
    neighbours : numpy.ndarray of int, shape (w, n)
        Centred rings, among these, with hubs on the rim of each, -1 for none.
    """
    taken = np.zeros(len(features), dtype=bool)
    alike = np.zeros(len(features), dtype=bool)
    if len(empty) < 2:
        return RingGeometry(taken, alike)

    def touching(rivals: NDArray[np.bool_]) -> float:
        around = neighbours[rivals]
        return float(((around >= 0) & rivals[around]).any(axis=1).mean())

    # The most frequent empty ring is sufficient if centred rings like it are separate, regardless of motifs.
    sample = empty[:: max(1, len(empty) // 300)]
    close = np.linalg.norm(sample[:, None] - sample[None], axis=2) <= _LEAST_TOLERANCE
    middle = np.median(sample[close[int(close.sum(axis=1).argmax())]], axis=0)
    near = np.linalg.norm(features - middle, axis=1) <= _LEAST_TOLERANCE
    holes = int((np.linalg.norm(empty - middle, axis=1) <= _LEAST_TOLERANCE).sum())
    if near.any() and holes >= max(2, _EMPTY_SHARE * near.sum()) and touching(near) <= 0.2:
        taken |= near
        alike |= near
    for kind in np.unique(kinds[foreign]):
        members = foreign & (kinds == kind) & ~taken
        if members.sum() < 2:
            continue
        middle = np.median(features[members], axis=0)
        away = np.linalg.norm(features - middle, axis=1)
        reach = float(np.clip(3 * np.median(away[members]), _LEAST_TOLERANCE, _MOST_TOLERANCE))
        near = away <= reach
        rivals = near & foreign
        holes = int((np.linalg.norm(empty - middle, axis=1) <= reach).sum())
        if holes < max(2, _EMPTY_SHARE * rivals.sum()) or rivals.sum() < 0.2 * near.sum():
            continue
        if not rivals.any() or touching(rivals) > 0.2 or (members & near).sum() < 0.5 * members.sum():
            continue
        taken |= members & near
        # In a lattice the rings of all atoms are equal, which is no evidence.
        if rivals.sum() > 0.8 * near.sum():
            alike |= near
    return RingGeometry(taken, alike)


def odd_centred_rings(
    spokes: NDArray[np.integer],
    other_motif: NDArray[np.bool_],
    touches_odd: NDArray[np.bool_],
    cell_sizes: NDArray[np.integer],
    n_points: int,
) -> NDArray[np.bool_]:
    """Centred rings with other than six spokes that shorten the description as one polygon.

    In a lattice, points with five and seven neighbours are adjacent in dislocations: centred rings that touch another
    one with other than six spokes are excluded. Triangles around such a hub have another shape (their angle at the
    hub is a full turn over the number of spokes), so all triangles need bits to distinguish them, while there are
    fewer after merging.

    Parameters
    ----------
    spokes : numpy.ndarray of int, shape (w,)
    other_motif : numpy.ndarray of bool, shape (w,)
        Whether the ring consists mostly of other motifs than the hub.
    touches_odd : numpy.ndarray of bool, shape (w,)
        Whether its rim contains the hub of another centred ring with other than six spokes.
    cell_sizes : numpy.ndarray of int, shape (m,)
        Corners of all cells.
    n_points : int
    """
    taken = np.zeros(len(spokes), dtype=bool)
    sizes = np.bincount(cell_sizes).astype(np.float64)
    for size in np.unique(spokes[spokes != 6]):
        members = (spokes == size) & other_motif & ~touches_odd
        copies = int(members.sum())
        if copies < max(4, 0.005 * n_points) or copies < 0.5 * (spokes == size).sum():
            continue
        others = np.delete(sizes, 3).tolist()
        rest = max(sizes[3] - copies * size, 0)
        if _instance_bits([*others, rest, copies]) < _instance_bits([*others, rest, copies * size]):
            taken |= members
            sizes[3] = rest
    return taken


def _instance_bits(counts: list[float]) -> float:
    """Bits for the classes of many instances."""
    c = np.array([x for x in counts if x > 0], dtype=np.float64)
    return float(c.sum() * np.log2(c.sum()) - (c * np.log2(c)).sum()) if len(c) else 0.0
