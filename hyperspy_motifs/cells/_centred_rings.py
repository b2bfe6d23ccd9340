"""Rings with a centre atom: triangles around an inner column merged into one polygon."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.common import distinct_rows

from ._classes import canonical_sequences, sequence_ids
from ._constants import CONSTANTS
from ._shapes import shape_moments, split_by_gap


class CentredRings(NamedTuple):
    """Points with only triangles as cells (hubs, (w,)), and the rings of these triangles.

    The ring k, counter-clockwise, is ``rim[offsets[k]:offsets[k + 1]]``; `cells` are the triangles counter-clockwise from
    the spoke to the same position in `rim`.
    """

    hubs: NDArray[np.int64]
    rim: NDArray[np.int64]
    offsets: NDArray[np.int64]
    cells: NDArray[np.int64]


def all_centred_rings(
    points: NDArray[np.float64],
    vertices: NDArray[np.int64],
    offsets: NDArray[np.int64],
    bonds: NDArray[np.int64],
) -> CentredRings:
    """Every point (n, 2) with four spokes or more that is surrounded by triangles; bonds (b, 2) bound the cells."""
    n = len(points)
    degree = np.bincount(bonds.ravel(), minlength=n)
    triangle = np.flatnonzero(np.diff(offsets) == 3)
    corner = vertices[offsets[triangle][:, None] + np.arange(3)]
    is_hub = (np.bincount(corner.ravel(), minlength=n) == degree) & (degree >= 4)
    hub, rim, cell = corner.ravel(), np.roll(corner, -1, axis=1).ravel(), np.repeat(triangle, 3)
    inside = is_hub[hub]
    hub, rim, cell = hub[inside], rim[inside], cell[inside]
    step = points[rim] - points[hub]
    order = np.argsort(7.0 * hub + np.arctan2(step[:, 1], step[:, 0]), kind="stable")
    hub, rim, cell = hub[order], rim[order], cell[order]
    first = np.flatnonzero(np.r_[True, hub[1:] != hub[:-1]]) if len(hub) else np.zeros(0, dtype=np.int64)
    return CentredRings(hub[first], rim, np.r_[first, len(hub)].astype(np.int64), cell)


def choose_centred_rings(
    points: NDArray[np.float64],
    letters: NDArray[np.int64],
    vertices: NDArray[np.int64],
    offsets: NDArray[np.int64],
    bonds: NDArray[np.int64],
    *,
    always: bool = False,
) -> tuple[CentredRings, NDArray[np.int64]]:
    r"""All centred rings, and the indices of those to merge into one ring with a centre atom, of which no two share a triangle.

    Centred rings whose hubs agree in motif and number of spokes are one kind. A kind is a candidate if its rings
    contain no hub of the same kind (so that its centred rings do not overlap) and consist mostly of other motifs, and
    if most points of that motif and number of bonds are such hubs. It is accepted if it shortens the two-part
    description of the tiling,

    .. math::

        L = \sum_{c} \left[ (n_c + o_c) \log_2 (K + 1) + \tfrac12 \log_2 m \right]
            + m \log_2 m - \sum_c m_c \log_2 m_c,

    the classes (corners :math:`n_c` and centre atom :math:`o_c` written in K motifs, and a frequency) and the m
    instances. Kinds are accepted one after the other in order of decreasing savings. Centred rings of six equilateral
    triangles are not merged, unless empty copies of their ring exist. Otherwise a dopant in a close-packed lattice,
    or a vertex of a square-triangle tiling, would become a channel.

    Before that, geometry is used, because labels may be finer than sites: it accepts kinds whose ring is empty
    elsewhere with the same size and shape, and hubs with other than six spokes that do not touch one another (those
    of a dislocation do).

    Finally, single centred rings with the ring or the hub of an accepted kind are added, so that one wrong label does
    not divide a ring. With `always`, every kind of ring with a foreign centre atom is accepted.
    """
    centred_rings = all_centred_rings(points, vertices, offsets, bonds)
    if len(centred_rings.hubs) == 0:
        return centred_rings, np.zeros(0, dtype=np.int64)
    description = _Description(points, letters, vertices, offsets, bonds, centred_rings)
    taken = description.take_kinds(always)
    taken = description.join_single(taken)
    return centred_rings, np.flatnonzero(taken)


def merge_rings(
    vertices: NDArray[np.int64],
    offsets: NDArray[np.int64],
    centred_rings: CentredRings,
    taken: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Cells with the triangles of the accepted rings merged into polygons, which are last; and the new index of each cell."""
    sizes = np.diff(offsets)
    spokes = np.diff(centred_rings.offsets)[taken]
    member = np.repeat(centred_rings.offsets[:-1][taken] - np.r_[0, np.cumsum(spokes)[:-1]], spokes)
    member = member + np.arange(spokes.sum())
    keep = np.ones(len(sizes), dtype=bool)
    keep[centred_rings.cells[member]] = False
    new_cell = np.cumsum(keep) - 1
    new_cell[centred_rings.cells[member]] = int(keep.sum()) + np.repeat(np.arange(len(taken)), spokes)
    all_sizes = np.r_[sizes[keep], spokes]
    all_vertices = np.r_[vertices[np.repeat(keep, sizes)], centred_rings.rim[member]]
    return all_vertices, np.r_[0, np.cumsum(all_sizes)].astype(np.int64), new_cell


