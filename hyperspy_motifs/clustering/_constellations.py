"""Where the neighbours of every atom are, and how well they fit a pattern of neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from hyperspy_motifs.compilation import INNER, OUTER
from hyperspy_motifs.threads import over_rows

_MARGIN = 0.5  # beyond the reach, so that a neighbour just outside is not taken for a missing one
_INSET = 0.4  # columns nearer to the border than this may not have been found
SAME = 0.5  # nearer than this two places are one place of the pattern, in nearest-neighbour distances
_ANCHORS = 3  # places of a pattern, from the centre, that are laid onto neighbours to find the angle


@dataclass(frozen=True)
class Neighbourhoods:
    """Neighbours of every atom.

    Lengths are in nearest-neighbour distances, x and y as in the image.

    Attributes
    ----------
    offsets : ndarray of float64, shape (n, k, 2)
        x, y of each neighbour from the atom, the nearest first; NaN beyond the last.
    neighbours : ndarray of int32, shape (n, k)
        Their indices, -1 beyond the last.
    window : ndarray of float64, shape (n, 4)
        Smallest and largest x, then y, from the atom, at which neighbours would have been found.
    reach : float
        Neighbours within this distance are compared.
    """

    offsets: NDArray[np.float64]
    neighbours: NDArray[np.int32]
    window: NDArray[np.float64]
    reach: float

    @classmethod
    def of(
        cls,
        positions: ArrayLike,
        shape: tuple[int, int],
        spacing: float,
        *,
        frames: ArrayLike | None = None,
        reach: float = 2.4,
    ) -> Neighbourhoods:
        """Collect them.

        Parameters
        ----------
        positions : array_like, shape (n, 2)
            x, y in pixels.
        shape : (rows, columns)
            Of the image.
        spacing : float
            Nearest-neighbour distance in pixels.
        frames : array_like of int, shape (n,), optional
            Frame of each atom; atoms of one frame are neighbours.
        reach : float
            In nearest-neighbour distances.

        Returns
        -------
        Neighbourhoods
        """
        xy = np.asarray(positions, dtype=np.float64)
        number = np.zeros(len(xy), dtype=np.int64) if frames is None else np.asarray(frames)
        radius = (reach + _MARGIN) * spacing
        members = [np.flatnonzero(number == frame) for frame in np.unique(number)]
        trees = [cKDTree(xy[inside]) for inside in members]
        counts = [
            tree.query_ball_point(xy[inside], radius, return_length=True)
            for inside, tree in zip(members, trees, strict=True)
        ]
        width = max([int(count.max()) - 1 for count in counts] + [1])
        neighbours = np.full((len(xy), width), -1, dtype=np.int32)
        offsets = np.full((len(xy), width, 2), np.nan)
        for inside, tree, count in zip(members, trees, counts, strict=True):
            found, near = _in_order(tree, xy[inside], int(count.max()), radius)
            neighbours[inside, : found.shape[1]] = np.where(near, inside[found], -1)
            apart = (xy[inside[found]] - xy[inside][:, None]) / spacing
            offsets[inside, : found.shape[1]] = np.where(near[..., None], apart, np.nan)
        rows, columns = shape
        x, y = xy.T / spacing
        window = np.column_stack([-x, (columns - 1) / spacing - x, -y, (rows - 1) / spacing - y])
        window += _INSET * np.array([1.0, -1.0, 1.0, -1.0])
        return cls(offsets, neighbours, window, float(reach))

    @property
    def whole(self) -> NDArray[np.bool_]:
        """Whether all places within the reach lie inside the image, shape (n,)."""
        return np.asarray((np.abs(self.window) >= self.reach - _INSET).all(axis=1))

    def take(self, members: NDArray[np.int64]) -> Neighbourhoods:
        """Return those of some atoms; `neighbours` keep their indices among all atoms."""
        return Neighbourhoods(
            self.offsets[members], self.neighbours[members], self.window[members], self.reach
        )

    def kinds(self, labels: NDArray[np.integer]) -> NDArray[np.int32]:
        """Return the label of every neighbour, shape (n, k), -1 beyond the last; `labels` are those of all atoms."""
        return np.where(self.neighbours >= 0, np.asarray(labels)[self.neighbours], -1).astype(np.int32)


def _in_order(
    tree: cKDTree, points: NDArray[np.float64], most: int, radius: float
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Other points within a radius of each, the nearest first, then by index (n, most - 1), and whether there is one."""
    n = len(points)
    found = tree.query(points, k=np.arange(1, most + 1), distance_upper_bound=np.nextafter(radius, np.inf))[1]
    near = (found < n) & (found != np.arange(n)[:, None])
    distance = np.hypot(*np.moveaxis(points[np.minimum(found, n - 1)] - points[:, None], -1, 0))
    order = np.lexsort((found, np.where(near, distance, np.inf)), axis=1)[:, : most - 1]
    return np.minimum(np.take_along_axis(found, order, 1), n - 1), np.take_along_axis(near, order, 1)


