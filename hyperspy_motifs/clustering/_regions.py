"""Regions of a continuum: what is offered in place of motifs where surroundings fall into no classes."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hyperspy_motifs.threads import one_blas_thread

from ._classifier import GaussianClasses
from ._doubt import features_and_doubt
from ._features import Axes, MomentsLike
from ._growth import Growth
from ._manifold import Manifold, manifold_features
from ._nested import NestedRadii
from ._reading import SURROUNDINGS, Parting
from ._view import View, filled, sound_atoms, sound_members

# The stackings of high symmetry of a moire are three (AA, AB, BA); of a ring or an interval it makes thirds.
N_REGIONS = 3
_ONE_COLUMN = 0.9
_FEWEST = 40
_ROUNDS = 100
_SMALLEST = 5
# A region holds several sublattices, and each is a curved sheet: so many flat pieces stand for it when other atoms are read.
_TILES = 40
_POINTS_PER_TILE = 8


def parts_of_like_extent(
    points: NDArray[np.float64], k: int
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Cut a cloud of points into parts of like extent, the same way every time.

    Lloyd's algorithm (k-means) from the point furthest from the middle and, one after another, those furthest from all taken
    so far (Gonzalez, Theor. Comput. Sci. 38 (1985) 293): no random number has a part in it. On diffusion coordinates it
    is the partition that disturbs the diffusion least (Lafon and Lee, IEEE Trans. Pattern Anal. 28 (2006) 1393).

    Parameters
    ----------
    points : ndarray, shape (n, d)
    k : int
        At most n.

    Returns
    -------
    labels : ndarray of int32, shape (n,)
    squares : ndarray, shape (n, k)
        Squared distances to the middles of the parts.
    """
    points = points - points.mean(axis=0)
    norm = (points**2).sum(axis=1)
    seeds = [int(norm.argmax())]
    nearest = _squares(points, norm, points[seeds])[:, 0]
    while len(seeds) < k:
        seeds.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, _squares(points, norm, points[seeds[-1:]])[:, 0])
    middles = points[seeds]
    labels = np.full(len(points), -1)
    for _ in range(_ROUNDS):
        squares = _squares(points, norm, middles)
        now = squares.argmin(axis=1)
        if np.array_equal(now, labels):
            break
        labels = now
        count = np.bincount(labels, minlength=k)
        sums = np.zeros_like(middles)
        np.add.at(sums, labels, points)
        middles = np.where(count[:, None] > 0, sums / np.maximum(count, 1)[:, None], middles)
    return np.unique(labels, return_inverse=True)[1].astype(np.int32), squares[:, np.unique(labels)]


