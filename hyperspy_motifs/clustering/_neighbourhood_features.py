"""What one radius shows of every atom: features in units of their noise, and what is not known of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import block_diag, csr_array

from hyperspy_motifs.relaxation import fuzzy_weights, nearest_neighbours, relax_layout
from hyperspy_motifs.zernike import MomentsLike, noise_unit, to_complex

from ._constants import CONSTANTS, MIN_MOTIF_SIZE
from ._crosstalk import FREQUENT, NeighbourCrosstalk
from ._mixture import UNKNOWN, axes_of, separations_of
from ._motif_tree import merged_kinds, merging_order
from ._partition import PartitionOptions, divide
from ._proposals import density_clusters

_WHOLE = 1 - 1e-9  # coverage of a disc that is not cut
_SOUND = 0.99  # coverage of discs that means and spreads are taken of
_SPREAD = 10.0  # of the start of a layout
_PREVIEW = 1_500  # atoms that show which kinds are frequent


@dataclass(frozen=True)
class NeighbourhoodFeatures:
    """Features of n atoms through one radius.

    Attributes
    ----------
    values : ndarray, shape (n, f)
        Moments, or their magnitudes where rotations do not count, in units of the noise of whole discs. NaN where not
        `valid`.
    variance : ndarray of float32, shape (n, f)
        What the variance of the noise of truncated discs exceeds that of whole ones by, in squared units of the noise.
    valid : ndarray of bool, shape (n,)
        Atoms of whose disc enough is seen.
    sound : ndarray of bool, shape (n,)
        Atoms that may found motifs: those with whole discs, if there are any. Discs that are cut alike look alike.
    """

    values: NDArray[np.float64]
    variance: NDArray[np.float32]
    valid: NDArray[np.bool_]
    sound: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        moments: MomentsLike,
        rotation_invariant: bool,
        unit: NDArray[np.float64],
        values: NDArray[np.floating] | None = None,
    ) -> NeighbourhoodFeatures:
        """Take them from moments.

        Parameters
        ----------
        moments : zernike.Moments
        rotation_invariant : bool
            Magnitudes of the complex moments, signed for m = 0. Their noise is that of Rice: with one mode, unlike
            magnitudes without the mean of the noise, which are cut at 0.
        unit : ndarray, shape (K,)
            Noise of the moments of whole discs.
        values : ndarray, shape (n, K), optional
            In place of those of `moments`.
        """
        valid = np.asarray(moments.valid, dtype=bool)
        coverage = np.asarray(moments.coverage, dtype=np.float64)
        whole = valid & (coverage > _SOUND)
        X = standardized(
            moments.values if values is None else values, moments.modes, rotation_invariant, unit
        )
        X = np.where(valid[:, None], X, np.nan)
        variance = np.zeros(X.shape, dtype=np.float32)
        cut = np.flatnonzero(valid & (coverage < _WHOLE))
        noise = np.broadcast_to(np.asarray(moments.noise_std, np.float64), moments.values.shape)[cut]
        square = np.maximum(noise**2 - unit**2, 0.0)
        if rotation_invariant:
            sizes, _ = to_complex(np.sqrt(square), moments.modes)
            units, _ = to_complex(unit, moments.modes)
            square = np.abs(sizes) ** 2 / np.abs(units) ** 2
        else:
            square = square / unit**2
        variance[cut] = np.minimum(square, UNKNOWN)
        return cls(X, variance, valid, whole if whole.any() else valid)

    def filled(self) -> NDArray[np.float64]:
        """Return `values` with the median of the others for atoms of which nothing is known."""
        if self.valid.all() or not self.valid.any():
            return np.nan_to_num(self.values)
        return np.where(self.valid[:, None], self.values, np.median(self.values[self.valid], axis=0))

    def with_values(self, values: NDArray[np.float64]) -> NeighbourhoodFeatures:
        """Return the same with other values."""
        return replace(self, values=np.where(self.valid[:, None], values, np.nan))


def standardized(
    values: ArrayLike, modes: NDArray[np.integer], rotation_invariant: bool, unit: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return moments (n, K), or their magnitudes (n, J), in units of their noise (K,)."""
    real = np.asarray(values, dtype=np.float64)
    if not rotation_invariant:
        return real / unit
    moments, kept = to_complex(real, modes)
    units, _ = to_complex(unit, modes)
    axial = kept[:, 1] == 0
    return np.asarray(
        np.where(axial, moments.real / units.real, np.abs(moments) / (np.abs(units) / np.sqrt(2)))
    )


def missing_error(features: NeighbourhoodFeatures, moments: MomentsLike, unit: NDArray[np.float64]) -> float:
    """Return the standard deviation by which the noise falls short of the systematic error, in units of the noise."""
    values = np.asarray(moments.values, dtype=np.float64)[features.valid]
    error = CONSTANTS.systematic_error * float(np.sqrt(np.mean(values**2))) / float(np.sqrt(np.mean(unit**2)))
    return float(np.sqrt(max(error**2 - 1, 0)))


def with_least_error(
    features: NeighbourhoodFeatures,
    moments: MomentsLike,
    unit: NDArray[np.float64],
    rotation_invariant: bool,
    random_state: int,
) -> NDArray[np.float64]:
    """Return features (n, f) with random errors: those of the scan, and what the noise lacks of the systematic error.

    Atoms of one scan line share its errors, which would divide them into groups. Errors of the same size that are
    independent from atom to atom close the gaps between such groups; motifs that differ by more remain apart.
    """
    X, missing = features.filled(), missing_error(features, moments, unit)
    if moments.scan_error is not None:
        values = np.asarray(moments.values, dtype=np.float64)
        varied, usual = (
            standardized(v, moments.modes, rotation_invariant, unit)
            for v in (values + moments.scan_error, values)
        )
        X = X + np.nan_to_num(varied - usual)
    return X + missing * np.random.default_rng(random_state).standard_normal(X.shape) if missing > 0 else X


