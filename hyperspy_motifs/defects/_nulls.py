"""Null distributions with heavy tails from the image itself, and p-values of residuals under them."""

from __future__ import annotations

import numpy as np
from scipy import optimize, special, stats

from hyperspy_motifs.common import SMALLEST_SAMPLE

from ._counterparts import Counterparts

# Degrees of freedom of Student's t between which the tails are estimated; the largest is close to a normal distribution.
_DEGREES = (1.0, 200.0)
# Standard deviation of the logarithm of the degrees of freedom in their prior.
_PRIOR_WIDTH = 0.7
# Where the tails of two nulls are compared.
_TAIL = 1e-4
# Ratios of the intensity of a defect to that of its counterparts, minus 1: from a column that is missing to one four times as
# bright, beyond which all are alike. Their step is less than the scatter of a column at which one is found. Half of it changes
# 2 % of the entries of a list, twice of it 4 %; half or twice the largest ratio none (benchmarks/bench_defect_numbers.py).
_STEP, _FAR = 0.05, 3.0
# Steps of the expectation maximisation; atoms of which the null distribution of the statistic is computed, and residuals of
# either sign at which it is. Half or twice of either changes no list (the same script).
_ITERATIONS, _SAMPLED = 30, SMALLEST_SAMPLE
# Relative scatter and intensities below this are rounding errors.
LEAST = 1e-9
# Smaller densities and probabilities, as in images without noise, are not distinguished: they are divisors, or have logarithms.
_SMALLEST = 1e-300


def fit_null(
    squares: np.ndarray,
    n_components: int,
    central: float = 1.0,
    prior_degrees: float = 50.0,
    found: np.ndarray | None = None,
) -> tuple[float, float]:
    """Fit the null distribution of squared standardised residuals.

    The residuals are a scaled multivariate Student t: the sum of their squares over the number of components follows
    scale times an F distribution. Only the `central` fraction of the smallest is used, as an outcome of the
    truncated distribution, so that defects in the tail do not widen the null that they are tested against. This is the
    truncated maximum likelihood of Efron [1]_ for a distribution with tails. The centre says little about the tails: a
    prior on the degrees of freedom decides where it says nothing.

    Parameters
    ----------
    squares : ndarray of shape (n,)
        Sum of the squares of `n_components` standardised residuals.
    n_components : int
    central, prior_degrees : float, optional
        Fraction of the smallest that is used, and prior of the degrees of freedom.
    found : ndarray of bool, shape (n,), optional
        Known defects: nothing beyond the largest of the others is used either.

    Returns
    -------
    scale : float
        Variance of a residual.
    degrees : float
        Degrees of freedom of the t distribution.

    References
    ----------
    .. [1] B. Efron, "Large-scale simultaneous hypothesis testing: the choice of a null hypothesis", J. Am. Stat. Assoc. 99,
       96 (2004).
    """
    mean = squares / n_components
    known = np.isfinite(mean)
    others = mean[known if found is None else known & ~found]
    mean = np.sort(mean[known])
    if len(others) < 2 or not np.median(mean) > 0:
        return 1.0, _DEGREES[1]
    limit = min(float(np.quantile(mean, central)), float(others.max()))
    used = mean[(mean <= limit) & (mean > 0)]
    half = n_components / 2
    start = float(np.median(mean)) / float(stats.f.median(n_components, _DEGREES[1]))

    def cost(p: np.ndarray) -> float:
        # The logarithm of the density of F, without its terms that depend on nothing fitted: scipy's is five times slower.
        scale, degrees = np.exp(p)
        share = n_components / degrees / scale
        likelihood = len(used) * (half * np.log(share) - special.betaln(half, degrees / 2))
        likelihood -= (half + degrees / 2) * np.log1p(share * used).sum()
        if limit < mean[-1]:
            likelihood -= len(used) * np.log(special.fdtr(n_components, degrees, limit / scale))
        return float(0.5 * ((p[1] - np.log(prior_degrees)) / _PRIOR_WIDTH) ** 2 - likelihood)

    bounds = [(np.log(start) - 2, np.log(start) + 2), tuple(np.log(_DEGREES))]
    first = np.log([start, prior_degrees])
    best = optimize.minimize(
        cost, first, bounds=bounds, method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-3}
    )
    return float(np.exp(best.x[0])), float(np.exp(best.x[1]))


