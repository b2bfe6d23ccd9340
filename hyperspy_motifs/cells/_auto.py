"""Bonds chosen so that the cells are few in kind and alike."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ._bond_model import (
    BondModel,
    EdgeFeatures,
    NetworkCode,
    edge_features,
    field_unit,
    fit_bond_model,
    local_unit,
    network_code,
    triangle_parts,
)
from ._bonds import BondRule, Bonds, Triangulation
from ._constants import CONSTANTS

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Rule:
    """Bonds as a condition on edges, which applies to any part of the field."""

    local: bool
    cut: float
    #: Diagonals of quadrilaterals that are no bonds: shorter than a ratio, or those that make rings odd.
    without: tuple[str, float] | None = None
    model: BondModel | None = None

    def bonds(
        self, mesh: Triangulation, features: EdgeFeatures, kinds: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        kept = (
            features.scale <= self.cut
            if self.model is None
            else self.model.log_odds(mesh, features, kinds) > 0
        )
        if self.without is not None:
            kept[_diagonals(mesh, kept, self.without)] = False
        return kept


class _Candidate(NamedTuple):
    rule: _Rule
    bonds: NDArray[np.bool_]
    code: NetworkCode
    #: Whether the code has rings with a point in the centre.
    is_final: bool = False

    @property
    def bits(self) -> float:
        return self.code.bits


@dataclass(frozen=True)
class AutoBonds(BondRule):
    r"""Delaunay edges under which the cells are few in kind, alike and regular.

    Each edge of the Delaunay triangulation has a length, in units of the most frequent nearest distance (of the field,
    or around the edge), and a sum of the two angles that face it, which is :math:`180^\circ` for every diagonal of a
    regular polygon and at most :math:`120^\circ` for a bond of a regular tiling. Candidates for the rule are cuts of
    both together in the valleys of their histogram, without or with groups of edges that divide quadrilaterals (short
    relative to the sides, or in networks whose other rings are even).

    That with the shortest description of the points is chosen (:func:`~hyperspy_motifs.cells._bond_model.network_code`):
    the number of corners and the shape of each cell, the number of bonds of each atom given its motif, and the motifs at
    the ends of bonds. A logistic model of length, angle and motifs then gives each edge its odds of being a bond, with
    weights that follow from the scatter of the positions (:func:`~hyperspy_motifs.cells._bond_model.fit_bond_model`).

    The clarity is the expected share of right cells. The choice is doubtful if another rule describes the points as
    briefly, by a test of the differences in blocks of the field at the level of 5 %.

    Parameters
    ----------
    local : bool, optional
        Use local units always or never; by default (None) both are compared.
    """

    local: bool | None = None

    planar: ClassVar[bool] = True

    def __call__(self, points: NDArray[np.floating], labels: NDArray[np.integer] | None = None) -> Bonds:
        mesh = Triangulation.from_points(points)
        if len(mesh.edges) == 0:
            return Bonds(mesh.edges, 0.0, "the points have no triangulation")
        kinds = np.zeros(len(mesh.points), dtype=np.int64)
        if labels is not None:
            kinds = np.unique(labels, return_inverse=True)[1].reshape(-1).astype(np.int64)
        choice = _Choice(mesh, kinds, self.local)
        best, rival = choice.best()
        bonds = best.rule.bonds(mesh, choice.features(best.rule.local), kinds)
        clarity = choice.clarity(best.rule, bonds)
        reason = choice.reason(best.rule, rival, bonds)
        _logger.debug(reason)
        return Bonds(mesh.edges[bonds], clarity, reason, rival is not None)


class _Choice:
    """Rules of one field and their code lengths in a part of it."""

    def __init__(self, mesh: Triangulation, kinds: NDArray[np.int64], local: bool | None) -> None:
        self.mesh, self.kinds, self.local = mesh, kinds, local
        self._units: dict[bool, NDArray[np.float64]] = {}
        self._features: dict[bool, EdgeFeatures] = {}
        self.part, self.part_points, self.part_edges = self._compared()
        self.part_kinds = kinds[self.part_points]
        self.deep_edges = np.flatnonzero(self.part.deep[self.part.edges].any(axis=1))
        self.known: list[_Candidate] = []
        self.model: BondModel | None = None

    def _compared(self) -> tuple[Triangulation, NDArray[np.int64], NDArray[np.int64]]:
        """The part of the field in which rules are compared, and the indices of its points and edges."""
        mesh, scale = self.mesh, self.features(bool(self.local)).scale[self.mesh.inner]
        n = (
            CONSTANTS.compared_points
            if any(_is_clear(scale, cut) for cut in valleys(scale))
            else CONSTANTS.compared_if_unclear
        )
        if len(mesh.points) <= 1.2 * n:
            return mesh, np.arange(len(mesh.points)), np.arange(len(mesh.edges))
        return mesh.window(_windows(mesh.points, n))

    def unit(self, local: bool) -> NDArray[np.float64]:
        if local not in self._units:
            self._units[local] = local_unit(self.mesh) if local else field_unit(self.mesh)
        return self._units[local]

    def features(self, local: bool) -> EdgeFeatures:
        if local not in self._features:
            self._features[local] = edge_features(self.mesh, self.unit(local))
        return self._features[local]

    def add(self, rule: _Rule) -> None:
        """Find the code length of a rule, unless one with the same bonds is known."""
        features = self.features(rule.local).take(self.part_edges)
        bonds = rule.bonds(self.part, features, self.part_kinds)
        # Cuts that differ at the hull only are one.
        if any(np.array_equal(bonds[self.deep_edges], other.bonds[self.deep_edges]) for other in self.known):
            return
        code = network_code(self.part, bonds, self.part_kinds, merge_centred_rings=False)
        self.known.append(_Candidate(rule, bonds, code))

    def best(self) -> tuple[_Candidate, _Candidate | None]:
        """The simplest rule that describes the points as briefly as any, and another one that does so."""
        for local in (False, True) if self.local is None else (self.local,):
            scale = self.features(local).scale[self.mesh.inner]
            found = valleys(scale)
            clear = [cut for cut in found if _is_clear(scale, cut)]
            for cut in clear:
                self.add(_Rule(local, cut))
            if clear:
                best = self.simplest()
                if best.code.coverage > CONSTANTS.clear_coverage:
                    break
            known = len(self.known)
            for cut in sorted([*found, *CONSTANTS.unclear_cuts]):
                self.add(_Rule(local, cut))
            near = min(self.known[known:] or self.known, key=lambda c: c.bits).rule.cut
            for step in (-CONSTANTS.cut_step, CONSTANTS.cut_step):
                self.add(_Rule(local, near + step))
            self.known[known:] = sorted(self.known[known:], key=lambda c: c.bits)
            best = self.simplest()
        best = self._without_diagonals(best)
        unit = self.unit(best.rule.local)[self.part_points]
        whole = replace(best.rule, without=None)
        bonds = whole.bonds(self.part, self.features(whole.local).take(self.part_edges), self.part_kinds)
        self.model = fit_bond_model(self.part, bonds, self.part_kinds, unit)
        if self.model is not None:
            self.add(replace(best.rule, model=self.model))
            best = self.simplest()
        # Slivers at the hull make no other rule.
        deep = self.deep_edges
        n = np.count_nonzero(best.bonds[deep])
        rivals = [
            c
            for c in self.known
            if np.count_nonzero((c.bonds != best.bonds)[deep]) > CONSTANTS.same_share * n
        ]
        least = CONSTANTS.least_coverage * best.code.coverage
        rivals = [c for c in rivals if c.code.coverage >= least and self._as_good(c, best)]
        return best, min(rivals, key=lambda c: c.bits, default=None)

    def simplest(self) -> _Candidate:
        """The first rule whose code is not significantly longer than the shortest one."""
        # A network that leaves most of the field out describes little, as briefly as it may.
        most = max(candidate.code.coverage for candidate in self.known)
        covering = [c.code.coverage >= CONSTANTS.least_coverage * most for c in self.known]
        least = min(c.bits for c, covers in zip(self.known, covering, strict=True) if covers)
        for k, (rule, bonds, code, is_final) in enumerate(self.known):
            if code.bits < least + CONSTANTS.ring_bits * np.count_nonzero(self.part.deep) and not is_final:
                self.known[k] = _Candidate(rule, bonds, network_code(self.part, bonds, self.part_kinds), True)
        allowed = [c for c, covers in zip(self.known, covering, strict=True) if covers]
        shortest = min(allowed, key=lambda candidate: candidate.bits)
        return next(c for c in allowed if c is shortest or self._as_good(c, shortest))

    def _without_diagonals(self, best: _Candidate) -> _Candidate:
        """Leave out groups of edges that divide quadrilaterals, as long as this describes the points more briefly."""
        edges, ratio = dividing_edges(self.part, best.bonds)
        if len(edges) < CONSTANTS.least_group:
            return best
        for cut in valleys(ratio / np.log(np.sqrt(2)) + 2):
            if (cut - 2) * np.log(np.sqrt(2)) < ratio.max():
                self.add(replace(best.rule, without=("ratio", float((cut - 2) * np.log(np.sqrt(2))))))
        self.add(replace(best.rule, without=("even", 0.0)))
        return self.simplest()

    def _as_good(self, other: _Candidate, best: _Candidate) -> bool:
        """Whether the code of another rule is not significantly longer, by a one-sided t-test over blocks."""
        xy = self.part.points
        low, extent = xy.min(axis=0), np.maximum(np.ptp(xy, axis=0), 1e-300)
        place = np.minimum(
            ((xy - low) / extent * CONSTANTS.doubt_blocks).astype(np.int64), CONSTANTS.doubt_blocks - 1
        )
        block = place[:, 0] * CONSTANTS.doubt_blocks + place[:, 1]
        size = np.bincount(block[self.part.deep], minlength=CONSTANTS.doubt_blocks**2)
        longer = np.bincount(block, other.code.share - best.code.share, minlength=CONSTANTS.doubt_blocks**2)[
            size > 0
        ]
        if len(longer) < 2:
            return other.bits <= best.bits
        return bool(longer.mean() < CONSTANTS.doubt_z * longer.std(ddof=1) / np.sqrt(len(longer)))

    def clarity(self, rule: _Rule, bonds: NDArray[np.bool_]) -> float:
        """Expected share of right cells: all its bonds are bonds, and no other edge inside it is one."""
        if self.model is None:
            return 1.0
        odds = self.model.log_odds(self.mesh, self.features(rule.local), self.kinds)
        log_right = -np.logaddexp(0.0, np.where(bonds, -odds, odds))
        if rule.without is not None:
            # Diagonals are left out for what their group does to the cells, not for their own length and angles.
            whole = replace(rule, without=None).bonds(self.mesh, self.features(rule.local), self.kinds)
            log_right[whole & ~bonds] = 0.0
        part, closed = triangle_parts(self.mesh, bonds)
        code = np.zeros(len(closed))
        inside = self.mesh.inner & ~bonds
        code += np.bincount(part[self.mesh.sides[inside, 0]], log_right[inside], minlength=len(closed))
        for side in (0, 1):
            at = bonds & (self.mesh.sides[:, side] >= 0)
            code += np.bincount(part[self.mesh.sides[at, side]], log_right[at], minlength=len(closed))
        return float(np.exp(code[closed]).mean()) if closed.any() else 0.0

    def reason(self, rule: _Rule, rival: _Candidate | None, bonds: NDArray[np.bool_]) -> str:
        features = self.features(rule.local)
        typical = np.exp(np.quantile(features.length[bonds], (0.005, 0.995))) if bonds.any() else (0.0, 0.0)
        unit = "local nearest-neighbour distances" if rule.local else "nearest-neighbour distances"
        text = f"Delaunay edges of {typical[0]:.2f} to {typical[1]:.2f} {unit}, for which the cells are most alike"
        if rule.without:
            text += "; edges that divide quadrilaterals are left out"
        if rule.model is not None:
            text += f"; positions scatter by {rule.model.scatter:.2f}"
        if rival is not None:
            more = np.count_nonzero(rival.bonds) - np.count_nonzero(bonds[self.part_edges])
            text += f"; a rule with {'more' if more > 0 else 'fewer'} bonds describes the field as well"
        return text


def valleys(values: NDArray[np.floating]) -> list[float]:
    """Centres of the clearest valleys of the histogram of some values within the range of cuts, the clearest first.

    A valley is clear if its density is low relative to the lower one of the highest ridges on both sides. The end of the
    range counts as a ridge, so that a cut above all values is possible.
    """
    low, high = CONSTANTS.cut_range
    n_bins = int(np.ceil((high - low + 1) / CONSTANTS.scale_bin))
    number = np.clip((values - low + 1) / CONSTANTS.scale_bin, 0, n_bins).astype(np.int64)
    counts = np.bincount(number, minlength=n_bins + 1)[:n_bins].astype(np.float64)
    width = CONSTANTS.scale_smoothing * (CONSTANTS.scale_edges / max(len(values), 1)) ** 0.2
    counts = np.round(gaussian_filter1d(counts, width, mode="constant", truncate=3.0), 6)
    counts = np.append(counts, counts.max() + 1)
    # Runs of equal density are valleys if both sides are higher.
    start = np.flatnonzero(np.r_[True, np.diff(counts) != 0])
    end = np.r_[start[1:], len(counts)] - 1
    level = counts[start]
    inner = np.arange(1, len(level) - 1)
    inner = inner[(level[inner] < level[inner - 1]) & (level[inner] < level[inner + 1])]
    ridge = np.minimum(np.maximum.accumulate(level), np.maximum.accumulate(level[::-1])[::-1])
    depth = (level[inner] + 0.5) / (ridge[inner] + 0.5)
    centre = (0.5 * (start[inner] + end[inner]) + 0.5) * CONSTANTS.scale_bin + low - 1
    found: list[float] = []
    for k in np.lexsort((start[inner] - end[inner], depth)):
        apart = all(abs(centre[k] - other) > CONSTANTS.clear_width for other in found)
        if low <= centre[k] <= high and depth[k] < CONSTANTS.shallow and apart:
            found.append(float(centre[k]))
    return found[: CONSTANTS.most_cuts] or [0.5 * (low + high)]


def dividing_edges(
    mesh: Triangulation, kept: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Kept edges between two triangles of kept edges, and the logarithm of their length relative to the four sides."""
    whole = np.bincount(mesh.sides[kept & mesh.inner].ravel(), minlength=len(mesh.triangles))
    hull = mesh.sides[kept & ~mesh.inner, 0]
    np.add.at(whole, hull, 1)
    edges = np.flatnonzero(kept & mesh.inner)
    edges = edges[(whole[mesh.sides[edges]] == 3).all(axis=1)]
    sides = np.zeros(len(edges))
    for c in (0, 1):
        for t in (0, 1):
            step = mesh.points[mesh.edges[edges, c]] - mesh.points[mesh.opposite[edges, t]]
            sides += 0.25 * np.log(np.maximum(np.hypot(step[:, 0], step[:, 1]), 1e-300))
    return edges, np.log(np.maximum(mesh.lengths[edges], 1e-300)) - sides


