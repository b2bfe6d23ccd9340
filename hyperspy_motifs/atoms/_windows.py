"""Windows that stand for all of an image."""

from __future__ import annotations

_TILE = 512


def tiles(shape: tuple[int, int], size: int = _TILE) -> list[tuple[slice, slice]]:
    """At most four windows of an image that together stand for all of it."""
    starts = []
    for length in shape:
        if length <= size * 1.25:
            starts.append([(0, length)])
        else:
            first = min(length // 4, (length - size) // 4)
            last = length - size - first
            starts.append([(first, first + size), (last, last + size)])
    return [(slice(*rows), slice(*columns)) for rows in starts[0] for columns in starts[1]]
