"""What minority kinds, vacant places and strain of the neighbours explain of features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array
from scipy.spatial.distance import cdist

from hyperspy_motifs.common import robust_spread
from hyperspy_motifs.sites import Neighbourhoods
from hyperspy_motifs.zernike import MomentsLike, noise_unit, to_complex, to_real

from ._constants import CONSTANTS
from ._environment import Surroundings, sites_mix
from ._neighbourhood_features import NeighbourhoodFeatures, frequent_sites, with_least_error

_NEAREST = 0.5  # distances: no two columns are nearer
_SOFT = 0.3  # distances from the first to the last neighbour that counts in part


@dataclass(frozen=True)
class NeighbourEffects:
    r"""How minority kinds and vacant places around an atom change its moments.

    Images of columns add up, so a neighbour that differs from the usual one at the distance r and the angle
    :math:`\phi` changes the moment (n, m) by :math:`e^{i m \phi} \sum_s b_{nms} h_s(r)` with real b and hat functions h. They
    are fitted to all atoms together by least squares.

    Attributes
    ----------
    kinds : ndarray of int32, shape (q,)
        Minority kinds, and the number of kinds for vacant places.
    knots : ndarray, shape (s,)
    coefficients : ndarray, shape (q * s, J)
        Of every complex moment.
    """

    kinds: NDArray[np.int32]
    knots: NDArray[np.float64]
    coefficients: NDArray[np.float64]

    @classmethod
    def fit(
        cls,
        surroundings: Surroundings,
        values: NDArray[np.floating],
        modes: NDArray[np.integer],
        labels: NDArray[np.integer],
        known: NDArray[np.bool_],
        radius: float,
    ) -> NeighbourEffects:
        """Fit them.

        Parameters
        ----------
        surroundings : Surroundings
        values : ndarray, shape (n, K)
            Moments through a radius.
        modes : ndarray of int, shape (K, 2)
        labels : ndarray of int, shape (n,)
            Kinds of the atoms; each has its own mean.
        known : ndarray of bool, shape (n,)
            Atoms with whole discs.
        radius : float
            Nearest-neighbour distances.
        """
        low, high = _NEAREST, radius + CONSTANTS.tail_reach
        knots = np.linspace(low, high, max(3, int(np.ceil((high - low) / CONSTANTS.knot_spacing)) + 1))
        kinds = np.unique(surroundings.kinds[surroundings.distance < high])
        complex_values, kept = to_complex(np.nan_to_num(np.asarray(values, np.float64)), modes)
        coefficients = np.zeros((len(kinds) * len(knots), len(kept)))
        effects = cls(kinds.astype(np.int32), knots, coefficients)
        if not len(kinds) or not known.any():
            return effects
        count = np.maximum(np.bincount(labels[known], minlength=int(labels.max()) + 1), 1)[:, None]
        for m in np.unique(kept[:, 1]):
            columns = np.flatnonzero(kept[:, 1] == m)
            design, target = effects._design(surroundings, int(m)), complex_values[:, columns]
            centred = []
            for array in (design, target):
                means = np.zeros((len(count), array.shape[1]), dtype=np.complex128)
                np.add.at(means, labels[known], array[known])
                centred.append(array[known] - (means / count)[labels[known]])
            source, residual = centred
            normal = (source.conj().T @ source).real + np.eye(source.shape[1])  # a prior of one atom
            coefficients[:, columns] = np.linalg.solve(normal, (source.conj().T @ residual).real)
        return effects

    def remove(
        self, surroundings: Surroundings, values: NDArray[np.floating], modes: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        """Return moments (n, K) without these effects."""
        out = np.asarray(values, dtype=np.float64)
        if not len(self.kinds):
            return out
        moments, kept = to_complex(out, modes)
        for m in np.unique(kept[:, 1]):
            columns = np.flatnonzero(kept[:, 1] == m)
            moments[:, columns] -= self._design(surroundings, int(m)) @ self.coefficients[:, columns]
        return np.asarray(to_real(moments, modes), dtype=np.float64)

    def _design(self, surroundings: Surroundings, m: int) -> NDArray[np.complex128]:
        step = self.knots[1] - self.knots[0]
        design = np.zeros((surroundings.n_atoms, len(self.kinds) * len(self.knots)), dtype=np.complex128)
        for block, kind in enumerate(self.kinds):
            here = surroundings.kinds == kind
            hats = np.clip(1 - np.abs(surroundings.distance[here, None] - self.knots) / step, 0, None)
            turned = hats * np.exp(1j * m * surroundings.angle[here])[:, None]
            part = design[:, block * len(self.knots) : (block + 1) * len(self.knots)]
            np.add.at(part, surroundings.atoms[here], turned)
        return design


@dataclass(frozen=True)
class StrainEffects:
    """How features change with the strain of the nearest neighbours: distortion of the scan and slow strain are no motifs.

    Strain is the deviation from what is usual. Where atoms of one kind have several frequent sites, each has its own usual
    value, and its own coefficients: what differs between sites is no strain.

    Attributes
    ----------
    kinds : ndarray of int32, shape (v,)
        Kind of the atoms of each site.
    means : ndarray, shape (v, f)
        Median features: an atom has the site that it is most like.
    typical : ndarray, shape (v, s)
        Median of the second moments of the nearest neighbours.
    bound : ndarray, shape (v, s)
        Three robust standard deviations: atoms with more strain do not determine the coefficients.
    coefficients : ndarray, shape (v, s, f)
    rotation_invariant : bool
    """

    kinds: NDArray[np.int32]
    means: NDArray[np.float64]
    typical: NDArray[np.float64]
    bound: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    rotation_invariant: bool

    @classmethod
    def fit(
        cls,
        neighbours: Neighbourhoods,
        X: NDArray[np.float64],
        labels: NDArray[np.integer],
        sites: NDArray[np.integer],
        known: NDArray[np.bool_],
        rotation_invariant: bool,
    ) -> StrainEffects:
        """Fit them to features (n, f) of atoms of kinds (n,) by least squares, in each of the `sites` (n,) by itself.

        What counts is by how much an atom differs from those of its site around it: two grains, or two domains, differ in
        strain too, and are motifs.
        """
        strain = _strain(neighbours, rotation_invariant)
        n_strains, found = strain.shape[1], []
        for kind in range(int(labels.max()) + 1):
            own = np.flatnonzero(known & (labels == kind) & np.isfinite(strain).all(axis=1))
            for number in np.unique(sites[own]):
                site = own[sites[own] == number]
                if len(site) < CONSTANTS.points_per_axis * n_strains:
                    continue
                typical = np.median(strain[site], axis=0)
                apart = strain[site] - typical
                bound = 3 * robust_spread(apart, axis=0)
                inside = (np.abs(apart) <= bound).all(axis=1)
                contrast = _contrasts(neighbours, site[inside])
                z, x = contrast @ apart[inside], contrast @ X[site[inside]]
                normal = z.T @ z + 1e-12 * np.eye(n_strains)
                coefficients = np.linalg.solve(normal, z.T @ x)
                found.append((kind, np.median(X[site], axis=0), typical, bound, coefficients))
        shapes = [(), X.shape[1:], (n_strains,), (n_strains,), (n_strains, X.shape[1])]
        kinds, means, typical, bound, coefficients = (
            np.array([one[part] for one in found], dtype=float).reshape(len(found), *shape)
            for part, shape in enumerate(shapes)
        )
        return cls(kinds.astype(np.int32), means, typical, bound, coefficients, rotation_invariant)

    def remove(
        self, neighbours: Neighbourhoods, X: NDArray[np.float64], labels: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        """Return features (n, f) without these effects."""
        strain, out = _strain(neighbours, self.rotation_invariant), X.copy()
        for kind in np.unique(self.kinds):
            members, sites = np.flatnonzero(labels == kind), np.flatnonzero(self.kinds == kind)
            nearest = cdist(np.nan_to_num(X[members]), self.means[sites]).argmin(axis=1)
            for number, site in enumerate(sites):
                some = members[nearest == number]
                # What exceeds the bound is not strained but different. It never decreases as the strain grows, so that the
                # tails of one group stay attached to it.
                apart = np.nan_to_num(strain[some] - self.typical[site])
                out[some] -= np.clip(apart, -self.bound[site], self.bound[site]) @ self.coefficients[site]
        return out


def _contrasts(neighbours: Neighbourhoods, members: NDArray[np.int64]) -> csr_array:
    """Return the matrix (m, m) that subtracts the mean of the neighbours among the `members` from each of them."""
    position = np.full(len(neighbours.neighbours), -1)
    position[members] = np.arange(len(members))
    listed = neighbours.neighbours[members]
    column = np.where(listed >= 0, position[listed], -1)
    row, place = np.nonzero(column >= 0)
    near = csr_array((np.ones(len(row)), (row, column[row, place])), shape=(len(members),) * 2)
    count = np.asarray(near.sum(axis=1))
    return csr_array(diags_array((count > 0).astype(float)) - diags_array(1 / np.maximum(count, 1)) @ near)


def _strain(neighbours: Neighbourhoods, rotation_invariant: bool) -> NDArray[np.float64]:
    """Mean second moments (n, 3) of the offsets of the nearest neighbours, or trace and anisotropy (n, 2) of them."""
    x, y = np.moveaxis(np.nan_to_num(neighbours.offsets), -1, 0)
    # A neighbour at the limit does not change the strain in a jump, which would divide the atoms.
    weight = np.clip(0.5 + (CONSTANTS.bonded - np.hypot(x, y)) / _SOFT, 0, 1)
    weight = np.where(neighbours.neighbours >= 0, weight, 0)
    total = np.maximum(weight.sum(axis=1), 1e-9)
    total[(np.abs(neighbours.window) < CONSTANTS.bonded).any(axis=1)] = (
        np.nan
    )  # a neighbour may lie outside the image
    xx, xy, yy = ((weight * product).sum(axis=1) / total for product in (x * x, x * y, y * y))
    if rotation_invariant:
        return np.column_stack([xx + yy, np.hypot(xx - yy, 2 * xy)])
    return np.column_stack([xx, xy, yy])


def _without_neighbours(
    surroundings: Surroundings,
    moments: MomentsLike,
    unit: NDArray[np.float64],
    kinds: NDArray[np.integer],
    radius: float,
    rotation_invariant: bool,
) -> tuple[NeighbourEffects, NeighbourhoodFeatures]:
    """Return what minority kinds and vacant places change, and the features without it."""
    raw = NeighbourhoodFeatures.of(moments, rotation_invariant, unit)
    known = raw.valid & raw.sound
    effects = NeighbourEffects.fit(surroundings, moments.values, moments.modes, kinds, known, radius)
    freed = effects.remove(surroundings, moments.values, moments.modes)
    return effects, NeighbourhoodFeatures.of(moments, rotation_invariant, unit, freed)


def ordered_sites(
    neighbours: Neighbourhoods,
    surroundings: Surroundings,
    moments: MomentsLike,
    kinds: NDArray[np.integer],
    radius: float,
    rotation_invariant: bool,
    random_state: int,
) -> NDArray[np.int32]:
    """Find the frequent sites of each kind, as the features without what neighbours change show them.

    The features have random errors (`with_least_error`). Atoms of a row share the errors of the scan, and those of a domain
    their surroundings: parts of a kind that do not mix (`sites_mix`) are no sites.

    Parameters
    ----------
    neighbours : Neighbourhoods
    surroundings : Surroundings
    moments : MomentsLike
        Through a radius that holds the nearest neighbours.
    kinds : ndarray of int, shape (n,)
    radius : float
        Nearest-neighbour distances.
    rotation_invariant : bool
    random_state : int

    Returns
    -------
    ndarray of int32, shape (n,)
        Number of the site, -1 for atoms whose disc or strain is not known.
    """
    unit = noise_unit(moments)
    _, found = _without_neighbours(surroundings, moments, unit, kinds, radius, rotation_invariant)
    varied = with_least_error(found, moments, unit, rotation_invariant, random_state)
    known = found.valid & found.sound & np.isfinite(_strain(neighbours, rotation_invariant)).all(axis=1)
    numbers = np.full(len(kinds), -1, dtype=np.int32)
    for kind in range(int(kinds.max()) + 1):
        own = np.flatnonzero(known & (kinds == kind))
        parts = np.full(len(kinds), -1, dtype=np.int32)
        for part, members in enumerate(frequent_sites(varied, own)):
            parts[members] = part
        mixed = sites_mix(neighbours, np.minimum(parts, 0), parts)
        numbers[own] = numbers.max() + 1 + (parts[own] if mixed else 0)
    return numbers


@dataclass(frozen=True)
class Explanation:
    """All that neighbours explain of the features at one radius.

    Attributes
    ----------
    neighbours : NeighbourEffects
    strain : StrainEffects
    """

    neighbours: NeighbourEffects
    strain: StrainEffects

    @classmethod
    def fit(
        cls,
        neighbours: Neighbourhoods,
        surroundings: Surroundings,
        moments: MomentsLike,
        unit: NDArray[np.float64],
        kinds: NDArray[np.integer],
        sites: NDArray[np.integer],
        radius: float,
        rotation_invariant: bool,
    ) -> Explanation:
        """Fit it to the moments of atoms of kinds (n,) on sites (n,), one effect after the other."""
        effects, found = _without_neighbours(surroundings, moments, unit, kinds, radius, rotation_invariant)
        known = found.valid & found.sound
        strain = StrainEffects.fit(neighbours, found.values, kinds, sites, known, rotation_invariant)
        return cls(effects, strain)

    def features(
        self,
        neighbours: Neighbourhoods,
        surroundings: Surroundings,
        moments: MomentsLike,
        unit: NDArray[np.float64],
        kinds: NDArray[np.integer],
    ) -> NeighbourhoodFeatures:
        """Return the features of atoms without what it explains."""
        values = self.neighbours.remove(surroundings, moments.values, moments.modes)
        found = NeighbourhoodFeatures.of(moments, self.strain.rotation_invariant, unit, values)
        return found.with_values(self.strain.remove(neighbours, found.values, kinds))
