"""Search for sites, by iteration from templates of single atoms, until no group has a gap in its density."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.common import SMALLEST_SAMPLE, robust_spread

from ._template_fit import Neighbourhoods, NeighbourTemplates, TemplateFits, fit_templates
from ._templates import (
    FREQUENT,
    SiteTemplates,
    frequent_places,
    main_difference,
    own_template,
    rotated_back,
    template_separations,
)
from ._templates import NEAR as _NEAR


def _windows() -> NDArray[np.float64]:
    """Starts, and then ends, of the intervals between two medians, as shares of the distance."""
    centres, halves = np.linspace(0.2, 0.8, 25)[:, None], np.linspace(0.06, 0.38, 9)[None, :]
    inside = (centres - halves > 1e-9) & (centres + halves < 1 - 1e-9)
    return np.concatenate([(centres - halves)[inside], (centres + halves)[inside]])


_EDGES = _windows()
_WINDOWS = len(_EDGES) // 2


def density_gap(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    r"""Return the significance of a gap in density between two groups on a line.

    The density of the points of both groups within one spread of the median of the smaller group is compared with
    the density in every interval between the two medians. With counts p and v on lengths :math:`l_p` and :math:`l_v`, the
    likelihood ratio of two rates against one is :math:`2 (p \ln(p/\mu l_p) + v \ln(v/\mu l_v))`, :math:`\mu =
    (p + v)/(l_p + l_v)`. The result is the largest ratio of the intervals with a lower density than the peak. A continuum
    that is cut anywhere has no gap, and neither has a tail.

    Parameters
    ----------
    a, b : ndarray, shape (n_a,), (n_b,)
        Positions of the points of the two groups on the line, in units of their spread.

    Returns
    -------
    float
        Approximately the square of a number of standard deviations; 0 if a group is empty.
    """
    if len(a) > len(b):
        a, b = b, a
    if not len(a):
        return 0.0
    a, b = np.sort(a), np.sort(b)
    start, stop = _quantile(a, 0.5), _quantile(b, 0.5)
    sign, distance = (1.0 if stop >= start else -1.0), abs(stop - start)
    reach = max(1.0, 0.74 * (_quantile(a, 0.75) - _quantile(a, 0.25)))
    reach = min(reach, 0.25 * distance)
    # Points beyond the two medians are not used, except for the peak around the first.
    a, b = ((x - start if sign > 0 else (start - x)[::-1]) for x in (a, b))
    peak = float(
        sum(int(x.searchsorted(reach, "right")) - int(x.searchsorted(-reach, "left")) for x in (a, b))
    )
    edges = _EDGES * distance
    before = a.searchsorted(edges) + b.searchsorted(edges)
    count = (before[_WINDOWS:] - before[:_WINDOWS]).astype(float)
    length = edges[_WINDOWS:] - edges[:_WINDOWS]
    rate = (peak + count) / (2 * reach + length)
    deeper = count / np.maximum(length, 1e-12) < peak / (2 * reach)
    if not deeper.any():
        return 0.0
    count, length, rate = count[deeper], length[deeper], rate[deeper]
    ratio = peak * np.log(peak / (2 * reach * rate)) + count * np.log(
        np.maximum(count, 1e-9) / (rate * length)
    )
    return float(2 * ratio.max())


def _quantile(ordered: NDArray[np.float64], share: float) -> float:
    """Quantile of a sorted array by linear interpolation. The checks of `numpy.quantile` would dominate the run time."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    step = place - below
    low, high = float(ordered[below]), float(ordered[above])
    return high - (high - low) * (1 - step) if step >= 0.5 else low + (high - low) * step


# Distance from a place up to which a neighbour is the one expected, in nearest-neighbour distances: at first, and at most.
_TOLERANCE, _MAX_TOLERANCE = 0.15, 0.25
_MIN_SPREAD = 0.012  # least spread: static disorder of three or four hundredths of an angstrom
# Atoms of each kind that are seeds, and that the templates are fitted to.
_SAMPLE, _MAX_FITTED = 240, 3000
# Seeds that are kept, and the distance within which they are one, relative to that of the third nearest.
_MAX_SEEDS, _CROWD = 60, 1.5
# Divisions of sites one after another.
_SPLIT_ITERATIONS = 3
_MIN_SPLIT = 4.0  # the halves of a continuum reach 3.5
# Iterations of assigning atoms to templates and computing these, which settle in a few.
_ITERATIONS = 6
# Spreads between two templates below which they are one site.
_MIN_SEPARATION = 5.0
# The direction is found on the same points, in about thirty dimensions. Twenty points of one cloud reach 9, or 13 next to
# channels of which a third is empty; the least different of thirteen sites with ten atoms each reach 16.
_MIN_GAP = 11.0


