"""The table of the atoms of an image, how the atoms of one frame are found, their sites, and their names from structures."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hyperspy_motifs import atoms as finding
from hyperspy_motifs import store
from hyperspy_motifs.exchange import AtomColumns
from hyperspy_motifs.identify import (
    Field,
    Identification,
    Observations,
    chemistry_of,
    effective_numbers,
    identify_columns,
    project,
    read_crystal,
)
from hyperspy_motifs.occupancy import Sites, complete, expected_labels
from hyperspy_motifs.patches import without_patches

from ._clean_image import CleanImage, clean_image, data_frame, prepare_image

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal
    from numpy.typing import DTypeLike


@dataclass(frozen=True)
class AtomTable(AtomColumns):
    """The atoms of an image, one row each.

    Used as an array it is its positions, so it can be given to any function that takes an (n, 2) array, and to
    ``find_motifs(atoms=...)``.

    Attributes
    ----------
    positions : numpy.ndarray of shape (n, 2)
        x, y in axis units.
    pixel_positions : numpy.ndarray of shape (n, 2)
        Column, row in pixels, pixel centres at integers.
    frames : numpy.ndarray of shape (n,)
        Flat index of the frame (C order of the navigation shape); 0 for a single image.
    columns : dict of str to numpy.ndarray
        Results of the refinement for each atom: ``amplitude`` and ``background`` (units of the image), ``sigma`` and
        ``uncertainty`` (n, 2; axis units), ``ellipticity``, ``angle`` (radians, from x towards y), ``fitted``
        (False where the fit failed and the centre of mass is used).
    facts : dict
        Estimated values: ``separation`` (axis units), ``separation_certainty``, ``polarity``,
        ``polarity_certainty``, ``edited`` (True once atoms were added or removed manually).
    units : str
    sites : dict of str to numpy.ndarray
        Columns of the sites, occupied or empty, as in the stored result; empty if they were not looked for.
    """

    positions: np.ndarray
    pixel_positions: np.ndarray
    frames: np.ndarray
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    units: str = "px"
    sites: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.positions)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.positions, dtype=dtype, copy=copy)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("columns", "facts", "sites"):
            raise AttributeError(name)
        for source in (self.columns, self.facts):
            if name in source:
                return source[name]
        raise AttributeError(
            f"AtomTable has no column '{name}'; it has {sorted(self.columns)} and {sorted(self.facts)}."
        )

    def __repr__(self) -> str:
        text = f"<AtomTable: {len(self)} atoms"
        if "separation" in self.facts:
            text += f", separation {self.facts['separation']:.4g} {self.units}"
        if "polarity" in self.facts:
            text += f", {self.facts['polarity']} columns"
        if "fitted" in self.columns:
            failed = int((~np.asarray(self.columns["fitted"], bool)).sum())
            text += f", {failed} by centre of mass" if failed else ""
        return text + ">"

    def to_dict(self) -> dict[str, np.ndarray]:
        """Plain one-dimensional columns, ready for ``pandas.DataFrame`` or a CSV file."""
        from hyperspy_motifs.exchange import flat_columns

        out = {"x": self.positions[:, 0], "y": self.positions[:, 1], "frame": self.frames}
        return out | flat_columns(self.columns)


COLUMNS = ("amplitude", "sigma", "ellipticity", "angle", "background", "uncertainty", "fitted")
SITE_COLUMNS = (
    "positions", "uncertainty", "atoms", "probability", "amplitude", "amplitude_uncertainty", "expected_amplitude", "twins",
)  # fmt: skip
FACTS = ("separation", "separation_certainty", "polarity_certainty")


def find_atoms_of_frame(
    images: Sequence[np.ndarray],
    number: int,
    where: str,
    separation: float | None,
    options: Mapping[str, Any],
    clean: CleanImage | None = None,
    with_sites: bool = False,
) -> dict[str, np.ndarray]:
    """Atoms of one frame in pixels; `where` is its name in messages, `clean` the frame if it was prepared before.

    With sites the atoms are completed by what repeats, and the columns of :class:`~hyperspy_motifs.occupancy.SiteTable` are
    returned as well, by names with ``site_`` before them.
    """
    clean = prepare_image(images[0], where) if clean is None else clean
    image = clean.data
    with warnings.catch_warnings(record=True) as caught:
        one = finding.find_atoms(image, separation=separation, mask=clean.missing, **options)
    image = without_patches(image, one.positions, one.separation, clean.missing)
    if image is not clean.data:
        one = finding.find_atoms(image, separation=separation, mask=clean.missing, **options)
    else:
        for warning in caught:
            warnings.warn(warning.message, warning.category, stacklevel=2)
    sites = None
    if with_sites:
        refine = options.get("refine", True) in (True, "gaussian")
        one, sites = complete(image, one, mask=clean.missing, refine=refine)
    rows, columns = image.shape
    kept = np.all((one.positions >= -0.5) & (one.positions < np.array([columns, rows]) - 0.5), axis=1)
    out = {"positions": one.positions[kept]}
    out |= {name: np.asarray(getattr(one, name))[kept] for name in COLUMNS}
    out |= {name: np.array(float(getattr(one, name))) for name in FACTS}
    out["bright"] = np.array(one.polarity == "bright")
    if sites is not None:
        sites = sites.with_atoms(kept)
        out |= {f"site_{name}": getattr(sites, name) for name in SITE_COLUMNS}
    return out


def predict_frame(
    images: Sequence[np.ndarray],
    number: int,
    pixels: np.ndarray,
    scale: float,
    motif_model: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Motifs of the atoms of one frame by a model in the form of arrays; `scale` is the size of a pixel."""
    from hyperspy_motifs.models import DiscSource, from_arrays

    known = from_arrays(motif_model)
    clean, masks = zip(*(clean_image(image, tell=False) for image in images), strict=True)
    source = DiscSource(clean, pixels, known.spacing / scale, known.orders, masks)
    found = known.predict(source)
    return {
        "labels": found.labels,
        "probabilities": found.probabilities.astype(np.float32),
        "outlier_score": found.outlier_score.astype(np.float32),
        "radius_labels": found.radius_labels,
        "radius_probabilities": found.radius_probabilities.astype(np.float32),
        "layouts": found.layouts,
    }


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


