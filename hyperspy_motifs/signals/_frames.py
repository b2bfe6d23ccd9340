"""The frames of a signal, one at a time, whether it lies in memory or on disk."""

from __future__ import annotations

from typing import Any

import numpy as np


def n_frames(signal: Any) -> int:
    """Number of images that `signal` holds."""
    return int(np.prod(signal.axes_manager.navigation_shape, dtype=int))


def lazy_frame(signal: Any, index: int) -> Any:
    """Image number `index` (C order of the navigation shape), shape (rows, columns); a dask array of a lazy signal."""
    navigation_shape = signal.data.shape[:-2]
    return signal.data[np.unravel_index(index, navigation_shape)] if navigation_shape else signal.data


def frame(signal: Any, index: int) -> np.ndarray:
    """Image number `index` (C order of the navigation shape) as an array of shape (rows, columns)."""
    data = lazy_frame(signal, index)
    return np.asarray(data.compute() if hasattr(data, "compute") else data)
