"""Names of earlier schemas and their current names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Before schema 2.
_KEYS = {"radii": "lenses", "radius_labels": "lens_labels", "radius_probabilities": "lens_probabilities"}
_NEW = {
    "lens": "radius",
    "joins": "merges",
    "first": "base_radius",
    "occupants": "centre_atoms",
    "n_occupants": "n_centre_atoms",
    "class_occupants": "class_centre_atoms",
    "class_words": "class_corner_sequences",
    "wheels": "merge_centred_rings",
    "strangeness": "outlier_score",
    "asked": "options",
    "sites": "patch_centres",
}


def stored_key(key: str, version: int) -> str:
    """Name of `key` in schema `version`."""
    return _KEYS.get(key, key) if version < 2 else key


def new_names(mapping: Mapping[str, Any], version: int) -> dict[str, Any]:
    """Content of schema `version` with the current names, including nested mappings."""
    if version >= 2:
        return dict(mapping)
    out = {_NEW.get(k, k): new_names(v, version) if isinstance(v, Mapping) else v for k, v in mapping.items()}
    if "patch_radius" in out:
        length = out.pop("patch_radius")
        out |= {"radius_units": "nn"} if length is None else {"radius": length, "radius_units": "axes"}
    if "min_motif_size" in out and out["min_motif_size"] is None:
        out["min_motif_size"] = 5
    return out
