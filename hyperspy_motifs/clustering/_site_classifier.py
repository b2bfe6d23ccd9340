"""What is learned at one radius, and of the sites that kinds of atoms sit on: classifiers of other atoms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f as f_distribution

from hyperspy_motifs.sites import FREQUENT, Neighbourhoods, SiteTemplates, find_sites
from hyperspy_motifs.zernike import MomentsLike

from ._constants import CONSTANTS
from ._crosstalk import NeighbourCrosstalk
from ._environment import Environments, Sublattices, Surroundings, sites_mix
from ._mixture import MotifMixture, fitted_tails
from ._motif_tree import merged_kinds, merging_order
from ._neighbour_effects import Explanation
from ._neighbourhood_features import NeighbourhoodFeatures

Found = tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]
Around = tuple[Neighbourhoods, Surroundings]

_FEWEST_SITES = 3  # of a kind
_WHOLE = 0.8  # of a site that is of one kind


@dataclass(frozen=True)
class RadiusModel:
    """What was learned at one radius: all that is needed to find the same motifs among other atoms.

    Attributes
    ----------
    unit : ndarray, shape (K,)
        Noise of the moments of whole discs.
    crosstalk : NeighbourCrosstalk or None
    explanation : Explanation or None
        At larger radii than the first.
    mixtures : list of MotifMixture
        One for each group that this radius divides; empty where motifs are those of another radius.
    names : ndarray of int32, shape (g,)
        Motif of each component of the mixtures, in their order. A motif has several components if its surroundings differ.
    environments : Environments or None
        At radii beyond that of the motifs.
    """

    unit: NDArray[np.float64]
    crosstalk: NeighbourCrosstalk | None = None
    explanation: Explanation | None = None
    mixtures: list[MotifMixture] = field(default_factory=list)
    names: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    environments: Environments | None = None

    @property
    def n_motifs(self) -> int:
        """Number of motifs."""
        return len(np.unique(self.names))

    def features(
        self,
        radius: float,
        moments_of: Callable[[float], MomentsLike],
        rotation_invariant: bool,
        around: Around | None = None,
        kinds: NDArray[np.integer] | None = None,
    ) -> NeighbourhoodFeatures:
        """Return the features without what neighbours leak into them and without what they explain."""
        moments = moments_of(radius)
        if self.explanation is not None and around is not None and kinds is not None:
            return self.explanation.features(*around, moments, self.unit, kinds)
        values: NDArray[np.floating] = moments.values
        if self.crosstalk is not None:
            values = self.crosstalk.remove(moments, moments_of(CONSTANTS.ring_radius))
        return NeighbourhoodFeatures.of(moments, rotation_invariant, self.unit, values)

    def classify(self, features: NeighbourhoodFeatures, groups: NDArray[np.integer]) -> Found:
        """Return labels, probabilities within the group, and p-values of atoms of known groups (n,)."""
        n = len(groups)
        labels, probabilities, p_values = np.zeros(n, np.int32), np.ones(n), np.ones(n)
        first = 0
        for group, mixture in enumerate(self.mixtures):
            members = np.flatnonzero(groups == group)
            if len(members):
                variance = features.variance[members]
                names = self.names[first : first + mixture.n_motifs]
                own, sure, p = mixture.classify(features.values[members], variance, names)
                labels[members], probabilities[members], p_values[members] = names[own], sure, p
            first += mixture.n_motifs
        return labels, probabilities, p_values


@dataclass(frozen=True)
class SiteClassifier:
    """Sites as motifs; a kind of atom too rare to have any is a group of its own.

    Attributes
    ----------
    sites : SiteTemplates
    group_of_site : ndarray of int32, shape (c,)
        -1 for a site that no atom has.
    group_of_kind : ndarray of int32, shape (k,)
        Of kinds without sites; -1 for the others.
    scale, degrees : float
        Of the F distribution of the mean squared distances of the neighbours from their places.
    """

    sites: SiteTemplates
    group_of_site: NDArray[np.int32]
    group_of_kind: NDArray[np.int32]
    scale: float = 1.0
    degrees: float = 1000.0

    @classmethod
    def fit(
        cls, sites: SiteTemplates, neighbours: Neighbourhoods, kinds: NDArray[np.int32]
    ) -> SiteClassifier:
        """Number the sites that the atoms of `kinds` (n,) have, those of most atoms first."""
        sited = np.isin(kinds, sites.kind)
        own, _, _ = sites.assign(neighbours, kinds, neighbours.kinds(kinds), other_kind=np.inf)
        keys = np.where(sited, own, len(sites.kind) + kinds)
        names, count = np.unique(keys, return_counts=True)
        order = names[np.argsort(-count, kind="stable")]
        group_of_site = np.full(len(sites.kind), -1, dtype=np.int32)
        group_of_kind = np.full(int(kinds.max()) + 1, -1, dtype=np.int32)
        for group, key in enumerate(order):
            if key < len(sites.kind):
                group_of_site[key] = group
            else:
                group_of_kind[key - len(sites.kind)] = group
        found = cls(sites, group_of_site, group_of_kind)
        _, _, distances, k = found._assigned(neighbours, kinds)
        scale, degrees = fitted_tails(distances[sited] * k, k)
        return replace(found, scale=scale, degrees=degrees)

    def classify(
        self, neighbours: Neighbourhoods, kinds: NDArray[np.int32]
    ) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]:
        """Return the site (n,) of atoms of `kinds` (n,), its probability and the p-value of an atom of it.

        The squared distances of the neighbours from their places follow an F distribution, as those of `MotifMixture` do.
        """
        own, odds, distances, k = self._assigned(neighbours, kinds)
        alone = self.group_of_kind[kinds]
        sited = alone < 0
        rows = np.arange(len(own))
        p_values = f_distribution.sf(distances / self.scale, k, self.degrees)
        labels = np.where(sited, np.maximum(self.group_of_site[own], 0), alone).astype(np.int32)
        return labels, np.where(sited, odds[rows, own], 1.0), np.where(sited, p_values, 1.0)

    def _assigned(
        self, neighbours: Neighbourhoods, kinds: NDArray[np.int32]
    ) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64], int]:
        """Site (n,), odds (n, c), mean squared distance (n,) of the neighbours from their places, and its dimensions."""
        own, odds, fits = self.sites.assign(neighbours, kinds, neighbours.kinds(kinds), other_kind=np.inf)
        k = 2 * np.isfinite(self.sites.patterns.places[..., 0]).sum(axis=1)
        return own, odds, 2 * fits.costs[np.arange(len(own)), own] / k[own], int(np.median(k))


def sites_of_kinds(
    neighbours: Neighbourhoods,
    kinds: NDArray[np.int32],
    merges: list[tuple[int, int, float]],
    rotation_invariant: bool,
    min_motif_size: int,
) -> tuple[SiteTemplates | None, NDArray[np.int32]]:
    """Find the sites of kinds of atoms; kinds that cut through more sites than there are kinds are one.

    Parameters
    ----------
    neighbours : Neighbourhoods
    kinds : ndarray of int32, shape (n,)
    merges : list of (kind that stays, kind that joins it, separation)
    rotation_invariant : bool
    min_motif_size : int
        Atoms of the rarest site.

    Returns
    -------
    sites : SiteTemplates or None
    kind_of : ndarray of int32, shape (k,)
        Number of each kind after those were merged that cut through sites.
    """
    n_kinds = int(kinds.max()) + 1
    kind_of = np.arange(n_kinds, dtype=np.int32)

    def found(own: NDArray[np.int32]) -> SiteTemplates | None:
        return find_sites(
            neighbours, own, rotation_invariant=rotation_invariant, min_motif_size=min_motif_size
        )

    sites = found(kinds)
    # Places alone do not tell the two sublattices of a ferroelectric: each is displaced against the other.
    sublattice = np.unique(Sublattices.of(neighbours, kinds).host, return_inverse=True)[1].astype(np.int32)
    for coarser in (merged_kinds(merges, n_kinds), sublattice):
        if coarser.max() == kind_of.max():
            continue
        merged = coarser[kinds]
        wider = found(merged)
        if wider is None:
            continue
        own, _, _ = wider.assign(neighbours, merged, neighbours.kinds(merged))
        table = np.zeros((len(wider.kind), n_kinds))
        np.add.at(table, (own, kinds), 1)
        size = table.sum(axis=1)
        frequent = size >= FREQUENT * len(kinds)
        more = frequent.sum() > (table.sum(axis=0) >= FREQUENT * len(kinds)).sum()
        if more and (table.max(axis=1) < _WHOLE * size)[frequent].any():
            sites, kind_of = wider, coarser
    return sites, kind_of


def mixed_sites(
    model: RadiusModel,
    neighbours: Neighbourhoods,
    kinds: NDArray[np.int32],
    rotation_invariant: bool,
    min_motif_size: int,
) -> tuple[SiteClassifier, RadiusModel] | None:
    """Find sites where a frequent kind has several of which neighbours mix; kinds that cut through sites are one.

    Parameters
    ----------
    model : RadiusModel
        Of the smallest radius.
    neighbours : Neighbourhoods
    kinds : ndarray of int32, shape (n,)
    rotation_invariant : bool
    min_motif_size : int
        Atoms of the rarest site.

    Returns
    -------
    tuple of (SiteClassifier, RadiusModel), or None
        The sites, and the model with the names of the kinds that have them. None if sites are not the motifs.
    """
    own = np.unique(model.names, return_index=True)[1][: int(kinds.max()) + 1]  # a component of each
    apart = model.mixtures[0].separations()[np.ix_(own, own)]
    merges = merging_order(apart, np.bincount(kinds, minlength=len(own)))
    varied = neighbours.varied()
    sites, kind_of = sites_of_kinds(varied, kinds, merges, rotation_invariant, min_motif_size)
    # Two sites are left to the image, which shows displacements as well.
    if sites is None or np.bincount(sites.kind).max() < _FEWEST_SITES:
        return None
    merged = kind_of[kinds]
    found = SiteClassifier.fit(sites, varied, merged)
    if not sites_mix(neighbours, merged, found.classify(neighbours, merged)[0]):
        return None
    names = kind_of[np.minimum(model.names, len(kind_of) - 1)]
    return found, RadiusModel(model.unit, model.crosstalk, mixtures=model.mixtures, names=names)
