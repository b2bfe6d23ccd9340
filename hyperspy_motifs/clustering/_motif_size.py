"""The fewest atoms that a motif may have: one value and one check for the whole package."""

from __future__ import annotations

from numbers import Real
from typing import Any

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
