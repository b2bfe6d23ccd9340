"""Motifs at nested radii."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.threads import one_blas_thread

from ._choice import choose_lens
from ._constellations import Neighbourhoods
from ._doubt import features_and_doubt
from ._features import Axes, MomentsLike, noise_unit
from ._group_parting import part_groups
from ._grouped_layout import relax_groups
from ._growth import Growth
from ._motif_size import MIN_MOTIF_SIZE, check_min_motif_size
from ._parting import part
from ._reading import SURROUNDINGS, Parting, read_atoms
from ._site_parting import SiteParting, sites_of_kinds
from ._sites import SiteTemplates
from ._surroundings import Leak, both_valid
from ._tree import by_frequency
from ._view import RADII as RADII
from ._view import View, checked_lenses, filled, joins_of, sound_atoms
from ._wider_lens import judge_doubtful, wider_lens

_ONE_COLUMN = 0.9  # smaller discs hold the centre of no neighbour
_PREVIEW = 10_000  # atoms that show which surroundings there are


class NestedRadii:
    """Find motifs at growing radii; each group of one radius is split at the next.

    Within 0.6 nearest-neighbour distances an atom is its species, within 1.2 its bonds, within 1.7 its
    rings, within 2.4 its second shell. A larger radius cannot drown a rare species in the variety of its
    surroundings, since the smaller one has split it off before. Where a kind of atom (a group of the first radius)
    sits on several frequent sites, the second radius gives way to these: classes of atoms by the places of their
    neighbours, whatever these are (`SiteTemplates`). Larger radii then split each site by what surrounds it.

    Parameters
    ----------
    radii : float or sequence of float
        Growing radii in units of the nearest-neighbour distance, or one.
    rotation_invariant : bool
    n_motifs : int, optional
        Cut the tree to so many; default: as the chosen radius has it.
    min_motif_size : int, optional
        Fewest atoms of a motif, 5 or more.
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
    radii_ : tuple of float
    labels_at_ : dict of float to ndarray of int32, shape (n,)
        0 is the most frequent.
    probabilities_at_ : dict of float to ndarray, shape (n,)
    layouts_ : dict of float to ndarray, shape (n, 2)
    radius_ : float
        The chosen radius.
    reason_ : str
        Why it was chosen.
    labels_, probabilities_, layout_ : ndarray
        Those of the chosen radius, or of the cut into `n_motifs`.
    tree_ : MotifTree
    sites_ : SiteTemplates or None
        The sites, where a kind of atom has several frequent ones.
    """

    def __init__(
        self,
        radii: float | Sequence[float] = RADII,
        *,
        rotation_invariant: bool = False,
        n_motifs: int | None = None,
        min_motif_size: int = MIN_MOTIF_SIZE,
        threshold: float = 3.5,
        n_neighbors: int = 12,
        random_state: int = 0,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        self.radii = radii
        self.rotation_invariant = rotation_invariant
        self.n_motifs = n_motifs
        self.min_motif_size = min_motif_size
        self.threshold = threshold
        self.n_neighbors = n_neighbors
        self.random_state = random_state
        self.progress = progress

    # Sums of BLAS depend on the number of its threads: one, so that the bits do not.
    @one_blas_thread()
    def fit(
        self, moments_of: Callable[[float], MomentsLike], neighbours: Neighbourhoods | None = None
    ) -> NestedRadii:
        """Find the motifs.

        Parameters
        ----------
        moments_of : callable
            Given a radius it returns the `zernike.Moments` of all atoms. It is called with 1.2 too where a
            smaller radius sees single columns.
        neighbours : Neighbourhoods, optional
            Where the neighbours of the atoms are; without them sites are told by the image alone.

        Returns
        -------
        NestedRadii
            Itself, with the motifs of all radii.

        Raises
        ------
        ValueError
            If radii do not grow, `min_motif_size` is below 5, or no disc lies inside the image.
        """
        self.radii_ = checked_lenses(self.radii)
        size = check_min_motif_size(self.min_motif_size)
        self.labels_at_: dict[float, NDArray[np.int32]] = {}
        self.probabilities_at_: dict[float, NDArray[np.float64]] = {}
        self.layouts_: dict[float, NDArray[np.float32]] = {}
        self._partings: dict[float, list[Parting]] = {}
        self._views: dict[float, tuple[NDArray[np.float64], Leak | None]] = {}
        self._names: dict[float, NDArray[np.int32]] = {}
        joins: list[tuple[float, int, int, float]] = []
        growth: Growth | None = None
        layout: NDArray[np.float32] | None = None
        self.sites_: SiteTemplates | None = None
        self._site_parting: SiteParting | None = None
        self._first_merges: list[tuple[int, int, float]] = []
        ahead: dict[float, View] = {}
        for step, lens in enumerate(self.radii_):
            view = ahead.pop(lens) if lens in ahead else self._look(lens, moments_of)
            self._views[lens] = view.unit, view.leak
            if growth is None:
                growth = Growth(len(view.X))
                groups = np.zeros(len(view.X), dtype=np.int32)
                probabilities = np.ones(len(view.X))
            if step == 1 and self.sites_ is not None:
                assert neighbours is not None
                growth, layout, groups, joins = self._part_into_sites(lens, view, neighbours, groups, layout)
                probabilities = self.probabilities_at_[lens]
            else:
                layout = relax_groups(view, groups, layout, *self._how)
                groups, probabilities = self._part_all(
                    lens, view, layout, groups, probabilities, growth, size
                )
                wider = wider_lens(self.radii_) if step == 0 and lens < _ONE_COLUMN else None
                if wider is not None:
                    ahead[wider] = self._look(wider, moments_of)
                    parting = self._partings[lens][0]
                    told = judge_doubtful(parting.axes, parting.classes, view, ahead[wider], groups, size)
                    if told is not None:
                        with_wider, groups, probabilities = told
                        self._partings[lens] = [replace(parting, wider=with_wider)]
                        growth = Growth(len(groups))
                        growth.part(0, lens, np.bincount(groups), self._first_merges)
                        growth.next_lens()
                labels = self._name(lens, groups, probabilities)
                joins += joins_of(lens, view, labels, self.random_state)
            self.layouts_[lens] = layout
            if step == 0 and neighbours is not None and len(self.radii_) > 1 and lens < _ONE_COLUMN:
                self.sites_, kind_of_group, self._first_merges = sites_of_kinds(
                    neighbours, groups, self._first_merges, self.rotation_invariant, size
                )
                if self.sites_ is not None:
                    groups = kind_of_group[groups]
                    first = self._partings[lens][0]
                    self._partings[lens] = [replace(first, leaves=kind_of_group[first.leaves])]
            if self.progress is not None:
                self.progress((step + 1) / len(self.radii_))
        table = np.array(joins).reshape(-1, 4)
        sought = neighbours is not None and self.radii_[0] < _ONE_COLUMN
        self.radius_, self.reason_, first_lens = choose_lens(
            self.radii_, self.labels_at_, table, self.sites_ is not None if sought else None
        )
        assert growth is not None
        self.tree_ = growth.tree(groups, table, first_lens)
        self.layout_ = self.layouts_[self.radius_]
        self.probabilities_ = self.probabilities_at_[self.radius_]
        whole = self.labels_at_[self.radius_]
        self.labels_ = whole if self.n_motifs is None else self.tree_.cut(int(self.n_motifs))
        return self

    def cut(self, n_motifs: int) -> NDArray[np.int32]:
        """Return labels (n,) of `n_motifs` motifs; see `MotifTree.cut`."""
        return self.tree_.cut(n_motifs)

    def predict(
        self,
        moments_of: Callable[[float], MomentsLike],
        radius: float | None = None,
        neighbours: Neighbourhoods | None = None,
    ) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]:
        """Give the atoms of another image the motifs of this one.

        Parameters
        ----------
        moments_of : callable
            As for `fit`, of the other image.
        radius : float, optional
            One of `radii_`; default the chosen one.
        neighbours : Neighbourhoods, optional
            Of the other image; needed where sites were found.

        Returns
        -------
        labels : ndarray of int32, shape (n,)
            As in ``labels_at_[radius]``.
        probabilities : ndarray, shape (n,)
        outlier_score : ndarray, shape (n,)
            0 to 1: near 1 the atom is like none of the motifs.
        """
        radius = self.radius_ if radius is None else float(radius)
        if radius not in self.radii_:
            raise ValueError(f"radius={radius:g} is none of the fitted {self.radii_}.")
        steps = self.radii_[: self.radii_.index(radius) + 1]
        return read_atoms(self, moments_of, steps, neighbours)[radius]

    def predict_all(
        self, moments_of: Callable[[float], MomentsLike], neighbours: Neighbourhoods | None = None
    ) -> dict[float, tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]]:
        """As :meth:`predict`, at every radius: labels, probabilities and outlier scores by radius."""
        return read_atoms(self, moments_of, self.radii_, neighbours)

    def _part_into_sites(
        self,
        lens: float,
        view: View,
        neighbours: Neighbourhoods,
        kinds: NDArray[np.int32],
        layout: NDArray[np.float32] | None,
    ) -> tuple[Growth, NDArray[np.float32], NDArray[np.int32], list[tuple[float, int, int, float]]]:
        """Part the kinds of the first lens by their sites; the tree grows anew, as a few atoms change their kind."""
        first = self.radii_[0]
        assert self.sites_ is not None
        self._site_parting, groups, kinds = SiteParting.fit(self.sites_, neighbours, kinds)
        growth = Growth(len(kinds))
        growth.part(0, first, np.bincount(kinds), self._first_merges)
        growth.next_lens()
        self._name(first, kinds, self.probabilities_at_[first])
        self._site_parting.grow(growth, lens, groups, kinds)
        self._name(lens, groups, self._site_parting.predict(neighbours, kinds)[1])
        everyone = np.ones(len(kinds), dtype=bool)
        landmarks = self._site_parting.landmarks(neighbours, kinds)
        distances = View(view.unit, None, landmarks, everyone, view.doubt)
        names = self._names[first]
        joins = [(first, int(names[a]), int(names[b]), value) for a, b, value in self._first_merges]
        joins += self._site_parting.joins(lens, self._names[lens])
        return growth, relax_groups(distances, np.zeros_like(kinds), layout, *self._how), groups, joins

    def _name(
        self, lens: float, groups: NDArray[np.int32], probabilities: NDArray[np.float64]
    ) -> NDArray[np.int32]:
        """Number the groups of a lens by frequency."""
        labels = by_frequency(groups)
        self.labels_at_[lens] = labels
        self.probabilities_at_[lens] = probabilities
        self._names[lens] = labels[np.unique(groups, return_index=True)[1]]
        return labels

    def _look(self, lens: float, moments_of: Callable[[float], MomentsLike]) -> View:
        """Features in units of noise, without what the surroundings leak into a disc that holds one column."""
        moments = moments_of(lens)
        unit = noise_unit(moments)
        valid = np.asarray(moments.valid, dtype=bool)
        if not valid.any():
            raise ValueError(
                f"No atom has its disc of {lens:g} nearest-neighbour distances inside the image: use smaller radii."
            )
        sound = sound_atoms(valid, moments.coverage)
        X, doubt = features_and_doubt(moments, self.rotation_invariant, unit)
        X = filled(X, valid)
        view = View(unit, None, X, sound, doubt)
        if lens >= _ONE_COLUMN:
            return view
        wider = moments_of(SURROUNDINGS)
        both = both_valid(moments, wider)
        if wider.radius < 1.3 * moments.radius or both.sum() < 2 * X.shape[1]:
            return view
        # Which surroundings are frequent a part of many atoms shows as well.
        order = np.random.default_rng(self.random_state).permutation(len(X))
        some = np.sort(order[:_PREVIEW])
        few = replace(view, X=X[some], sound=sound[some])
        layout = relax_groups(few, np.zeros(len(some), dtype=np.int32), None, *self._how)[few.sound]
        told = some[few.sound]
        labels = np.full(len(X), -1, dtype=np.int32)
        labels[told] = part(
            Axes.fit(X[told]).apply(X[told]), layout, self.threshold, random_state=self.random_state
        )
        inner = min(1.25 * moments.radius / wider.radius, 0.8)
        leak = Leak.fit(moments, wider, labels, inner, self.rotation_invariant)
        X, doubt = features_and_doubt(moments, self.rotation_invariant, unit, leak, wider)
        return View(unit, leak, filled(X, valid), sound, doubt)

    @property
    def _how(self) -> tuple[int, int]:
        """Neighbours of the graph of a layout, and its seed."""
        return self.n_neighbors, self.random_state

    def _part_all(
        self,
        lens: float,
        view: View,
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
        found = part_groups(view, layout, groups, self.threshold, size, self.random_state)
        for group, parts in enumerate(found):
            probabilities[parts.members] *= parts.odds
            new[parts.members] = parts.own + n_leaves
            n_here = len(parts.classes.means)
            self._first_merges = parts.merges if lens == self.radii_[0] else self._first_merges
            growth.part(group, lens, np.bincount(parts.own, minlength=n_here), parts.merges)
            leaves = np.arange(n_leaves, n_leaves + n_here, dtype=np.int32)
            self._partings[lens].append(Parting(parts.axes, parts.classes, leaves))
            n_leaves += n_here
        growth.next_lens()
        return new, probabilities
