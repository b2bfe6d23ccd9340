"""Nodes of the metadata, and columns of sites."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from ._stamp import Stamp

if TYPE_CHECKING:
    from hyperspy.misc.utils import DictionaryTreeBrowser


def frozen(values: Any, dtype: Any = None) -> np.ndarray:
    """A read-only copy of at least one dimension: users cannot change the stored result through it."""
    array = np.array(np.atleast_1d(np.asarray(values)), dtype=dtype, copy=True)
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