def _diagonals(mesh: Triangulation, kept: NDArray[np.bool_], group: tuple[str, float]) -> NDArray[np.int64]:
    """The edges of a group that divides quadrilaterals."""
    edges, ratio = dividing_edges(mesh, kept)
    name, value = group
    if name == "ratio":
        return edges[ratio < value]
    # A network of even rings has points of two colours, which alternate along bonds.
    certain = kept.copy()
    certain[edges] = False
    i, j = mesh.edges[certain].T
    n = len(mesh.points)
    # Each point with both colours: a bond joins unlike ones.
    graph = coo_array(
        (np.ones(2 * len(i), dtype=np.int8), (np.r_[i, i + n], np.r_[j + n, j])), shape=(2 * n, 2 * n)
    )
    _, part = connected_components(graph, directed=False)
    a, b = mesh.edges[edges].T
    return edges[(part[a] == part[b]) & (part[a] != part[b + n])]


def _is_clear(scale: NDArray[np.float64], cut: float) -> bool:
    """Whether almost no edge lies beside a cut, and many on both sides of it."""
    beside = np.count_nonzero(np.abs(scale - cut) < CONSTANTS.clear_width)
    above = np.count_nonzero(scale > cut)
    fewer = min(above, len(scale) - above)
    return bool(beside < CONSTANTS.clear_share * len(scale) and fewer > CONSTANTS.clear_side * len(scale))


def _windows(points: NDArray[np.float64], n: int) -> NDArray[np.bool_]:
    """Points in four windows of equal numbers, the centres of the quarters of the field."""
    low, extent = points.min(axis=0), np.ptp(points, axis=0)
    chosen = np.zeros(len(points), dtype=bool)
    for a in (0.25, 0.75):
        for b in (0.25, 0.75):
            away = np.abs(points - low - extent * [a, b]).max(axis=1)
            chosen |= away <= np.partition(away, n // 4)[n // 4]
    return chosen
