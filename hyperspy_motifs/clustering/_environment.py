"""The neighbours that are not of the usual kind: minority kinds and vacant places, and the environments they make."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from hyperspy_motifs.common import STRICT_LEVEL, distinct_rows
from hyperspy_motifs.sites import INSET, Neighbourhoods

from ._constants import CONSTANTS

_FEWEST_BONDS = 3  # a kind with fewer nearest neighbours shows no vacant place
# Neighbours in one of six sectors of the plane stand in one direction; the sectors are turned in steps of a sixth.
_SECTORS, _STEPS = 6, 6
_WIDE_GAP = 0.6  # of the usual angle between neighbours, beyond what the missing ones leave


@dataclass(frozen=True)
class Surroundings:
    """The neighbours of every atom that are not of the usual kind.

    Attributes
    ----------
    kinds : ndarray of int32, shape (p,)
        Kind of each such neighbour; ``n_kinds - 1`` for an outlier, `n_kinds` for a vacant place.
    atoms : ndarray of int64, shape (p,)
        The atom that has it.
    distance : ndarray, shape (p,)
        In nearest-neighbour distances.
    angle : ndarray, shape (p,)
        From x towards y, radians.
    n_atoms, n_kinds : int
    """

    kinds: NDArray[np.int32]
    atoms: NDArray[np.int64]
    distance: NDArray[np.float64]
    angle: NDArray[np.float64]
    n_atoms: int
    n_kinds: int

    def counts(self, kind: int, low: float, high: float) -> NDArray[np.int64]:
        """Return how many neighbours of a kind each atom has at distances from `low` to `high`, shape (n,)."""
        here = (self.kinds == kind) & (self.distance >= low) & (self.distance < high)
        return np.bincount(self.atoms[here], minlength=self.n_atoms)


@dataclass(frozen=True)
class Sublattices:
    """Which kinds replace one another.

    Attributes
    ----------
    host : ndarray of int32, shape (k,)
        The most frequent kind on the sublattice of each kind; itself for the most frequent ones.
    bonds : ndarray of int32, shape (k,)
        Usual number of nearest neighbours of each kind.
    """

    host: NDArray[np.int32]
    bonds: NDArray[np.int32]

    @classmethod
    def of(cls, neighbours: Neighbourhoods, kinds: NDArray[np.integer]) -> Sublattices:
        """Find them: two kinds share a sublattice if their nearest neighbours are of the same kinds, and they do not alternate.

        Kinds that alternate, as the cations of a perovskite around oxygen, have their own sites.

        `kinds` (n,) number the kinds 0.., the most frequent first.
        """
        k = int(kinds.max()) + 1
        near = (np.hypot(*np.moveaxis(neighbours.offsets, -1, 0)) < CONSTANTS.bonded) & (
            neighbours.neighbours >= 0
        )
        atom, place = np.nonzero(near)
        around = np.zeros((k, k))
        np.add.at(around, (kinds[atom], kinds[neighbours.neighbours[atom, place]]), 1)
        host = np.arange(k, dtype=np.int32)
        for kind in range(1, k):
            merged = np.zeros((k, k))
            for other in range(k):
                merged[:, host[other] if other < kind else other] += around[:, other]
            shares = merged / np.maximum(merged.sum(axis=1, keepdims=True), 1)
            hosts = [h for h in range(kind) if host[h] == h]
            apart = [0.5 * float(np.abs(shares[kind] - shares[h]).sum()) for h in hosts]
            nearest = int(np.argmin(apart))
            if apart[nearest] < CONSTANTS.same_sublattice:
                shared = np.where(kinds == kind, 1, np.where(host[kinds] == hosts[nearest], 0, -1))
                shared[kinds > kind] = -1
                if _alternation(neighbours, shared) < CONSTANTS.same_sublattice:
                    host[kind] = hosts[nearest]
        bonds = np.array([np.median(near[host[kinds] == host[kind]].sum(axis=1)) for kind in range(k)])
        return cls(host, bonds.astype(np.int32))

    @property
    def minority(self) -> NDArray[np.int64]:
        """Kinds that replace a more frequent one."""
        return np.flatnonzero(self.host != np.arange(len(self.host)))

    def surroundings(
        self,
        neighbours: Neighbourhoods,
        kinds: NDArray[np.integer],
        p_values: NDArray[np.floating],
    ) -> Surroundings:
        """Return the neighbours of minority kinds, the outliers and the vacant places around atoms.

        Parameters
        ----------
        neighbours : Neighbourhoods
        kinds : ndarray of int, shape (n,)
        p_values : ndarray, shape (n,)
            Of the atoms of their kinds. Outliers are a kind of their own.

        Returns
        -------
        Surroundings
        """
        n_kinds = len(self.host) + 1
        what = np.where(p_values < STRICT_LEVEL, n_kinds - 1, kinds)
        odd = np.append(self.minority, n_kinds - 1)
        listed = np.where(neighbours.neighbours >= 0, what[neighbours.neighbours], -1)
        # Outliers do not explain one another: several together may be a motif.
        both = (listed == n_kinds - 1) & (what == n_kinds - 1)[:, None]
        atom, place = np.nonzero(np.isin(listed, odd) & ~both)
        x, y = np.moveaxis(neighbours.offsets[atom, place], -1, 0)
        empty_atom, empty_x, empty_y = vacant_places(neighbours, self.bonds[kinds], self.host[kinds])
        x, y = np.concatenate([x, empty_x]), np.concatenate([y, empty_y])
        return Surroundings(
            np.concatenate([listed[atom, place], np.full(len(empty_atom), n_kinds)]).astype(np.int32),
            np.concatenate([atom, empty_atom]).astype(np.int64),
            np.hypot(x, y),
            np.arctan2(y, x),
            len(kinds),
            n_kinds,
        )


def _alternation(neighbours: Neighbourhoods, kind: NDArray[np.integer]) -> float:
    """Return by how much two kinds of atoms avoid their own kind in the direction in which they do most.

    It is 1 if they alternate along this direction, 0 by chance, and less where they cluster: the share of kind 1 among the
    nearest neighbours on the sublattice of atoms of kind 0, less that of atoms of kind 1.

    `kind` (n,) is 0 or 1, and negative for atoms of other sublattices.
    """
    around = np.where(neighbours.neighbours >= 0, kind[neighbours.neighbours], -1)
    x, y = np.moveaxis(neighbours.offsets, -1, 0)
    distance = np.where(around >= 0, np.hypot(x, y), np.inf)
    atom, place = np.nonzero(
        (kind >= 0)[:, None]
        & (around >= 0)
        & (distance <= CONSTANTS.bonded * distance.min(axis=1, keepdims=True))
    )
    step = 2 * np.pi / (_SECTORS * _STEPS)
    direction = np.floor(np.arctan2(y, x)[atom, place] / step).astype(np.int64)
    count = np.zeros((2, 2, _SECTORS * _STEPS))
    np.add.at(count, (kind[atom], around[atom, place], direction), 1)
    sector = np.sum([np.roll(count, shift, axis=2) for shift in range(_STEPS)], axis=0)
    share = sector[:, 1] / np.maximum(sector.sum(axis=1), 1)
    # A direction in which most atoms of either kind have a neighbour.
    shown = (2 * sector.sum(axis=1) >= np.bincount(kind[kind >= 0], minlength=2)[:, None]).all(axis=0)
    return float((share[0] - share[1])[shown].max(initial=-1.0))


def sites_mix(neighbours: Neighbourhoods, kinds: NDArray[np.integer], sites: NDArray[np.integer]) -> bool:
    """Whether the nearest atoms of one kind share their site no more often than by chance, as in the cell of a crystal.

    Where a lattice is strained, its scan distorted, or its domains are polar, atoms that lie beside one another look alike.
    Further atoms may not: a distortion of a few rows comes back after as many.

    `kinds` and `sites` (n,) are negative for atoms that do not count.
    """
    listed = neighbours.neighbours
    of_kind = (listed >= 0) & (kinds >= 0)[:, None] & (kinds[listed] == kinds[:, None])
    distance = np.where(of_kind, np.hypot(*np.moveaxis(neighbours.offsets, -1, 0)), np.inf)
    near = of_kind & (distance <= CONSTANTS.bonded * distance.min(axis=1, keepdims=True))
    atom, place = np.nonzero(near)
    other = listed[atom, place]
    chance = np.zeros(len(sites))
    for kind in np.unique(kinds[kinds >= 0]):
        here = kinds == kind
        share = np.bincount(sites[here]) / here.sum()
        chance[here] = share[sites[here]]
    return bool(np.mean(sites[atom] == sites[other]) <= np.mean(chance[atom])) if len(atom) else False


def vacant_places(
    neighbours: Neighbourhoods, bonds: NDArray[np.integer], hosts: NDArray[np.integer]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Find the places that most of their neighbours miss.

    An atom with fewer nearest neighbours than is usual for its sublattice (`bonds`), and a gap between them as wide as the
    missing ones leave, predicts where these would be. A place that a majority of the atoms around it predict, and that
    holds no atom, is vacant.

    Parameters
    ----------
    neighbours : Neighbourhoods
    bonds, hosts : ndarray of int, shape (n,)
        Usual number of nearest neighbours of the sublattice of each atom, and that sublattice.

    Returns
    -------
    atom : ndarray of int64, shape (p,)
        Every atom within reach of a vacant place, once for each such place.
    x, y : ndarray, shape (p,)
        Offset of the place from the atom, nearest-neighbour distances.
    """
    offsets, listed = neighbours.offsets, neighbours.neighbours
    distance = np.hypot(offsets[..., 0], offsets[..., 1])
    near = (distance < CONSTANTS.bonded) & (listed >= 0)
    n_near = near.sum(axis=1)
    window = neighbours.window
    inner = (np.abs(window) > CONSTANTS.bonded).all(axis=1)
    places, voters, usual = [], [], []
    position = _positions(neighbours)
    for i in np.flatnonzero((n_near < bonds) & (n_near >= 2) & (bonds >= _FEWEST_BONDS) & inner):
        angles = np.sort(np.arctan2(offsets[i, near[i], 1], offsets[i, near[i], 0]))
        gaps = np.diff(np.append(angles, angles[0] + 2 * np.pi))
        widest, missing = int(gaps.argmax()), int(bonds[i] - n_near[i])
        if gaps[widest] < (missing + _WIDE_GAP) * 2 * np.pi / bonds[i]:
            continue
        length = float(np.median(distance[i, near[i]]))
        for step in range(1, missing + 1):
            angle = angles[widest] + gaps[widest] * step / (missing + 1)
            places.append(position[i] + length * np.array([np.cos(angle), np.sin(angle)]))
            voters.append(i)
            usual.append(bonds[i])
    nothing = np.zeros(0)
    if not places:
        return np.zeros(0, np.int64), nothing, nothing
    points, atoms = np.array(places), cKDTree(position)
    voter = np.array(voters)
    free = np.ones(len(points), dtype=bool)
    found = []
    for number, close in enumerate(cKDTree(points).query_ball_point(points, CONSTANTS.vacancy_radius)):
        close = [c for c in close if free[c]]
        if not free[number] or not close:
            continue
        place = points[close].mean(axis=0)
        votes = len(np.unique(voter[close]))
        needed = max(2, CONSTANTS.vacancy_votes * float(np.median([usual[c] for c in close])))
        if votes >= needed and atoms.query(place)[0] > 2 * CONSTANTS.vacancy_radius:
            found.append(place)
            free[close] = False
    if not found:
        return np.zeros(0, np.int64), nothing, nothing
    vacant = np.array(found)
    reached = atoms.query_ball_point(vacant, neighbours.reach + INSET)
    atom = np.concatenate([np.asarray(r, dtype=np.int64) for r in reached])
    apart = np.repeat(vacant, [len(r) for r in reached], axis=0) - position[atom]
    return atom, apart[:, 0], apart[:, 1]


