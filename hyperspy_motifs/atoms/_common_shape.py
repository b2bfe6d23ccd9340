"""The common shape of all columns of an image, estimated from individual fits."""

from __future__ import annotations

import numpy as np

# Bounds of the scatter of 1/sigma^2 among the columns of one image, relative to its common value.
NARROWEST_SHAPES = 0.05
WIDEST_SHAPES = 0.4
# Number of columns from which noise and common shape are estimated.
_SAMPLE = 4000


def spread_sample(n):
    """Return ascending indices of columns that represent all `n`, without a period that matches a lattice."""
    if n <= _SAMPLE:
        return np.arange(n)
    golden = (np.sqrt(5) - 1) / 2
    return np.unique((np.arange(_SAMPLE) * golden % 1.0 * n).astype(np.int64))


def median_of_known(values):
    """Return the median without NaN, as from failed fits; NaN if all values are NaN."""
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else float("nan")


def shape_scatter(relative_precision, noise_variance, prior_scatter):
    """Estimate the true scatter of the columns' shapes: the observed scatter minus the noise of the fits.

    A prior of `prior_scatter` drew the fits towards the common shape. Its effect is undone first.
    """
    noise = median_of_known(noise_variance)
    if not np.isfinite(noise):
        return prior_scatter
    shrink = prior_scatter**2 / (prior_scatter**2 + noise)
    seen = (1.4826 * np.median(np.abs(relative_precision - np.median(relative_precision)))) ** 2
    return float(np.sqrt(np.clip(seen / shrink**2 - noise, NARROWEST_SHAPES**2, WIDEST_SHAPES**2)))


def common_precision(parameters):
    """Return the median of the precisions over the stronger half of the columns."""
    strong = parameters[parameters[:, 0] >= np.median(parameters[:, 0])]
    return float(np.median(np.sqrt(np.maximum(strong[:, 3] * strong[:, 5] - strong[:, 4] ** 2, 1e-12))))
