"""Detection of a continuum, connected components of points, and partitions into groups of similar extent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from hyperspy_motifs.common import FEWEST_OF_A_SHARE
from hyperspy_motifs.threads import one_blas_thread, over_rows

from ._constants import CONSTANTS


def mutual_knn_components(X: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return the connected component of each point in the graph of mutual six nearest neighbours.

    A few points between two classes, as those at an interface, must not make one component of them. The twentieth of the points
    around which the density is lowest are therefore components of their own (robust single linkage: Chaudhuri and Dasgupta,
    Adv. Neural Inf. Process. Syst. 23 (2010) 343).

    Parameters
    ----------
    X : ndarray, shape (n, d)
        Principal axes first; ten of them are used.

    Returns
    -------
    ndarray of int32, shape (n,)
    """
    points = X[:, : CONSTANTS.component_axes]
    n, k = len(points), min(CONSTANTS.mutual_neighbours, len(points) - 1)
    if k < 1:
        return np.zeros(n, dtype=np.int32)
    apart, nearest = (found[:, 1:] for found in cKDTree(points).query(points, k=k + 1))
    dense = apart[:, -1] <= np.quantile(apart[:, -1], 1 - CONSTANTS.sparse)
    linked = dense[:, None] & dense[nearest]
    rows = np.broadcast_to(np.arange(n)[:, None], linked.shape)[linked]
    directed = csr_array(coo_array((np.ones(len(rows)), (rows, nearest[linked])), shape=(n, n)))
    return np.asarray(connected_components(directed.multiply(directed.T), directed=False)[1], dtype=np.int32)


def within_component_variance(X: NDArray[np.float64], contrast: float) -> float:
    r"""Return the variance of surroundings within connected components, as a share of their contrast.

    .. math:: v = \frac{\langle |x_i - \bar{x}_{P(i)}|^2 \rangle - d}{c}

    P(i) is the component of point i and has at least twenty points. The d axes have unit noise each, and c is the mean
    square contrast of a patch in the same units. Within a class, sites of a crystal differ by noise, static
    disorder and distortions of the scan: v is a few percent at most. Where the stacking changes over the field,
    v is tens of percent, whether or not gaps separate the sublattices.

    Parameters
    ----------
    X : ndarray, shape (n, d)
        Principal axes in units of the noise.
    contrast : float
        Mean square of the features, their mean included, in squared units of the noise.

    Returns
    -------
    float
        0 where no component is large enough, or where large components contain few of the points.
    """
    n = len(X)
    chosen = (
        X
        if n <= CONSTANTS.most_connected
        else X[np.linspace(0, n - 1, CONSTANTS.most_connected).astype(np.int64)]
    )
    component = mutual_knn_components(chosen)
    size = np.bincount(component)
    large = size[component] >= CONSTANTS.least_component
    if not large.any() or contrast <= 0:
        return 0.0
    mean = np.zeros((len(size), chosen.shape[1]))
    np.add.at(mean, component, chosen)
    mean /= size[:, None]
    # n / (n - 1), because the mean of a component includes the noise of its points.
    own = ((chosen - mean[component]) ** 2).sum(axis=1) * size[component] / np.maximum(size[component] - 1, 1)
    weight = float(
        np.clip(
            (large.mean() - CONSTANTS.not_representative)
            / (CONSTANTS.representative - CONSTANTS.not_representative),
            0,
            1,
        )
    )
    return float(own[large].mean() - chosen.shape[1]) / contrast * weight


