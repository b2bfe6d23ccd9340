"""Counterparts of each atom, with the same surroundings whatever stands at their centre, and its displacement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from scipy.stats import binom, norm

from hyperspy_motifs.common import BLOCK

# Lengths in nearest-neighbour distances. The surroundings reach the second shell of a honeycomb (1.73).
REACH = 1.85
# Neighbours within this distance are of the first shell: between the distance 1 and the square root of 2 of a square lattice.
FIRST_SHELL = 1.35
# Distance of the points at which the surroundings are described, and the blur, well above the scatter of positions.
_GRID_STEP = 0.35
_BLUR = 0.25
# Counterparts of each atom. The median of 48 adds one percent to the scatter of a residual.
N_COUNTERPARTS = 48
# Counterparts are looked for among this many nearest atoms.
NEARBY = 1000
# Surroundings differ by noise up to this many times the distance of the twelfth most similar. Without this allowance an atom
# would be compared with those that happen to have moved as it has.
_RANK, _SPREAD = 12, 3.0
# Other surroundings begin where the distance of the next ones is larger by this factor, and by more than chance among equal
# ones leaves at this level. Noise acts in about six dimensions on the surroundings of honeycombs, perovskites and M1.
_GAP, _LEVEL, _DIMENSION = 1.1, 1e-4, 6
_BLOCK = 128
# Components of the surroundings that are compared: sites of a complex oxide need about as many as it has sites.
_COMPONENTS = 16
# Surroundings whose counterparts are this many times further away than those of the counterparts themselves are unlike any.
UNLIKE = 2.5
# Share of the residuals whose largest shows their scatter: those within about one standard deviation, and what it is for normal
# ones.
MOST = 0.68
MOST_OF_NORMAL = float(norm.ppf((1 + MOST) / 2))
# Fewer counterparts say nothing of what is usual.
_FEWEST = 4


@dataclass(frozen=True)
class Counterparts:
    """Atoms with the same surroundings.

    Attributes
    ----------
    index : ndarray of int, shape (n, k)
        Counterparts of each atom, never the atom itself; repeated where there are fewer than k.
    ratio : ndarray of shape (n,)
        Distance of the surroundings of the atom from those of its counterparts, in units of their own such distances: about
        1 where the surroundings repeat.
    count : ndarray of int, shape (n,)
        Number of different counterparts of each atom.
    alike : ndarray of shape (n,)
        Share of the counterparts of each atom that are so for each other: about 1, and less for an atom that resembles
        none, and so atoms of many kinds equally.
    """

    index: np.ndarray
    ratio: np.ndarray
    count: np.ndarray
    alike: np.ndarray

    @property
    def comparable(self) -> np.ndarray:
        """Whether the surroundings of each atom repeat, shape (n,)."""
        return (self.ratio < UNLIKE) & (self.count >= _FEWEST) & (self.alike > 0.5)

    def median(self, values: np.ndarray) -> np.ndarray:
        """Median of the counterparts' `values` (n, ...) for each atom, NaN left out."""
        return median_of_known(values[self.index])

    def of_others(
        self, which: np.ndarray, others: np.ndarray, usable: np.ndarray, values: np.ndarray
    ) -> tuple[Counterparts, np.ndarray]:
        """Compare the sites `which` with the counterparts of another, whose own surroundings are complete and repeat.

        Parameters
        ----------
        which : ndarray of int, shape (m,)
        others : ndarray of int, shape (m, t)
            Sites that may be of the same kind as each; -1 for none.
        usable : ndarray of bool, shape (n,)
            Sites that may be compared with.
        values : ndarray of shape (n,)
            What is compared. Of kinds that differ, the one most similar in value is taken: a defect differs from every kind of
            atom that could stand there.

        Returns
        -------
        counterparts : Counterparts
        with_other : ndarray of bool, shape (n,)
            Those of `which` that have a usable one.
        """
        with_other = np.zeros(len(usable), bool)
        index, ratio, count, alike = (x.copy() for x in (self.index, self.ratio, self.count, self.alike))
        if others.size:
            off = np.abs(self.median(values)[others] - values[which, None])
            off[(others < 0) | ~usable[others]] = np.inf
            best = off.argmin(axis=1)
            found = np.isfinite(off).any(axis=1)
            rows, other = which[found], others[found, best[found]]
            with_other[rows] = True
            for own in (index, ratio, count, alike):
                own[rows] = own[other]
            index[rows, -1] = other
        return Counterparts(index, ratio, count, alike), with_other

    def number(self, which: np.ndarray) -> np.ndarray:
        """Number of the different counterparts of each atom in the mask `which`, shape (n,)."""
        different = np.arange(self.index.shape[1]) < self.count[:, None]
        return np.asarray((which[self.index] & different).sum(axis=1))

    def scatter(self, residuals: np.ndarray) -> np.ndarray:
        """Robust standard deviation of the counterparts' `residuals` (n, ...) for each atom.

        From the deviation that 68 % of the counterparts have at most: more precise than the median of the deviations, and
        little changed by a fifth of defects.
        """
        return quantile_of_known(np.abs(residuals)[self.index], MOST) / MOST_OF_NORMAL