def _positions(neighbours: Neighbourhoods) -> NDArray[np.float64]:
    """x, y of the atoms in nearest-neighbour distances, those of separate groups (frames) far from one another."""
    position = INSET - neighbours.window[:, [0, 2]]
    listed = neighbours.neighbours
    atom, place = np.nonzero(listed >= 0)
    graph = csr_array((np.ones(len(atom), np.int8), (atom, listed[atom, place])), shape=(len(listed),) * 2)
    component = connected_components(graph, directed=False)[1]
    width = float(np.ptp(position[:, 0])) + 10 if len(position) else 0.0
    return position + np.column_stack([component * width, np.zeros(len(position))])


@dataclass(frozen=True)
class Environments:
    """Motifs with what of other kinds stands in the disc.

    Attributes
    ----------
    inner, radius : float
        Neighbours at distances from `inner` to `radius` are counted, nearest-neighbour distances.
    signatures : ndarray of int64, shape (e, 1 + kinds)
        Environment through the radius before, and the number of neighbours of each kind, vacant places last.
    """

    inner: float
    radius: float
    signatures: NDArray[np.int64]

    @classmethod
    def fit(
        cls,
        surroundings: Surroundings,
        labels: NDArray[np.integer],
        inner: float,
        radius: float,
        min_size: int,
    ) -> tuple[Environments, NDArray[np.int32]]:
        """Return them with the environment of each atom (n,), 0 the most frequent; those of few atoms join the usual one.

        `labels` (n,) are the environments through the radius before, or the motifs.
        """
        plain = cls(inner, radius, np.zeros((0, surroundings.n_kinds + 2), dtype=np.int64))
        table = plain._table(surroundings, labels)
        first, _, count = distinct_rows(table)
        rows = table[first]
        usual = (rows[:, 1:] == 0).all(axis=1)
        rows, count = rows[usual | (count >= min_size)], count[usual | (count >= min_size)]
        missing = np.setdiff1d(np.unique(labels), rows[(rows[:, 1:] == 0).all(axis=1), 0])
        base = np.zeros((len(missing), rows.shape[1]), dtype=np.int64)
        base[:, 0] = missing
        rows = np.concatenate([rows, base])
        found = cls(inner, radius, rows)
        own = found.classify(surroundings, labels)
        size = np.bincount(own, minlength=len(rows))
        first = np.full(len(rows), len(own))
        np.minimum.at(first, own, np.arange(len(own)))
        order = np.lexsort((first, -size))
        rank = np.empty(len(order), dtype=np.int32)
        rank[order] = np.arange(len(order))
        return cls(inner, radius, rows[order]), rank[own]

    def classify(self, surroundings: Surroundings, labels: NDArray[np.integer]) -> NDArray[np.int32]:
        """Return the environment of each atom (n,)."""
        table = self._table(surroundings, labels)
        number = {tuple(row): i for i, row in enumerate(self.signatures.tolist())}
        plain = {int(row[0]): i for i, row in reversed(list(enumerate(self.signatures.tolist())))}
        plain |= {int(row[0]): i for i, row in enumerate(self.signatures.tolist()) if not any(row[1:])}
        first, inverse, _ = distinct_rows(table)
        own = [number.get(tuple(row), plain.get(row[0], 0)) for row in table[first].tolist()]
        return np.array(own, dtype=np.int32)[inverse]

    def _table(self, surroundings: Surroundings, labels: NDArray[np.integer]) -> NDArray[np.int64]:
        numbers = [surroundings.counts(k, self.inner, self.radius) for k in range(surroundings.n_kinds + 1)]
        return np.column_stack([labels, *numbers]).astype(np.int64)
