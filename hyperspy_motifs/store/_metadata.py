"""Writing the record and the atoms of a signal into its metadata, and reading them."""

from __future__ import annotations

import json
import warnings
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ._movement import Fingerprint, find_movement, moved_pixels, movement_by_axes, sample_places
from ._nodes_and_signals import (
    Stamp,
    array,
    frozen,
    mapping_from_node,
    mapping_to_node,
    previous_from_node,
    previous_to_node,
    stamp_from_node,
    stamp_to_node,
    to_json,
)
from ._record import NOT_ALL, Record, fit_to, join

if TYPE_CHECKING:
    from hyperspy.misc.utils import DictionaryTreeBrowser
    from hyperspy.signals import BaseSignal

NODE = "Motifs"
ATOMS_NODE = "Atoms"
MASK_NODE = "No_data"
# Name of results in files that have none.
_UNNAMED = "0"
# Grows with every change that an older version of this package cannot read.
SCHEMA_VERSION = 2
# Frames of a stack in a slice of it: HyperSpy does not record the index of inav[k].
_PICKED = "picked"
# Pixels of a quick look, in all frames together.
_MOST_QUICK = 4096


def has_result(signal: BaseSignal) -> bool:
    """Whether `signal` has motifs."""
    return bool(signal.metadata.has_item(NODE))


def why_missing(signal: BaseSignal) -> str:
    """A sentence on why `signal` has no motifs, and what to do."""
    if _records_of_stacked(signal):
        return f"This image has no motifs: {NOT_ALL}. Call find_motifs()."
    return "This image has no motifs yet. Call find_motifs() first."


def edition(signal: BaseSignal) -> int:
    """Number of times that the result of `signal` was written: a view is outdated if this number has changed."""
    return int(signal.metadata.get_item(f"{NODE}.edition", default=0))


def state(signal: BaseSignal) -> tuple[object, ...]:
    """What changes with the result of `signal`, its axes or its pixels: what was read before is outdated then."""
    name = signal.metadata.get_item(f"{NODE}.result", default="")
    return name, edition(signal), Stamp.of(signal), pixels_key(signal)


class Held(NamedTuple):
    """The result of a signal and its mask, which no later result changes; None where there is none."""

    result: DictionaryTreeBrowser | None
    mask: DictionaryTreeBrowser | None


def held(signal: BaseSignal) -> Held:
    """The result of `signal` and its mask."""
    return Held(signal.metadata.get_item(NODE), signal.metadata.get_item(MASK_NODE))


def is_same(one: Held, other: Held) -> bool:
    """Whether both are one result, before and after edits."""
    if one.result is None or other.result is None:
        return one.result is other.result
    return bool(
        one.result.get_item("result", default=_UNNAMED) == other.result.get_item("result", default=_UNNAMED)
    )


def holding(signal: BaseSignal, kept: Held) -> BaseSignal:
    """A signal with the pixels and axes of `signal`, and the result and mask `kept` in place of its own."""
    out = signal._deepcopy_with_new_data(signal.data)
    for name, node in ((NODE, kept.result), (MASK_NODE, kept.mask)):
        if node is not None:
            setattr(out.metadata, name, node)
        elif out.metadata.has_item(name):
            delattr(out.metadata, name)
    return out


def write(signal: BaseSignal, record: Record, *, same_atoms: bool = False) -> None:
    """Write `record` to the metadata of `signal`; `same_atoms`: atoms and labels are those of before, so defects are kept.

    The complete node is set by one assignment, so that an interrupt leaves either the old or the new result.
    """
    node: dict[str, object] = {
        "schema_version": SCHEMA_VERSION,
        "edition": edition(signal) + 1,
        "result": record.result or _name_of(record, edition(signal) + 1),
        "positions": frozen(record.positions, np.float64),
        "frames": frozen(record.frames, np.int64),
        "labels": frozen(record.labels, np.int64),
        "probabilities": frozen(record.probabilities, np.float64),
        "radii": frozen(record.radii, np.float64),
        "radius_labels": frozen(record.radius_labels, np.int64),
        "radius_probabilities": frozen(record.radius_probabilities, np.float32),
        "layouts": frozen(record.layouts, np.float32),
        "chosen": int(record.chosen),
        "names": to_json({str(k): v for k, v in record.names.items()}),
        "parameters": to_json(record.parameters),
        "stamp": stamp_to_node(record.stamp),
        "atoms": {k: frozen(v) for k, v in record.atoms.items()},
        "sites": {k: frozen(v) for k, v in record.sites.items()},
        "tree": mapping_to_node(record.tree),
        "cells": mapping_to_node(record.cells),
        "previous": previous_to_node(record.previous),
    }
    if record.features is not None:
        node["features"] = record.features
    if record.detectors is not None:
        node["detectors"] = frozen(record.detectors)
    if record.model is not None:
        node["model"] = frozen(record.model, np.uint8)
    node |= _pixels_node(signal)
    defects = read_defects(signal) if same_atoms else None
    if defects is not None:
        node["defects"] = _defects_node(signal, defects)
    identification = _kept_identification(signal, record)
    if identification is not None:
        node["identification"] = identification
    setattr(signal.metadata, NODE, node)


