"""Parts of like extent of a cloud of points."""

import numpy as np
import pytest

from hyperspy_motifs.manifold import partition_by_extent, partition_of_min_size


def test_thirds_of_a_line_and_of_a_ring():
    line = np.column_stack([np.linspace(0, 1, 900), np.zeros(900)])
    labels, squares = partition_by_extent(line, 3)
    np.testing.assert_allclose(np.bincount(labels), 300, atol=12)
    assert np.count_nonzero(np.diff(labels)) == 2
    np.testing.assert_array_equal(squares.argmin(axis=1), labels)
    angle = np.linspace(0, 2 * np.pi, 900, endpoint=False)
    labels, _ = partition_by_extent(np.column_stack([np.cos(angle), np.sin(angle)]), 3)
    np.testing.assert_allclose(np.bincount(labels), 300, atol=15)
    assert np.count_nonzero(labels != np.roll(labels, 1)) == 3


def test_more_parts_than_points_differ():
    labels, squares = partition_by_extent(np.repeat([[0.0, 0.0], [1.0, 0.0]], 5, axis=0), 3)
    assert len(np.unique(labels)) == squares.shape[1] == 2


@pytest.mark.parametrize("odd", [1, 2, 7])
def test_odd_atoms_are_no_part_of_their_own(odd):
    plain = np.stack(np.meshgrid(np.arange(30.0), np.arange(20.0)), axis=-1).reshape(-1, 2)
    far = np.array([[300.0, 0], [0, -400], [-500, 0], [0, 600], [700, 0], [0, 800], [900, 900]])[:odd]
    labels, squares = partition_of_min_size(np.vstack([plain, far]), 3, 5)
    assert squares.shape == (600 + odd, 3)
    assert np.bincount(labels).min() > 100
    np.testing.assert_array_equal(labels[:600], partition_by_extent(plain, 3)[0])
