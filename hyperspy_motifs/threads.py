"""Compiled kernels over the rows of arrays, on as many threads as numba may use.

Kernels are compiled for one thread, release the GIL and fill the rows they are told to. Compared with
``numba.njit(parallel=True)`` this compiles in half of the time, does not spin at a barrier where the processor is shared,
and can be called from several threads at once, as the workers of dask do. A row is computed by one kernel call alone, so the
result does not depend on the number of threads.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numba
from threadpoolctl import ThreadpoolController

# A task takes some 30 us to hand over; several a thread even out rows of unequal cost.
_TASKS_OF_A_THREAD = 4


def over_rows(
    kernel: Callable[..., Any], n: int, *arguments: Any, least: int = 64, tasks: int = _TASKS_OF_A_THREAD
) -> None:
    """Call ``kernel(first, last, *arguments)`` on consecutive parts of ``range(n)``.

    Parameters
    ----------
    kernel : callable
        Compiled with ``nogil=True``; it writes to the rows ``first`` to ``last`` (excluded) of its output alone.
    n : int
        Number of rows.
    *arguments
        Passed on.
    least : int
        Rows that are worth a task of their own.

    Notes
    -----
    ``numba.set_num_threads`` and ``NUMBA_NUM_THREADS`` say how many threads there may be. An interrupt ends it after the
    parts that run.
    """
    n_threads = int(numba.get_num_threads())
    n_parts = min(n_threads * _TASKS_OF_A_THREAD, n // least)
    if n_threads == 1 or n_parts < 2:
        if n > 0:
            kernel(0, n, *arguments)
        return
    parts = deque(pairwise(n * i // n_parts for i in range(n_parts + 1)))

    def work_off() -> None:
        while parts:
            try:
                first, last = parts.popleft()
            except IndexError:  # another thread was faster
                return
            try:
                kernel(first, last, *arguments)
            except BaseException:
                parts.clear()
                raise

    # This thread works as well: it need not wait until another has woken up.
    helpers = [_pool(os.getpid(), n_threads).submit(work_off) for _ in range(min(n_threads, n_parts) - 1)]
    try:
        work_off()
        for helper in helpers:
            if not helper.cancel():
                helper.result()
    except BaseException:
        parts.clear()
        for helper in helpers:
            helper.cancel()
        raise


@lru_cache(maxsize=4)
def _pool(pid: int, n_threads: int) -> ThreadPoolExecutor:
    """Threads of this process: those of a process that was forked did not come along, so `pid` is part of the key."""
    return ThreadPoolExecutor(n_threads, thread_name_prefix="hyperspy_motifs")


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Run products of matrices on one thread, as a context or a decorator: their sums depend on the number of threads.

    Unlike ``threadpoolctl.threadpool_limits``, which takes milliseconds, this looks for the libraries once.
    """
    with _blas().limit(limits=1):
        yield


@lru_cache(maxsize=1)
def _blas() -> ThreadpoolController:
    # SciPy has a BLAS of its own. A library that is loaded later is none that the package computes with.
    import scipy.linalg  # noqa: F401

    return ThreadpoolController().select(user_api="blas")