class _Description:
    """Kinds of centred rings, and the lengths of the description with and without them."""

    def __init__(
        self,
        points: NDArray[np.float64],
        letters: NDArray[np.int64],
        vertices: NDArray[np.int64],
        offsets: NDArray[np.int64],
        bonds: NDArray[np.int64],
        centred_rings: CentredRings,
    ) -> None:
        n = len(points)
        self.points, self.letters, self.centred_rings = points, letters, centred_rings
        self.spokes = np.diff(centred_rings.offsets)
        self.ring_of = np.repeat(np.arange(len(centred_rings.hubs)), self.spokes)
        self.at_point = np.full(n, -1, dtype=np.int64)
        self.at_point[centred_rings.hubs] = np.arange(len(centred_rings.hubs))
        degree = np.bincount(bonds.ravel(), minlength=n)
        kind_of_point = letters * (int(degree.max()) + 1) + degree
        self.kind = kind_of_point[centred_rings.hubs]
        own = kind_of_point[centred_rings.rim] == self.kind[self.ring_of]
        alike = letters[centred_rings.rim] == letters[centred_rings.hubs][self.ring_of]
        self.foreign = ~np.logical_or.reduceat(own, centred_rings.offsets[:-1])
        # A motif with sites of both kinds may occasionally occur on the rim.
        self.other_motif = (
            3 * np.add.reduceat(alike.astype(np.int64), centred_rings.offsets[:-1]) <= self.spokes
        )
        self.foreign &= self.other_motif
        self.alike = np.zeros(len(centred_rings.hubs), dtype=bool)
        self.letter_bits = np.log2(len(np.unique(letters)) + 1.0)
        self.vertices, self.offsets = vertices, offsets
        self._spell(vertices, offsets)
        # Points at the border have too few bonds to be hubs of their kind and are ignored.
        on_cells = np.bincount(vertices, minlength=n)
        whole = (on_cells == degree) & (degree > 0)
        kinds, counts = np.unique(kind_of_point[whole], return_counts=True)
        self.whole = dict(zip(kinds.tolist(), counts.tolist(), strict=True))

    def _spell(self, vertices: NDArray[np.int64], offsets: NDArray[np.int64]) -> None:
        """Class of every cell, and of every centred ring as a cell."""
        sizes = np.diff(offsets)
        m, w = len(sizes), len(self.spokes)
        all_vertices = np.concatenate([vertices, self.centred_rings.rim])
        all_offsets = np.r_[offsets, offsets[-1] + self.centred_rings.offsets[1:]]
        sequences = canonical_sequences(self.letters[all_vertices], all_offsets)
        sequence, names = sequence_ids(sequences.letters, all_offsets)
        self.ring = sequence[m:]
        shape = np.zeros(m + w, dtype=np.int64)
        triangles = np.flatnonzero(sizes == 3)
        corner = self.points[vertices[offsets[triangles][:, None] + np.arange(3)]]
        shape[triangles] = split_by_gap(shape_moments(corner[..., 0] + 1j * corner[..., 1]))
        centre_atom = np.r_[np.full(m, -1), self.letters[self.centred_rings.hubs]]
        key = np.column_stack([sequence, centre_atom, shape])
        first, inverse, _ = distinct_rows(key)
        unique = key[first]
        self.cell_class, self.wheel_class = inverse[:m], inverse[m:]
        length = np.array([len(name) for name in names])
        self.class_bits = (length[unique[:, 0]] + (unique[:, 1] >= 0)) * self.letter_bits
        self.counts = np.bincount(self.cell_class, minlength=len(unique)).astype(np.float64)
        self.empty_rings = np.bincount(sequence[:m], minlength=len(names))

    def length(self, counts: NDArray[np.floating]) -> float:
        """Bits of classes and instances."""
        present = counts > 0
        c = counts[present]
        m = c.sum()
        bits = self.class_bits[present].sum() + 0.5 * np.log2(max(m, 1)) * len(c)
        return float(bits + m * np.log2(max(m, 1)) - (c * np.log2(c)).sum())

    def counts_with(self, members: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Counts of the classes after some centred rings are merged."""
        size = len(self.counts)
        gone = np.bincount(self.cell_class[self.centred_rings.cells[members[self.ring_of]]], minlength=size)
        return self.counts - gone + np.bincount(self.wheel_class[members], minlength=size)

    def overlapping(self, members: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Centred rings with the hub on the rim of a member (they share a triangle)."""
        out = np.zeros(len(members), dtype=bool)
        touched = self.at_point[self.centred_rings.rim[members[self.ring_of]]]
        out[touched[touched >= 0]] = True
        return out

    def take_kinds(self, always: bool) -> NDArray[np.bool_]:
        """Accept kinds of centred rings, one after the other, as long as one shortens the description."""
        taken = np.zeros(len(self.kind), dtype=bool) if always else self.by_geometry()
        blocked = taken | self.overlapping(taken)
        self.counts = self.counts_with(taken)
        kinds = [k for k in np.unique(self.kind).tolist() if self._is_candidate(k, always)]
        while kinds:
            gains = []
            now = self.length(self.counts)
            for k in kinds:
                members = (self.kind == k) & self.foreign & ~blocked
                if int(members.sum()) < CONSTANTS.least_copies:
                    gains.append(-np.inf)
                elif always:
                    gains.append(float(members.sum()))
                else:
                    gains.append(now - self.length(self.counts_with(members)))
            best = int(np.argmax(gains))
            if not gains[best] > 0:
                break
            members = (self.kind == kinds.pop(best)) & self.foreign & ~blocked
            self.counts = self.counts_with(members)
            taken |= members
            blocked |= members | self.overlapping(members)
        return taken

    def by_geometry(self) -> NDArray[np.bool_]:
        """Kinds whose rings are also found empty, then centred rings with other than six spokes."""
        taken = np.zeros(len(self.kind), dtype=bool)
        sizes = np.diff(self.offsets)
        for n in np.unique(self.spokes):
            index = np.flatnonzero(self.spokes == n)
            faces = np.flatnonzero(sizes == n)
            if len(faces) < 2:
                continue
            place = np.full(len(self.spokes), -1)
            place[index] = np.arange(len(index))
            rim = self.centred_rings.rim[self.centred_rings.offsets[index][:, None] + np.arange(n)]
            hub = self.at_point[rim]
            near = np.where(hub >= 0, place[hub], -1)
            found = rings_found_empty(
                ring_features(self.points, rim),
                ring_features(self.points, self.vertices[self.offsets[faces][:, None] + np.arange(n)]),
                self.kind[index],
                self.foreign[index],
                near,
            )
            taken[index] |= found.taken
            self.alike[index] |= found.alike
        free = ~(taken | self.overlapping(taken))
        odd = (self.spokes != 6) & free
        on_rim = self.at_point[self.centred_rings.rim]
        beside = np.logical_or.reduceat((on_rim >= 0) & odd[on_rim], self.centred_rings.offsets[:-1])
        remaining = np.ones(len(sizes), dtype=bool)
        remaining[self.centred_rings.cells[taken[self.ring_of]]] = False
        candidates = odd_centred_rings(
            np.where(free, self.spokes, 6),
            self.other_motif | taken.any(),
            beside,
            sizes[remaining],
            len(self.points),
        )
        return taken | candidates

    def _is_candidate(self, kind: int, always: bool) -> bool:
        """Whether centred rings of a kind can be rings with a centre atom."""
        members = (self.kind == kind) & self.foreign
        copies = int(members.sum())
        if copies < CONSTANTS.least_copies:
            return False
        if always:
            return True
        if copies < 0.5 * self.whole.get(kind, 0):
            return False
        return not self._is_lattice(members) or self._has_empty(members)

    def _has_empty(self, members: NDArray[np.bool_]) -> bool:
        """Whether rings of these sequences are also found empty."""
        rings = np.unique(self.ring[members])
        empty = self.empty_rings[rings].sum()
        # A dopant has the same ring as most atoms of its host, so vacancies of the host are no evidence.
        own = members.sum() >= 0.5 * np.isin(self.ring, rings).sum()
        return bool(own and empty >= max(2, CONSTANTS.empty_share * members.sum()))

    def _is_lattice(self, members: NDArray[np.bool_]) -> bool:
        """Whether these are six equilateral triangles, on average over the centred rings of one ring."""
        index = np.flatnonzero(members)
        if self.spokes[index[0]] != 6:
            return False
        rim = self.centred_rings.rim[self.centred_rings.offsets[index][:, None] + np.arange(6)]
        ring = canonical_sequences(self.letters[rim].ravel(), np.arange(0, 6 * len(index) + 1, 6))
        k = np.arange(6)[None, :]
        k = (ring.start[:, None] + np.where(ring.handedness[:, None] < 0, -k, k)) % 6
        corner = self.points[np.take_along_axis(rim, k, axis=1)]
        spoke = np.linalg.norm(corner - self.points[self.centred_rings.hubs[index]][:, None], axis=2)
        side = np.linalg.norm(corner - np.roll(corner, -1, axis=1), axis=2)
        lengths = np.hstack([spoke, side])
        lengths /= lengths.mean(axis=1, keepdims=True)
        sequences = self.ring[index]
        commonest = np.bincount(sequences).argmax()
        mean = lengths[sequences == commonest].mean(axis=0)
        return bool(np.abs(mean - 1).max() < CONSTANTS.lattice_tolerance)

    def join_single(self, taken: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Add centred rings with the ring or the hub of an accepted kind if none of their triangles is used."""
        if not taken.any():
            return taken
        hub = self.letters[self.centred_rings.hubs]
        copies = np.bincount(self.ring)
        often = 2 * np.bincount(self.ring[taken], minlength=len(copies)) >= copies
        known_ring = np.isin(self.ring, self.ring[taken]) & often[self.ring]
        pair = hub * 64 + self.spokes
        _, pair, wheels_of_pair = np.unique(pair, return_inverse=True, return_counts=True)
        known_hub = (2 * np.bincount(pair[taken], minlength=len(wheels_of_pair)) >= wheels_of_pair)[pair]
        score = np.where(known_ring & known_hub, 3, np.where(known_ring, 2, np.where(known_hub, 1, 0)))
        score = np.maximum(score, np.where(self.alike, 2, 0))
        score[taken] = 0
        taken = taken.copy()
        blocked = self.overlapping(taken)
        for k in np.lexsort((np.arange(len(score)), -score)):
            if score[k] == 0:
                break
            if blocked[k]:
                continue
            taken[k] = True
            rim = self.centred_rings.rim[self.centred_rings.offsets[k] : self.centred_rings.offsets[k + 1]]
            near = self.at_point[rim]
            blocked[near[near >= 0]] = True
        return taken


class RingGeometry(NamedTuple):
    """Masks (w,) of the centred rings that are rings with a centre atom (taken), and of those that are like them (alike)."""

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

    `features` and `empty` are the :func:`ring_features` of the rings and of empty faces of that size. The motif of the hub
    of a `foreign` (w,) ring differs from those of its ring, and `neighbours` (w, n) are the centred rings with hubs on the
    rim of each, -1 for none.
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
    close = np.linalg.norm(sample[:, None] - sample[None], axis=2) <= CONSTANTS.least_tolerance
    middle = np.median(sample[close[int(close.sum(axis=1).argmax())]], axis=0)
    near = np.linalg.norm(features - middle, axis=1) <= CONSTANTS.least_tolerance
    holes = int((np.linalg.norm(empty - middle, axis=1) <= CONSTANTS.least_tolerance).sum())
    if near.any() and holes >= max(2, CONSTANTS.empty_share_of_shape * near.sum()) and touching(near) <= 0.2:
        taken |= near
        alike |= near
    for kind in np.unique(kinds[foreign]):
        members = foreign & (kinds == kind) & ~taken
        if members.sum() < 2:
            continue
        middle = np.median(features[members], axis=0)
        away = np.linalg.norm(features - middle, axis=1)
        reach = float(
            np.clip(3 * np.median(away[members]), CONSTANTS.least_tolerance, CONSTANTS.most_tolerance)
        )
        near = away <= reach
        rivals = near & foreign
        holes = int((np.linalg.norm(empty - middle, axis=1) <= reach).sum())
        if holes < max(2, CONSTANTS.empty_share_of_shape * rivals.sum()) or rivals.sum() < 0.2 * near.sum():
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
    """Centred rings with other than six spokes (w,) that shorten the description as one polygon.

    In a lattice, points with five and seven neighbours are adjacent in dislocations: centred rings that touch another
    one with other than six spokes (`touches_odd`) are excluded, and so are those that consist mostly of the motif of the
    hub. Triangles around such a hub have another shape (their angle at the hub is a full turn over the number of spokes),
    so all triangles need bits to distinguish them, while there are fewer after merging.
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