def layout_of(
    features: NeighbourhoodFeatures,
    groups: NDArray[np.integer],
    before: NDArray[np.float32] | None,
    n_neighbors: int,
    random_state: int,
) -> NDArray[np.float32]:
    """Return the force-relaxed layout (n, 2) of all atoms, each joined to neighbours of its own group alone.

    Parameters
    ----------
    features : NeighbourhoodFeatures
    groups : ndarray of int, shape (n,)
        0..
    before : ndarray, shape (n, 2), or None
        Layout at the radius before, from which the atoms start.
    n_neighbors, random_state : int
    """
    X, n = features.filled(), len(groups)
    start, blocks, order = np.zeros((n, 2)), [], []
    for group in range(int(groups.max()) + 1):
        members = np.flatnonzero(groups == group)
        sound = members[features.sound[members]]
        components = axes_of(X[sound if len(sound) > 1 else members]).apply(X[members])
        k = min(n_neighbors, len(members) - 1)
        alone = csr_array((1, 1), dtype=np.float32)
        blocks.append(
            fuzzy_weights(*nearest_neighbours(components, k, random_state=random_state)) if k > 0 else alone
        )
        plane = np.zeros((len(members), 2))
        plane[:, : min(2, components.shape[1])] = components[:, :2]
        start[members] = _SPREAD * np.sqrt(len(members) / n) * plane / max(float(np.abs(plane).max()), 1e-12)
        order.append(members)
    if before is not None:
        start = 0.5 * start + before
    start += np.random.default_rng(random_state).uniform(-1e-2, 1e-2, (n, 2))
    permutation = np.concatenate(order)
    graph = csr_array(block_diag(blocks, format="csr"))
    graph.sort_indices()
    relaxed = relax_layout(graph, start[permutation].astype(np.float32), random_state=random_state).layout
    layout = np.empty_like(relaxed)
    layout[permutation] = relaxed
    return layout


def fit_crosstalk(
    moments_of: Callable[[float], MomentsLike],
    radius: float,
    rotation_invariant: bool,
    n_neighbors: int,
    random_state: int,
) -> NeighbourCrosstalk | None:
    """Learn what the surroundings leak into discs that hold one column; None for larger ones."""
    if radius >= CONSTANTS.one_column:
        return None
    moments, wider = moments_of(radius), moments_of(CONSTANTS.ring_radius)
    both = np.asarray(moments.valid, bool) & np.asarray(wider.valid, bool)
    if wider.radius < 1.3 * moments.radius or both.sum() < 2 * moments.values.shape[1]:
        return None
    features = NeighbourhoodFeatures.of(moments, rotation_invariant, noise_unit(moments))
    # Which kinds are frequent a part of many atoms shows as well.
    some = np.random.default_rng(random_state).permutation(len(features.valid))[:_PREVIEW]
    some = np.sort(some[features.sound[some]])
    X = with_least_error(features, moments, noise_unit(moments), rotation_invariant, random_state)[some]
    groups = np.zeros(len(some), dtype=np.int32)
    part = NeighbourhoodFeatures(X, features.variance[some], features.valid[some], features.sound[some])
    clusters = density_clusters(layout_of(part, groups, None, n_neighbors, random_state))
    # A site that falls into groups none of which is frequent, as the turned ones of oxygen in a perovskite, stays whole.
    options = PartitionOptions(
        CONSTANTS.alpha, 1, CONSTANTS.folds, True, random_state, frequent=int(FREQUENT * len(some))
    )
    found = divide(X, clusters, groups, options)[0]
    labels, forms = (np.full(len(features.valid), -1, dtype=np.int32) for _ in range(2))
    labels[some] = found
    for site in range(int(found.max()) + 1):
        for number, form in enumerate(
            frequent_sites(X, np.flatnonzero(found == site), clusters), int(forms.max()) + 1
        ):
            forms[some[form]] = number
    inner = min(1.25 * moments.radius / wider.radius, 0.8)
    return NeighbourCrosstalk.fit(moments, wider, labels, forms, inner, rotation_invariant)


def frequent_sites(
    X: NDArray[np.float64], members: NDArray[np.int64], clusters: NDArray[np.integer] | None = None
) -> list[NDArray[np.int64]]:
    """Divide some atoms (m,) as motifs are (`divide`) into parts of a share ``FREQUENT`` that are clearly apart.

    Parameters
    ----------
    X : ndarray, shape (n, f)
        Features of all atoms.
    members : ndarray of int, shape (m,)
        Indices of those that are divided.
    clusters : ndarray of int, shape (n,), optional
        Density clusters of the layout.

    Returns
    -------
    list of ndarray of int, shape (s,)
        Indices of the atoms of each part.
    """
    least = max(int(FREQUENT * len(members)), MIN_MOTIF_SIZE)
    groups = np.zeros(len(members), dtype=np.int32)
    options = PartitionOptions(
        CONSTANTS.alpha, 1, least, False, 0, CONSTANTS.wide_tail_exponent, frequent=least
    )
    found = divide(X[members], groups - 1 if clusters is None else clusters[members], groups, options)[0]
    if found.max(initial=0) > 0:
        order = merging_order(separations_of(X[members], found), np.bincount(found))
        found = merged_kinds(order, int(found.max()) + 1)[found]
    return [members[found == site] for site in range(int(found.max(initial=0)) + 1)]
