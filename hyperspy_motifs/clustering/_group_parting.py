"""The parting of all groups through one lens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ._classifier import GaussianClasses
from ._features import Axes
from ._merging import merging_order
from ._parting import part
from ._view import View, sound_members


@dataclass(frozen=True)
class GroupParts:
    """Parts of one group.

    Attributes
    ----------
    members : ndarray of int64, shape (m,)
        Its atoms.
    own : ndarray of int64, shape (m,)
        Part of each, 0..
    odds : ndarray, shape (m,)
        Probability of that part.
    axes : Axes
    classes : GaussianClasses
    merges : list of (part that stays, part that joins it, separation)
    """

    members: NDArray[np.int64]
    own: NDArray[np.int64]
    odds: NDArray[np.float64]
    axes: Axes
    classes: GaussianClasses
    merges: list[tuple[int, int, float]]


def part_groups(
    view: View,
    layout: NDArray[np.float32],
    groups: NDArray[np.int32],
    threshold: float,
    size: int,
    random_state: int,
) -> list[GroupParts]:
    """Part every group; atoms whose disc leaves the image are told by the others' parts.

    Parameters
    ----------
    view : View
    layout : (n, 2) float32 array
    groups : (n,) int32 array
        0..
    threshold, size, random_state
        See `part`.

    Returns
    -------
    list of GroupParts
    """
    order = np.argsort(groups, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(groups))[:-1])
    return [_parts_of(group, view, layout, threshold, size, random_state) for group in members]


def _parts_of(
    members: NDArray[np.int64],
    view: View,
    layout: NDArray[np.float32],
    threshold: float,
    size: int,
    random_state: int,
) -> GroupParts:
    kept = sound_members(members, view)
    axes = Axes.fit(view.X[kept])
    components = axes.apply(view.X[kept])
    labels = part(components, layout[kept], threshold, size, random_state)
    classes = GaussianClasses.fit(components, labels)
    odds = classes.predict_proba(axes.apply(view.X[members]), view.doubt.along(members, axes))
    own = odds.argmax(axis=1)
    own[np.isin(members, kept)] = labels
    merges = merging_order(components, labels, random_state)
    return GroupParts(members, own, odds[np.arange(len(members)), own], axes, classes, merges)
