"""Bonds up to the widest gap of the neighbour distances."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ._bond_rule import BondRule, Bonds
from ._shapes import LEAST_SEPARATION, clearest_cut
from ._triangulation import Triangulation, mode_of_lengths, nearest_distances

_logger = logging.getLogger(__name__)

#: Where the cut may lie, in units of the first mode. Below it is the scatter of one bond length, above it the
#: second shell of every tiling with polygons of up to four corners.
_WINDOW = (np.log(1.08), np.log(1.62))
#: A second shell that is absent (a perfect triangular lattice) counts as if it were here.
_SECOND_SHELL = np.log(1.75)
#: A pair of motifs gets a cut of its own from this many neighbours on.
_LEAST_EDGES = 40


class _Gap(NamedTuple):
    cut: float  # log length
    width: float  # log ratio of the lengths on both sides


def widest_gap(
    logs: NDArray[np.floating], window: tuple[float, float], outliers: float = 0.002
) -> _Gap | None:
    """Widest empty interval of sorted logarithms whose middle lies in the window.

    A share `outliers` of the values may lie inside it: with thousands of edges some are misplaced.
    """
    inside = int(outliers * len(logs))
    step = inside + 1
    if len(logs) <= step:
        return None
    width = logs[step:] - logs[:-step]
    middle = 0.5 * (logs[step:] + logs[:-step])
    # A long interval reaches into the window although its middle lies beyond: its lower part counts.
    allowed = (middle >= window[0]) & (middle <= window[1])
    if not allowed.any():
        return None
    best = int(np.flatnonzero(allowed)[width[allowed].argmax()])
    return _Gap(float(middle[best]), float(width[best]))


@dataclass(frozen=True)
class AutoBonds(BondRule):
    r"""Delaunay edges up to the widest gap of their length histogram after the first mode.

    The lengths are taken in units of the commonest nearest-neighbour distance: one for the whole field or a
    local one (median nearest distance of the `neighbours` points around), whichever leaves the wider gap. The
    gap is the widest interval of :math:`\log(\text{length})`, centred between 1.08 and 1.62 units, that holds
    no more than 0.2 % of the edges. When it is narrow, pairs of motifs with enough edges get a cut of their
    own where their own gap is wider. Edges of the convex hull take no part in the choice.

    Last, the short diagonals of rhombs go: an edge that is shorter than the four equal edges around it by a
    gap of its own (a Delaunay triangulation always holds the short diagonal).

    Parameters
    ----------
    local : bool, optional
        Use local units always or never; None (default) chooses.
    per_pair : bool, optional
        Cut pairs of motifs apart always or never; None (default) chooses.
    neighbours : int
        Points over which the local unit is taken.
    """

    local: bool | None = None
    per_pair: bool | None = None
    neighbours: int = 24

    planar: ClassVar[bool] = True

    def __call__(self, points: NDArray[np.floating], labels: NDArray[np.integer] | None = None) -> Bonds:
        mesh = Triangulation.from_points(points)
        if len(mesh.edges) == 0:
            return Bonds(mesh.edges, 0.0, "the points have no triangulation")
        logs, gap, unit = self._gap(mesh)
        cut = np.full(len(mesh.edges), gap.cut)
        pairs_cut = 0
        if labels is not None and (self.per_pair or (self.per_pair is None and gap.width < np.log(1.15))):
            cut, pairs_cut = _cut_per_pair(mesh, logs, np.asarray(labels), gap)
        keep = logs <= cut
        diagonals = _short_diagonals(mesh, keep)
        keep &= ~diagonals
        clarity = float(np.clip(gap.width / np.log(1.5), 0.0, 1.0))
        reason = (
            f"Delaunay edges up to {np.exp(gap.cut):.3f} {unit}, a gap of {100 * np.expm1(gap.width):.0f} %"
            + (f"; {pairs_cut} pairs of motifs cut on their own" if pairs_cut else "")
            + (f"; {int(diagonals.sum())} short diagonals left out" if diagonals.any() else "")
        )
        _logger.debug(reason)
        return Bonds(mesh.edges[keep], clarity, reason)

    def _gap(self, mesh: Triangulation) -> tuple[NDArray[np.float64], _Gap, str]:
        """Log lengths in the unit that leaves the wider gap, that gap, and the name of the unit."""
        nearest = nearest_distances(mesh.points)
        nearest = np.maximum(nearest, 1e-9 * nearest.max())
        options = []
        if not self.local:
            options.append((np.log(mesh.lengths / mode_of_lengths(nearest)), "of the nearest distance"))
        if self.local or self.local is None:
            k = min(self.neighbours, len(mesh.points))
            index = cKDTree(mesh.points).query(mesh.points, k=k)[1]
            scale = np.median(nearest[index], axis=1)
            unit = np.sqrt(scale[mesh.edges[:, 0]] * scale[mesh.edges[:, 1]])
            relative = mesh.lengths / unit
            relative /= mode_of_lengths(nearest / scale)
            options.append((np.log(relative), "of the local nearest distance"))
        best: tuple[NDArray[np.float64], _Gap, str] | None = None
        for logs, unit_name in options:
            gap = _gap_that_closes(mesh, logs)
            # The local unit must pay: it blurs structures that have several bond lengths.
            if best is None or gap.width > 1.2 * best[1].width:
                best = (logs, gap, unit_name)
        assert best is not None
        return best


def _gap_that_closes(mesh: Triangulation, logs: NDArray[np.floating]) -> _Gap:
    """The widest gap whose bonds close to cells; farther shells are tried when the first is a shell of
    pairs.
    """
    inner = np.sort(logs[mesh.inner])
    fallback = _Gap(float(np.log(1.3)), 0.0)
    for shift in (0.0, np.log(1.4), np.log(2.0)):
        padded = np.append(inner[inner < shift + _SECOND_SHELL], shift + _SECOND_SHELL)
        gap = widest_gap(padded, (_WINDOW[0] + shift, _WINDOW[1] + shift))
        if gap is None:
            continue
        if _share_with_two_bonds(mesh, logs <= gap.cut) >= 0.6:
            return gap
    return fallback


def _share_with_two_bonds(mesh: Triangulation, keep: NDArray[np.bool_]) -> float:
    """Share of the points that keep two bonds or more when dangling bonds are pruned away."""
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
    mesh: Triangulation, logs: NDArray[np.floating], labels: NDArray[np.integer], pooled: _Gap
) -> tuple[NDArray[np.float64], int]:
    """Cut of every edge: the pair's own where its gap is wider than the pooled one."""
    low, high = np.sort(labels[mesh.edges], axis=1).T
    pair = low.astype(np.int64) * (int(labels.max()) + 1) + high
    cut = np.full(len(logs), pooled.cut)
    own = 0
    for value in np.unique(pair):
        members = pair == value
        lengths = np.sort(logs[members & mesh.inner])
        lengths = lengths[lengths < _SECOND_SHELL]
        if len(lengths) < _LEAST_EDGES:
            continue
        gap = widest_gap(np.append(lengths, _SECOND_SHELL), _WINDOW)
        if gap is not None and gap.width > max(1.5 * pooled.width, np.log(1.1)):
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
    if separation > LEAST_SEPARATION and ratio[ratio < cut].mean() < np.log(0.85):
        out[index[ratio < cut]] = True
    return out
