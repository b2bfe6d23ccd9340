"""Find the defects of a result: images, units and frames around :mod:`hyperspy_motifs.defects`."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from numbers import Real
from typing import Any

import numpy as np
from scipy.spatial import cKDTree
from scipy.stats import false_discovery_control

from hyperspy_motifs import store
from hyperspy_motifs.defects import (
    BORDER,
    KINDS,
    RARE,
    VACANCY,
    Defects,
    Outliers,
    OutlierTests,
    bayesian_q_values,
    compare_atoms,
    describe_outlier,
    direction_words,
    fit_intensities,
    merge_places,
    outlier_kinds,
)
from hyperspy_motifs.naming import motif_name

from ._atom_finding import FEWEST_ATOMS
from ._clean_image import clean_image, data_frame
from ._patch_extraction import radius_in_pixels, sample

# A neighbour of an atom is at most this many nearest-neighbour distances away.
_SHELL = 1.35
# Width of columns whose fit gave none, in nearest-neighbour distances.
_WIDTH = 0.22
# A motif is rare on a kind of site if it has less than this share of it: a vacancy or a dopant, and no part of an alloy.
_RARE = 0.2
# Most atoms of a rare motif differ from their counterparts at this level.
_DIFFERENT = 1e-3
# The false discovery rate of `motifs.defects`.
FDR = 0.05


@dataclass(frozen=True)
class _Comparison:
    """Every atom of a result compared with its counterparts, and the empty sites; lengths in pixels."""

    pixels: np.ndarray
    p_values: np.ndarray
    combined: np.ndarray
    ratios: np.ndarray
    widths: np.ndarray
    moved: np.ndarray
    extra: np.ndarray
    expected: np.ndarray
    comparable: np.ndarray
    spacing: np.ndarray
    n_near_border: int
    n_unlike: int
    bright: bool
    empty: np.ndarray
    empty_frames: np.ndarray
    empty_expected: np.ndarray
    empty_q: np.ndarray
    empty_probability: np.ndarray

    def q_values(self, likely: np.ndarray | None = None) -> np.ndarray:
        """Over the atoms of all frames at once; 1 for atoms that were not tested.

        Half of the permitted false discoveries is reserved for the atoms of the mask `likely`, if given: weighted p-values
        (C. R. Genovese, K. Roeder and L. Wasserman, Biometrika 93, 509 (2006)).
        """
        tested = np.isfinite(self.combined)
        q_values = np.ones(len(self.combined))
        if not tested.any():
            return q_values
        weights = np.ones(len(q_values))
        if likely is not None and (likely & tested).any() and (tested & ~likely).any():
            for part in (likely, ~likely):
                weights[part] = 0.5 * tested.sum() / (part & tested).sum()
        q_values[tested] = false_discovery_control(np.minimum(self.combined[tested] / weights[tested], 1.0))
        return q_values


def find_outliers(signal: Any, record: store.Record, sites: Any, fdr: float) -> Outliers:
    """See :meth:`hyperspy_motifs.motifs.Motifs.find_outliers`; `sites` are those of the result, or None."""
    fdr = check_fdr(fdr)
    found = _compare(signal, record, sites, fdr)
    q_values = found.q_values()
    chosen = np.flatnonzero(q_values <= fdr)
    chosen = chosen[np.lexsort((found.combined[chosen], q_values[chosen]))]
    empty = np.flatnonzero(found.empty_q <= fdr)
    empty = empty[np.argsort(found.empty_q[empty], kind="stable")]
    stamp, none = record.stamp, np.full(len(empty), -1)
    unknown = np.full((len(empty), 3), np.nan)
    pixels = np.concatenate([found.empty[empty], found.pixels[chosen]])
    frames = np.concatenate([found.empty_frames[empty], record.frames[chosen]])
    radius_px = radius_in_pixels(record, float(record.radii[record.chosen]))
    return Outliers(
        fdr=fdr,
        atoms=np.concatenate([none, chosen]),
        frames=frames,
        positions=stamp.to_units(pixels),
        pixel_positions=pixels,
        kinds=np.concatenate([np.full(len(empty), "missing"), _kinds(found, chosen)]).astype(str),
        q_values=np.concatenate([found.empty_q[empty], q_values[chosen]]),
        p_values=np.concatenate([unknown, found.p_values[chosen]]),
        ratios=np.concatenate([np.zeros(len(empty)), found.ratios[chosen]]),
        displacements=np.concatenate([unknown[:, :2], found.moved[chosen] * np.array(stamp.scale)]),
        motifs=np.concatenate([none, record.labels[chosen]]),
        expected=np.concatenate([found.empty_expected[empty], found.expected[chosen]]),
        descriptions=_of_empty(found, empty) + _descriptions(record, found, chosen),
        n_tested=int(np.isfinite(found.combined).sum()),
        n_near_border=found.n_near_border,
        n_unlike=found.n_unlike,
        units=stamp.units,
        _get_patches=lambda: sample(
            signal, stamp, pixels, frames, radius_px, normalise=False, drop_outside=False
        ),
    )


def find_defects(signal: Any, record: store.Record, sites: Any, fdr: float = FDR) -> Defects:
    """See :attr:`hyperspy_motifs.motifs.Motifs.defects`; `sites` are those of the result, or None.

    In `evidence` the motif k is ``{motif k}``: its name may change, and :func:`stored_defects` inserts it.
    """
    found = _compare(signal, record, sites, fdr)
    stamp = record.stamp
    empty = np.flatnonzero(found.empty_q <= fdr)
    has_rare = _rare_atoms(record, found)
    q_values = found.q_values(has_rare)
    listed = q_values <= fdr
    rare, single = np.flatnonzero(listed & has_rare), np.flatnonzero(listed & ~has_rare)
    none = np.full(len(empty), -1)
    atoms = np.concatenate([none, rare, single])
    held = atoms >= 0
    pixels = np.concatenate([found.empty[empty], found.pixels[rare], found.pixels[single]])
    columns = {
        "positions": stamp.to_units(pixels),
        "pixel_positions": pixels,
        "frames": np.concatenate([found.empty_frames[empty], record.frames[rare], record.frames[single]]),
        "kinds": np.concatenate(
            [np.full(len(empty), VACANCY), np.full(len(rare), RARE), _kinds(found, single)]
        ).astype(str),
        "q_values": np.concatenate([found.empty_q[empty], q_values[rare], q_values[single]]),
        "atoms": atoms,
        "motifs": np.where(held, record.labels[atoms], -1),
        "expected": np.where(
            held, found.expected[atoms], np.concatenate([found.empty_expected[empty], atoms[len(empty) :]])
        ),
        "ratios": np.where(held, found.ratios[atoms], 0.0),
        "evidence": np.array(
            _of_empty(found, empty) + _of_rare(record, found, rare) + _descriptions(record, found, single),
            dtype=str,
        ),
    }
    spacing = float(np.median(found.spacing)) * abs(stamp.scale[0])
    # The most significant first among those of a source.
    order = np.lexsort((columns["q_values"], np.repeat([0, 1, 2], [len(empty), len(rare), len(single)])))
    columns = merge_places({name: values[order] for name, values in columns.items()}, spacing)
    inside = _inside(record, found.pixels, found.spacing)
    site_pixels = np.concatenate([found.pixels[inside], found.empty])
    return Defects(
        fdr=fdr,
        **columns,
        sites=stamp.to_units(site_pixels),
        site_motifs=np.concatenate([found.expected[inside], found.empty_expected]),
        area=_area(record, spacing),
        n_tested=int(np.isfinite(found.combined).sum()),
        n_near_border=found.n_near_border,
        n_unlike=found.n_unlike,
        spacing=spacing,
        units=stamp.units,
    )


def stored_defects(signal: Any, record: store.Record) -> Defects | None:
    """Return the defects that are stored with the current result of `signal`, or None."""
    stored = store.read_defects(signal)
    if stored is None:
        return None
    stored["kinds"] = np.array(KINDS)[stored["kinds"]]
    stored["evidence"] = np.array([_with_names(text, record) for text in stored["evidence"]], dtype=str)
    return Defects(**stored, pixel_positions=record.stamp.to_pixels(stored["positions"]))


def keep_defects(signal: Any, record: store.Record, defects: Defects) -> Defects:
    """Store the defects with the current result of `signal`; return them with the names of the motifs."""
    columns = {field.name: getattr(defects, field.name) for field in fields(defects)}
    del columns["pixel_positions"]
    # Text is stored as JSON, and kinds as numbers.
    columns["evidence"] = defects.evidence.tolist()
    columns["kinds"] = np.array([KINDS.index(kind) for kind in defects.kinds.tolist()], dtype=np.int64)
    store.write_defects(signal, columns)
    return replace(defects, evidence=np.array([_with_names(text, record) for text in defects.evidence], str))


def check_fdr(fdr: Any) -> float:
    """Validate a false discovery rate."""
    if isinstance(fdr, bool) or not isinstance(fdr, Real) or not 0 < float(fdr) < 1:
        raise ValueError(f"fdr={fdr!r} must be a fraction between 0 and 1, such as 0.05.")
    return float(fdr)


# ---------------------------------------------------------------------- comparison


def _compare(signal: Any, record: store.Record, sites: Any, fdr: float) -> _Comparison:
    if record.parameters.get("atoms") == "grid":
        raise ValueError(
            "These motifs are of patches on a grid, not of atoms: single atoms cannot be compared. Call find_motifs() without "
            'atoms="grid" on an image with resolved columns.'
        )
    bright = record.parameters.get("polarity", "bright") != "dark"
    n, pixels = len(record.positions), record.stamp.to_pixels(record.positions)
    empty, empty_frames, empty_expected, probability = _empty_sites(record, sites)
    empty_q = bayesian_q_values(probability)
    p_values, combined = np.full((n, 3), np.nan), np.full(n, np.nan)
    ratios, widths, moved = np.full(n, np.nan), np.full(n, np.nan), np.full((n, 2), np.nan)
    extra, comparable, spacing = np.zeros(n, bool), np.zeros(n, bool), np.full(n, 1.0)
    expected = record.labels.copy()
    at_border = unlike = 0
    for number in np.unique(record.frames):
        here = np.flatnonzero(record.frames == number)
        if len(here) < FEWEST_ATOMS:
            continue
        image, missing = clean_image(data_frame(signal, int(number)), tell=False)
        gone = empty[(empty_frames == number) & (empty_q <= fdr)]
        found, spacing[here] = _compare_frame(image, missing, pixels[here], record, here, bright, fdr, gone)
        p_values[here], combined[here], extra[here] = found.p_values, found.combined, found.extra
        ratios[here], widths[here], moved[here] = found.ratios, found.widths, found.displacements
        comparable[here] = ~found.at_border & ~found.unlike & ~found.extra
        expected[here] = _mode(record.labels[here][found.counterparts.index])
        at_border += int(found.at_border.sum())
        unlike += int(found.unlike.sum())
    return _Comparison(
        pixels, p_values, combined, ratios, widths, moved, extra, expected, comparable, spacing, at_border, unlike,
        bright, empty, empty_frames, empty_expected, empty_q, probability,
    )  # fmt: skip


def _compare_frame(
    image: np.ndarray,
    missing: np.ndarray | None,
    pixels: np.ndarray,
    record: store.Record,
    here: np.ndarray,
    bright: bool,
    fdr: float,
    empty: np.ndarray,
) -> tuple[OutlierTests, float]:
    """Tests of the atoms `here` of one frame, and their nearest-neighbour distance in pixels."""
    from hyperspy_motifs.atoms import nearest_neighbour_distance, refine_atoms

    spacing = nearest_neighbour_distance(pixels)
    scale = abs(record.stamp.scale[0])
    columns = {k: record.atoms[k][here] for k in ("sigma", "ellipticity", "angle") if k in record.atoms}
    points = pixels
    if len(columns) < 3:
        # Positions given without a fit may be whole pixels: places are compared at the fitted ones.
        fitted = refine_atoms(image, pixels, polarity="bright" if bright else "dark", separation=spacing)
        points = np.where(fitted.fitted[:, None], fitted.positions, pixels)
        sigma, ellipticity, angle = fitted.sigma, fitted.ellipticity, fitted.angle
    else:
        sigma, ellipticity, angle = columns["sigma"] / scale, columns["ellipticity"], columns["angle"]
    known = np.isfinite(sigma).all(axis=1) & (sigma > 0).all(axis=1)
    width = np.sqrt(np.where(known, np.abs(sigma).prod(axis=1), np.nan))
    typical = float(np.nanmedian(width)) if known.any() else _WIDTH * spacing
    sign = 1.0 if bright else -1.0
    intensities = fit_intensities(sign * image, points, np.full(len(points), typical), spacing)
    long = np.where(known, ellipticity - 1, np.nan)
    shapes = np.column_stack([np.log(width), long * np.cos(2 * angle), long * np.sin(2 * angle)])
    cut = np.zeros(len(points), bool)
    if missing is not None:
        rows, columns_of = np.nonzero(missing)
        cut = cKDTree(np.column_stack([columns_of, rows])).query(points)[0] < BORDER * spacing
    tests = compare_atoms(points, intensities, shapes, spacing, image.shape, fdr, empty, cut)
    return tests, spacing


def _empty_sites(record: store.Record, sites: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pixels, frames, expected motifs and probabilities of being occupied of the empty sites that are not at the border."""
    if sites is None or not len(sites):
        return np.empty((0, 2)), np.empty(0, int), np.empty(0, int), np.empty(0)
    which = np.flatnonzero(~sites.occupied)
    pixels = record.stamp.to_pixels(sites.positions[which])
    spacing = np.full(len(which), record.parameters.get("spacing", 0.0) / abs(record.stamp.scale[0]))
    which = which[_inside(record, pixels, spacing)]
    return (
        record.stamp.to_pixels(sites.positions[which]),
        sites.frames[which],
        sites.expected_motifs[which],
        sites.probability[which],
    )


