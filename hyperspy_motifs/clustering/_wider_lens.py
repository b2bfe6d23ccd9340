"""Atoms in doubt between two kinds are told by what a wider lens sees as well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ._classifier import GaussianClasses, Uncertain
from ._features import Axes
from ._view import View

# Of the log odds. Wider than what noise makes of a Gaussian class would let the variety of the surroundings overrule the
# column itself: set on simulated monolayers and perovskites, 2e4 to 1e6 electrons per square angstrom, where nine cost rare
# species a tenth of their atoms at the lowest dose and five none.
_IN_DOUBT = 5.0
_POINTS_PER_COMPONENT = 4
# Nearest-neighbour distances, 1.7 by default: to the nearest columns of the same kind. They show what is usual here, so that
# a slow change of brightness is not taken for a species. Below 2, so that such a lens, asked for, changes no species.
_REACH = 1.9


@dataclass(frozen=True)
class WiderLens:
    """Classes of the first lens in its features and those of a wider one.

    A column of which the species is in doubt may be plain from where it stands: a column displaced against its
    neighbours moves little within its own disc, and much within theirs. The first lens keeps the word, since in a larger
    disc the variety of the surroundings would drown rare species: only classes that it leaves open are judged again.

    Attributes
    ----------
    axes : Axes
        Of the features of the wider lens.
    classes : GaussianClasses
        In the components of the first lens, then those of the wider.
    """

    axes: Axes
    classes: GaussianClasses

    @classmethod
    def fit(
        cls,
        components: NDArray[np.float64],
        X: NDArray[np.float64],
        labels: NDArray[np.int32],
        sound: NDArray[np.bool_],
    ) -> WiderLens | None:
        """Learn from the atoms that are seen whole through both lenses; None where these are too few.

        Parameters
        ----------
        components : ndarray, shape (n, d)
            Of the first lens.
        X : ndarray, shape (n, f)
            Features of the wider lens in units of noise.
        labels : ndarray of int32, shape (n,)
            Classes of the first lens, 0..k-1.
        sound : ndarray of bool, shape (n,)
        """
        n_classes = int(labels.max()) + 1
        if n_classes < 2 or len(np.unique(labels[sound])) < n_classes:
            return None
        axes = Axes.fit(X[sound])
        both = np.hstack([components[sound], axes.apply(X[sound])])
        if len(both) < _POINTS_PER_COMPONENT * both.shape[1]:
            return None
        return cls(axes, GaussianClasses.fit(both, labels[sound]))

    def in_doubt(self, odds: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which atoms are in doubt, shape (n,), by the probabilities (n, k) that the first lens gives."""
        return _open(odds).sum(axis=1) > 1

    def tell(
        self,
        components: NDArray[np.float64],
        odds: NDArray[np.float64],
        X: NDArray[np.float64],
        uncertain: tuple[Uncertain, Uncertain],
    ) -> NDArray[np.float64]:
        """Return the probabilities of the classes, shape (n, k), with what the wider lens says where the first is in doubt.

        Parameters
        ----------
        components : ndarray, shape (n, d)
            Of the first lens.
        odds : ndarray, shape (n, k)
            Probabilities that the first lens gives.
        X : ndarray, shape (n, f)
            Features of the wider lens in units of noise; anything for atoms that it does not see.
        uncertain : tuple
            For either lens the atoms that are known less than others, and the covariance that comes on top; for those
            that the wider lens does not see it is so large that the first decides alone.
        """
        open_ = _open(odds)
        rows = np.flatnonzero(self.in_doubt(odds))
        if not len(rows):
            return odds
        both = np.hstack([components[rows], self.axes.apply(X[rows])])
        judged = self.classes.predict_proba(
            both, _together(rows, uncertain, components.shape[1], both.shape[1])
        )
        judged = np.where(open_[rows], judged, 0.0)
        total = judged.sum(axis=1)
        out = odds.copy()
        out[rows[total > 0]] = (judged / np.maximum(total, 1e-300)[:, None])[total > 0]
        return out


def wider_lens(lenses: Sequence[float]) -> float | None:
    """Return the lens that helps the first one, the widest that reaches no further than the second neighbours; or None."""
    within = [lens for lens in lenses[1:] if lens <= _REACH]
    return within[-1] if within else None


def judge_doubtful(
    axes: Axes,
    classes: GaussianClasses,
    view: View,
    wide: View,
    labels: NDArray[np.int32],
    min_motif_size: int,
) -> tuple[WiderLens, NDArray[np.int32], NDArray[np.float64]] | None:
    """Ask a wider lens about the atoms of which the first leaves the class in doubt.

    Parameters
    ----------
    axes, classes
        Of the first lens.
    view, wide : View
        What the first lens and the wider one saw.
    labels : ndarray of int32, shape (n,)
        Classes of the first lens.
    min_motif_size : int
        Atoms that a class keeps.

    Returns
    -------
    (WiderLens, labels, probabilities) or None
        None where nothing can be learned, or where a class would be lost.
    """
    everyone = np.arange(len(labels))
    components = axes.apply(view.X)
    wider = WiderLens.fit(components, wide.X, labels, view.sound & wide.sound)
    if wider is None:
        return None
    uncertain = view.doubt.along(everyone, axes)
    odds = classes.predict_proba(components, uncertain)
    told = wider.tell(components, odds, wide.X, (uncertain, wide.doubt.along(everyone, wider.axes)))
    judged = np.where(wider.in_doubt(odds), told.argmax(axis=1), labels).astype(np.int32)
    before = np.bincount(labels)
    if (np.bincount(judged, minlength=len(before)) < np.minimum(before, min_motif_size)).any():
        return None
    return wider, judged, told[everyone, judged]


def _open(odds: NDArray[np.float64]) -> NDArray[np.bool_]:
    return odds >= np.exp(-_IN_DOUBT) * odds.max(axis=1, keepdims=True)


def _together(
    rows: NDArray[np.int64], uncertain: tuple[Uncertain, Uncertain], d: int, d_both: int
) -> Uncertain:
    """Covariance of both lenses on top, of those among `rows`."""
    # Most atoms are known well: no room for those.
    some = np.flatnonzero(np.isin(rows, np.union1d(uncertain[0][0], uncertain[1][0])))
    covariance = np.zeros((len(some), d_both, d_both))
    for (which, own), part in zip(uncertain, (slice(0, d), slice(d, d_both)), strict=True):
        _, here, there = np.intersect1d(rows[some], which, return_indices=True)
        covariance[here, part, part] = own[there]
    kept = covariance.any(axis=(1, 2))
    return (some, covariance) if kept.all() else (some[kept], covariance[kept])
