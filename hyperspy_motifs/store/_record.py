"""The stored result of an image; results of several frames joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from . import _nodes_and_signals as site_columns
from ._movement import Fingerprint, Movement, is_resampled, moved_pixels, same_frames
from ._nodes_and_signals import Stamp, length_ratio


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
    result : str
        Name of the result, which edits keep; empty before it is written for the first time.
    tree : dict of str to numpy.ndarray
    cells : dict of str to numpy.ndarray, str or scalar
    features : signal or None
        Features at the chosen radius, navigation axis: atoms. None for a large stack, whose features would need too
        much memory.
    model : numpy.ndarray of uint8 or None
        What was learned, ready for other atoms, as bytes of
        :func:`hyperspy_motifs.models.to_bytes`.
    detectors : numpy.ndarray of shape (d, ..., rows, columns) or None
        The images of the further detectors, with the frames of the signal. None if there are none, or if they are too large.
    kept : numpy.ndarray of int or None
        After a crop, the remaining atoms of the stored result: `cells` still refers to the original numbers.
    stretch : float
        Current units of length per unit at the time of `cells`.
    distorted : bool
        Whether the axes were exchanged, mirrored or stretched by different factors since the time of `cells`: shapes and
        directions of the cells have changed, and must be found again from their bonds.
    parameters : dict
        Arguments and estimated values; JSON types only.
    sites : dict of str to numpy.ndarray
        Columns of the sites, see ``_site_columns``; empty where sites were not looked for.
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
    result: str = ""
    atoms: dict[str, np.ndarray] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    tree: dict[str, Any] = field(default_factory=dict)
    cells: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    previous: dict[str, Any] = field(default_factory=dict)
    features: Any = None
    model: np.ndarray | None = None
    detectors: np.ndarray | None = None
    kept: np.ndarray | None = None
    stretch: float = 1.0
    distorted: bool = False
    sites: dict[str, np.ndarray] = field(default_factory=dict)

    def subset(self, index: np.ndarray) -> Record:
        """The same record with only the atoms `index` (m,), which are stored as `kept`."""
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
            sites=site_columns.with_atoms(self.sites, index, len(self.positions)),
            features=None if self.features is None else self.features.take(index, np.arange(len(index))),
            kept=index if self.kept is None else self.kept[index],
        )

    def around(self, index: np.ndarray) -> Record:
        """The record of :meth:`subset` without the empty sites to which an atom that is left out is nearest."""
        part = self.subset(index)
        if not part.sites:
            return part
        # Frames are farther apart than any two atoms of one.
        apart = 4 * float(np.abs(self.positions).max(initial=1.0))
        tree = cKDTree(np.column_stack([self.positions, apart * self.frames]))
        places = np.column_stack([part.sites["positions"], apart * part.sites["frames"]])
        kept = (part.sites["atoms"] >= 0) | np.isin(tree.query(places)[1], index)
        return replace(part, sites=site_columns.rows(part.sites, kept))


def fit_to(record: Record, stamp: Stamp, movement: Movement) -> Record:
    """`record` for an image with the axes of `stamp`, to which the pixels of its image moved by `movement`."""
    old = record.stamp
    still = np.array_equal(movement.sources, np.arange(_n_frames(old)))
    if old == stamp and still and not movement.swapped and _unchanged(movement.gains):
        return record
    moved = _moved(record, stamp, movement)
    index, frames = _rows_of_frames(record.frames, movement.sources)
    inside = (
        stamp.inside(moved.positions[index])
        if _is_cropped(movement, old, stamp)
        else np.ones(len(index), bool)
    )
    index, frames = index[inside], frames[inside]
    moved = replace(moved, sites=_sites_of_frames(moved, movement, _is_cropped(movement, old, stamp)))
    if np.array_equal(index, np.arange(len(record.frames))):
        out = replace(moved, frames=frames)
    else:
        out = replace(moved.subset(index), frames=frames)
        if len(np.unique(index)) < len(index):
            # A frame that occurs twice: the cells are found again.
            out = replace(out, cells={}, kept=None, sites={})
    if record.detectors is not None:
        out = replace(out, detectors=_moved_detectors(record.detectors, movement, old, stamp))
    if movement.gains is not None and not _unchanged(movement.gains):
        sites = site_columns.brightened(out.sites, movement.gains)
        out = replace(out, atoms=_brightened(out.atoms, movement.gains[frames]), sites=sites)
    return out


def _moved(record: Record, stamp: Stamp, movement: Movement) -> Record:
    """All that depends on the places and directions of `record`, moved; every atom remains, with its former frame."""
    old = record.stamp
    factors, turn = movement.factors(old, stamp), movement.turn(old, stamp)
    length = float(np.sqrt(np.abs(factors).prod()))
    order = [1, 0] if movement.swapped else [0, 1]
    angle = float(np.arctan2(turn[1, 0], turn[0, 0]))
    mirrored = bool(np.linalg.det(turn) < 0)
    turned = mirrored or abs(angle) > 1e-9
    atoms = dict(record.atoms)
    for name, values in record.atoms.items():
        if name == "uncertainty":
            atoms[name] = values[:, order] * np.abs(factors)
        elif name == "sigma":
            atoms[name] = values * length
        elif name in ("angle", "motif_angle") and turned:
            full = np.pi if name == "angle" else 2 * np.pi
            atoms[name] = (angle + (-values if mirrored else values)) % full
    cells = record.cells
    if len(cells.get("empty_sites", ())):
        empty = np.asarray(cells["empty_sites"], float).reshape(-1, 2)
        cells = {**cells, "empty_sites": movement.to_units(empty, old, stamp)}
    sites = dict(record.sites)
    if sites:
        sites["positions"] = movement.to_units(sites["positions"], old, stamp)
        sites["position_uncertainty"] = sites["position_uncertainty"] * length
    features, model = record.features, record.model
    if turned:
        features = None if features is None else features.turned(angle, mirrored)
        model = None
    # Cells in axis units stay as they are unless the axes themselves were exchanged or mirrored.
    distorted = movement.swapped or (factors < 0).any() or not np.isclose(abs(factors[0]), abs(factors[1]))
    parameters = _stretched(record.parameters, length)
    if turned:
        parameters["turned"] = True
    return replace(
        record,
        positions=movement.to_units(record.positions, old, stamp),
        atoms=atoms,
        cells=cells,
        sites=sites,
        stamp=stamp,
        stretch=record.stretch * length,
        distorted=record.distorted or bool(distorted),
        parameters=parameters,
        features=features,
        model=model,
    )


def _moved_detectors(images: np.ndarray, movement: Movement, old: Stamp, new: Stamp) -> np.ndarray | None:
    """Images of further detectors (d, ..., rows, columns), moved as the image; None if they cannot follow."""
    if (movement.sources < 0).any() or is_resampled(movement, old, new):
        return None
    frames = images.reshape(len(images), -1, *images.shape[-2:])[:, movement.sources]
    moved, there = moved_pixels(frames, movement, old, new)
    if not there.all():
        return None
    return moved.reshape(len(images), *new.navigation_shape[::-1], *moved.shape[-2:])


def _sites_of_frames(record: Record, movement: Movement, cropped: bool) -> dict[str, np.ndarray]:
    """The moved sites of the remaining frames and the remaining part of the image; none if a frame occurs twice."""
    sites = record.sites
    kept = movement.sources[movement.sources >= 0]
    if not sites or len(np.unique(kept)) < len(kept):
        return {}
    index, frames = _rows_of_frames(sites["frames"], movement.sources)
    sites = {**site_columns.rows(sites, index), "frames": frames}
    if not cropped:
        return sites
    # The atoms at the other sites decide whether these remain.
    inside = record.stamp.inside(sites["positions"]) | (sites["atoms"] >= 0)
    return site_columns.rows(sites, inside)


def _brightened(atoms: dict[str, np.ndarray], gains: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of atoms after a linear change of brightness, `gains` (n, 2)."""
    out = dict(atoms)
    if "amplitude" in out:
        out["amplitude"] = out["amplitude"] * gains[:, 0]
    if "background" in out:
        out["background"] = out["background"] * gains[:, 0] + gains[:, 1]
    return out


