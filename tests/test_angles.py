"""Angles in words."""

import pytest

from hyperspy_motifs.angles import signed_degrees


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
