"""From seeds to sites: tell the atoms the nearest pattern, make the patterns anew, join those that are alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ._constellations import Fits, Neighbourhoods, Patterns, fit_patterns
from ._merging import density_gap
from ._patterns import main_difference, own_pattern, pattern_separations, turned_back, usual_places
from ._sites import FREQUENT, SiteTemplates
from ._sites import NEAR as _NEAR

_TOLERANCE = 0.15
_WIDEST = 0.25
_NARROWEST = 0.012  # static disorder of three or four hundredths of an angstrom is no finding
_SAMPLE = 240
_MOST_MEMBERS = 200  # that make a pattern
_MOST_FITTED = 3000
_MOST_SEEDS = 60
_CROWD = 1.5
_SPLITS = 3
_PARTED = 4.0  # halves of a continuum come to 3.5
_ROUNDS = 6
_APART = 5.0
# The points chose the direction themselves, in some thirty dimensions: twenty of one cloud come to 9, or 13 beside
# channels of which a third is empty, and the least different sites of thirteen with ten atoms each to 16.
_VALLEY = 11.0


def find_sites(
    atoms: Neighbourhoods,
    kinds: NDArray[np.integer],
    *,
    rotation_invariant: bool,
    min_motif_size: int = 5,
    random_state: int = 0,
) -> SiteTemplates | None:
    """Find the sites where a frequent kind of atom holds several of them.

    Parameters
    ----------
    atoms : Neighbourhoods
    kinds : ndarray of int, shape (n,)
        Kind of each atom, 0...
    rotation_invariant : bool
    min_motif_size : int
        Atoms of the rarest site.
    random_state : int
        Of the sample in which sites are sought first.

    Returns
    -------
    SiteTemplates or None
        None where every frequent kind of atom has one site that holds 60 % of it: the rest are then
        surroundings of defects.
    """
    around = atoms.kinds(kinds)
    count = np.bincount(kinds)
    frequent = np.flatnonzero(count >= max(FREQUENT * len(kinds), 4 * min_motif_size))
    whole = atoms.whole
    finder = SiteFinder(rotation_invariant, min_motif_size)
    rng = np.random.default_rng(random_state)
    samples = {}
    for kind in frequent:
        inside = np.flatnonzero((kinds == kind) & whole)
        if len(inside) < 4 * min_motif_size:
            continue
        samples[int(kind)] = np.sort(rng.permutation(inside)[:_SAMPLE])
    seeds = {kind: finder.seeds(atoms.take(sample), around[sample]) for kind, sample in samples.items()}
    if all(len(found) < 2 for found in seeds.values()):
        return None
    parts, own = [], []
    for number, found in seeds.items():
        for seed in found:
            atom = samples[number][seed]
            parts.append(own_pattern(atoms, around, int(atom)))
            own.append(number)
    sites = finder.start(Patterns.stacked(parts), np.array(own))
    # Most seeds are of the same few sites: a sample shows that.
    few = np.sort(np.concatenate(list(samples.values())))
    sites = finder.settle(sites, atoms.take(few), kinds[few], around[few])
    if not sites.parts_a_kind():
        return None
    fitted = np.sort(rng.permutation(np.flatnonzero(whole))[:_MOST_FITTED])
    some = atoms.take(fitted)
    theirs, places = kinds[fitted], around[fitted]
    sites = finder.settle(sites, some, theirs, places)
    for _ in range(_SPLITS):
        parted = finder.parted(sites, some, theirs, places)
        if len(parted.patterns) == len(sites.patterns):
            break
        sites = finder.settle(parted, some, theirs, places)
    sites = finder.with_valleys(sites, some, theirs, places)
    return sites if sites.parts_a_kind() else None


class SiteFinder:
    """From seeds to sites."""

    def __init__(self, rotation_invariant: bool, min_motif_size: int) -> None:
        self.rotation_invariant, self.min_motif_size = rotation_invariant, min_motif_size

    def seeds(self, atoms: Neighbourhoods, around: NDArray[np.int32]) -> list[int]:
        """Return atoms of a sample, one or more for each site: the middle of each crowd, the largest first."""
        own = [own_pattern(atoms, around, i) for i in range(len(atoms.offsets))]
        # In units of the tolerance, as the spread is not known yet.
        fits = fit_patterns(
            atoms,
            around,
            Patterns.stacked(own),
            spread=_TOLERANCE / np.sqrt(2),
            tolerance=_TOLERANCE,
            absent=0.3,
            rotation_invariant=self.rotation_invariant,
            beyond=5.0,
        )
        cost = (fits.costs + fits.costs.T) / 2
        np.fill_diagonal(cost, np.inf)
        limit = _CROWD * float(np.median(np.sort(cost, axis=1)[:, min(2, len(cost) - 2)]))
        near = cost < limit
        np.fill_diagonal(near, True)
        free = np.ones(len(cost), dtype=bool)
        found: list[int] = []
        while free.any() and len(found) < _MOST_SEEDS:
            crowd = (near & free).sum(axis=1) * free
            seed = int(crowd.argmax())
            if crowd[seed] < 2:
                break
            found.append(seed)
            free &= ~near[seed]
        return found

    def start(self, patterns: Patterns, own: NDArray[np.integer]) -> SiteTemplates:
        """Take patterns of single atoms for sites."""
        n = len(patterns)
        nothing = np.full((n, n), np.inf)
        return SiteTemplates(
            patterns,
            own.astype(np.int32),
            np.ones(n, dtype=np.int64),
            nothing,
            _TOLERANCE / 3,
            _TOLERANCE,
            self.rotation_invariant,
        )

    def settle(
        self,
        sites: SiteTemplates,
        atoms: Neighbourhoods,
        kinds: NDArray[np.integer],
        around: NDArray[np.int32],
    ) -> SiteTemplates:
        """Tell the atoms the nearest pattern, make the patterns anew from them, join those that are alike; repeat."""
        before = np.full(len(kinds), -1)
        for _ in range(_ROUNDS):
            labels, _, fits = sites.assign(atoms, kinds, around)
            sites, labels = self._renewed(sites, atoms, around, labels, fits)
            if not len(sites.patterns) or np.array_equal(labels, before):
                break
            before = labels
        return sites

    def _renewed(
        self,
        sites: SiteTemplates,
        atoms: Neighbourhoods,
        around: NDArray[np.int32],
        labels: NDArray[np.int32],
        fits: Fits,
    ) -> tuple[SiteTemplates, NDArray[np.int32]]:
        """Patterns of the labelled atoms; small classes go, those less than five spreads apart join."""
        parts, own, sizes, kept, residuals = [], [], [], [], []
        for site in range(len(sites.patterns)):
            members = np.flatnonzero(labels == site)
            if len(members) < self.min_motif_size:
                continue
            sizes.append(len(members))
            members = members[:: -(-len(members) // _MOST_MEMBERS)]
            turned = turned_back(
                atoms.offsets[members], fits.angles[members, site], fits.mirrored[members, site]
            )
            pattern, rest = usual_places(turned, around[members], atoms.reach, sites.tolerance)
            parts.append(pattern)
            residuals.append(rest)
            own.append(int(sites.kind[site]))
            kept.append(site)
        rest = np.abs(np.concatenate(residuals)) if residuals else np.zeros(0)
        spread = float(1.4826 * np.median(rest)) if len(rest) else sites.spread
        spread = max(spread, _NARROWEST)
        tolerance = float(np.clip(4 * spread, _TOLERANCE, _WIDEST))
        patterns = Patterns.stacked(parts)
        renewed = SiteTemplates(
            patterns,
            np.array(own, dtype=np.int32),
            np.array(sizes, dtype=np.int64),
            pattern_separations(
                patterns, np.array(own), atoms.reach, spread, tolerance, self.rotation_invariant
            ),
            spread,
            tolerance,
            self.rotation_invariant,
        )
        number = np.full(len(sites.patterns), -1)
        number[kept] = np.arange(len(kept))
        labels = number[labels].astype(np.int32)
        return _joined(renewed, labels, renewed.separations < _APART)

    def parted(
        self,
        sites: SiteTemplates,
        atoms: Neighbourhoods,
        kinds: NDArray[np.integer],
        around: NDArray[np.int32],
    ) -> SiteTemplates:
        """Part every site of which the atoms fall into two, along the direction in which they differ most.

        Two sites that resemble each other may have had one seed, or two that were of the same one.
        """
        labels, _, fits = sites.assign(atoms, kinds, around)
        parts = [(sites.patterns.places[k], sites.patterns.kinds[k]) for k in range(len(sites.patterns))]
        own, sizes = list(sites.kind), list(sites.sizes)
        for site in range(len(sites.patterns)):
            members = np.flatnonzero(labels == site)
            if len(members) < 4 * self.min_motif_size:
                continue
            turned = turned_back(
                atoms.offsets[members], fits.angles[members, site], fits.mirrored[members, site]
            )
            along = main_difference(turned, around[members], sites.patterns, site, sites.tolerance)
            lower = _halves(along)
            if min(lower.sum(), (~lower).sum()) < self.min_motif_size:
                continue
            a, b = along[lower], along[~lower]
            spread = np.sqrt((len(a) * a.var() + len(b) * b.var()) / len(along))
            if b.mean() - a.mean() < _PARTED * spread or density_gap(a / spread, b / spread) < _VALLEY:
                continue
            halves = [
                usual_places(turned[half], around[members[half]], atoms.reach, sites.tolerance)[0]
                for half in (lower, ~lower)
            ]
            parts[site] = halves[0]
            parts.append(halves[1])
            own.append(sites.kind[site])
            sizes[site] = len(a)
            sizes.append(len(b))
        n = len(parts)
        return replace(
            sites,
            patterns=Patterns.stacked(parts),
            kind=np.array(own, dtype=np.int32),
            sizes=np.array(sizes, dtype=np.int64),
            separations=np.full((n, n), np.inf),
        )

    def with_valleys(
        self,
        sites: SiteTemplates,
        atoms: Neighbourhoods,
        kinds: NDArray[np.integer],
        around: NDArray[np.int32],
    ) -> SiteTemplates:
        """Join sites that no valley parts: a continuum is not to be cut."""
        while len(sites.patterns) > 1:
            labels, _, fits = sites.assign(atoms, kinds, around)
            n = len(sites.patterns)
            alike = np.zeros((n, n), dtype=bool)
            near = (sites.separations < _NEAR) & np.equal.outer(sites.kind, sites.kind)
            for a, b in np.argwhere(np.triu(near, 1)):
                along = (fits.costs[:, a] - fits.costs[:, b]) / sites.separations[a, b]
                alike[a, b] = density_gap(along[labels == a], along[labels == b]) < _VALLEY
            sites, _ = _joined(sites, labels, alike)
            if len(sites.patterns) == n:
                break
            sites = self.settle(sites, atoms, kinds, around)
        return sites


def _halves(along: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each point lies in the lower of two groups on a line, cut where least variance is left in them."""
    order = np.argsort(along, kind="stable")
    line = along[order] - along.mean()
    n = np.arange(1, len(line))
    total = np.cumsum(line)[:-1]
    between = total**2 / n + total**2 / (len(line) - n)
    lower = np.zeros(len(line), dtype=bool)
    lower[order[: int(between.argmax()) + 1]] = True
    return lower


