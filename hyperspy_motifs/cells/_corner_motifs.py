"""Ranking of sets of motifs by their tiling of the field."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import ConvexHull

from ._bond_rules import BondRule
from ._cells import Cells
from ._find import find_cells

#: Largest number of motifs for which all sets are tested.
_ALL_SETS = 4
#: Deviation from a regular polygon, as a share of its shape, that reduces the score by a factor e.
_IRREGULARITY = 0.03


class MotifSuggestion(NamedTuple):
    """A set of motifs and how well it tiles the field.

    Attributes
    ----------
    motifs : tuple of int
    score : float
        0 to 1, the product of the following values, with the square of the coverage, the regularity as
        exp(-(1 - regularity) / 0.03) and the mean of 1 and the clarity.
    coverage : float
        Area of the cells over that of the convex hull of all points.
    regularity : float
        Share of a regular polygon in the shapes of the cells (power of the Fourier moments of the corners), weighted
        by area.
    clarity : float
        Clarity of the cut of the bonds.
    share : float
        Share of the points that are used.
    """

    motifs: tuple[int, ...]
    score: float
    coverage: float
    regularity: float
    clarity: float
    share: float


def rank_corner_motifs(
    points: ArrayLike,
    labels: ArrayLike,
    bonds: str | BondRule = "auto",
    *,
    n_suggestions: int = 5,
    max_points: int = 4000,
) -> list[MotifSuggestion]:
    """Sets of motifs whose points tile the field best.

    The heavy columns of an oxide or a boride often form a tiling, whereas all columns together rarely do. A good set
    covers the field with near-regular polygons, has a clear cut of the bonds, and includes most atoms. For up to four
    motifs all sets are tested. For more motifs, sets are extended from single motifs, and reduced from all motifs, as
    long as the score increases.

    Parameters
    ----------
    points : array-like, shape (n, 2)
        Positions x, y in any unit.
    labels : array-like of int, shape (n,)
        Motif of each point.
    bonds : str or BondRule
        See :func:`~hyperspy_motifs.cells.bond_rule`.
    n_suggestions : int
        Number of sets to return.
    max_points : int
        For more points, a window at the centre of the field with this number is used.

    Returns
    -------
    list of MotifSuggestion
        In order of decreasing score.

    Raises
    ------
    ValueError
        If there are fewer than three points, or labels and points differ in number.
    """
    xy = np.asarray(points, dtype=np.float64)
    letters = np.asarray(labels)
    if xy.ndim != 2 or xy.shape[1] != 2 or len(xy) < 3:
        raise ValueError(f"points must be of shape (n, 2) with at least three points; got {xy.shape}")
    if letters.shape != (len(xy),):
        raise ValueError(f"labels must be of shape ({len(xy)},), one per point; got {letters.shape}")
    if len(xy) > max_points:
        middle = np.median(xy, axis=0)
        reach = np.abs(xy - middle).max(axis=1)
        inside = reach <= np.partition(reach, max_points - 1)[max_points - 1]
        xy, letters = xy[inside], letters[inside]
    search = _Search(xy, letters, bonds)
    motifs = [int(k) for k in np.unique(letters)]
    if len(motifs) <= _ALL_SETS:
        for size in range(1, len(motifs) + 1):
            for chosen in combinations(motifs, size):
                search.score(chosen)
    else:
        search.shrink(tuple(motifs))
        singles = sorted(motifs, key=lambda k: -search.score((k,)).score)
        for k in singles[:3]:
            search.grow((k,), motifs)
    found = sorted(search.known.values(), key=lambda s: (-s.score, -s.share, s.motifs))
    return found[:n_suggestions]


class _Search:
    """Scores of sets of motifs, each computed once."""

    def __init__(
        self, points: NDArray[np.float64], labels: NDArray[np.integer], bonds: str | BondRule
    ) -> None:
        self.points, self.labels, self.bonds = points, labels, bonds
        self.hull = float(ConvexHull(points).volume)
        self.known: dict[tuple[int, ...], MotifSuggestion] = {}

    def score(self, motifs: tuple[int, ...]) -> MotifSuggestion:
        motifs = tuple(sorted(motifs))
        if motifs not in self.known:
            self.known[motifs] = self._measure(motifs)
        return self.known[motifs]

    def _measure(self, motifs: tuple[int, ...]) -> MotifSuggestion:
        share = float(np.isin(self.labels, motifs).mean())
        cells = find_cells(self.points, self.labels, self.bonds, motifs=motifs)
        if len(cells) == 0:
            return MotifSuggestion(motifs, 0.0, 0.0, 0.0, cells.clarity, share)
        coverage = float(min(cells.areas.sum() / self.hull, 1.0))
        regular = float(np.average(regularity(self.points, cells), weights=cells.areas))
        score = coverage**2 * np.exp(-(1 - regular) / _IRREGULARITY) * 0.5 * (1 + cells.clarity) * share
        return MotifSuggestion(motifs, float(score), coverage, regular, cells.clarity, share)

    def shrink(self, motifs: tuple[int, ...]) -> None:
        """Remove the motif with the largest benefit, as long as the score increases."""
        best = self.score(motifs)
        while len(best.motifs) > 1:
            options = [tuple(k for k in best.motifs if k != out) for out in best.motifs]
            top = max((self.score(o) for o in options), key=lambda s: s.score)
            if top.score <= best.score:
                return
            best = top

    def grow(self, motifs: tuple[int, ...], candidates: list[int]) -> None:
        """Add the motif with the largest benefit, as long as the score increases."""
        best = self.score(motifs)
        while True:
            options = [(*best.motifs, k) for k in candidates if k not in best.motifs]
            if not options:
                return
            top = max((self.score(o) for o in options), key=lambda s: s.score)
            if top.score <= best.score:
                return
            best = top


def regularity(points: NDArray[np.floating], cells: Cells) -> NDArray[np.float64]:
    r"""Regularity of each cell: :math:`|C_1|^2 / \sum_{p \ge 1} |C_p|^2` of the Fourier moments of its
    corners.

    Parameters
    ----------
    points : numpy.ndarray, shape (n, 2)
        The points of the cells.
    cells : Cells

    Returns
    -------
    numpy.ndarray, shape (m,)
        1 for a regular polygon, 0.77 for a rhomb of 33 degrees, 0.94 for a rectangle of 1:1.7.
    """
    xy = cells.with_empty_sites(points)
    out = np.ones(len(cells))
    sizes = cells.n_corners
    for size in np.unique(sizes):
        members = np.flatnonzero(sizes == size)
        corner = xy[cells.vertices[cells.offsets[members][:, None] + np.arange(size)]]
        z = corner[..., 0] + 1j * corner[..., 1]
        power = np.abs(np.fft.fft(z - z.mean(axis=1, keepdims=True), axis=1)) ** 2
        out[members] = power[:, 1] / np.maximum(power[:, 1:].sum(axis=1), 1e-300)
    return out
