"""Motifs through nested lenses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import block_diag, csr_array
from threadpoolctl import threadpool_limits

from hyperspy_motifs.relaxation import fuzzy_weights, nearest_neighbours, relax_layout

from ._choice import choose_lens
from ._classifier import GaussianClasses
from ._continuity import continuity, neighbour_ratio
from ._features import Axes, MomentsLike, noise_unit, noise_units
from ._growth import Growth
from ._merging import merging_order
from ._parting import part
from ._surroundings import Leak, both_valid
from ._tree import by_frequency

LENSES = (0.6, 1.2, 1.7, 2.4)
_SPREAD = 10.0
_ONE_COLUMN = 0.9  # smaller discs hold the centre of no neighbour
_SURROUNDINGS = 1.2
_BONDS = (1.0, 2.0)  # lenses that judge whether motifs are discrete


@dataclass(frozen=True)
class _Parting:
    """How one group was parted through one lens: all that is needed to part new atoms the same way."""

    axes: Axes
    classes: GaussianClasses
    leaves: NDArray[np.int32]  # group after this lens of every class


@dataclass(frozen=True)
class _View:
    """What one lens saw: unit of noise, leak of the surroundings, features and which atoms may found motifs."""

    unit: NDArray[np.float64]
    leak: Leak | None
    X: NDArray[np.float64]
    sound: NDArray[np.bool_]


class NestedLenses:
    """Find motifs through lenses of growing radius; groups of one lens are each parted through the next.

    Through 0.6 nearest-neighbour distances an atom is its species, through 1.2 its bonds, through 1.7 its
    rings, through 2.4 its second shell. A larger lens cannot drown a rare species in the variety of its
    surroundings, since the smaller one has parted it before.

    Parameters
    ----------
    lenses : float or sequence of float
        Growing radii in units of the nearest-neighbour distance, or one.
    rotation_invariant : bool
    n_motifs : int, optional
        Cut the tree to so many; default: as the chosen lens has it.
    min_motif_size : int, optional
        Atoms of the smallest motif; default 5.
    threshold : float
        Separation, in units of the spread within groups, below which two groups are one motif. Halves of a
        continuum come to 2.6 (Gaussian) to 3.5 (uniform); groups further apart need a valley between them as
        well.
    n_neighbors : int
        Of the neighbour graph.
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
    continuity_ : float
        From 0 (discrete motifs) to 1 (a continuum); see `continuity`.
    is_continuous_ : bool
    """

    def __init__(
        self,
        lenses: float | Sequence[float] = LENSES,
        *,
        rotation_invariant: bool = False,
        n_motifs: int | None = None,
        min_motif_size: int | None = None,
        threshold: float = 3.5,
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

    # Sums of BLAS depend on the number of its threads: one, so that the bits do not.
    @threadpool_limits.wrap(limits=1, user_api="blas")
    def fit(self, moments_of: Callable[[float], MomentsLike]) -> NestedLenses:
        """Find the motifs.

        Parameters
        ----------
        moments_of : callable
            Given a lens it returns the `zernike.Moments` of all atoms. It is asked for 1.2 too where a
            smaller lens sees single columns.

        Returns
        -------
        NestedLenses
            Itself, with the motifs of all lenses.

        Raises
        ------
        ValueError
            If lenses do not grow, a motif may have fewer than two atoms, or no disc lies inside the image.
        """
        self.lenses_ = _checked_lenses(self.lenses)
        size = 5 if self.min_motif_size is None else int(self.min_motif_size)
        if size < 2:
            raise ValueError(f"min_motif_size={size}: a motif needs at least 2 atoms.")
        self.labels_at_: dict[float, NDArray[np.int32]] = {}
        self.probabilities_at_: dict[float, NDArray[np.float64]] = {}
        self.layouts_: dict[float, NDArray[np.float32]] = {}
        self._partings: dict[float, list[_Parting]] = {}
        self._views: dict[float, tuple[NDArray[np.float64], Leak | None]] = {}
        self._names: dict[float, NDArray[np.int32]] = {}
        joins: list[tuple[float, int, int, float]] = []
        ratios = []
        growth: Growth | None = None
        layout: NDArray[np.float32] | None = None
        for step, lens in enumerate(self.lenses_):
            view = self._look(lens, moments_of)
            self._views[lens] = view.unit, view.leak
            if growth is None:
                growth = Growth(len(view.X))
                groups = np.zeros(len(view.X), dtype=np.int32)
                probabilities = np.ones(len(view.X))
            layout = self._relax(view, groups, layout)
            groups, probabilities = self._part_all(lens, view, layout, groups, probabilities, growth, size)
            labels = by_frequency(groups)
            self.layouts_[lens] = layout
            self.labels_at_[lens] = labels
            self.probabilities_at_[lens] = probabilities
            self._names[lens] = labels[np.unique(groups, return_index=True)[1]]
            joins += _joins(lens, view, labels, self.random_state)
            if _BONDS[0] <= lens <= _BONDS[1]:
                ratios.append(neighbour_ratio(view.X[view.sound], labels[view.sound]))
            if self.progress is not None:
                self.progress((step + 1) / len(self.lenses_))
        self.continuity_ = continuity(np.array(ratios))
        self.is_continuous_ = self.continuity_ > 0.5
        table = np.array(joins).reshape(-1, 4)
        self.lens_, self.reason_, first = choose_lens(self.lenses_, self.labels_at_, table)
        assert growth is not None
        self.tree_ = growth.tree(groups, table, first)
        self.layout_ = self.layouts_[self.lens_]
        self.probabilities_ = self.probabilities_at_[self.lens_]
        self.labels_ = (
            self.labels_at_[self.lens_] if self.n_motifs is None else self.tree_.cut(int(self.n_motifs))
        )
        return self

    def cut(self, n_motifs: int) -> NDArray[np.int32]:
        """Return labels (n,) of `n_motifs` motifs; see `MotifTree.cut`."""
        return self.tree_.cut(n_motifs)

    def predict(
        self, moments_of: Callable[[float], MomentsLike], lens: float | None = None
    ) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]:
        """Give the atoms of another image the motifs of this one.

        Parameters
        ----------
        moments_of : callable
            As for `fit`, of the other image.
        lens : float, optional
            One of `lenses_`; default the chosen one.

        Returns
        -------
        labels : ndarray of int32, shape (n,)
            As in ``labels_at_[lens]``.
        probabilities : ndarray, shape (n,)
        strangeness : ndarray, shape (n,)
            0 to 1: near 1 the atom is like none of the motifs.
        """
        lens = self.lens_ if lens is None else float(lens)
        if lens not in self.lenses_:
            raise ValueError(f"lens={lens:g} is none of the fitted {self.lenses_}.")
        return self._predict(moments_of, self.lenses_[: self.lenses_.index(lens) + 1])[lens]

    def predict_all(
        self, moments_of: Callable[[float], MomentsLike]
    ) -> dict[float, tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]]:
        """As :meth:`predict`, through every lens: labels, probabilities and strangeness by lens."""
        return self._predict(moments_of, self.lenses_)

    def _predict(
        self, moments_of: Callable[[float], MomentsLike], lenses: Sequence[float]
    ) -> dict[float, tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]]:
        found = {}
        groups: NDArray[np.int32] | None = None
        for step in lenses:
            moments = moments_of(step)
            unit, leak = self._views[step]
            values = None if leak is None else leak.remove(moments, moments_of(_SURROUNDINGS))
            X = noise_units(moments, self.rotation_invariant, unit, values)
            valid = np.asarray(moments.valid, dtype=bool)
            if groups is None:
                groups = np.zeros(len(X), dtype=np.int32)
                probabilities, strangeness = np.ones(len(X)), np.zeros(len(X))
            new = np.empty_like(groups)
            for group, parting in enumerate(self._partings[step]):
                members = np.flatnonzero(groups == group)
                components = parting.axes.apply(
                    np.where(valid[members, None], X[members], parting.axes.centre)
                )
                odds = parting.classes.predict_proba(components)
                own = odds.argmax(axis=1)
                new[members] = parting.leaves[own]
                probabilities[members] *= odds[np.arange(len(members)), own]
                strange = parting.classes.strangeness(components)
                strangeness[members] = np.maximum(strangeness[members], np.where(valid[members], strange, 0))
            groups = new
            found[step] = self._names[step][groups], probabilities.copy(), strangeness.copy()
        return found

    def _look(self, lens: float, moments_of: Callable[[float], MomentsLike]) -> _View:
        """Features in units of noise, without what the surroundings leak into a disc that holds one column."""
        moments = moments_of(lens)
        unit = noise_unit(moments)
        valid = np.asarray(moments.valid, dtype=bool)
        if not valid.any():
            raise ValueError(
                f"No atom has its disc of {lens:g} nearest-neighbour distances inside the image: use smaller lenses."
            )
        # Discs that the border cuts are judged by the others' motifs, where there are enough others.
        whole = valid & (np.asarray(moments.coverage) > 0.99)
        sound = whole if 2 * whole.sum() > len(whole) else valid
        X = _filled(noise_units(moments, self.rotation_invariant, unit), valid)
        view = _View(unit, None, X, sound)
        if lens >= _ONE_COLUMN:
            return view
        wider = moments_of(_SURROUNDINGS)
        both = both_valid(moments, wider)
        if wider.radius < 1.3 * moments.radius or both.sum() < 2 * X.shape[1]:
            return view
        layout = self._relax(view, np.zeros(len(X), dtype=np.int32), None)
        labels = np.full(len(X), -1, dtype=np.int32)
        labels[sound] = part(
            Axes.fit(X[sound]).apply(X[sound]), layout[sound], self.threshold, random_state=self.random_state
        )
        inner = min(1.25 * moments.radius / wider.radius, 0.8)
        leak = Leak.fit(moments, wider, labels, inner, self.rotation_invariant)
        X = _filled(noise_units(moments, self.rotation_invariant, unit, leak.remove(moments, wider)), valid)
        return _View(unit, leak, X, sound)

    def _relax(
        self, view: _View, groups: NDArray[np.int32], before: NDArray[np.float32] | None
    ) -> NDArray[np.float32]:
        """Relax all atoms at once, each joined to neighbours of its own group only."""
        n = len(groups)
        start = np.zeros((n, 2), dtype=np.float64)
        blocks, order = [], []
        for group in range(int(groups.max()) + 1):
            members = np.flatnonzero(groups == group)
            components = Axes.fit(view.X[_sound(members, view)]).apply(view.X[members])
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
            start[members] = _SPREAD * np.sqrt(len(members) / n) * plane / reach
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
        view: _View,
        layout: NDArray[np.float32],
        groups: NDArray[np.int32],
        probabilities: NDArray[np.float64],
        growth: Growth,
        size: int,
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Part every group through one lens; atoms whose disc leaves the image are told by the others' motifs."""
        new = np.empty_like(groups)
        probabilities = probabilities.copy()
        self._partings[lens] = []
        n_leaves = 0
        for group in range(int(groups.max()) + 1):
            members = np.flatnonzero(groups == group)
            kept = _sound(members, view)
            axes = Axes.fit(view.X[kept])
            components = axes.apply(view.X[kept])
            labels = part(components, layout[kept], self.threshold, size, self.random_state)
            classes = GaussianClasses.fit(components, labels)
            odds = classes.predict_proba(axes.apply(view.X[members]))
            own = odds.argmax(axis=1)
            own[np.isin(members, kept)] = labels
            probabilities[members] *= odds[np.arange(len(members)), own]
            new[members] = own + n_leaves
            n_here = int(labels.max()) + 1
            merges = merging_order(components, labels, self.random_state)
            growth.part(group, lens, np.bincount(own, minlength=n_here), merges)
            leaves = np.arange(n_leaves, n_leaves + n_here, dtype=np.int32)
            self._partings[lens].append(_Parting(axes, classes, leaves))
            n_leaves += n_here
        growth.next_lens()
        return new, probabilities


def _sound(members: NDArray[np.int64], view: _View) -> NDArray[np.int64]:
    """Return the members that may found motifs; all where hardly any may."""
    kept = members[view.sound[members]]
    return kept if len(kept) > 1 else members


def _joins(
    lens: float, view: _View, labels: NDArray[np.int32], random_state: int
) -> list[tuple[float, int, int, float]]:
    """How the motifs of one lens join; motifs of border atoms alone join first."""
    names, compact = np.unique(labels[view.sound], return_inverse=True)
    joins = [(lens, int(names[0]), int(name), 0.0) for name in np.setdiff1d(labels, names)]
    if len(names) > 1:
        X = view.X[view.sound]
        for stays, joined, value in merging_order(Axes.fit(X).apply(X), compact, random_state):
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
