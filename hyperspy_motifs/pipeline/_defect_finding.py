"""Find the defects of a result: images, units and frames around :mod:`hyperspy_motifs.defects`."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree
from scipy.stats import false_discovery_control

from hyperspy_motifs import store
from hyperspy_motifs.clustering import motif_name
from hyperspy_motifs.common import FEWEST_ATOMS, REPORTED_LEVEL, STRICT_LEVEL
from hyperspy_motifs.defects import (
    ANOTHER,
    FIRST_SHELL,
    KINDS,
    ODD_CELLS,
    VACANCY,
    Defects,
    Outliers,
    OutlierTests,
    compare_atoms,
    describe_outlier,
    direction_words,
    find_odd_cells,
    fit_intensities,
    merge_places,
    outlier_kinds,
)
from hyperspy_motifs.threads import one_blas_thread

from ._cell_finding import cells_of_record
from ._clean_image import clean_image, data_frame
from ._patch_extraction import radius_in_pixels, sample

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal

    from hyperspy_motifs.occupancy import Sites

# A motif is rare on a kind of site if it has less than this share of it: a vacancy or a dopant, and no part of an alloy.
_RARE = 0.2


@dataclass(frozen=True)
class _Comparison:
    """Every atom of a result, and then every empty site, compared with its counterparts; lengths in pixels."""

    pixels: np.ndarray
    frames: np.ndarray
    motifs: np.ndarray
    expected: np.ndarray
    p_values: np.ndarray
    combined: np.ndarray
    ratios: np.ndarray
    widths: np.ndarray
    moved: np.ndarray
    extra: np.ndarray
    comparable: np.ndarray
    spacing: np.ndarray
    n_at_border: int
    n_unlike: int
    bright: bool

    @property
    def empty(self) -> np.ndarray:
        """Mask of the empty sites."""
        return self.motifs < 0

    @property
    def tested(self) -> np.ndarray:
        """Mask of the rows that could be compared."""
        return np.isfinite(self.combined)

    def listed(self, fdr: float) -> tuple[np.ndarray, np.ndarray]:
        """Rows at a false discovery rate by significance, and the q-values of all; 1 for those that were not tested.

        Over the atoms and empty sites of all frames at once.
        """
        q_values = np.ones(len(self.tested))
        if self.tested.any():
            q_values[self.tested] = false_discovery_control(self.combined[self.tested])
        chosen = np.flatnonzero(q_values <= fdr)
        return chosen[np.lexsort((self.combined[chosen], q_values[chosen]))], q_values


def find_outliers(signal: BaseSignal, record: store.Record, sites: Sites, fdr: float) -> Outliers:
    """See :meth:`hyperspy_motifs.motifs.Motifs.find_outliers`; `sites` are those of the result, or None."""
    fdr = check_fdr(fdr)
    found = _compare(signal, record, sites, fdr)
    chosen, q_values = found.listed(fdr)
    stamp, pixels, frames = record.stamp, found.pixels[chosen], found.frames[chosen]
    radius_px = radius_in_pixels(record, float(record.radii[record.chosen]))
    return Outliers(
        fdr=fdr,
        atoms=np.where(found.empty[chosen], -1, chosen),
        frames=frames,
        positions=stamp.to_units(pixels),
        pixel_positions=pixels,
        kinds=np.where(found.empty[chosen], "missing", _kinds(found, chosen)).astype(str),
        q_values=q_values[chosen],
        p_values=found.p_values[chosen],
        ratios=found.ratios[chosen],
        displacements=found.moved[chosen] * np.array(stamp.scale),
        motifs=found.motifs[chosen],
        expected=found.expected[chosen],
        descriptions=_descriptions(record, found, chosen, found.empty & (q_values <= fdr)),
        n_tested=int((found.tested & ~found.empty).sum()),
        n_at_border=found.n_at_border,
        n_unlike=found.n_unlike,
        units=stamp.units,
        n_frames=_n_frames(stamp),
        _get_patches=lambda: sample(
            signal, stamp, pixels, frames, radius_px, normalise=False, drop_outside=False
        ),
    )


def find_defects(
    signal: BaseSignal, record: store.Record, sites: Sites, fdr: float = REPORTED_LEVEL
) -> Defects:
    """See :attr:`hyperspy_motifs.motifs.Motifs.defects`; `sites` are those of the result, or None.

    In `evidence` the motif k is ``{motif k}``: its name may change, and :func:`stored_defects` inserts it.
    """
    found = _compare(signal, record, sites, fdr)
    stamp = record.stamp
    rare = _rare_atoms(record, found)
    chosen, q_values = found.listed(fdr)
    kinds = np.where(found.empty[chosen], VACANCY, np.where(rare[chosen], ANOTHER, _kinds(found, chosen)))
    words = _descriptions(record, found, chosen, found.empty & (q_values <= fdr))
    columns = {
        "positions": stamp.to_units(found.pixels[chosen]),
        "pixel_positions": found.pixels[chosen],
        "frames": found.frames[chosen],
        "kinds": kinds.astype(str),
        "q_values": q_values[chosen],
        "atoms": np.where(found.empty[chosen], -1, chosen),
        "motifs": found.motifs[chosen],
        "expected": found.expected[chosen],
        "ratios": found.ratios[chosen],
        "evidence": np.array(_with_motifs(found, chosen, rare, words), dtype=str),
    }
    spacing = float(np.median(found.spacing) if len(found.spacing) else np.nan) * abs(stamp.scale[0])
    # By kind, the most significant first: of two at one place the first is listed.
    rank = np.array([KINDS.index(kind) for kind in kinds.tolist()], dtype=np.int64)
    order = np.argsort(rank, kind="stable")
    columns = merge_places({name: values[order] for name, values in columns.items()}, spacing)
    columns = _with_odd_cells(signal, record, columns, spacing, fdr)
    by_frame = np.argsort(columns["frames"], kind="stable")
    columns = {name: values[by_frame] for name, values in columns.items()}
    tested = found.tested
    return Defects(
        fdr=fdr,
        **columns,
        sites=stamp.to_units(found.pixels[tested]),
        site_motifs=found.expected[tested],
        area=_area(record) * float(tested.mean() if len(tested) else 0.0),
        n_tested=int((tested & ~found.empty).sum()),
        n_at_border=found.n_at_border,
        n_unlike=found.n_unlike,
        spacing=spacing,
        units=stamp.units,
        names=(),
    )


def _with_odd_cells(
    signal: BaseSignal, record: store.Record, columns: dict[str, np.ndarray], spacing: float, fdr: float
) -> dict[str, np.ndarray]:
    """Add groups of odd cells: as evidence of the first entry at or inside each, or as entries if they are significant."""
    cells = cells_of_record(signal, record)
    groups, q_value = find_odd_cells(cells)
    corners, frames = cells.with_empty_sites(record.positions), cells.of_points(record.frames)
    evidence, rows = columns["evidence"].tolist(), []
    for members in groups:
        ring = np.unique(np.concatenate([cells.corners[k] for k in members.tolist()]))
        centre_atoms = cells.centre_atoms[members]
        inside = np.concatenate([corners[ring], record.positions[centre_atoms[centre_atoms >= 0]]])
        sizes, counts = np.unique(cells.n_corners[members], return_counts=True)
        words = "cells with " + ", ".join(f"{n} corners ({c})" for n, c in zip(sizes, counts, strict=True))
        near = cKDTree(inside).query(columns["positions"])[0] if len(evidence) else np.zeros(0)
        here = np.flatnonzero((near < 0.5 * spacing) & (columns["frames"] == frames[members[0]]))
        if len(here):
            evidence[here[0]] += f"; {words}"
            continue
        if q_value > fdr:
            continue
        labels = np.bincount(record.labels[ring[ring < len(record.labels)]], minlength=1)
        rows.append((cells.centres[members].mean(axis=0), frames[members[0]], labels.argmax(), words))
    columns = {**columns, "evidence": np.array(evidence, dtype=str)}
    if not rows:
        return columns
    place, frame, usual, texts = zip(*rows, strict=True)
    none = np.full(len(rows), -1)
    own = {
        "positions": place, "pixel_positions": record.stamp.to_pixels(np.array(place)), "frames": frame,
        "kinds": [ODD_CELLS] * len(rows), "q_values": np.full(len(rows), q_value), "atoms": none, "motifs": none,
        "expected": usual, "ratios": np.full(len(rows), np.nan), "evidence": texts,
    }  # fmt: skip
    return {name: np.concatenate([values, np.asarray(own[name])]) for name, values in columns.items()}


def stored_defects(signal: BaseSignal, record: store.Record) -> Defects | None:
    """Return the defects that are stored with the current result of `signal`, or None."""
    stored = store.read_defects(signal)
    if stored is None:
        return None
    stored["kinds"] = np.array(KINDS)[stored["kinds"]]
    stored["evidence"] = np.array(stored["evidence"], dtype=str)
    defects = Defects(**stored, pixel_positions=record.stamp.to_pixels(stored["positions"]))
    return _with_names(defects, record)


def keep_defects(signal: BaseSignal, record: store.Record, defects: Defects) -> Defects:
    """Store the defects with the current result of `signal`; return them with the names of the motifs."""
    columns = {field.name: getattr(defects, field.name) for field in fields(defects)}
    del columns["pixel_positions"], columns["names"], columns["n_frames"]
    # Text is stored as JSON, and kinds as numbers.
    columns["evidence"] = defects.evidence.tolist()
    columns["kinds"] = np.array([KINDS.index(kind) for kind in defects.kinds.tolist()], dtype=np.int64)
    store.write_defects(signal, columns)
    return _with_names(defects, record)


def check_fdr(fdr: object) -> float:
    """Validate a false discovery rate."""
    if isinstance(fdr, bool) or not isinstance(fdr, Real) or not 0 < float(fdr) < 1:
        raise ValueError(f"fdr={fdr!r} must be a fraction between 0 and 1, such as 0.05.")
    return float(fdr)


# ---------------------------------------------------------------------- comparison


def _compare(signal: BaseSignal, record: store.Record, sites: Sites, fdr: float) -> _Comparison:
    if record.parameters.get("atoms") == "grid":
        raise ValueError(
            "These motifs are of patches on a grid, not of atoms: single atoms cannot be compared. Call find_motifs() without "
            'atoms="grid" on an image with resolved columns.'
        )
    bright = record.parameters.get("polarity", "bright") != "dark"
    n = len(record.positions)
    vacant = sites.select(np.flatnonzero(sites.vacant)) if sites is not None else None
    pixels, frames, motifs = record.stamp.to_pixels(record.positions), record.frames, record.labels
    if vacant is not None and len(vacant):
        pixels = np.concatenate([pixels, record.stamp.to_pixels(vacant.positions)])
        frames = np.concatenate([frames, vacant.frames])
        motifs = np.concatenate([motifs, np.full(len(vacant), -1)])
    twins = _twins(record, n, len(pixels))
    m = len(pixels)
    p_values, combined = np.full((m, 3), np.nan), np.full(m, np.nan)
    ratios, widths, moved = np.full(m, np.nan), np.full(m, np.nan), np.full((m, 2), np.nan)
    extra, comparable, spacing = np.zeros(m, bool), np.zeros(m, bool), np.full(m, 1.0)
    expected = motifs.copy()
    at_border = unlike = 0
    for number in np.unique(record.frames):
        here = np.flatnonzero(frames == number)
        if np.count_nonzero(motifs[here] >= 0) < FEWEST_ATOMS:
            continue
        image, missing = clean_image(data_frame(signal, int(number)), tell=False)
        own = np.full(m + 1, -1)
        own[here] = np.arange(len(here))
        found, spacing[here] = _compare_frame(
            image, missing, pixels[here], record, here[motifs[here] >= 0], bright, fdr, own[twins[here]]
        )
        p_values[here], combined[here], extra[here] = found.p_values, found.combined, found.extra
        ratios[here], widths[here], moved[here] = found.ratios, found.widths, found.displacements
        comparable[here] = np.isfinite(found.combined) & ~found.extra & (motifs[here] >= 0)
        expected[here] = _mode(motifs[here][found.counterparts.index])
        at_border += int(found.at_border.sum())
        unlike += int(found.unlike.sum())
    return _Comparison(
        pixels, frames, motifs, expected, p_values, combined, ratios, widths, moved, extra, comparable, spacing, at_border,
        unlike, bright,
    )  # fmt: skip


# Sums of BLAS depend on the number of its threads; small matrices are slower on more than one.
@one_blas_thread()
def _compare_frame(
    image: np.ndarray,
    missing: np.ndarray | None,
    pixels: np.ndarray,
    record: store.Record,
    atoms: np.ndarray,
    bright: bool,
    fdr: float,
    twins: np.ndarray,
) -> tuple[OutlierTests, float]:
    """Tests of the `atoms` of one frame and of its empty sites after them, and the nearest-neighbour distance in pixels."""
    from hyperspy_motifs.atoms import START_WIDTH, nearest_neighbour_distance, refine_atoms

    n = len(atoms)
    spacing = nearest_neighbour_distance(pixels[:n])
    scale = abs(record.stamp.scale[0])
    columns = {k: record.atoms[k][atoms] for k in ("sigma", "ellipticity", "angle") if k in record.atoms}
    points = pixels.copy()
    if len(columns) < 3:
        # Positions given without a fit may be whole pixels: places are compared at the fitted ones.
        fitted = refine_atoms(image, pixels[:n], polarity="bright" if bright else "dark", separation=spacing)
        points[:n] = np.where(fitted.fitted[:, None], fitted.positions, pixels[:n])
        sigma, ellipticity, angle = fitted.sigma, fitted.ellipticity, fitted.angle
    else:
        sigma, ellipticity, angle = columns["sigma"] / scale, columns["ellipticity"], columns["angle"]
    known = np.isfinite(sigma).all(axis=1) & (sigma > 0).all(axis=1)
    width = np.sqrt(np.where(known, np.abs(sigma).prod(axis=1), np.nan))
    typical = float(np.nanmedian(width)) if known.any() else START_WIDTH * spacing
    sign = 1.0 if bright else -1.0
    widths = np.full(len(points), typical)
    intensities, noise = fit_intensities(sign * image, points, widths, spacing, missing)
    long = np.where(known, ellipticity - 1, np.nan)
    shapes = np.full((len(points), 3), np.nan)
    shapes[:n] = np.column_stack([np.log(width), long * np.cos(2 * angle), long * np.sin(2 * angle)])
    cut = None
    if missing is not None:
        rows, columns_of = np.nonzero(missing)
        cut = cKDTree(np.column_stack([columns_of, rows])).query(points)[0]
    empty = np.arange(len(points)) >= n
    tests = compare_atoms(
        points, intensities, shapes, spacing, image.shape, fdr, noise=noise, empty=empty, twins=twins, cut=cut
    )
    return tests, spacing


def _twins(record: store.Record, n: int, m: int) -> np.ndarray:
    """Atoms to which translations map each of the n atoms and the vacancies after them, shape (m, k)."""
    if not record.sites:
        return np.full((m, 1), -1)
    atoms, stored = record.sites["atoms"], record.sites["twins"]
    out = np.full((m, stored.shape[1]), -1)
    held = atoms >= 0
    out[atoms[held]] = stored[held]
    out[n:] = stored[~held & (record.sites["probability"] <= 0.5)]
    return out


def _area(record: store.Record) -> float:
    """Area of the image in square axis units, over all frames."""
    size = np.array(record.stamp.shape) * np.abs(record.stamp.scale)
    return float(np.prod(size) * max(len(np.unique(record.frames)), 1))


def _mode(labels: np.ndarray) -> np.ndarray:
    """Most frequent label of each row; empty sites, with -1, do not count."""
    counts = np.stack([(labels == k).sum(axis=1) for k in range(int(labels.max()) + 1)], axis=1)
    return counts.argmax(axis=1)


def _rare_atoms(record: store.Record, found: _Comparison) -> np.ndarray:
    """Mask of the atoms whose motif, at the chosen radius or a smaller one, is rare on the sites where they stand.

    Only motifs count of which most atoms differ from their counterparts: a few atoms between two motifs that overlap are
    given the wrong one. Motifs at larger radii are environments, which the neighbours explain. Motifs that other images show as
    well are known to be some, however little their few atoms in this image differ from their counterparts.
    """
    known = record.parameters.get("learned") in ("model", "collection")
    out = np.zeros(len(found.pixels), bool)
    comparable, expected = found.comparable[: len(record.labels)], found.expected[: len(record.labels)]
    for labels in (*record.radius_labels[: record.chosen], record.labels):
        for site in np.unique(expected[comparable]).tolist():
            here = comparable & (expected == site)
            counts = np.bincount(labels[here])
            for motif in np.flatnonzero((counts > 0) & (counts < _RARE * counts.sum())).tolist():
                members = np.flatnonzero(here & (labels == motif))
                out[members] |= known or bool(np.nanmedian(found.combined[members]) < STRICT_LEVEL)
    return out


# ---------------------------------------------------------------------- words


def _kinds(found: _Comparison, chosen: np.ndarray) -> np.ndarray:
    return outlier_kinds(found.p_values[chosen], found.ratios[chosen], found.bright, found.extra[chosen])


def _descriptions(
    record: store.Record, found: _Comparison, chosen: np.ndarray, gone: np.ndarray
) -> list[str]:
    """What differs about the rows `chosen`; `gone` is a mask of the vacancies."""
    scale, units = np.array(record.stamp.scale), record.stamp.units
    out = []
    for k, kind in zip(chosen.tolist(), _kinds(found, chosen).tolist(), strict=True):
        if found.empty[k]:
            out.append(f"empty site, {max(found.ratios[k], 0):.0%} of the usual intensity")
            continue
        distance = np.hypot(*(found.pixels - found.pixels[k]).T)
        near = (
            (found.frames == found.frames[k]) & (distance > 0) & (distance <= FIRST_SHELL * found.spacing[k])
        )
        towards = direction_words(
            found.moved[k] * scale, (found.pixels[near & ~found.empty] - found.pixels[k]) * scale
        )
        words = describe_outlier(
            kind,
            found.ratios[k],
            found.p_values[k],
            found.moved[k] * scale,
            found.widths[k],
            units,
            towards,
            found.bright,
        )
        out.append(words + (", neighbour missing" if (near & gone).any() else ""))
    return out


def _with_names(defects: Defects, record: store.Record) -> Defects:
    """Insert the present names of motifs, and the number of frames."""
    names = tuple(record.names.get(i, str(i)) for i in range(int(record.labels.max(initial=-1)) + 1))
    texts = [
        re.sub(r"\{motif (\d+)\}", lambda found: motif_name(int(found[1]), names), text)
        for text in defects.evidence.tolist()
    ]
    return replace(
        defects, evidence=np.array(texts, dtype=str), names=names, n_frames=_n_frames(record.stamp)
    )


def _n_frames(stamp: store.Stamp) -> int:
    """Return the number of images of a stack."""
    return int(np.prod(stamp.navigation_shape, dtype=int))


def _with_motifs(found: _Comparison, chosen: np.ndarray, rare: np.ndarray, words: list[str]) -> list[str]:
    """The `words` about each row, with the motif of those that have a rare one, or of the one that is missing."""
    out = []
    for k, said in zip(chosen.tolist(), words, strict=True):
        own, usual = f"{{motif {found.motifs[k]}}}", f"{{motif {found.expected[k]}}}"
        if found.empty[k]:
            said = f"{usual} missing: {said}"
        elif rare[k]:
            said = (
                f"{own}, rare on its site, {said}"
                if own == usual
                else f"{own} where {usual} is usual, {said}"
            )
        out.append(said)
    return out
