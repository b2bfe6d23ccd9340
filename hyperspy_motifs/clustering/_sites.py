"""Sites: classes of atoms by where their neighbours are, whatever these neighbours are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ._constellations import Fits, Neighbourhoods, Patterns, fit_patterns

_ABSENT = 4.0  # one neighbour in fifty differs from the usual by chance
_OTHER_KIND = 20.0
NEAR = 15.0
FREQUENT = 0.05
_LARGEST_PART = 0.6
_BEYOND = 0.5 * NEAR**2 + 40


@dataclass(frozen=True)
class SiteTemplates:
    """Patterns of neighbours, each of one kind of atom.

    Two atoms of a kind are on one site if their neighbours lie at the same places, up to a rotation (and
    reflection) where that is asked for. What the neighbours are does not count, nor that one is absent: a
    channel may be filled or empty, and a neighbour of another kind lies where that kind lies. This is told by
    the neighbours themselves.

    Attributes
    ----------
    patterns : Patterns
    kind : ndarray of int32, shape (c,)
        Of the atoms of each site.
    sizes : ndarray of int64, shape (c,)
        Atoms of each site.
    separations : ndarray, shape (c, c)
        Distances of the patterns in units of the spread of the places; infinite on the diagonal.
    spread, tolerance : float
        See `fit_patterns`.
    rotation_invariant : bool
    """

    patterns: Patterns
    kind: NDArray[np.int32]
    sizes: NDArray[np.int64]
    separations: NDArray[np.float64]
    spread: float
    tolerance: float
    rotation_invariant: bool

    def parts_a_kind(self) -> bool:
        """Whether a frequent kind has no site that holds most of it."""
        for kind in np.unique(self.kind):
            sizes = self.sizes[self.kind == kind]
            if sizes.sum() >= FREQUENT * self.sizes.sum() and sizes.max() < _LARGEST_PART * sizes.sum():
                return True
        return False

    def assign(
        self,
        atoms: Neighbourhoods,
        kinds: NDArray[np.integer],
        around: NDArray[np.int32],
        other_kind: float = _OTHER_KIND,
    ) -> tuple[NDArray[np.int32], NDArray[np.float64], Fits]:
        """Tell the site of every atom.

        Parameters
        ----------
        atoms : Neighbourhoods
        kinds : ndarray of int, shape (n,)
            Of the atoms.
        around : ndarray of int32, shape (n, k)
            Of their neighbours.
        other_kind : float
            What it costs that the atom is of another kind than those of the site.

        Returns
        -------
        sites : ndarray of int32, shape (n,)
        probabilities : ndarray, shape (n, c)
        fits : Fits
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

    def merging_order(self, members: NDArray[np.int64]) -> list[tuple[int, int, float]]:
        """Return (place of the site that stays, of the one that joins it, separation), the least separated first.

        `members` are the sites to join, by number; places are those in `members`. Rarer ones join sooner; see
        `merging_order` of groups.
        """
        apart = self.separations[np.ix_(members, members)].copy()
        size = self.sizes[members].astype(float)
        merges: list[tuple[int, int, float]] = []
        for _ in range(len(members) - 1):
            weight = (2 * np.outer(size, size) / np.maximum(np.add.outer(size, size), 1e-9)) ** 0.25
            a, b = sorted(divmod(int((apart * np.maximum(weight, 1e-9)).argmin()), len(apart)))
            merges.append((a, b, float(apart[a, b])))
            total = size[a] + size[b]
            with np.errstate(invalid="ignore"):
                apart[a] = apart[:, a] = (size[a] * apart[a] + size[b] * apart[b]) / total
            apart[a, a] = np.inf
            apart[b, :] = apart[:, b] = np.inf
            size[a], size[b] = total, 0
        return merges

    def _fit(self, atoms: Neighbourhoods, around: NDArray[np.int32]) -> Fits:
        fits = fit_patterns(
            atoms,
            around,
            self.patterns,
            spread=self.spread,
            tolerance=self.tolerance,
            absent=_ABSENT,
            rotation_invariant=self.rotation_invariant,
            beyond=_BEYOND,
        )
        # No pattern can be laid onto a few stray atoms at the border: all sites are as far from them.
        fits.costs[~np.isfinite(fits.costs).any(axis=1)] = _BEYOND
        return fits
