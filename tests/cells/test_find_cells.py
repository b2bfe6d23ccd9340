"""Cells of networks and tilings whose truth is known."""

import numpy as np
import pytest

from hyperspy_motifs.cells import Cells, RadiusBonds, find_cells


def census(cells):
    sizes, counts = np.unique(cells.n_corners, return_counts=True)
    return dict(zip(sizes.tolist(), counts.tolist(), strict=True))


@pytest.fixture(scope="module")
def silica(shared_data):
    lines = (shared_data / "real" / "silica_bilayer.xyz").read_text().splitlines()[2:]
    rows = [line.split() for line in lines]
    return np.array([[float(r[1]), float(r[2])] for r in rows if r[0] == "Si"])


def test_rings_of_silica_need_no_threshold(silica):
    cells = find_cells(silica)
    assert census(cells) == {4: 11, 5: 79, 6: 130, 7: 46, 8: 21, 9: 2}
    given = find_cells(silica, bonds=RadiusBonds(3.8))
    assert {frozenset(p.tolist()) for p in cells.polygons} == {frozenset(p.tolist()) for p in given.polygons}


def test_arrays_rebuild_cells():
    rng = np.random.default_rng(1)
    grid = np.stack(np.meshgrid(np.arange(8.0), np.arange(6.0)), axis=-1).reshape(-1, 2)
    cells = find_cells(grid + rng.normal(0, 0.02, grid.shape), rng.integers(0, 2, len(grid)))
    again = Cells.from_arrays(cells.to_arrays())
    for name, value in cells.to_arrays().items():
        assert np.array_equal(value, getattr(again, name)), name
    assert again.words == cells.words
    assert again.classes == cells.classes