def _name_of(record: Record, edition: int) -> str:
    """The name by which a result is known through all edits; those before and after it have other names."""
    found = to_json(record.parameters).encode() + record.positions.tobytes()
    return f"{edition}-{zlib.crc32(found):08x}"


def _kept_identification(signal: BaseSignal, record: Record) -> object:
    """The identification of `signal`, if `record` is the same result, as after an edit, with the same atoms."""
    if not signal.metadata.has_item(f"{NODE}.identification"):
        return None
    node = signal.metadata.get_item(NODE)
    # The names of its motifs belong to the result as well, and a new one has none.
    same = record.result == node.get_item("result", default=_UNNAMED)
    same &= np.array_equal(array(node, "positions"), record.positions)
    return node.get_item("identification") if same else None


def read(signal: BaseSignal) -> Record:
    """Record of `signal` for its current axes.

    Raises
    ------
    ValueError
        If the signal has no motifs, damaged ones, or those of a later version of this package.
    """
    if not has_result(signal):
        raise ValueError(why_missing(signal))
    node = signal.metadata.get_item(NODE)
    version = int(node.get_item("schema_version", default=0))
    if version > SCHEMA_VERSION:
        raise ValueError(
            f"The motifs of this image were written by a later version of hyperspy_motifs (schema {version}, "
            f"this version reads up to {SCHEMA_VERSION}). Update hyperspy_motifs, or call find_motifs() again."
        )
    if version < SCHEMA_VERSION:
        raise ValueError(
            "The motifs of this image were written by a development version of hyperspy_motifs, whose results this version "
            "does not read. Call find_motifs() again."
        )
    try:
        record = _record_of(node)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"The motifs of this image are damaged ({error}). Call find_motifs() again, or load the file again."
        ) from error
    fitted = _fit(signal, node, record)
    if isinstance(fitted, Record):
        return fitted
    reason = fitted
    elements, frames = _records_of_stacked(signal), frames_of(signal)
    if elements and frames is not None:
        joined = join(Stamp.of(signal), frames, elements)
        if isinstance(joined, Record):
            return replace(joined, result=record.result)
        reason = joined
    remove(signal)
    warnings.warn(
        f"The motifs of this image were dropped: {reason}. Call find_motifs() again.",
        UserWarning,
        stacklevel=3,
    )
    raise ValueError(f"This image has no motifs any more: {reason}. Call find_motifs() again.")


def frames_of(signal: BaseSignal) -> list[np.ndarray] | None:
    """Views of the frames of `signal` in flat order; None for a lazy signal and for pixels that are not real numbers."""
    data = signal.data
    if signal._lazy or data.dtype.names or data.dtype.kind not in "buif":
        return None
    return list(data.reshape(-1, *data.shape[-2:]))


