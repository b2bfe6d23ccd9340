"""The sites of all frames in axis units, of atoms that were found and of atoms that were given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from hyperspy_motifs import atoms as finding
from hyperspy_motifs import store
from hyperspy_motifs.occupancy import Sites, complete, expected_labels

from ._atom_table import AtomTable
from ._clean_image import clean_image, data_frame
from ._frame_tasks import COLUMNS, SITE_COLUMNS


def joined_sites(
    frames: Sequence[Mapping[str, np.ndarray]], stamp: store.Stamp, numbers: Sequence[int] | None = None
) -> dict[str, np.ndarray]:
    """Return the sites of all frames as columns of a record.

    `frames` holds the result of a frame task each, ``site_...`` in pixels and ``positions`` of its atoms; `numbers` are
    the frames, 0, 1, 2... by default.
    """
    scale = abs(stamp.scale[0])
    numbers = range(len(frames)) if numbers is None else numbers
    starts = np.cumsum([0, *(len(found["positions"]) for found in frames)])
    out = {name: np.concatenate([found[f"site_{name}"] for found in frames]) for name in SITE_COLUMNS}
    for name in ("atoms", "twins"):
        parts = [(found[f"site_{name}"], start) for found, start in zip(frames, starts, strict=False)]
        out[name] = np.concatenate([np.where(rows < 0, -1, rows + start) for rows, start in parts])
    out["frames"] = np.repeat(np.asarray(numbers, np.int64), [len(found["site_atoms"]) for found in frames])
    out["positions"] = stamp.to_units(out["positions"])
    out["position_uncertainty"] = out.pop("uncertainty") * scale
    return out


def sites_of_given(signal: Any, table: AtomTable) -> dict[str, np.ndarray]:
    """Return the sites of atoms that were given: none is added or removed, and places without one are empty sites."""
    stamp = store.Stamp.of(signal)
    numbers = np.unique(table.frames).tolist()
    if (np.diff(table.frames) < 0).any():
        return {}
    found = []
    for number in numbers:
        image, missing = clean_image(data_frame(signal, number), tell=False)
        here = np.flatnonzero(table.frames == number)
        one = _atoms_of_table(image, table, here, abs(stamp.scale[0]))
        _, sites = complete(image, one, mask=missing, change=False)
        part = {f"site_{name}": getattr(sites, name) for name in SITE_COLUMNS}
        found.append({**part, "positions": one.positions})
    return joined_sites(found, stamp, numbers)


def _atoms_of_table(image: np.ndarray, table: AtomTable, here: np.ndarray, scale: float) -> finding.Atoms:
    """Return the atoms `here` of a table in pixels; what is not known of them is measured at their positions."""
    pixels = table.pixel_positions[here]
    polarity = str(table.facts.get("polarity") or finding.estimate_polarity(image)[0])
    known = all(name in table.columns for name in COLUMNS)
    values = {name: np.asarray(table.columns[name])[here] for name in COLUMNS} if known else {}
    if not known or not np.isfinite(values["sigma"]).all() or not (values["sigma"] > 0).all():
        return finding.refine_atoms(image, pixels, polarity=polarity, method="none")
    values |= {name: values[name] / scale for name in ("sigma", "uncertainty")}
    return finding.Atoms(
        positions=pixels,
        **values,
        separation=float(table.facts["separation"]) / scale,
        separation_certainty=1.0,
        polarity=polarity,
        polarity_certainty=1.0,
    )


def sites_of_record(record: store.Record, pixel_scale: np.ndarray) -> Sites:
    """Return the sites of a stored result; `pixel_scale` (2,) converts its pixels to those of the image.

    Atoms whose sites were not looked for are occupied sites.
    """
    stored = record.sites or _atoms_alone(record)
    values = {f.name: stored[f.name] for f in fields(Sites) if f.name in stored}
    return Sites(
        **values,
        pixel_positions=record.stamp.to_pixels(stored["positions"]) * pixel_scale,
        occupied=stored["atoms"] >= 0,
        expected_motifs=expected_labels(record.labels, stored["atoms"], stored["twins"]),
        units=record.stamp.units,
    )


def _atoms_alone(record: store.Record) -> dict[str, np.ndarray]:
    n = len(record.positions)
    unknown = np.full(n, np.nan)
    return {
        "positions": record.positions,
        "frames": record.frames,
        "atoms": np.arange(n),
        "probability": np.ones(n),
        "position_uncertainty": unknown,
        "amplitude": record.atoms.get("amplitude", unknown),
        "amplitude_uncertainty": unknown,
        "expected_amplitude": unknown,
        "twins": np.full((n, 1), -1),
    }
