"""How a result lies in ``signal.metadata.Motifs``, and nothing else.

This module alone knows that schema. HyperSpy copies metadata through every slice and every file, and drops whatever
lies on a signal instance, so the result lives there as arrays of one dimension or more, ASCII strings, scalars and one
nested signal. Lists and tuples are kept out: one of them makes HyperSpy forget the class of every signal beside it.

A *stamp* of the image's axes is written with the result. Where the axes have changed since,

- the same number of pixels means that the image was calibrated anew: pixel positions are the truth, and are converted;
- another number of pixels means that it was cropped, rebinned or sliced: calibrated positions are the truth, and the
  atoms that no longer lie in the image are left out.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

NODE = "Motifs"
ATOMS_NODE = "Atoms"
SCHEMA_VERSION = 1
# Frames of the stack that a slice of it holds: HyperSpy does not say which one inav[k] was.
_PICKED = "picked"

_PIXELS = "px"


@dataclass(frozen=True)
class Stamp:
    """Axes of the image that a result belongs to: x then y, navigation axes in HyperSpy's order."""

    shape: tuple[int, int]
    scale: tuple[float, float]
    offset: tuple[float, float]
    units: str
    navigation_shape: tuple[int, ...] = ()
    navigation_scale: tuple[float, ...] = ()
    navigation_offset: tuple[float, ...] = ()

    @classmethod
    def of(cls, signal: Any) -> Stamp:
        """Stamp of the axes that `signal` has now."""
        ax, ay = signal.axes_manager.signal_axes
        navigation = signal.axes_manager.navigation_axes
        return cls(
            shape=(int(ax.size), int(ay.size)),
            scale=(float(ax.scale), float(ay.scale)),
            offset=(float(ax.offset), float(ay.offset)),
            units=axis_units(ax),
            navigation_shape=tuple(int(a.size) for a in navigation),
            navigation_scale=tuple(float(getattr(a, "scale", 1.0)) for a in navigation),
            navigation_offset=tuple(float(getattr(a, "offset", 0.0)) for a in navigation),
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


def axis_units(axis: Any) -> str:
    """Units of a HyperSpy axis as text; ``"px"`` where it has none."""
    units = str(axis.units)
    return _PIXELS if units in ("<undefined>", "", "t.Undefined", "None") else units


@dataclass(frozen=True)
class Record:
    """Everything that ``find_motifs`` found, as plain arrays.

    Attributes
    ----------
    positions : numpy.ndarray of shape (n, 2)
        x, y in axis units.
    frames : numpy.ndarray of shape (n,)
        Flat index of the frame of each atom (C order of the navigation shape); 0 for a single image.
    atoms : dict of str to numpy.ndarray of shape (n,) or (n, 2)
        Further columns of the atoms (amplitude, width, uncertainty ...).
    labels, probabilities : numpy.ndarray of shape (n,)
    names : dict of int to str
        Names that the user gave to motifs.
    lenses : numpy.ndarray of shape (l,)
        Radii of the lenses, in nearest-neighbour distances.
    lens_labels, lens_probabilities : numpy.ndarray of shape (l, n)
    layouts : numpy.ndarray of shape (l, n, 2)
    chosen : int
        Index of the lens that `labels` come from.
    tree : dict of str to numpy.ndarray
    cells : dict of str to numpy.ndarray, str or scalar
    features : signal or None
        Features at the chosen lens, navigation axis: atoms. None for a large stack, whose features would fill the memory.
    vocabulary : numpy.ndarray of uint8 or None
        For such a stack: what was learned on a sample of its frames, the bytes of
        :func:`hyperspy_motifs.vocabulary.to_bytes`.
    kept : numpy.ndarray of int or None
        After a crop, the atoms of the stored result that remain: `cells` still counts the old ones.
    stretch : float
        Lengths in the units that the image has now, per unit that it had when `cells` was made.
    parameters : dict
        What was asked, and what was estimated; JSON types only.
    previous : dict
        `labels`, `probabilities` and `names` before the last edit, for undo; empty if there was none.
    """

    positions: np.ndarray
    frames: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    lenses: np.ndarray
    lens_labels: np.ndarray
    lens_probabilities: np.ndarray
    layouts: np.ndarray
    chosen: int
    stamp: Stamp
    atoms: dict[str, np.ndarray] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    tree: dict[str, Any] = field(default_factory=dict)
    cells: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    previous: dict[str, Any] = field(default_factory=dict)
    features: Any = None
    vocabulary: np.ndarray | None = None
    kept: np.ndarray | None = None
    stretch: float = 1.0

    def subset(self, keep: np.ndarray) -> Record:
        """The same record with the atoms of mask `keep` alone, which are remembered as `kept`."""
        index = np.flatnonzero(keep)
        previous = dict(self.previous)
        for key in ("labels", "probabilities"):
            if key in previous:
                previous[key] = previous[key][index]
        tree = {k: (v[index] if k.startswith("atom_") else v) for k, v in self.tree.items()}
        return replace(
            self,
            positions=self.positions[index],
            frames=self.frames[index],
            labels=self.labels[index],
            probabilities=self.probabilities[index],
            lens_labels=self.lens_labels[:, index],
            lens_probabilities=self.lens_probabilities[:, index],
            layouts=self.layouts[:, index],
            atoms={k: v[index] for k, v in self.atoms.items()},
            tree=tree,
            previous=previous,
            features=None if self.features is None else _pick_rows(self.features, index),
            kept=index,
        )


def has_result(signal: Any) -> bool:
    """Whether `signal` carries motifs."""
    return bool(signal.metadata.has_item(NODE))


def edition(signal: Any) -> int:
    """Number of times that the result of `signal` was written: a view is stale when this has moved on."""
    return int(signal.metadata.get_item(f"{NODE}.edition", default=0))


def write(signal: Any, record: Record) -> None:
    """Put `record` into the metadata of `signal`.

    The node is made ready first and set by one assignment, so that an interrupt leaves the old or the new result, never
    a mixture.
    """
    node: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "edition": edition(signal) + 1,
        "positions": _frozen(record.positions, np.float64),
        "frames": _frozen(record.frames, np.int64),
        "labels": _frozen(record.labels, np.int64),
        "probabilities": _frozen(record.probabilities, np.float64),
        "lenses": _frozen(record.lenses, np.float64),
        "lens_labels": _frozen(record.lens_labels, np.int64),
        "lens_probabilities": _frozen(record.lens_probabilities, np.float32),
        "layouts": _frozen(record.layouts, np.float32),
        "chosen": int(record.chosen),
        "names": _to_json({str(k): v for k, v in record.names.items()}),
        "parameters": _to_json(record.parameters),
        "stamp": _stamp_to_node(record.stamp),
        "atoms": {k: _frozen(v) for k, v in record.atoms.items()},
        "tree": _mapping_to_node(record.tree),
        "cells": _mapping_to_node(record.cells),
        "previous": _previous_to_node(record.previous),
    }
    if record.features is not None:
        node["features"] = record.features
    if record.vocabulary is not None:
        node["vocabulary"] = _frozen(record.vocabulary, np.uint8)
    setattr(signal.metadata, NODE, node)


