"""The sites of a record, which follow its atoms: columns of m rows by name.

``positions`` (m, 2) in axis units, ``position_uncertainty`` in axis units, ``frames``, ``atoms`` (row of the atom at the
site, -1 for an empty site), ``probability``, ``amplitude``, ``amplitude_uncertainty``, ``expected_amplitude``, and
``twins`` (m, k), rows of atoms of the same kind, -1 where there are fewer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

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
