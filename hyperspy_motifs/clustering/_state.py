"""Fitted nested lenses as named arrays, and back: what a file or another process needs to part new atoms the same way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._classifier import GaussianClasses
from ._features import Axes
from ._nested import NestedLenses, _Parting
from ._surroundings import Leak


def to_state(model: NestedLenses) -> dict[str, NDArray[Any]]:
    """Return all that :meth:`NestedLenses.predict` reads, as arrays by name; no objects among them."""
    out = {
        "lenses": np.array(model.lenses_, dtype=np.float64),
        "lens": np.array(model.lens_, dtype=np.float64),
        "rotation_invariant": np.array(bool(model.rotation_invariant)),
    }
    for step, lens in enumerate(model.lenses_):
        unit, leak = model._views[lens]
        out[f"{step}/unit"] = unit
        out[f"{step}/names"] = model._names[lens]
        out[f"{step}/n_partings"] = np.array(len(model._partings[lens]))
        if leak is not None:
            out |= _flat(leak, f"{step}/leak")
        for number, parting in enumerate(model._partings[lens]):
            prefix = f"{step}/{number}"
            out |= _flat(parting.axes, f"{prefix}/axes") | _flat(parting.classes, f"{prefix}/classes")
            out[f"{prefix}/leaves"] = parting.leaves
    return out


def from_state(state: Mapping[str, NDArray[Any]]) -> NestedLenses:
    """Return nested lenses that predict as those of :func:`to_state` did; they have no atoms of their own.

    Raises
    ------
    KeyError
        If an array is missing.
    """
    lenses = tuple(float(v) for v in state["lenses"])
    model = NestedLenses(lenses, rotation_invariant=bool(state["rotation_invariant"]))
    model.lenses_, model.lens_ = lenses, float(state["lens"])
    model._views, model._partings, model._names = {}, {}, {}
    for step, lens in enumerate(lenses):
        has_leak = f"{step}/leak/inner" in state
        leak = _restored(Leak, state, f"{step}/leak") if has_leak else None
        model._views[lens] = np.asarray(state[f"{step}/unit"], float), leak
        model._names[lens] = np.asarray(state[f"{step}/names"], np.int32)
        model._partings[lens] = [
            _Parting(
                _restored(Axes, state, f"{step}/{number}/axes"),
                _restored(GaussianClasses, state, f"{step}/{number}/classes"),
                np.asarray(state[f"{step}/{number}/leaves"], np.int32),
            )
            for number in range(int(state[f"{step}/n_partings"]))
        ]
    return model


def _flat(value: Any, prefix: str) -> dict[str, NDArray[Any]]:
    assert is_dataclass(value)
    return {f"{prefix}/{f.name}": np.asarray(getattr(value, f.name)) for f in fields(value)}


def _restored(kind: Any, state: Mapping[str, NDArray[Any]], prefix: str) -> Any:
    values = {f.name: state[f"{prefix}/{f.name}"] for f in fields(kind)}
    # What was a number is one again: an array of no dimension would not be the same to every reader.
    return kind(**{k: v.item() if np.ndim(v) == 0 else np.asarray(v) for k, v in values.items()})
