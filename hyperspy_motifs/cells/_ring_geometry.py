"""Rings with a centre atom that geometry alone gives away."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._shapes import shape_moments

#: Shape moments and log size of two rings that are the same, at least and at most, in units of the radius.
_LEAST_TOLERANCE, _MOST_TOLERANCE = 0.03, 0.05
#: Empty copies among rings of one geometry; below, they may be accidents (a missing atom leaves a ring, too).
_EMPTY_SHARE = 0.08


class RingGeometry(NamedTuple):
    """What geometry says of centred rings.

    Attributes
    ----------
    taken : numpy.ndarray of bool, shape (w,)
        Centred rings that are rings with a centre atom.
    alike : numpy.ndarray of bool, shape (w,)
        Centred rings whose ring has the size and shape of those.
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
    """Centred rings of one number of spokes whose rings are found empty elsewhere, with the same size and shape.

    All centred rings like the commonest empty ring are taken when few of them touch one another. Otherwise, a kind
    of centred rings (hubs of one motif) is taken when empty faces agree with its ring, at least two and 8 %
    of the centred rings that agree; when most of those do not touch one another; and when not nearly all centred rings of
    that geometry have hubs that are also ring atoms of others, as in a close-packed lattice with vacancies.

    Parameters
    ----------
    features, empty : numpy.ndarray
        :func:`ring_features` of the centred_rings' rings, and of empty faces of that size.
    kinds : numpy.ndarray of int, shape (w,)
    foreign : numpy.ndarray of bool, shape (w,)
        The hub is no atom of the kind that its ring is made of.
    neighbours : numpy.ndarray of int, shape (w, n)
        Centred rings, among these, whose hubs lie on the rim of each, -1 for none.
    """
    taken = np.zeros(len(features), dtype=bool)
    alike = np.zeros(len(features), dtype=bool)
    if len(empty) < 2:
        return RingGeometry(taken, alike)

    def touching(rivals: NDArray[np.bool_]) -> float:
        around = neighbours[rivals]
        return float(((around >= 0) & rivals[around]).any(axis=1).mean())

    # The commonest empty ring decides by itself where centred rings like it stand apart, whatever the motifs are.
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
        if touching(rivals) > 0.2 or (members & near).sum() < 0.5 * members.sum():
            continue
        taken |= members & near
        # In a lattice the rings of all atoms are alike, which then says nothing.
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
    """Centred rings with other than six spokes, where reading them as one polygon shortens the description.

    In a lattice, points with five and seven neighbours stand side by side in dislocations: centred rings that touch
    another with other than six spokes are left out. Triangles round such a hub are of another shape (their
    angle at the hub is a full turn over the number of spokes), so all triangles cost the bits that tell them
    apart, while merged there are fewer.

    Parameters
    ----------
    spokes : numpy.ndarray of int, shape (w,)
    other_motif : numpy.ndarray of bool, shape (w,)
        The ring is of other motifs than the hub for the most part.
    touches_odd : numpy.ndarray of bool, shape (w,)
        On its rim lies the hub of another centred ring with other than six spokes.
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
    """Bits that tell which class each of many instances has."""
    c = np.array([x for x in counts if x > 0], dtype=np.float64)
    return float(c.sum() * np.log2(c.sum()) - (c * np.log2(c)).sum()) if len(c) else 0.0