def median_of_known(values: np.ndarray) -> np.ndarray:
    """Median along the second axis of the values that are not NaN; NaN where there are none."""
    return quantile_of_known(values, 0.5)


def trimean_of_known(values: np.ndarray) -> np.ndarray:
    """Trimean along the second axis of the values that are not NaN: less noise than a median, nearly as robust."""
    return (
        quantile_of_known(values, 0.25) + 2 * quantile_of_known(values, 0.5) + quantile_of_known(values, 0.75)
    ) / 4


def quantile_of_known(values: np.ndarray, fraction: float) -> np.ndarray:
    """Quantile along the second axis of the values that are not NaN; NaN where there are none.

    Faster than ``numpy.nanquantile`` on many short rows.
    """
    ordered = np.sort(values, axis=1)  # NaN last
    count = np.isfinite(ordered).sum(axis=1, keepdims=True)
    place = fraction * np.maximum(count - 1, 0)
    first = np.floor(place).astype(np.int64)
    low = np.take_along_axis(ordered, first, axis=1)
    high = np.take_along_axis(ordered, np.minimum(first + 1, np.maximum(count - 1, 0)), axis=1)
    return np.asarray((low + (place - first) * (high - low)).squeeze(axis=1))


def find_counterparts(
    points: np.ndarray,
    intensities: np.ndarray,
    spacing: float,
    places: np.ndarray | None = None,
    fewest: int = 1,
    kinds: np.ndarray | None = None,
    near: np.ndarray | None = None,
) -> Counterparts:
    """Find the atoms with the same surroundings as each atom.

    The surroundings are the neighbours up to 1.85 nearest-neighbour distances, blurred, without the atom itself. Their
    principal components are compared. So an atom is compared with what stands in its place elsewhere, and not with what
    looks like it.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
    intensities : ndarray of shape (n,)
        In units of the typical one.
    spacing : float
        Nearest-neighbour distance in the units of `points`.
    places : ndarray of shape (n, 2), optional
        Places around which the surroundings are described; by default those of the atoms. An atom that has moved within its
        surroundings sees all of them moved.
    fewest : int, optional
        Surroundings beyond the first gap in likeness after this many atoms are others. A majority of the atoms on a site is
        needed for what usually stands there: beside an odd neighbour the most alike are the few atoms that have such a
        neighbour as well.
    kinds : ndarray of int, shape (n,), optional
        Kinds of sites (:func:`site_kinds`). Atoms on sites of different kinds are no counterparts, however noise makes their
        surroundings look.
    near : ndarray of int, shape (n, m), optional
        What :func:`nearest_atoms` returns, if it is known.

    Returns
    -------
    Counterparts
    """
    n = len(points)
    centres = points if places is None else places
    described = describe_surroundings(points / spacing, intensities, centres / spacing)
    described = described - described.mean(axis=0)
    # Eigenvectors of the small covariance matrix: deterministic, and as exact as a decomposition of the table.
    _, vectors = np.linalg.eigh(described.T @ described / n)
    main = described @ vectors[:, ::-1][:, : min(_COMPONENTS, n - 1)]
    near = nearest_atoms(points) if near is None else near
    nearby = near.shape[1]
    k, rank = min(N_COUNTERPARTS, nearby), min(_RANK, nearby) - 1
    index, typical, count = np.empty((n, k), np.int64), np.empty(n), np.empty(n, np.int64)
    limit = np.empty(n, np.float32)
    main = main.astype(np.float32)
    for first in range(0, n, _BLOCK):
        rows = slice(first, first + _BLOCK)
        offset = main[near[rows]]
        offset -= main[rows, None]
        distance = np.sqrt(np.einsum("ijk,ijk->ij", offset, offset))
        if kinds is not None:
            own, theirs = kinds[rows, None], kinds[near[rows]]
            distance[(own >= 0) & (theirs >= 0) & (own != theirs)] = np.inf
        ordered = np.sort(distance, axis=1)
        typical[rows] = ordered[:, rank]
        limit[rows] = _SPREAD * typical[rows]
        limit[rows] = np.minimum(limit[rows], _first_gap(ordered, fewest))
        typical[rows] = np.minimum(typical[rows], limit[rows])
        # Of those with the same surroundings the nearest in space.
        same = (distance <= limit[rows, None]) & np.isfinite(distance)
        count[rows] = np.clip(same.sum(axis=1), 1, k)
        # Sixteen bits are sorted by radix, several times faster.
        key = np.where(same, np.arange(nearby), nearby).astype(np.int16)
        chosen = np.argsort(key, axis=1, kind="stable")[:, :k]
        # Fewer are repeated.
        repeated = np.arange(k) % count[rows, None]
        index[rows] = np.take_along_axis(near[rows], np.take_along_axis(chosen, repeated, axis=1), axis=1)
    usual = np.median(typical[index], axis=1)
    alike = _share_alike(main, index[:, : min(k, _RANK)], limit)
    return Counterparts(index, typical / np.maximum(usual, np.finfo(float).tiny), count, alike)