def find_sites(
    atoms: Neighbourhoods,
    kinds: NDArray[np.integer],
    *,
    rotation_invariant: bool,
    min_motif_size: int = 5,
    random_state: int = 0,
) -> SiteTemplates | None:
    """Find the sites of atoms, where a frequent kind of atom has several.

    Parameters
    ----------
    atoms : Neighbourhoods
    kinds : ndarray of int, shape (n,)
        Kind of each atom, 0...
    rotation_invariant : bool
    min_motif_size : int
        Fewest atoms of a site.
    random_state : int
        Seed of the samples in which sites are searched.

    Returns
    -------
    SiteTemplates or None
        None where every frequent kind of atom has one site with at least 60 % of its atoms: the rest are then
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
            parts.append(own_template(atoms, around, int(atom)))
            own.append(number)
    sites = finder.start(NeighbourTemplates.stacked(parts), np.array(own))
    # Most seeds belong to few sites. A sample is enough to merge them.
    few = np.sort(np.concatenate(list(samples.values())))
    sites = finder.iterate(sites, _Sample(atoms.take(few), kinds[few], around[few]))
    if not sites.splits_a_kind():
        return None
    fitted = np.sort(rng.permutation(np.flatnonzero(whole))[:_MAX_FITTED])
    some = _Sample(atoms.take(fitted), kinds[fitted], around[fitted])
    sites = finder.iterate(sites, some)
    for _ in range(_SPLIT_ITERATIONS):
        split = finder.split(sites, some)
        if len(split.patterns) == len(sites.patterns):
            break
        sites = finder.iterate(split, some)
    sites = finder.without_gaps(sites, some)
    return sites if sites.splits_a_kind() else None


class _Sample(NamedTuple):
    """Atoms, their kinds (m,) and those of their neighbours (m, k)."""

    atoms: Neighbourhoods
    kinds: NDArray[np.integer]
    around: NDArray[np.int32]


# Places and kinds of the neighbours of a site.
_Template = tuple[NDArray[np.float64], NDArray[np.int32]]


class SiteFinder:
    """Search for sites from seeds."""

    def __init__(self, rotation_invariant: bool, min_motif_size: int) -> None:
        self.rotation_invariant, self.min_motif_size = rotation_invariant, min_motif_size
        self._known: dict[tuple[bytes, bytes, float], tuple[_Template, NDArray[np.float64]]] = {}

    def seeds(self, atoms: Neighbourhoods, around: NDArray[np.int32]) -> list[int]:
        """Return atoms of a sample, one or more for each site: centres of dense groups, the largest first."""
        own = [own_template(atoms, around, i) for i in range(len(atoms.offsets))]
        # In units of the tolerance, as the spread is not known yet.
        fits = fit_templates(
            atoms,
            around,
            NeighbourTemplates.stacked(own),
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
        while free.any() and len(found) < _MAX_SEEDS:
            crowd = (near & free).sum(axis=1) * free
            seed = int(crowd.argmax())
            if crowd[seed] < 2:
                break
            found.append(seed)
            free &= ~near[seed]
        return found

    def start(self, templates: NeighbourTemplates, own: NDArray[np.integer]) -> SiteTemplates:
        """Return sites with the templates of single atoms."""
        n = len(templates)
        nothing = np.full((n, n), np.inf)
        return SiteTemplates(
            templates,
            own.astype(np.int32),
            np.ones(n, dtype=np.int64),
            nothing,
            _TOLERANCE / 3,
            _TOLERANCE,
            self.rotation_invariant,
        )

    def iterate(self, sites: SiteTemplates, some: _Sample) -> SiteTemplates:
        """Assign the atoms to templates, compute the templates again, merge similar ones, and iterate."""
        before = np.full(len(some.kinds), -1)
        for _ in range(_ITERATIONS):
            labels, _, fits = sites.assign(*some)
            sites, labels = self._updated(sites, some, labels, fits)
            if not len(sites.patterns) or np.array_equal(labels, before):
                break
            before = labels
        return sites

    def _updated(
        self, sites: SiteTemplates, some: _Sample, labels: NDArray[np.int32], fits: TemplateFits
    ) -> tuple[SiteTemplates, NDArray[np.int32]]:
        """Compute templates of the labelled atoms, without small classes, and merge those less than five spreads apart."""
        parts, own, sizes, kept, residuals = [], [], [], [], []
        for site in range(len(sites.patterns)):
            members = np.flatnonzero(labels == site)
            if len(members) < self.min_motif_size:
                continue
            sizes.append(len(members))
            members = members[:: -(-len(members) // SMALLEST_SAMPLE)]
            rotated = rotated_back(
                some.atoms.offsets[members], fits.angles[members, site], fits.mirrored[members, site]
            )
            # Most classes keep their atoms from one iteration to the next.
            key = rotated.tobytes(), some.around[members].tobytes(), sites.tolerance
            if key not in self._known:
                self._known[key] = frequent_places(
                    rotated, some.around[members], some.atoms.reach, sites.tolerance
                )
            template, rest = self._known[key]
            parts.append(template)
            residuals.append(rest)
            own.append(int(sites.kind[site]))
            kept.append(site)
        rest = np.concatenate(residuals) if residuals else np.zeros(0)
        spread = float(robust_spread(rest)) if len(rest) else sites.spread
        spread = max(spread, _MIN_SPREAD)
        tolerance = float(np.clip(4 * spread, _TOLERANCE, _MAX_TOLERANCE))
        templates = NeighbourTemplates.stacked(parts)
        updated = SiteTemplates(
            templates,
            np.array(own, dtype=np.int32),
            np.array(sizes, dtype=np.int64),
            template_separations(
                templates, np.array(own), some.atoms.reach, spread, tolerance, self.rotation_invariant
            ),
            spread,
            tolerance,
            self.rotation_invariant,
        )
        number = np.full(len(sites.patterns), -1)
        number[kept] = np.arange(len(kept))
        labels = number[labels].astype(np.int32)
        return _merged(updated, labels, updated.separations < _MIN_SEPARATION)

    def split(self, sites: SiteTemplates, some: _Sample) -> SiteTemplates:
        """Split every site whose atoms form two groups along the direction in which they differ most.

        Two similar sites can have one seed in common.
        """
        labels, _, fits = sites.assign(*some)
        parts = [(sites.patterns.places[k], sites.patterns.kinds[k]) for k in range(len(sites.patterns))]
        own, sizes = list(sites.kind), list(sites.sizes)
        for site in range(len(sites.patterns)):
            members = np.flatnonzero(labels == site)
            if len(members) < 4 * self.min_motif_size:
                continue
            rotated = rotated_back(
                some.atoms.offsets[members], fits.angles[members, site], fits.mirrored[members, site]
            )
            along = main_difference(rotated, some.around[members], sites.patterns, site, sites.tolerance)
            lower = _halves(along)
            if min(lower.sum(), (~lower).sum()) < self.min_motif_size:
                continue
            a, b = along[lower], along[~lower]
            spread = np.sqrt((len(a) * a.var() + len(b) * b.var()) / len(along))
            if b.mean() - a.mean() < _MIN_SPLIT * spread or density_gap(a / spread, b / spread) < _MIN_GAP:
                continue
            halves = [
                frequent_places(rotated[half], some.around[members[half]], some.atoms.reach, sites.tolerance)[
                    0
                ]
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
            patterns=NeighbourTemplates.stacked(parts),
            kind=np.array(own, dtype=np.int32),
            sizes=np.array(sizes, dtype=np.int64),
            separations=np.full((n, n), np.inf),
        )

    def without_gaps(self, sites: SiteTemplates, some: _Sample) -> SiteTemplates:
        """Merge sites without a gap in density between them, which are parts of a continuum."""
        while len(sites.patterns) > 1:
            labels, _, fits = sites.assign(*some)
            n = len(sites.patterns)
            similar = np.zeros((n, n), dtype=bool)
            near = (sites.separations < _NEAR) & np.equal.outer(sites.kind, sites.kind)
            for a, b in np.argwhere(np.triu(near, 1)):
                along = (fits.costs[:, a] - fits.costs[:, b]) / sites.separations[a, b]
                similar[a, b] = density_gap(along[labels == a], along[labels == b]) < _MIN_GAP
            sites, _ = _merged(sites, labels, similar)
            if len(sites.patterns) == n:
                break
            sites = self.iterate(sites, some)
        return sites


def _halves(along: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each point lies in the lower of the two groups on a line with the least variance within them."""
    order = np.argsort(along, kind="stable")
    line = along[order] - along.mean()
    n = np.arange(1, len(line))
    total = np.cumsum(line)[:-1]
    between = total**2 / n + total**2 / (len(line) - n)
    lower = np.zeros(len(line), dtype=bool)
    lower[order[: int(between.argmax()) + 1]] = True
    return lower


