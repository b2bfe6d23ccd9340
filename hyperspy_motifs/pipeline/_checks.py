"""Checks of images and of the arguments of public methods."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hyperspy_motifs import store
from hyperspy_motifs.clustering import CONSTANTS, MIN_MOTIF_SIZE, check_alpha, check_min_motif_size
from hyperspy_motifs.common import SMALLEST_IMAGE, distinct_rows

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal

RADIUS_UNITS = ("nn", "axes")
REFINEMENTS = (True, False, "gaussian", "center_of_mass", "atomap")
POLARITIES = ("auto", "bright", "dark")
# Of the generators of scikit-learn.
LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True)
class FindOptions:
    """Options of ``find_motifs`` that a result depends on, with their defaults; it keeps them.

    :meth:`~hyperspy_motifs.signals.AtomicImage.find_motifs` describes each.
    """

    separation: float | None = None
    polarity: str = "auto"
    refine: bool | str = True
    radius: str | float = "auto"
    radius_units: str = "nn"
    n_max: int | str | None = None
    rotation_invariant: bool = False
    n_motifs: int | None = None
    min_motif_size: int = MIN_MOTIF_SIZE
    alpha: float = CONSTANTS.alpha
    random_state: int = 0
    complete: bool = True


def check_arguments(signal: BaseSignal, options: FindOptions, orders: tuple[str, ...]) -> FindOptions:
    """Validate the arguments before any computation; numbers become Python's own.

    Parameters
    ----------
    signal : AtomicImage
    options : FindOptions
    orders : tuple of str
        Strings that ``n_max`` may be.

    Returns
    -------
    FindOptions

    Raises
    ------
    ValueError
        If the axes of the image or an argument cannot be used.
    """
    check_axes(signal)
    warn_of_channels(signal)
    stamp = store.Stamp.of(signal)
    known: dict[str, object] = {}
    if options.separation is not None:
        known["separation"] = check_length(options.separation, "separation", stamp)
    known["random_state"] = _seed(options.random_state)
    _check_choice("refine", options.refine, REFINEMENTS)
    _check_choice("polarity", options.polarity, POLARITIES)
    for name in ("rotation_invariant", "complete"):
        value = getattr(options, name)
        if not isinstance(value, bool | np.bool_):
            raise ValueError(f"{name} is {_short(value)}; True or False is expected.")
        known[name] = bool(value)
    if not (isinstance(options.radius, str) and options.radius == "auto"):
        known["radius"] = check_radius(options.radius, options.radius_units, stamp, "'auto' or a radius")
    else:
        _check_choice("radius_units", options.radius_units, RADIUS_UNITS)
    known["min_motif_size"] = check_min_motif_size(options.min_motif_size)
    known["alpha"] = check_alpha(options.alpha)
    for name, least in (("n_motifs", 1), ("n_max", 0)):
        value = getattr(options, name)
        if name == "n_max" and isinstance(value, str):
            if value not in orders:
                raise ValueError(f"n_max is {value!r}; a whole number, 'auto' or None is expected.")
        elif value is not None:
            known[name] = check_count(value, name, least, 200 if name == "n_max" else 2**31 - 1)
    return replace(options, **known)  # type: ignore[arg-type]


def check_radius(value: object, units: object, stamp: store.Stamp, expected: str = "a radius") -> float:
    """`value` as a radius in `units`: "nn", 0.2 to 10 nearest-neighbour distances, or "axes", a length in axis units.

    Raises
    ------
    ValueError
        If it is not valid.
    """
    _check_choice("radius_units", units, RADIUS_UNITS)
    if units == "axes":
        return check_length(value, "radius", stamp)
    if isinstance(value, bool) or not isinstance(value, Real) or not 0.2 <= float(value) <= 10:
        raise ValueError(
            f"radius is {_short(value)}; expected {expected} of 0.2 to 10 nearest-neighbour distances, or "
            f"radius_units='axes' and a length in {stamp.units}."
        )
    return float(value)


def check_length(value: object, name: str, stamp: store.Stamp) -> float:
    """`value` as a positive length in axis units that fits into the image.

    Raises
    ------
    ValueError
        If it is not valid.
    """
    extent = min(abs(s) * n for s, n in zip(stamp.scale, stamp.shape, strict=True))
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) < np.inf:
        raise ValueError(f"{name} is {_short(value)}; a positive length in {stamp.units} is expected.")
    value = float(value)
    if value >= extent / 2:
        raise ValueError(
            f"{name} is {value:g} {stamp.units}, the image measures only {extent:g} {stamp.units}. "
            f"Give it in the units of the axes ({stamp.units})."
        )
    return value


def check_count(value: Any, name: str, least: int, most: int) -> int:
    """`value` as a whole number from `least` to `most`.

    Raises
    ------
    ValueError
        If it is not valid.
    """
    whole = not isinstance(value, bool) and isinstance(value, Real) and float(value).is_integer()
    if not whole or value < least:
        raise ValueError(f"{name} is {_short(value)}; a whole number of {least} or more is expected.")
    if value > most:
        raise ValueError(f"{name} is {_short(value)}; a whole number of at most {most} is expected.")
    return int(value)


def _seed(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral) or not 0 <= int(value) <= LARGEST_SEED:
        raise ValueError(
            f"random_state is {_short(value)}; a whole number from 0 to {LARGEST_SEED} is expected, so that the same "
            "image gives the same motifs."
        )
    return int(value)


def _check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    if not isinstance(value, str | bool | np.bool_) or value not in choices:
        *first, last = (repr(c) for c in choices)
        raise ValueError(f"{name} is {_short(value)}; expected {', '.join(first)} or {last}.")


def _short(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


# Pixels with different lengths along the two axes are resampled. Beyond this ratio a column falls between two pixels.
MOST_OBLONG = 8.0


def check_axes(signal: BaseSignal) -> None:
    """Reject axes on which lengths, angles and patches are undefined; convert both to the same unit of length.

    Raises
    ------
    ValueError
        If the signal space is not two-dimensional, an axis is not uniform, the axes have different units that are not
        lengths, pixels are more than eight times as long as wide, a scale is 0 or not finite, or the image is smaller than
        16 pixels on a side.
    """
    axes = signal.axes_manager.signal_axes
    if len(axes) != 2:
        raise ValueError(
            f"Motifs are found in images: two signal dimensions are expected, this signal has {len(axes)}. "
            "Use signal.as_signal2D((0, 1)) or pick an image with inav."
        )
    for axis in axes:
        if not axis.is_uniform:
            raise ValueError(
                f"The axis '{axis.name}' is not uniform. Use signal.interpolate_on_axis(...) to make its steps equal first."
            )
        if axis.size < SMALLEST_IMAGE:
            raise ValueError(
                f"The image has {axis.size} pixels along '{axis.name}', at least {SMALLEST_IMAGE} are needed."
            )
        if not np.isfinite([axis.scale, axis.offset]).all() or axis.scale == 0:
            raise ValueError(
                f"The axis '{axis.name}' has the scale {axis.scale:g} and the offset {axis.offset:g}: finite numbers are "
                "expected, and a scale that is not 0. Set them in signal.axes_manager."
            )
    ax, ay = axes
    if str(ax.units) != str(ay.units):
        ratio = store.length_ratio(str(ay.units), str(ax.units))
        if ratio is None:
            raise ValueError(
                f"The signal axes have different units ('{ax.units}' and '{ay.units}'), of which one is no unit of length. Set "
                "scale and units of both in signal.axes_manager."
            )
        # The same length, expressed in the units of the other axis.
        ay.scale, ay.offset, ay.units = ay.scale * ratio, ay.offset * ratio, ax.units
    longest = max(abs(ax.scale), abs(ay.scale)) / min(abs(ax.scale), abs(ay.scale))
    if longest > MOST_OBLONG:
        raise ValueError(
            f"The pixels are {longest:.3g} times as long along one axis as along the other: {ax.scale:g} along '{ax.name}' and "
            f"{ay.scale:g} along '{ay.name}'. Up to {MOST_OBLONG:g} times are resampled. Check the calibration."
        )


# Channels of a colour picture: red, green, blue, and opacity.
_N_CHANNELS = (3, 4)


def warn_of_channels(signal: BaseSignal) -> None:
    """Warn if what is taken as a movie may be a colour picture whose channels come first.

    Nothing in an array of 3 x rows x columns distinguishes the two but that pictures have 8 bits, and no frame axis in units.
    """
    axes = signal.axes_manager.navigation_axes
    if len(axes) != 1 or axes[0].size not in _N_CHANNELS or signal.data.dtype != np.uint8:
        return
    if store.is_length(store.axis_units(axes[0])):
        return
    warnings.warn(
        f"The signal is taken as a movie of {axes[0].size} frames of 8 bits. If they are the channels of a colour picture, "
        "make it grey first: signal = signal.inav[:3].mean(). If they are frames, give their axis a unit, such as 's'.",
        UserWarning,
        stacklevel=5,
    )


def check_positions(positions: ArrayLike, stamp: store.Stamp) -> np.ndarray:
    """Return given positions (x, y in axis units) as an (n, 2) array of pixels.

    Raises
    ------
    ValueError
        If they are empty, not an (n, 2) array of finite numbers, outside the image, or not unique.
    """
    try:
        if np.iscomplexobj(positions):
            raise TypeError("complex numbers are not positions")
        positions = np.asarray(positions, dtype=float)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"atoms is a {type(positions).__name__}; expected an (n, 2) array of x, y in the units of the axes, "
            "an atomap Sublattice or an Atom_Lattice."
        ) from error
    if positions.ndim != 2 or positions.shape[1] != 2:
        raise ValueError(
            f"atoms has shape {positions.shape}; expected (n, 2): one row an atom, columns x and y in the units of the axes."
        )
    if len(positions) == 0:
        raise ValueError("atoms holds no positions. Omit it to find the atoms in the image.")
    if not np.isfinite(positions).all():
        bad = int((~np.isfinite(positions).all(axis=1)).sum())
        raise ValueError(
            f"{bad} of the {len(positions)} given atoms have positions that are NaN or infinite. Remove them."
        )
    outside = ~stamp.inside(positions)
    if outside.any():
        (w, h), (sx, sy), (ox, oy) = stamp.shape, stamp.scale, stamp.offset
        raise ValueError(
            f"{int(outside.sum())} of the {len(positions)} given atoms lie outside the image, e.g. "
            f"x, y = {positions[outside][0, 0]:g}, {positions[outside][0, 1]:g} {stamp.units}. It spans x from {ox:g} to "
            f"{ox + sx * (w - 1):g} and y from {oy:g} to {oy + sy * (h - 1):g} {stamp.units}: are they in pixels, or y first?"
        )
    pixels = stamp.to_pixels(positions)
    n_unique = len(distinct_rows(np.round(pixels, 3))[0])
    if n_unique < len(pixels):
        raise ValueError(
            f"{len(pixels) - n_unique} of the {len(pixels)} given atoms lie on another one. Remove the copies, "
            "e.g. with numpy.unique(atoms, axis=0)."
        )
    return pixels


def check_mask(mask: Any, signal: BaseSignal) -> np.ndarray:
    """Return a mask of pixels without data as an array of bool of shape (rows, columns).

    Parameters
    ----------
    mask : array-like, signal or HyperSpy ROI
        True, or inside the ROI, where there is no data.
    signal : AtomicImage

    Raises
    ------
    TypeError, ValueError
        If the mask has another type, or does not match the image.
    """
    columns, rows = signal.axes_manager.signal_shape
    if hasattr(mask, "is_valid"):
        x, y = np.meshgrid(*(axis.axis for axis in signal.axes_manager.signal_axes))
        return inside_roi(np.stack([x, y], axis=-1), mask).reshape(rows, columns)
    pixels = np.asarray(mask.data if hasattr(mask, "axes_manager") else mask)
    if pixels.shape != (rows, columns):
        raise ValueError(
            f"mask has the shape {pixels.shape}; (rows, columns) = ({rows}, {columns}) is expected."
        )
    if pixels.dtype.kind not in "bui":
        raise TypeError(
            f"mask holds '{pixels.dtype}'; True is expected where there is no data, False elsewhere."
        )
    return pixels.astype(bool)


def inside_roi(positions: ArrayLike, roi: object) -> NDArray[np.bool_]:
    """Mask of the atoms within a region of interest.

    Parameters
    ----------
    positions : array_like, shape (n, 2)
        x, y in axis units.
    roi : hyperspy.api.roi.RectangularROI, CircleROI, PolygonROI or SpanROI
        In the same units; a span is along x.

    Returns
    -------
    numpy.ndarray of bool, shape (n,)

    Raises
    ------
    TypeError
        If `roi` is not one of these.
    ValueError
        If it has no position yet.

    Examples
    --------
    >>> import hyperspy.api as hs
    >>> from hyperspy_motifs.draw import inside_roi
    >>> roi = hs.roi.RectangularROI(left=0, top=0, right=2, bottom=1)
    >>> inside_roi([[1.5, 0.5], [0.5, 1.5]], roi).tolist()
    [True, False]
    """
    import hyperspy.api as hs
    from matplotlib.path import Path

    x, y = np.asarray(positions, float).reshape(-1, 2).T
    known = (hs.roi.RectangularROI, hs.roi.SpanROI, hs.roi.CircleROI, hs.roi.PolygonROI)
    if not isinstance(roi, known):
        raise TypeError(
            f"roi is a {type(roi).__name__}; expected hyperspy.api.roi.RectangularROI, CircleROI, PolygonROI or SpanROI."
        )
    if not roi.is_valid() or (isinstance(roi, hs.roi.PolygonROI) and not roi.vertices):
        raise ValueError(
            "roi has no position yet: set its bounds, or add it to the image with roi.add_widget(s)."
        )
    if isinstance(roi, hs.roi.RectangularROI):
        return (x >= roi.left) & (x < roi.right) & (y >= roi.top) & (y < roi.bottom)
    if isinstance(roi, hs.roi.SpanROI):
        return (x >= roi.left) & (x < roi.right)
    if isinstance(roi, hs.roi.CircleROI):
        distance = np.hypot(x - roi.cx, y - roi.cy)
        return (distance <= roi.r) & (distance >= roi.r_inner)
    return Path(np.asarray(roi.vertices, float)).contains_points(np.column_stack([x, y]))


def set_mask(signal: BaseSignal, mask: object) -> None:
    """Store the user's mask with `signal`: None keeps the stored mask, False removes it."""
    if mask is None:
        return
    store.write_mask(signal, None if mask is False else check_mask(mask, signal))