def read(signal: Any) -> Record:
    """Record of `signal`, for the axes that it has now.

    Raises
    ------
    ValueError
        If the signal carries no motifs, damaged ones, or those of a later version of this package.
    """
    if not has_result(signal):
        raise ValueError("This image has no motifs yet. Call find_motifs() first.")
    node = signal.metadata.get_item(NODE)
    version = int(node.get_item("schema_version", default=0))
    if version > SCHEMA_VERSION:
        raise ValueError(
            f"The motifs of this image were written by a later version of hyperspy_motifs (schema {version}, "
            f"this version reads up to {SCHEMA_VERSION}). Update hyperspy_motifs, or call find_motifs() again."
        )
    try:
        record = _record_of(node)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"The motifs of this image are damaged ({error}). Call find_motifs() again, or load the file anew."
        ) from error
    now = Stamp.of(signal)
    picked = _picked(node)
    dropped = len(now.navigation_shape) < len(record.stamp.navigation_shape)
    if picked is None and dropped and len(record.frames):
        warnings.warn(
            "A frame was picked out of a stack, and HyperSpy does not say which: its motifs cannot be told. "
            "Use s.inav[k : k + 1] instead of s.inav[k].",
            UserWarning,
            stacklevel=3,
        )
    return fit_to(record, now, picked)


def _record_of(node: Any) -> Record:
    return Record(
        positions=_array(node, "positions"),
        frames=_array(node, "frames"),
        labels=_array(node, "labels"),
        probabilities=_array(node, "probabilities"),
        lenses=_array(node, "lenses"),
        lens_labels=_array(node, "lens_labels"),
        lens_probabilities=_array(node, "lens_probabilities"),
        layouts=_array(node, "layouts"),
        chosen=int(node.get_item("chosen")),
        stamp=_stamp_from_node(node.get_item("stamp")),
        atoms=_mapping_from_node(node.get_item("atoms")),
        names={int(k): v for k, v in json.loads(node.get_item("names")).items()},
        tree=_mapping_from_node(node.get_item("tree")),
        cells=_mapping_from_node(node.get_item("cells")),
        parameters=json.loads(node.get_item("parameters")),
        previous=_previous_from_node(node.get_item("previous")),
        features=node.get_item("features") if node.has_item("features") else None,
        vocabulary=_array(node, "vocabulary") if node.has_item("vocabulary") else None,
    )


