"""Centres of patches: at columns, or on a grid if columns overlap."""

from __future__ import annotations

from typing import Any

import numpy as np

from hyperspy_motifs import store

from ._atom_finding import check_length, find_atoms
from ._atom_table import AtomTable
from ._checks import check_axes
from ._clean_image import CleanFrames, n_frames

GRID = "grid"
# Steps of the grid between two columns: the nearest patch is then never more than half a step away.
STEPS = 2


def check_patch_centres(signal: Any, table: AtomTable, clean: CleanFrames) -> dict[str, Any]:
    """Whether the peaks of the first frame represent columns: ``kind`` ("peaks" or "grid"), ``reason``, ``certainty``."""
    from hyperspy_motifs.sites import choose_patch_centres

    first = table.frames == table.frames[0]
    image = clean(0, int(table.frames[0])).data
    if table.facts.get("polarity") == "dark":
        image = -image
    spacing = float(table.facts["separation"]) / abs(store.Stamp.of(signal).scale[0])
    found = choose_patch_centres(image, table.pixel_positions[first], spacing=spacing)
    return {"kind": found.kind, "reason": found.reason, "certainty": found.certainty}


def grid_table(
    signal: Any, separation: float | None, polarity: str, show_progressbar: bool | None
) -> AtomTable:
    """Points of a triangular grid instead of atoms, `STEPS` per distance of columns, the same in every frame."""
    from hyperspy_motifs.sites import grid_centres

    check_axes(signal)
    stamp = store.Stamp.of(signal)
    scale = abs(stamp.scale[0])
    facts: dict[str, Any] = {}
    if separation is None:
        found = find_atoms(signal, None, show_progressbar, polarity=polarity, refine=False)
        facts = {k: v for k, v in found.facts.items() if k in ("separation", "polarity")}
    else:
        facts["separation"] = check_length(separation, "separation", stamp)
    step = float(facts["separation"]) / scale / STEPS
    points = grid_centres(stamp.shape[::-1], step)
    n = n_frames(signal)
    pixels = np.tile(points, (n, 1))
    frames = np.repeat(np.arange(n), len(points))
    return AtomTable(stamp.to_units(pixels), pixels, frames, {}, facts, stamp.units)
