"""The frames of a signal, one at a time, whether it lies in memory or on disk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np


def n_frames(signal: Any) -> int:
    """Number of images that `signal` holds."""
    return int(np.prod(signal.axes_manager.navigation_shape, dtype=int))


def frame(signal: Any, index: int) -> np.ndarray:
    """Image number `index` (C order of the navigation shape) as an array of shape (rows, columns)."""
    navigation_shape = signal.data.shape[:-2]
    data = signal.data[np.unravel_index(index, navigation_shape)] if navigation_shape else signal.data
    return np.asarray(data.compute() if hasattr(data, "compute") else data)


def iterate_frames(signal: Any) -> Iterator[tuple[int, np.ndarray]]:
    """Index and image, one after another; of a lazy signal one image at a time is in memory."""
    for index in range(n_frames(signal)):
        yield index, frame(signal, index)
