"""Images ready for analysis, of one detector or several."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hyperspy_motifs import store
from hyperspy_motifs.atoms import (
    ScanLines,
    fill_no_data,
    find_no_data,
    has_blocks,
    measure_scan_lines,
    measure_smoothing,
    sharpen,
)
from hyperspy_motifs.common import MOST_IN_MEMORY

from ._checks import check_axes

if TYPE_CHECKING:
    from dask.array import Array
    from hyperspy.signals import BaseSignal
    from numpy.typing import ArrayLike


def n_frames(signal: BaseSignal) -> int:
    """Number of images that `signal` holds."""
    return int(np.prod(signal.axes_manager.navigation_shape, dtype=int))


def lazy_frame(signal: BaseSignal, index: int) -> np.ndarray | Array:
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


def _raw_frame(signal: BaseSignal, index: int) -> np.ndarray | Array:
    navigation_shape = signal.data.shape[:-2]
    return signal.data[np.unravel_index(index, navigation_shape)] if navigation_shape else signal.data


def _resampled(data: np.ndarray, shape: tuple[int, ...], steps: list[float]) -> np.ndarray:
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


def numbers_of_slice(signal: BaseSignal, sliced: object, slices: object) -> None:
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


def frame(signal: BaseSignal, index: int) -> np.ndarray:
    """Image number `index` (C order of the navigation shape) as an array of shape (rows, columns)."""
    data = lazy_frame(signal, index)
    return np.asarray(data.compute() if hasattr(data, "compute") else data)


def lazy_data_frame(signal: BaseSignal, index: int) -> np.ndarray | Array:
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


def data_frame(signal: BaseSignal, index: int) -> np.ndarray:
    """As :func:`frame`, NaN where the user's mask says that there is no data."""
    data = lazy_data_frame(signal, index)
    return np.asarray(data.compute() if hasattr(data, "compute") else data)


# Fraction of the field without data above which a warning is given, if the pixels are finite.
WORTH_TELLING = 0.005
# Sums of the fourth powers of pixels must be finite and not zero.
LARGEST, SMALLEST = 1e60, 1e-60


@dataclass(frozen=True)
class CleanImage:
    """An image prepared for the analysis.

    Attributes
    ----------
    data : numpy.ndarray of shape (rows, columns)
        Finite float64. Hot and dead pixels and lines are replaced by the mean of their surroundings, areas without data by the
        mirror image of the adjacent area, offsets of scan lines are subtracted, and smoothing that the noise shows is removed.
    missing : numpy.ndarray of bool of shape (rows, columns) or None
        Areas without data: not finite, or fill, bars and captions (:func:`hyperspy_motifs.atoms.find_no_data`).
    interpolated : int
        Number of hot and dead pixels.
    scan_lines : hyperspy_motifs.atoms.ScanLines
    smoothing : float
        Standard deviation, in pixels, of the Gaussian smoothing that was removed.
    blocks : bool
        Whether the image was compressed in blocks, as a JPEG is.
    """

    data: np.ndarray
    missing: np.ndarray | None
    interpolated: int
    scan_lines: ScanLines
    smoothing: float
    blocks: bool = False


def prepare_image(data: ArrayLike, where: str = "The image", *, tell: bool = True) -> CleanImage:
    """Prepare an image for the analysis.

    Parameters
    ----------
    data : array-like of shape (rows, columns)
    where : str, optional
        Name of the image in messages.
    tell : bool, optional
        Whether to warn about missing pixels. If atoms were found in the same image before, the warning was given then.

    Raises
    ------
    TypeError
        If the pixels are RGB(A), complex or not numbers.
    ValueError
        If there are no rows and columns, no data, all pixels have the same value, or the values are beyond 1e60 or
        differ by less than 1e-60.
    """
    data = np.asarray(data)
    if data.dtype.names:
        raise TypeError(
            f"{where} is a colour picture (RGB). One number a pixel is expected: "
            "signal.change_dtype('uint8'); signal = signal.isig[:3].mean(-1).T makes it grey."
        )
    if data.dtype.kind == "c":
        raise TypeError(
            f"{where} is complex. One real number a pixel is expected: use signal.amplitude or signal.phase."
        )
    if data.dtype.kind not in "buif":
        raise TypeError(f"{where} has pixels of type '{data.dtype}', numbers are expected.")
    if data.ndim != 2 or not data.size:
        raise ValueError(f"{where} has the shape {data.shape}; rows and columns of pixels are expected.")
    with np.errstate(over="ignore"):
        image = np.array(data, dtype=np.float64, order="C")
    with np.errstate(over="ignore", invalid="ignore"):
        found = find_no_data(image)
    if found.mask.all():
        raise ValueError(f"{where} holds no data: every pixel is NaN, infinite or masked.")
    # One or two rows at the border do not affect the result.
    if tell and ("not finite" in found.counts or found.wide.mean() > WORTH_TELLING) and found.wide.any():
        share = 100 * found.wide.mean()
        warnings.warn(
            f"{where} has {int(found.wide.sum())} pixels ({share:.2g} %) without data (NaN or fill). They are masked, and "
            "atoms found on them are removed.",
            UserWarning,
            stacklevel=3,
        )
    image = fill_no_data(image, found.mask, found.wide)
    missing = found.wide if found.wide.any() else None
    low, high = float(image.min()), float(image.max())
    if not high - low > 1e-12 * max(abs(low), abs(high)):
        raise ValueError(f"{where} is constant (every pixel is {low:g}): it contains no features.")
    if max(abs(low), abs(high)) > LARGEST or high - low < SMALLEST:
        raise ValueError(
            f"{where} has values from {low:g} to {high:g}, whose squares exceed the range of float64. Multiply it by a factor, "
            "e.g. signal / signal.data.max()."
        )
    blocks = has_blocks(image)
    scan_lines = measure_scan_lines(image)
    if scan_lines.offset_std:
        image -= scan_lines.offsets[:, None]
    smoothing = measure_smoothing(image)
    if smoothing:
        image = sharpen(image, smoothing)
    interpolated = int(found.mask.sum() - found.wide.sum())
    return CleanImage(image, missing, interpolated, scan_lines, smoothing, blocks)


