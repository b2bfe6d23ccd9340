"""What several packages need: rows, spreads, angles in words."""

import numpy as np
import pytest

from hyperspy_motifs.common import distinct_rows, robust_spread, signed_degrees


@pytest.mark.parametrize(
    ("angle", "digits", "text"),
    [
        (359.9, 1, "-0.1"),
        (-0.04, 1, "0.0"),
        (359.98, 1, "0.0"),
        (-180.0, 0, "180"),
        (180.2, 1, "-179.8"),
        (59.96, 1, "60.0"),
    ],
)
def test_angles_lie_above_minus_180_up_to_180_and_zero_has_no_sign(angle, digits, text):
    assert signed_degrees(angle, digits) == text


@pytest.mark.parametrize("scale", [1, 2**40, 0.5])
def test_distinct_rows_are_in_lexicographic_order_with_their_numbers(scale):
    """Packed into one integer where they fit, compared as rows where they do not, or are no integers."""
    rows = np.random.default_rng(0).integers(-3, 4, (70, 3)) * scale
    first, inverse, counts = distinct_rows(rows)
    values, expected_first, expected_inverse, expected_counts = np.unique(
        rows, axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    np.testing.assert_array_equal(rows[first], values)
    np.testing.assert_array_equal(first, expected_first)
    np.testing.assert_array_equal(inverse, expected_inverse.ravel())
    np.testing.assert_array_equal(counts, expected_counts)
    assert all(len(part) == 0 for part in distinct_rows(rows[:0]))


def test_the_spread_of_normal_residuals_is_theirs_and_outliers_do_not_count():
    residuals = np.random.default_rng(1).normal(0, [2.0, 5.0, 1.0], (40001, 3))
    residuals[:1000] = 1e6
    assert robust_spread(residuals, axis=0) == pytest.approx([2, 5, 1], rel=0.05)
