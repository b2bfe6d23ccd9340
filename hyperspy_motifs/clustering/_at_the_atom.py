"""What is different at the atom itself: its column, and the places of its nearest neighbours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import chi2, ncx2

from hyperspy_motifs.common import REPORTED_LEVEL, SAMPLE, SMALLEST_SAMPLE
from hyperspy_motifs.sites import Neighbourhoods, distances_from_places, nearest_places
from hyperspy_motifs.zernike import MomentsLike, to_complex

from ._constants import CONSTANTS
from ._crosstalk import NeighbourCrosstalk, core_weights
from ._environment import Sublattices, vacant_places
from ._mixture import axes_of
from ._neighbourhood_features import NeighbourhoodFeatures, missing_error
from ._split_test import fold_numbers

_CORE_ORDER = 4  # radial order of the moments of the core
_FEWEST = 4  # atoms with known surroundings, from which two groups are compared
# Total variation of the kinds of nearest neighbours; half of them differ at an interface.
_OTHER_SUBLATTICE = 0.75
_ROW = 0.5  # distances along y within which atoms are of one row of the scan


@dataclass(frozen=True)
class _Group:
    """A group of atoms.

    Attributes
    ----------
    members, sample : ndarray of int64
        Indices of all of them, and of those that are compared.
    places : ndarray, shape (s, 2)
        Of the nearest neighbours.
    nearest : ndarray, shape (k,)
        Share of each kind among the nearest neighbours.
    n_placed : int
        Atoms that the places are computed from.
    off : float
        Median squared distance of the nearest neighbours of the sample from the places.
    wander : float
        Variance of the places by the wander of the scan, which displaces all atoms of a row alike.
    absent : float
        Median number of nearest neighbours that are neither there nor vacant.
    """

    members: NDArray[np.int64]
    sample: NDArray[np.int64]
    places: NDArray[np.float64]
    nearest: NDArray[np.float64]
    n_placed: int
    off: float
    wander: float
    absent: float

    def variance_of_places(self) -> float:
        """In each direction; the scatter of the neighbours about places that follow them is the smaller."""
        # `off` is the median of the mean square of k distances in the plane: twice the variance in one direction, nearly.
        k = len(self.places)
        return float(self.off * k / chi2.median(2 * k) / max(self.n_placed - 1, 1)) + self.wander


@dataclass(frozen=True)
class AtTheAtom:
    """Compares groups of atoms by their columns and the places of their nearest neighbours.

    Two groups that differ only beyond have different surroundings: they are one motif.

    Attributes
    ----------
    column : ndarray, shape (n, f)
        Features through the smallest radius.
    core : ndarray, shape (n, c)
        Features of the inner half of that disc. The tails of neighbours end outside it.
    error : float
        Standard deviation that is added to the noise of both.
    neighbours : Neighbourhoods
    known : ndarray of bool, shape (n,)
        Atoms with whole discs.
    rotation_invariant : bool
    kinds : ndarray of int, shape (n,)
    absent : ndarray of int, shape (n,)
        Nearest neighbours that are usual for the kind, and neither there nor vacant.
    """

    column: NDArray[np.float64]
    core: NDArray[np.float64]
    error: float
    neighbours: Neighbourhoods
    known: NDArray[np.bool_]
    rotation_invariant: bool
    kinds: NDArray[np.integer]
    absent: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        moments_of: Callable[[float], MomentsLike],
        radius: float,
        unit: NDArray[np.float64],
        crosstalk: NeighbourCrosstalk | None,
        neighbours: Neighbourhoods,
        kinds: NDArray[np.integer],
        rotation_invariant: bool,
    ) -> AtTheAtom:
        """Return what is seen through the smallest `radius`, with moments in the `unit` (K,) of their noise."""
        first, wider = moments_of(radius), moments_of(CONSTANTS.ring_radius)
        values = first.values if crosstalk is None else crosstalk.remove(first, wider)
        features = NeighbourhoodFeatures.of(first, rotation_invariant, unit, values)
        known = features.sound & np.asarray(wider.valid, bool)
        core = core_features(first, values, unit, rotation_invariant)
        error = missing_error(features, first, unit)
        near = neighbours.within(CONSTANTS.bonded)
        absent = _absent_neighbours(neighbours, kinds)
        return cls(features.filled(), core, error, near, known, rotation_invariant, kinds, absent)

    def with_kinds(self, neighbours: Neighbourhoods, kinds: NDArray[np.integer]) -> AtTheAtom:
        """Return the same for other kinds (n,) of the atoms."""
        return replace(self, kinds=kinds, absent=_absent_neighbours(neighbours, kinds))

    def merged(self, groups: NDArray[np.integer]) -> NDArray[np.int32]:
        """Return the number (g,) of each group after those that do not differ at the atom were merged, the nearest first.

        `groups` (n,) are 0..g-1, negative for atoms of other groups.
        """
        count = int(groups.max()) + 1
        to = np.arange(count)
        if count < 2:
            return to.astype(np.int32)
        found = [self._group(np.flatnonzero((groups == g) & self.known)) for g in range(count)]
        bonds = self._bonds(groups)
        # Distances of the pairs that may be one motif; a few atoms between two frequent groups join the one that they resemble.
        apart, whole = np.full((count, count), np.inf), np.zeros((count, count), dtype=bool)
        pairs = [(a, b) for a in range(count) for b in range(a + 1, count)]
        while True:
            for a, b in pairs:
                differ, distance = self._difference(
                    found[a], found[b], alternate(bonds[np.ix_((a, b), (a, b))])
                )
                apart[a, b], whole[a, b] = distance if differ < 1 else np.inf, False
            a, b = (int(i) for i in np.unravel_index(apart.argmin(), apart.shape))
            # The displacements take most of the time, and can only add: they are computed of the nearest pair.
            while apart[a, b] < np.inf and not whole[a, b]:
                displacement = self._displacement(found[a], found[b])
                apart[a, b] = max(apart[a, b], displacement) if displacement < 1 else np.inf
                whole[a, b] = True
                a, b = (int(i) for i in np.unravel_index(apart.argmin(), apart.shape))
            if apart[a, b] == np.inf:
                return np.unique(to, return_inverse=True)[1].astype(np.int32)
            to[to == b] = a
            found[a] = self._group(np.sort(np.concatenate([found[a].members, found[b].members])))
            bonds[a] += bonds[b]
            bonds[:, a] += bonds[:, b]
            apart[b], apart[:, b] = np.inf, np.inf
            pairs = [(min(a, o), max(a, o)) for o in np.unique(to).tolist() if o != a]

    def without_deformed(self, labels: NDArray[np.integer], count: int) -> NDArray[np.int32]:
        """Return the motif that each motif (g,) belongs to after those were merged that a change of coordination explains.

        The neighbours of an atom with another number of nearest neighbours than is usual for its kind are displaced, and so are
        the next ones. Where such a motif among the nearest neighbours tells the atoms of another motif from the frequent motif
        of their kind, and their columns do not, they are deformed surroundings.

        `labels` (n,) are the motifs of all atoms, 0..g-1 with g the `count`; a motif may have none.
        """
        size = np.bincount(labels, minlength=count)
        own = np.zeros((count, int(self.kinds.max()) + 1), dtype=np.int64)
        np.add.at(own, (labels, self.kinds), 1)
        kind_of = own.argmax(axis=1)
        usual = np.array(
            [np.flatnonzero(kind_of == kind)[size[kind_of == kind].argmax()] for kind in kind_of]
        )
        offsets, listed = self.neighbours.offsets, self.neighbours.neighbours
        near = (np.hypot(*np.moveaxis(offsets, -1, 0)) < CONSTANTS.bonded) & (listed >= 0)
        beside = np.zeros((len(labels), count), dtype=bool)
        atom, place = np.nonzero(near)
        beside[atom, labels[listed[atom, place]]] = True
        members = [(labels == g) & self.known for g in range(count)]
        bonds = np.array([np.median(near[m].sum(axis=1)) if m.any() else np.nan for m in members])
        causes = [g for g in range(count) if abs(bonds[g] - bonds[usual[g]]) >= 1]
        to = np.arange(count, dtype=np.int32)
        for cause in causes:  # it grows: what is deformed deforms its own neighbours
            for g in range(count):
                if g in causes or g == usual[g] or not (members[g].any() and members[usual[g]].any()):
                    continue
                told = beside[members[g], cause].mean() - beside[members[usual[g]], cause].mean()
                a, b = (self._group(np.flatnonzero(members[k])) for k in (g, usual[g]))
                if told >= CONSTANTS.told and self._column_difference(a, b)[0] < 1:
                    to[g] = usual[g]
                    causes.append(g)
        return to

    def _group(self, members: NDArray[np.int64]) -> _Group:
        sample = members[:: max(1, -(-len(members) // SAMPLE))]
        placed = members[:: max(1, -(-len(members) // SMALLEST_SAMPLE))]
        atoms = self.neighbours.take(placed)
        places = nearest_places(atoms, CONSTANTS.bonded, rotation_invariant=self.rotation_invariant)
        near = np.hypot(*np.moveaxis(atoms.offsets, -1, 0)) < CONSTANTS.bonded
        around = atoms.kinds(self.kinds)[near & (atoms.neighbours >= 0)]
        nearest = np.bincount(around, minlength=int(self.kinds.max()) + 1) / max(len(around), 1)
        off = self._off(sample, places) if len(places) else 0.0
        absent = float(np.median(self.absent[placed])) if len(placed) else np.nan
        n_rows = len(np.unique(np.rint(atoms.window[:, 2] / _ROW)))
        wander = 0.5 * atoms.wander * float(np.abs(places[:, 1]).mean()) / n_rows if len(places) else 0.0
        return _Group(members, sample, places, nearest, len(placed), off, wander, absent)

    def _bonds(self, groups: NDArray[np.integer]) -> NDArray[np.float64]:
        """Numbers (g, g) of nearest neighbours of each group that the atoms of a group have."""
        listed = self.neighbours.neighbours
        other = np.where(listed >= 0, groups[listed], -1)
        near = (np.hypot(*np.moveaxis(self.neighbours.offsets, -1, 0)) < CONSTANTS.bonded) & (other >= 0)
        atom, place = np.nonzero(near & (groups >= 0)[:, None])
        count = int(groups.max()) + 1
        pair = groups[atom] * count + other[atom, place]
        return np.bincount(pair, minlength=count**2).reshape(count, count).astype(float)

    def _difference(self, a: _Group, b: _Group, alternate: bool) -> tuple[float, float]:
        """Return how much two groups differ in columns and kinds of neighbours: 1 or more if they are two motifs.

        The second value is the same for groups of any size: rare atoms have no mode of their own beside near frequent ones.
        """
        if min(len(a.members), len(b.members)) < _FEWEST:
            return np.inf, np.inf
        # At the rim of a crystal neighbours are absent where no vacancy is: nothing there predicts them.
        if abs(a.absent - b.absent) >= 1:
            return np.inf, np.inf
        nearest = 0.5 * float(np.abs(a.nearest - b.nearest).sum()) / _OTHER_SUBLATTICE
        if nearest >= 1:
            return np.inf, np.inf
        differ, distance = self._column_difference(a, b, alternate)
        return max(differ, nearest), distance + nearest

    def _column_difference(self, a: _Group, b: _Group, alternate: bool = False) -> tuple[float, float]:
        """Whether the two have two modes together, and whether the core shows them too: tails of neighbours end before.

        The second value is that of two groups of equal sizes.
        """
        whole = squared_separation(self.column[a.sample], self.column[b.sample], self.error)
        if whole <= 0:
            return 0.0, 0.0
        core = squared_separation(self.core[a.sample], self.core[b.sample], self.error)
        share = min(len(a.members), len(b.members)) / (len(a.members) + len(b.members))
        shown = core / (CONSTANTS.core_share * whole)
        distance = min(whole / separation_of_two_modes(0.5) ** 2, shown)
        # Of atoms that alternate the neighbours tell which is which: no gap between the columns is needed.
        least = CONSTANTS.alternating if alternate else separation_of_two_modes(share)
        return min(whole / least**2, shown), distance

    def _displacement(self, a: _Group, b: _Group) -> float:
        r"""How much further the neighbours of either group are from the places of the other than from their own.

        It is 1 if the squared distance of the places, as measured, is significantly more than that of ``displaced``. With the
        variance v of the two places of a neighbour, in each direction, and k neighbours, k / v times the mean square of
        measured distances has a noncentral chi-squared distribution of 2 k degrees of freedom.
        """
        if not len(a.places) or not len(b.places):
            return 0.0 if len(a.places) == len(b.places) else np.inf
        squared = np.mean(
            [max(self._off(own.sample, other.places) - own.off, 0.0) for own, other in ((a, b), (b, a))]
        )
        k = min(len(a.places), len(b.places))
        variance = sum(g.variance_of_places() for g in (a, b))
        most = CONSTANTS.displaced**2
        if variance > 1e-9 * most:
            # With 0.01 rings of 7 in graphene are lost where the image is smoothed, with 0.5 six atoms at random differ.
            most = ncx2.isf(REPORTED_LEVEL, 2 * k, k * most / variance) * variance / k
        return float(np.sqrt(squared / most))

    def _off(self, sample: NDArray[np.int64], places: NDArray[np.float64]) -> float:
        """Median squared distance of the nearest neighbours of atoms from places."""
        atoms = self.neighbours.take(sample)
        found = distances_from_places(
            atoms, places, CONSTANTS.bonded, rotation_invariant=self.rotation_invariant
        )
        return float(np.median(found**2))


def _absent_neighbours(neighbours: Neighbourhoods, kinds: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return how many nearest neighbours of each atom (n,), of those usual for its kind, are neither there nor vacant.

    It is 0 near the border, where not all neighbours of a vacant place are seen.
    """
    sublattices = Sublattices.of(neighbours, kinds)
    bonds = sublattices.bonds[kinds]
    atom, x, y = vacant_places(neighbours, bonds, sublattices.host[kinds])
    vacant = np.bincount(atom[np.hypot(x, y) < CONSTANTS.bonded], minlength=len(kinds))
    near = np.hypot(*np.moveaxis(neighbours.offsets, -1, 0)) < CONSTANTS.bonded
    there = (near & (neighbours.neighbours >= 0)).sum(axis=1)
    inner = (np.abs(neighbours.window) > 3 * CONSTANTS.bonded).all(axis=1)
    return np.where(inner, np.maximum(bonds - there - vacant, 0), 0)


