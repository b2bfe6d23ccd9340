"""The step from kinds of atoms to the sites that they sit on, within nested lenses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from ._constellations import Neighbourhoods
from ._growth import Growth
from ._site_finding import find_sites
from ._sites import FREQUENT, SiteTemplates

_FAR = 60.0
_CLEAR = 5.0
_WHOLE = 0.8
_LARGEST_COST = 150.0


@dataclass(frozen=True)
class SiteParting:
    """Sites as the groups of one lens; a kind of atom too rare to have any is a group of its own.

    Attributes
    ----------
    sites : SiteTemplates
    group_of_site : ndarray of int32, shape (c,)
        -1 for a site that no atom has.
    group_of_kind : ndarray of int32, shape (k,)
        Of kinds without sites; -1 for the others.
    """

    sites: SiteTemplates
    group_of_site: NDArray[np.int32]
    group_of_kind: NDArray[np.int32]

    @classmethod
    def fit(
        cls, sites: SiteTemplates, neighbours: Neighbourhoods, kinds: NDArray[np.int32]
    ) -> tuple[SiteParting, NDArray[np.int32], NDArray[np.int32]]:
        """Return it with the group and the kind of every atom; a kind that the surroundings contradict is told anew."""
        n_kinds = int(kinds.max()) + 1
        sited = np.isin(kinds, sites.kind)
        own, _, _ = sites.assign(neighbours, kinds, neighbours.kinds(kinds))
        told = np.where(sited, sites.kind[own], kinds).astype(np.int32)
        if len(np.unique(told)) < n_kinds:
            # The surroundings contradict a whole kind: it keeps its atoms.
            own, _, _ = sites.assign(neighbours, kinds, neighbours.kinds(kinds), other_kind=np.inf)
            told = kinds
        of_site = np.full(len(sites.kind), -1, dtype=np.int32)
        of_kind = np.full(n_kinds, -1, dtype=np.int32)
        n_groups = 0
        for kind in range(n_kinds):
            here = np.unique(own[sited & (told == kind)])
            if not len(here):
                of_kind[kind] = n_groups
            of_site[here] = np.arange(n_groups, n_groups + len(here))
            n_groups += max(len(here), 1)
        parting = cls(sites, of_site, of_kind)
        return parting, parting._groups(own, told), told

    def grow(self, growth: Growth, lens: float, groups: NDArray[np.int32], kinds: NDArray[np.int32]) -> None:
        """Hang the sites of every kind below it."""
        sizes = np.bincount(groups)
        for kind in range(int(kinds.max()) + 1):
            members = self._sites_of_kind(kind)
            if not len(members):
                growth.part(kind, lens, sizes[[self.group_of_kind[kind]]], [])
            else:
                growth.part(kind, lens, sizes[self.group_of_site[members]], self.sites.merging_order(members))
        growth.next_lens()

    def joins(self, lens: float, names: NDArray[np.int32]) -> list[tuple[float, int, int, float]]:
        """How the groups join, the rare kinds last; `names` are the labels of the groups."""
        members = np.flatnonzero(self.group_of_site >= 0)
        group = self.group_of_site[members]
        joins = [
            (lens, int(names[group[stays]]), int(names[group[joined]]), separation)
            for stays, joined, separation in self.sites.merging_order(members)
        ]
        others = self.group_of_kind[self.group_of_kind >= 0]
        last = int(names[group[0]])
        return joins + [(lens, last, int(names[other]), _FAR) for other in others]

    def landmarks(self, neighbours: Neighbourhoods, kinds: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return the distance of every atom to every site and to every kind without sites, as features (n, f)."""
        around = neighbours.kinds(kinds)
        _, _, fits = self.sites.assign(neighbours, kinds, around)
        costs = fits.costs[:, self.group_of_site >= 0]
        least = costs.min(axis=1, keepdims=True)
        costs = np.minimum(costs, least + _LARGEST_COST)
        other = _LARGEST_COST * (
            kinds[:, None] != np.concatenate([self.sites.kind, np.flatnonzero(self.group_of_kind >= 0)])
        )
        return np.sqrt(np.column_stack([costs, other]))

    def predict(
        self, neighbours: Neighbourhoods, kinds: NDArray[np.int32]
    ) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]:
        """Return group, probability and outlier_score of the atoms of an image; `kinds` are those of its atoms."""
        own, odds, fits = self.sites.assign(neighbours, kinds, neighbours.kinds(kinds))
        sited = self.group_of_kind[kinds] < 0
        told = np.where(sited, self.sites.kind[own], kinds).astype(np.int32)
        rows = np.arange(len(own))
        n_places = np.isfinite(self.sites.patterns.places[..., 0]).sum(axis=1)
        outlier_score = chi2.cdf(2 * fits.costs[rows, own], 2 * n_places[own])
        return (
            self._groups(own, told),
            np.where(sited, odds[rows, own], 1.0),
            np.where(sited, outlier_score, 0.0),
        )

    def _groups(self, own: NDArray[np.int32], kinds: NDArray[np.int32]) -> NDArray[np.int32]:
        alone = self.group_of_kind[kinds]
        return np.where(alone >= 0, alone, self.group_of_site[own]).astype(np.int32)

    def _sites_of_kind(self, kind: int) -> NDArray[np.int64]:
        return np.flatnonzero((self.sites.kind == kind) & (self.group_of_site >= 0))


