"""Find the ``AtomTable`` of an ``AtomicImage``: validation, units and frames around :mod:`hyperspy_motifs.atoms`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from hyperspy.external.progressbar import progressbar

from hyperspy_motifs import atoms as finding
from hyperspy_motifs import store
from hyperspy_motifs.common import FEWEST_ATOMS, STRICT_LEVEL
from hyperspy_motifs.exchange import GivenAtoms, read_atoms
from hyperspy_motifs.patches import without_patches
from hyperspy_motifs.stacks import run_frames, running_client, spread_order

from ._atom_table import COLUMNS, AtomTable, find_atoms_of_frame, joined_sites
from ._checks import check_axes, check_length, check_positions
from ._clean_image import CleanFrames, clean_image, data_frame, lazy_data_frame, n_frames

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal

    from hyperspy_motifs.stacks import Checkpoint

LENGTHS = ("sigma", "uncertainty")


def find_atoms(
    signal: BaseSignal,
    separation: float | None,
    show_progressbar: bool | None,
    checkpoint: Checkpoint | None = None,
    watch: Callable[[int, object], None] | None = None,
    clean: CleanFrames | None = None,
    with_sites: bool = False,
    **options: object,
) -> AtomTable:
    """Find the atoms of every frame; `separation` is in axis units, `options` as in :func:`hyperspy_motifs.atoms.find_atoms`.

    With sites, the atoms are completed by what repeats (:func:`hyperspy_motifs.occupancy.complete`).

    `watch` is called with the number and the atoms (in pixels) of every frame when they are available. A single frame is taken
    from `clean`, if given.
    """
    check_axes(signal)
    stamp = store.Stamp.of(signal)
    scale = abs(stamp.scale[0])
    separation_px = None if separation is None else check_length(separation, "separation", stamp) / scale
    numbers = range(n_frames(signal))
    # On a cluster the frames of the sample are processed first if a fit waits for them; otherwise in their order.
    order = numbers if watch is None or running_client() is None else spread_order(len(numbers)).tolist()
    # Workers prepare the frames of a stack themselves.
    ready = clean(0, 0, tell=True) if clean is not None and len(numbers) == 1 else None
    with progressbar(total=len(numbers), disable=quiet(show_progressbar), desc="Atoms", leave=False) as bar:
        found = run_frames(
            find_atoms_of_frame,
            lambda number: [lazy_data_frame(signal, number)],
            [
                (number, (_name(signal, number), separation_px, options, ready, with_sites))
                for number in order
            ],
            step="atoms",
            checkpoint=checkpoint,
            done=bar.update,
            found=watch,
        )
    frames = np.repeat(numbers, [len(found[i]["positions"]) for i in numbers])
    pixels = np.concatenate([found[i]["positions"] for i in numbers])
    columns = {}
    for name in COLUMNS:
        values = np.concatenate([found[i][name] for i in numbers])
        columns[name] = values * scale if name in LENGTHS else values
    separations = np.array([float(found[i]["separation"]) for i in numbers])
    typical = found[int(np.argsort(separations)[len(separations) // 2])]
    facts = {
        "separation": float(typical["separation"]) * scale,
        "separation_certainty": min(float(found[i]["separation_certainty"]) for i in numbers),
        "polarity": "bright" if typical["bright"] else "dark",
        "polarity_certainty": min(float(found[i]["polarity_certainty"]) for i in numbers),
        "edited": False,
    }
    sites = joined_sites([found[i] for i in numbers], stamp) if with_sites else {}
    return AtomTable(stamp.to_units(pixels), pixels, frames, columns, facts, stamp.units, sites)


def given_atoms(
    signal: BaseSignal,
    atoms: object,
    refine: bool | str,
    polarity: str,
    check_columns: bool = False,
    separation: float | None = None,
) -> AtomTable:
    """Validate atoms given by the user, or found by a given peak finder, and refine them unless `refine` is False.

    With `check_columns` a warning is given if the image has no columns there. A finder is told the `separation` (in axis
    units), or an estimate.
    """
    check_axes(signal)
    stamp = store.Stamp.of(signal)
    scale = abs(stamp.scale[0])
    finder = _peak_finder(atoms)
    if finder is None:
        given = read_atoms(atoms, signal)
    else:
        given = _found_by(finder, signal, polarity, None if separation is None else separation / scale)
    columns, facts, frames = dict(given.columns), dict(given.facts), given.frames
    if not facts:
        facts["read_as"] = given.origin
    pixels = check_positions(given.positions, stamp) if frames is None else _of_frames(signal, given, stamp)
    if frames is None and len(pixels) < FEWEST_ATOMS:
        raise ValueError(
            f"atoms holds {len(pixels)} positions, at least {FEWEST_ATOMS} are needed to compare their surroundings."
        )
    if frames is None:
        # A single list of positions applies to every frame of a stack, as in a registered movie.
        n = n_frames(signal)
        frames = np.repeat(np.arange(n), len(pixels))
        pixels = np.tile(pixels, (n, 1))
    facts.setdefault("edited", False)
    if check_columns:
        _warn_of_missing_columns(signal, pixels, frames, polarity, stamp)
    if refine:
        method = "gaussian" if refine is True else refine
        moved, parts = pixels.copy(), []
        for index in np.unique(frames):
            image, missing = clean_image(data_frame(signal, int(index)), _name(signal, int(index)))
            here = np.flatnonzero(frames == index)
            spacing = finding.nearest_neighbour_distance(pixels[here])
            image = without_patches(image, pixels[here], spacing, missing)
            sign = finding.estimate_polarity(image)[0] if polarity == "auto" else polarity
            one = finding.refine_atoms(image, pixels[here], polarity=sign, method=method)
            # A column beyond the border attracts the fit: such an atom keeps its given position.
            inside = np.all((one.positions >= -0.5) & (one.positions < np.array(stamp.shape) - 0.5), axis=1)
            moved[here] = np.where(inside[:, None], one.positions, pixels[here])
            unsure = np.where(inside[:, None], one.uncertainty, np.nan)
            parts.append((here, replace(one, fitted=one.fitted & inside, uncertainty=unsure)))
        pixels = moved
        for name in COLUMNS:
            first = np.asarray(getattr(parts[0][1], name))
            values = np.zeros((len(pixels), *first.shape[1:]), first.dtype)
            for here, one in parts:
                values[here] = getattr(one, name)
            columns[name] = values * scale if name in LENGTHS else values
        facts["polarity"] = sign
    first_frame = pixels[frames == frames[0]]
    facts["separation"] = finding.nearest_neighbour_distance(first_frame) * scale
    return AtomTable(stamp.to_units(pixels), pixels, frames, columns, facts, stamp.units)


def _peak_finder(atoms: object) -> finding.PeakFinder | None:
    """Return the finder that is given in place of atoms, if it is one."""
    if isinstance(atoms, str):
        return finding.PEAK_FINDERS.get(atoms)
    return atoms if callable(atoms) and not hasattr(atoms, "axes_manager") else None


def _found_by(
    finder: finding.PeakFinder, signal: BaseSignal, polarity: str, separation: float | None
) -> GivenAtoms:
    """Find the atoms of every frame by a peak finder; `separation` is in pixels."""
    stamp, parts = store.Stamp.of(signal), []
    for number in range(n_frames(signal)):
        image, _ = clean_image(data_frame(signal, number), _name(signal, number))
        scales = finding.estimate_scales(image, polarity)
        bright = np.asarray(image if scales.polarity == "bright" else -image, float)
        found = np.asarray(finder(bright, scales.separation if separation is None else separation), float)
        if found.ndim != 2 or found.shape[1] != 2 or len(found) < FEWEST_ATOMS:
            raise ValueError(
                f"The peak finder returned an array of shape {found.shape} for {_name(signal, number).lower()}; expected "
                f"(n, 2), columns x and y in pixels, of {FEWEST_ATOMS} columns or more."
            )
        parts.append(found)
    frames = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return GivenAtoms(stamp.to_units(np.concatenate(parts)), frames, "peak finder")


def _of_frames(signal: BaseSignal, given: GivenAtoms, stamp: store.Stamp) -> np.ndarray:
    """Return the pixels of atoms whose frames are known."""
    positions, frames = given.positions, np.asarray(given.frames)
    if len(frames) and not 0 <= frames.min() <= frames.max() < n_frames(signal):
        raise ValueError(
            f"The given atoms belong to frames {frames.min()} to {frames.max()}, this image has {n_frames(signal)}."
        )
    if n_frames(signal) == 1 or not len(positions):
        return check_positions(positions, stamp)
    pixels = np.zeros_like(positions)
    for number in np.unique(frames):
        pixels[frames == number] = check_positions(positions[frames == number], stamp)
    return pixels


def _warn_of_missing_columns(
    signal: BaseSignal, pixels: np.ndarray, frames: np.ndarray, polarity: str, stamp: store.Stamp
) -> None:
    """Warn if the positions in the first of the given frames do not lie on columns."""
    here = frames == frames[0]
    if here.sum() < FEWEST_ATOMS:
        return
    image, _ = clean_image(data_frame(signal, int(frames[0])), tell=False)
    sign = finding.estimate_polarity(image)[0] if polarity == "auto" else polarity
    found = finding.columns_at(image, pixels[here], sign)
    if found.on_columns:
        return
    x, y = np.array(found.best_shift) * stamp.scale
    more = "brighter" if sign == "bright" else "darker"
    reason = f"it is not {more} at the given atoms than beside them (p = {found.p_contrast:.2g})"
    if found.p_contrast < STRICT_LEVEL:
        reason = f"it is {more} where all atoms are shifted by x {x:+.3g}, y {y:+.3g} {stamp.units}"
    warnings.warn(
        f"The image has no columns there: {reason}. Columns x and y of atoms= in {stamp.units} are expected. Are they y first, "
        "in pixels, shifted, or of another image? For dark columns give polarity='dark'.",
        UserWarning,
        stacklevel=5,
    )


# Columns of a result that are not of the atoms alone.
_OF_MOTIFS = ("outlier_score", "motif_angle", "motif_mirrored")
_FACTS = ("separation", "separation_certainty", "polarity", "polarity_certainty")


def stored_atoms(signal: BaseSignal, of_motifs: bool = True) -> AtomTable | None:
    """Return the atoms that `signal` stores: those of ``find_atoms`` or of edits, or else those of its motifs, or None."""
    kept = store.load_atoms(signal)
    if kept is None and of_motifs and store.has_result(signal):
        kept = _atoms_of_motifs(signal)
    if kept is None or not len(kept[0]["positions"]):
        return None
    columns, facts = kept
    stamp = store.Stamp.of(signal)
    positions, frames = columns.pop("positions"), columns.pop("frames")
    return AtomTable(positions, stamp.to_pixels(positions), frames, columns, facts, stamp.units)


def _atoms_of_motifs(signal: BaseSignal) -> tuple[dict[str, np.ndarray], dict[str, object]] | None:
    """Return columns and facts of the atoms of the motifs of `signal`; None if these are patches on a grid."""
    try:
        record = store.read(signal)
    except ValueError:
        if store.has_result(signal):
            raise
        return None  # dropped, with a warning: the image has changed
    if record.parameters.get("atoms") == "grid":
        return None
    columns = {name: values for name, values in record.atoms.items() if name not in _OF_MOTIFS}
    facts = {name: record.parameters[name] for name in _FACTS if name in record.parameters}
    facts.setdefault("separation", float(record.parameters.get("spacing", 0.0)))
    return {"positions": record.positions, "frames": record.frames, **columns}, {**facts, "edited": False}


def keep_atoms(signal: BaseSignal, table: AtomTable | None) -> None:
    """Write `table` to the metadata of `signal`, or remove the atoms there."""
    if table is None:
        store.remove_atoms(signal)
        return
    store.write_atoms(
        signal, {"positions": table.positions, "frames": table.frames, **table.columns}, table.facts
    )


def quiet(show_progressbar: bool | None) -> bool:
    """Return whether to hide progress bars: as given, or as set in HyperSpy's preferences."""
    if show_progressbar is None:
        from hyperspy.api import preferences

        show_progressbar = preferences.General.show_progressbar
    return not show_progressbar


def _name(signal: BaseSignal, index: int) -> str:
    return "The image" if n_frames(signal) == 1 else f"Frame {index}"