def null_p_values(
    residuals: np.ndarray,
    reference: np.ndarray | None = None,
    heaviness: np.ndarray | float = 0.0,
    central: float = 1.0,
    prior_degrees: float = 50.0,
    found: np.ndarray | None = None,
) -> np.ndarray:
    """p-values of standardised residuals under the null that they show.

    Parameters
    ----------
    residuals : ndarray of shape (n, c)
        Uncorrelated and of equal scatter.
    reference : ndarray of bool, shape (n,), optional
        Those from which the null is estimated; all by default.
    heaviness : ndarray of shape (n,), optional
        Added to 1 / degrees of freedom of single residuals, such as those whose scatter is known from few others.
    central, prior_degrees, found
        See :func:`fit_null`.

    Returns
    -------
    ndarray of shape (n,)
        Of the sum of the squares of the c components; NaN where a residual is NaN. The null of a single component is
        symmetric, and is estimated from the side with the lighter tail: defects of one sign, such as vacancies, may be more
        than a few percent of all atoms.
    """
    squares, scale, degrees = _shown_null(residuals, reference, central, prior_degrees, found)
    n_components = residuals.shape[1]
    return np.asarray(stats.f.sf(squares / n_components / scale, n_components, 1 / (1 / degrees + heaviness)))


def _shown_null(
    residuals: np.ndarray,
    reference: np.ndarray | None,
    central: float,
    prior_degrees: float,
    found: np.ndarray | None,
) -> tuple[np.ndarray, float, float]:
    """Sum of the squares of the residuals (n, c), and the scale and degrees of freedom of their null."""
    n_components = residuals.shape[1]
    squares = (residuals**2).sum(axis=1)
    used = np.ones(len(residuals), bool) if reference is None else reference
    found = np.zeros(len(residuals), bool) if found is None else found
    sides = [used] if n_components > 1 else [used & (residuals[:, 0] * sign >= 0) for sign in (1, -1)]
    nulls = [fit_null(squares[s], n_components, central, prior_degrees, found[s]) for s in sides if s.any()]
    scale, degrees = min(
        nulls,
        key=lambda null: stats.f.isf(_TAIL, n_components, null[1]) * null[0],
        default=(1.0, _DEGREES[1]),
    )
    return squares, scale, degrees