def nearest_atoms(points: np.ndarray) -> np.ndarray:
    """Nearest atoms of each, among which its counterparts are looked for, by distance, shape (n, at most 1000)."""
    k = min(NEARBY, len(points) - 1)
    return np.asarray(cKDTree(points).query(points, k=k + 1)[1][:, 1:])


def _share_alike(main: np.ndarray, index: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Share of the pairs of counterparts of each atom of which one is a counterpart of the other, shape (n,)."""
    share = np.empty(len(index))
    for first in range(0, len(index), _BLOCK):
        chosen = index[first : first + _BLOCK]
        distance = np.linalg.norm(main[chosen][:, :, None] - main[chosen][:, None], axis=-1)
        pair = chosen[:, :, None] != chosen[:, None]
        within = pair & (distance <= limit[chosen][:, :, None])
        share[first : first + _BLOCK] = within.sum(axis=(1, 2)) / np.maximum(pair.sum(axis=(1, 2)), 1)
    return share


def site_kinds(twins: np.ndarray) -> np.ndarray:
    """Kinds of the sites that translations join, directly or through others.

    Parameters
    ----------
    twins : ndarray of int, shape (n, k)
        Sites to which translations map each; -1 for none.

    Returns
    -------
    ndarray of int, shape (n,)
        Number of the kind; -1 where fewer sites are joined than a comparison needs.
    """
    n = len(twins)
    site, number = np.nonzero(twins >= 0)
    joined = coo_array((np.ones(len(site)), (site, twins[site, number])), shape=(n, n))
    _, kinds = connected_components(joined, directed=False)
    return np.where(np.bincount(kinds, minlength=n)[kinds] > N_COUNTERPARTS, kinds, -1)


def _first_gap(ordered: np.ndarray, fewest: int) -> np.ndarray:
    """Distance at the first gap after `fewest` in each row of ascending distances; infinite where there is none.

    Among surroundings that differ by noise in d dimensions, r d log(distance r + 1 / distance r) is exponential.
    """
    if ordered.shape[1] <= fewest:
        return np.full(len(ordered), np.inf)
    rank = np.arange(fewest, ordered.shape[1])
    lower, upper = ordered[:, fewest - 1 : -1], ordered[:, fewest:]
    gap = upper > lower * np.maximum(_GAP, _LEVEL ** (-1 / (rank * _DIMENSION)))
    first = gap.argmax(axis=1)
    return np.where(gap.any(axis=1), lower[np.arange(len(lower)), first], np.inf)


def describe_surroundings(points: np.ndarray, intensities: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Blurred brightness of the neighbours of each atom on a grid around its centre, shape (n, g).

    Lengths are in nearest-neighbour distances.
    """
    side = np.arange(-REACH, REACH + 1e-9, _GRID_STEP)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    grid = grid[np.hypot(*grid.T) <= REACH]
    pairs = cKDTree(points).query_pairs(REACH, output_type="ndarray")
    one, other = np.concatenate([pairs, pairs[:, ::-1]]).T
    offset = points[other] - centres[one]
    distance = np.hypot(*offset.T)
    # Fades out towards the reach, so that a neighbour on the rim is not in or out by chance; the nearest count most.
    weight = np.cos(0.5 * np.pi * np.minimum(distance / REACH, 1)) ** 2 * intensities[other]
    out = np.zeros((len(points), len(grid)))
    for g, point in enumerate(grid):
        near = np.flatnonzero((np.abs(offset - point) < 3 * _BLUR).all(axis=1))
        blurred = np.exp(-0.5 * ((offset[near] - point) ** 2).sum(axis=1) / _BLUR**2)
        out[:, g] = np.bincount(one[near], weight[near] * blurred, len(points))
    return out


# Reaches of the neighbours that predict a place, in nearest-neighbour distances: the first shell, the second, and more.
_REACHES = (FIRST_SHELL, REACH, 2.2)
# A neighbour corresponds to that of a counterpart within this distance, in nearest-neighbour distances.
_SAME = 0.35
# Counterparts of which the offsets of the neighbours are taken, and neighbours that are looked at.
_TEMPLATES = 16
_MOST_NEIGHBOURS = 18
# Share of the neighbours of an atom that its counterparts must have as well if it is asked about a further one.
_ALIKE_OTHERWISE = 0.7
# Neighbours that must agree on a place.
_FEWEST_VOTES = 3


@dataclass(frozen=True)
class PredictedPlaces:
    """Where each atom predicts its neighbours.

    Attributes
    ----------
    neighbours : ndarray of int, shape (n, k)
        Indices of the k nearest atoms of each.
    distances : ndarray of shape (n, k)
        In nearest-neighbour distances.
    deviations : ndarray of shape (n, k, 2)
        The neighbour minus its predicted place, in the units of the points; NaN where nothing is predicted.
    """

    neighbours: np.ndarray
    distances: np.ndarray
    deviations: np.ndarray

    def unexpected(self, voters: np.ndarray) -> np.ndarray:
        """p-value of each atom for standing in a place where its neighbours expect one, shape (n,).

        A neighbour expects an atom if its counterparts have a neighbour in that place as well. The answers are compared with
        a binomial distribution whose probability is the mean over all atoms: where much does not repeat, little is unexpected.

        Parameters
        ----------
        voters : ndarray of bool, shape (n,)
            Neighbours asked.

        Returns
        -------
        ndarray of shape (n,)
            1 for atoms with fewer than three neighbours to ask.
        """
        near = self.distances <= _REACHES[1]
        says = near & np.isfinite(self.deviations).all(axis=-1)
        # An atom whose surroundings differ in more than the place in question does not know.
        voters = voters & (says.sum(axis=1) >= _ALIKE_OTHERWISE * near.sum(axis=1))
        asked = near & voters[:, None]
        says &= asked
        n = len(voters)
        votes = np.bincount(self.neighbours[asked], minlength=n)
        yes = np.bincount(self.neighbours[says], minlength=n)
        usual = yes.sum() / max(votes.sum(), 1)
        return np.where(votes >= _FEWEST_VOTES, binom.cdf(yes, votes, usual), 1.0)

    def displacements(self, left_out: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Mean deviation of each atom from the places that its neighbours predict, each by its own counterparts.

        Of three reaches of neighbours the one with the smallest scatter of all displacements is used.

        Parameters
        ----------
        left_out : ndarray of bool, shape (n,), optional
            Atoms that predict nothing, such as defects.

        Returns
        -------
        displacements : ndarray of shape (n, 2)
            NaN for atoms with fewer than three neighbours that correspond.
        noise : ndarray of shape (n,)
            Expected scatter of the displacement relative to that of the other atoms, by the number of neighbours: the mean
            of m predictions has the variance 1/m of a position.
        """
        known = np.isfinite(self.deviations).all(axis=-1)
        n = len(self.neighbours)
        if left_out is not None:
            known &= ~left_out[:, None]
        best, noise, least = np.full((n, 2), np.nan), np.ones(n), np.inf
        for limit in _REACHES:
            used = known & (self.distances <= limit)
            predicted = self.neighbours[used]
            count = np.bincount(predicted, minlength=n)
            total = np.stack([np.bincount(predicted, off, n) for off in self.deviations[used].T], axis=1)
            enough = count >= _FEWEST_VOTES
            if enough.mean() < 0.5:
                continue
            moved = np.where(enough[:, None], total / np.maximum(count, 1)[:, None], np.nan)
            scatter = float(np.median(np.abs(moved[enough] - np.median(moved[enough], axis=0))))
            if scatter < least:
                best, noise, least = moved, np.sqrt(1 + 1 / np.maximum(count, 1)), scatter
        return best, noise / np.median(noise)


def predict_places(points: np.ndarray, counterparts: Counterparts, spacing: float) -> PredictedPlaces:
    """Predict the places of the neighbours of each atom.

    An atom predicts a neighbour at the offset that its counterparts have to their corresponding neighbour (their median); in
    a lattice the mean of the predictions is the midpoint of opposite neighbours. The surroundings of an atom that has moved are
    unusual, and those of its neighbours hardly are.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
    counterparts : Counterparts
    spacing : float
        Nearest-neighbour distance in the units of `points`.

    Returns
    -------
    PredictedPlaces
    """
    n = len(points)
    k = min(_MOST_NEIGHBOURS, n - 1)
    distance, neighbour = cKDTree(points).query(points, k=k + 1)
    distance, neighbour = distance[:, 1:] / spacing, neighbour[:, 1:]
    offset = ((points[neighbour] - points[:, None]) / spacing).astype(np.float32)
    deviation = np.full((n, k, 2), np.nan)
    others = counterparts.index[:, :_TEMPLATES]
    # Neighbours beyond the reach of the counterparts' are pushed out of the way of the search.
    x, y = np.moveaxis(
        np.where((distance <= _REACHES[-1] + _SAME)[..., None], offset, np.float32(1e6)), -1, 0
    )
    for first in range(0, n, BLOCK):
        rows = slice(first, first + BLOCK)
        their_x, their_y = x[others[rows]], y[others[rows]]
        gap = (offset[rows, :, None, None, 0] - their_x[:, None]) ** 2
        gap += (offset[rows, :, None, None, 1] - their_y[:, None]) ** 2
        nearest = gap.argmin(axis=-1)
        found = np.take_along_axis(gap, nearest[..., None], axis=-1)[..., 0] < _SAME**2
        usable = (distance[rows] <= _REACHES[-1]) & (found.sum(axis=-1) >= 0.5 * others.shape[1])
        block, _ = np.nonzero(usable)
        which = (block[:, None], np.arange(others.shape[1]), nearest[usable])
        template = np.stack([their_x[which], their_y[which]], axis=-1)
        template[~found[usable]] = np.nan
        deviation[rows][usable] = offset[rows][usable] - median_of_known(template)
    return PredictedPlaces(neighbour, distance, deviation * spacing)
