"""Atoms added and removed manually."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from hyperspy_motifs import store
from hyperspy_motifs.pipeline import (
    AtomTable,
    check_positions,
    given_atoms,
    keep_atoms,
    n_frames,
    stored_atoms,
)


def add_atoms(signal: Any, positions: Any, refine: bool | str, frame: int) -> AtomTable:
    """Atoms of `signal` with new ones at `positions` (x, y in axis units) of one frame appended."""
    stamp = store.Stamp.of(signal)
    old = stored_atoms(signal)
    pixels = check_positions(np.atleast_2d(np.asarray(positions, float)), stamp)
    _check_frame(signal, frame)
    new = AtomTable(stamp.to_units(pixels), pixels, np.full(len(pixels), frame), units=stamp.units)
    if refine:
        new = _refined(signal, new, old, refine)
    if old is None:
        table = AtomTable(
            new.positions, new.pixel_positions, new.frames, new.columns, {"edited": True}, stamp.units
        )
        keep_atoms(signal, table)
        return table
    here = old.pixel_positions[old.frames == frame]
    if len(here):
        distance, nearest = cKDTree(here).query(new.pixel_positions)
        if (distance < 0.5).any():
            x, y = stamp.to_units(here[nearest[distance.argmin()]][None])[0]
            raise ValueError(
                f"There is an atom at x, y = {x:g}, {y:g} {stamp.units} already. Remove it first, or choose another position."
            )
    n_old, n_new = len(old), len(new)
    columns = {}
    for name, values in old.columns.items():
        # The fit parameters of an atom that was added manually are unknown, not zero.
        blank = np.zeros((n_new, *values.shape[1:]), values.dtype)
        if values.dtype.kind == "f":
            blank[:] = np.nan
        columns[name] = np.concatenate([values, new.columns.get(name, blank)])
    table = AtomTable(
        np.concatenate([old.positions, new.positions]),
        np.concatenate([old.pixel_positions, new.pixel_positions]),
        np.concatenate([old.frames, new.frames]),
        columns,
        {**old.facts, "edited": True},
        stamp.units,
    )
    order = np.argsort(table.frames, kind="stable") if n_frames(signal) > 1 else np.arange(n_old + n_new)
    table = _pick(table, order)
    keep_atoms(signal, table)
    return table


def remove_atoms(signal: Any, positions: Any, frame: int) -> AtomTable:
    """Atoms of `signal` without those nearest to `positions` (x, y in axis units) of one frame."""
    stamp = store.Stamp.of(signal)
    table = stored_atoms(signal)
    if table is None:
        raise ValueError("This image has no atoms to remove. Call find_atoms() or add_atoms() first.")
    pixels = check_positions(np.atleast_2d(np.asarray(positions, float)), stamp)
    _check_frame(signal, frame)
    here = np.flatnonzero(table.frames == frame)
    if not len(here):
        raise ValueError(f"Frame {frame} has no atoms to remove.")
    tree = cKDTree(table.pixel_positions[here])
    reach = np.inf if len(here) < 2 else np.median(tree.query(tree.data, k=2)[0][:, 1]) / 2
    distance, nearest = tree.query(pixels)
    if (distance > reach).any():
        x, y = stamp.to_units(pixels[distance.argmax()][None])[0]
        raise ValueError(
            f"No atom lies within {reach * abs(stamp.scale[0]):.3g} {stamp.units} of x, y = {x:g}, {y:g}: nothing was removed."
        )
    keep = np.ones(len(table), bool)
    keep[here[nearest]] = False
    if not keep.any():
        raise ValueError("This would remove all atoms; nothing was removed.")
    table = _pick(table, np.flatnonzero(keep), edited=True)
    keep_atoms(signal, table)
    return table


def _refined(signal: Any, new: AtomTable, old: AtomTable | None, refine: bool | str) -> AtomTable:
    """The new atoms, refined jointly with the old atoms of their frame, whose tails overlap with them."""
    if old is None or not (old.frames == new.frames[0]).any():
        if len(new) < 2:
            raise ValueError(
                "A single atom in an empty frame cannot be refined: its size is not known. Use refine=False."
            )
        return given_atoms(signal, new, refine, "auto")
    here = old.frames == new.frames[0]
    pixels = np.concatenate([old.pixel_positions[here], new.pixel_positions])
    stamp = store.Stamp.of(signal)
    both = AtomTable(stamp.to_units(pixels), pixels, np.full(len(pixels), new.frames[0]), units=stamp.units)
    both = given_atoms(signal, both, refine, str(old.facts.get("polarity", "auto")))
    return _pick(both, np.arange(int(here.sum()), len(pixels)))


def _pick(table: AtomTable, index: np.ndarray, edited: bool | None = None) -> AtomTable:
    facts = dict(table.facts) if edited is None else {**table.facts, "edited": edited}
    return AtomTable(
        table.positions[index],
        table.pixel_positions[index],
        table.frames[index],
        {k: v[index] for k, v in table.columns.items()},
        facts,
        table.units,
    )


def _check_frame(signal: Any, frame: int) -> None:
    if not 0 <= frame < n_frames(signal):
        raise ValueError(f"frame is {frame}; this signal has frames 0 to {n_frames(signal) - 1}.")
