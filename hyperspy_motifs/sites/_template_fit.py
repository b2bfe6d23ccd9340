"""Positions of the neighbours of every atom, and fits of neighbour templates to them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from hyperspy_motifs.atoms import measure_wander
from hyperspy_motifs.threads import INNER, OUTER, over_rows

_MARGIN = 0.5  # beyond the reach, so that a neighbour just outside does not count as absent
#: Columns nearer to the border than this, in nearest-neighbour distances, may be missing.
INSET = 0.4


@dataclass(frozen=True)
class Neighbourhoods:
    """Positions of the neighbours of every atom.

    Lengths are in nearest-neighbour distances, x and y as in the image.

    Attributes
    ----------
    offsets : ndarray of float64, shape (n, k, 2)
        x, y of each neighbour relative to the atom, the nearest first; NaN beyond the last.
    neighbours : ndarray of int32, shape (n, k)
        Indices of the neighbours, -1 beyond the last.
    window : ndarray of float64, shape (n, 4)
        Smallest and largest x, then y, relative to the atom, at which neighbours can be found.
    reach : float
        Largest distance of the neighbours that are compared.
    wander : float
        Variance per distance along y of the displacement of neighbours along x by the scan
        (:func:`hyperspy_motifs.atoms.measure_wander`).
    """

    offsets: NDArray[np.float64]
    neighbours: NDArray[np.int32]
    window: NDArray[np.float64]
    reach: float
    wander: float = 0.0

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
        """Collect the neighbours of every atom.

        Parameters
        ----------
        positions : array_like, shape (n, 2)
            x, y in pixels.
        shape : (rows, columns)
            Shape of the image.
        spacing : float
            Nearest-neighbour distance in pixels.
        frames : array_like of int, shape (n,), optional
            Frame of each atom. Only atoms of the same frame are neighbours.
        reach : float
            Largest distance of a neighbour, in nearest-neighbour distances.

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
        window += INSET * np.array([1.0, -1.0, 1.0, -1.0])
        first = members[0] if members else np.zeros(0, dtype=np.int64)
        wander = measure_wander(xy[first], spacing) / spacing if len(first) > 1 else 0.0
        return cls(offsets, neighbours, window, float(reach), wander)

    def varied(self) -> Neighbourhoods:
        """Return the same with errors of the scan that are independent from atom to atom.

        Atoms of one row share its displacement, which would divide them into groups.
        """
        if not self.wander:
            return self
        spread = np.sqrt(self.wander * np.abs(self.offsets[..., 1]))
        offsets = self.offsets.copy()
        offsets[..., 0] += spread * np.random.default_rng(len(offsets)).standard_normal(spread.shape)
        return replace(self, offsets=offsets)

    @property
    def whole(self) -> NDArray[np.bool_]:
        """Whether the disc of radius `reach` around each atom lies inside the image, shape (n,)."""
        return np.asarray((np.abs(self.window) >= self.reach - INSET).all(axis=1))

    def take(self, members: NDArray[np.int64]) -> Neighbourhoods:
        """Return the neighbourhoods of some atoms; `neighbours` remain indices among all atoms."""
        return replace(
            self,
            offsets=self.offsets[members],
            neighbours=self.neighbours[members],
            window=self.window[members],
        )

    def within(self, reach: float) -> Neighbourhoods:
        """Return the neighbourhoods with another, smaller `reach`, without the neighbours beyond it."""
        near = np.hypot(*np.moveaxis(self.offsets, -1, 0)) < reach + _MARGIN
        width = max(int(near.sum(axis=1).max(initial=0)), 1)
        return replace(
            self,
            offsets=self.offsets[:, :width].copy(),
            neighbours=self.neighbours[:, :width].copy(),
            reach=reach,
        )

    def kinds(self, labels: NDArray[np.integer]) -> NDArray[np.int32]:
        """Return the label of every neighbour, shape (n, k), -1 beyond the last. `labels` are those of all atoms."""
        return np.where(self.neighbours >= 0, np.asarray(labels)[self.neighbours], -1).astype(np.int32)


