"""The rotation between images of one structure, from the moments of their atoms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.spatial import cKDTree

from hyperspy_motifs.zernike import MomentsLike, PrincipalAxes, noise_unit, rotate_moments

# Atoms that are rotated, and atoms of the reference that they are compared with.
_TURNED, _COMPARED = 300, 2_000
# Highest azimuthal order 8 of the moments: 36 steps resolve a quarter of its period.
_STEPS = 72
_AXES = 12


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
    axes of the moments. The angle with the smallest mean distance is taken. Nothing else about the structure is needed, but
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
    turned, compared = _sample(moments, _TURNED, rng), _sample(reference, _COMPARED, rng)
    unit = np.hypot(noise_unit(moments), noise_unit(reference))
    axes = PrincipalAxes.fit(compared / unit, min(_AXES, compared.shape[1], max(len(compared) - 1, 1)))
    tree, modes = cKDTree(axes.apply(compared / unit)), np.asarray(moments.modes)

    def distance(angle: float, mirrored: bool) -> float:
        there = Orientation(angle, mirrored).apply(turned, modes)
        return float(np.mean(tree.query(axes.apply(there / unit))[0]))

    step = 2 * np.pi / _STEPS
    found = []
    for mirrored in (False, True) if mirrors else (False,):
        tried = np.array([distance(k * step, mirrored) for k in range(_STEPS)])
        start = step * int(np.argmin(tried))
        best = minimize_scalar(
            distance, args=(mirrored,), bounds=(start - step, start + step), method="bounded",
            options={"xatol": 1e-3},
        )  # fmt: skip
        found.append(Orientation(float(best.x), mirrored, float(best.fun), float(np.median(tried))))
    return min(found, key=lambda one: one.distance)


def _sample(moments: MomentsLike, most: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the moments of at most `most` atoms with whole discs, or of others if there are few."""
    coverage, valid = np.asarray(moments.coverage), np.asarray(moments.valid, bool)
    rows = np.flatnonzero(valid & (coverage > 0.99))
    rows = rows if len(rows) >= 20 else np.flatnonzero(valid)
    if not len(rows):
        raise ValueError("no atom has a disc inside the image")
    return np.asarray(moments.values, float)[np.sort(rng.permutation(rows)[:most])]