@dataclass(frozen=True)
class Patterns:
    """Places of the neighbours of each class of atoms.

    Attributes
    ----------
    places : ndarray, shape (c, s, 2)
        x, y from the atom; NaN beyond the last, the nearest first.
    kinds : ndarray of int32, shape (c, s)
        Kind of the atom that is usually there; -1 beyond the last.
    """

    places: NDArray[np.float64]
    kinds: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.places)

    @classmethod
    def stacked(cls, parts: list[tuple[NDArray[np.float64], NDArray[np.int32]]]) -> Patterns:
        """Stack places (s, 2) and kinds (s,) of several classes."""
        width = max([len(places) for places, _ in parts] + [1])
        places = np.full((len(parts), width, 2), np.nan)
        kinds = np.full((len(parts), width), -1, dtype=np.int32)
        for row, (place, kind) in enumerate(parts):
            places[row, : len(place)] = place
            kinds[row, : len(kind)] = kind
        return cls(places, kinds)


@dataclass(frozen=True)
class Fits:
    """Every atom against every pattern.

    Attributes
    ----------
    costs : ndarray, shape (n, c)
        Minus the logarithm of the likelihood, up to a constant.
    angles : ndarray, shape (n, c)
        Rotation in radians, from x towards y, that brings the pattern onto the atom.
    mirrored : ndarray of bool, shape (n, c)
        Whether the pattern was mirrored (y to -y) before that.
    """

    costs: NDArray[np.float64]
    angles: NDArray[np.float64]
    mirrored: NDArray[np.bool_]


def fit_patterns(
    atoms: Neighbourhoods,
    kinds: NDArray[np.int32],
    patterns: Patterns,
    *,
    spread: float,
    tolerance: float,
    absent: float,
    rotation_invariant: bool,
    beyond: float = np.inf,
) -> Fits:
    r"""Lay patterns onto the neighbours of atoms.

    A place whose neighbour lies at a distance d costs :math:`d^2 / 2\sigma^2`, and no more than at the
    tolerance. An empty place, a neighbour of another kind and one at no place cost `absent`: what sits next
    to an atom may change without the atom being on another site.

    Parameters
    ----------
    atoms : Neighbourhoods
    kinds : ndarray of int32, shape (n, k)
        Of the neighbours.
    patterns : Patterns
    spread : float
        Standard deviation of a place along x and along y, nearest-neighbour distances.
    tolerance : float
        Largest distance of a neighbour from its place.
    absent : float
    rotation_invariant : bool
        Try all rotations, and the mirror image.
    beyond : float
        Costs that exceed the least of the atom by more than this are only known to do so.

    Returns
    -------
    Fits
    """
    n, c = len(atoms.offsets), len(patterns)
    costs, angles = np.empty((n, c)), np.zeros((n, c))
    mirrored = np.zeros((n, c), dtype=np.bool_)
    over_rows(
        _fit_all,
        n,
        _polar(atoms.offsets),
        np.ascontiguousarray(kinds),
        np.ascontiguousarray(atoms.window),
        _polar(patterns.places),
        patterns.kinds,
        np.array([spread, tolerance, absent, atoms.reach, beyond]),
        rotation_invariant,
        costs,
        angles,
        mirrored,
    )
    return Fits(costs, angles, mirrored)


