"""Moments of one image and of many, each atom once, how an image is turned, and what images differ by."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.spatial import cKDTree
from scipy.stats import chi2, norm

from hyperspy_motifs.clustering import ALMOST_WHOLE, MIN_MOTIF_SIZE, RADII, Brightness
from hyperspy_motifs.common import LEVEL, SAMPLE, robust_spread
from hyperspy_motifs.sites import Neighbourhoods
from hyperspy_motifs.zernike import (
    LEAST_COVERAGE,
    DiscImage,
    Moments,
    MomentsLike,
    PrincipalAxes,
    fine_step,
    noise_unit,
    rotate_moments,
    stack_moments,
    zernike_basis,
)

# Atoms that are rotated.
_TURNED = 300
# Highest azimuthal order 8 of the moments: 36 steps resolve a quarter of its period.
_STEPS = 72
_AXES = 12
#: Radius that reaches the neighbours, for the orientation.
ORIENTED_AT = RADII[1]
# Distance of the corner from which positions are counted, in nearest-neighbour distances: further than neighbours are sought.
_OUTSIDE = 10.0


@dataclass(frozen=True)
class Orientation:
    """How an image is turned relative to the reference.

    Attributes
    ----------
    angle : float
        Radians, from x towards y, by which its discs are rotated to match those of the reference.
    mirrored : bool
        Whether they are mirrored (y to -y) before.
    distance : float
        Mean distance of an atom from the nearest atom of the reference, in units of the noise per feature.
    chance : float
        The same for the median of all angles.
    """

    angle: float = 0.0
    mirrored: bool = False
    distance: float = 0.0
    chance: float = np.inf

    def apply(self, values: NDArray[np.floating], modes: NDArray[np.int64]) -> NDArray[np.floating]:
        """Return moments (n, K) in the orientation of the reference."""
        if self.mirrored:
            values = np.where(modes[:, 1] < 0, -values, values)
        return rotate_moments(values, modes, self.angle) if self.angle else values

    def apply_to_vectors(self, xy: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return vectors (..., 2), x and y, in the orientation of the reference."""
        if self.mirrored:
            xy = xy * np.array([1.0, -1.0])
        c, s = np.cos(self.angle), np.sin(self.angle)
        return xy @ np.array([[c, s], [-s, c]])


def find_orientation(
    moments: MomentsLike, reference: MomentsLike, *, mirrors: bool = False, random_state: int = 0
) -> Orientation:
    """Find the rotation after which the atoms of an image are most like those of the reference.

    A sample of the atoms is rotated; of each the distance to the nearest atom of the reference is measured in the principal
    axes of the moments. The angle with the smallest mean distance is taken, or the smallest angle at which the distances are
    not significantly larger: images of one study often have one orientation. Nothing else about the structure is needed, but
    the images must show some common structure in one orientation each, or in several with the same angles between them.
    Where the structure is symmetric, all equivalent angles are right.

    Parameters
    ----------
    moments, reference : zernike.Moments
        At a radius that reaches the neighbours.
    mirrors : bool
        Also try the mirror image.
    random_state : int
        Seed of the samples.

    Returns
    -------
    Orientation
    """
    rng = np.random.default_rng(random_state)
    turned, compared = _sample(moments, _TURNED, rng), _sample(reference, SAMPLE, rng)
    unit = np.hypot(noise_unit(moments), noise_unit(reference))
    axes = PrincipalAxes.fit(compared / unit, min(_AXES, compared.shape[1], max(len(compared) - 1, 1)))
    tree, modes = cKDTree(axes.apply(compared / unit)), np.asarray(moments.modes)

    def distances(angle: float, mirrored: bool) -> NDArray[np.float64]:
        there = Orientation(angle, mirrored).apply(turned, modes)
        return np.asarray(tree.query(axes.apply(there / unit))[0], dtype=np.float64)

    def distance(angle: float, mirrored: bool) -> float:
        return float(distances(angle, mirrored).mean())

    step, n = 2 * np.pi / _STEPS, len(turned)
    found = []
    for mirrored in (False, True) if mirrors else (False,):
        tried = np.array([distances(k * step, mirrored) for k in range(_STEPS)])
        mean = tried.mean(axis=1)
        more = tried - tried[int(mean.argmin())]
        least = (mean <= np.roll(mean, 1)) & (mean <= np.roll(mean, -1))
        least &= more.mean(axis=1) <= norm.isf(LEVEL) * more.std(axis=1) / np.sqrt(n)
        # Of angles that are equally right, that of images with the same orientation.
        turns = np.where(np.arange(_STEPS) > _STEPS // 2, np.arange(_STEPS) - _STEPS, np.arange(_STEPS))[
            least
        ]
        start = step * int(turns[np.abs(turns).argmin()])
        best = minimize_scalar(
            distance, args=(mirrored,), bounds=(start - step, start + step), method="bounded",
            options={"xatol": 1e-3},
        )  # fmt: skip
        found.append(Orientation(float(best.x), mirrored, float(best.fun), float(np.median(mean))))
    return min(found, key=lambda one: one.distance)