def pixels_key(signal: BaseSignal) -> tuple[object, ...]:
    """What changes if the pixels of `signal` are replaced or changed in places: quick, but not every change is seen."""
    frames = frames_of(signal)
    if frames is None:
        return ()
    column, row = sample_places(frames[0].shape).T
    step = max(len(frames) * len(row) // _MOST_QUICK, 1)
    return id(signal.data), hash(np.array([frame[row[::step], column[::step]] for frame in frames]).tobytes())


def _pixels_node(signal: BaseSignal) -> dict[str, object]:
    """What identifies the pixels of `signal`, for its node; nothing for a lazy signal."""
    frames = frames_of(signal)
    if frames is None:
        return {}
    found = Fingerprint.of(frames)
    return {
        "pixels": {
            "checksums": frozen(found.checksums),
            "levels": frozen(found.levels),
            "samples": frozen(found.samples, np.float64),
        }
    }


def _fingerprint(node: DictionaryTreeBrowser) -> Fingerprint | None:
    if not node.has_item("pixels.checksums"):
        return None
    return Fingerprint(*(array(node, f"pixels.{name}") for name in ("checksums", "levels", "samples")))


def _records_of_stacked(signal: BaseSignal) -> list[tuple[Record, Fingerprint | None]]:
    """Results of the images that ``hyperspy.api.stack`` made `signal` of, from the metadata that it keeps of each."""
    return [(_record_of(node), _fingerprint(node)) for node in _stacked_nodes(signal.original_metadata)]


def _stacked_nodes(original: DictionaryTreeBrowser) -> Iterator[DictionaryTreeBrowser]:
    kept = original.get_item("stack_elements")
    for name in [] if kept is None else kept.keys():
        node = kept.get_item(f"{name}.metadata.{NODE}")
        if node is not None:
            yield node
        # A stack of stacks.
        inner = kept.get_item(f"{name}.original_metadata")
        if inner is not None:
            yield from _stacked_nodes(inner)


def _fit(signal: BaseSignal, node: DictionaryTreeBrowser, record: Record) -> Record | str:
    """`record` of `node` for the present state of `signal`, or the reason why it does not belong to it."""
    now = Stamp.of(signal)
    movement = find_movement(record.stamp, now, _fingerprint(node), frames_of(signal), _picked(node))
    return movement if isinstance(movement, str) else fit_to(record, now, movement)


def _record_of(node: DictionaryTreeBrowser) -> Record:
    return Record(
        positions=array(node, "positions"),
        frames=array(node, "frames"),
        labels=array(node, "labels"),
        probabilities=array(node, "probabilities"),
        radii=array(node, "radii"),
        radius_labels=array(node, "radius_labels"),
        radius_probabilities=array(node, "radius_probabilities"),
        layouts=array(node, "layouts"),
        chosen=int(node.get_item("chosen")),
        stamp=stamp_from_node(node.get_item("stamp")),
        result=node.get_item("result", default=_UNNAMED),
        atoms=mapping_from_node(node.get_item("atoms")),
        names={int(k): v for k, v in json.loads(node.get_item("names")).items()},
        tree=mapping_from_node(node.get_item("tree")),
        cells=mapping_from_node(node.get_item("cells")),
        parameters=json.loads(node.get_item("parameters")),
        previous=previous_from_node(node.get_item("previous")),
        sites=mapping_from_node(node.get_item("sites")) if node.has_item("sites") else {},
        features=node.get_item("features") if node.has_item("features") else None,
        model=array(node, "model") if node.has_item("model") else None,
        detectors=array(node, "detectors") if node.has_item("detectors") else None,
    )


def remove(signal: BaseSignal) -> None:
    """Remove the result, if any, from the metadata of `signal`."""
    if has_result(signal):
        delattr(signal.metadata, NODE)


def write_identification(signal: BaseSignal, state: Mapping[str, object]) -> None:
    """Keep the identification of the atoms of `signal` in its node, until its atoms change or motifs are found again."""
    node = {"state": mapping_to_node(state), "stamp": stamp_to_node(Stamp.of(signal))}
    signal.metadata.set_item(f"{NODE}.identification", node)


def read_identification(signal: BaseSignal) -> dict[str, Any] | None:
    """Identification of the atoms of `signal`; None if there is none for its current axes."""
    if not signal.metadata.has_item(f"{NODE}.identification.state"):
        return None
    node = signal.metadata.get_item(f"{NODE}.identification")
    if stamp_from_node(node.get_item("stamp")) != Stamp.of(signal):
        return None
    return mapping_from_node(node.get_item("state"))


def write_defects(signal: BaseSignal, columns: Mapping[str, object]) -> None:
    """Keep the defects of the current result of `signal` in its node, until its atoms or labels change."""
    signal.metadata.set_item(f"{NODE}.defects", _defects_node(signal, columns))


def _defects_node(signal: BaseSignal, columns: Mapping[str, object]) -> dict[str, object]:
    return {"columns": mapping_to_node(columns), "stamp": stamp_to_node(Stamp.of(signal))}


def read_defects(signal: BaseSignal) -> dict[str, Any] | None:
    """Defects of the current result of `signal`; None if there are none for its current axes."""
    if not signal.metadata.has_item(f"{NODE}.defects.columns"):
        return None
    node = signal.metadata.get_item(f"{NODE}.defects")
    if stamp_from_node(node.get_item("stamp")) != Stamp.of(signal):
        return None
    return mapping_from_node(node.get_item("columns"))


def remove_atoms(signal: BaseSignal) -> None:
    """Remove the atoms of ``find_atoms``, if any, from the metadata of `signal`."""
    if signal.metadata.has_item(ATOMS_NODE):
        delattr(signal.metadata, ATOMS_NODE)


def write_atoms(signal: BaseSignal, columns: Mapping[str, np.ndarray], facts: Mapping[str, object]) -> None:
    """Write the detected atoms (`columns` of n rows) and estimated values (`facts`, JSON types) to the metadata."""
    node = {
        "schema_version": SCHEMA_VERSION,
        "columns": {k: frozen(v) for k, v in columns.items()},
        "facts": to_json(dict(facts)),
        "stamp": stamp_to_node(Stamp.of(signal)),
        **_pixels_node(signal),
    }
    setattr(signal.metadata, ATOMS_NODE, node)


def load_atoms(signal: BaseSignal) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """Columns and facts of the atoms of `signal` for its current axes; None if there are none."""
    if not signal.metadata.has_item(f"{ATOMS_NODE}.columns"):
        return None
    node = signal.metadata.get_item(ATOMS_NODE)
    columns = mapping_from_node(node.get_item("columns"))
    facts = json.loads(node.get_item("facts"))
    empty = np.zeros((0, len(columns["positions"])))
    record = Record(
        positions=columns.pop("positions"),
        frames=columns.pop("frames"),
        labels=empty.sum(axis=0),
        probabilities=empty.sum(axis=0),
        radii=np.zeros(0),
        radius_labels=empty,
        radius_probabilities=empty,
        layouts=np.zeros((*empty.shape, 2)),
        chosen=0,
        stamp=stamp_from_node(node.get_item("stamp")),
        atoms=columns,
        parameters=facts,
    )
    fitted = _fit(signal, node, record)
    if isinstance(fitted, str):
        delattr(signal.metadata, ATOMS_NODE)
        warnings.warn(
            f"The atoms of this image were dropped: {fitted}. Call find_atoms() again.",
            UserWarning,
            stacklevel=4,
        )
        return None
    record = fitted
    return {"positions": record.positions, "frames": record.frames, **record.atoms}, record.parameters


def write_mask(signal: BaseSignal, mask: np.ndarray | None) -> None:
    """Keep a mask of the pixels without data (rows, columns), or none, in the metadata of `signal`."""
    if mask is None:
        if signal.metadata.has_item(MASK_NODE):
            delattr(signal.metadata, MASK_NODE)
        return
    node = {
        "mask": frozen(mask, np.uint8),
        "stamp": stamp_to_node(Stamp.of(signal)),
        **_pixels_node(signal),
    }
    setattr(signal.metadata, MASK_NODE, node)


def read_mask(signal: BaseSignal) -> np.ndarray | None:
    """Mask of the pixels without data (rows, columns) that `signal` carries, for the axes that it has now; None for none."""
    if not signal.metadata.has_item(f"{MASK_NODE}.mask"):
        return None
    node = signal.metadata.get_item(MASK_NODE)
    pixels, before = array(node, "mask").astype(bool), stamp_from_node(node.get_item("stamp"))
    now = Stamp.of(signal)
    single = not now.navigation_shape and not before.navigation_shape
    way = find_movement(
        before, now, _fingerprint(node) if single else None, frames_of(signal) if single else None
    )
    if isinstance(way, str):
        # Pixels may change where the mask stays, e.g. where they are filled.
        way = movement_by_axes(before, now)
    moved, there = moved_pixels(pixels, way, before, now)
    return moved & there


def pick_frames(signal: BaseSignal, sliced: BaseSignal, numbers: np.ndarray) -> None:
    """Record in `sliced`, a slice of `signal`, the remaining frames (flat `numbers`)."""
    shape = Stamp.of(signal).navigation_shape
    for name in (NODE, ATOMS_NODE):
        if not sliced.metadata.has_item(f"{name}.stamp"):
            continue
        node = sliced.metadata.get_item(name)
        before = _picked(node)
        if before is not None and len(before) == np.prod(shape, dtype=int):
            numbers_there = before[numbers]
        elif stamp_from_node(node.get_item("stamp")).navigation_shape == shape:
            numbers_there = numbers
        else:
            continue
        node.set_item(_PICKED, frozen(numbers_there, np.int64))


def _picked(node: DictionaryTreeBrowser) -> np.ndarray | None:
    return array(node, _PICKED) if node.has_item(_PICKED) else None