def ratio_p_values(
    residuals: np.ndarray,
    scatter: np.ndarray,
    counterparts: Counterparts,
    reference: np.ndarray,
    heaviness: np.ndarray,
    central: float = 1.0,
    prior_degrees: float = 50.0,
    found: np.ndarray | None = None,
) -> np.ndarray:
    """p-values of intensities by the odds of a defect, whose intensities and frequency the image shows.

    The statistic is the density of the ratio of an atom's intensity to that of its counterparts, with an unknown distribution
    of true ratios, over that without a defect, times the odds of a defect. The distribution of true ratios is that of maximum
    likelihood for all atoms [1]_ and one further defect, of which all ratios are equally likely. The frequency of defects is
    the mean of that among the counterparts and that among all atoms; few counterparts have less weight. So defects that occur
    often, such as vacancies, are found where a single one would not be.

    The p-value is the share of all atoms that have a larger statistic by chance, under the null of :func:`null_p_values`. It
    is valid whatever distribution was estimated, and permits the false discoveries where they cost least: most of those at a
    given rate are of atoms that scatter much or have many defects near [2]_.

    Parameters
    ----------
    residuals : ndarray of shape (n,)
        Ratio minus 1 in units of its scatter; NaN where it is not known.
    scatter : ndarray of shape (n,)
        Of the ratios.
    counterparts : Counterparts
        Of all atoms.
    reference, heaviness, central, prior_degrees, found
        See :func:`null_p_values`.

    Returns
    -------
    ndarray of shape (n,)
        NaN where a residual is NaN.

    References
    ----------
    .. [1] W. Jiang and C.-H. Zhang, "General maximum likelihood empirical Bayes estimation of normal means", Ann. Stat. 37,
       1647 (2009).
    .. [2] T. T. Cai and W. Sun, "Simultaneous testing of grouped hypotheses", J. Am. Stat. Assoc. 104, 1467 (2009).
    """
    out = np.full(len(residuals), np.nan)
    known = np.isfinite(residuals)
    if not known.any():
        return out
    _, scale, degrees = _shown_null(residuals[:, None], reference, central, prior_degrees, found)
    z, width = residuals[known] / np.sqrt(scale), np.maximum(scatter[known] * np.sqrt(scale), LEAST)
    freedom = 1 / (1 / degrees + np.broadcast_to(heaviness, known.shape)[known])
    effects = np.arange(-1, _FAR + _STEP / 2, _STEP)
    effects = effects[np.abs(effects) > _STEP / 2]
    null, defect = _densities(z, width, freedom, effects)
    n, spread = len(z), np.full(len(effects), 1 / len(effects))
    frequency = spread / 2
    for _ in range(_ITERATIONS):
        share = defect * frequency
        share /= ((1 - frequency.sum()) * null + share.sum(axis=1))[:, None]
        frequency = (share.sum(axis=0) + spread) / (n + 1)
    ratios = frequency / frequency.sum()
    odd = np.full(len(residuals), frequency.sum())
    odd[known] = share.sum(axis=1)
    worth = np.minimum(counterparts.count / counterparts.index.shape[1], 1.0)
    chance = (worth * odd[counterparts.index].mean(axis=1) + frequency.sum()) / (worth + 1)
    odds = (chance / (1 - chance))[known]
    # The null distribution of the statistic over all atoms, from some of them in the order of what it depends on.
    some = np.argsort(odds * width, kind="stable")[np.linspace(0, n - 1, min(n, _SAMPLED)).astype(int)]
    ends = np.sinh(np.linspace(0, 1, _SAMPLED + 1) * np.arcsinh(_FAR / width[some])[:, None])
    middles, masses = 0.5 * (ends[:, 1:] + ends[:, :-1]), -np.diff(special.stdtr(freedom[some, None], -ends))
    value, mass = [], np.repeat(masses, 2, axis=1).ravel() / len(some)
    for k, middle in zip(
        some.tolist(), np.stack([middles, -middles], axis=2).reshape(len(some), -1), strict=True
    ):
        of_null, of_defect = _densities(middle, width[k], freedom[k], effects)
        value.append(odds[k] * (of_defect @ ratios) / of_null)
    order = np.argsort(np.ravel(value), kind="stable")
    above = np.cumsum(mass[order][::-1])[::-1]
    statistic = odds * (defect @ ratios) / null
    chances = np.log(np.maximum(above, _SMALLEST))
    out[known] = np.exp(np.interp(np.log(statistic), np.log(np.ravel(value)[order]), chances))
    return out


def _densities(
    z: np.ndarray, width: np.ndarray | float, freedom: np.ndarray | float, effects: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Densities of residuals z (n,), in units of their width, without a defect (n,) and with each of k effects (n, k)."""
    null = np.maximum(np.exp(stats.t.logpdf(z, freedom)) / width, _SMALLEST)
    spread = np.broadcast_to(np.hypot(width, _STEP / 2), z.shape)[:, None]
    off = np.clip(z * width, -1, _FAR)[:, None] - effects
    return null, np.exp(-0.5 * (off / spread) ** 2) / (np.sqrt(2 * np.pi) * spread)


def combine_p_values(p_values: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Combine the p-values of several tests of one atom into one each, by the Cauchy combination [1]_.

    It is valid in the tail under any dependence of the tests.

    Parameters
    ----------
    p_values : ndarray, shape (n, tests)
        NaN are left out, and 1, of a residual of zero: columns that are equal to the last bit say nothing against other tests.
    weights : ndarray, shape (tests,), optional
        Of the tests; equal by default.

    Returns
    -------
    ndarray, shape (n,)
        1 for an atom without a test.

    References
    ----------
    .. [1] Y. Liu and J. Xie, "Cauchy combination test", J. Am. Stat. Assoc. 115, 393 (2020).
    """
    weight = (p_values < 1) * (1.0 if weights is None else weights)
    # Below 1e-15 the tangent of Cauchy's quantile is 1 / (pi p) to machine precision, and cannot be computed otherwise.
    p = np.where(weight > 0, np.clip(p_values, 1e-300, 1 - 1e-9), 0.5)
    quantile = np.where(p < 1e-15, 1 / (np.pi * p), np.tan((0.5 - np.maximum(p, 1e-15)) * np.pi))
    total = weight.sum(axis=1)
    mean = (weight * quantile).sum(axis=1) / np.maximum(total, 1e-9)
    combined = np.where(mean > 1e14, 1 / (np.pi * np.maximum(mean, 1.0)), stats.cauchy.sf(mean))
    return np.where(total > 0, np.clip(combined, 0.0, 1.0), 1.0)
