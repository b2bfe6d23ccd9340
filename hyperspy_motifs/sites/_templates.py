"""Neighbour templates from the members of a class, and separations of templates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ._neighbourhoods import Neighbourhoods
from ._template_fit import SAME, NeighbourTemplates, fit_templates

_MIN_SHARE = 0.3  # least share of the atoms with a neighbour at a place of the template
_SAMPLED = 40  # members whose neighbours are first estimates of places
_MAX_SEPARATION = 60.0
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