def _sample(moments: MomentsLike, most: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the moments of at most `most` atoms with whole discs, or of others if there are few."""
    coverage, valid = np.asarray(moments.coverage), np.asarray(moments.valid, bool)
    rows = np.flatnonzero(valid & (coverage > 0.99))
    rows = rows if len(rows) >= 20 else np.flatnonzero(valid)
    if not len(rows):
        raise ValueError("no atom has a disc inside the image")
    return np.asarray(moments.values, float)[np.sort(rng.permutation(rows)[:most])]


class DiscSource:
    """Moments of the discs around the atoms of one field of view, at any radius; each is computed once.

    Parameters
    ----------
    images : sequence of ndarray, shape (rows, columns)
        Detectors of the field; their moments are concatenated.
    pixels : ndarray, shape (n, 2)
        x, y in pixels.
    spacing : float
        Nearest-neighbour distance in pixels.
    orders : mapping of float to int
        Highest radial order of the moments at each radius. Other radii use the order of the nearest one.
    masks : sequence of ndarray of bool, shape (rows, columns), or None, optional
        Pixels of each image that hold no data.
    """

    def __init__(
        self,
        images: Sequence[NDArray[np.floating]],
        pixels: NDArray[np.float64],
        spacing: float,
        orders: Mapping[float, int],
        masks: Sequence[NDArray[np.bool_] | None] | None = None,
    ) -> None:
        self.masks = [None] * len(images) if masks is None else list(masks)
        self.images, self.pixels, self.spacing, self.orders = list(images), pixels, spacing, dict(orders)
        self._kept: dict[float, Moments] = {}
        self._prepared: list[DiscImage] = []

    def __call__(self, radius: float) -> Moments:
        if radius not in self._kept:
            nearest = min(self.orders, key=lambda known: abs(known - radius))
            basis = zernike_basis(self.orders[nearest], radius * self.spacing)
            each = [image.moments(basis, LEAST_COVERAGE) for image in self.prepared()]
            self._kept[radius] = each[0] if len(each) == 1 else stack_moments(each)
        return self._kept[radius]

    def prepared(self) -> list[DiscImage]:
        """Return the image of each detector, prepared for its moments."""
        if not self._prepared:
            self._prepared = [
                DiscImage(image, self.pixels, mask=mask, step=fine_step(self.spacing))
                for image, mask in zip(self.images, self.masks, strict=True)
            ]
        return self._prepared

    def neighbours(self) -> Neighbourhoods:
        """Return the neighbours of the atoms."""
        rows, columns = self.images[0].shape
        return Neighbourhoods.of(self.pixels, (rows, columns), self.spacing)


# Variance of a median in units of that of a mean, of a normal distribution: pi / 2.
_OF_MEDIAN = np.pi / 2
# Median of the squares of a normal distribution.
_MEDIAN_SQUARE = float(chi2.median(1))
# Larger effects, in standard deviations of those of the collection, are not removed entirely: a difference of the structure.
_LIMIT = 3.0
# Largest standard deviation of effects, in units of the root mean square moment. Images of 10 to 40 pixels per
# nearest-neighbour distance, with the same optics, have 0.01 to 0.02.
_LARGEST = 0.05


def image_effects(
    values: NDArray[np.floating],
    kinds: NDArray[np.integer],
    images: NDArray[np.integer],
    sound: NDArray[np.bool_],
) -> NDArray[np.float64]:
    r"""Return what each image adds to the moments of each kind.

    The moments of atom j, of kind k, in image i are :math:`x_j = \mu_k + d_{ik} + e_j`, with random effects
    :math:`d_{ik} \sim N(0, T)` of the images, with one variance for each mode. They are estimated from medians, and shrunk by
    their reliability :math:`T / (T + v_{ik})`, where v is the variance of the median [1]_. The variance T is that of the median
    effect. Effects beyond three standard deviations are cut off there, and T is limited: images of different structures stay
    different. A kind with few atoms in an image has the mean effect of the other kinds of the image.

    Parameters
    ----------
    values : ndarray, shape (n, K)
        Moments; NaN where not `sound`.
    kinds, images : ndarray of int, shape (n,)
        From 0.
    sound : ndarray of bool, shape (n,)
        Atoms with whole discs.

    Returns
    -------
    ndarray, shape (images, kinds, K)

    References
    ----------
    .. [1] N. M. Laird and J. H. Ware, Biometrics 38, 963 (1982).
    """
    n_images, n_kinds = int(images.max()) + 1, int(kinds.max()) + 1
    effects = np.zeros((n_images, n_kinds, values.shape[1]))
    if n_images == 1:
        return effects
    shape = (n_images, n_kinds, values.shape[1])
    centre, variance = np.full(shape, np.nan), np.full(shape, np.inf)
    for i in range(n_images):
        for k in range(n_kinds):
            own = np.asarray(values[sound & (images == i) & (kinds == k)], float)
            if len(own) < MIN_MOTIF_SIZE:
                continue
            centre[i, k] = np.median(own, axis=0)
            spread = robust_spread(own - centre[i, k], axis=0)
            variance[i, k] = _OF_MEDIAN * np.maximum(spread, 1e-12) ** 2 / len(own)
    known = np.isfinite(variance[..., 0])
    if not known.any():
        return effects
    rms = float(np.sqrt(np.mean(np.asarray(values[sound], float) ** 2)))
    filled, scatter = np.nan_to_num(centre), np.zeros(shape[-1])
    for _ in range(2):
        weight = np.where(known[..., None], 1 / (variance + scatter), 0.0)
        common = (weight * filled).sum(axis=0) / np.maximum(weight.sum(axis=0), 1e-300)
        apart = filled - common
        several = known & (known.sum(axis=0) > 1)
        if not several.any():
            return effects
        squares = np.median(apart[several] ** 2, axis=0) / _MEDIAN_SQUARE
        scatter = np.clip(squares - np.median(variance[several], axis=0), 0.0, (_LARGEST * rms) ** 2)
    reliability = np.where(several[..., None], scatter / (scatter + variance + 1e-300), 0.0)
    limit = _LIMIT * np.sqrt(scatter)
    effects = np.clip(reliability * apart, -limit, limit)
    for i in np.flatnonzero(several.any(axis=1)).tolist():
        mean = np.average(
            effects[i, several[i]],
            axis=0,
            weights=1 / (variance[i, several[i]] + scatter + 1e-300).mean(axis=1),
        )
        effects[i, ~several[i]] = mean
    return effects


class PooledMoments:
    """Moments of the atoms of all images, at any of the radii, in the orientation of the reference.

    Parameters
    ----------
    moments : sequence of dict of float to Moments
        Of each image, by radius, with the same modes.
    neighbours : sequence of Neighbourhoods
        Of each image.
    orientations : sequence of Orientation
    spacing : float
        Nearest-neighbour distance of the reference in pixels.
    orders : dict of float to int
        Radial orders of the moments.
    brightness : sequence of Brightness, optional
        Of each image, in units of that of the reference.
    """

    def __init__(
        self,
        moments: Sequence[Mapping[float, Moments]],
        neighbours: Sequence[Neighbourhoods],
        orientations: Sequence[Orientation],
        spacing: float,
        orders: Mapping[float, int],
        brightness: Sequence[Brightness] | None = None,
    ) -> None:
        self._moments, self._orientations, self._brightness = moments, orientations, brightness
        self.spacing, self.orders = spacing, dict(orders)
        sizes = [len(one.neighbours) for one in neighbours]
        #: Number of the image of each atom, shape (n,).
        self.images: NDArray[np.int64] = np.repeat(np.arange(len(sizes)), sizes)
        self._neighbours = _joined(neighbours, orientations)
        self._kinds: NDArray[np.integer] | None = None
        self._axial = False
        self._kept: dict[float, Moments] = {}

    def __call__(self, radius: float) -> Moments:
        if radius not in self._kept:
            self._kept[radius] = self._pooled(radius)
        return self._kept[radius]

    def neighbours(self) -> Neighbourhoods:
        """Return the neighbours of the atoms, in the orientation of the reference."""
        return self._neighbours

    def remove_image_effects(self, kinds: NDArray[np.integer], rotation_invariant: bool = False) -> None:
        """From now on, return moments without what each image adds to those of each of the kinds (n,).

        Where rotations do not count, only the moments that no rotation changes have a common mean in an image.
        """
        self._kinds, self._axial = kinds, rotation_invariant
        self._kept = {}

    def sound(self, radius: float) -> NDArray[np.bool_]:
        """Return which atoms have whole discs, shape (n,)."""
        return np.concatenate(
            [m.valid & (m.coverage > ALMOST_WHOLE) for m in (one[radius] for one in self._moments)]
        )

    def _pooled(self, radius: float) -> Moments:
        each = [one[radius] for one in self._moments]
        if self._brightness is not None:
            each = [own.apply(m) for own, m in zip(self._brightness, each, strict=True)]
        turned = [
            dataclasses.replace(
                m,
                values=o.apply(m.values, m.modes),
                scan_error=None if m.scan_error is None else o.apply(m.scan_error, m.modes),
            )
            for o, m in zip(self._orientations, each, strict=True)
        ]
        joined = Moments.joined(turned)
        values = joined.values
        if self._kinds is not None:
            effects = image_effects(values, self._kinds, self.images, self.sound(radius))
            if self._axial:
                effects[..., np.asarray(joined.modes)[:, 1] != 0] = 0
            values = values - effects[self.images, self._kinds].astype(np.float32)
        return dataclasses.replace(joined, values=values, coverage=np.minimum(joined.coverage, ALMOST_WHOLE))


def rows_once(tracks: NDArray[np.int64], frames: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the observation of each atom that is used, ascending: another frame from atom to atom, so that all are used.

    Parameters
    ----------
    tracks : ndarray of int, shape (n,)
        Number of the atom that each observation shows, 0...
    frames : ndarray of int, shape (n,)

    Returns
    -------
    ndarray of int, shape (atoms,)
    """
    order = np.lexsort((frames, tracks))
    starts = np.flatnonzero(np.diff(tracks[order], prepend=-1))
    lengths = np.diff(np.append(starts, len(order)))
    return np.asarray(np.sort(order[starts + np.arange(len(starts)) % lengths]), np.int64)


def neighbours_once(
    of_all: Neighbourhoods, tracks: NDArray[np.int64], rows: NDArray[np.int64]
) -> Neighbourhoods:
    """Return the neighbours of the observations `rows`: the observations of the neighbours of each atom that are used.

    Parameters
    ----------
    of_all : Neighbourhoods
        Of all observations.
    tracks : ndarray of int, shape (n,)
        Number of the atom that each observation shows.
    rows : ndarray of int, shape (atoms,)
        One observation of each atom (:func:`rows_once`).

    Returns
    -------
    Neighbourhoods
    """
    place = np.empty(len(rows), np.int32)
    place[tracks[rows]] = np.arange(len(rows))
    numbers = of_all.neighbours[rows]
    used = np.where(numbers >= 0, place[tracks[numbers]], -1).astype(np.int32)
    return dataclasses.replace(
        of_all, offsets=of_all.offsets[rows], neighbours=used, window=of_all.window[rows]
    )


class PooledOnce:
    """One observation of each atom among the pooled moments of many images.

    Parameters
    ----------
    pooled : PooledMoments
    tracks : ndarray of int, shape (n,)
        Number of the atom that each observation shows.

    Attributes
    ----------
    rows : ndarray of int, shape (m,)
        The observations that are used.
    images : ndarray of int, shape (m,)
    """

    def __init__(self, pooled: PooledMoments, tracks: NDArray[np.int64]) -> None:
        self._pooled, self._tracks = pooled, tracks
        self.rows = rows_once(tracks, pooled.images)
        self.images = pooled.images[self.rows]
        self.spacing, self.orders = pooled.spacing, pooled.orders

    def __call__(self, radius: float) -> Moments:
        return self._pooled(radius).take(self.rows)

    def neighbours(self) -> Neighbourhoods:
        """Return the neighbours: the observations of the neighbours of each atom that are used."""
        return neighbours_once(self._pooled.neighbours(), self._tracks, self.rows)


def _joined(each: Sequence[Neighbourhoods], orientations: Sequence[Orientation]) -> Neighbourhoods:
    """Return the neighbourhoods of all images as one."""
    width = max(one.neighbours.shape[1] for one in each)
    starts = np.cumsum([0, *[len(one.neighbours) for one in each]])
    offsets, numbers, windows = [], [], []
    for one, orientation, start in zip(each, orientations, starts, strict=False):
        more = ((0, 0), (0, width - one.neighbours.shape[1]))
        offsets.append(
            np.pad(orientation.apply_to_vectors(one.offsets), (*more, (0, 0)), constant_values=np.nan)
        )
        shifted = np.where(one.neighbours >= 0, one.neighbours + start, -1)
        numbers.append(np.pad(shifted, more, constant_values=-1))
        windows.append(_turned_window(one.window, orientation))
    return Neighbourhoods(
        np.concatenate(offsets),
        np.concatenate(numbers).astype(np.int32),
        np.concatenate(windows),
        each[0].reach,
        # In a turned image the scan displaces rows along another direction.
        float(np.mean([0.0 if o.angle else one.wander for one, o in zip(each, orientations, strict=False)])),
    )


def _turned_window(window: NDArray[np.float64], orientation: Orientation) -> NDArray[np.float64]:
    """Return the windows (n, 4) of the atoms of a turned image.

    Their lower ends are the positions of the atoms, from a corner outside the image; the border, which is not parallel to the
    axes any more, limits their upper ends alone: at the distance at which a square around the atom touches it.
    """
    if not orientation.angle and not orientation.mirrored:
        return window
    reach = np.abs(window).min(axis=1) / np.sqrt(2)
    positions = orientation.apply_to_vectors(-window[:, [0, 2]])
    positions += _OUTSIDE - positions.min(axis=0)
    return np.column_stack([-positions[:, 0], reach, -positions[:, 1], reach])
