"""The same image and random state give the same bits, for any number of threads."""

import numba
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from hyperspy_motifs import data


@pytest.fixture(scope="module")
def results():
    signal, _ = data.grain_boundary(shape=(150, 176), random_state=1)
    found = {}
    before = numba.get_num_threads()
    for threads in sorted({1, min(2, numba.config.NUMBA_NUM_THREADS)}):
        numba.set_num_threads(threads)
        with threadpool_limits(limits=threads, user_api="blas"):
            motifs = signal.deepcopy().find_motifs(rotation_invariant=True)
        found[threads] = motifs
    numba.set_num_threads(before)
    if len(found) < 2:
        pytest.skip("one processor only")
    return found


@pytest.mark.parametrize("what", ["positions", "labels", "probabilities", "layout", "angles"])
def test_every_bit_is_the_same(results, what):
    one, two = results.values()
    np.testing.assert_array_equal(getattr(one, what), getattr(two, what))


def test_every_lens_is_the_same(results):
    one, two = results.values()
    for lens in one.lenses:
        np.testing.assert_array_equal(one.labels_at(lens), two.labels_at(lens))
        np.testing.assert_array_equal(one.layout_at(lens), two.layout_at(lens))
