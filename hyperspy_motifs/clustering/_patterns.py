"""The usual places of the neighbours of a class of atoms, and how far two such patterns are apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ._constellations import SAME, Neighbourhoods, Patterns, fit_patterns

_USUAL = 0.3  # a place of the pattern is taken in three of ten atoms at least
_ASKED = 40  # members of which the neighbours are taken for middles of places
_FAR = 60.0
_STRAINED = 30.0  # spreads that the strain of an image can account for
_FEWEST_PLACES = 5  # that tell a strain


def own_pattern(
    atoms: Neighbourhoods, around: NDArray[np.int32], row: int
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Neighbours of one atom within the reach as a pattern."""
    inside = np.hypot(*atoms.offsets[row].T) < atoms.reach
    return atoms.offsets[row][inside], around[row][inside]


def turned_back(
    offsets: NDArray[np.float64], angles: NDArray[np.float64], mirrored: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Neighbours (m, k, 2) in the frame of the pattern."""
    cosine, sine = np.cos(angles)[:, None], np.sin(angles)[:, None]
    x, y = offsets[..., 0], offsets[..., 1]
    flip = np.where(mirrored, -1.0, 1.0)[:, None]
    return np.stack([cosine * x + sine * y, flip * (cosine * y - sine * x)], axis=-1)


def usual_places(
    turned: NDArray[np.float64], around: NDArray[np.int32], reach: float, tolerance: float
) -> tuple[tuple[NDArray[np.float64], NDArray[np.int32]], NDArray[np.float64]]:
    """Places (and kinds there) where most members have a neighbour, and the distances of the members' from them."""
    points = turned.reshape(-1, 2)
    known = np.isfinite(points[:, 0]) & (np.hypot(*np.nan_to_num(points, nan=np.inf).T) < reach + tolerance)
    # A place is taken in three of ten members: some of them have a neighbour in the middle of each.
    asked = np.arange(len(turned)) % -(-len(turned) // _ASKED) == 0
    asked = np.repeat(asked, turned.shape[1])[known]
    points, kinds = points[known], around.reshape(-1)[known]
    tree = cKDTree(points)
    seeds = np.flatnonzero(asked)
    crowd = tree.query_ball_point(points[seeds], tolerance, return_length=True).astype(float)
    free = np.ones(len(points), dtype=bool)
    places, usual, residuals = [], [], []
    least = max(_USUAL * len(turned), 1.0)
    while len(seeds):
        first = int(crowd.argmax())
        if crowd[first] < least:
            break
        near = np.array(tree.query_ball_point(points[seeds[first]], tolerance), dtype=np.int64)
        place = _middle(points[near[free[near]]])
        near = np.array(tree.query_ball_point(place, tolerance), dtype=np.int64)
        near = near[free[near]]
        if len(near) >= least and np.hypot(*place) < reach:
            values, counts = np.unique(kinds[near], return_counts=True)
            kind = int(values[counts.argmax()])
            of_kind = near[kinds[near] == kind]
            place = _middle(points[of_kind])
            places.append(place)
            usual.append(kind)
            residuals.append((points[of_kind] - place).ravel())
        free[near] = free[seeds[first]] = False
        crowd[~free[seeds]] = 0
    order = np.argsort(np.hypot(*np.array(places).reshape(-1, 2).T), kind="stable")
    pattern = np.array(places).reshape(-1, 2)[order], np.array(usual, dtype=np.int32)[order]
    return pattern, np.concatenate(residuals) if residuals else np.zeros(0)


def _middle(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median of finite points along x and along y, without the checks that take most of the time of NumPy's own."""
    ordered = np.sort(points, axis=0)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def main_difference(
    turned: NDArray[np.float64],
    around: NDArray[np.int32],
    patterns: Patterns,
    site: int,
    tolerance: float,
) -> NDArray[np.float64]:
    """Return how far each member (m,) is displaced along the direction in which the members differ most.

    Displacements of the neighbours from their places, without the uniform strain of each member; absent neighbours
    and those of other kinds count as not displaced.
    """
    known = np.isfinite(patterns.places[site, :, 0])
    places, usual = patterns.places[site][known], patterns.kinds[site][known]
    distance = np.hypot(*np.moveaxis(turned[:, :, None] - places[None, None], -1, 0))
    distance = np.where(np.isfinite(distance), distance, np.inf)
    nearest = distance.argmin(axis=1)
    rows = np.arange(len(turned))[:, None]
    there = (distance.min(axis=1) < tolerance) & (around[rows, nearest] == usual)
    off = np.where(there[..., None], turned[rows, nearest] - places, 0.0)
    if len(places) >= _FEWEST_PLACES:
        off = off - np.where(there[..., None], places @ (np.linalg.pinv(places) @ off), 0.0)
    flat = off.reshape(len(off), -1)
    flat = flat - flat.mean(axis=0)
    _, vectors = np.linalg.eigh(flat.T @ flat)
    direction = vectors[:, -1]
    return np.asarray(flat @ (direction * np.sign(direction[np.abs(direction).argmax()])))


def pattern_separations(
    patterns: Patterns,
    own: NDArray[np.int32],
    reach: float,
    spread: float,
    tolerance: float,
    rotation_invariant: bool,
) -> NDArray[np.float64]:
    """Distances of patterns in spreads: only places that are taken in both, by the same kind, count."""
    n = len(patterns)
    apart = np.full((n, n), np.inf)
    if n < 2:
        return apart
    window = np.tile([-np.inf, np.inf, -np.inf, np.inf], (n, 1))
    as_atoms = Neighbourhoods(patterns.places, np.zeros(patterns.kinds.shape, dtype=np.int32), window, reach)
    fits = fit_patterns(
        as_atoms,
        patterns.kinds,
        patterns,
        spread=spread,
        tolerance=tolerance,
        absent=0.0,
        rotation_invariant=rotation_invariant,
    )
    for a in range(n):
        for b in range(a + 1, n):
            cost = min(fits.costs[a, b], fits.costs[b, a])
            if own[a] == own[b] and 2 * cost < _STRAINED**2:
                turn = fits.angles[a, b], fits.mirrored[a, b]
                moved = _turned_forth(patterns.places[b], *turn)
                cost = min(cost, _unstrained_cost(patterns, a, b, moved, spread, tolerance))
            apart[a, b] = apart[b, a] = min(np.sqrt(2 * cost), _FAR)
    return apart


def _turned_forth(places: NDArray[np.float64], angle: float, mirrored: bool) -> NDArray[np.float64]:
    flipped = places * np.array([1.0, -1.0 if mirrored else 1.0])
    cosine, sine = np.cos(angle), np.sin(angle)
    return flipped @ np.array([[cosine, sine], [-sine, cosine]])


def _unstrained_cost(
    patterns: Patterns, a: int, b: int, moved: NDArray[np.float64], spread: float, tolerance: float
) -> float:
    """Cost of pattern b, turned onto a, after the best uniform strain: tilt and scan distortion are no findings."""
    target, kinds = patterns.places[a], patterns.kinds[a]
    distance = np.hypot(*(target[:, None] - moved[None]).transpose(2, 0, 1))
    distance = np.where(np.isfinite(distance), distance, np.inf)
    nearest = distance.argmin(axis=1)
    rows = np.flatnonzero(distance.min(axis=1) < SAME)
    rows = rows[kinds[rows] == patterns.kinds[b][nearest[rows]]]
    fitting = rows[distance.min(axis=1)[rows] < tolerance]
    if len(fitting) < _FEWEST_PLACES:
        return np.inf
    source = moved[nearest]
    strain = np.linalg.lstsq(source[fitting], target[fitting], rcond=None)[0]
    off = np.hypot(*(source[rows] @ strain - target[rows]).T)
    return float(np.minimum(off, tolerance) @ np.minimum(off, tolerance)) / (2 * spread**2)