def alternate(bonds: NDArray[np.float64]) -> bool:
    """Whether two groups avoid themselves, given the numbers (2, 2) of their nearest neighbours in either of them."""
    share = bonds[:, 1] / np.maximum(bonds.sum(axis=1), 1)
    return bool(share[0] - share[1] >= CONSTANTS.same_sublattice)


def squared_separation(A: NDArray[np.float64], B: NDArray[np.float64], error: float = 0.0) -> float:
    r"""Return the squared distance of the means of two groups (n, d) in units of their scatter, without bias.

    The products of the differences of the means of one fold and of the others have the expectation of the square. An `error`
    of every feature is added to the scatter.
    """
    X = np.concatenate([A, B])
    P = axes_of(X).apply(X)[:, : CONSTANTS.dimensions[1]]
    parts = P[: len(A)], P[len(A) :]
    centred = np.concatenate([part - part.mean(axis=0) for part in parts])
    scatter = centred.T @ centred / max(len(P) - 2, 1) + (CONSTANTS.ridge + error**2) * np.eye(P.shape[1])
    held, learned, size = [], [], []
    for part in parts:
        fold = fold_numbers(len(part), 0, 0)[0] % CONSTANTS.folds
        inside = (fold == np.arange(CONSTANTS.folds)[:, None]).astype(np.float64)
        n, sums = inside.sum(axis=1), inside @ part
        held.append(sums / np.maximum(n, 1)[:, None])
        learned.append((sums.sum(axis=0) - sums) / np.maximum(len(part) - n, 1)[:, None])
        size.append(n)
    known = (size[0] > 0) & (size[1] > 0) & (size[1] < len(B))
    products = (learned[1] - learned[0]) * np.linalg.solve(scatter, (held[1] - held[0]).T).T
    weight = size[1] * known
    return float(weight @ products.sum(axis=1)) / max(float(weight.sum()), 1.0)