def _polar(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Append radius and angle to x and y."""
    x, y = points[..., 0], points[..., 1]
    return np.ascontiguousarray(np.stack([x, y, np.hypot(x, y), np.arctan2(y, x)], axis=-1))


@numba.njit(cache=True, **INNER)
def _count(points):  # type: ignore[no-untyped-def]
    k = 0
    while k < len(points) and not np.isnan(points[k, 0]):
        k += 1
    return k


@numba.njit(cache=True, **INNER)
def _cost(offsets, kinds, n_atoms, window, places, usual, n_places, turn, numbers, worst):  # type: ignore[no-untyped-def]
    """Cost of a pattern at one angle; gives up beyond `worst`."""
    cosine, sine, flip = turn
    spread, tolerance, absent, reach, _ = numbers
    scale = 1 / (2 * spread**2)
    ceiling = scale * tolerance**2
    near = SAME**2
    total = 0.0
    first = 0
    for i in range(n_places):
        # Both lists are sorted by radius.
        while first < n_atoms and offsets[first, 2] < places[i, 2] - SAME:
            first += 1
        px, py = places[i, 0], flip * places[i, 1]
        x, y = cosine * px - sine * py, sine * px + cosine * py
        if x < window[0] or x > window[1] or y < window[2] or y > window[3]:
            continue
        best, where = near, -1
        for j in range(first, n_atoms):
            if offsets[j, 2] > places[i, 2] + SAME:
                break
            dx, dy = offsets[j, 0] - x, offsets[j, 1] - y
            square = dx * dx + dy * dy
            if square < best:
                best, where = square, j
        if where < 0:
            total += absent
        else:
            own = min(best * scale, ceiling)
            total += own if kinds[where] == usual[i] else absent
        if total > worst:
            return total
    inner = reach - SAME
    first = 0
    for j in range(n_atoms):
        if offsets[j, 2] > inner:
            break
        while first < n_places and places[first, 2] <= offsets[j, 2] - SAME:
            first += 1
        free = True
        for i in range(first, n_places):
            if places[i, 2] >= offsets[j, 2] + SAME:
                break
            px, py = places[i, 0], flip * places[i, 1]
            x, y = cosine * px - sine * py, sine * px + cosine * py
            if (offsets[j, 0] - x) ** 2 + (offsets[j, 1] - y) ** 2 < near:
                free = False
                break
        if free:
            total += absent
    return total


@numba.njit(cache=True, **INNER)
def _turned_further(offsets, n_atoms, places, n_places, turn, tolerance):  # type: ignore[no-untyped-def]
    """Angle that brings the pattern nearest by least squares, from the pairs within the tolerance."""
    cosine, sine, flip = turn
    along, across = 0.0, 0.0
    for i in range(n_places):
        px, py = places[i, 0], flip * places[i, 1]
        x, y = cosine * px - sine * py, sine * px + cosine * py
        best, where = tolerance**2, -1
        for j in range(n_atoms):
            if abs(offsets[j, 2] - places[i, 2]) > tolerance:
                continue
            square = (offsets[j, 0] - x) ** 2 + (offsets[j, 1] - y) ** 2
            if square < best:
                best, where = square, j
        if where >= 0:
            along += x * offsets[where, 0] + y * offsets[where, 1]
            across += x * offsets[where, 1] - y * offsets[where, 0]
    return np.arctan2(across, along)


@numba.njit(cache=True, **INNER)
def _fit(offsets, kinds, window, places, usual, numbers, rotation_invariant, worst):  # type: ignore[no-untyped-def]
    n_atoms, n_places = _count(offsets), _count(places)
    if not rotation_invariant:
        straight = (1.0, 0.0, 1.0)
        cost = _cost(offsets, kinds, n_atoms, window, places, usual, n_places, straight, numbers, worst)
        return cost, 0.0, False
    tolerance = numbers[1]
    best, best_angle, mirrored = np.inf, 0.0, False
    for mirror in range(2):
        flip = 1.0 - 2.0 * mirror
        cost, angle = worst, np.nan
        for i in range(min(_ANCHORS, n_places)):
            for j in range(n_atoms):
                if abs(offsets[j, 2] - places[i, 2]) < tolerance:
                    trial = offsets[j, 3] - flip * places[i, 3]
                    turn = (np.cos(trial), np.sin(trial), flip)
                    value = _cost(
                        offsets, kinds, n_atoms, window, places, usual, n_places, turn, numbers, cost
                    )
                    if value < cost:
                        cost, angle = value, trial
        if np.isnan(angle):
            best = min(best, worst)
            continue
        for _ in range(2):
            turn = (np.cos(angle), np.sin(angle), flip)
            angle += _turned_further(offsets, n_atoms, places, n_places, turn, tolerance)
        turn = (np.cos(angle), np.sin(angle), flip)
        cost = _cost(offsets, kinds, n_atoms, window, places, usual, n_places, turn, numbers, worst)
        # A pattern with a mirror axis fits both ways: it counts as not mirrored.
        if cost < best - 1e-6:
            best, best_angle, mirrored = cost, angle, mirror == 1
    return best, best_angle, mirrored


@numba.njit(cache=True, **OUTER)
def _fit_all(
    first, last, offsets, kinds, window, places, usual, numbers, rotation_invariant, costs, angles, mirrored
):  # type: ignore[no-untyped-def]
    settings = (numbers[0], numbers[1], numbers[2], numbers[3], numbers[4])
    for i in range(first, last):
        lowest = np.inf
        for c in range(len(places)):
            costs[i, c], angles[i, c], mirrored[i, c] = _fit(
                offsets[i],
                kinds[i],
                window[i],
                places[c],
                usual[c],
                settings,
                rotation_invariant,
                lowest + settings[4],
            )
            lowest = min(lowest, costs[i, c])