def clear_kinds(
    merges: list[tuple[int, int, float]], n_groups: int
) -> tuple[NDArray[np.int32], list[tuple[int, int, float]]]:
    """Join groups of the first lens that lie less than five spreads apart: they are hardly different species.

    Parameters
    ----------
    merges : list of (group that stays, group that joins it, separation)
    n_groups : int

    Returns
    -------
    kind_of_group : ndarray of int32, shape (n_groups,)
    merges : list
        Of the kinds that are left.
    """
    stays_in = np.arange(n_groups)
    for stays, joined, separation in merges:
        if separation < _CLEAR:
            stays_in[stays_in == stays_in[joined]] = stays_in[stays]
    _, kind = np.unique(stays_in, return_inverse=True)
    left = [(int(kind[a]), int(kind[b]), separation) for a, b, separation in merges if kind[a] != kind[b]]
    # A kind that has joined by one of its groups stands for all of them from then on.
    parent, kept = np.arange(int(kind.max()) + 1), []
    for a, b, separation in left:
        a, b = sorted((int(parent[a]), int(parent[b])))
        if a != b:
            kept.append((a, b, separation))
            parent[parent == b] = a
    return kind.astype(np.int32), kept


def sites_of_kinds(
    neighbours: Neighbourhoods,
    groups: NDArray[np.int32],
    merges: list[tuple[int, int, float]],
    rotation_invariant: bool,
    min_motif_size: int,
) -> tuple[SiteTemplates | None, NDArray[np.int32], list[tuple[int, int, float]]]:
    """Find the sites of the groups of the first lens; groups that cut through sites, and hardly differ, are one kind.

    Parameters
    ----------
    neighbours : Neighbourhoods
    groups : ndarray of int32, shape (n,)
    merges : list of (group that stays, group that joins it, separation)
    rotation_invariant : bool
    min_motif_size : int
        Atoms of the rarest site.

    Returns
    -------
    sites : SiteTemplates or None
    kind_of_group : ndarray of int32
    merges : list
        Of the kinds.
    """
    n_groups = int(groups.max()) + 1
    each = np.arange(n_groups, dtype=np.int32)
    # The same atoms are looked at first whatever the seed: sites do not depend on it.
    sites = find_sites(
        neighbours, groups, rotation_invariant=rotation_invariant, min_motif_size=min_motif_size
    )
    kind_of_group, left = clear_kinds(merges, n_groups)
    if len(left) == len(merges):
        return sites, each, merges
    kinds = kind_of_group[groups]
    wider = find_sites(
        neighbours, kinds, rotation_invariant=rotation_invariant, min_motif_size=min_motif_size
    )
    if wider is None:
        return sites, each, merges
    own, _, _ = wider.assign(neighbours, kinds, neighbours.kinds(kinds))
    table = np.zeros((len(wider.kind), n_groups))
    np.add.at(table, (own, groups), 1)
    size = table.sum(axis=1)
    cut = (size >= FREQUENT * len(groups)) & (table.max(axis=1) < _WHOLE * size)
    return (wider, kind_of_group, left) if cut.any() else (sites, each, merges)
