"""Names and orders of the modes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from hyperspy_motifs.zernike import (
    complex_modes,
    partner_columns,
    to_complex,
    to_real,
    zernike_modes,
)


def test_order_of_motif_learn():
    motif_learn = pytest.importorskip("mtflearn.features")
    theirs = motif_learn.ZPs(n_max=7, size=33)
    assert_array_equal(np.stack([theirs.n, theirs.m], axis=1), zernike_modes(7))


def test_complex_and_back():
    modes = zernike_modes(5)
    values = np.random.default_rng(0).normal(size=(4, len(modes)))
    moments, kept = to_complex(values, modes)
    assert moments.shape == (4, 12)
    assert_array_equal(kept, complex_modes(modes))
    assert_allclose(moments[:, kept[:, 1] == 0].imag, 0)
    assert_allclose(to_real(moments, modes), values)


def test_two_detectors_make_two_blocks():
    one = zernike_modes(3)
    both = np.concatenate([one, one])
    values = np.random.default_rng(1).normal(size=(3, len(both)))
    moments, kept = to_complex(values, both)
    first, _ = to_complex(values[:, : len(one)], one)
    assert_array_equal(kept, np.concatenate([complex_modes(one)] * 2))
    assert_allclose(moments[:, : first.shape[1]], first)
    assert_array_equal(partner_columns(both)[len(one) :], partner_columns(one) + len(one))


@pytest.mark.parametrize("modes", [[[2, 1]], [[1, 3]], [[-1, 1]]])
def test_no_modes(modes):
    with pytest.raises(ValueError, match="not a mode"):
        complex_modes(modes)


def test_lonely_sine_mode():
    with pytest.raises(ValueError, match="partner"):
        to_complex(np.ones((2, 1)), [[2, -2]])


@pytest.mark.parametrize("n_max", [-1, 2.5])
def test_bad_n_max(n_max):
    with pytest.raises(ValueError, match="n_max"):
        zernike_modes(n_max)
