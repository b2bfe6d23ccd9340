"""The force-relaxed layout, on the graph of nearest neighbours in feature space, and the comparison of two layouts."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from hyperspy_motifs.threads import OUTER, one_blas_thread, over_rows

from ._forces import _BLOCK, STAGES, Stage, relax_layout
from ._forest import forest_neighbours

# Points from which on an approximate search takes two thirds of the time of all distances, or less, in 12 to 30 dimensions.
_BRUTE_FORCE_UP_TO = 12_000
_SPARE = 8  # candidates beyond k: rounding of matrix products depends on the machine
_RANKS = 500_000  # block size: two megabytes, which fit into caches
_HALVINGS = 24  # of the interval that holds the width of a neighbourhood


def nearest_neighbours(
    X: ArrayLike, k: int, *, metric: str = "euclidean", method: str = "auto", random_state: int = 0
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the `k` nearest other points of every point.

    Parameters
    ----------
    X : array_like, shape (n, d)
        Points.
    k : int
        Number of neighbours; at most n - 1.
    metric : str, default "euclidean"
        "euclidean", "correlation" and "cosine" are fast; other metrics of scikit-learn work up to moderate n.
        Correlation ignores the amplitude of a patch, hence its Z-contrast.
    method : {"auto", "exact", "forest"}
        "exact" is brute force by matrix products; "forest" finds candidates in a few trees of random splits
        and improves them by neighbours of neighbours: its time increases as n log n. "auto" is exact up to
        12,000 points.
    random_state : int
        Random state of the forest.

    Returns
    -------
    indices : ndarray of int32, shape (n, k)
        Nearest first, without the point itself.
    distances : ndarray of float32, shape (n, k)

    Raises
    ------
    ValueError
        If `k` is not between 1 and n - 1, or a name is unknown.

    Notes
    -----
    Brute force ranks by ``|b|^2 - 2 a.b`` in single precision, keeps eight additional candidates and computes their
    distances again, so that rounding does not determine the result. It takes a quarter of the time of scikit-learn's.
    """
    points = np.asarray(X, dtype=np.float32)
    n = len(points)
    if not 1 <= k < n:
        raise ValueError(f"k={k} neighbours of {n} points: k must lie between 1 and {n - 1}.")
    if not np.isfinite(points).all():
        raise ValueError("Points hold NaN or infinite values: remove these points first.")
    if method not in ("auto", "exact", "forest"):
        raise ValueError(f"method={method!r} is unknown; use 'auto', 'exact' or 'forest'.")
    if metric in ("correlation", "cosine"):
        if metric == "correlation":
            points = points - points.mean(axis=1, keepdims=True)
        norm = np.linalg.norm(points, axis=1, keepdims=True)
        points = (points / np.where(norm > 0, norm, 1)).astype(np.float32)
    elif metric != "euclidean":
        # Loaded here, because it takes as long as a first analysis of a small image.
        from sklearn.neighbors import NearestNeighbors

        search = NearestNeighbors(n_neighbors=k, metric=metric).fit(points)
        distances, indices = search.kneighbors()
        return indices.astype(np.int32), distances.astype(np.float32)
    else:
        points = points - points.mean(axis=0)
    points = np.ascontiguousarray(points)
    if method == "forest" or (method == "auto" and n > _BRUTE_FORCE_UP_TO):
        indices, squares = forest_neighbours(points, k, random_state)
    else:
        indices, squares = _brute_force(points, points, k, True)
    if metric == "euclidean":
        return indices, np.sqrt(squares)
    return indices, (squares / 2).astype(np.float32)


