"""Nodes of the metadata and columns of sites; images given as signals or files, and signals that a result brings.

The classes are those of the signal types that this package registers in HyperSpy, which imports them when a type is set."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from hyperspy.axes import BaseDataAxis
    from hyperspy.misc.utils import DictionaryTreeBrowser
    from hyperspy.signals import BaseSignal
    from numpy.typing import ArrayLike, DTypeLike

    from hyperspy_motifs.zernike import Moments


# What lengths are in without a unit: pixels, or what the scale of the axes says, which is not known.
_PIXELS, UNKNOWN_UNITS = "px", "axis units"
# Scales of the axes that differ by less are those of square pixels: the rounding of a calibration.
PIXEL_TOLERANCE = 0.01
# Lengths in metres. Two characters each look like micro and angstrom.
_LENGTHS = {
    "m": 1.0, "cm": 1e-2, "mm": 1e-3, "\u00b5m": 1e-6, "\u03bcm": 1e-6, "um": 1e-6, "nm": 1e-9, "pm": 1e-12,
    "\u00c5": 1e-10, "\u212b": 1e-10, "A": 1e-10, "angstrom": 1e-10, "Angstrom": 1e-10,
}  # fmt: skip


@dataclass(frozen=True)
class Stamp:
    """Axes of the image of a result: x then y, navigation axes in HyperSpy's order.

    Where pixels are oblong, `shape` and `scale` are those of the image resampled to the finer of the two scales, and
    `data_shape` and `data_scale` those of the data. `names` are the names of the signal axes.
    """

    shape: tuple[int, int]
    scale: tuple[float, float]
    offset: tuple[float, float]
    units: str
    navigation_shape: tuple[int, ...] = ()
    navigation_scale: tuple[float, ...] = ()
    navigation_offset: tuple[float, ...] = ()
    names: tuple[str, ...] = ()
    data_shape: tuple[int, ...] = ()
    data_scale: tuple[float, ...] = ()

    @property
    def n_pixels(self) -> tuple[int, int]:
        """Number of pixels of the data along x and y, which may be oblong."""
        return (int(self.data_shape[0]), int(self.data_shape[1])) if self.data_shape else self.shape

    @property
    def pixel_size(self) -> tuple[float, float]:
        """Size of a pixel of the data along x and y, negative along a mirrored axis."""
        return (float(self.data_scale[0]), float(self.data_scale[1])) if self.data_scale else self.scale

    @classmethod
    def of(cls, signal: BaseSignal) -> Stamp:
        """Stamp of the current axes of `signal`."""
        ax, ay = signal.axes_manager.signal_axes
        navigation = signal.axes_manager.navigation_axes
        shape, scale = (int(ax.size), int(ay.size)), (float(ax.scale), float(ay.scale))
        data_shape, data_scale = shape, scale
        if is_oblong(signal):
            finest = min(abs(s) for s in scale)
            nx, ny = (int((n - 1) * abs(s) / finest + 1e-6) + 1 for n, s in zip(shape, scale, strict=True))
            shape = nx, ny
            scale = float(np.copysign(finest, scale[0])), float(np.copysign(finest, scale[1]))
        return cls(
            shape=shape,
            scale=scale,
            offset=(float(ax.offset), float(ay.offset)),
            units=axis_units(ax),
            navigation_shape=tuple(int(a.size) for a in navigation),
            navigation_scale=tuple(float(getattr(a, "scale", 1.0)) for a in navigation),
            navigation_offset=tuple(float(getattr(a, "offset", 0.0)) for a in navigation),
            names=(str(ax.name), str(ay.name)),
            data_shape=data_shape,
            data_scale=data_scale,
        )

    def to_pixels(self, positions: np.ndarray) -> np.ndarray:
        """Positions x, y in axis units to pixels (column, row)."""
        return (np.asarray(positions, float) - np.array(self.offset)) / np.array(self.scale)

    def to_units(self, pixels: np.ndarray) -> np.ndarray:
        """Positions (column, row) in pixels to x, y in axis units."""
        return np.asarray(pixels, float) * np.array(self.scale) + np.array(self.offset)

    def inside(self, positions: np.ndarray) -> np.ndarray:
        """Mask of the positions (x, y, axis units) whose pixel lies in the image."""
        pixels = self.to_pixels(positions)
        return np.all((pixels >= -0.5) & (pixels < np.array(self.shape) - 0.5), axis=1)


def is_oblong(signal: BaseSignal) -> bool:
    """Whether the pixels of an image are clearly longer along one axis than along the other."""
    scales = [abs(float(axis.scale)) for axis in signal.axes_manager.signal_axes if axis.is_uniform]
    if len(scales) != 2 or not np.isfinite(scales).all() or min(scales) == 0:
        return False
    return max(scales) > (1 + PIXEL_TOLERANCE) * min(scales)


def length_ratio(one: str, other: str) -> float | None:
    """How many `other` one `one` is, both units of length; None if one is none."""
    if one in _LENGTHS and other in _LENGTHS:
        return _LENGTHS[one] / _LENGTHS[other]
    return None


def axis_units(axis: BaseDataAxis) -> str:
    """Units of a HyperSpy axis as text; without any ``"px"`` for a scale of 1, and ``"axis units"`` for another one."""
    units = str(axis.units)
    if units not in ("<undefined>", "", "t.Undefined", "None"):
        return units
    return _PIXELS if abs(float(axis.scale)) == 1 else UNKNOWN_UNITS


def is_length(units: str) -> bool:
    """Whether lengths in `units`, as of :func:`axis_units`, mean the same in two images."""
    return units not in (_PIXELS, UNKNOWN_UNITS)


def unit_factor(old: str, new: str) -> float:
    """How many `new` one `old` is.

    Raises
    ------
    ValueError
        If one cannot be converted to the other.
    """
    if old == new or not (is_length(old) or is_length(new)):
        return 1.0
    known = length_ratio(old, new)
    if known is not None:
        return known
    import pint

    try:
        return float(pint.UnitRegistry()(old).to(new).magnitude)
    except (pint.PintError, AttributeError, ValueError) as error:
        raise ValueError(
            f"The motifs of this image were found in {old}, its axes are now in {new}, and its shape has changed as well: "
            "their positions cannot be carried over. Set the units back, or call find_motifs() again."
        ) from error


def frozen(values: ArrayLike, dtype: DTypeLike | None = None) -> np.ndarray:
    """A read-only copy of at least one dimension: users cannot change the stored result through it.

    Bytes cannot be changed, and are not copied: the images of a collection share their model.
    """
    given = np.atleast_1d(np.asarray(values))
    array = np.array(given, dtype=dtype, copy=None if isinstance(given.base, bytes) else True)
    array.flags.writeable = False
    return array


def array(node: DictionaryTreeBrowser, key: str) -> np.ndarray:
    value = node.get_item(key)
    if value is None:
        raise KeyError(f"{key} is missing")
    # After a lazy load the arrays of the metadata are dask arrays.
    return np.asarray(value)


def to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, sort_keys=True, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be stored with the motifs")


def mapping_to_node(mapping: Mapping[str, object]) -> dict[str, Any]:
    """Arrays as they are, scalars and text as one JSON string (bool and None do not survive every file format)."""
    arrays = {k: frozen(v) for k, v in mapping.items() if isinstance(v, np.ndarray)}
    scalars = {k: v for k, v in mapping.items() if not isinstance(v, np.ndarray)}
    return {**arrays, "scalars": to_json(scalars)}


def mapping_from_node(node: DictionaryTreeBrowser) -> dict[str, Any]:
    out: dict[str, object] = {}
    for key in node.keys():
        if key == "scalars":
            out.update(json.loads(node.get_item(key)))
        else:
            out[key] = array(node, key)
    return out


def previous_to_node(previous: Mapping[str, Any]) -> dict[str, Any]:
    node = dict(previous)
    node["names"] = {str(k): v for k, v in previous.get("names", {}).items()}
    return mapping_to_node(node)


def previous_from_node(node: DictionaryTreeBrowser) -> dict[str, Any]:
    previous = mapping_from_node(node)
    names = {int(k): v for k, v in previous.pop("names", {}).items()}
    return {**previous, "names": names} if "labels" in previous else {}


def stamp_to_node(stamp: Stamp) -> dict[str, Any]:
    return {"axes": to_json(asdict(stamp))}


def stamp_from_node(node: DictionaryTreeBrowser) -> Stamp:
    axes: dict[str, Any] = json.loads(node.get_item("axes"))
    values: dict[str, Any] = {k: v if isinstance(v, str) else tuple(v) for k, v in axes.items()}
    return Stamp(**values)


Columns = dict[str, np.ndarray]
_AMPLITUDES = ("amplitude", "amplitude_uncertainty", "expected_amplitude")


def rows(sites: Columns, index: np.ndarray) -> Columns:
    """Return the sites `index` (indices or a mask)."""
    return {name: values[index] for name, values in sites.items()}


def with_atoms(sites: Columns, index: np.ndarray, n: int) -> Columns:
    """Return the sites when only the atoms `index` of n remain: empty sites, and those of the atoms, in their new rows."""
    if not sites:
        return {}
    place = np.full(n + 1, -1)
    place[index] = np.arange(len(index))
    # Row -1 is the last one: no atom.
    atoms = place[sites["atoms"]]
    moved = {**sites, "atoms": atoms, "twins": place[sites["twins"]]}
    return rows(moved, (sites["atoms"] < 0) | (atoms >= 0))


def brightened(sites: Columns, gains: np.ndarray) -> Columns:
    """Return the sites after a linear change of brightness of each frame, `gains` (frames, 2)."""
    if not sites:
        return {}
    factor = gains[sites["frames"], 0]
    size = {"amplitude_uncertainty": np.abs(factor)}
    return {k: v * size.get(k, factor) if k in _AMPLITUDES else v for k, v in sites.items()}


def together(parts: Sequence[Columns], numbers_of_atoms: Sequence[int]) -> Columns:
    """Return the sites of several frames as those of one stack; none if a frame has none."""
    if not all(parts):
        return {}
    out = {k: np.concatenate([part[k] for part in parts]) for k in parts[0] if k not in ("atoms", "twins")}
    starts = np.concatenate([[0], np.cumsum(numbers_of_atoms)])
    for name in ("atoms", "twins"):
        pairs = zip(parts, starts.tolist(), strict=False)
        out[name] = np.concatenate(
            [np.where(part[name] < 0, -1, part[name] + start) for part, start in pairs]
        )
    out["frames"] = np.repeat(np.arange(len(parts)), [len(part["atoms"]) for part in parts])
    return out


def listed(images: Any) -> list[Any]:
    """Return a list of signals and names of files.

    Raises
    ------
    ValueError
        If `images` is no list, or one is given twice.
    """
    if isinstance(images, str | os.PathLike) or hasattr(images, "axes_manager"):
        raise ValueError(
            "A list of images is expected. For one image call its find_motifs(); for a stack, stack.find_motifs()."
        )
    if not isinstance(images, Iterable):
        raise ValueError(f"A list of images is expected, not a {type(images).__name__}.")
    out = list(images)
    known = {str(Path(one).resolve()) if isinstance(one, str | os.PathLike) else id(one) for one in out}
    if len(known) < len(out):
        raise ValueError("An image is given twice: it would count twice.")
    return out


def open_images(images: Iterable[BaseSignal]) -> list[BaseSignal]:
    """Return atomic images for signals and names of files; files are opened lazily where their reader can.

    Raises
    ------
    TypeError
        If something is neither a signal nor a path.
    ValueError
        If `images` is no list, an image is given twice, or a file holds several images.
    """
    return [open_image(image, number) for number, image in enumerate(listed(images))]


def open_image(image: Any, number: int) -> BaseSignal:
    """As :func:`open_images`, for one of them; its number is for messages."""
    signal = _loaded(Path(image)) if isinstance(image, str | os.PathLike) else image
    if not hasattr(signal, "axes_manager"):
        raise TypeError(
            f"Image {number} is a {type(image).__name__}; expected a signal, such as motifs.signal or "
            "hyperspy.api.signals.Signal2D(array), or the path of a file."
        )
    if getattr(signal, "_signal_type", None) != "atomic_image" and hasattr(signal, "set_signal_type"):
        signal.set_signal_type("atomic_image")
    return signal


def title_of(signal: BaseSignal) -> str:
    """Return the title of an image."""
    return str(signal.metadata.get_item("General.title", default="")) or "untitled"


def _loaded(path: Path) -> BaseSignal:
    """Return the one image of a file, lazily where the reader can."""
    import hyperspy.api as hs

    try:
        found = hs.load(path, lazy=True)
    except (NotImplementedError, TypeError):
        found = hs.load(path)
    several = found if isinstance(found, list) else [found]
    flat = [
        one for one in several if one.axes_manager.signal_dimension == 2 and one.data.dtype.kind in "buif"
    ]
    if len(flat) != 1:
        raise ValueError(
            f"{path} holds {len(flat)} images; one is expected. Load it with hyperspy.api.load and give the wanted image."
        )
    if not flat[0].metadata.get_item("General.title", default=""):
        flat[0].metadata.set_item("General.title", path.stem)
    _read_arrays(flat[0].metadata)
    return flat[0]


def _read_arrays(node: DictionaryTreeBrowser) -> None:
    """Read the arrays and signals of a node that a lazy reader left in the file: each would be read again at every use."""
    for key, value in node:
        if hasattr(value, "axes_manager"):
            if value._lazy:
                value.compute(close_file=False, show_progressbar=False)
        elif hasattr(value, "dask"):
            setattr(node, key, np.asarray(value.compute(scheduler="synchronous")))
        elif hasattr(value, "as_dictionary"):
            _read_arrays(value)


#: Nodes of the metadata with the facts of patches and of moments.
PATCHES_NODE, MOMENTS_NODE = "Patches", "Zernike"


def patches_signal(
    patches: np.ndarray,
    scale: float,
    units: str,
    *,
    radius: float | None = None,
    noise_std: np.ndarray | None = None,
    atoms: np.ndarray | None = None,
    limits: np.ndarray | None = None,
) -> BaseSignal:
    """Return patches of shape (n, size, size) as a signal ``AtomPatches``.

    Parameters
    ----------
    patches : numpy.ndarray of shape (n, size, size)
    scale : float
        Size of a pixel in `units`.
    units : str
    radius : float, optional
        Radius of the disc in pixels; half the width of the patch if not given.
    noise_std : numpy.ndarray of shape (n,), optional
        Standard deviation of the noise of a pixel, in the units of the patches.
    atoms : numpy.ndarray of shape (n,), optional
        Indices of the atoms in the image.
    limits : numpy.ndarray of int, shape (n, 4), optional
        First and past-last row, first and past-last column of each patch inside its image; all if not given.

    Returns
    -------
    hyperspy_motifs.signals.AtomPatches
    """
    from hyperspy.signals import Signal2D

    size = patches.shape[-1]
    half = (size - 1) / 2
    shown = "" if units == UNKNOWN_UNITS else units
    axis = {"scale": scale, "offset": -half * scale, "units": shown, "size": size, "navigate": False}
    node: dict[str, object] = {"facts": json.dumps({"radius_px": float(half if radius is None else radius)})}
    if noise_std is not None:
        node["noise_std"] = np.array(noise_std, dtype=np.float32)
    if atoms is not None:
        node["atoms"] = np.array(atoms, dtype=np.int64)
    if limits is not None:
        node["limits"] = np.array(limits, dtype=np.int64)
    signal = Signal2D(
        patches,
        axes=[
            {"name": "atom", "size": len(patches), "navigate": True},
            {"name": "y", **axis},
            {"name": "x", **axis},
        ],
    )
    return _with_node(signal, "atom_patches", "Patches", PATCHES_NODE, node)


def moments_signal(moments: Moments, scale: float, units: str, atoms: np.ndarray | None = None) -> BaseSignal:
    """Return moments as a signal ``ZernikeFeatures``.

    Parameters
    ----------
    moments : hyperspy_motifs.zernike.Moments
        Of n atoms, from :func:`hyperspy_motifs.zernike.get_moments`.
    scale : float
        Size of a pixel in `units`.
    units : str
    atoms : numpy.ndarray of int, shape (n,), optional
        Indices of the atoms in the image; all atoms in order by default.

    Returns
    -------
    hyperspy_motifs.signals.ZernikeFeatures
    """
    from hyperspy.signals import Signal1D

    facts = {
        "n_max": int(moments.n_max),
        "radius": float(moments.radius) * scale,
        "radius_px": float(moments.radius),
        "units": units,
    }
    node: dict[str, Any] = {
        "modes": np.array(moments.modes, dtype=np.int64),
        "noise_std": np.array(np.atleast_1d(moments.noise_std), dtype=np.float32),
        "atoms": np.array(np.arange(len(moments.values)) if atoms is None else atoms, dtype=np.int64),
        **({} if moments.unit is None else {"unit": np.array(moments.unit, dtype=np.float64)}),
        "facts": json.dumps(facts),
    }
    signal = Signal1D(
        np.asarray(moments.values),
        axes=[
            {"name": "atom", "size": len(moments.values), "navigate": True},
            {"name": "mode", "size": len(moments.modes), "navigate": False},
        ],
    )
    return _with_node(signal, "zernike_features", "Zernike moments", MOMENTS_NODE, node)


def _with_node(
    signal: BaseSignal, signal_type: str, title: str, name: str, node: Mapping[str, object]
) -> BaseSignal:
    signal.metadata.General.title = title
    setattr(signal.metadata, name, node)
    signal.set_signal_type(signal_type)
    return signal
