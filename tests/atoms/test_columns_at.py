"""Positions beside the columns are told from positions on them."""

import numpy as np
import pytest

from hyperspy_motifs import data
from hyperspy_motifs.atoms import columns_at, nearest_neighbour_distance


@pytest.fixture(scope="module", params=["honeycomb", "square", "monolayer"])
def field(request):
    """Image, positions in pixels and their distance."""
    if request.param == "monolayer":
        signal, truth = data.monolayer(shape=(210, 250), random_state=1)
    else:
        signal, truth = data.lattice(request.param, shape=(140, 190), random_state=1)
    rows, columns = signal.data.shape
    points = np.asarray(truth.positions)
    points = points[np.all((points > 0) & (points < [columns - 1, rows - 1]), axis=1)]
    return np.asarray(signal.data, float), points, nearest_neighbour_distance(points)


def test_columns_are_recognised_also_by_rough_positions(field):
    image, points, spacing = field
    rng = np.random.default_rng(0)
    rough = points + rng.normal(0, 0.1 * spacing, points.shape)
    for given in (points, np.round(points), rough):
        assert columns_at(image, given).on_columns
    assert columns_at(-image, points, "dark").on_columns


@pytest.mark.parametrize("shift", [(0.25, 0.1), (0.4, 0.3), (0.0, -0.5)])
def test_a_lattice_beside_its_columns_is_told_and_the_shift_back_is_known(field, shift):
    image, points, spacing = field
    found = columns_at(image, points + spacing * np.array(shift))
    assert not found.on_columns
    if np.hypot(*shift) < 0.3:
        np.testing.assert_allclose(found.best_shift, -spacing * np.array(shift), atol=0.12 * spacing)


def test_random_places_and_the_wrong_polarity_are_told(field):
    image, points, _ = field
    rows, columns = image.shape
    wrong = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        wrong += columns_at(image, rng.uniform(0, [columns - 1, rows - 1], points.shape)).on_columns
    # Both tests together are wrong less often than one in a thousand.
    assert wrong == 0
    assert not columns_at(image, points, "dark").on_columns


def test_vacuum_beside_a_crystal_is_no_evidence(field):
    image, points, spacing = field
    vacuum = np.concatenate([image, np.full_like(image, np.median(image) - 3 * image.std())], axis=1)
    assert columns_at(vacuum, points).on_columns
    assert not columns_at(vacuum, points + spacing * np.array([0.4, 0.3])).on_columns