def nearest_in(
    queries: NDArray[np.float32], points: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the `k` nearest `points` (n, d) of every query (q, d): indices (q, k), distances (q, k).

    Parameters
    ----------
    queries : (q, d) float32 array
    points : (n, d) float32 array
    k : int

    Returns
    -------
    indices : (q, k) int32 array
    distances : (q, k) float32 array
    """
    centre = points.mean(axis=0)
    indices, squares = _brute_force(
        np.ascontiguousarray(queries - centre), np.ascontiguousarray(points - centre), k, False
    )
    return indices, np.sqrt(squares)


def _brute_force(
    queries: NDArray[np.float32], points: NDArray[np.float32], k: int, same: bool
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Indices and squared distances (q, k), sorted by distance and then by index."""
    n, q = len(points), len(queries)
    # One product gives the whole rank: (-2 a, 1) . (b, |b|^2).
    extended = np.ascontiguousarray(np.column_stack([points, np.einsum("ij,ij->i", points, points)]).T)
    extended_queries = np.column_stack([-2 * queries, np.ones(q, dtype=np.float32)])
    rows = min(max(_RANKS // n, 1), _BLOCK)
    candidates = np.empty((q, min(k + _SPARE, n - 1 if same else n)), dtype=np.int32)
    indices, squares = np.empty((q, k), dtype=np.int32), np.empty((q, k), dtype=np.float32)

    def search(first: int, last: int) -> None:
        """Search for the neighbours of the queries in blocks `first` to `last`: the ranks of a block stay in the cache."""
        room = np.empty((rows, n), dtype=np.float32)
        for start in range(first * rows, min(last * rows, q), rows):
            block = slice(start, start + rows)
            rank = np.matmul(extended_queries[block], extended, out=room[: len(queries[block])])
            _least(rank, start if same else -1, candidates[block])
            near = np.sort(candidates[block], axis=1)
            steps = points[near].astype(np.float64) - queries[block, None]
            square = np.einsum("ijk,ijk->ij", steps, steps)
            order = np.argsort(square, axis=1, kind="stable")[:, :k]
            indices[block] = np.take_along_axis(near, order, axis=1)
            squares[block] = np.take_along_axis(square, order, axis=1)

    with one_blas_thread():
        over_rows(search, -(-q // rows), least=1)
    return indices, squares


@numba.njit(cache=True, **OUTER)
def _least(ranks: NDArray[np.float32], first: int, where: NDArray[np.int32]) -> None:
    """Fill `where` with the indices of the smallest ranks of each row, without ``first + row`` unless `first` is -1."""
    last = where.shape[1] - 1
    best = np.empty(last + 1, dtype=np.float32)
    for row in range(len(ranks)):
        best[:] = np.inf
        itself = first + row if first >= 0 else -1
        # Few ranks are among the best: blocks are tested at once, which compiles to vector instructions.
        for start in range(0, len(ranks[row]), _BLOCK):
            part, bound, promising = ranks[row, start : start + _BLOCK], best[last], 0
            for c in range(len(part)):
                promising += part[c] < bound
            if promising == 0:
                continue
            for c in range(len(part)):
                if part[c] < best[last] and start + c != itself:
                    slot = last
                    while slot > 0 and best[slot - 1] > part[c]:
                        best[slot], where[row, slot] = best[slot - 1], where[row, slot - 1]
                        slot -= 1
                    best[slot], where[row, slot] = part[c], start + c


def neighbour_graph(
    X: ArrayLike, k: int = 12, *, metric: str = "euclidean", method: str = "auto", random_state: int = 0
) -> csr_array:
    """Return the fuzzy-weighted symmetric neighbour graph of the points `X` (n, d).

    Parameters are those of `nearest_neighbours`; the weights are those of `fuzzy_weights`.

    Parameters
    ----------
    X : (n, d) array_like
        Points.
    k : int
        Neighbours of each point.
    metric, method, random_state
        See `nearest_neighbours`.

    Returns
    -------
    csr_array, shape (n, n)
        Symmetric, weights in (0, 1], empty diagonal, sorted indices.
    """
    indices, distances = nearest_neighbours(X, k, metric=metric, method=method, random_state=random_state)
    return fuzzy_weights(indices, distances)


def fuzzy_weights(indices: NDArray[np.int32], distances: NDArray[np.float32]) -> csr_array:
    r"""Return the fuzzy union of the neighbourhoods.

    .. math:: p_{ij} = \exp(-(d_{ij} - \rho_i)/\sigma_i), \quad w_{ij} = p_{ij} + p_{ji} - p_{ij} p_{ji}

    with :math:`\rho_i` the distance to the first neighbour and :math:`\sigma_i` such that
    :math:`\sum_j p_{ij} = \log_2 k` (McInnes, Healy and Melville, UMAP, 2018).

    Parameters
    ----------
    indices, distances : ndarray, shape (n, k)
        Neighbours of each point, nearest first, without the point itself.

    Returns
    -------
    csr_array, shape (n, n)

    Raises
    ------
    ValueError
        If an index is out of range.
    """
    n = len(indices)
    if indices.size and not (0 <= indices.min() and indices.max() < n):
        raise ValueError(
            f"Neighbour indices run from {indices.min()} to {indices.max()}; expected 0 to {n - 1}, as there are {n} points."
        )
    rows = np.repeat(np.arange(n, dtype=np.int32), indices.shape[1])
    memberships = _memberships(np.asarray(distances, dtype=np.float32)).ravel()
    one = csr_array((memberships, (rows, np.asarray(indices, dtype=np.int32).ravel())), shape=(n, n))
    other = one.T.tocsr()
    graph = csr_array(one + other - one * other)
    graph.sort_indices()
    return graph


def _memberships(distances: NDArray[np.float32]) -> NDArray[np.float32]:
    """p of `fuzzy_weights`, shape (n, k); the widths sigma by bisection."""
    target = max(np.log2(distances.shape[1]), 0.5)
    beyond = (distances - distances[:, :1]).astype(np.float32)
    mean = distances.mean(axis=1, dtype=np.float64)
    # Coincident points have no scale: a thousandth of the mean distance keeps the weights finite.
    low = np.maximum(1e-3 * mean, 1e-12)
    # At this width the membership of the farthest neighbour alone, k times, makes the sum.
    high = np.maximum(low, beyond.max(axis=1) / np.log(distances.shape[1] / target))
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        above = np.exp(-beyond / middle[:, None].astype(np.float32)).sum(axis=1) > target
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    sigma = (0.5 * (low + high))[:, None].astype(np.float32)
    return np.maximum(np.exp(-beyond / sigma), np.float32(1e-8))


# Half the width of the first layout: that of umap-learn.
_START_SPREAD = 10.0


class ForceRelaxedLayout(TransformerMixin, BaseEstimator):
    r"""Relax points into a plane: first repulsion dominates, then attraction.

    Neighbours in the graph attract, other sampled points repel. Stage 1 unfolds the layout; stage 2 contracts each
    group and separates the groups. See `Stage` for the forces.

    Parameters
    ----------
    n_neighbors : int, default 12
        Neighbours of each point in the graph; fewer if there are fewer points.
    metric : str, default "euclidean"
        See `nearest_neighbours`.
    n_components : int, default 2
        Dimensions of the layout.
    stages : sequence of Stage, optional
        Default: the published pair, `STAGES`.
    n_negatives : int, default 8
        Points sampled for the repulsion per point and step.
    clip : float, default 4.0
        Bound of a single force.
    init : {"pca", "random"} or array_like of shape (n, n_components)
        Start of the relaxation.
    history : int, default 0
        Interval of steps between layouts stored in `history_`; 0 stores none.
    random_state : int, RandomState or None, default 0
        Same data and same integer: bit-identical layout, for any number of threads.
    progress : callable, optional
        Called with the fraction done, 0 to 1.

    Attributes
    ----------
    embedding_ : ndarray, shape (n, n_components)
    start_ : ndarray, the layout at the start
    stage_embeddings_ : list of ndarray, the layout after each stage
    energies_ : list of ndarray, see `Relaxation`
    history_ : ndarray, shape (frames, n, n_components), or None
    graph_ : csr_array, shape (n, n)

    Notes
    -----
    Method: Dan et al., Science Advances 8, eabk1005 (2022). Differences: Euclidean metric by default
    (correlation ignores amplitudes), simultaneous instead of sequential updates, random numbers that depend
    on (seed, step, point) only.

    Examples
    --------
    >>> import numpy as np
    >>> from hyperspy_motifs.relaxation import ForceRelaxedLayout
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(0, 1, (60, 5)), rng.normal(8, 1, (40, 5))])
    >>> ForceRelaxedLayout().fit_transform(X).shape
    (100, 2)
    """

    def __init__(
        self,
        n_neighbors: int = 12,
        *,
        metric: str = "euclidean",
        n_components: int = 2,
        stages: Sequence[Stage] | None = None,
        n_negatives: int = 8,
        clip: float = 4.0,
        init: str | ArrayLike = "pca",
        history: int = 0,
        random_state: int | np.random.RandomState | None = 0,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.n_components = n_components
        self.stages = stages
        self.n_negatives = n_negatives
        self.clip = clip
        self.init = init
        self.history = history
        self.random_state = random_state
        self.progress = progress

    # Sums of BLAS depend on the number of threads, so one thread is used.
    @one_blas_thread()
    def fit(self, X: ArrayLike, y: object = None) -> ForceRelaxedLayout:
        """Relax the points `X` (n, d); needs at least two.

        Raises
        ------
        ValueError
            If there are fewer than two points, or a value is not finite.
        """
        checked = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        points = checked.astype(np.float32)
        seed = self._seed()
        k = min(int(self.n_neighbors), len(points) - 1)
        indices, distances = nearest_neighbours(points, k, metric=self.metric, random_state=seed)
        self.graph_ = fuzzy_weights(indices, distances)
        self.start_ = self._start(points, seed)
        relaxation = relax_layout(
            self.graph_,
            self.start_,
            tuple(Stage(*stage) for stage in (self.stages or STAGES)),
            n_negatives=self.n_negatives,
            clip=self.clip,
            random_state=seed,
            keep=self.history,
            progress=self.progress,
        )
        self.embedding_ = relaxation.layout.astype(checked.dtype)
        self.stage_embeddings_ = relaxation.stage_layouts
        self.energies_ = relaxation.energies
        self.history_ = relaxation.history
        self._points = points
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Place points `X` (q, d) in the relaxed layout.

        A new point is placed at the mean of its nearest fitted points, weighted like edges; a fitted point keeps its
        position.

        Returns
        -------
        ndarray, shape (q, n_components)
        """
        check_is_fitted(self)
        checked = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        points = checked.astype(np.float32)
        k = min(int(self.n_neighbors), len(self._points))
        indices, distances = nearest_in(points, self._points, k)
        nearest = distances[:, :1]
        spread = np.maximum(distances.mean(axis=1, keepdims=True) - nearest, np.finfo(np.float32).tiny)
        weights = np.exp(-(distances - nearest) / spread)
        known = distances == 0
        weights = np.where(known.any(axis=1, keepdims=True), known, weights)
        weights /= weights.sum(axis=1, keepdims=True)
        return np.einsum("qk,qkd->qd", weights, self.embedding_[indices]).astype(checked.dtype)

    def fit_transform(self, X: ArrayLike, y: object = None) -> NDArray[np.float32]:
        """Relax the points `X` (n, d) and return their layout (n, n_components)."""
        return self.fit(X).embedding_

    def _seed(self) -> int:
        if isinstance(self.random_state, int | np.integer):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _start(self, points: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
        n, d = len(points), int(self.n_components)
        if not isinstance(self.init, str):
            start = np.asarray(self.init, dtype=np.float32)
            if start.shape != (n, d):
                raise ValueError(f"init has shape {start.shape}; it must be {(n, d)}, one row per point.")
            return start
        if self.init not in ("pca", "random"):
            raise ValueError(
                f"init={self.init!r} is unknown; use 'pca', 'random' or an array of shape (n, {d})."
            )
        generator = np.random.default_rng(seed)
        start = generator.uniform(-1, 1, (n, d)).astype(np.float32)
        if self.init == "pca":
            start *= 1e-3  # equal points would never separate
            principal = _principal_components(points, d)
            start[:, : principal.shape[1]] += principal
        return start * np.float32(_START_SPREAD)


def _principal_components(points: NDArray[np.float32], d: int) -> NDArray[np.float64]:
    """First d principal components (n, min(d, features)), scaled to a largest absolute value of one.

    Computed from the covariance matrix in double precision; the largest loading determines the sign, independent of
    LAPACK.
    """
    centred = points.astype(np.float64) - points.mean(axis=0, dtype=np.float64)
    covariance = centred.T @ centred
    _, vectors = np.linalg.eigh(covariance)
    vectors = vectors[:, ::-1][:, : min(d, points.shape[1])]
    largest = np.abs(vectors).argmax(axis=0)
    vectors = vectors * np.sign(vectors[largest, np.arange(vectors.shape[1])])
    components = centred @ vectors
    reach = np.abs(components).max()
    return components / reach if reach > 0 else components


def layouts_to_compare(
    features: ArrayLike, *, random_state: int = 0, umap: bool | None = None
) -> dict[str, NDArray[np.floating]]:
    """Compute layouts of the same features by principal components, after each stage of the relaxation, and by UMAP.

    Parameters
    ----------
    features : array_like of shape (n, d)
        In units of their noise.
    random_state : int
    umap : bool, optional
        Whether to include UMAP; by default if umap-learn is installed.

    Returns
    -------
    dict of str to ndarray of shape (n, 2)
        Titles and layouts, in the order of the method.

    Raises
    ------
    ImportError
        If UMAP is requested but not installed.
    """
    relaxed = ForceRelaxedLayout(random_state=random_state).fit(features)
    first, *others = relaxed.stage_embeddings_
    found = {"principal components": relaxed.start_, "repulsion-dominated": first}
    if others:
        found["attraction-dominated"] = others[-1]
    if umap is None:
        umap = importlib.util.find_spec("umap") is not None
    if umap:
        try:
            from umap import UMAP
        except ImportError as error:
            raise ImportError("UMAP needs the package umap-learn: pip install umap-learn.") from error
        found["UMAP"] = UMAP(random_state=random_state, n_jobs=1).fit_transform(np.asarray(features))
    return found
