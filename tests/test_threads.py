"""Kernels over the rows of an array: every row once, for any number of threads, from any thread."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from hyperspy_motifs.threads import for_each, one_ahead, one_blas_thread, over_rows


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


@pytest.mark.parametrize("size", [10, 100_000])
def test_results_come_in_the_order_of_the_items(size, two_threads):
    items = [0.02, 0.01, 0.0, 0.03]

    def slow(seconds):
        time.sleep(seconds)
        return -seconds

    assert for_each(slow, items, size) == [-item for item in items]
    assert list(one_ahead(slow, items, size)) == [-item for item in items]
    assert for_each(slow, [], size) == list(one_ahead(slow, [], size)) == []


def test_the_next_result_is_computed_while_one_is_used(two_threads):
    if numba.get_num_threads() < 2:
        pytest.skip("needs two threads")
    begun = [threading.Event() for _ in range(3)]
    numbers = []

    def call(item):
        numbers.append(numba.get_num_threads())
        begun[item].set()
        return item

    for item in one_ahead(call, [0, 1, 2], 100_000):
        assert begun[min(item + 1, 2)].wait(10)
    assert numbers == [numba.get_num_threads()] * 3


def test_an_error_of_a_result_is_raised_where_it_is_due(two_threads):
    def call(item):
        if item == 1:
            raise ValueError("the second")
        return item

    results = one_ahead(call, [0, 1, 2], 100_000)
    assert next(results) == 0
    with pytest.raises(ValueError, match="the second"):
        next(results)
    with pytest.raises(ValueError, match="the second"):
        for_each(call, [0, 1, 2], 100_000)


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


def test_nobody_writes_any_more_once_an_error_is_raised(two_threads):
    if numba.get_num_threads() < 2:
        pytest.skip("needs two threads")
    main, started, ended = threading.current_thread(), threading.Event(), threading.Event()

    def fail(first, last, out):
        if threading.current_thread() is main:
            assert started.wait(30)
            raise KeyboardInterrupt
        started.set()
        time.sleep(0.2)
        ended.set()

    with pytest.raises(KeyboardInterrupt):
        over_rows(fail, 1000, None)
    assert ended.is_set()


@pytest.fixture
def two_blas_threads():
    with threadpool_limits(2, user_api="blas"):
        if 2 not in blas_threads():
            pytest.skip("BLAS of one thread")
        yield


def blas_threads():
    found = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
    assert found
    return found


def test_blas_has_one_thread_inside_and_as_many_as_before_after(two_blas_threads):
    before = blas_threads()
    with one_blas_thread():
        assert set(blas_threads()) == {1}
        with one_blas_thread():
            assert set(blas_threads()) == {1}
        assert set(blas_threads()) == {1}
    assert blas_threads() == before


def test_blas_has_one_thread_as_long_as_anyone_is_inside(two_blas_threads):
    before = blas_threads()
    first, second = one_blas_thread(), one_blas_thread()
    # Each in a separate thread, like workers of dask: the first to enter leaves first.
    with ThreadPoolExecutor(1) as a, ThreadPoolExecutor(1) as b:
        a.submit(first.__enter__).result()
        b.submit(second.__enter__).result()
        a.submit(first.__exit__, None, None, None).result()
        assert b.submit(blas_threads).result() == [1] * len(before)
        b.submit(second.__exit__, None, None, None).result()
    assert blas_threads() == before


def test_matrix_products_on_all_threads_have_one_blas_thread_each(two_threads, two_blas_threads):
    found = for_each(lambda number: {number, *blas_threads()}, [1] * 5, 10**6)
    assert found == [{1}] * 5
