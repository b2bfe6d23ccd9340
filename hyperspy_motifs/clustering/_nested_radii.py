"""Motifs through radii of growing size."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.sites import Neighbourhoods, SiteTemplates
from hyperspy_motifs.threads import one_ahead, one_blas_thread
from hyperspy_motifs.zernike import MomentsLike, noise_unit

from ._at_the_atom import AtTheAtom
from ._constants import CONSTANTS, MIN_MOTIF_SIZE, RADII, check_alpha, check_min_motif_size, checked_radii
from ._crosstalk import NeighbourCrosstalk
from ._environment import Environments, Sublattices
from ._mixture import separations_of
from ._motif_tree import MotifTree, most_frequent_within, tree_of
from ._neighbour_effects import Explanation, ordered_sites
from ._neighbourhood_features import NeighbourhoodFeatures, fit_crosstalk, layout_of, with_least_error
from ._partition import PartitionOptions, partition
from ._proposals import density_clusters
from ._site_classifier import Around, Found, RadiusModel, SiteClassifier, mixed_sites


@dataclass(frozen=True)
class _View:
    """What is seen of the atoms through one radius.

    Attributes
    ----------
    radius : float
    model : RadiusModel
        Without motifs.
    features : NeighbourhoodFeatures
    X : ndarray, shape (n, f)
        Features from which groups are formed.
    noise : ndarray, shape (n,)
        Variance of the noise of each atom, relative to any.
    """

    radius: float
    model: RadiusModel
    features: NeighbourhoodFeatures
    X: NDArray[np.float64]
    noise: NDArray[np.floating]


class NestedRadii:
    """Find motifs, and the environments that their neighbours explain.

    1. At the smallest radius the kinds of atoms are found: groups that differ significantly (`partition`).
    2. Kinds that replace one another on a sublattice, and vacant places, are known then. At each larger radius the
       features are freed from what the minority kinds among the neighbours explain (`Explanation`), and
       each kind is divided again. What is found now is not explained by kinds: rings, sites, displacements.
    3. Groups that do not differ at the atom, in its column or in the places of its nearest neighbours, differ in what
       surrounds them, and are one motif (`AtTheAtom`). This holds for the kinds, too. Radii up to the second shell divide the
       kinds one after the other, first that which shows most motifs, and of these that of most evidence. Where the places of
       the neighbours show several sites of one kind (`SiteTemplates`), these are the motifs.
    4. At radii beyond, an environment is a motif with the minority kinds and vacant places among its neighbours.

    Parameters
    ----------
    radii : float or sequence of float
        Growing radii in nearest-neighbour distances, or one.
    radius : float, optional
        The only one that divides the kinds; default: see step 3.
    rotation_invariant : bool
    n_motifs : int, optional
        Cut the tree to so many.
    min_motif_size : int, default 5
        Fewest atoms of a motif, 5 or more.
    alpha : float, default 0.01
        Probability that a motif is invented where there is one.
    n_neighbors : int
        Of the neighbour graph of the layout.
    random_state : int
    progress : callable, optional
        Called with the fraction done, 0 to 1.

    Attributes
    ----------
    radii_ : tuple of float
    labels_at_ : dict of float to ndarray of int32, shape (n,)
        0 is the most frequent.
    probabilities_at_ : dict of float to ndarray, shape (n,)
    outlier_scores_ : ndarray, shape (n,)
        1 minus the p-value of an atom of its motif.
    layouts_ : dict of float to ndarray, shape (n, 2)
    radius_ : float
        The radius of the motifs: the largest of those that divide the kinds.
    reason_ : str
        Why that radius.
    labels_, probabilities_, layout_ : ndarray
        Those of that radius, or of the cut into `n_motifs`.
    tree_ : MotifTree
    sites_ : SiteTemplates or None
    """

    def __init__(
        self,
        radii: float | Sequence[float] = RADII,
        *,
        radius: float | None = None,
        rotation_invariant: bool = False,
        n_motifs: int | None = None,
        min_motif_size: int = MIN_MOTIF_SIZE,
        alpha: float = CONSTANTS.alpha,
        n_neighbors: int = 12,
        random_state: int = 0,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        self.radii = radii
        self.radius = radius
        self.rotation_invariant = rotation_invariant
        self.n_motifs = n_motifs
        self.min_motif_size = min_motif_size
        self.alpha = alpha
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
            Given a radius it returns the `zernike.Moments` of all atoms. It is asked for 1.2 too where a smaller radius
            holds single columns.
        neighbours : Neighbourhoods, optional
            Without them nothing is explained by neighbours, and no sites are sought.

        Returns
        -------
        NestedRadii
            Itself.

        Raises
        ------
        ValueError
            If radii do not grow, `min_motif_size` or `alpha` is out of bounds, or no disc lies inside the image.
        """
        self.radii_ = checked_radii(self.radii)
        self._min_size = check_min_motif_size(self.min_motif_size)
        check_alpha(self.alpha)
        self.layouts_: dict[float, NDArray[np.float32]] = {}
        self._models: dict[float, RadiusModel] = {}
        self._evidence: dict[float, float] = {}
        self._numbers: dict[float, NDArray[np.int32]] = {}
        self._sites: SiteClassifier | None = None
        first, invariant = self.radii_[0], bool(self.rotation_invariant)
        crosstalk = fit_crosstalk(moments_of, first, invariant, self.n_neighbors, int(self.random_state))
        nothing = np.zeros(len(moments_of(first).values), dtype=np.int32)
        view = self._view(first, moments_of, nothing, None, crosstalk)
        self._models[first] = self._divide(view, nothing, nothing, None)
        kinds, _, p_values = self._models[first].classify(view.features, nothing)
        at_atoms = None
        near = min(self.radii_, key=lambda r: abs(r - float(self.radius or 0)))
        given = None if self.radius is None else near
        columns_first = len(self.radii_) > 1 and first < CONSTANTS.one_column
        # What differs through a radius that was given is wanted as it is.
        if neighbours is not None and columns_first and given != first:
            at_atoms = AtTheAtom.of(
                moments_of, first, self._models[first].unit, crosstalk, neighbours, kinds, invariant
            )
            self._models[first] = self._divide(view, nothing, nothing, at_atoms, self._models[first])
            kinds, _, p_values = self._models[first].classify(view.features, nothing)
            at_atoms = at_atoms.with_kinds(neighbours, kinds)
        self._sublattices = None if neighbours is None else Sublattices.of(neighbours, kinds)
        around = self._around(neighbours, kinds, p_values)
        self._report(1)
        asked = self.radius is None or (len(self.radii_) > 1 and float(self.radius) == self.radii_[1])
        if neighbours is not None and columns_first and asked:
            found_sites = mixed_sites(self._models[first], neighbours, kinds, invariant, self._min_size)
            if found_sites is not None:
                self._sites, self._models[first] = found_sites
        self._search(moments_of, kinds, around, at_atoms, given)
        self.sites_: SiteTemplates | None = None if self._sites is None else self._sites.sites
        smallest = self._models[first].classify(view.features, nothing)
        found = self._motif_labels(moments_of, neighbours, {first: smallest})
        self._fit_environments(neighbours, found[self.radius_][0], found[self.radius_][2])
        found = self._motif_labels(moments_of, neighbours, {r: found[r] for r in (first, self.radius_)})
        self.labels_at_ = {radius: labels for radius, (labels, _, _) in found.items()}
        self.probabilities_at_ = {radius: sure for radius, (_, sure, _) in found.items()}
        self.outlier_scores_ = 1 - found[self.radius_][2]
        self.tree_ = self._make_tree(moments_of)
        self.reason_ = self._reason()
        self.layout_, self.probabilities_ = self.layouts_[self.radius_], self.probabilities_at_[self.radius_]
        whole = self.labels_at_[self.radius_]
        self.labels_ = whole if self.n_motifs is None else self.tree_.cut(int(self.n_motifs))
        self._report(len(self.radii_))
        return self

    def cut(self, n_motifs: int) -> NDArray[np.int32]:
        """Return labels (n,) of `n_motifs` motifs; see `MotifTree.cut`."""
        return self.tree_.cut(n_motifs)

    def predict(
        self,
        moments_of: Callable[[float], MomentsLike],
        radius: float | None = None,
        neighbours: Neighbourhoods | None = None,
    ) -> Found:
        """Give the atoms of another image the motifs of this one; nothing is fitted again.

        Parameters
        ----------
        moments_of : callable
            As for `fit`, of the other image.
        radius : float, optional
            One of `radii_`; default that of the motifs.
        neighbours : Neighbourhoods, optional
            Of the other image; needed where `fit` had them.

        Returns
        -------
        labels : ndarray of int32, shape (n,)
            As in ``labels_at_[radius]``.
        probabilities : ndarray, shape (n,)
            That the atom belongs to the motif and is no outlier.
        outlier_scores : ndarray, shape (n,)
            1 minus the p-value of an atom of its motif.
        """
        radius = self.radius_ if radius is None else float(radius)
        if radius not in self.radii_:
            raise ValueError(f"radius={radius:g} is none of the fitted {self.radii_}.")
        return self.predict_all(moments_of, neighbours)[radius]

    @one_blas_thread()
    def predict_all(
        self, moments_of: Callable[[float], MomentsLike], neighbours: Neighbourhoods | None = None
    ) -> dict[float, Found]:
        """As :meth:`predict`, at every radius: labels, probabilities and outlier scores by radius."""
        found = self._motif_labels(moments_of, neighbours)
        return {
            radius: (self._numbers[radius][labels] if radius in self._numbers else labels, sure, 1 - p)
            for radius, (labels, sure, p) in found.items()
        }

    def renumbered(self, numbers: Mapping[float, NDArray[np.int32]]) -> NestedRadii:
        """Return a copy that predicts other numbers: `numbers` has the new one of each motif, by radius."""
        out = copy.copy(self)
        out._numbers = {
            radius: np.asarray(new, np.int32)[self._numbers.get(radius, np.arange(len(new)))]
            for radius, new in numbers.items()
        }
        return out

    # ------------------------------------------------------------------ steps of the fit

    def _search(
        self,
        moments_of: Callable[[float], MomentsLike],
        kinds: NDArray[np.int32],
        around: Around | None,
        at_atoms: AtTheAtom | None,
        given: float | None,
    ) -> None:
        """Divide the kinds (n,) of the smallest radius at larger ones, that of most motifs, then of most evidence, first."""
        self.radius_ = self.radii_[0]
        self._order: tuple[float, ...] = ()
        views: dict[float, _View] = {}
        found: dict[float, RadiusModel] = {}
        # Where motifs are sites, and at the other radii, a layout is all that is needed.
        sites, how = None, (bool(self.rotation_invariant), int(self.random_state))
        if around is not None and len(self.radii_) > 1:
            sites = ordered_sites(*around, moments_of(self.radii_[1]), kinds, self.radii_[1], *how)
        known = moments_of, kinds, around, None, sites
        for view in one_ahead(lambda r: self._view(r, *known), self.radii_[1:], len(kinds)):
            radius = view.radius
            self._models[radius] = RadiusModel(view.model.unit)
            asked = radius <= CONSTANTS.second_shell if given is None else radius == given
            if asked and self._sites is None:
                model = self._divide(view, kinds, kinds, None if given is not None else at_atoms)
                if model.n_motifs > int(kinds.max()) + 1 or given is not None:
                    views[radius], found[radius] = view, model
            self._report(1 + self.radii_.index(radius))
        motifs, first = kinds, sorted(found, key=lambda r: (-found[r].n_motifs, -self._evidence[r]))
        for radius in first:
            model = self._divide(views[radius], motifs, kinds, at_atoms) if self._order else found[radius]
            if model.n_motifs > int(motifs.max()) + 1 or given is not None:
                self._order += (radius,)
                self._models[radius] = model
                motifs = model.classify(views[radius].features, motifs)[0]
        if given is not None:
            self.radius_ = given
        elif self._sites is not None:
            self.radius_ = self.radii_[1]
        else:
            self.radius_ = max((self.radii_[0], *self._order))

    def _report(self, done: int) -> None:
        if self.progress is not None:
            self.progress(min(done / len(self.radii_), 1.0))

    def _around(
        self,
        neighbours: Neighbourhoods | None,
        kinds: NDArray[np.integer],
        p_values: NDArray[np.floating],
    ) -> Around | None:
        if neighbours is None or self._sublattices is None:
            return None
        return neighbours, self._sublattices.surroundings(neighbours, kinds, p_values)

    def _view(
        self,
        radius: float,
        moments_of: Callable[[float], MomentsLike],
        kinds: NDArray[np.int32],
        around: Around | None,
        crosstalk: NeighbourCrosstalk | None,
        sites: NDArray[np.int32] | None = None,
    ) -> _View:
        """Return what is seen through one radius, and keep its layout."""
        moments, invariant = moments_of(radius), bool(self.rotation_invariant)
        if not np.asarray(moments.valid).any():
            raise ValueError(
                f"No atom has its disc of {radius:g} nearest-neighbour distances inside the image: use smaller radii."
            )
        unit, explained, seed = noise_unit(moments), None, int(self.random_state)
        if around is not None and sites is not None:
            explained = Explanation.fit(*around, moments, unit, kinds, sites, radius, invariant)
        model = RadiusModel(unit, crosstalk, explained)
        features = model.features(radius, moments_of, invariant, around, kinds)
        before = self.layouts_[max(self.layouts_)] if self.layouts_ else None
        X = with_least_error(features, moments, unit, invariant, seed)
        self.layouts_[radius] = layout_of(features.with_values(X), kinds, before, self.n_neighbors, seed)
        noise = np.mean((np.asarray(moments.noise_std, np.float64) / unit) ** 2, axis=-1)
        return _View(radius, model, features, X, np.broadcast_to(noise, len(X)))

    def _divide(
        self,
        view: _View,
        groups: NDArray[np.int32],
        kinds: NDArray[np.int32],
        at_atoms: AtTheAtom | None,
        divided: RadiusModel | None = None,
    ) -> RadiusModel:
        """Divide groups (n,) of atoms and return the motifs; those that do not differ at the atom are one.

        At a boundary between grains the kinds of both meet, and one motif may have atoms of several kinds.

        `divided` has the groups if they were found before.
        """
        if divided is None:
            clusters = density_clusters(self.layouts_[view.radius], self._min_size)
            mixtures, self._evidence[view.radius] = partition(
                view.X, view.features.sound, clusters, groups, self._options(view.radius), view.noise
            )
        else:
            mixtures = divided.mixtures
        names = np.arange(sum(m.n_motifs for m in mixtures), dtype=np.int32)
        model = replace(view.model, mixtures=mixtures, names=names)
        own = model.classify(view.features, groups)[0]
        if at_atoms is not None:
            present = np.unique(own)
            merged = names.copy()
            merged[present] = present[at_atoms.merged(np.searchsorted(present, own))]
            names = np.unique(merged, return_inverse=True)[1].astype(np.int32)
            names = at_atoms.without_deformed(names[own], int(names.max()) + 1)[names]
        labels = names[own]
        size = np.bincount(labels, minlength=len(names))
        rank = np.empty(len(names), dtype=np.int32)
        rank[np.argsort(-size, kind="stable")] = np.arange(len(names), dtype=np.int32)
        return replace(model, names=rank[names])

    def _options(self, radius: float) -> PartitionOptions:
        single = radius < CONSTANTS.one_column
        return PartitionOptions(
            float(self.alpha),
            len(self.radii_),
            self._min_size,
            single,
            int(self.random_state),
            CONSTANTS.tail_exponent if single else CONSTANTS.wide_tail_exponent,
        )

    def _fit_environments(
        self,
        neighbours: Neighbourhoods | None,
        motifs: NDArray[np.int32],
        p_values: NDArray[np.floating],
    ) -> None:
        beyond = [radius for radius in self.radii_ if radius > self.radius_]
        self._motif_sublattices = None
        if neighbours is None or not beyond:
            return
        self._motif_sublattices = Sublattices.of(neighbours, motifs)
        surroundings = self._motif_sublattices.surroundings(neighbours, motifs, p_values)
        labels, inner = motifs, 0.0
        least = max(self._min_size, int(CONSTANTS.environment_share * len(motifs)))
        for radius in beyond:
            environments, labels = Environments.fit(surroundings, labels, inner, radius, least)
            model = self._models[radius]
            self._models[radius] = RadiusModel(model.unit, environments=environments)
            inner = radius

    def _motif_labels(
        self,
        moments_of: Callable[[float], MomentsLike],
        neighbours: Neighbourhoods | None,
        known: Mapping[float, Found] | None = None,
    ) -> dict[float, Found]:
        """Labels, probabilities and p-values at every radius, of the atoms of the fit or of others, unless they are known."""
        first, found = self.radii_[0], dict(known or {})
        if first not in found:
            n = len(moments_of(first).values)
            found[first] = self._find(first, moments_of, np.zeros(n, dtype=np.int32), None)
        motifs = found[first]
        for radius in self.radii_[1:]:
            model = self._models[radius]
            if radius < self.radius_:
                found[radius] = found[first]
            elif radius == self.radius_:
                if radius not in found:
                    found[radius] = self._find_motifs(moments_of, neighbours, found[first])
                motifs = found[radius]
            elif model.environments is None or neighbours is None or self._motif_sublattices is None:
                found[radius] = motifs
            else:
                surroundings = self._motif_sublattices.surroundings(neighbours, motifs[0], motifs[2])
                before = found[self.radii_[self.radii_.index(radius) - 1]][0]
                found[radius] = model.environments.classify(surroundings, before), motifs[1], motifs[2]
        return {radius: found[radius] for radius in self.radii_}

    def _find(
        self,
        radius: float,
        moments_of: Callable[[float], MomentsLike],
        groups: NDArray[np.int32],
        around: Around | None,
    ) -> Found:
        model = self._models[radius]
        features = model.features(radius, moments_of, bool(self.rotation_invariant), around, groups)
        return model.classify(features, groups)

    def _find_motifs(
        self,
        moments_of: Callable[[float], MomentsLike],
        neighbours: Neighbourhoods | None,
        kinds: Found,
    ) -> Found:
        if self._sites is not None:
            if neighbours is None:
                raise ValueError(
                    "These motifs are sites: the neighbours of the atoms are needed to find them."
                )
            labels, sure, p_values = self._sites.classify(neighbours, kinds[0])
            return labels, kinds[1] * sure, np.minimum(1.0, 2 * np.minimum(kinds[2], p_values))
        around = self._around(neighbours, kinds[0], kinds[2])
        labels, sure, p_values = kinds
        for radius in self._order:
            model = self._models[radius]
            features = model.features(radius, moments_of, bool(self.rotation_invariant), around, kinds[0])
            labels, more, p = model.classify(features, labels)
            sure, p_values = sure * more, np.minimum(p_values, p)
        return labels, sure, np.minimum(1.0, (1 + len(self._order)) * p_values)

    # ------------------------------------------------------------------ the tree and the reason

    def _make_tree(self, moments_of: Callable[[float], MomentsLike]) -> MotifTree:
        """How motifs and environments divide from radius to radius."""

        def separations(radius: float) -> NDArray[np.float64]:
            features = NeighbourhoodFeatures.of(
                moments_of(radius), bool(self.rotation_invariant), self._models[radius].unit
            )
            return separations_of(features.filled(), nested[radius])

        # A motif that atoms of several kinds form belongs to the most frequent of them.
        motifs = self.labels_at_[self.radius_]
        nested = {
            radius: most_frequent_within(labels, motifs) if radius < self.radius_ else labels
            for radius, labels in self.labels_at_.items()
        }
        return tree_of(nested, separations)

    def _reason(self) -> str:
        n_motifs = int(self.labels_at_[self.radius_].max()) + 1
        motifs = "1 motif" if n_motifs == 1 else f"{n_motifs} motifs"
        if len(self.radii_) == 1:
            why = "the only radius"
        elif self.radius is not None:
            why = "this radius was given"
        elif self._sites is not None:
            why = "atoms of one kind sit on several sites, which differ in the places of their neighbours"
        elif self.radius_ == self.radii_[0]:
            why = "the kinds of the neighbours explain what larger radii show"
        else:
            why = "motifs differ at the atom or its nearest neighbours, and the kinds of the neighbours do not explain it"
        return f"radius {self.radius_:.3g} ({motifs}): {why}"
