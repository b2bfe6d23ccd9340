"""Fitted nested lenses as named arrays, and back: what a file or another process needs to part new atoms the same way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._classifier import GaussianClasses
from ._constellations import Patterns
from ._features import Axes
from ._nested import NestedRadii
from ._reading import Parting
from ._site_parting import SiteParting
from ._sites import SiteTemplates
from ._surroundings import Leak
from ._wider_lens import WiderLens


def to_state(model: NestedRadii) -> dict[str, NDArray[Any]]:
    """Return all that :meth:`NestedRadii.predict` reads, as arrays by name; no objects among them."""
    out = {
        "radii": np.array(model.radii_, dtype=np.float64),
        "radius": np.array(model.radius_, dtype=np.float64),
        "rotation_invariant": np.array(bool(model.rotation_invariant)),
    }
    for step, lens in enumerate(model.radii_):
        unit, leak = model._views[lens]
        out[f"{step}/unit"] = unit
        out[f"{step}/names"] = model._names[lens]
        out[f"{step}/n_partings"] = np.array(len(model._partings.get(lens, [])))
        if leak is not None:
            out |= _flat(leak, f"{step}/leak")
        for number, parting in enumerate(model._partings.get(lens, [])):
            prefix = f"{step}/{number}"
            out |= _flat(parting.axes, f"{prefix}/axes") | _flat(parting.classes, f"{prefix}/classes")
            out[f"{prefix}/leaves"] = parting.leaves
            if parting.wider is not None:
                out |= _flat(parting.wider.axes, f"{prefix}/wider/axes")
                out |= _flat(parting.wider.classes, f"{prefix}/wider/classes")
    if model._site_parting is not None:
        at = model._site_parting
        sites = {f.name: getattr(at.sites, f.name) for f in fields(SiteTemplates) if f.name != "patterns"}
        out |= {f"sites/{name}": np.asarray(value) for name, value in sites.items()}
        out |= _flat(at.sites.patterns, "sites/patterns")
        out["sites/group_of_site"] = at.group_of_site
        out["sites/group_of_kind"] = at.group_of_kind
    return out


def from_state(state: Mapping[str, NDArray[Any]]) -> NestedRadii:
    """Return nested lenses that predict as those of :func:`to_state` did; they have no atoms of their own.

    Raises
    ------
    KeyError
        If an array is missing.
    """
    lenses = tuple(float(v) for v in state["radii"])
    model = NestedRadii(lenses, rotation_invariant=bool(state["rotation_invariant"]))
    model.radii_, model.radius_ = lenses, float(state["radius"])
    model._views, model._partings, model._names = {}, {}, {}
    for step, lens in enumerate(lenses):
        has_leak = f"{step}/leak/inner" in state
        leak = _restored(Leak, state, f"{step}/leak") if has_leak else None
        model._views[lens] = np.asarray(state[f"{step}/unit"], float), leak
        model._names[lens] = np.asarray(state[f"{step}/names"], np.int32)
        model._partings[lens] = [
            _parting(state, f"{step}/{number}") for number in range(int(state[f"{step}/n_partings"]))
        ]
    model._site_parting = _site_parting(state) if "sites/kind" in state else None
    return model


def _parting(state: Mapping[str, NDArray[Any]], prefix: str) -> Parting:
    wider = None
    if f"{prefix}/wider/axes/centre" in state:
        wider = WiderLens(
            _restored(Axes, state, f"{prefix}/wider/axes"),
            _restored(GaussianClasses, state, f"{prefix}/wider/classes"),
        )
    return Parting(
        _restored(Axes, state, f"{prefix}/axes"),
        _restored(GaussianClasses, state, f"{prefix}/classes"),
        np.asarray(state[f"{prefix}/leaves"], np.int32),
        wider,
    )


def _site_parting(state: Mapping[str, NDArray[Any]]) -> SiteParting:
    sites = SiteTemplates(
        patterns=_restored(Patterns, state, "sites/patterns"),
        kind=np.asarray(state["sites/kind"], np.int32),
        sizes=np.asarray(state["sites/sizes"], np.int64),
        separations=np.asarray(state["sites/separations"], float),
        spread=float(state["sites/spread"]),
        tolerance=float(state["sites/tolerance"]),
        rotation_invariant=bool(state["sites/rotation_invariant"]),
    )
    group_of_site = np.asarray(state["sites/group_of_site"], np.int32)
    return SiteParting(sites, group_of_site, np.asarray(state["sites/group_of_kind"], np.int32))


def _flat(value: Any, prefix: str) -> dict[str, NDArray[Any]]:
    assert is_dataclass(value)
    return {f"{prefix}/{f.name}": np.asarray(getattr(value, f.name)) for f in fields(value)}


def _restored(kind: Any, state: Mapping[str, NDArray[Any]], prefix: str) -> Any:
    values = {f.name: state[f"{prefix}/{f.name}"] for f in fields(kind)}
    # What was a number is one again: an array of no dimension would not be the same to every reader.
    return kind(**{k: v.item() if np.ndim(v) == 0 else np.asarray(v) for k, v in values.items()})
