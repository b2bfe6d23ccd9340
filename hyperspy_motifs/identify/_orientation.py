"""Orientations in which a projected crystal fits points of an image: votes of pairs, then least squares."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from hyperspy_motifs.common import SMALLEST_SAMPLE

from ._constants import CONSTANTS
from ._projection import ProjectedCell

# Numbers of a block of distances, to bound the memory.
_BLOCK = 2_000_000
# Refinements of an orientation at most.
_REFINEMENTS = 8


@dataclass(frozen=True)
class Orientation:
    """A linear map from a projected crystal to an image.

    Attributes
    ----------
    matrix : ndarray of shape (2, 2)
        ``vector @ matrix.T`` of the crystal, in ångström, is a vector in the image.
    support : float
        Logarithm of the likelihood ratio of the sampled points, positive ones only.
    """

    matrix: NDArray[np.float64]
    support: float

    @property
    def mirrored(self) -> bool:
        """Whether the crystal is seen from below."""
        return bool(np.linalg.det(self.matrix) < 0)

    @property
    def scale(self) -> float:
        """Length in the image of one ångström."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix))))

    @property
    def rotation(self) -> float:
        """Angle of the first vector of the crystal's frame, in degrees, counter-clockwise."""
        u, _, vt = np.linalg.svd(self.matrix)
        turn = u @ vt
        return float(np.degrees(np.arctan2(turn[1, 0], turn[0, 0])))

    @property
    def strain(self) -> NDArray[np.float64]:
        """Symmetric distortion beyond the scale, shape (2, 2), in the frame of the image."""
        u, values, _ = np.linalg.svd(self.matrix)
        return u @ np.diag(values / self.scale) @ u.T - np.eye(2)

    def unstretched(self, calibrated: bool) -> Orientation:
        """The same without distortion, and in a calibrated image with the scale of the calibration."""
        u, _, vt = np.linalg.svd(self.matrix)
        return replace(self, matrix=(1.0 if calibrated else self.scale) * u @ vt)

    def log_prior(self, calibrated: bool) -> float:
        """Logarithm of the prior density, relative to its maximum: of the calibration and of the distortion."""
        distortion = float(np.sqrt((self.strain**2).sum() / 2)) / CONSTANTS.distortion
        calibration = np.log(self.scale) / CONSTANTS.calibration if calibrated else 0.0
        return -0.5 * float(distortion**2 + calibration**2)


@dataclass(frozen=True)
class Neighbourhood:
    """Neighbours of the columns of a projected crystal, padded to one number.

    Attributes
    ----------
    vectors : ndarray of shape (k, v, 2)
        In ångström.
    columns : ndarray of int of shape (k, v)
        Column at the end of each vector.
    listed : ndarray of bool of shape (k, v)
        False for padding.
    spacing : float
        Mean distance of the nearest neighbours.
    """

    vectors: NDArray[np.float64]
    columns: NDArray[np.int64]
    listed: NDArray[np.bool_]
    spacing: float

    @classmethod
    def of(cls, cell: ProjectedCell) -> Neighbourhood:
        """Of each column of a projected crystal."""
        reach = 1.5 * np.sqrt(cell.area / len(cell))
        while True:
            around = cell.neighbours(reach)
            if min(len(columns) for _, columns in around) > CONSTANTS.neighbours:
                break
            reach *= 1.4
        lengths = [np.hypot(*vectors.T) for vectors, _ in around]
        numbers = [
            min(int((length <= 1.02 * length[CONSTANTS.neighbours - 1]).sum()), CONSTANTS.most_neighbours)
            for length in lengths
        ]
        shape = (len(cell), max(numbers))
        vectors, columns, listed = np.zeros((*shape, 2)), np.zeros(shape, np.int64), np.zeros(shape, bool)
        for k, n in enumerate(numbers):
            vectors[k, :n], columns[k, :n], listed[k, :n] = around[k][0][:n], around[k][1][:n], True
        return cls(vectors, columns, listed, float(np.mean([length[0] for length in lengths])))