def separation_of_two_modes(share: float) -> float:
    """Return the distance of two Gaussians of one scatter, in spreads, from which their mixture has two modes.

    The rarer of the two has a `share` of the points, above 0 and at most 0.5 (Behboodian, Technometrics 12 (1970) 131).
    """
    odds = float(np.log((1 - share) / share))

    def excess(half: float) -> float:
        root = np.sqrt(half**2 - 1)
        return float(2 * np.log(half - root) + 2 * half * root) - odds

    return 2 * float(brentq(excess, 1.0, 6.0)) if odds > 0 else 2.0


def core_features(
    moments: MomentsLike, values: NDArray[np.floating], unit: NDArray[np.float64], rotation_invariant: bool
) -> NDArray[np.float64]:
    """Return the moments of the inner half of discs (`core_weights`), in units of their noise, shape (n, c).

    Parameters
    ----------
    moments : Moments
    values : ndarray, shape (n, K)
        In place of those of `moments`.
    unit : ndarray, shape (K,)
        Noise of the moments.
    rotation_invariant : bool
    """
    whole, kept = to_complex(np.nan_to_num(np.asarray(values, np.float64)), moments.modes)
    noise = np.abs(to_complex(unit[None], moments.modes)[0][0])
    columns = []
    for k in range(_CORE_ORDER + 1):
        for m in range(k % 2, k + 1, 2):
            rows = np.flatnonzero(kept[:, 1] == m)
            if not len(rows) or kept[rows, 0].max() < k:  # functions of a lower order have no part of order k
                continue
            factors = core_weights(kept[rows, 0], k, m)
            two = 2 if m else 1
            core = whole[:, rows] @ factors / np.sqrt((factors**2 * noise[rows] ** 2).sum() / two)
            columns += (
                [core.real] if m == 0 else [np.abs(core)] if rotation_invariant else [core.real, core.imag]
            )
    return np.column_stack(columns)
