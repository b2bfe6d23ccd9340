"""Writing the record and the atoms of a signal into its metadata, and reading them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from ._metadata_nodes import (
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
from ._old_names import new_names, stored_key
from ._record import Record, fit_to
from ._stamp import Stamp

NODE = "Motifs"
ATOMS_NODE = "Atoms"
MASK_NODE = "No_data"
SCHEMA_VERSION = 2
# Frames of a stack in a slice of it: HyperSpy does not record the index of inav[k].
_PICKED = "picked"


def has_result(signal: Any) -> bool:
    """Whether `signal` has motifs."""
    return bool(signal.metadata.has_item(NODE))


def edition(signal: Any) -> int:
    """Number of times that the result of `signal` was written: a view is outdated if this number has changed."""
    return int(signal.metadata.get_item(f"{NODE}.edition", default=0))


def write(signal: Any, record: Record) -> None:
    """Write `record` to the metadata of `signal`.

    The complete node is set by one assignment, so that an interrupt leaves either the old or the new result.
    """
    node: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "edition": edition(signal) + 1,
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
        "tree": mapping_to_node(record.tree),
        "cells": mapping_to_node(record.cells),
        "previous": previous_to_node(record.previous),
    }
    if record.features is not None:
        node["features"] = record.features
    if record.model is not None:
        node["model"] = frozen(record.model, np.uint8)
    setattr(signal.metadata, NODE, node)


def read(signal: Any) -> Record:
    """Record of `signal` for its current axes.

    Raises
    ------
    ValueError
        If the signal has no motifs, damaged ones, or those of a later version of this package.
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
    if version < 2 and node.has_item("vocabulary"):
        raise ValueError(
            "The motifs of this stack were learned on a sample, and written by a development version of hyperspy_motifs whose "
            "model this version does not read. Call find_motifs() again."
        )
    try:
        record = _record_of(node, version)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"The motifs of this image are damaged ({error}). Call find_motifs() again, or load the file again."
        ) from error
    now = Stamp.of(signal)
    picked = _picked(node)
    dropped = len(now.navigation_shape) < len(record.stamp.navigation_shape)
    if picked is None and dropped and len(record.frames):
        warnings.warn(
            "A frame was selected from a stack, but HyperSpy does not record which one: its motifs cannot be identified. "
            "Use s.inav[k : k + 1] instead of s.inav[k].",
            UserWarning,
            stacklevel=3,
        )
    return fit_to(record, now, picked)


def _record_of(node: Any, version: int) -> Record:
    return Record(
        positions=array(node, "positions"),
        frames=array(node, "frames"),
        labels=array(node, "labels"),
        probabilities=array(node, "probabilities"),
        radii=array(node, stored_key("radii", version)),
        radius_labels=array(node, stored_key("radius_labels", version)),
        radius_probabilities=array(node, stored_key("radius_probabilities", version)),
        layouts=array(node, "layouts"),
        chosen=int(node.get_item("chosen")),
        stamp=stamp_from_node(node.get_item("stamp")),
        atoms=new_names(mapping_from_node(node.get_item("atoms")), version),
        names={int(k): v for k, v in json.loads(node.get_item("names")).items()},
        tree=new_names(mapping_from_node(node.get_item("tree")), version),
        cells=new_names(mapping_from_node(node.get_item("cells")), version),
        parameters=new_names(json.loads(node.get_item("parameters")), version),
        previous=previous_from_node(node.get_item("previous")),
        features=node.get_item("features") if node.has_item("features") else None,
        model=array(node, "model") if node.has_item("model") else None,
    )


def remove(signal: Any) -> None:
    """Remove the result, if any, from the metadata of `signal`."""
    if has_result(signal):
        delattr(signal.metadata, NODE)


def write_atoms(signal: Any, columns: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
    """Write the detected atoms (`columns` of n rows) and estimated values (`facts`, JSON types) to the metadata."""
    node = {
        "schema_version": SCHEMA_VERSION,
        "columns": {k: frozen(v) for k, v in columns.items()},
        "facts": to_json(dict(facts)),
        "stamp": stamp_to_node(Stamp.of(signal)),
    }
    setattr(signal.metadata, ATOMS_NODE, node)


def load_atoms(signal: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
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
    record = fit_to(record, Stamp.of(signal), _picked(node))
    return {"positions": record.positions, "frames": record.frames, **record.atoms}, record.parameters


def write_mask(signal: Any, mask: np.ndarray | None) -> None:
    """Keep a mask of the pixels without data (rows, columns), or none, in the metadata of `signal`."""
    if mask is None:
        if signal.metadata.has_item(MASK_NODE):
            delattr(signal.metadata, MASK_NODE)
        return
    node = {"pixels": frozen(mask, np.uint8), "stamp": stamp_to_node(Stamp.of(signal))}
    setattr(signal.metadata, MASK_NODE, node)


def read_mask(signal: Any) -> np.ndarray | None:
    """Mask of the pixels without data (rows, columns) that `signal` carries, for the axes that it has now; None for none."""
    if not signal.metadata.has_item(f"{MASK_NODE}.pixels"):
        return None
    node = signal.metadata.get_item(MASK_NODE)
    pixels, before = array(node, "pixels").astype(bool), stamp_from_node(node.get_item("stamp"))
    now = Stamp.of(signal)
    if now.shape == before.shape:
        return pixels
    # After a crop: by the places of the pixels.
    x = (np.arange(now.shape[0]) * now.scale[0] + now.offset[0] - before.offset[0]) / before.scale[0]
    y = (np.arange(now.shape[1]) * now.scale[1] + now.offset[1] - before.offset[1]) / before.scale[1]
    column, row = np.rint(x).astype(int), np.rint(y).astype(int)
    there = ((row >= 0) & (row < before.shape[1]))[:, None] & ((column >= 0) & (column < before.shape[0]))
    taken = pixels[np.clip(row, 0, before.shape[1] - 1)][:, np.clip(column, 0, before.shape[0] - 1)]
    return taken & there


def pick_frames(signal: Any, sliced: Any, numbers: np.ndarray) -> None:
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


def _picked(node: Any) -> np.ndarray | None:
    return array(node, _PICKED) if node.has_item(_PICKED) else None
