"""Frames of a stack that show the same atoms again: they are no further sample of the specimen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from hyperspy_motifs.models import neighbours_once, rows_once

from ._model_building import MomentSource

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hyperspy_motifs.sites import Neighbourhoods
    from hyperspy_motifs.zernike import DiscImage, Moments

    from ._clean_image import CleanImage


def source_of_fit(source: MomentSource) -> MomentSource:
    """Return the source of the atoms to which a model is fitted: of a movie of one field, each atom once.

    The atoms of a motif are independent in the tests of a fit. In a movie of one field each atom is seen many times, with its
    own surroundings each time: it would be a group by itself, however many atoms a motif needs. The frames are such a movie
    if most atoms of a frame are more like the atom at the same place in the next frame than like any other atom there; frames
    of different fields of one crystal are not, nor are frames with so much noise that atoms are hardly resolved.

    Parameters
    ----------
    source : MomentSource

    Returns
    -------
    MomentSource
    """
    from hyperspy_motifs.movies import link_frames

    numbers, counts = np.unique(source.frames, return_counts=True)
    # A dark frame has few atoms.
    light = np.flatnonzero(2 * counts >= counts.max())
    if len(light) < 2:
        return source
    places = np.searchsorted(numbers, source.frames)
    # Beyond half of the distance another atom is nearer.
    tracks = link_frames(source.pixels, places, source.spacing / 2)
    moments = source(recognised_at())
    first, second = (np.flatnonzero(places == light[k]) for k in (0, 1))
    if not are_recognised(moments.take(first), moments.take(second), tracks[first], tracks[second]):
        return source
    return EachAtomOnce(source, tracks)


def recognised_at() -> float:
    """Return the radius at which atoms are recognised: of the widest discs of which most are whole in small fields.

    Returns
    -------
    float
        In nearest-neighbour distances.
    """
    from hyperspy_motifs.clustering import RADII

    return float(RADII[-2])


def are_recognised(
    one: Moments, other: Moments, tracks: NDArray[np.int64], of_other: NDArray[np.int64]
) -> bool:
    """Return whether most atoms of one frame are recognised in another one by their surroundings.

    Parameters
    ----------
    one, other : Moments
        Of the atoms of both frames, with the same modes.
    tracks, of_other : ndarray of int, shapes (n,), (m,)
        Numbers of the atoms that stand at the same place have the same number.
    """
    from hyperspy_motifs.zernike import noise_unit

    def rows(moments: Moments, numbers: NDArray[np.int64]) -> dict[int, int]:
        whole = np.asarray(moments.valid, bool) & (np.asarray(moments.coverage) > 0.99)
        return {int(numbers[row]): row for row in np.flatnonzero(whole).tolist()}

    before, after = rows(one, tracks), rows(other, of_other)
    both = sorted(before.keys() & after.keys())
    if not both:
        return False
    unit = noise_unit(one)
    here = np.asarray(one.values, float)[[before[track] for track in both]] / unit
    there = np.asarray(other.values, float)[[after[track] for track in both]] / unit
    nearest = cKDTree(there).query(here)[1]
    return bool(2 * np.count_nonzero(nearest == np.arange(len(both))) > len(both))


class EachAtomOnce(MomentSource):
    """One observation of each atom that several frames of a source show.

    Parameters
    ----------
    source : MomentSource
    tracks : ndarray of int, shape (n,)
        Number of the atom that each observation shows. The observation that is used is another one from atom to atom, so that
        they come from all frames; its neighbours are the observations of those atoms that are used.
    """

    def __init__(self, source: MomentSource, tracks: np.ndarray) -> None:
        rows = rows_once(tracks, source.frames)
        super().__init__(
            source.signals, source.pixels[rows], source.frames[rows], source.spacing, source.n_max, source.orders,
            source._clean,
        )  # fmt: skip
        self._source, self._rows, self._tracks = source, rows, tracks

    @property
    def n_detectors(self) -> int:
        return self._source.n_detectors

    def _compute(self, radius: float) -> Moments:
        found = self._source(radius).take(self._rows)
        self.orders[radius] = self._source.orders[radius]
        return found

    def neighbours(self) -> Neighbourhoods:
        return neighbours_once(self._source.neighbours(), self._tracks, self._rows)

    def prepared(self, number: int) -> DiscImage | None:
        return self._source.prepared(number)

    def cleaned(self, detector: int, number: int) -> CleanImage:
        return self._source.cleaned(detector, number)

    def forget_images(self) -> None:
        self._source.forget_images()
