"""Find the outliers among the atoms of a result: images, units and frames around :mod:`hyperspy_motifs.defects`."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from scipy.stats import false_discovery_control

from hyperspy_motifs import store
from hyperspy_motifs.defects import (
    Outliers,
    OutlierTests,
    compare_atoms,
    describe_outlier,
    direction_words,
    fit_intensities,
    outlier_kinds,
)

from ._atom_finding import FEWEST_ATOMS
from ._clean_image import clean_image
from ._frames import data_frame
from ._patch_extraction import radius_in_pixels, sample

# A neighbour of an atom is at most this many nearest-neighbour distances away.
_SHELL = 1.35


def find_outliers(signal: Any, record: store.Record, fdr: float) -> Outliers:
    """See :meth:`hyperspy_motifs.motifs.Motifs.find_outliers`."""
    fdr = check_fdr(fdr)
    if record.parameters.get("atoms") == "grid":
        raise ValueError(
            "These motifs are of patches on a grid, not of atoms: single atoms cannot be compared. Call find_motifs() without "
            'atoms="grid" on an image with resolved columns.'
        )
    bright = record.parameters.get("polarity", "bright") != "dark"
    pixels = record.stamp.to_pixels(record.positions)
    tests: list[tuple[np.ndarray, OutlierTests, float]] = []
    for number in np.unique(record.frames):
        here = np.flatnonzero(record.frames == number)
        if len(here) < FEWEST_ATOMS:
            continue
        image, _ = clean_image(data_frame(signal, int(number)), tell=False)
        tests.append((here, *_test_frame(image, pixels[here], record, here, bright, fdr)))
    return _collect(signal, record, pixels, tests, bright, fdr)


def check_fdr(fdr: Any) -> float:
    """Validate a false discovery rate."""
    if isinstance(fdr, bool) or not isinstance(fdr, Real) or not 0 < float(fdr) < 1:
        raise ValueError(f"fdr={fdr!r} must be a fraction between 0 and 1, such as 0.05.")
    return float(fdr)


def _test_frame(
    image: np.ndarray, pixels: np.ndarray, record: store.Record, here: np.ndarray, bright: bool, fdr: float
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
    width = np.sqrt(np.where(known, sigma.prod(axis=1), np.nan))
    typical = float(np.nanmedian(width))
    sign = 1.0 if bright else -1.0
    intensities = fit_intensities(sign * image, points, np.full(len(points), typical), spacing)
    long = np.where(known, ellipticity - 1, np.nan)
    shapes = np.column_stack([np.log(width), long * np.cos(2 * angle), long * np.sin(2 * angle)])
    return compare_atoms(points, intensities, shapes, spacing, image.shape, fdr), spacing


def _collect(
    signal: Any,
    record: store.Record,
    pixels: np.ndarray,
    tests: list[tuple[np.ndarray, OutlierTests, float]],
    bright: bool,
    fdr: float,
) -> Outliers:
    n = len(pixels)
    p_values, ratios, widths = np.full((n, 3), np.nan), np.full(n, np.nan), np.full(n, np.nan)
    combined, moved, expected = np.full(n, np.nan), np.full((n, 2), np.nan), record.labels.copy()
    near_border = unlike = 0
    for here, found, _ in tests:
        p_values[here], ratios[here], widths[here] = found.p_values, found.ratios, found.widths
        combined[here], moved[here] = found.combined, found.displacements
        expected[here] = _mode(record.labels[here][found.counterparts.index])
        near_border += int(found.near_border.sum())
        unlike += int(found.unlike.sum())
    # Over the atoms of all frames at once.
    tested = np.flatnonzero(np.isfinite(combined))
    q_values = np.ones(n)
    if len(tested):
        q_values[tested] = false_discovery_control(combined[tested])
    chosen = np.flatnonzero(q_values <= fdr)
    chosen = chosen[np.lexsort((combined[chosen], q_values[chosen]))]
    kinds = outlier_kinds(p_values[chosen], ratios[chosen], bright)
    units, scale = record.stamp.units, np.array(record.stamp.scale)
    spacing_of_frame = {int(record.frames[here[0]]): spacing for here, _, spacing in tests}
    descriptions = []
    for k, kind in zip(chosen.tolist(), kinds.tolist(), strict=True):
        distance = np.hypot(*(pixels - pixels[k]).T)
        reach = _SHELL * spacing_of_frame[int(record.frames[k])]
        near = (record.frames == record.frames[k]) & (distance > 0) & (distance <= reach)
        towards = direction_words(moved[k] * scale, (pixels[near] - pixels[k]) * scale)
        descriptions.append(
            describe_outlier(kind, ratios[k], p_values[k], moved[k] * scale, widths[k], units, towards)
        )
    radius_px = radius_in_pixels(record, float(record.radii[record.chosen]))
    return Outliers(
        fdr=fdr,
        atoms=chosen,
        frames=record.frames[chosen],
        positions=record.positions[chosen],
        pixel_positions=pixels[chosen],
        kinds=kinds.astype(str),
        q_values=q_values[chosen],
        p_values=p_values[chosen],
        ratios=ratios[chosen],
        displacements=moved[chosen] * scale,
        motifs=record.labels[chosen],
        expected=expected[chosen],
        descriptions=descriptions,
        n_tested=len(tested),
        n_near_border=near_border,
        n_unlike=unlike,
        units=units,
        _get_patches=lambda: sample(
            signal,
            record.stamp,
            pixels[chosen],
            record.frames[chosen],
            radius_px,
            normalise=False,
            drop_outside=False,
        ),
    )


def _mode(labels: np.ndarray) -> np.ndarray:
    """Most frequent label of each row."""
    counts = np.stack([(labels == k).sum(axis=1) for k in range(int(labels.max()) + 1)], axis=1)
    return counts.argmax(axis=1)
