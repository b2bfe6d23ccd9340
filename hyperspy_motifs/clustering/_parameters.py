"""The parameters that the estimators of motifs share: defaults and checks."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

RADII = (0.6, 1.2, 1.7, 2.4)
MIN_MOTIF_SIZE = 5


def check_min_motif_size(value: Any) -> int:
    """Return `value` as the fewest atoms of a motif; None stands for `MIN_MOTIF_SIZE`.

    Raises
    ------
    ValueError
        If it is not a whole number of `MIN_MOTIF_SIZE` or more.
    """
    if value is None:
        return MIN_MOTIF_SIZE
    whole = not isinstance(value, bool) and isinstance(value, Real) and float(value).is_integer()
    if not whole or not MIN_MOTIF_SIZE <= value < 2**31:
        text = " ".join(repr(value).split())
        text = text if len(text) <= 60 else f"{text[:57]}..."
        raise ValueError(f"min_motif_size is {text}; a whole number of {MIN_MOTIF_SIZE} or more is expected.")
    return int(value)


def checked_radii(radii: float | Sequence[float]) -> tuple[float, ...]:
    """Return radii as a tuple; they must be positive and grow."""
    values = tuple(float(v) for v in np.atleast_1d(np.asarray(radii, dtype=float)))
    if not values or any(not 0 < v < np.inf for v in values) or any(np.diff(values) <= 0):
        raise ValueError(
            f"radii={radii!r}: give growing positive radii in nearest-neighbour distances, such as {RADII}."
        )
    return values


def check_alpha(alpha: Any) -> float:
    """Return `alpha` as a probability between 0 and 1.

    Raises
    ------
    ValueError
        If it is none.
    """
    if isinstance(alpha, bool) or not isinstance(alpha, Real) or not 0 < float(alpha) < 1:
        text = " ".join(repr(alpha).split())[:60]
        raise ValueError(f"alpha is {text}; a probability between 0 and 1 is expected, such as 0.01.")
    return float(alpha)