def fit_to(record: Record, stamp: Stamp, picked: np.ndarray | None = None) -> Record:
    """`record` as it holds for an image whose axes are those of `stamp`; `picked` are the frames that are left of it."""
    old = record.stamp
    if old == stamp:
        return record
    if old.shape == stamp.shape:
        positions = stamp.to_units(old.to_pixels(record.positions))
        factor = np.array(stamp.scale) / np.array(old.scale)
        keep = np.ones(len(positions), bool)
    else:
        positions = record.positions * _unit_factor(old.units, stamp.units)
        factor = np.full(2, _unit_factor(old.units, stamp.units))
        keep = stamp.inside(positions)
    frames, frame_kept = _move_frames(record.frames, old, stamp, picked)
    factor = np.abs(factor)
    atoms = {k: v * factor if k in ("sigma", "uncertainty") else v for k, v in record.atoms.items()}
    moved = replace(
        record,
        positions=positions,
        frames=frames,
        atoms=atoms,
        stamp=stamp,
        stretch=float(factor[0]),
        parameters=_stretched(record.parameters, float(factor[0])),
    )
    keep = keep & frame_kept
    return moved if keep.all() else moved.subset(keep)


def _stretched(parameters: dict[str, Any], factor: float) -> dict[str, Any]:
    """Parameters whose lengths are in the units that the image has now."""
    lengths = ("spacing", "separation", "patch_radius")
    out = {k: v * factor if k in lengths and v is not None else v for k, v in parameters.items()}
    if "asked" in out:
        out["asked"] = _stretched(out["asked"], factor)
    return out


def remove(signal: Any) -> None:
    """Take the result out of the metadata of `signal`, if there is one."""
    if has_result(signal):
        delattr(signal.metadata, NODE)


