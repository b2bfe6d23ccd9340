"""Regions of a continuum: what is offered in place of motifs where neighbourhoods fall into no classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hyperspy_motifs.common import FEWEST_OF_A_SHARE
from hyperspy_motifs.manifold import Manifold, manifold_features, partition_by_extent, partition_of_min_size
from hyperspy_motifs.sites import Neighbourhoods
from hyperspy_motifs.threads import one_blas_thread
from hyperspy_motifs.zernike import MomentsLike, noise_unit

from ._constants import CONSTANTS, checked_radii
from ._mixture import MotifMixture
from ._motif_tree import by_frequency, tree_of
from ._neighbourhood_features import NeighbourhoodFeatures, layout_of
from ._nested_radii import NestedRadii
from ._site_classifier import Found, RadiusModel

# The stackings of high symmetry of a moire are three (AA, AB, BA); of a ring or an interval it makes thirds.
N_REGIONS = 3
# A region holds several sublattices, and each is a curved sheet: so many flat pieces stand for it when other atoms are read.
_TILES = 40
_POINTS_PER_TILE = 8


class ManifoldRegions(NestedRadii):
    """Regions of a continuum at the radii that reach the neighbours, and the kinds of atoms at smaller ones.

    Where neighbourhoods change without a step, density clusters are where chance puts them: other random numbers, other
    motifs. Regions are cut from the manifold coordinates, which no random number changes: three at the smallest radius that
    reaches the neighbours, each cut in two at the next, and so on; more where `n_motifs` asks for them.

    The parameters are those of `NestedRadii`, and so are the attributes.
    """

    # Sums of BLAS depend on the number of its threads: one, so that the bits do not.
    @one_blas_thread()
    def fit(
        self,
        moments_of: Callable[[float], MomentsLike],
        neighbours: Neighbourhoods | None = None,
        positions: ArrayLike | None = None,
    ) -> ManifoldRegions:
        """Find the kinds and the regions.

        Parameters
        ----------
        moments_of, neighbours
            As for `NestedRadii.fit`.
        positions : array_like, shape (n, 2)
            x, y of the atoms; those of several frames far apart.

        Returns
        -------
        ManifoldRegions
            Itself.
        """
        self.radii_ = checked_radii(self.radii)
        wide = [r for r in self.radii_ if r >= CONSTANTS.one_column] or list(self.radii_)
        self.radius_ = wide[0]
        self._models, self._numbers, self._order, self._sites = {}, {}, (), None
        self.layouts_ = {}
        for radius in [r for r in self.radii_ if r < self.radius_] or self.radii_[:1]:
            kinds = NestedRadii(
                radius,
                rotation_invariant=self.rotation_invariant,
                min_motif_size=self.min_motif_size,
                alpha=self.alpha,
                n_neighbors=self.n_neighbors,
                random_state=self.random_state,
            ).fit(moments_of, neighbours)
            self._models |= kinds._models
            self.layouts_ |= kinds.layouts_
            self._sublattices, self._motif_sublattices = kinds._sublattices, kinds._motif_sublattices
        manifold = Manifold().fit(
            manifold_features(moments_of(max(*self.radii_, CONSTANTS.ring_radius))).values,
            np.asarray(positions, dtype=np.float64),
        )
        where = _before_the_gap(manifold)
        groups = np.zeros(len(where), dtype=np.int32)
        wanted = N_REGIONS if self.n_motifs is None else max(N_REGIONS, int(self.n_motifs))
        first = wanted if len(wide) == 1 else max(N_REGIONS, -(-wanted // 2 ** (len(wide) - 1)))
        for radius in wide:
            parts = np.empty_like(groups)
            n_parts = 0
            for group in range(int(groups.max()) + 1):
                members = np.flatnonzero(groups == group)
                k = min(first if radius == wide[0] else 2, max(len(members) // FEWEST_OF_A_SHARE, 1))
                own = partition_of_min_size(where[members], k, max(5, int(self.min_motif_size)))[0]
                parts[members] = own + n_parts
                n_parts += int(own.max()) + 1
            regions = by_frequency(parts)
            unit = noise_unit(moments_of(radius))
            features = RadiusModel(unit).features(radius, moments_of, bool(self.rotation_invariant))
            before = self.layouts_[max(self.layouts_)] if self.layouts_ else None
            plain = np.zeros_like(groups)
            self.layouts_[radius] = layout_of(
                features, plain, before, self.n_neighbors, int(self.random_state)
            )
            self._models[radius] = _tiled(unit, features, groups, regions)
            groups = regions
        found = self._motif_labels(moments_of, neighbours)
        # Atoms near a cut are classified to either side of it, so that other regions may be the most frequent.
        ranks = {radius: _ranks(found[radius][0], self._models[radius].names) for radius in wide}
        self._numbers = self.renumbered(ranks)._numbers
        self.labels_at_ = {
            radius: ranks[radius][labels] if radius in ranks else labels
            for radius, (labels, _, _) in found.items()
        }
        self.probabilities_at_ = {radius: sure for radius, (_, sure, _) in found.items()}
        self.outlier_scores_ = 1 - found[self.radius_][2]
        self.sites_ = None
        wide_labels = {radius: self.labels_at_[radius] for radius in wide}
        self.tree_ = tree_of(wide_labels, lambda radius: _separations(where, wide_labels[radius]))
        n_regions = int(self.labels_at_[self.radius_].max()) + 1
        self.reason_ = (
            f"radius {self.radius_:.3g} ({n_regions} motifs): regions of a continuum, of like extent on its manifold, not "
            "classes; larger radii cut them finer"
        )
        self.layout_, self.probabilities_ = self.layouts_[self.radius_], self.probabilities_at_[self.radius_]
        whole = self.labels_at_[self.radius_]
        self.labels_ = whole if self.n_motifs is None else self.tree_.cut(int(self.n_motifs))
        return self

    def _motif_labels(
        self,
        moments_of: Callable[[float], MomentsLike],
        neighbours: Neighbourhoods | None,
        known: Mapping[float, Found] | None = None,
    ) -> dict[float, Found]:
        found: dict[float, Found] = {}
        groups = np.zeros(len(moments_of(self.radii_[0]).values), dtype=np.int32)
        for radius in self.radii_:
            if known is not None and radius in known:
                found[radius] = known[radius]
                continue
            if radius < self.radius_:
                found[radius] = self._find(radius, moments_of, groups, None)
                continue
            before = found[max(found)][0] if found and max(found) >= self.radius_ else groups
            found[radius] = self._find(radius, moments_of, before, None)
        return found


def _tiled(
    unit: NDArray[np.float64],
    features: NeighbourhoodFeatures,
    groups: NDArray[np.int32],
    regions: NDArray[np.int32],
) -> RadiusModel:
    """A mixture of flat pieces of the regions within each group of the radius before; pieces are named by their region."""
    X, mixtures, names = features.filled(), [], []
    for group in range(int(groups.max()) + 1):
        members = np.flatnonzero((groups == group) & features.sound)
        members = members if len(members) > 1 else np.flatnonzero(groups == group)
        tiles = np.zeros(len(members), dtype=np.int32)
        own_names: list[int] = []
        for region in np.unique(regions[members]):
            inside = np.flatnonzero(regions[members] == region)
            k = min(_TILES, max(len(inside) // _POINTS_PER_TILE, 1))
            own = partition_by_extent(X[members][inside], k)[0]
            tiles[inside] = own + len(own_names)
            own_names += [int(region)] * (int(own.max()) + 1)
        mixtures.append(MotifMixture.fit(X[members], tiles))
        names += own_names
    return RadiusModel(unit, mixtures=mixtures, names=np.array(names, dtype=np.int32))


def _ranks(labels: NDArray[np.int32], names: NDArray[np.integer]) -> NDArray[np.int32]:
    """Number of each name in the order of frequency among labels (n,)."""
    size = np.bincount(labels, minlength=int(names.max()) + 1)
    ranks = np.empty(len(size), dtype=np.int32)
    ranks[np.argsort(-size, kind="stable")] = np.arange(len(size), dtype=np.int32)
    return ranks


def _separations(points: NDArray[np.float64], labels: NDArray[np.int32]) -> NDArray[np.float64]:
    """Distances of the means of groups in units of their spread, infinite on the diagonal."""
    n = int(labels.max()) + 1
    count = np.bincount(labels, minlength=n).astype(float)
    means = np.zeros((n, points.shape[1]))
    np.add.at(means, labels, points)
    means /= np.maximum(count, 1)[:, None]
    spread = max(float(np.sqrt(((points - means[labels]) ** 2).sum(axis=1).mean())), 1e-300)
    out = np.linalg.norm(means[:, None] - means[None], axis=2) / spread
    np.fill_diagonal(out, np.inf)
    return np.asarray(out)


def _before_the_gap(manifold: Manifold) -> NDArray[np.float64]:
    """Coordinates in diffusion distance, as many as there are before the widest gap of the spectrum: two at least."""
    values = manifold.eigenvalues_
    kept = int(np.argmin(values[2:] / np.maximum(values[1:-1], 1e-12))) + 2
    return np.asarray((manifold.coordinates_ * values)[:, :kept])