def partition_by_extent(points: NDArray[np.float64], k: int) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Partition a cloud of points into groups of similar extent, without random numbers.

    Lloyd's algorithm (k-means). The first seed is the point furthest from the mean; each further seed is the point furthest
    from all seeds so far (Gonzalez, Theor. Comput. Sci. 38 (1985) 293). On diffusion coordinates this partition
    disturbs the diffusion least (Lafon and Lee, IEEE Trans. Pattern Anal. 28 (2006) 1393).

    Parameters
    ----------
    points : ndarray, shape (n, d)
    k : int
        Number of groups, at most n.

    Returns
    -------
    labels : ndarray of int32, shape (n,)
        Groups 0, 1, ...; fewer than `k` where points coincide.
    squares : ndarray of float64, shape (n, k)
        Squared distances to the means of the groups.
    """
    points = points - points.mean(axis=0)
    norm = (points**2).sum(axis=1)
    seeds = [int(norm.argmax())]
    nearest = _squares(points, norm, points[seeds])[:, 0]
    while len(seeds) < k:
        seeds.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, _squares(points, norm, points[seeds[-1:]])[:, 0])
    means = points[seeds]
    labels = np.full(len(points), -1)
    for _ in range(CONSTANTS.iterations):
        squares = _squares(points, norm, means)
        assigned = squares.argmin(axis=1)
        if np.array_equal(assigned, labels):
            break
        labels = assigned
        count = np.bincount(labels, minlength=k)
        sums = np.zeros_like(means)
        np.add.at(sums, labels, points)
        means = np.where(count[:, None] > 0, sums / np.maximum(count, 1)[:, None], means)
    return np.unique(labels, return_inverse=True)[1].astype(np.int32), squares[:, np.unique(labels)]


def partition_of_min_size(
    points: NDArray[np.float64], k: int, min_size: int
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Partition a cloud of points into groups of similar extent with at least `min_size` points each.

    A few points far from all others would form groups of their own. `partition_by_extent` is applied to the rest,
    and these points then join the group with the nearest mean.

    Parameters
    ----------
    points : ndarray, shape (n, d)
    k : int
        Largest number of groups.
    min_size : int
        Fewest points of a group.

    Returns
    -------
    labels : ndarray of int32, shape (n,)
        Groups 0, 1, ...
    squares : ndarray of float64, shape (n, groups)
        Squared distances to the means of the groups.
    """
    rest = np.arange(len(points))
    while True:
        labels, squares = partition_by_extent(points[rest], min(k, max(len(rest) // min_size, 1)))
        count = np.bincount(labels)
        if count.min() >= min_size or len(count) == 1:
            break
        rest = rest[(count >= min_size)[labels]]
    if len(rest) == len(points):
        return labels, squares
    means = np.zeros((len(count), points.shape[1]))
    np.add.at(means, labels, points[rest])
    means /= count[:, None]
    squares = _squares(points, (points**2).sum(axis=1), means)
    out = squares.argmin(axis=1).astype(np.int32)
    out[rest] = labels
    return out, squares


def _squares(
    points: NDArray[np.float64], norm: NDArray[np.float64], means: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.maximum(norm[:, None] - 2 * points @ means.T + (means**2).sum(axis=1), 0)


@dataclass(frozen=True)
class Continuity:
    """Whether points form discrete classes or a continuum.

    Attributes
    ----------
    kind : {"discrete", "continuous", "partly continuous"}
        Partly: groups with at least a fifth of the points are continuous.
    certainty : float
        Probability that `kind` is right; 0.5 means undecided.
    probability : float
        Probability that all points together form one continuum.
    gap_dimension : float
        Smallest local dimension over all scales, of the median point. Near 0 at the scale of a gap; 2 to 3 on a
        surface without gaps. Not used for the decision, because gaps can separate the sublattices of a moire and do so in
        small fields.
    largest_dimension : float
        Largest local dimension of the median point over the smallest scales. 8 and more within a class, where noise
        dominates; 3 to 6 in a continuum that varies more than its noise.
    share : float
        Share of the points that belong to a continuum.
    variation : float
        Variance of surroundings within connected components, less that of the noise, as a share of their contrast.
        A few percent at most in a crystal, tens of percent in a moire.
    groups : dict of int to Continuity
        The same for every group, where groups were given.
    """

    kind: str
    certainty: float
    probability: float
    gap_dimension: float
    largest_dimension: float
    share: float
    variation: float = float("nan")
    groups: dict[int, Continuity] = field(default_factory=dict)

    @property
    def is_continuous(self) -> bool:
        """Whether the points as a whole form a continuum."""
        return self.kind == "continuous"


def dimension_profile(X: ArrayLike) -> NDArray[np.float64]:
    r"""Return the local dimension of point sets at growing scales.

    .. math:: D_i(k) = \log(k'/k) / \log(r_{i,k'}/r_{i,k})

    with :math:`r_{i,k}` the distance of point i to its k-th neighbour. This is the slope of the correlation integral
    (Grassberger and Procaccia, Physica D 9 (1983) 189) of one point between two scales.

    Parameters
    ----------
    X : array_like, shape (n, d)
        Points, in units of their noise.

    Returns
    -------
    ndarray, shape (references, scales)
        Up to 512 points spread evenly over the list; numbers of neighbours from 8 to 0.75 n, each about
        twice the last.
    """
    points = np.asarray(X, dtype=np.float64)
    n = len(points)
    points = points - points.mean(axis=0)
    chosen = np.unique(np.linspace(0, n - 1, min(n, CONSTANTS.reference_points)).astype(np.int64))
    furthest = max(CONSTANTS.furthest * n, CONSTANTS.nearest + 1)
    # Smaller steps have more noise, and the smallest of many would be small by chance.
    n_steps = max(int(np.ceil(np.log(furthest / CONSTANTS.nearest) / np.log(CONSTANTS.distance_ratio))), 2)
    numbers = np.unique(np.geomspace(CONSTANTS.nearest, furthest, n_steps + 1).astype(np.int64))
    squares = (points**2).sum(axis=1)
    apart = np.empty((len(chosen), len(numbers)))
    # Blocks of one size, whatever the number of threads: sums in products of matrices depend on it.
    rows = min(max(CONSTANTS.block_distances // n, 1), CONSTANTS.largest_block)
    with one_blas_thread():
        over_rows(_distances, -(-len(chosen) // rows), rows, points, squares, chosen, numbers, apart, least=1)
    logarithm = 0.5 * np.log(np.maximum(apart, 1e-12 * max(squares.max(), 1e-300)))
    rise = np.diff(logarithm, axis=1)
    return np.diff(np.log(numbers)) / np.maximum(rise, 1e-3)


def _distances(
    first: int,
    last: int,
    rows: int,
    points: NDArray[np.float64],
    squares: NDArray[np.float64],
    chosen: NDArray[np.int64],
    numbers: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None:
    """Squared distances of the chosen points to their neighbours of the given numbers, in blocks `first` to `last`."""
    room = np.empty((rows, len(points)))
    for start in range(first * rows, min(last * rows, len(chosen)), rows):
        here = chosen[start : start + rows]
        apart = np.matmul(-2 * points[here], points.T, out=room[: len(here)])
        apart += squares
        apart += squares[here, None]
        # Sorting a row takes a quarter of the time that NumPy needs to find a dozen of its ranks.
        apart.sort(axis=1)
        out[start : start + rows] = np.maximum(apart[:, numbers], 0)


def estimate_continuity(
    X: ArrayLike | Sequence[ArrayLike], groups: ArrayLike | None = None, *, contrast: float | None = None
) -> Continuity:
    """Decide whether points form discrete classes, a continuum, or classes some of which are continuous.

    A continuum fulfils two conditions. First, points vary within connected components by more than noise, static disorder
    and distortions of the scan explain (see `within_component_variance`). Second, they vary along few dimensions, whereas
    noise, or a mixture of many classes with few members each, has many: the number of neighbours of a point within a
    growing distance rises with the power of a dimension that stays low at every scale.

    Parameters
    ----------
    X : array_like, shape (n, d), or a list of such
        Features in units of their noise, such as the first twenty principal axes of whitened moments. A list has one
        array for each radius, the smallest first. The variance is that of the first array, because at a large radius the
        combinations of discrete neighbours vary as well. The dimension must be low in all arrays.
    groups : array_like of int, shape (n,), optional
        Motifs. Each is classified separately as well.
    contrast : float, optional
        Mean square of the features at the smallest radius, their mean included. Default: the mean square after subtraction
        of the mean.

    Returns
    -------
    Continuity

    Raises
    ------
    ValueError
        If `X` is not finite or not two-dimensional, or `groups` does not fit.

    Notes
    -----
    Fewer than 40 points are not enough: they are reported as discrete with a certainty of 0.5.
    """
    arrays = [np.asarray(x, dtype=np.float64) for x in (X if isinstance(X, (list, tuple)) else [X])]
    n = len(arrays[0]) if arrays else 0
    if not arrays or any(x.ndim != 2 or len(x) != n or not np.isfinite(x).all() for x in arrays):
        raise ValueError(
            "Features must be finite, of shape (atoms, features), and of the same atoms at every radius: "
            "leave out atoms that are not valid."
        )
    whole = _classify(arrays, contrast)
    if groups is None:
        return whole
    labels = np.asarray(groups)
    if labels.shape != (n,):
        raise ValueError(f"groups has shape {labels.shape}; expected {(n,)}, one number an atom.")
    each = {int(g): _classify([x[labels == g] for x in arrays], contrast) for g in np.unique(labels)}
    inside = [g for g, c in each.items() if c.is_continuous]
    share = float(np.isin(labels, inside).mean())
    if whole.is_continuous:
        return replace(whole, groups=each)
    if share < CONSTANTS.least_share:
        # If the whole is discrete, no class is a continuum. The certainty is at most the lowest of the large classes.
        large = [
            c.probability
            for g, c in each.items()
            if (labels == g).sum() >= max(FEWEST_OF_A_SHARE, n * CONSTANTS.least_share)
        ]
        least = min([whole.certainty, *(1 - p for p in large)])
        return replace(whole, certainty=least, share=share, groups=each)
    # The whole is discrete and a class is continuous. The certainty is at most that of either.
    certainty = min(whole.certainty, max(each[g].certainty for g in inside))
    return replace(whole, kind="partly continuous", certainty=certainty, share=share, groups=each)


def _classify(arrays: list[NDArray[np.float64]], contrast: float | None) -> Continuity:
    n = len(arrays[0])
    if n < FEWEST_OF_A_SHARE:
        return Continuity("discrete", 0.5, 0.5, np.nan, np.nan, 0.0)
    some = np.unique(np.linspace(0, n - 1, min(n, CONSTANTS.profile_points)).astype(np.int64))
    profiles = [dimension_profile(x[some]) for x in arrays]
    gap = min(float(np.median(profile.min(axis=1))) for profile in profiles)
    # The nearest two steps show the noise if there is nothing else; further steps reach gaps. The median point is used because
    # points at a wall between classes have few dimensions.
    largest = max(
        float(np.median(profile[:, : CONSTANTS.dimension_steps], axis=0).max()) for profile in profiles
    )
    few = CONSTANTS.dimension_loss * (
        min(n, CONSTANTS.many_points) ** -CONSTANTS.dimension_power
        - CONSTANTS.many_points**-CONSTANTS.dimension_power
    )
    points = arrays[0] - arrays[0].mean(axis=0)
    total = float((points**2).sum(axis=1).mean()) if contrast is None else float(contrast)
    variation = within_component_variance(points, total)
    probability = _logistic(
        np.log(max(variation, 1e-9) / CONSTANTS.variance) / CONSTANTS.variance_width
    ) * _logistic((np.log(CONSTANTS.dimension / largest) - few) / CONSTANTS.dimension_width)
    continuous = probability > 0.5
    certainty = probability if continuous else 1.0 - probability
    kind = "continuous" if continuous else "discrete"
    return Continuity(kind, certainty, probability, gap, largest, float(continuous), variation)


def _logistic(x: float) -> float:
    return float(1.0 / (1.0 + np.exp(-np.clip(x, -50, 50))))
