"""Significance of a gap in density between two groups on a line."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def _windows() -> NDArray[np.float64]:
    """Starts, and then ends, of the intervals between two medians, as shares of the distance."""
    centres, halves = np.linspace(0.2, 0.8, 25)[:, None], np.linspace(0.06, 0.38, 9)[None, :]
    inside = (centres - halves > 1e-9) & (centres + halves < 1 - 1e-9)
    return np.concatenate([(centres - halves)[inside], (centres + halves)[inside]])


_EDGES = _windows()
_WINDOWS = len(_EDGES) // 2


def density_gap(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    r"""Return the significance of a gap in density between two groups on a line.

    The density of the points of both groups within one spread of the median of the smaller group is compared with
    the density in every interval between the two medians. With counts p and v on lengths :math:`l_p` and :math:`l_v`, the
    likelihood ratio of two rates against one is :math:`2 (p \ln(p/\mu l_p) + v \ln(v/\mu l_v))`, :math:`\mu =
    (p + v)/(l_p + l_v)`. The result is the largest ratio of the intervals with a lower density than the peak. A continuum
    that is cut anywhere has no gap, and neither has a tail.

    Parameters
    ----------
    a, b : ndarray, shape (n_a,), (n_b,)
        Positions of the points of the two groups on the line, in units of their spread.

    Returns
    -------
    float
        Approximately the square of a number of standard deviations.
    """
    if len(a) > len(b):
        a, b = b, a
    a, b = np.sort(a), np.sort(b)
    start, stop = _quantile(a, 0.5), _quantile(b, 0.5)
    sign, distance = (1.0 if stop >= start else -1.0), abs(stop - start)
    reach = max(1.0, 0.74 * (_quantile(a, 0.75) - _quantile(a, 0.25)))
    reach = min(reach, 0.25 * distance)
    # Points beyond the two medians are not used, except for the peak around the first.
    a, b = ((x - start if sign > 0 else (start - x)[::-1]) for x in (a, b))
    peak = float(
        sum(int(x.searchsorted(reach, "right")) - int(x.searchsorted(-reach, "left")) for x in (a, b))
    )
    edges = _EDGES * distance
    before = a.searchsorted(edges) + b.searchsorted(edges)
    count = (before[_WINDOWS:] - before[:_WINDOWS]).astype(float)
    length = edges[_WINDOWS:] - edges[:_WINDOWS]
    rate = (peak + count) / (2 * reach + length)
    deeper = count / np.maximum(length, 1e-12) < peak / (2 * reach)
    if not deeper.any():
        return 0.0
    count, length, rate = count[deeper], length[deeper], rate[deeper]
    ratio = peak * np.log(peak / (2 * reach * rate)) + count * np.log(
        np.maximum(count, 1e-9) / (rate * length)
    )
    return float(2 * ratio.max())


def _quantile(ordered: NDArray[np.float64], share: float) -> float:
    """Quantile of a sorted array by linear interpolation. The checks of `numpy.quantile` would dominate the run time."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    step = place - below
    low, high = float(ordered[below]), float(ordered[above])
    return high - (high - low) * (1 - step) if step >= 0.5 else low + (high - low) * step
