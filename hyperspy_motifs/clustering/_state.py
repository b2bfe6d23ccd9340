"""Fitted models as named arrays, and back: what a file or another process needs to classify new atoms the same way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.sites import NeighbourTemplates, SiteTemplates

from ._crosstalk import NeighbourCrosstalk
from ._environment import Environments, Sublattices
from ._mixture import MotifMixture
from ._neighbour_effects import Explanation, NeighbourEffects, StrainEffects
from ._nested_radii import NestedRadii
from ._regions import ManifoldRegions
from ._site_classifier import RadiusModel, SiteClassifier

_T = TypeVar("_T")
Arrays = dict[str, NDArray[np.generic]]


def to_state(model: NestedRadii) -> Arrays:
    """Return all that prediction reads, as arrays by name; no objects among them."""
    out: Arrays = {"regions": np.array(isinstance(model, ManifoldRegions))}
    out |= {
        "radii": np.array(model.radii_, dtype=np.float64),
        "radius": np.array(model.radius_, dtype=np.float64),
        "order": np.array(model._order, dtype=np.float64),
        "rotation_invariant": np.array(bool(model.rotation_invariant)),
    }
    out |= _flat(model._sublattices, "sublattices") | _flat(model._motif_sublattices, "motif_sublattices")
    for step, radius in enumerate(model.radii_):
        at = model._models[radius]
        out |= {
            f"{step}/unit": at.unit,
            f"{step}/names": at.names,
            f"{step}/n_mixtures": np.array(len(at.mixtures)),
        }
        if radius in model._numbers:
            out[f"{step}/numbers"] = model._numbers[radius]
        for name in ("crosstalk", "environments"):
            out |= _flat(getattr(at, name), f"{step}/{name}")
        if at.explanation is not None:
            for name in ("neighbours", "strain"):
                out |= _flat(getattr(at.explanation, name), f"{step}/explained/{name}")
        for number, mixture in enumerate(at.mixtures):
            out |= _flat(mixture, f"{step}/{number}")
    if model._sites is not None:
        sites = model._sites.sites
        out |= {
            f"sites/{f.name}": np.asarray(getattr(sites, f.name))
            for f in fields(sites)
            if f.name != "patterns"
        }
        out |= _flat(sites.patterns, "sites/patterns")
        out["sites/group_of_site"] = model._sites.group_of_site
        out["sites/group_of_kind"] = model._sites.group_of_kind
        out["sites/tails"] = np.array([model._sites.scale, model._sites.degrees])
    return out


def from_state(state: Mapping[str, np.ndarray]) -> NestedRadii:
    """Return a model that predicts as that of :func:`to_state` did; it has no atoms of its own.

    Raises
    ------
    KeyError
        If an array is missing.
    """
    radii = tuple(float(v) for v in state["radii"])
    strategy = ManifoldRegions if bool(state["regions"]) else NestedRadii
    model = strategy(radii, rotation_invariant=bool(state["rotation_invariant"]))
    model.radii_, model.radius_ = radii, float(state["radius"])
    model._order = tuple(float(v) for v in state["order"])
    model._sublattices = _optional(Sublattices, state, "sublattices")
    model._motif_sublattices = _optional(Sublattices, state, "motif_sublattices")
    model._models = {}
    model._numbers = {
        radius: np.asarray(state[f"{step}/numbers"], np.int32)
        for step, radius in enumerate(radii)
        if f"{step}/numbers" in state
    }
    for step, radius in enumerate(radii):
        mixtures = [
            _restored(MotifMixture, state, f"{step}/{n}") for n in range(int(state[f"{step}/n_mixtures"]))
        ]
        model._models[radius] = RadiusModel(
            np.asarray(state[f"{step}/unit"], float),
            _optional(NeighbourCrosstalk, state, f"{step}/crosstalk"),
            _explanation(state, f"{step}/explained"),
            mixtures,
            np.asarray(state[f"{step}/names"], np.int32),
            _optional(Environments, state, f"{step}/environments"),
        )
    model._sites = _site_classifier(state) if "sites/kind" in state else None
    return model


def _explanation(state: Mapping[str, np.ndarray], prefix: str) -> Explanation | None:
    neighbours = _optional(NeighbourEffects, state, f"{prefix}/neighbours")
    return (
        None
        if neighbours is None
        else Explanation(neighbours, _restored(StrainEffects, state, f"{prefix}/strain"))
    )


def _site_classifier(state: Mapping[str, np.ndarray]) -> SiteClassifier:
    sites = SiteTemplates(
        patterns=_restored(NeighbourTemplates, state, "sites/patterns"),
        kind=np.asarray(state["sites/kind"], np.int32),
        sizes=np.asarray(state["sites/sizes"], np.int64),
        separations=np.asarray(state["sites/separations"], float),
        spread=float(state["sites/spread"]),
        tolerance=float(state["sites/tolerance"]),
        rotation_invariant=bool(state["sites/rotation_invariant"]),
    )
    group_of_site = np.asarray(state["sites/group_of_site"], np.int32)
    scale, degrees = (float(v) for v in state["sites/tails"])
    return SiteClassifier(
        sites, group_of_site, np.asarray(state["sites/group_of_kind"], np.int32), scale, degrees
    )


def _flat(value: object, prefix: str) -> Arrays:
    if value is None:
        return {}
    assert is_dataclass(value)
    return {f"{prefix}/{f.name}": np.asarray(getattr(value, f.name)) for f in fields(value)}


def _restored(kind: type[_T], state: Mapping[str, np.ndarray], prefix: str) -> _T:
    assert is_dataclass(kind)
    values = {f.name: state[f"{prefix}/{f.name}"] for f in fields(kind)}
    # What was a number is one again: an array of no dimension would not be the same to every reader.
    return kind(**{k: v.item() if np.ndim(v) == 0 else np.asarray(v) for k, v in values.items()})


def _optional(kind: type[_T], state: Mapping[str, np.ndarray], prefix: str) -> _T | None:
    stored = any(key.startswith(f"{prefix}/") for key in state)
    return _restored(kind, state, prefix) if stored else None
