"""Bonds up to the widest gap of the neighbour distances."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ._bond_rule import BondRule, Bonds
from ._shapes import LEAST_SEPARATION, clearest_cut
from ._triangulation import Triangulation, mode_of_lengths

_logger = logging.getLogger(__name__)

#: Range of the cut, in log units of the first mode. Below it is the scatter of one bond length, above it the second
#: shell of every tiling with polygons of up to four corners.
_LENGTH_WINDOW = (float(np.log(1.08)), float(np.log(1.62)))
#: Assumed position of a missing second shell (a perfect triangular lattice).
_LENGTH_END = float(np.log(1.75))
#: The same for lengths and angles together, where bonds of regular tilings lie at -0.4...0.2, diagonals from
#: 1.5 on.
_ANGLE_WINDOW, _ANGLE_END = (0.4, 1.7), 1.9
#: With a gap of lengths of this width (10 %), angles and separate cuts for pairs of motifs are not used.
_CLEAR = float(np.log(1.1))
#: Least number of neighbours of a pair of motifs for a separate cut.
_LEAST_EDGES = 40


class _Gap(NamedTuple):
    cut: float
    width: float
    sharpness: float  # width over the scatter of the values below
    outliers: float  # largest share of edges inside

    @property
    def score(self) -> float:
        return self.sharpness * (1 - 15 * self.outliers)


class _Scale(NamedTuple):
    """A number for every edge, low for bonds and high for diagonals, and the range of its gap."""

    values: NDArray[np.float64]
    window: tuple[float, float]
    end: float
    name: str
    weight: float  # of its score, relative to others

    def moved(self, by: float) -> _Scale:
        return self._replace(window=(self.window[0] + by, self.window[1] + by), end=self.end + by)


def widest_gap(scale: _Scale, members: NDArray[np.bool_]) -> _Gap | None:
    """Widest interval of the values of some edges that is almost empty and has its centre in the window.

    It contains up to 0.2 % of the values, because some of thousands of edges are wrong. If no such interval is as
    wide as the scatter below it, it contains up to 1 % or 3 % (a boundary, defects).
    """
    values = np.sort(scale.values[members])
    values = np.append(values[values < scale.end], scale.end)
    gap = None
    for outliers in (0.002, 0.01, 0.03):
        step = int(outliers * len(values)) + 1
        if len(values) <= step:
            break
        width = values[step:] - values[:-step]
        middle = 0.5 * (values[step:] + values[:-step])
        allowed = (middle >= scale.window[0]) & (middle <= scale.window[1])
        if not allowed.any():
            break
        best = int(np.flatnonzero(allowed)[width[allowed].argmax()])
        below = values[: best + 1]
        # By quantiles near the ends: if a second shell is also below the cut, the scatter is large.
        low, high = np.quantile(below, (0.1, 0.9))
        scatter = max(float(high - low) / 2.563, 1e-3)
        gap = _Gap(float(middle[best]), float(width[best]), float(width[best]) / scatter, outliers)
        if gap.sharpness >= 1:
            break
    return gap


@dataclass(frozen=True)
class AutoBonds(BondRule):
    r"""Delaunay edges up to the widest gap of their length histogram after the first mode.

    The lengths are in units of the most frequent nearest-neighbour distance. This is one value for the whole field,
    or a local one (median nearest distance of the `neighbours` points around), whichever gives the wider gap. The gap
    is the widest interval of :math:`\log(\text{length})`, centred between 1.08 and 1.62 units, with at most 0.2 % of
    the edges. Edges of the convex hull are ignored. If the cut gives only pairs of points, the next shells are tried.

    If the gap is below 10 % (positions scatter), angles are also used: :math:`\theta`, the sum of the two angles that
    face an edge across its triangles, is :math:`180^\circ` for every diagonal of a regular polygon, and
    :math:`180^\circ / p + 180^\circ / q`, at most :math:`120^\circ`, for the bond between a p-gon and a q-gon. Then
    the gap of :math:`\log_{\sqrt 2}(\text{length}) + \theta / 180^\circ - 1/2` is used if it is sharper (wider in
    units of the scatter below it). Pairs of motifs with enough edges have a separate cut if their gap is clearly
    wider.

    Finally, the short diagonals of rhombs are removed, which a Delaunay triangulation always contains. They are edges
    whose length relative to the four nearly equal edges around them forms a separate group below the others.

    Parameters
    ----------
    local : bool, optional
        Use local units always or never; by default (None) automatic.
    per_pair : bool, optional
        Cut pairs of motifs separately always or never; by default (None) automatic.
    neighbours : int
        Number of points for the local unit.
    """

    local: bool | None = None
    per_pair: bool | None = None
    neighbours: int = 24

    planar: ClassVar[bool] = True

    def __call__(self, points: NDArray[np.floating], labels: NDArray[np.integer] | None = None) -> Bonds:
        mesh = Triangulation.from_points(points)
        if len(mesh.edges) == 0:
            return Bonds(mesh.edges, 0.0, "the points have no triangulation")
        scale, gap = _best_gap(mesh, self._scales(mesh))
        cut = np.full(len(mesh.edges), gap.cut)
        own = 0
        unclear = gap.width < _CLEAR or scale.end == _ANGLE_END
        if labels is not None and (self.per_pair or (self.per_pair is None and unclear)):
            cut, own = _cut_per_pair(mesh, scale, np.asarray(labels), gap)
        keep = scale.values <= cut
        diagonals = _short_diagonals(mesh, keep)
        keep &= ~diagonals
        ratio = f"{np.exp(gap.cut):.3f}" if scale.end != _ANGLE_END else f"{gap.cut:.2f}"
        reason = (
            f"Delaunay edges up to {ratio} {scale.name}, "
            f"at a gap {gap.sharpness:.1f} times as wide as their scatter"
            + (f"; {own} pairs of motifs cut separately" if own else "")
            + (f"; {int(diagonals.sum())} short diagonals left out" if diagonals.any() else "")
        )
        _logger.debug(reason)
        return Bonds(mesh.edges[keep], float(-np.expm1(-0.5 * gap.score)), reason)

    def _scales(self, mesh: Triangulation) -> Iterator[_Scale]:
        """Log lengths in one unit for the whole field, then in the local unit."""
        if not self.local:
            logs = np.log(mesh.lengths / mode_of_lengths(mesh.nearest))
            yield _Scale(logs, _LENGTH_WINDOW, _LENGTH_END, "of the nearest distance", 1.0)
        if self.local or self.local is None:
            k = min(self.neighbours, len(mesh.points))
            index = cKDTree(mesh.points).query(mesh.points, k=k)[1]
            around = np.nanmedian(mesh.nearest[index], axis=1)
            unit = np.sqrt(around[mesh.edges[:, 0]] * around[mesh.edges[:, 1]])
            logs = np.log(mesh.lengths / unit / mode_of_lengths(mesh.nearest / around))
            # It blurs structures with several bond lengths, so it is used only if it improves the gap.
            yield _Scale(logs, _LENGTH_WINDOW, _LENGTH_END, "of the local nearest distance", 0.8)


def _best_gap(mesh: Triangulation, scales: Iterator[_Scale]) -> tuple[_Scale, _Gap]:
    """The first scale if its gap is clear, otherwise that with the sharpest gap; its bonds must form cells."""
    known: list[_Scale] = []
    found: list[tuple[float, _Scale, _Gap]] = []
    for scale in scales:
        gap = _closing_gap(mesh, scale)
        if gap is not None:
            if not known and gap.width > _CLEAR and gap.outliers < 0.01:
                return scale, gap
            found.append((scale.weight * gap.score, scale, gap))
        known.append(scale)
    for scale in known:
        mixed = _with_angles(mesh, scale)
        gap = _closing_gap(mesh, mixed)
        if gap is not None:
            found.append((mixed.weight * gap.score, mixed, gap))
    # If the first shell consists of pairs (dumbbells), the next ones are tried.
    for shift in (np.log(1.4), np.log(2.0)):
        for scale in known if not found else ():
            gap = _closing_gap(mesh, scale.moved(shift))
            if gap is not None:
                found.append((scale.weight * gap.score, scale, gap))
    if not found:
        return known[0], _Gap(float(np.log(1.3)), 0.0, 0.0, 0.0)
    best = max(range(len(found)), key=lambda k: found[k][0])
    return found[best][1], found[best][2]


def _closing_gap(mesh: Triangulation, scale: _Scale) -> _Gap | None:
    """The widest gap for which four of five points keep two bonds."""
    gap = widest_gap(scale, mesh.inner)
    if gap is None or _share_with_two_bonds(mesh, scale.values <= gap.cut) < 0.8:
        return None
    return gap


def _with_angles(mesh: Triangulation, scale: _Scale) -> _Scale:
    """Lengths in powers of the square root of 2, plus the angles that face the edge in half turns, minus a half."""
    facing = np.zeros(len(mesh.edges))
    for side in (0, 1):
        # An edge of the hull has one triangle, whose angle counts twice.
        tip = mesh.points[np.where(mesh.inner, mesh.opposite[:, side], mesh.opposite[:, 0])]
        u, v = mesh.points[mesh.edges[:, 0]] - tip, mesh.points[mesh.edges[:, 1]] - tip
        facing += np.abs(np.arctan2(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0], (u * v).sum(axis=1)))
    values = scale.values / np.log(np.sqrt(2)) + facing / np.pi - 0.5
    # Angles blur irregular polygons, so they are used only if they improve the gap.
    return _Scale(
        values, _ANGLE_WINDOW, _ANGLE_END, "of length and facing angles " + scale.name, 0.8 * scale.weight
    )


def _share_with_two_bonds(mesh: Triangulation, keep: NDArray[np.bool_]) -> float:
    """Share of the points with two bonds or more after removal of dangling bonds."""
    edges = mesh.edges[keep]
    n = len(mesh.points)
    while len(edges):
        degree = np.bincount(edges.ravel(), minlength=n)
        closed = (degree[edges] >= 2).all(axis=1)
        if closed.all():
            return float(np.mean(degree >= 2))
        edges = edges[closed]
    return 0.0


def _cut_per_pair(
    mesh: Triangulation, scale: _Scale, labels: NDArray[np.integer], pooled: _Gap
) -> tuple[NDArray[np.float64], int]:
    """Cut of every edge: that of its pair of motifs if its gap is wider than the common one."""
    low, high = np.sort(labels[mesh.edges], axis=1).T
    pair = low.astype(np.int64) * (int(labels.max()) + 1) + high
    cut = np.full(len(pair), pooled.cut)
    own = 0
    for value in np.unique(pair):
        members = pair == value
        used = members & mesh.inner & (scale.values < scale.end)
        if int(used.sum()) < _LEAST_EDGES:
            continue
        gap = widest_gap(scale, used)
        if gap is not None and gap.width > max(1.5 * pooled.width, _CLEAR):
            cut[members] = gap.cut
            own += 1
    return cut, own


def _short_diagonals(mesh: Triangulation, keep: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Kept edges that are the short diagonal of a rhomb of four kept edges, shape (e,) bool."""
    out = np.zeros(len(keep), dtype=bool)
    index = np.flatnonzero(keep & mesh.inner)
    if len(index) == 0:
        return out
    n = len(mesh.points)
    key = mesh.edges[:, 0] * n + mesh.edges[:, 1]
    corner, tip = mesh.edges[index], mesh.opposite[index]
    sides = []
    for c in (0, 1):
        for t in (0, 1):
            a, b = corner[:, c], tip[:, t]
            sides.append(np.searchsorted(key, np.minimum(a, b) * n + np.maximum(a, b)))
    side = np.column_stack(sides)
    length = mesh.lengths[side]
    rhombic = keep[side].all(axis=1) & (length.max(axis=1) < 1.3 * length.min(axis=1))
    index, length = index[rhombic], length[rhombic]
    if len(index) == 0:
        return out
    ratio = np.log(mesh.lengths[index] / length.mean(axis=1))
    separation, cut = clearest_cut(np.sort(ratio))
    if separation <= LEAST_SEPARATION:
        # If only rhombs have triangles, their diagonals are compared with the other bonds.
        others = mesh.lengths[np.setdiff1d(np.flatnonzero(keep & mesh.inner), index)]
        others = np.log(others / np.median(mesh.lengths[keep]))
        separation, cut = clearest_cut(np.sort(np.concatenate([ratio, others])))
    short = ratio < cut
    if separation > LEAST_SEPARATION and short.any() and ratio[short].mean() < np.log(0.85):
        out[index[short]] = True
    return out
