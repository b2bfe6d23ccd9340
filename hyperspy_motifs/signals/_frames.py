"""The frames of a signal, one at a time, in memory or on disk."""

from __future__ import annotations

from typing import Any

import numpy as np


def n_frames(signal: Any) -> int:
    """Number of images that `signal` holds."""
    return int(np.prod(signal.axes_manager.navigation_shape, dtype=int))


def lazy_frame(signal: Any, index: int) -> Any:
    """Image number `index` (C order of the navigation shape), shape (rows, columns); a dask array of a lazy signal.

    Oblong pixels are resampled to square ones, those of :class:`hyperspy_motifs.store.Stamp`.
    """
    from hyperspy_motifs import store

    data = _raw_frame(signal, index)
    if not store.is_oblong(signal) or data.dtype.names or data.dtype.kind not in "buif":
        return data
    shape = store.Stamp.of(signal).shape[::-1]
    ax, ay = (abs(float(a.scale)) for a in signal.axes_manager.signal_axes)
    steps = [min(ax, ay) / ay, min(ax, ay) / ax]
    if hasattr(data, "compute"):
        import dask
        import dask.array as da

        return da.from_delayed(dask.delayed(_resampled)(data, shape, steps), shape, float)
    return _resampled(data, shape, steps)


def _raw_frame(signal: Any, index: int) -> Any:
    navigation_shape = signal.data.shape[:-2]
    return signal.data[np.unravel_index(index, navigation_shape)] if navigation_shape else signal.data


def _resampled(data, shape, steps):
    """Cubic splines between the pixels of `data`; what is not finite stays so."""
    from scipy import ndimage

    values = np.asarray(data, float)
    finite = np.isfinite(values)
    known = (
        values
        if finite.all()
        else np.where(finite, values, np.median(values[finite]) if finite.any() else 0.0)
    )
    out = ndimage.affine_transform(known, steps, output_shape=shape, order=3, mode="nearest")
    if not finite.all():
        gaps = ndimage.affine_transform(
            (~finite).astype(float), steps, output_shape=shape, order=1, mode="nearest"
        )
        out[gaps > 1e-6] = np.nan
    return out


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


def lazy_data_frame(signal: Any, index: int) -> Any:
    """As :func:`lazy_frame`, NaN where the user's mask says that there is no data."""
    from hyperspy_motifs import store

    data, mask = lazy_frame(signal, index), store.read_mask(signal)
    if mask is not None and mask.shape != data.shape:
        # One of oblong pixels.
        rows, columns = (
            np.minimum((np.arange(n) * m / n).astype(int), m - 1)
            for n, m in zip(data.shape, mask.shape, strict=True)
        )
        mask = mask[rows][:, columns]
    if mask is None or data.dtype.names or data.dtype.kind not in "buif":
        return data
    if hasattr(data, "compute"):
        import dask.array as da

        return da.where(mask, np.nan, data.astype(float))
    return np.where(mask, np.nan, np.asarray(data, float))


def data_frame(signal: Any, index: int) -> np.ndarray:
    """As :func:`frame`, NaN where the user's mask says that there is no data."""
    data = lazy_data_frame(signal, index)
    return np.asarray(data.compute() if hasattr(data, "compute") else data)