def _joined(
    sites: SiteTemplates, labels: NDArray[np.int32], alike: NDArray[np.bool_]
) -> tuple[SiteTemplates, NDArray[np.int32]]:
    """Join sites of one kind that are alike (c, c), the smaller into the larger, the nearest pairs first."""
    stays = np.arange(len(sites.patterns))
    gone = np.zeros(len(stays), dtype=bool)
    pairs = np.argwhere(np.triu(alike & np.equal.outer(sites.kind, sites.kind), 1))
    for a, b in pairs[np.argsort(sites.separations[pairs[:, 0], pairs[:, 1]], kind="stable")]:
        if gone[a] or gone[b]:
            continue
        large, small = (a, b) if sites.sizes[a] >= sites.sizes[b] else (b, a)
        gone[small] = True
        stays[small] = large
    if not gone.any():
        return sites, labels
    kept = np.flatnonzero(~gone)
    sizes = np.bincount(stays, weights=sites.sizes, minlength=len(stays))[kept].astype(np.int64)
    number = np.full(len(stays), -1)
    number[kept] = np.arange(len(kept))
    patterns = Patterns(sites.patterns.places[kept], sites.patterns.kinds[kept])
    joined = SiteTemplates(
        patterns,
        sites.kind[kept],
        sizes,
        sites.separations[np.ix_(kept, kept)],
        sites.spread,
        sites.tolerance,
        sites.rotation_invariant,
    )
    return joined, np.where(labels >= 0, number[stays[labels]], -1).astype(np.int32)
