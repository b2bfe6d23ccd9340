"""Known atoms of a model: they give the layout positions of new atoms, and the labels of motifs edited by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.relaxation import nearest_in
from hyperspy_motifs.zernike import invariants

# Number of anchors that vote where a motif was edited by hand, and that determine the layout position of an atom.
_N_VOTES = 7
_N_PLACES = 3


@dataclass(frozen=True)
class Anchors:
    """Atoms that the model was fitted to, at one radius.

    Attributes
    ----------
    features : ndarray of float32, shape (a, d)
        In units of the noise; rotation invariants if the model is rotation invariant.
    unit : ndarray of float64, shape (d,)
        The noise of each feature.
    layout : ndarray of float32, shape (a, 2)
    fitted : ndarray of int32, shape (a,)
        Motif of each atom in the fit.
    labels : ndarray of int32, shape (a,)
        Current motif of each atom. It differs from `fitted` where motifs were merged, split or assigned by hand.
    """

    features: NDArray[np.float32]
    unit: NDArray[np.float64]
    layout: NDArray[np.float32]
    fitted: NDArray[np.int32]
    labels: NDArray[np.int32]

    @classmethod
    def of(
        cls,
        moments: Any,
        layout: NDArray[np.floating],
        fitted: NDArray[np.integer],
        labels: NDArray[np.integer],
        invariant: bool,
        most: int | None = None,
    ) -> Anchors:
        """Select at most `most` anchors from the moments of atoms; rare motifs keep all their atoms where possible."""
        chosen = np.arange(len(fitted)) if most is None else _share(labels, most)
        values, noise = _values(moments.take(chosen), invariant)
        unit = np.sqrt(np.nanmean(np.asarray(noise, float) ** 2, axis=0))
        unit = np.maximum(unit, 1e-3 * max(float(np.nanmax(unit)), 1e-30))
        return cls(
            np.nan_to_num(np.asarray(values, float) / unit).astype(np.float32),
            unit,
            np.asarray(layout, np.float32)[chosen],
            np.asarray(fitted, np.int32)[chosen],
            np.asarray(labels, np.int32)[chosen],
        )

    def features_of(self, moments: Any, invariant: bool) -> NDArray[np.float32]:
        """Return the features (n, d) of other atoms, in the units of the anchors."""
        values, _ = _values(moments, invariant)
        return np.nan_to_num(np.asarray(values, float) / self.unit).astype(np.float32)

    def places(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the layout positions (n, 2): the mean of the three nearest anchors in feature space."""
        nearest = _nearest(features, self.features, _N_PLACES)
        return np.asarray(self.layout[nearest].mean(axis=1), np.float32)

    def relabel(self, labels: NDArray[np.integer], features: NDArray[np.float32]) -> NDArray[np.int32]:
        """Map fitted labels (n,) to the current ones; where a motif was split, its nearest anchors vote."""
        out = np.array(labels, np.int32)
        if np.array_equal(self.fitted, self.labels):
            return out
        for motif in np.unique(labels):
            here = np.flatnonzero(labels == motif)
            members = np.flatnonzero(self.fitted == motif)
            if not len(members):
                members = np.arange(len(self.fitted))
            owners = np.unique(self.labels[members])
            if len(owners) == 1:
                out[here] = owners[0]
                continue
            nearest = _nearest(features[here], self.features[members], _N_VOTES)
            out[here] = [np.bincount(v).argmax() for v in self.labels[members][nearest]]
        return out


def _nearest(queries: NDArray[np.float32], points: NDArray[np.float32], k: int) -> NDArray[np.int32]:
    if not len(queries):
        return np.zeros((0, min(k, len(points))), np.int32)
    return nearest_in(queries, points, min(k, len(points)))[0]


def _values(moments: Any, invariant: bool) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    if invariant:
        values, noise = invariants(moments)
        return values, noise
    return moments.values, moments.noise_std


def _share(labels: NDArray[np.integer], most: int) -> NDArray[np.int64]:
    """Select evenly spaced members of every motif: all of the rare motifs, the remainder from the frequent ones."""
    kinds, count = np.unique(labels, return_counts=True)
    left, wanted = most, {}
    for turn, rank in enumerate(np.argsort(count, kind="stable")):
        wanted[int(kinds[rank])] = min(int(count[rank]), left // (len(kinds) - turn))
        left -= wanted[int(kinds[rank])]
    parts = []
    for kind, n in wanted.items():
        members = np.flatnonzero(labels == kind)
        parts.append(members[np.linspace(0, len(members) - 1, n).astype(int)] if n else members[:0])
    return np.sort(np.concatenate(parts)) if parts else np.zeros(0, np.int64)
