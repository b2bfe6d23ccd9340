"""Halves of the 7x7 cell of silicon, and cells that have none."""

import numpy as np
import pytest

from hyperspy_motifs.cells import find_cells
from hyperspy_motifs.data import silicon_7x7_specimen
from hyperspy_motifs.hierarchy import build_hierarchy


def halves_of(points, labels):
    hierarchy = build_hierarchy(points, labels, find_cells(points, labels))
    return next((level for level in hierarchy.levels if level.kind == "half-cell"), None), hierarchy


@pytest.mark.parametrize(("degrees", "missing"), [(0.0, 0.0), (13.0, 0.05), (47.0, 0.02)])
def test_faulted_and_unfaulted_halves_of_the_7x7_cell(patterns, degrees, missing):
    specimen = silicon_7x7_specimen(14.0, vacancies=0.0)
    points = patterns["turn"](specimen.positions, degrees)
    rng = np.random.default_rng(5)
    kept = (np.abs(points) < [9.5, 9.0]).all(axis=1) & (rng.random(len(points)) >= missing)
    kept &= specimen.labels >= 0
    points = points[kept] + rng.normal(0, 0.03, (kept.sum(), 2))
    faulted = np.array([name.startswith("faulted") for name in specimen.names])[specimen.labels[kept]]
    level, hierarchy = halves_of(points, np.zeros(len(points), dtype=int))
    assert "unit-cell" in hierarchy.kinds
    child, half = level.parts.T
    table = np.zeros((2, 2))
    np.add.at(table, (level.labels[half], faulted[child].astype(int)), level.fractions)
    assert max(table[0, 0] + table[1, 1], table[0, 1] + table[1, 0]) > 0.995 * table.sum()
    inner = ~level.columns["on_border"]
    content = np.bincount(half, level.fractions, minlength=len(level))[inner]
    assert content.mean() == pytest.approx(6 * (1 - missing), rel=0.03)


def test_other_cells_have_no_halves(patterns, m1):
    for points, labels in (patterns["honeycomb"](), m1[:2], (patterns["square_triangle"]("sigma"), None)):
        labels = np.zeros(len(points), dtype=int) if labels is None else labels
        level, hierarchy = halves_of(points, labels)
        assert "unit-cell" in hierarchy.kinds
        assert level is None