def _unchanged(gains: np.ndarray | None) -> bool:
    return gains is None or bool((gains == [1.0, 0.0]).all())


def _is_cropped(movement: Movement, old: Stamp, new: Stamp) -> bool:
    was = old.n_pixels[::-1] if movement.swapped else old.n_pixels
    return movement.calibrated and was != new.n_pixels


def _n_frames(stamp: Stamp) -> int:
    return int(np.prod(stamp.navigation_shape, dtype=int))


def _rows_of_frames(frames: np.ndarray, sources: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Atoms of the former frames `sources`, and the present frame of each."""
    if np.array_equal(sources, np.arange(len(sources))) and frames.max(initial=0) < len(sources):
        return np.arange(len(frames)), frames
    if len(sources) == len(np.unique(sources)):
        # Atoms keep their order.
        place = np.full(max(int(frames.max(initial=0)), int(sources.max(initial=0))) + 1, -1)
        place[sources[sources >= 0]] = np.flatnonzero(sources >= 0)
        rows = np.flatnonzero(place[frames] >= 0)
        return rows, place[frames[rows]]
    each = [np.flatnonzero(frames == source) for source in sources]
    return np.concatenate(each), np.repeat(np.arange(len(sources)), [len(rows) for rows in each])


def neighbour_distance(parameters: Mapping[str, Any]) -> float:
    """Nearest-neighbour distance of the atoms of a result, in axis units; 0 if it is not known.

    The unit of the radii, ``spacing``, is another length if one was given, or that of a model.
    """
    names = ("spacing",) if parameters.get("atoms") == "grid" else ("separation", "spacing")
    return float(next((parameters[name] for name in names if parameters.get(name)), 0.0))


def radius_words(radius: float, parameters: Mapping[str, Any], units: str) -> str:
    """A radius in words: in nearest-neighbour distances, or in `units` if radii are parts of a length that was given."""
    length = parameters.get("length")
    if not length:
        return f"{radius:.3g} nearest-neighbour distances"
    return f"{radius * length:.3g} {units} ({radius:.3g} of the length {length:.3g} {units} that was given)"


def length_in(facts: Mapping[str, Any], units: str, other: str) -> float | None:
    """The length that is the unit of the radii of a model, in other units than its own; None if there is none, or no such."""
    length = facts.get("length")
    if not length:
        return None
    if units == other:
        return float(length)
    ratio = length_ratio(units, other)
    return None if ratio is None else float(length) * ratio


def _stretched(parameters: dict[str, Any], factor: float) -> dict[str, Any]:
    """Parameters with lengths in the current units of the image."""
    lengths: tuple[str, ...] = ("spacing", "separation", "length")
    if parameters.get("radius_units") == "axes" and parameters.get("radius") != "auto":
        lengths = (*lengths, "radius")
    out = {k: v * factor if k in lengths and v is not None else v for k, v in parameters.items()}
    if "options" in out:
        out["options"] = _stretched(out["options"], factor)
    return out


NOT_ALL = "it is a stack of images that were not all analysed"
OTHER_MODELS = (
    "it is a stack of images with motifs of different models, whose numbers do not mean the same. Apply the model of one "
    "to the others (motifs.predict) before stacking"
)


def join(
    stamp: Stamp, frames: Sequence[np.ndarray], known: Sequence[tuple[Record, Fingerprint | None]]
) -> Record | str:
    """The record of a stack with the axes of `stamp`, from the records of its images, or the reason why there is none.

    `frames` are those of the stack (rows, columns) in flat order; `known` are results of images, and what identifies their
    pixels.
    """
    now = Fingerprint.of(frames)
    parts: list[Record | None] = [None] * len(frames)
    single = replace(stamp, navigation_shape=(), navigation_scale=(), navigation_offset=())
    for record, before in known:
        if before is None or record.stamp.n_pixels != stamp.n_pixels:
            continue
        sources = same_frames(now.checksums, now.levels, before, None)
        for number in np.flatnonzero(sources >= 0):
            if parts[number] is None:
                parts[number] = fit_to(record, single, Movement(False, False, sources[number : number + 1]))
    found = [part for part in parts if part is not None]
    if len(found) < len(parts):
        return NOT_ALL
    if not all(_same_model(found[0], part) for part in found[1:]):
        return OTHER_MODELS
    return _joined(found, stamp)


def _same_model(one: Record, other: Record) -> bool:
    """Whether the numbers of both records mean the same motifs."""
    if one.model is None or other.model is None or one.radii[one.chosen] != other.radii[other.chosen]:
        return False
    for record in (one, other):
        cut = record.parameters.get("options", {}).get("n_motifs") is not None
        edited = not np.array_equal(record.labels, record.radius_labels[record.chosen])
        # After an edit by hand a number no longer means what it means in the model.
        if int(record.parameters.get("detectors", 1)) > 1 or (edited and not cut):
            return False
    return _classifier(one.model) == _classifier(other.model)


def _classifier(model: NDArray[np.uint8]) -> dict[str, bytes]:
    import io

    with np.load(io.BytesIO(np.asarray(model, np.uint8).tobytes()), allow_pickle=False) as stored:
        return {name: stored[name].tobytes() for name in stored.files if name.startswith("classifier/")}


def _joined(parts: Sequence[Record], stamp: Stamp) -> Record:
    first = parts[0]
    alike = all(np.array_equal(part.radii, first.radii) for part in parts)
    rows = [slice(None) if alike else slice(part.chosen, part.chosen + 1) for part in parts]
    n = sum(len(part.positions) for part in parts)
    columns = [name for name in first.atoms if all(name in part.atoms for part in parts)]
    tree = {
        "parent": np.array([-1]),
        "radius": np.array([0.0]),
        "size": np.array([n]),
        "height": np.array([0.0]),
        "atom_leaf": np.zeros(n, np.int64),
    }

    def together(name: str) -> np.ndarray:
        return np.concatenate(
            [getattr(part, name)[row] for part, row in zip(parts, rows, strict=True)], axis=1
        )

    learned = {str(part.parameters.get("learned", "here")) for part in parts}
    return Record(
        positions=np.concatenate([part.positions for part in parts]),
        frames=np.repeat(np.arange(len(parts)), [len(part.positions) for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        probabilities=np.concatenate([part.probabilities for part in parts]),
        radii=first.radii[rows[0]],
        radius_labels=together("radius_labels"),
        radius_probabilities=together("radius_probabilities"),
        layouts=together("layouts"),
        chosen=first.chosen if alike else 0,
        stamp=stamp,
        atoms={name: np.concatenate([part.atoms[name] for part in parts]) for name in columns},
        names=dict(first.names),
        sites=site_columns.together([part.sites for part in parts], [len(part.positions) for part in parts]),
        tree=tree,
        parameters={**first.parameters, "learned": "model" if "model" in learned else learned.pop()},
        model=first.model,
    )