@dataclass(frozen=True)
class Match:
    """Points at the predicted neighbours of points, for each column that they may be.

    Attributes
    ----------
    index : ndarray of int of shape (n, k, v)
        Point at the place; -1 where there is none near.
    square : ndarray of shape (n, k, v)
        Square of the distance of that point from the place.
    shown : ndarray of bool of shape (n, k, v)
        False for places that the image does not show.
    aliens : ndarray of int of shape (n, k)
        Points among the neighbours, but not at a predicted place.
    scatter : float
        Standard deviation of the distance per axis.
    spacing : float
        Nearest-neighbour distance; all lengths are in the units of the image.
    """

    index: NDArray[np.int64]
    square: NDArray[np.float64]
    shown: NDArray[np.bool_]
    aliens: NDArray[np.int64]
    scatter: float
    spacing: float

    @cached_property
    def geometry(self) -> NDArray[np.float64]:
        """Logarithm of the likelihood ratio of each point against points at random, shape (n, k); each pair counts half."""
        # Points at random at the mean density of a dense row of neighbours.
        density = 1.0 / self.spacing**2
        # Student's distribution: near defects and boundaries distances are strained.
        nu, found = CONSTANTS.strain_freedom, self.index >= 0
        gain = (1 + self.square / (nu * self.scatter**2)) ** (-nu / 2 - 1) * np.exp(
            np.pi * density * self.square
        )
        gain *= np.where(found, (1 - CONSTANTS.irregular) / (2 * np.pi * density * self.scatter**2), 0.0)
        log_ratio = np.where(self.shown | found, np.log(gain + CONSTANTS.irregular), 0.0)
        return 0.5 * (log_ratio.sum(axis=2) + self.aliens * np.log(CONSTANTS.irregular))

    @property
    def compared(self) -> NDArray[np.int64]:
        """Number of neighbours that `geometry` is the sum over, shape (n, k): predicted ones and others."""
        return np.asarray((self.shown | (self.index >= 0)).sum(axis=2) + self.aliens, np.int64)