def parts_of_size(
    points: NDArray[np.float64], k: int, least: int
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """As `parts_of_like_extent`, of `least` points or more each.

    A few odd points far from all others would be parts of their own. The rest is cut without them, and they join the
    part with the nearest middle.
    """
    rest = np.arange(len(points))
    while True:
        labels, squares = parts_of_like_extent(points[rest], min(k, max(len(rest) // least, 1)))
        count = np.bincount(labels)
        if count.min() >= least or len(count) == 1:
            break
        rest = rest[(count >= least)[labels]]
    if len(rest) == len(points):
        return labels, squares
    middles = np.zeros((len(count), points.shape[1]))
    np.add.at(middles, labels, points[rest])
    middles /= count[:, None]
    squares = _squares(points, (points**2).sum(axis=1), middles)
    out = squares.argmin(axis=1).astype(np.int32)
    out[rest] = labels
    return out, squares


def _squares(
    points: NDArray[np.float64], norm: NDArray[np.float64], middles: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.maximum(norm[:, None] - 2 * points @ middles.T + (middles**2).sum(axis=1), 0)


# Sums of BLAS depend on the number of its threads: one, so that the bits do not.
@one_blas_thread()
def partition_manifold(
    model: NestedRadii, moments_of: Callable[[float], MomentsLike], positions: ArrayLike
) -> NestedRadii:
    """Put regions of the continuum in the place of the motifs that were found on it.

    Where surroundings change without a step, density clusters are where chance puts them: other random numbers, other
    motifs. Regions are cut from the manifold coordinates, which no random number changes. Lenses that reach the neighbours
    have them: three through the smallest, each cut in two through the next, and so on; more where `n_motifs` asks for them.
    Through a smaller lens all atoms are one: what it tells of them, their species too, is not offered on a continuum.

    Parameters
    ----------
    model : NestedRadii
        Fitted.
    moments_of : callable
        As it was fitted to.
    positions : array_like, shape (n, 2)
        x, y of the atoms; those of several frames far apart.

    Returns
    -------
    NestedRadii
        A copy, with labels, probabilities, tree and predictions of the regions; layouts as before.
    """
    places = np.asarray(positions, dtype=np.float64)
    widest = max(*model.radii_, SURROUNDINGS)
    manifold = Manifold().fit(manifold_features(moments_of(widest)).values, places)
    where = _before_the_gap(manifold)
    n = len(where)
    out = copy.copy(model)
    out.labels_at_, out.probabilities_at_, out._partings, out._names = {}, {}, {}, {}
    out.sites_ = out._site_parting = None
    wide = [lens for lens in model.radii_ if lens >= _ONE_COLUMN] or list(model.radii_)
    wanted = N_REGIONS if model.n_motifs is None else max(N_REGIONS, int(model.n_motifs))
    first = wanted if len(wide) == 1 else max(N_REGIONS, -(-wanted // 2 ** (len(wide) - 1)))
    least = max(_SMALLEST, int(model.min_motif_size or 0))
    growth = Growth(n)
    groups, probabilities = np.zeros(n, dtype=np.int32), np.ones(n)
    joins: list[tuple[float, int, int, float]] = []
    for lens in model.radii_:
        many = 1 if lens not in wide else first if lens == wide[0] else 2
        view = _view(model, lens, moments_of)
        new, probabilities = np.empty_like(groups), probabilities.copy()
        out._partings[lens] = []
        n_leaves = 0
        for group in range(int(groups.max()) + 1):
            members = np.flatnonzero(groups == group)
            k = min(many, max(len(members) // _FEWEST, 1))
            parts, squares = parts_of_size(where[members], k, least)
            near = 1 / np.maximum(squares, max(1e-12 * float(squares.max()), 1e-300))
            probabilities[members] *= near[np.arange(len(members)), parts] / near.sum(axis=1)
            growth.part(group, lens, np.bincount(parts), _merges(where[members], parts))
            out._partings[lens].append(_parting(view, members, parts, n_leaves))
            new[members] = parts + n_leaves
            n_leaves += int(parts.max()) + 1
        growth.next_lens()
        groups = new
        labels = out._name(lens, groups, probabilities)
        joins += [(lens, a, b, apart) for a, b, apart in _merges(where, labels)]
    out.radius_ = wide[0]
    out.reason_ = (
        f"radius {out.radius_:.3g} ({int(out.labels_at_[out.radius_].max()) + 1} motifs): regions of a continuum, of like "
        "extent on its manifold, not classes; larger radii cut them finer"
    )
    out.tree_ = growth.tree(groups, np.array(joins).reshape(-1, 4), out.radius_)
    out.layout_, out.probabilities_ = out.layouts_[out.radius_], out.probabilities_at_[out.radius_]
    whole = out.labels_at_[out.radius_]
    out.labels_ = whole if model.n_motifs is None else out.tree_.cut(int(model.n_motifs))
    return out


def _before_the_gap(manifold: Manifold) -> NDArray[np.float64]:
    """Coordinates in diffusion distance, as many as there are before the widest gap of the spectrum: two at least."""
    values = manifold.eigenvalues_
    kept = int(np.argmin(values[2:] / np.maximum(values[1:-1], 1e-12))) + 2
    return np.asarray((manifold.coordinates_ * values)[:, :kept])


def _view(model: NestedRadii, lens: float, moments_of: Callable[[float], MomentsLike]) -> View:
    unit, leak = model._views[lens]
    moments = moments_of(lens)
    wider = None if leak is None else moments_of(SURROUNDINGS)
    X, doubt = features_and_doubt(moments, model.rotation_invariant, unit, leak, wider)
    valid = np.asarray(moments.valid, dtype=bool)
    return View(unit, leak, filled(X, valid), sound_atoms(valid, moments.coverage), doubt)


def _parting(view: View, members: NDArray[np.int64], parts: NDArray[np.int32], n_leaves: int) -> Parting:
    """How to read the parts from the features of one lens: each is a number of tiles, the part of the likeliest is told."""
    kept = sound_members(members, view)
    of_kept = parts[np.searchsorted(members, kept)]
    axes = Axes.fit(view.X[kept])
    components = axes.apply(view.X[kept])
    tiles = np.zeros(len(kept), dtype=np.int32)
    leaves: list[int] = []
    for part in np.unique(of_kept):
        inside = np.flatnonzero(of_kept == part)
        k = 1 if parts.max() == 0 else min(_TILES, max(len(inside) // _POINTS_PER_TILE, 1))
        own = parts_of_like_extent(components[inside], k)[0]
        tiles[inside] = own + len(leaves)
        leaves += [int(part) + n_leaves] * (int(own.max()) + 1)
    return Parting(axes, GaussianClasses.fit(components, tiles), np.array(leaves, dtype=np.int32))


def _merges(points: NDArray[np.float64], labels: NDArray[np.int32]) -> list[tuple[int, int, float]]:
    """How parts join, those with the nearest middles first: (part that stays, part that joins it, distance in spreads)."""
    count = np.bincount(labels).astype(float)
    middles = np.zeros((len(count), points.shape[1]))
    np.add.at(middles, labels, points)
    middles /= np.maximum(count, 1)[:, None]
    spread = max(float(np.sqrt(((points - middles[labels]) ** 2).sum(axis=1).mean())), 1e-300)
    out: list[tuple[int, int, float]] = []
    left = list(range(len(count)))
    while len(left) > 1:
        pairs = [(a, b) for i, a in enumerate(left) for b in left[i + 1 :]]
        apart = [float(np.linalg.norm(middles[a] - middles[b])) for a, b in pairs]
        a, b = pairs[int(np.argmin(apart))]
        out.append((a, b, min(apart) / spread))
        middles[a] = (count[a] * middles[a] + count[b] * middles[b]) / (count[a] + count[b])
        count[a] += count[b]
        left.remove(b)
    return out
