"""Fitted nested lenses tell the atoms of another image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ._classifier import GaussianClasses
from ._constellations import Neighbourhoods
from ._doubt import Doubt, features_and_doubt
from ._features import Axes, MomentsLike
from ._wider_lens import WiderLens, wider_lens

if TYPE_CHECKING:
    from ._nested import NestedRadii

SURROUNDINGS = 1.2  # lens that sees the ring round a disc of one column


@dataclass(frozen=True)
class Parting:
    """How one group was parted through one lens: all that is needed to part new atoms the same way."""

    axes: Axes
    classes: GaussianClasses
    leaves: NDArray[np.int32]  # group after this lens of every class
    wider: WiderLens | None = None  # helps where this lens is in doubt

    def of_leaves(self, odds: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
        """Odds (n, groups) of the groups, of which several classes may be one, from those (n, classes) of the classes."""
        groups, first, own = np.unique(self.leaves, return_index=True, return_inverse=True)
        if len(groups) == len(self.leaves):
            return odds, self.leaves
        order = np.argsort(first)
        return odds @ (own[:, None] == order).astype(float), groups[order]


def read_atoms(
    model: NestedRadii,
    moments_of: Callable[[float], MomentsLike],
    lenses: Sequence[float],
    neighbours: Neighbourhoods | None,
) -> dict[float, tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]]:
    """Labels, probabilities and outlier_score of the atoms of another image through the first lenses of a fitted model."""
    if model._site_parting is not None and neighbours is None and len(lenses) > 1:
        raise ValueError("These motifs are sites: neighbours= of the other image is needed to tell them.")

    @cache
    def seen(lens: float) -> tuple[NDArray[np.float64], NDArray[np.bool_], Doubt]:
        """Features through a lens, which atoms it sees, and the doubt."""
        moments = moments_of(lens)
        unit, leak = model._views[lens]
        around = None if leak is None else moments_of(SURROUNDINGS)
        X, doubt = features_and_doubt(moments, model.rotation_invariant, unit, leak, around)
        return X, np.asarray(moments.valid, dtype=bool), doubt

    found = {}
    groups: NDArray[np.int32] | None = None
    probabilities, outlier_score = np.ones(0), np.zeros(0)
    for step in lenses:
        if model._site_parting is not None and neighbours is not None and step == model.radii_[1]:
            assert groups is not None
            groups, sure, strange = model._site_parting.predict(neighbours, groups)
            probabilities, outlier_score = probabilities * sure, np.maximum(outlier_score, strange)
            found[step] = model._names[step][groups], probabilities.copy(), outlier_score.copy()
            continue
        X, valid, doubt = seen(step)
        if groups is None:
            groups = np.zeros(len(X), dtype=np.int32)
            probabilities, outlier_score = np.ones(len(X)), np.zeros(len(X))
        new = np.empty_like(groups)
        for group, parting in enumerate(model._partings[step]):
            members = np.flatnonzero(groups == group)
            components = parting.axes.apply(np.where(valid[members, None], X[members], parting.axes.centre))
            uncertain = doubt.along(members, parting.axes)
            odds = parting.classes.predict_proba(components, uncertain)
            if parting.wider is not None:
                beyond, inside, beyond_doubt = seen(wider_lens(model.radii_))
                beyond = np.where(inside[:, None], beyond, parting.wider.axes.centre)
                unsure = uncertain, beyond_doubt.along(members, parting.wider.axes)
                odds = parting.wider.tell(components, odds, beyond[members], unsure)
            odds, leaves = parting.of_leaves(odds)
            own = odds.argmax(axis=1)
            new[members] = leaves[own]
            probabilities[members] *= odds[np.arange(len(members)), own]
            strange = parting.classes.outlier_score(components, uncertain)
            outlier_score[members] = np.maximum(outlier_score[members], np.where(valid[members], strange, 0))
        groups = new
        found[step] = model._names[step][groups], probabilities.copy(), outlier_score.copy()
    return found