@dataclass(frozen=True)
class Field:
    """Points of an image.

    Attributes
    ----------
    points : ndarray of shape (n, 2)
        x to the right, y up.
    box : ndarray of shape (2, 2)
        Smallest and largest x, y that the image shows.
    tree : scipy.spatial.cKDTree
        Of the points.
    near, distance : ndarray of shape (n, m)
        Nearest points of each point, itself the first, and their distances: predicted neighbours are looked for among them.
    """

    points: NDArray[np.float64]
    box: NDArray[np.float64]
    tree: cKDTree
    near: NDArray[np.int64]
    distance: NDArray[np.float64]

    @classmethod
    def of(cls, points: NDArray[np.float64], box: NDArray[np.float64]) -> Field:
        """Of points and the limits of the image."""
        tree = cKDTree(points)
        k = min(3 * CONSTANTS.most_neighbours, len(points))
        distance, near = tree.query(points, k=k)
        return cls(points, box, tree, near.reshape(len(points), -1), distance.reshape(len(points), -1))

    def match(
        self,
        which: NDArray[np.integer],
        around: Neighbourhood,
        matrix: NDArray[np.float64],
        scatter: float,
        spacing: float,
    ) -> Match:
        """Look for the neighbours that points would have in one orientation of a crystal.

        Parameters
        ----------
        which : ndarray of int of shape (n,)
            Points to look at.
        around : Neighbourhood
        matrix : ndarray of shape (2, 2)
        scatter : float
            Standard deviation of the distance per axis.
        spacing : float
            Nearest-neighbour distance, both in the units of the image.

        Returns
        -------
        Match
        """
        shape = (len(which), *around.columns.shape)
        vectors = (around.vectors @ matrix.T).reshape(-1, 2)
        index, square = np.empty((shape[0], len(vectors)), np.int64), np.empty((shape[0], len(vectors)))
        aliens = np.empty(shape[:2], np.int64)
        lengths = np.where(around.listed, np.hypot(*np.moveaxis(around.vectors, 2, 0)), 0.0) / around.spacing
        reach = (lengths.max(axis=1) - CONSTANTS.near) * spacing
        inside = self.distance[which] < (lengths.max() + 0.5) * spacing
        width = max(int(inside.sum(axis=1).max(initial=0)), 1)
        step = max(_BLOCK // (len(vectors) * width), 1)
        for start in range(0, len(which), step):
            rows = slice(start, start + step)
            near = self.near[which[rows], :width]
            apart = self.points[near] - self.points[which[rows]][:, None]
            # The square of the distance from each place, but for that of the place itself.
            cost = (apart**2).sum(axis=2)[:, None] - 2 * vectors @ apart.transpose(0, 2, 1)
            slot = cost.argmin(axis=2)
            chosen = np.take_along_axis(apart, slot[:, :, None], axis=1)
            square[rows] = ((chosen - vectors) ** 2).sum(axis=2)
            at_place = (square[rows] < (0.5 * spacing) ** 2) & around.listed.ravel()
            index[rows] = np.where(at_place, np.take_along_axis(near, slot, axis=1), -1)
            around_it = (self.distance[which[rows], None, 1:width] < reach[:, None]).sum(axis=2)
            taken = at_place.reshape(-1, *shape[1:])
            taken &= np.hypot(*chosen.T).T.reshape(-1, *shape[1:]) < reach[:, None]
            aliens[rows] = np.maximum(around_it - taken.sum(axis=2), 0)
        shown = np.broadcast_to(around.listed, shape)
        for axis in range(2):
            place = self.points[which, axis][:, None] + vectors[:, axis]
            shown = shown & ((place > self.box[0, axis]) & (place < self.box[1, axis])).reshape(shape)
        index, square = index.reshape(shape), square.reshape(shape)
        return Match(index, np.where(index >= 0, square, 0.0), shown, aliens, scatter, spacing)


def find_orientations(
    field: Field, cell: ProjectedCell, around: Neighbourhood, scale: float, calibrated: bool
) -> list[Orientation]:
    """Orientations of grains of a crystal in an image.

    Pairs of neighbouring points vote for the angle between them and the vectors of the crystal of the same length; each
    peak of the votes is refined to a linear map by least squares. Orientations that a symmetry of the crystal connects are
    one.

    Parameters
    ----------
    field : Field
    cell : ProjectedCell
    around : Neighbourhood
        Of the cell.
    scale : float
        Length in the image of one ångström.
    calibrated : bool
        Whether `scale` is known, apart from the error of a calibration.

    Returns
    -------
    list of Orientation
        The best first.
    """
    sample = _sample(field)
    first: list[Orientation] = []
    for mirrored in (False, True):
        for angle in _peaks(field, sample, around, scale, mirrored):
            turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            start = Orientation(scale * turn @ np.diag([1.0, -1.0 if mirrored else 1.0]), 0.0)
            refined = _refine(field, sample, around, start, 2 * CONSTANTS.displacement[1])
            # Orientations that a symmetry connects are refined once.
            if refined is not None and not any(_are_equivalent(refined, o, cell) for o in first):
                first.append(refined)
    found: list[Orientation] = []
    for one in first:
        refined = _refine(field, sample, around, one, CONSTANTS.displacement[1])
        if refined is not None:
            support = _support(field, sample, around, refined) + refined.log_prior(calibrated)
            if support > 0:
                found.append(replace(refined, support=support))
    likely = [o for o in found if o.log_prior(calibrated) > CONSTANTS.impossible]
    found = likely or found
    found.sort(key=lambda o: (-round(o.support, 6), o.mirrored))
    kept: list[Orientation] = []
    for one in found:
        if one.support < CONSTANTS.grain_share * found[0].support:
            break
        if not any(_are_equivalent(one, other, cell) for other in kept):
            kept.append(_converged(field, sample, around, one))
    return kept


def _sample(field: Field) -> NDArray[np.int64]:
    n = len(field.points)
    return np.unique(np.linspace(0, n - 1, min(n, SMALLEST_SAMPLE)).astype(np.int64))


def _peaks(
    field: Field, sample: NDArray[np.integer], around: Neighbourhood, scale: float, mirrored: bool
) -> NDArray[np.float64]:
    """Angles in radians with most votes."""
    k = min(CONSTANTS.most_neighbours, len(field.points) - 1)
    _, near = field.tree.query(field.points[sample], k=k + 1)
    apart = (field.points[near[:, 1:]] - field.points[sample][:, None]).reshape(-1, 2)
    vectors = scale * around.vectors[around.listed]
    lengths, angles = np.hypot(*apart.T), np.arctan2(apart[:, 1], apart[:, 0])
    known, directions = np.hypot(*vectors.T), np.arctan2(vectors[:, 1], vectors[:, 0])
    alike = np.abs(np.log(lengths[:, None] / known)) < 4 * CONSTANTS.calibration
    turn = (angles[:, None] + (directions if mirrored else -directions))[alike]
    votes = np.bincount(np.floor(np.degrees(turn)).astype(int) % 360, minlength=360).astype(float)
    votes = gaussian_filter1d(votes, CONSTANTS.peak_width, mode="wrap")
    chosen: list[int] = []
    for number in np.argsort(-votes, kind="stable").tolist():
        if votes[number] <= 0 or len(chosen) == CONSTANTS.peaks:
            break
        if all(min(abs(number - c), 360 - abs(number - c)) > 3 * CONSTANTS.peak_width for c in chosen):
            chosen.append(number)
    return np.radians(np.array(chosen, float) + 0.5)


def _refine(
    field: Field, sample: NDArray[np.integer], around: Neighbourhood, start: Orientation, scatter: float
) -> Orientation | None:
    """Fit the linear map to the pairs of the points that agree with it; the support is that of `start`."""
    spacing = start.scale * around.spacing
    match = field.match(sample, around, start.matrix, scatter * spacing, spacing)
    score = match.geometry
    column = score.argmax(axis=1)
    good = np.flatnonzero(score.max(axis=1) > 0)
    if len(good) < 3:
        return None
    index = match.index[good, column[good]]
    vectors = around.vectors[column[good]]
    apart = field.points[index] - field.points[sample[good]][:, None]
    rest = apart - vectors @ start.matrix.T
    close = (index >= 0) & (np.hypot(rest[..., 0], rest[..., 1]) < 2.5 * scatter * spacing)
    if close.sum() < 6:
        return None
    solution, _, rank, _ = np.linalg.lstsq(vectors[close], apart[close], rcond=None)
    return Orientation(solution.T, float(score.max(axis=1)[good].sum())) if rank == 2 else None


def _converged(
    field: Field, sample: NDArray[np.integer], around: Neighbourhood, start: Orientation
) -> Orientation:
    """Refined until it stays, so that structures of one geometry end in one map."""
    for _ in range(_REFINEMENTS):
        refined = _refine(field, sample, around, start, CONSTANTS.displacement[1])
        if refined is None or np.allclose(refined.matrix, start.matrix, rtol=0, atol=1e-9 * start.scale):
            break
        start = replace(refined, support=start.support)
    return start


def _support(
    field: Field, sample: NDArray[np.integer], around: Neighbourhood, orientation: Orientation
) -> float:
    """Logarithm of the likelihood ratio of the sampled points, positive ones only."""
    spacing = orientation.scale * around.spacing
    scatter = CONSTANTS.displacement[1] * spacing
    score = field.match(sample, around, orientation.matrix, scatter, spacing).geometry
    return float(np.maximum(score.max(axis=1), 0).sum())


def _are_equivalent(a: Orientation, b: Orientation, cell: ProjectedCell) -> bool:
    """Whether the crystal in both orientations is the same, up to a shift."""
    u, _, vt = np.linalg.svd(np.linalg.inv(a.matrix) @ b.matrix)
    turn = u @ vt
    if not cell.repeats_after(turn):
        return False
    turned = cell.positions @ turn.T
    kinds = np.array([cell.compositions.index(c) for c in cell.compositions])
    rarest = min(set(kinds.tolist()), key=kinds.tolist().count)
    first = int(np.flatnonzero(kinds == rarest)[0])
    starts = cell.positions[kinds == rarest]
    same = cell.coincident((turned - turned[first] + starts[:, None]).reshape(-1, 2))
    same = same.reshape(len(starts), len(cell), len(cell)) & (kinds[:, None] == kinds)
    return bool(same.any(axis=2).all(axis=1).any())
