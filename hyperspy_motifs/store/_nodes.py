"""Nodes of the metadata: the axes of a result, mappings, and columns of sites."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from hyperspy.misc.utils import DictionaryTreeBrowser
    from hyperspy.signals import BaseSignal


_PIXELS = "px"
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


def axis_units(axis: Any) -> str:
    """Units of a HyperSpy axis as text; ``"px"`` if it has none."""
    units = str(axis.units)
    return _PIXELS if units in ("<undefined>", "", "t.Undefined", "None") else units


def unit_factor(old: str, new: str) -> float:
    """How many `new` one `old` is.

    Raises
    ------
    ValueError
        If one cannot be converted to the other.
    """
    if old == new:
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


def frozen(values: Any, dtype: Any = None) -> np.ndarray:
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


def to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, sort_keys=True, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be stored with the motifs")


def mapping_to_node(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Arrays as they are, scalars and text as one JSON string (bool and None do not survive every file format)."""
    arrays = {k: frozen(v) for k, v in mapping.items() if isinstance(v, np.ndarray)}
    scalars = {k: v for k, v in mapping.items() if not isinstance(v, np.ndarray)}
    return {**arrays, "scalars": to_json(scalars)}


def mapping_from_node(node: DictionaryTreeBrowser) -> dict[str, Any]:
    out: dict[str, Any] = {}
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