def write_atoms(signal: Any, columns: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
    """Put found atoms (`columns` of n rows) and what was estimated on the way (`facts`, JSON types) into the metadata."""
    node = {
        "schema_version": SCHEMA_VERSION,
        "columns": {k: _frozen(v) for k, v in columns.items()},
        "facts": _to_json(dict(facts)),
        "stamp": _stamp_to_node(Stamp.of(signal)),
    }
    setattr(signal.metadata, ATOMS_NODE, node)


def read_atoms(signal: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """Columns and facts of the atoms that `signal` carries, for the axes that it has now; None if there are none."""
    if not signal.metadata.has_item(f"{ATOMS_NODE}.columns"):
        return None
    node = signal.metadata.get_item(ATOMS_NODE)
    columns = _mapping_from_node(node.get_item("columns"))
    facts = json.loads(node.get_item("facts"))
    empty = np.zeros((0, len(columns["positions"])))
    record = Record(
        positions=columns.pop("positions"),
        frames=columns.pop("frames"),
        labels=empty.sum(axis=0),
        probabilities=empty.sum(axis=0),
        lenses=np.zeros(0),
        lens_labels=empty,
        lens_probabilities=empty,
        layouts=np.zeros((*empty.shape, 2)),
        chosen=0,
        stamp=_stamp_from_node(node.get_item("stamp")),
        atoms=columns,
        parameters=facts,
    )
    record = fit_to(record, Stamp.of(signal), _picked(node))
    return {"positions": record.positions, "frames": record.frames, **record.atoms}, record.parameters


def pick_frames(signal: Any, sliced: Any, numbers: np.ndarray) -> None:
    """Note in `sliced`, a slice of `signal`, which of its frames (flat `numbers`) are left."""
    shape = Stamp.of(signal).navigation_shape
    for name in (NODE, ATOMS_NODE):
        if not sliced.metadata.has_item(f"{name}.stamp"):
            continue
        node = sliced.metadata.get_item(name)
        before = _picked(node)
        if before is not None and len(before) == np.prod(shape, dtype=int):
            numbers_there = before[numbers]
        elif _stamp_from_node(node.get_item("stamp")).navigation_shape == shape:
            numbers_there = numbers
        else:
            continue
        node.set_item(_PICKED, _frozen(numbers_there, np.int64))


def _picked(node: Any) -> np.ndarray | None:
    return _array(node, _PICKED) if node.has_item(_PICKED) else None


def _move_frames(
    frames: np.ndarray, old: Stamp, new: Stamp, picked: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Flat frame numbers of `old` as those of `new`, and which of them are left."""
    if picked is not None and len(picked) == np.prod(new.navigation_shape, dtype=int):
        place = np.full(int(np.prod(old.navigation_shape, dtype=int)), -1)
        place[picked] = np.arange(len(picked))
        moved_to = place[frames]
        return np.maximum(moved_to, 0), moved_to >= 0
    if old.navigation_shape == new.navigation_shape:
        return frames, np.ones(len(frames), bool)
    if len(old.navigation_shape) != len(new.navigation_shape):
        # A frame picked out of a stack: HyperSpy no longer tells which, except where there was one to pick.
        single = int(np.prod(old.navigation_shape, dtype=int)) == 1
        return np.zeros_like(frames), np.full(len(frames), single)
    # HyperSpy lists navigation axes fastest first; flat numbers are in C order, slowest first.
    index = np.unravel_index(frames, old.navigation_shape[::-1])
    moved, kept = [], np.ones(len(frames), bool)
    for axis, i in zip(range(len(index) - 1, -1, -1), index, strict=True):
        value = old.navigation_offset[axis] + old.navigation_scale[axis] * i
        j = np.rint((value - new.navigation_offset[axis]) / new.navigation_scale[axis]).astype(int)
        kept &= (j >= 0) & (j < new.navigation_shape[axis])
        moved.append(np.clip(j, 0, new.navigation_shape[axis] - 1))
    return np.ravel_multi_index(tuple(moved), new.navigation_shape[::-1]), kept


def _unit_factor(old: str, new: str) -> float:
    if old == new:
        return 1.0
    import pint

    try:
        return float(pint.UnitRegistry()(old).to(new).magnitude)
    except (pint.PintError, AttributeError, ValueError) as error:
        raise ValueError(
            f"The motifs of this image were found in {old}, its axes are now in {new}, and its shape has changed as well: "
            "their positions cannot be carried over. Set the units back, or call find_motifs() again."
        ) from error


def _pick_rows(features: Any, index: np.ndarray) -> Any:
    """The features signal with the atoms `index` alone (HyperSpy slices by ranges only)."""
    axes = features.axes_manager.as_dictionary()
    first = axes["axis-0"]
    first["size"] = len(index)
    return features.__class__(
        np.asarray(features.data)[index],
        axes=[axes[f"axis-{i}"] for i in range(len(axes))],
        metadata=features.metadata.as_dictionary(),
    )


def _frozen(values: Any, dtype: Any = None) -> np.ndarray:
    """A read-only copy of at least one dimension: a view handed to users cannot change the stored result."""
    array = np.array(np.atleast_1d(np.asarray(values)), dtype=dtype, copy=True)
    array.flags.writeable = False
    return array


def _array(node: Any, key: str) -> np.ndarray:
    value = node.get_item(key)
    if value is None:
        raise KeyError(f"{key} is missing")
    # After a lazy load the arrays of the metadata are dask arrays.
    return np.asarray(value)


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, sort_keys=True, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be kept with the motifs")


def _mapping_to_node(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Arrays as they are, scalars and text as one JSON string (bool and None do not survive every file format)."""
    arrays = {k: _frozen(v) for k, v in mapping.items() if isinstance(v, np.ndarray)}
    scalars = {k: v for k, v in mapping.items() if not isinstance(v, np.ndarray)}
    return {**arrays, "scalars": _to_json(scalars)}


def _mapping_from_node(node: Any) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key in node.keys():
        if key == "scalars":
            out.update(json.loads(node.get_item(key)))
        else:
            out[key] = _array(node, key)
    return out


def _previous_to_node(previous: Mapping[str, Any]) -> dict[str, Any]:
    node = dict(previous)
    node["names"] = {str(k): v for k, v in previous.get("names", {}).items()}
    return _mapping_to_node(node)


def _previous_from_node(node: Any) -> dict[str, Any]:
    previous = _mapping_from_node(node)
    names = {int(k): v for k, v in previous.pop("names", {}).items()}
    return {**previous, "names": names} if "labels" in previous else {}


def _stamp_to_node(stamp: Stamp) -> dict[str, Any]:
    return {
        "axes": _to_json(
            {
                "shape": stamp.shape,
                "scale": stamp.scale,
                "offset": stamp.offset,
                "units": stamp.units,
                "navigation_shape": stamp.navigation_shape,
                "navigation_scale": stamp.navigation_scale,
                "navigation_offset": stamp.navigation_offset,
            }
        )
    }


def _stamp_from_node(node: Any) -> Stamp:
    axes: dict[str, Any] = json.loads(node.get_item("axes"))
    values: dict[str, Any] = {k: v if isinstance(v, str) else tuple(v) for k, v in axes.items()}
    return Stamp(**values)