def sites_of_given(signal: BaseSignal, table: AtomTable) -> dict[str, np.ndarray]:
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
        expected_motifs=expected_motifs(record, stored),
        units=record.stamp.units,
    )


def expected_motifs(record: store.Record, sites: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the motif expected on each of the stored `sites` of a result, shape (m,)."""
    spacing = store.neighbour_distance(record.parameters) or 1.0
    at, atoms, twins = sites["positions"], sites["atoms"], sites["twins"]
    return expected_labels(record.labels, record.positions, at, atoms, twins, spacing)


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


ANGSTROM = "Å"
DETECTORS = ("auto", "ADF", "ABF", "STM")
# Places nearer to the edge of the image, in nearest-neighbour distances, need not have been found.
_RIM = 0.3


def identify(
    record: store.Record,
    sites: Sites,
    structures: Sequence[object],
    zone_axis: object,
    defects: str | Sequence[str] | None,
    detector: str,
    scattering: Mapping[str, float] | None,
    quantity: str = "",
) -> Identification:
    """See :meth:`hyperspy_motifs.motifs.Motifs.identify`; `sites` are those of the result, `quantity` that of the pixels."""
    if detector not in DETECTORS:
        raise ValueError(f"detector={detector!r} is unknown; choose one of {', '.join(DETECTORS)}.")
    if record.parameters.get("atoms") == "grid":
        raise ValueError(
            "These motifs are of patches on a grid, not of atoms: there are no columns to identify. Call find_motifs() on an "
            "image with resolved columns."
        )
    if not len(record.frames):
        raise ValueError("There are no atoms in this part of the image: there is nothing to identify.")
    if len(np.unique(record.frames)) != 1:
        raise ValueError(
            f"identify needs one image with atoms; this result has {len(np.unique(record.frames))} frames with atoms. Choose a "
            "frame: s.inav[k].motifs.identify(...)."
        )
    if not structures:
        raise ValueError(
            'The list of structures is empty; expected one or more, such as ["SrTiO3", "BaTiO3"].'
        )
    chemistry = chemistry_of(defects)
    axes = _zone_axes(zone_axis, len(structures))
    cells = [project(read_crystal(one), axis) for one, axis in zip(structures, axes, strict=True)]
    ratio = store.length_ratio(record.stamp.units, ANGSTROM)
    factor = _to_plane(record)
    values, errors = _brightness(record, sites)
    dark = record.parameters.get("polarity", "bright") == "dark"
    if detector == "auto":
        detector = "ABF" if dark else "STM" if _is_height(quantity) else "ADF"
    corners = record.stamp.to_units(np.array([[0.0, 0.0], np.array(record.stamp.shape) - 1.0])) * factor
    rim = _RIM * float(record.parameters.get("spacing") or 0.0) * abs(factor[0])
    box = np.array([corners.min(axis=0) + rim, corners.max(axis=0) - rim])
    observed = Observations(
        field=Field.of(record.positions * factor, box),
        values=np.nan_to_num(np.abs(values)) if dark else np.nan_to_num(values),
        errors=np.nan_to_num(errors),
        motifs=record.labels,
        calibrated=ratio is not None,
        by_brightness=detector == "ADF" and bool(np.isfinite(values).all()),
        effective=effective_numbers(scattering),
    )
    empty = sites.vacant
    return identify_columns(
        observed, cells, chemistry, sites.positions[empty] * factor, 1 - sites.probability[empty]
    )


def _is_height(quantity: str) -> bool:
    """Whether the unit of a quantity, as in "Height (nm)", is one of length: the image is a topography."""
    return store.length_ratio(quantity.rpartition("(")[2].rstrip(") "), "m") is not None


def _to_plane(record: store.Record) -> np.ndarray:
    """Factors from x, y of the image, y down, to the plane of a structure, y up, in ångström if the image is calibrated."""
    ratio = store.length_ratio(record.stamp.units, ANGSTROM)
    return np.array([1.0, -1.0]) * (1.0 if ratio is None else ratio)


def _zone_axes(zone_axis: object, number: int) -> list[Any]:
    """One zone axis for each structure: the same for all, or a list."""
    values = np.asarray(zone_axis)
    if values.ndim == 2:
        if len(values) != number:
            raise ValueError(f"zone_axis has {len(values)} axes for {number} structures.")
        return [tuple(axis) for axis in values.tolist()]
    return [zone_axis] * number


def _brightness(record: store.Record, sites: Sites) -> tuple[np.ndarray, np.ndarray]:
    """Height of each column and its standard deviation, by the fit of all columns where there is one."""
    n = len(record.positions)
    values, errors = np.full(n, np.nan), np.full(n, np.nan)
    held = np.flatnonzero(sites.atoms >= 0)
    values[sites.atoms[held]] = sites.amplitude[held]
    errors[sites.atoms[held]] = sites.amplitude_uncertainty[held]
    if "amplitude" in record.atoms:
        values = np.where(np.isfinite(values), values, record.atoms["amplitude"])
    return values, errors


def place_in_image(identification: Identification, record: store.Record) -> Identification:
    """The same with its vacancies in axis units."""
    return replace(identification, vacancies=identification.vacancies / _to_plane(record))


def stored_identification(signal: BaseSignal, record: store.Record) -> Identification | None:
    """The identification that is stored with the result of `signal`; None if there is none for it."""
    state = store.read_identification(signal)
    if state is None or "symbols" not in state or len(state["labels"]) != len(record.positions):
        return None
    found = Identification.from_state(state)
    # Motifs may have been merged or split since then.
    return replace(found, motifs=record.labels)
