"""The cells of a result, in the form in which they are stored; frames of a stack are kept apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from hyperspy_motifs import store

# What the user chose, kept beside the arrays so that cells can be built the same way again.
OPTIONS = "options"


def find_cells(record: store.Record, bonds: Any, motifs: Sequence[int] | None, **options: Any) -> dict[str, Any]:
    """Cells of `record` as the arrays and scalars that are stored."""
    cells = _find(record, bonds, motifs, options)
    simple = bonds if isinstance(bonds, str) else "given"
    kept = {"bonds": simple, "motifs": None if motifs is None else [int(m) for m in motifs], "wheels": options.get("wheels", "auto")}
    return {**cells.to_arrays(), OPTIONS: kept}


def cells_of_record(signal: Any, record: store.Record) -> Any:
    """Cells of a stored result; after a crop those whose corners all remain."""
    from hyperspy_motifs.cells import Cells

    stored = {k: v for k, v in record.cells.items() if k != OPTIONS}
    if not stored:
        return _find(record, "auto", None, {})
    return Cells.from_arrays(stored)


def same_cells_relabelled(record: store.Record) -> dict[str, Any]:
    """The stored cells of `record` on the same bonds, with the words that its labels give them now."""
    stored = record.cells
    if not stored:
        return find_cells(record, "auto", None)
    options = dict(stored.get(OPTIONS, {}))
    # Corners stay where they are: motifs that were chosen by number may be others now.
    cells = _find(record, np.asarray(stored["bonds"]), None, {"wheels": options.get("wheels", "auto")})
    arrays = {**cells.to_arrays(), "rule": stored["rule"], "reason": stored["reason"], "clarity": stored["clarity"]}
    return {**arrays, OPTIONS: {**options, "motifs": None}}


def _find(record: store.Record, bonds: Any, motifs: Sequence[int] | None, options: dict[str, Any]) -> Any:
    from hyperspy_motifs.cells import find_cells as find

    stamp = record.stamp
    corners = stamp.to_units(np.array([[-0.5, -0.5], np.array(stamp.shape) - 0.5]))
    extent = (corners[:, 0].min(), corners[:, 0].max(), corners[:, 1].min(), corners[:, 1].max())
    common = {"probabilities": record.probabilities, **options}
    numbers = np.unique(record.frames)
    if len(numbers) <= 1:
        return find(record.positions, record.labels, bonds, motifs=motifs, extent=extent, **common)
    # Bonds frame by frame; then all frames side by side, far apart, so that classes are common to them.
    pairs = []
    for number in numbers:
        here = np.flatnonzero(record.frames == number)
        wanted = here if motifs is None else here[np.isin(record.labels[here], motifs)]
        if len(wanted) > 2 and isinstance(bonds, str):
            found = find(record.positions[wanted], record.labels[wanted], bonds, wheels=False)
            pairs.append(wanted[found.bonds])
    joined = np.concatenate(pairs) if pairs else np.zeros((0, 2), int)
    if not isinstance(bonds, str):
        joined = np.asarray(bonds)
    step = 2 * (extent[1] - extent[0])
    shift = np.zeros_like(record.positions)
    shift[:, 0] = step * np.searchsorted(numbers, record.frames)
    cells = find(record.positions + shift, record.labels, joined, **common)
    if not len(cells):
        return cells
    first = cells.vertices[cells.offsets[:-1]]
    return dataclasses.replace(cells, centres=cells.centres - shift[first])
