"""Motifs through nested lenses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import block_diag, csr_array

from hyperspy_motifs.relaxation import fuzzy_weights, nearest_neighbours, relax_layout

from ._choice import choose_lens
from ._classifier import GaussianClasses
from ._features import Axes, MomentsLike, noise_unit, noise_units
from ._parting import part
from ._surroundings import families, ring_moments, without_leak
from ._merging import merging_order
from ._tree import MotifTree, by_frequency

LENSES = (0.6, 1.2, 1.7, 2.4)
_SPREAD = 10.0
_ONE_COLUMN = 0.9  # smaller discs hold the centre of no neighbour
_SURROUNDINGS = 1.2


@dataclass(frozen=True)
class _Parting:
    """How one group was parted through one lens: all that is needed to part new atoms the same way."""

    axes: Axes
    classes: GaussianClasses
    leaves: NDArray[np.int32]  # leaf group (of this lens) of every class


class NestedLenses:
    """Find motifs through lenses of growing radius; groups of one lens are each parted through the next.

    Parameters
    ----------
    lenses : sequence of float
        Radii in units of the nearest-neighbour distance, or one.
    rotation_invariant : bool
    n_motifs : int, optional
        Cut the tree to so many; default: as the chosen lens has it.
    min_motif_size : int, optional
        Atoms of the smallest motif; default 5.
    threshold : float
        Separation in units of the spread within groups from which two groups are two motifs.
    n_neighbors : int
    random_state : int
    progress : callable, optional
        Called with the fraction done, 0 to 1.

    Attributes
    ----------
    lenses_ : tuple of float
    labels_at_ : dict of float to ndarray of int32, shape (n,)
        0 is the most frequent.
    probabilities_at_ : dict of float to ndarray, shape (n,)
    layouts_ : dict of float to ndarray, shape (n, 2)
    lens_ : float
        The chosen lens.
    reason_ : str
        Why it was chosen.
    labels_, probabilities_, layout_ : ndarray
        Those of the chosen lens, or of the cut into `n_motifs`.
    tree_ : MotifTree
    """

    def __init__(
        self,
        lenses: float | Sequence[float] = LENSES,
        *,
        rotation_invariant: bool = False,
        n_motifs: int | None = None,
        min_motif_size: int | None = None,
        threshold: float = 3.0,
        n_neighbors: int = 12,
        random_state: int = 0,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        self.lenses = lenses
        self.rotation_invariant = rotation_invariant
        self.n_motifs = n_motifs
        self.min_motif_size = min_motif_size
        self.threshold = threshold
        self.n_neighbors = n_neighbors
        self.random_state = random_state
        self.progress = progress

    def fit(self, moments_of: Callable[[float], MomentsLike]) -> NestedLenses:
        """Find the motifs.

        Parameters
        ----------
        moments_of : callable
            Given a lens it returns the `zernike.Moments` of all atoms.
        """
        self.lenses_ = _checked_lenses(self.lenses)
        size = 5 if self.min_motif_size is None else int(self.min_motif_size)
        if size < 2:
            raise ValueError(f"min_motif_size={size}: a motif needs at least 2 atoms.")
        self.labels_at_: dict[float, NDArray[np.int32]] = {}
        self.probabilities_at_: dict[float, NDArray[np.float64]] = {}
        self.layouts_: dict[float, NDArray[np.float32]] = {}
        self._partings: dict[float, list[_Parting]] = {}
        self._units: dict[float, NDArray[np.float64]] = {}
        nodes = _Nodes()
        groups = probabilities = layout = None
        joins: list[tuple[float, int, int, float]] = []
        for step, lens in enumerate(self.lenses_):
            moments = moments_of(lens)
            unit = noise_unit(moments)
            X, valid = self._features(lens, moments, unit, moments_of)
            if groups is None:
                groups = np.zeros(len(X), dtype=np.int32)
                probabilities = np.ones(len(X))
                nodes.start(len(X))
            self._units[lens] = unit
            layout = self._relax(X, groups, valid, layout)
            groups, probabilities = self._part_all(lens, X, layout, groups, probabilities, valid, nodes, size)
            self.layouts_[lens] = layout
            self.labels_at_[lens] = by_frequency(groups)
            joins += _joins(lens, X, self.labels_at_[lens], valid, self.random_state)
            self.probabilities_at_[lens] = probabilities
            if self.progress is not None:
                self.progress((step + 1) / len(self.lenses_))
        self.lens_, self.reason_ = choose_lens(self.lenses_, self.labels_at_)
        self.tree_ = nodes.tree(groups, np.array(joins).reshape(-1, 4), self.lens_)
        self.layout_ = self.layouts_[self.lens_]
        self.probabilities_ = self.probabilities_at_[self.lens_]
        self.labels_ = (
            self.labels_at_[self.lens_] if self.n_motifs is None else self.tree_.cut(int(self.n_motifs))
        )
        return self

    def cut(self, n_motifs: int) -> NDArray[np.int32]:
        """Return labels (n,) of `n_motifs` motifs; see `MotifTree.cut`."""
        return self.tree_.cut(n_motifs)

    def _features(
        self,
        lens: float,
        moments: MomentsLike,
        unit: NDArray[np.float64],
        moments_of: Callable[[float], MomentsLike],
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Features in units of noise, without what the surroundings leak into a disc that holds one column."""
        valid = np.asarray(moments.valid, dtype=bool)
        if not valid.any():
            raise ValueError(
                f"No atom has its disc of {lens:g} nearest-neighbour distances inside the image: use smaller lenses."
            )
        X = _filled(noise_units(moments, self.rotation_invariant, unit), valid)
        if lens >= _ONE_COLUMN:
            return X, valid
        wider = moments_of(_SURROUNDINGS)
        both = valid & np.asarray(wider.valid, dtype=bool)
        if both.sum() < 2 * X.shape[1]:
            return X, valid
        ring, noise = ring_moments(wider, min(1.25 * lens / _SURROUNDINGS, 0.8))
        groups = np.zeros(len(X), dtype=np.int32)
        layout = self._relax(X, groups, valid, None)
        axes = Axes.fit(X[valid])
        labels = np.full(len(X), -1, dtype=np.int32)
        labels[valid] = part(
            axes.apply(X[valid]), layout[valid], self.threshold, random_state=self.random_state
        )
        family = families(ring, noise, labels, both, self.rotation_invariant)
        values = without_leak(moments, ring, family, both, self.rotation_invariant)
        return _filled(noise_units(moments, self.rotation_invariant, unit, values), valid), valid

    def _relax(
        self,
        X: NDArray[np.float64],
        groups: NDArray[np.int32],
        valid: NDArray[np.bool_],
        before: NDArray[np.float32] | None,
    ) -> NDArray[np.float32]:
        """Relax all atoms at once, each joined to neighbours of its own group only."""
        n = len(X)
        start = np.zeros((n, 2), dtype=np.float64)
        blocks, order = [], []
        for group in range(int(groups.max()) + 1):
            members = np.flatnonzero(groups == group)
            kept = members[valid[members]] if valid[members].sum() > 1 else members
            components = Axes.fit(X[kept]).apply(X[members])
            k = min(self.n_neighbors, len(members) - 1)
            if k > 0:
                blocks.append(
                    fuzzy_weights(*nearest_neighbours(components, k, random_state=self.random_state))
                )
            else:
                blocks.append(csr_array((1, 1), dtype=np.float32))
            plane = np.zeros((len(members), 2))
            plane[:, : min(2, components.shape[1])] = components[:, :2]
            reach = max(float(np.abs(plane).max()), 1e-12)
            share = np.sqrt(len(members) / n)
            start[members] = _SPREAD * share * plane / reach
            order.append(members)
        if before is not None:
            start = 0.5 * start + before
        jitter = np.random.default_rng(self.random_state).uniform(-1e-2, 1e-2, (n, 2))
        permutation = np.concatenate(order)
        graph = csr_array(block_diag(blocks, format="csr"))
        graph.sort_indices()
        relaxed = relax_layout(
            graph, (start + jitter)[permutation].astype(np.float32), random_state=self.random_state
        ).layout
        layout = np.empty_like(relaxed)
        layout[permutation] = relaxed
        return layout

    def _part_all(
        self,
        lens: float,
        X: NDArray[np.float64],
        layout: NDArray[np.float32],
        groups: NDArray[np.int32],
        probabilities: NDArray[np.float64],
        valid: NDArray[np.bool_],
        nodes: _Nodes,
        size: int,
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Part every group through one lens; atoms whose disc leaves the image are told by the groups of the others."""
        new = np.empty_like(groups)
        probabilities = probabilities.copy()
        self._partings[lens] = []
        n_leaves = 0
        for group in range(int(groups.max()) + 1):
            members = np.flatnonzero(groups == group)
            kept = members[valid[members]]
            if len(kept) < 2:
                kept = members
            axes = Axes.fit(X[kept])
            components = axes.apply(X[kept])
            labels = part(components, layout[kept], self.threshold, size, self.random_state)
            classes = GaussianClasses.fit(components, labels)
            odds = classes.predict_proba(axes.apply(X[members]))
            own = odds.argmax(axis=1)
            own[np.isin(members, kept)] = labels
            probabilities[members] *= odds[np.arange(len(members)), own]
            merges = merging_order(components, labels, self.random_state)
            new[members] = own + n_leaves
            nodes.grow(group, lens, np.bincount(own, minlength=labels.max() + 1), merges)
            self._partings[lens].append(
                _Parting(axes, classes, np.arange(n_leaves, n_leaves + labels.max() + 1, dtype=np.int32))
            )
            n_leaves += int(labels.max()) + 1
        nodes.next_lens()
        return new, probabilities


class _Nodes:
    """The tree while it grows: groups of the lens before are its leaves."""

    def start(self, n: int) -> None:
        self.parent, self.lens, self.size, self.height = [-1], [0.0], [n], [0.0]
        self.leaves, self._next = [0], []

    def grow(
        self, group: int, lens: float, sizes: NDArray[np.int64], merges: list[tuple[int, int, float]]
    ) -> None:
        """Hang the merges of one parting, read from the last (widest) to the first, below the leaf of `group`."""
        place = {0: self.leaves[group]}
        members = [{k} for k in range(len(sizes))]
        joined: list[tuple[int, int, float]] = []
        for kept, merged, value in merges:
            joined.append((kept, merged, value))
            members[kept] |= members[merged]
        for kept, merged, value in reversed(joined):
            node = place[kept]
            members[kept] -= members[merged]
            self.height[node] = value
            for part_ in (kept, merged):
                self.parent.append(node)
                self.lens.append(lens)
                self.size.append(int(sum(sizes[k] for k in members[part_])))
                self.height.append(0.0)
                place[part_] = len(self.parent) - 1
        self._next.extend(place[k] for k in range(len(sizes)))

    def next_lens(self) -> None:
        self.leaves, self._next = self._next, []

    def tree(self, groups: NDArray[np.int32], joins: NDArray[np.float64], chosen: float) -> MotifTree:
        return MotifTree(
            np.array(self.parent, dtype=np.int32),
            np.array(self.lens),
            np.array(self.size, dtype=np.int32),
            np.array(self.height),
            np.array(self.leaves, dtype=np.int32)[groups],
            joins,
            chosen,
        )


def _joins(
    lens: float,
    X: NDArray[np.float64],
    labels: NDArray[np.int32],
    valid: NDArray[np.bool_],
    random_state: int,
) -> list[tuple[float, int, int, float]]:
    """How the motifs of one lens join; motifs of border atoms alone join first."""
    names, compact = np.unique(labels[valid], return_inverse=True)
    lonely = np.setdiff1d(labels, names)
    joins = [(lens, int(names[0]), int(name), 0.0) for name in lonely]
    if len(names) > 1:
        for stays, joined, value in merging_order(Axes.fit(X[valid]).apply(X[valid]), compact, random_state):
            joins.append((lens, int(names[stays]), int(names[joined]), value))
    return joins


def _filled(X: NDArray[np.float64], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Give atoms whose disc leaves the image the features of the median atom."""
    X[~valid] = np.median(X[valid], axis=0)
    return X


def _checked_lenses(lenses: float | Sequence[float]) -> tuple[float, ...]:
    values = tuple(float(v) for v in np.atleast_1d(np.asarray(lenses, dtype=float)))
    if not values or any(not 0 < v < np.inf for v in values) or any(np.diff(values) <= 0):
        raise ValueError(
            f"lenses={lenses!r}: give growing positive radii in nearest-neighbour distances, such as {LENSES}."
        )
    return values
