"""Templates of sites, and the assignment of atoms to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ._neighbourhoods import Neighbourhoods
from ._template_fit import NeighbourTemplates, TemplateFits, fit_templates

_ABSENT = 4.0  # one neighbour in fifty differs by chance
_OTHER_KIND = 20.0
NEAR = 15.0
FREQUENT = 0.05
_LARGEST_SHARE = 0.6
_BEYOND = 0.5 * NEAR**2 + 40


@dataclass(frozen=True)
class SiteTemplates:
    """Neighbour templates of sites, each of one kind of atom.

    Two atoms of a kind are on one site if their neighbours lie at the same places, up to a rotation and reflection
    with `rotation_invariant`. Neighbours of another kind and absent neighbours add a constant cost only: a channel can be
    filled or empty without a change of the sites around it.

    Attributes
    ----------
    patterns : NeighbourTemplates
    kind : ndarray of int32, shape (c,)
        Kind of the atoms of each site.
    sizes : ndarray of int64, shape (c,)
        Number of atoms of each site.
    separations : ndarray, shape (c, c)
        Distances of the templates in units of the spread of the places; infinite on the diagonal.
    spread, tolerance : float
        See `fit_templates`.
    rotation_invariant : bool
    """

    patterns: NeighbourTemplates
    kind: NDArray[np.int32]
    sizes: NDArray[np.int64]
    separations: NDArray[np.float64]
    spread: float
    tolerance: float
    rotation_invariant: bool

    def splits_a_kind(self) -> bool:
        """Whether a frequent kind has no site with most of its atoms."""
        for kind in np.unique(self.kind):
            sizes = self.sizes[self.kind == kind]
            if sizes.sum() >= FREQUENT * self.sizes.sum() and sizes.max() < _LARGEST_SHARE * sizes.sum():
                return True
        return False

    def assign(
        self,
        atoms: Neighbourhoods,
        kinds: NDArray[np.integer],
        around: NDArray[np.int32],
        other_kind: float = _OTHER_KIND,
    ) -> tuple[NDArray[np.int32], NDArray[np.float64], TemplateFits]:
        """Assign every atom to a site.

        Parameters
        ----------
        atoms : Neighbourhoods
        kinds : ndarray of int, shape (n,)
            Kind of each atom.
        around : ndarray of int32, shape (n, k)
            Kind of each neighbour.
        other_kind : float
            Cost of an atom of another kind than that of the site.

        Returns
        -------
        sites : ndarray of int32, shape (n,)
        probabilities : ndarray, shape (n, c)
        fits : TemplateFits
        """
        fits = self._fit(atoms, around)
        costs = fits.costs + np.where(np.asarray(kinds)[:, None] == self.kind, 0.0, other_kind)
        known = np.isfinite(costs).any(axis=1)
        costs[~known] = fits.costs[~known]  # kinds without sites
        costs = costs - costs.min(axis=1, keepdims=True)
        odds = np.exp(-np.minimum(costs, 700.0))
        return (
            costs.argmin(axis=1).astype(np.int32),
            odds / odds.sum(axis=1, keepdims=True),
            fits,
        )

    def _fit(self, atoms: Neighbourhoods, around: NDArray[np.int32]) -> TemplateFits:
        fits = fit_templates(
            atoms,
            around,
            self.patterns,
            spread=self.spread,
            tolerance=self.tolerance,
            absent=_ABSENT,
            rotation_invariant=self.rotation_invariant,
            beyond=_BEYOND,
        )
        # No template can be fitted to a few stray atoms at the border: all sites are equally far from them.
        fits.costs[~np.isfinite(fits.costs).any(axis=1)] = _BEYOND
        return fits