def clean_image(
    data: ArrayLike, where: str = "The image", *, tell: bool = True
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the pixels and the mask of the areas without data of :func:`prepare_image`."""
    clean = prepare_image(data, where, tell=tell)
    return clean.data, clean.missing


class CleanFrames:
    """The frames of some detectors as :func:`prepare_image` returns them, each prepared once if there are one or few.

    Parameters
    ----------
    signals : sequence of AtomicImage
    """

    def __init__(self, signals: Sequence[BaseSignal]) -> None:
        self.signals = signals
        self._kept: dict[tuple[int, int], CleanImage] = {}

    def __call__(self, detector: int, number: int, *, tell: bool = False) -> CleanImage:
        """Return frame `number` of a detector; `tell` whether to warn about missing pixels."""
        here = detector, number
        if here not in self._kept:
            signal = self.signals[detector]
            frames = n_frames(signal)
            name = "The image" if frames == 1 else f"Frame {number}"
            clean = prepare_image(data_frame(signal, number), name, tell=tell)
            if frames > 1 and clean.data.size * frames * len(self.signals) > MOST_IN_MEMORY:
                return clean
            self._kept[here] = clean
        return self._kept[here]


def all_detectors(signal: BaseSignal, detectors: object) -> list[BaseSignal]:
    """Return `signal` and the images of the same field from other detectors."""
    others = (
        [] if detectors is None else list(detectors) if isinstance(detectors, list | tuple) else [detectors]
    )
    stamp = store.Stamp.of(signal)
    for other in others:
        if not hasattr(other, "axes_manager"):
            raise TypeError(
                f"detectors= contains a {type(other).__name__}; HyperSpy images of the same scan are expected."
            )
        check_axes(other)
        theirs = store.Stamp.of(other)
        if (theirs.shape, theirs.navigation_shape) != (stamp.shape, stamp.navigation_shape):
            raise ValueError(
                f"An image in detectors= has {theirs.shape[0]} x {theirs.shape[1]} pixels, this one {stamp.shape[0]} x "
                f"{stamp.shape[1]}: detectors of the same scan are expected."
            )
        if not np.allclose(theirs.scale, stamp.scale) or theirs.units != stamp.units:
            raise ValueError(
                "An image in detectors= is calibrated differently from this one: detectors of one scan are expected."
            )
    return [signal, *others]


def images_to_keep(detectors: Sequence[BaseSignal]) -> np.ndarray | None:
    """Images of the detectors but the first, shape (d, ..., rows, columns), for the result; None if they are too large."""
    others = [np.asarray(other.data) for other in detectors[1:] if not other._lazy]
    if (
        not others
        or len(others) < len(detectors) - 1
        or sum(other.size for other in others) > 2 * MOST_IN_MEMORY
    ):
        return None
    return np.stack([other.astype(np.result_type(*others), copy=False) for other in others])


def n_detectors(record: store.Record) -> int:
    """Number of detectors of the moments of a stored result."""
    return int(record.parameters.get("detectors", 1))


def detectors_of(signal: BaseSignal, record: store.Record) -> list[BaseSignal] | None:
    """The image of a result and those of its further detectors as signals; None if they were not kept."""
    if n_detectors(record) == 1:
        return [signal]
    if record.detectors is None:
        return None
    axes = [axis.get_axis_dictionary() for axis in signal.axes_manager._axes]
    return [signal, *(type(signal)(image, axes=axes) for image in record.detectors)]


def check_number(model_detectors: int, detectors: Sequence[BaseSignal]) -> None:
    """Reject another number of detectors than that of a model.

    Raises
    ------
    ValueError
    """
    if model_detectors != len(detectors):
        raise ValueError(
            f"The motifs were found in {model_detectors} detectors, {len(detectors)} are given. Give the image of the same "
            "detector as the first, and the others in the same order by detectors=."
        )