def _merged(
    sites: SiteTemplates, labels: NDArray[np.int32], similar: NDArray[np.bool_]
) -> tuple[SiteTemplates, NDArray[np.int32]]:
    """Merge similar sites (c, c) of one kind, the smaller into the larger, the nearest pairs first."""
    merged_into = np.arange(len(sites.patterns))
    gone = np.zeros(len(merged_into), dtype=bool)
    pairs = np.argwhere(np.triu(similar & np.equal.outer(sites.kind, sites.kind), 1))
    for a, b in pairs[np.argsort(sites.separations[pairs[:, 0], pairs[:, 1]], kind="stable")]:
        if gone[a] or gone[b]:
            continue
        large, small = (a, b) if sites.sizes[a] >= sites.sizes[b] else (b, a)
        gone[small] = True
        merged_into[small] = large
    if not gone.any():
        return sites, labels
    kept = np.flatnonzero(~gone)
    sizes = np.bincount(merged_into, weights=sites.sizes, minlength=len(merged_into))[kept].astype(np.int64)
    number = np.full(len(merged_into), -1)
    number[kept] = np.arange(len(kept))
    templates = NeighbourTemplates(sites.patterns.places[kept], sites.patterns.kinds[kept])
    merged = SiteTemplates(
        templates,
        sites.kind[kept],
        sizes,
        sites.separations[np.ix_(kept, kept)],
        sites.spread,
        sites.tolerance,
        sites.rotation_invariant,
    )
    return merged, np.where(labels >= 0, number[merged_into[labels]], -1).astype(np.int32)
