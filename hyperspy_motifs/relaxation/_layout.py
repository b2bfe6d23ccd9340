"""The force-relaxed layout, and the comparison of two layouts."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from hyperspy_motifs.threads import one_blas_thread

from ._forces import STAGES, Stage, relax_layout
from ._nearest_neighbours import fuzzy_weights, nearest_in, nearest_neighbours

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
    def fit(self, X: ArrayLike, y: Any = None) -> ForceRelaxedLayout:
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

    def fit_transform(self, X: ArrayLike, y: Any = None) -> NDArray[np.float32]:
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