def _inside(record: store.Record, pixels: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    extent = np.array(record.stamp.shape) - 1
    return np.minimum(pixels, extent - pixels).min(axis=1, initial=np.inf) >= BORDER * spacing


def _area(record: store.Record, spacing: float) -> float:
    """Area of the field without its border, in square axis units, over all frames."""
    size = np.array(record.stamp.shape) * np.abs(record.stamp.scale)
    frames = max(len(np.unique(record.frames)), 1)
    return float(np.prod(np.maximum(size - 2 * BORDER * spacing, spacing)) * frames)


def _mode(labels: np.ndarray) -> np.ndarray:
    """Most frequent label of each row."""
    counts = np.stack([(labels == k).sum(axis=1) for k in range(int(labels.max()) + 1)], axis=1)
    return counts.argmax(axis=1)


def _rare_atoms(record: store.Record, found: _Comparison) -> np.ndarray:
    """Mask of the atoms whose motif, at the chosen radius or a smaller one, is rare on the sites where they stand.

    Only motifs count of which most atoms differ from their counterparts: a few atoms between two motifs that overlap are
    given the wrong one. Motifs at larger radii are environments, which the neighbours explain.
    """
    out = np.zeros(len(record.labels), bool)
    for labels in (*record.radius_labels[: record.chosen], record.labels):
        for site in np.unique(found.expected[found.comparable]).tolist():
            here = found.comparable & (found.expected == site)
            counts = np.bincount(labels[here])
            for motif in np.flatnonzero((counts > 0) & (counts < _RARE * counts.sum())).tolist():
                members = here & (labels == motif)
                if np.nanmedian(found.combined[members]) < _DIFFERENT:
                    out |= members
    return out


# ---------------------------------------------------------------------- words


def _kinds(found: _Comparison, chosen: np.ndarray) -> np.ndarray:
    return outlier_kinds(found.p_values[chosen], found.ratios[chosen], found.bright, found.extra[chosen])


def _descriptions(record: store.Record, found: _Comparison, chosen: np.ndarray) -> list[str]:
    scale, units = np.array(record.stamp.scale), record.stamp.units
    out = []
    for k, kind in zip(chosen.tolist(), _kinds(found, chosen).tolist(), strict=True):
        distance = np.hypot(*(found.pixels - found.pixels[k]).T)
        reach = _SHELL * found.spacing[k]
        near = (record.frames == record.frames[k]) & (distance > 0) & (distance <= reach)
        towards = direction_words(found.moved[k] * scale, (found.pixels[near] - found.pixels[k]) * scale)
        words = describe_outlier(
            kind, found.ratios[k], found.p_values[k], found.moved[k] * scale, found.widths[k], units, towards
        )
        gone = (found.empty_frames == record.frames[k]) & (
            np.hypot(*(found.empty - found.pixels[k]).T) <= reach
        )
        out.append(words + (", neighbour missing" if gone.any() else ""))
    return out


def _of_rare(record: store.Record, found: _Comparison, rare: np.ndarray) -> list[str]:
    out = []
    for k in rare.tolist():
        own, usual = int(record.labels[k]), int(found.expected[k])
        change = 100 * (found.ratios[k] - 1)
        words = (
            f"{{motif {own}}}, rare on its site"
            if own == usual
            else f"{{motif {own}}} where {{motif {usual}}} is usual"
        )
        if np.isfinite(change):
            words += f", {abs(change):.0f} % {'dimmer' if change < 0 else 'stronger'}"
        out.append(words)
    return out


def _with_names(text: str, record: store.Record) -> str:
    """Insert the present names of motifs."""
    names = [record.names.get(i, str(i)) for i in range(int(record.labels.max(initial=-1)) + 1)]
    return re.sub(r"\{motif (\d+)\}", lambda found: motif_name(int(found[1]), names), text)


def _of_empty(found: _Comparison, empty: np.ndarray) -> list[str]:
    return [
        f"empty site, probability {found.empty_probability[k]:.2g} of being occupied" for k in empty.tolist()
    ]
