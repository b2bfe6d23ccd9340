"""Templates: of the neighbours of a class and their separations, of sites, and of the nearest neighbours of a group."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ._template_fit import SAME, Neighbourhoods, NeighbourTemplates, TemplateFits, fit_templates

_MIN_SHARE = 0.3  # least share of the atoms with a neighbour at a place of the template
_SAMPLED = 40  # members whose neighbours are first estimates of places
_MAX_SEPARATION = 60.0  # spreads between two templates: farther ones have nothing in common
_MAX_STRAINED = 30.0  # largest separation that strain of an image can explain
_MIN_PLACES = 5  # from which a strain is computed


def own_template(
    atoms: Neighbourhoods, around: NDArray[np.int32], row: int
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Template from the neighbours of one atom within the reach."""
    inside = np.hypot(*atoms.offsets[row].T) < atoms.reach
    return atoms.offsets[row][inside], around[row][inside]


def rotated_back(
    offsets: NDArray[np.float64], angles: NDArray[np.float64], mirrored: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Neighbours (m, k, 2) in the frame of the template."""
    cosine, sine = np.cos(angles)[:, None], np.sin(angles)[:, None]
    x, y = offsets[..., 0], offsets[..., 1]
    flip = np.where(mirrored, -1.0, 1.0)[:, None]
    return np.stack([cosine * x + sine * y, flip * (cosine * y - sine * x)], axis=-1)


def frequent_places(
    rotated: NDArray[np.float64], around: NDArray[np.int32], reach: float, tolerance: float
) -> tuple[tuple[NDArray[np.float64], NDArray[np.int32]], NDArray[np.float64]]:
    """Template (places and kinds) of the frequent neighbours of the members, and the residuals of the neighbours."""
    points = rotated.reshape(-1, 2)
    known = np.isfinite(points[:, 0]) & (np.hypot(*np.nan_to_num(points, nan=np.inf).T) < reach + tolerance)
    # At least three of ten members have a neighbour at a place, so that a sample of them is enough for first estimates.
    sampled = np.arange(len(rotated)) % -(-len(rotated) // _SAMPLED) == 0
    sampled = np.repeat(sampled, rotated.shape[1])[known]
    points, kinds = points[known], around.reshape(-1)[known]
    tree = cKDTree(points)
    seeds = np.flatnonzero(sampled)
    crowd = tree.query_ball_point(points[seeds], tolerance, return_length=True).astype(float)
    free = np.ones(len(points), dtype=bool)
    places, frequent, residuals = [], [], []
    fewest = max(_MIN_SHARE * len(rotated), 1.0)
    while len(seeds):
        first = int(crowd.argmax())
        if crowd[first] < fewest:
            break
        near = np.array(tree.query_ball_point(points[seeds[first]], tolerance), dtype=np.int64)
        place = _median(points[near[free[near]]])
        near = np.array(tree.query_ball_point(place, tolerance), dtype=np.int64)
        near = near[free[near]]
        if len(near) >= fewest and np.hypot(*place) < reach:
            kind = int(np.bincount(kinds[near]).argmax())
            of_kind = near[kinds[near] == kind]
            place = _median(points[of_kind])
            places.append(place)
            frequent.append(kind)
            residuals.append((points[of_kind] - place).ravel())
        free[near] = free[seeds[first]] = False
        crowd[~free[seeds]] = 0
    order = np.argsort(np.hypot(*np.array(places).reshape(-1, 2).T), kind="stable")
    template = np.array(places).reshape(-1, 2)[order], np.array(frequent, dtype=np.int32)[order]
    return template, np.concatenate(residuals) if residuals else np.zeros(0)


def _median(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median of finite points along x and along y. The checks of `numpy.median` would dominate the run time."""
    ordered = np.sort(points, axis=0)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def main_difference(
    rotated: NDArray[np.float64],
    around: NDArray[np.int32],
    templates: NeighbourTemplates,
    site: int,
    tolerance: float,
) -> NDArray[np.float64]:
    """Return the displacement (m,) of each member along the direction in which the members differ most.

    The displacements are those of the neighbours from their places, without the uniform strain of each member. Absent
    neighbours and neighbours of other kinds count as not displaced.
    """
    known = np.isfinite(templates.places[site, :, 0])
    if not known.any():  # a site whose neighbours have no usual places
        return np.zeros(len(rotated))
    places, frequent = templates.places[site][known], templates.kinds[site][known]
    distance = np.hypot(*np.moveaxis(rotated[:, :, None] - places[None, None], -1, 0))
    distance = np.where(np.isfinite(distance), distance, np.inf)
    nearest = distance.argmin(axis=1)
    rows = np.arange(len(rotated))[:, None]
    there = (distance.min(axis=1) < tolerance) & (around[rows, nearest] == frequent)
    off = np.where(there[..., None], rotated[rows, nearest] - places, 0.0)
    if len(places) >= _MIN_PLACES:
        off = off - np.where(there[..., None], places @ (np.linalg.pinv(places) @ off), 0.0)
    flat = off.reshape(len(off), -1)
    flat = flat - flat.mean(axis=0)
    _, vectors = np.linalg.eigh(flat.T @ flat)
    direction = vectors[:, -1]
    return np.asarray(flat @ (direction * np.sign(direction[np.abs(direction).argmax()])))


def template_separations(
    templates: NeighbourTemplates,
    own: NDArray[np.int32],
    reach: float,
    spread: float,
    tolerance: float,
    rotation_invariant: bool,
) -> NDArray[np.float64]:
    """Distances of templates in spreads. Only places that both have, with the same kind, count."""
    n = len(templates)
    apart = np.full((n, n), np.inf)
    if n < 2:
        return apart
    window = np.tile([-np.inf, np.inf, -np.inf, np.inf], (n, 1))
    as_atoms = Neighbourhoods(
        templates.places, np.zeros(templates.kinds.shape, dtype=np.int32), window, reach
    )
    fits = fit_templates(
        as_atoms,
        templates.kinds,
        templates,
        spread=spread,
        tolerance=tolerance,
        absent=0.0,
        rotation_invariant=rotation_invariant,
    )
    for a in range(n):
        for b in range(a + 1, n):
            cost = min(fits.costs[a, b], fits.costs[b, a])
            if own[a] == own[b] and 2 * cost < _MAX_STRAINED**2:
                turn = fits.angles[a, b], fits.mirrored[a, b]
                moved = _rotated(templates.places[b], *turn)
                cost = min(cost, _unstrained_cost(templates, a, b, moved, spread, tolerance))
            apart[a, b] = apart[b, a] = min(np.sqrt(2 * cost), _MAX_SEPARATION)
    return apart


def _rotated(places: NDArray[np.float64], angle: float, mirrored: bool) -> NDArray[np.float64]:
    flipped = places * np.array([1.0, -1.0 if mirrored else 1.0])
    cosine, sine = np.cos(angle), np.sin(angle)
    return flipped @ np.array([[cosine, sine], [-sine, cosine]])


def _unstrained_cost(
    templates: NeighbourTemplates, a: int, b: int, moved: NDArray[np.float64], spread: float, tolerance: float
) -> float:
    """Cost of template b, rotated onto a, after the best uniform strain, which tilt and scan distortion cause."""
    target, kinds = templates.places[a], templates.kinds[a]
    distance = np.hypot(*(target[:, None] - moved[None]).transpose(2, 0, 1))
    distance = np.where(np.isfinite(distance), distance, np.inf)
    nearest = distance.argmin(axis=1)
    rows = np.flatnonzero(distance.min(axis=1) < SAME)
    rows = rows[kinds[rows] == templates.kinds[b][nearest[rows]]]
    fitting = rows[distance.min(axis=1)[rows] < tolerance]
    if len(fitting) < _MIN_PLACES:
        return np.inf
    source = moved[nearest]
    strain = np.linalg.lstsq(source[fitting], target[fitting], rcond=None)[0]
    off = np.hypot(*(source[rows] @ strain - target[rows]).T)
    return float(np.minimum(off, tolerance) @ np.minimum(off, tolerance)) / (2 * spread**2)


_ABSENT = 4.0  # one neighbour in fifty differs by chance
# Cost of an atom of another kind than that of the site, as of a displacement by six spreads.
_OTHER_KIND = 20.0
NEAR = 15.0  # spreads between two templates: atoms of one may be taken for atoms of the other
FREQUENT = 0.05  # share of the atoms from which a kind, or a site, is frequent
_LARGEST_SHARE = 0.6  # of a kind that its largest site has at most, where the kind is divided
_BEYOND = 0.5 * NEAR**2 + 40


@dataclass(frozen=True)
class SiteTemplates:
    """Neighbour templates of sites, each of one kind of atom.

    Two atoms of a kind are on one site if their neighbours lie at the same places, up to a rotation and reflection
    with `rotation_invariant`. Neighbours of another kind and absent neighbours add a constant cost only: a channel can be
    filled or empty without a change of the sites around it.

    Attributes
    ----------
    patterns : NeighbourTemplates
    kind : ndarray of int32, shape (c,)
        Kind of the atoms of each site.
    sizes : ndarray of int64, shape (c,)
        Number of atoms of each site.
    separations : ndarray, shape (c, c)
        Distances of the templates in units of the spread of the places; infinite on the diagonal.
    spread, tolerance : float
        See `fit_templates`.
    rotation_invariant : bool
    """

    patterns: NeighbourTemplates
    kind: NDArray[np.int32]
    sizes: NDArray[np.int64]
    separations: NDArray[np.float64]
    spread: float
    tolerance: float
    rotation_invariant: bool

    def splits_a_kind(self) -> bool:
        """Whether a frequent kind has no site with most of its atoms."""
        for kind in np.unique(self.kind):
            sizes = self.sizes[self.kind == kind]
            if sizes.sum() >= FREQUENT * self.sizes.sum() and sizes.max() < _LARGEST_SHARE * sizes.sum():
                return True
        return False

    def assign(
        self,
        atoms: Neighbourhoods,
        kinds: NDArray[np.integer],
        around: NDArray[np.int32],
        other_kind: float = _OTHER_KIND,
    ) -> tuple[NDArray[np.int32], NDArray[np.float64], TemplateFits]:
        """Assign every atom to a site.

        Parameters
        ----------
        atoms : Neighbourhoods
        kinds : ndarray of int, shape (n,)
            Kind of each atom.
        around : ndarray of int32, shape (n, k)
            Kind of each neighbour.
        other_kind : float
            Cost of an atom of another kind than that of the site.

        Returns
        -------
        sites : ndarray of int32, shape (n,)
        probabilities : ndarray, shape (n, c)
        fits : TemplateFits
        """
        fits = self._fit(atoms, around)
        costs = fits.costs + np.where(np.asarray(kinds)[:, None] == self.kind, 0.0, other_kind)
        known = np.isfinite(costs).any(axis=1)
        costs[~known] = fits.costs[~known]  # kinds without sites
        costs = costs - costs.min(axis=1, keepdims=True)
        odds = np.exp(-np.minimum(costs, 700.0))
        return (
            costs.argmin(axis=1).astype(np.int32),
            odds / odds.sum(axis=1, keepdims=True),
            fits,
        )

    def _fit(self, atoms: Neighbourhoods, around: NDArray[np.int32]) -> TemplateFits:
        fits = fit_templates(
            atoms,
            around,
            self.patterns,
            spread=self.spread,
            tolerance=self.tolerance,
            absent=_ABSENT,
            rotation_invariant=self.rotation_invariant,
            beyond=_BEYOND,
        )
        # No template can be fitted to a few stray atoms at the border: all sites are equally far from them.
        fits.costs[~np.isfinite(fits.costs).any(axis=1)] = _BEYOND
        return fits


# Members whose neighbours are first places, and means over the members from there.
_STARTS, _ITERATIONS = 4, 3
_TOLERANCE = 0.3  # distances
_SPREAD = 0.1  # so that neighbours within the tolerance cost the square of their distance


def nearest_places(atoms: Neighbourhoods, reach: float, *, rotation_invariant: bool) -> NDArray[np.float64]:
    """Return the usual places of the nearest neighbours of atoms.

    Parameters
    ----------
    atoms : Neighbourhoods
        Of the atoms of one group.
    reach : float
        Largest distance of a nearest neighbour, nearest-neighbour distances.
    rotation_invariant : bool
        Whether atoms are compared in any rotation and reflection.

    Returns
    -------
    ndarray, shape (s, 2)
        x, y of each place relative to the atom, nearest-neighbour distances.
    """
    near, best, places = replace(atoms, reach=reach), np.inf, np.zeros((0, 2))
    kinds = _one_kind(near)
    if not rotation_invariant and len(kinds):  # nothing is turned, whatever the start
        return frequent_places(near.offsets, kinds, reach, _TOLERANCE)[0][0]
    starts = np.unique(np.linspace(0, len(kinds) - 1, _STARTS).astype(int)) if len(kinds) else ()
    for start in starts:
        found = own_template(near, kinds, int(start))[0]
        for _ in range(_ITERATIONS):
            turned, costs = _turned(near, found, rotation_invariant)
            found = frequent_places(turned, kinds, reach, _TOLERANCE)[0][0]
        cost = float(np.median(costs))
        if cost < best:
            best, places = cost, found
    return places


def distances_from_places(
    atoms: Neighbourhoods, places: NDArray[np.float64], reach: float, *, rotation_invariant: bool
) -> NDArray[np.float64]:
    """Return how far the nearest neighbours of atoms are from places.

    A neighbour that is absent or additional does not count. If some are absent and others additional, they have moved by half
    a distance.

    Parameters
    ----------
    atoms : Neighbourhoods
    places : ndarray, shape (s, 2)
        From `nearest_places`; at least one.
    reach, rotation_invariant
        As for `nearest_places`.

    Returns
    -------
    ndarray, shape (n,)
        Root mean square over the neighbours of each atom, nearest-neighbour distances.
    """
    turned, _ = _turned(replace(atoms, reach=reach), places, rotation_invariant)
    distance = np.hypot(*np.moveaxis(turned[:, :, None] - places, -1, 0))
    distance = np.where(np.isfinite(distance), distance, np.inf)
    near = np.hypot(*np.moveaxis(atoms.offsets, -1, 0)) < reach
    nearest = distance.min(axis=1)
    there = nearest < SAME
    additional = (near & (distance.min(axis=2) >= SAME)).sum(axis=1)
    moved = np.minimum((~there).sum(axis=1), additional)
    total = np.where(there, nearest**2, 0).sum(axis=1) + moved * SAME**2
    return np.asarray(np.sqrt(total / np.maximum(there.sum(axis=1) + moved, 1)))


def _one_kind(atoms: Neighbourhoods) -> NDArray[np.int32]:
    return np.where(atoms.neighbours >= 0, 0, -1).astype(np.int32)


def _turned(
    atoms: Neighbourhoods, places: NDArray[np.float64], rotation_invariant: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Neighbours (n, k, 2) in the frame of the places, and the costs of the fit (n,)."""
    fits = fit_templates(
        atoms,
        _one_kind(atoms),
        NeighbourTemplates.stacked([(places, np.zeros(len(places), np.int32))]),
        spread=_SPREAD,
        tolerance=_TOLERANCE,
        absent=0.5 * (_TOLERANCE / _SPREAD) ** 2,
        rotation_invariant=rotation_invariant,
    )
    return rotated_back(atoms.offsets, fits.angles[:, 0], fits.mirrored[:, 0]), fits.costs[:, 0]
