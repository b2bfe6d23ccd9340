"""Discrete classes, or a continuum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hyperspy_motifs.threads import one_blas_thread, over_rows

from ._pieces import within_component_variance

_REFERENCES = 512
_BLOCK = 64
_AT_A_TIME = 250_000  # distances: two megabytes, which caches hold
_FEWEST = 40
# Part of the points from which on a class, or all that are continuous, speaks for the whole.
_LARGE = 0.2
_RATIO = 2.0
_NEAREST = 8
_FURTHEST = 0.75
# Odds of a continuum by how much surroundings vary within pieces (as a share of their contrast) and by the largest dimension.
# Set on 18 families of simulated images, seeds 0 to 17 of benchmarks/bench_continuity.py, and perovskites of seeds 20 to 49:
# bilayers vary by 0.053 and more (one of 130 by 0.033), with dimensions up to 6.4; of crystals, none that varies by more than
# 0.033 has a dimension below 8.6. Widths are of the logarithms: half of the way to what lies next.
_VARIES, _BALL = 0.041, 7.4
_VARIES_WIDTH, _BALL_WIDTH = 0.17, 0.06
_STEPS = 2
# The more points, the smaller the scale of the nearest, down to that of the noise: so many are enough, as in those images.
_ENOUGH = 3000
# The dimension that few points can show is limited (Eckmann and Ruelle, Physica D 56 (1992) 185): the largest one of a cloud
# of noise falls with their number n as exp(-7 / n^(3/4)); simulated in 12 to 20 dimensions, 45 to 600 points.
_LIMITED, _POWER, _MANY = 7.0, 0.75, 600


@dataclass(frozen=True)
class Continuity:
    """Whether points form discrete classes or a continuum.

    Attributes
    ----------
    kind : {"discrete", "continuous", "partly continuous"}
        Partly: groups with a fifth of the points are continuous inside.
    certainty : float
        0 to 1 that `kind` is right; 0.5 is a guess.
    probability : float
        0 to 1 that all points together form one continuum: the certainty before a verdict is made of it.
    gap_dimension : float
        Smallest local dimension over all scales, of the median point. Near 0 at the scale of a gap; 2 to 3 on a
        surface without gaps. Told, not judged: the sublattices of a moire can be parted by gaps, and small fields are.
    largest_dimension : float
        Largest local dimension of the median point over the smallest scales. That of the noise's directions, 8 and
        more, inside a class; 3 to 6 in a continuum that is thicker than its noise.
    share : float
        Part of the points that belong to a continuum.
    variation : float
        How much surroundings vary within the pieces that they fall into, noise taken off, as a share of their contrast.
        A few percent at most in a crystal, tens of percent over a moire.
    groups : dict of int to Continuity
        The same of every group, where groups were given.
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

    with :math:`r_{i,k}` the distance of point i to its k-th neighbour: the slope of the correlation integral
    (Grassberger and Procaccia, Physica D 9 (1983) 189), of one point and between two scales.

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
    chosen = np.unique(np.linspace(0, n - 1, min(n, _REFERENCES)).astype(np.int64))
    furthest = max(_FURTHEST * n, _NEAREST + 1)
    # Smaller steps have more noise, and the smallest of many would be small by chance.
    n_steps = max(int(np.ceil(np.log(furthest / _NEAREST) / np.log(_RATIO))), 2)
    numbers = np.unique(np.geomspace(_NEAREST, furthest, n_steps + 1).astype(np.int64))
    squares = (points**2).sum(axis=1)
    apart = np.empty((len(chosen), len(numbers)))
    # Blocks of one size, whatever the number of threads: sums in products of matrices depend on it.
    rows = min(max(_AT_A_TIME // n, 1), _BLOCK)
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
        # To sort a row takes a quarter of the time that NumPy needs to find a dozen of its ranks.
        apart.sort(axis=1)
        out[start : start + rows] = np.maximum(apart[:, numbers], 0)


def estimate_continuity(
    X: ArrayLike | Sequence[ArrayLike], groups: ArrayLike | None = None, *, contrast: float | None = None
) -> Continuity:
    """Decide whether points form discrete classes, a continuum, or classes some of which are continuous inside.

    A continuum fulfils both of two conditions. Within the pieces that the points fall into they vary much more than sites of
    a crystal do within a class: by more than noise, static disorder and distortions of the scan explain (see
    `within_component_variance`). And they vary along few dimensions, where noise, or a mixture of many classes with few
    members each, has many: seen from one point, the number of neighbours within a growing distance rises with the power of
    a dimension that stays low at every scale.

    Parameters
    ----------
    X : array_like, shape (n, d), or a list of such
        Features in units of their noise, such as the first twenty principal axes of whitened moments. Of several,
        one for each lens and the smallest first, that one tells the variation: through a large lens the combinations of
        discrete neighbours vary as well. The dimension must be low through all of them.
    groups : array_like of int, shape (n,), optional
        Motifs: each is judged by itself as well.
    contrast : float, optional
        Mean square of the features of the smallest lens before their mean was taken off. Default: that about the mean, as
        though nothing were common to all points.

    Returns
    -------
    Continuity

    Raises
    ------
    ValueError
        If `X` is not finite or not two-dimensional, or `groups` does not fit.

    Notes
    -----
    Fewer than 40 points decide nothing: they are called discrete with a certainty of 0.5.
    """
    lenses = [np.asarray(x, dtype=np.float64) for x in (X if isinstance(X, (list, tuple)) else [X])]
    n = len(lenses[0]) if lenses else 0
    if not lenses or any(x.ndim != 2 or len(x) != n or not np.isfinite(x).all() for x in lenses):
        raise ValueError(
            "Features must be finite, of shape (atoms, features), and of the same atoms through every lens: "
            "leave out atoms that are not valid."
        )
    whole = _judge(lenses, contrast)
    if groups is None:
        return whole
    labels = np.asarray(groups)
    if labels.shape != (n,):
        raise ValueError(f"groups has shape {labels.shape}; expected {(n,)}, one number an atom.")
    each = {int(g): _judge([x[labels == g] for x in lenses], contrast) for g in np.unique(labels)}
    inside = [g for g, c in each.items() if c.is_continuous]
    share = float(np.isin(labels, inside).mean())
    if whole.is_continuous:
        return replace(whole, groups=each)
    if share < _LARGE:
        # That all is discrete says of every class that it is no continuum: the verdict is no surer than the least sure of the
        # large ones.
        large = [c.probability for g, c in each.items() if (labels == g).sum() >= max(_FEWEST, n * _LARGE)]
        least = min([whole.certainty, *(1 - p for p in large)])
        return replace(whole, certainty=least, share=share, groups=each)
    # Not all is a continuum, but some is: no surer than either.
    certainty = min(whole.certainty, max(each[g].certainty for g in inside))
    return replace(whole, kind="partly continuous", certainty=certainty, share=share, groups=each)


def _judge(lenses: list[NDArray[np.float64]], contrast: float | None) -> Continuity:
    n = len(lenses[0])
    if n < _FEWEST:
        return Continuity("discrete", 0.5, 0.5, np.nan, np.nan, 0.0)
    some = np.unique(np.linspace(0, n - 1, min(n, _ENOUGH)).astype(np.int64))
    profiles = [dimension_profile(x[some]) for x in lenses]
    gap = min(float(np.median(profile.min(axis=1))) for profile in profiles)
    # Over the nearest two steps, where noise shows if there is no more than noise, and seen from the median point: those at a
    # wall between classes see few dimensions, and further steps see gaps.
    largest = max(float(np.median(profile[:, :_STEPS], axis=0).max()) for profile in profiles)
    few = _LIMITED * (min(n, _MANY) ** -_POWER - _MANY**-_POWER)
    points = lenses[0] - lenses[0].mean(axis=0)
    total = float((points**2).sum(axis=1).mean()) if contrast is None else float(contrast)
    variation = within_component_variance(points, total)
    probability = _logistic(np.log(max(variation, 1e-9) / _VARIES) / _VARIES_WIDTH) * _logistic(
        (np.log(_BALL / largest) - few) / _BALL_WIDTH
    )
    continuous = probability > 0.5
    certainty = probability if continuous else 1.0 - probability
    kind = "continuous" if continuous else "discrete"
    return Continuity(kind, certainty, probability, gap, largest, float(continuous), variation)


def _logistic(x: float) -> float:
    return float(1.0 / (1.0 + np.exp(-np.clip(x, -50, 50))))