def _in_order(
    tree: cKDTree, points: NDArray[np.float64], most: int, radius: float
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Indices (n, most - 1) of the points within a radius of each, by distance and then by index, and whether they exist."""
    n = len(points)
    found = tree.query(points, k=np.arange(1, most + 1), distance_upper_bound=np.nextafter(radius, np.inf))[1]
    near = (found < n) & (found != np.arange(n)[:, None])
    distance = np.hypot(*np.moveaxis(points[np.minimum(found, n - 1)] - points[:, None], -1, 0))
    order = np.lexsort((found, np.where(near, distance, np.inf)), axis=1)[:, : most - 1]
    return np.minimum(np.take_along_axis(found, order, 1), n - 1), np.take_along_axis(near, order, 1)


SAME = 0.5  # nearer than this two places are one place of the template, in nearest-neighbour distances
_ANCHORS = 3  # places of a template, from the centre, that are matched to neighbours to find the angle


@dataclass(frozen=True)
class NeighbourTemplates:
    """Positions and kinds of the neighbours of each class of atoms.

    Attributes
    ----------
    places : ndarray, shape (c, s, 2)
        x, y relative to the atom, the nearest first; NaN beyond the last.
    kinds : ndarray of int32, shape (c, s)
        Most frequent kind of the atom at each place; -1 beyond the last.
    """

    places: NDArray[np.float64]
    kinds: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.places)

    @classmethod
    def stacked(cls, templates: list[tuple[NDArray[np.float64], NDArray[np.int32]]]) -> NeighbourTemplates:
        """Stack the places (s, 2) and kinds (s,) of several classes."""
        width = max([len(places) for places, _ in templates] + [1])
        places = np.full((len(templates), width, 2), np.nan)
        kinds = np.full((len(templates), width), -1, dtype=np.int32)
        for row, (place, kind) in enumerate(templates):
            places[row, : len(place)] = place
            kinds[row, : len(kind)] = kind
        return cls(places, kinds)


@dataclass(frozen=True)
class TemplateFits:
    """Fit of every template to every atom.

    Attributes
    ----------
    costs : ndarray, shape (n, c)
        Minus the logarithm of the likelihood, up to a constant.
    angles : ndarray, shape (n, c)
        Rotation in radians, from x towards y, that maps the template onto the neighbours of the atom.
    mirrored : ndarray of bool, shape (n, c)
        Whether the template is mirrored (y to -y) before the rotation.
    """

    costs: NDArray[np.float64]
    angles: NDArray[np.float64]
    mirrored: NDArray[np.bool_]


def fit_templates(
    atoms: Neighbourhoods,
    kinds: NDArray[np.int32],
    templates: NeighbourTemplates,
    *,
    spread: float,
    tolerance: float,
    absent: float,
    rotation_invariant: bool,
    beyond: float = np.inf,
) -> TemplateFits:
    r"""Fit templates to the neighbours of atoms.

    A neighbour at a distance d from its place costs :math:`d^2 / 2\sigma^2`, at most the value at the tolerance. An
    empty place, a neighbour of another kind and a neighbour without a place cost `absent` each: the neighbours of a site
    can change while the site remains the same.

    Parameters
    ----------
    atoms : Neighbourhoods
    kinds : ndarray of int32, shape (n, k)
        Kind of each neighbour.
    templates : NeighbourTemplates
    spread : float
        Standard deviation of a place along x and along y, nearest-neighbour distances.
    tolerance : float
        Distance of a neighbour from its place above which the cost is constant.
    absent : float
        Cost of an absent or additional neighbour.
    rotation_invariant : bool
        Fit all rotations and the mirror image.
    beyond : float
        Costs that exceed the lowest of the atom by more than this are lower bounds.

    Returns
    -------
    TemplateFits
    """
    n, c = len(atoms.offsets), len(templates)
    costs, angles = np.empty((n, c)), np.zeros((n, c))
    mirrored = np.zeros((n, c), dtype=np.bool_)
    over_rows(
        _fit_all,
        n,
        _polar(atoms.offsets),
        np.ascontiguousarray(kinds),
        np.ascontiguousarray(atoms.window),
        _number(atoms.offsets),
        _polar(templates.places),
        templates.kinds,
        _number(templates.places),
        np.array([spread, tolerance, absent, atoms.reach, beyond]),
        rotation_invariant,
        costs,
        angles,
        mirrored,
    )
    return TemplateFits(costs, angles, mirrored)


def _number(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Number of points before the first NaN, in each row."""
    known = ~np.isnan(points[..., 0])
    return np.logical_and.accumulate(known, axis=1).sum(axis=1)


def _polar(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Append radius and angle to x and y."""
    x, y = points[..., 0], points[..., 1]
    return np.ascontiguousarray(np.stack([x, y, np.hypot(x, y), np.arctan2(y, x)], axis=-1))


@numba.njit(cache=True, **INNER)
def _cost(
    offsets: NDArray[np.float64],
    kinds: NDArray[np.int32],
    window: NDArray[np.float64],
    places: NDArray[np.float64],
    frequent: NDArray[np.int32],
    turn: tuple[float, float, float],
    numbers: tuple[float, float, float, float, float],
    worst: float,
) -> float:
    """Cost of a template at one angle. The sum ends where it exceeds `worst`."""
    cosine, sine, flip = turn
    spread, tolerance, absent, reach, _ = numbers
    scale = 1 / (2 * spread**2)
    ceiling = scale * tolerance**2
    near = SAME**2
    total = 0.0
    first = 0
    for i in range(len(places)):
        # Both lists are sorted by radius.
        while first < len(offsets) and offsets[first, 2] < places[i, 2] - SAME:
            first += 1
        px, py = places[i, 0], flip * places[i, 1]
        x, y = cosine * px - sine * py, sine * px + cosine * py
        if x < window[0] or x > window[1] or y < window[2] or y > window[3]:
            continue
        best, where = near, -1
        for j in range(first, len(offsets)):
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
            total += own if kinds[where] == frequent[i] else absent
        if total > worst:
            return total
    inner = reach - SAME
    first = 0
    for j in range(len(offsets)):
        if offsets[j, 2] > inner:
            break
        while first < len(places) and places[first, 2] <= offsets[j, 2] - SAME:
            first += 1
        free = True
        for i in range(first, len(places)):
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
def _further_rotation(
    offsets: NDArray[np.float64],
    places: NDArray[np.float64],
    turn: tuple[float, float, float],
    tolerance: float,
) -> float:
    """Further rotation of the template by least squares, from the pairs within the tolerance."""
    cosine, sine, flip = turn
    along, across = 0.0, 0.0
    for i in range(len(places)):
        px, py = places[i, 0], flip * places[i, 1]
        x, y = cosine * px - sine * py, sine * px + cosine * py
        best, where = tolerance**2, -1
        for j in range(len(offsets)):
            if abs(offsets[j, 2] - places[i, 2]) > tolerance:
                continue
            square = (offsets[j, 0] - x) ** 2 + (offsets[j, 1] - y) ** 2
            if square < best:
                best, where = square, j
        if where >= 0:
            along += x * offsets[where, 0] + y * offsets[where, 1]
            across += x * offsets[where, 1] - y * offsets[where, 0]
    return np.arctan2(across, along)


@numba.njit(cache=True, **OUTER)
def _fit_all(
    first: int,
    last: int,
    offsets: NDArray[np.float64],
    kinds: NDArray[np.int32],
    window: NDArray[np.float64],
    n_neighbours: NDArray[np.int64],
    places: NDArray[np.float64],
    frequent: NDArray[np.int32],
    n_places: NDArray[np.int64],
    numbers: NDArray[np.float64],
    rotation_invariant: bool,
    costs: NDArray[np.float64],
    angles: NDArray[np.float64],
    mirrored: NDArray[np.bool_],
) -> None:
    settings = (numbers[0], numbers[1], numbers[2], numbers[3], numbers[4])
    for i in range(first, last):
        around, own, inside, lowest = offsets[i, : n_neighbours[i]], kinds[i], window[i], np.inf
        for c in range(len(places)):
            template, kind, worst = places[c, : n_places[c]], frequent[c], lowest + settings[4]
            best = np.inf
            for mirror in range(1 + rotation_invariant):
                flip = 1.0 - 2.0 * mirror
                cost, angle = worst, np.nan if rotation_invariant else 0.0
                for m in range(min(_ANCHORS, len(template)) * rotation_invariant):
                    for j in range(len(around)):
                        if abs(around[j, 2] - template[m, 2]) < settings[1]:
                            trial = around[j, 3] - flip * template[m, 3]
                            turn = (np.cos(trial), np.sin(trial), flip)
                            value = _cost(around, own, inside, template, kind, turn, settings, cost)
                            if value < cost:
                                cost, angle = value, trial
                if np.isnan(angle):
                    best = min(best, worst)
                    continue
                for _ in range(2 * rotation_invariant):
                    turn = (np.cos(angle), np.sin(angle), flip)
                    angle += _further_rotation(around, template, turn, settings[1])
                turn = (np.cos(angle), np.sin(angle), flip)
                cost = _cost(around, own, inside, template, kind, turn, settings, worst)
                # A template with a mirror axis fits in both ways and counts as not mirrored.
                if cost < best - 1e-6:
                    best, angles[i, c], mirrored[i, c] = cost, angle, mirror == 1
            costs[i, c] = best
            lowest = min(lowest, best)
