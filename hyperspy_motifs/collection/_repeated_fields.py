"""Images of a collection that show the same atoms again: they are no further sample of the specimen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hyperspy_motifs.pipeline import MeasuredImage

# Atoms that are sought in another image: whether most of them are found is known to 0.035.
_SOUGHT = 200


@dataclass
class RepeatedField:
    """Images of one field.

    Attributes
    ----------
    images : list of int
        Numbers of the images.
    places : list of ndarray, shape (2,)
        Position of an atom in each image minus that in the first one, x and y in pixels.
    """

    images: list[int] = field(default_factory=list)
    places: list[NDArray[np.float64]] = field(default_factory=list)


def repeated_fields(measured: Mapping[int, MeasuredImage], numbers: Sequence[int]) -> list[RepeatedField]:
    """Return the images by the field that they show, each field in the order of its images: a drift or a dose series.

    Parameters
    ----------
    measured : mapping of int to MeasuredImage
    numbers : sequence of int
        Of the images to compare. Each is compared with the last image of each field so far.
    """
    fields: list[RepeatedField] = []
    for number in numbers:
        for known in fields:
            drift = _drift(measured[known.images[-1]], measured[number])
            if drift is not None:
                known.images.append(number)
                known.places.append(known.places[-1] + drift)
                break
        else:
            fields.append(RepeatedField([number], [np.zeros(2)]))
    return fields


def _drift(one: MeasuredImage, other: MeasuredImage) -> NDArray[np.float64] | None:
    """Return the displacement in pixels from one image to another one of the same field; None if it is another field.

    Atoms of one image are sought among those of the other by their surroundings alone. In two images of one field most of
    them are found at a common displacement; in two fields of one crystal, or in a perfect crystal, at any. More than half of
    the field must be in both.
    """
    from hyperspy_motifs.pipeline import recognised_at
    from hyperspy_motifs.zernike import noise_unit

    if one.stamp.shape != other.stamp.shape or not np.allclose(one.stamp.scale, other.stamp.scale, atol=0):
        return None
    radius = max((r for r in one.moments if r <= recognised_at()), default=0.0)
    if radius not in other.moments or one.orders[radius] != other.orders[radius]:
        return None
    first, second = one.moments[radius], other.moments[radius]
    unit = noise_unit(first)
    rows, among = (np.flatnonzero(np.asarray(m.valid, bool) & (m.coverage > 0.99)) for m in (first, second))
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), _SOUGHT)).astype(int)] if len(rows) else rows
    if not len(rows) or not len(among):
        return None
    there = other.table.pixel_positions[among]
    found = cKDTree(second.values[among] / unit).query(first.values[rows] / unit)[1]
    here = one.table.pixel_positions[rows]
    moved = there[found] - here
    reach = _reach(one)
    votes = cKDTree(moved).query_ball_point(moved, reach)
    most = max(votes, key=len)
    drift = np.median(moved[most], axis=0)
    n_in_both = np.count_nonzero(cKDTree(there).query(here + drift)[0] < reach)
    if 2 * n_in_both > len(rows) and 2 * len(most) > n_in_both:
        return np.asarray(drift, float)
    return None


def _reach(one: MeasuredImage) -> float:
    """Return half of the distance of neighbours in pixels: beyond it another atom is nearer."""
    return 0.5 * float(one.table.facts["separation"]) / abs(one.stamp.scale[0])


def atoms_of_fields(
    measured: Mapping[int, MeasuredImage], numbers: Sequence[int]
) -> NDArray[np.int64] | None:
    """Return the number of the atom that each observation of the images shows, shape (n,); None if no field is repeated."""
    from hyperspy_motifs.movies import link_frames

    fields = repeated_fields(measured, numbers)
    if len(fields) == len(numbers):
        return None
    of_image: dict[int, NDArray[np.int64]] = {}
    n_atoms = 0
    for one in fields:
        images = [measured[number] for number in one.images]
        pixels = np.concatenate([image.table.pixel_positions for image in images])
        frames = np.repeat(np.arange(len(images)), [len(image.table) for image in images])
        tracks = link_frames(pixels, frames, _reach(images[0]), drift=np.array(one.places)) + n_atoms
        n_atoms = int(tracks.max(initial=n_atoms - 1)) + 1
        of_image |= {number: tracks[frames == k] for k, number in enumerate(one.images)}
    return np.concatenate([of_image[number] for number in numbers])
