"""The frames of a signal, one at a time, in memory or on disk."""

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


def numbers_of_slice(signal: Any, sliced: Any, slices: Any) -> None:
    """Record in `sliced` the frames of `signal` that HyperSpy's `slices` keep, if the signal has results."""
    from hyperspy.signals import BaseSignal

    from hyperspy_motifs import store

    if not (signal.metadata.has_item(store.NODE) or signal.metadata.has_item(store.ATOMS_NODE)):
        return
    # HyperSpy slices by number, by calibrated value and by ROI: a signal of the numbers is sliced in the same way.
    shape = signal.data.shape[:-2]
    axes = [a.get_axis_dictionary() for a in signal.axes_manager._axes[: len(shape)]]
    numbers = BaseSignal(
        np.arange(n_frames(signal)).reshape(*shape, 1), axes=[*axes, {"size": 1, "navigate": False}]
    )
    store.pick_frames(signal, sliced, np.asarray(numbers.inav[slices].data).ravel())


def frame(signal: Any, index: int) -> np.ndarray:
    """Image number `index` (C order of the navigation shape) as an array of shape (rows, columns)."""
    data = lazy_frame(signal, index)
    return np.asarray(data.compute() if hasattr(data, "compute") else data)
