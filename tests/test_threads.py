"""Kernels over the rows of an array: every row once, whatever the number of threads, from any thread."""

from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest
from threadpoolctl import threadpool_info

from hyperspy_motifs.threads import one_blas_thread, over_rows


@numba.njit(nogil=True)
def _count(first, last, out):
    for i in range(first, last):
        out[i] += i + 1


@pytest.fixture
def two_threads():
    before = numba.get_num_threads()
    numba.set_num_threads(min(2, numba.config.NUMBA_NUM_THREADS))
    yield
    numba.set_num_threads(before)


@pytest.mark.parametrize("n", [0, 1, 63, 64, 129, 1000])
def test_every_row_is_visited_once(n, two_threads):
    out = np.zeros(n)
    over_rows(_count, n, out)
    np.testing.assert_array_equal(out, np.arange(1, n + 1))


def test_several_threads_may_call_at_once(two_threads):
    def call(n):
        out = np.zeros(n)
        over_rows(_count, n, out, least=1)
        return out.sum()

    sizes = list(range(100, 130))
    with ThreadPoolExecutor(4) as pool:
        sums = list(pool.map(call, sizes))
    assert sums == [n * (n + 1) / 2 for n in sizes]


def test_an_error_in_a_part_is_raised(two_threads):
    def fail(first, last, out):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        over_rows(fail, 1000, None)


def test_blas_has_one_thread_inside_and_as_many_as_before_after():
    def threads():
        return [found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"]

    before = threads()
    with one_blas_thread():
        assert set(threads()) <= {1}
    assert threads() == before
