"""The result as plain arrays, and its conversion after a change of the axes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ._stamp import Stamp


@dataclass(frozen=True)
class Record:
    """The result of ``find_motifs`` as plain arrays.

    Attributes
    ----------
    positions : numpy.ndarray of shape (n, 2)
        x, y in axis units.
    frames : numpy.ndarray of shape (n,)
        Flat index of the frame of each atom (C order of the navigation shape); 0 for a single image.
    atoms : dict of str to numpy.ndarray of shape (n,) or (n, 2)
        Further columns of the atoms (amplitude, width, uncertainty ...).
    labels, probabilities : numpy.ndarray of shape (n,)
    names : dict of int to str
        Names of motifs that the user has set.
    radii : numpy.ndarray of shape (l,)
        In nearest-neighbour distances.
    radius_labels, radius_probabilities : numpy.ndarray of shape (l, n)
    layouts : numpy.ndarray of shape (l, n, 2)
    chosen : int
        Index of the radius of `labels`.
    tree : dict of str to numpy.ndarray
    cells : dict of str to numpy.ndarray, str or scalar
    features : signal or None
        Features at the chosen radius, navigation axis: atoms. None for a large stack, whose features would need too
        much memory.
    model : numpy.ndarray of uint8 or None
        What was learned, ready for other atoms, as bytes of
        :func:`hyperspy_motifs.models.to_bytes`.
    kept : numpy.ndarray of int or None
        After a crop, the remaining atoms of the stored result: `cells` still refers to the original numbers.
    stretch : float
        Current units of length per unit at the time of `cells`.
    parameters : dict
        Arguments and estimated values; JSON types only.
    previous : dict
        `labels`, `probabilities` and `names` before the last edit, for undo; empty if there was none.
    """

    positions: np.ndarray
    frames: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    radii: np.ndarray
    radius_labels: np.ndarray
    radius_probabilities: np.ndarray
    layouts: np.ndarray
    chosen: int
    stamp: Stamp
    atoms: dict[str, np.ndarray] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    tree: dict[str, Any] = field(default_factory=dict)
    cells: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    previous: dict[str, Any] = field(default_factory=dict)
    features: Any = None
    model: np.ndarray | None = None
    kept: np.ndarray | None = None
    stretch: float = 1.0

    def subset(self, keep: np.ndarray) -> Record:
        """The same record with only the atoms of mask `keep`, whose indices are stored as `kept`."""
        index = np.flatnonzero(keep)
        previous = dict(self.previous)
        for key in ("labels", "probabilities"):
            if key in previous:
                previous[key] = previous[key][index]
        tree = {k: (v[index] if k.startswith("atom_") else v) for k, v in self.tree.items()}
        return replace(
            self,
            positions=self.positions[index],
            frames=self.frames[index],
            labels=self.labels[index],
            probabilities=self.probabilities[index],
            radius_labels=self.radius_labels[:, index],
            radius_probabilities=self.radius_probabilities[:, index],
            layouts=self.layouts[:, index],
            atoms={k: v[index] for k, v in self.atoms.items()},
            tree=tree,
            previous=previous,
            features=None if self.features is None else self.features.take(index, np.arange(len(index))),
            kept=index,
        )


def fit_to(record: Record, stamp: Stamp, picked: np.ndarray | None = None) -> Record:
    """`record` for an image with the axes of `stamp`; `picked` are the remaining frames."""
    old = record.stamp
    if old == stamp:
        return record
    same_pixels = old.shape == stamp.shape

    def moved_positions(positions: np.ndarray) -> np.ndarray:
        if same_pixels:
            return stamp.to_units(old.to_pixels(positions))
        return positions * _unit_factor(old.units, stamp.units)

    positions = moved_positions(record.positions)
    if same_pixels:
        factor = np.array(stamp.scale) / np.array(old.scale)
        keep = np.ones(len(positions), bool)
    else:
        factor = np.full(2, _unit_factor(old.units, stamp.units))
        keep = stamp.inside(positions)
    cells = record.cells
    if len(cells.get("empty_sites", ())):
        cells = {**cells, "empty_sites": moved_positions(np.asarray(cells["empty_sites"]).reshape(-1, 2))}
    frames, frame_kept = _move_frames(record.frames, old, stamp, picked)
    factor = np.abs(factor)
    atoms = {k: v * factor if k in ("sigma", "uncertainty") else v for k, v in record.atoms.items()}
    moved = replace(
        record,
        positions=positions,
        frames=frames,
        atoms=atoms,
        cells=cells,
        stamp=stamp,
        stretch=float(factor[0]),
        parameters=_stretched(record.parameters, float(factor[0])),
    )
    keep = keep & frame_kept
    return moved if keep.all() else moved.subset(keep)


def _stretched(parameters: dict[str, Any], factor: float) -> dict[str, Any]:
    """Parameters with lengths in the current units of the image."""
    lengths: tuple[str, ...] = ("spacing", "separation")
    if parameters.get("radius_units") == "axes" and parameters.get("radius") != "auto":
        lengths = (*lengths, "radius")
    out = {k: v * factor if k in lengths and v is not None else v for k, v in parameters.items()}
    if "options" in out:
        out["options"] = _stretched(out["options"], factor)
    return out


def _move_frames(
    frames: np.ndarray, old: Stamp, new: Stamp, picked: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Flat frame numbers of `old` as those of `new`, and a mask of the remaining ones."""
    if picked is not None and len(picked) == np.prod(new.navigation_shape, dtype=int):
        place = np.full(int(np.prod(old.navigation_shape, dtype=int)), -1)
        place[picked] = np.arange(len(picked))
        moved_to = place[frames]
        return np.maximum(moved_to, 0), moved_to >= 0
    if old.navigation_shape == new.navigation_shape:
        return frames, np.ones(len(frames), bool)
    if len(old.navigation_shape) != len(new.navigation_shape):
        # A frame selected from a stack: HyperSpy does not record which one, unless there was only one.
        single = int(np.prod(old.navigation_shape, dtype=int)) == 1
        return np.zeros_like(frames), np.full(len(frames), single)
    # HyperSpy lists navigation axes fastest first; flat numbers are in C order, slowest first.
    index = np.unravel_index(frames, old.navigation_shape[::-1])
    moved, kept = [], np.ones(len(frames), bool)
    for axis, i in zip(range(len(index) - 1, -1, -1), index, strict=True):
        value = old.navigation_offset[axis] + old.navigation_scale[axis] * i
        j = np.rint((value - new.navigation_offset[axis]) / new.navigation_scale[axis]).astype(int)
        kept &= (j >= 0) & (j < new.navigation_shape[axis])
        moved.append(np.clip(j, 0, new.navigation_shape[axis] - 1))
    return np.ravel_multi_index(tuple(moved), new.navigation_shape[::-1]), kept


def _unit_factor(old: str, new: str) -> float:
    if old == new:
        return 1.0
    import pint

    try:
        return float(pint.UnitRegistry()(old).to(new).magnitude)
    except (pint.PintError, AttributeError, ValueError) as error:
        raise ValueError(
            f"The motifs of this image were found in {old}, its axes are now in {new}, and its shape has changed as well: "
            "their positions cannot be carried over. Set the units back, or call find_motifs() again."
        ) from error
