"""Compiled kernels over the rows of arrays, on the threads of numba.

Kernels are compiled for one thread, release the GIL and fill the given rows. Compared with
``numba.njit(parallel=True)`` this compiles in half of the time, does not spin at a barrier on a shared processor, and
can be called from several threads at once, such as the workers of dask. Each row is computed by a single kernel call,
so the result does not depend on the number of threads.

For each kernel numba creates wrappers for Python and for C; unused ones are omitted, so that a first call takes less.
Functions of numpy are compiled once for every set of options and are shared by kernels with the same options.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import lru_cache
from itertools import pairwise
from typing import Any, TypeVar, cast

import numba
from threadpoolctl import LibController, ThreadpoolController

#: For a kernel that Python calls. It releases the GIL; divisions by zero give infinity or NaN, as in numpy.
OUTER: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
#: For a kernel that only other kernels call.
INNER: dict[str, Any] = {**OUTER, "no_cpython_wrapper": True}
# The overhead of a task is about 30 us; several tasks per thread balance rows of unequal cost.
_TASKS_OF_A_THREAD = 4


def over_rows(kernel: Callable[..., object], n: int, *arguments: object, least: int = 64) -> None:
    """Call ``kernel(first, last, *arguments)`` on consecutive parts of ``range(n)``.

    Parameters
    ----------
    kernel : callable
        It writes only to the rows ``first`` to ``last`` (excluded) of its output. Its calls run in parallel only if
        it releases the GIL (compiled with ``nogil=True``).
    n : int
        Number of rows.
    *arguments
        Passed on.
    least : int
        Least number of rows of a task.

    Notes
    -----
    ``numba.set_num_threads`` and ``NUMBA_NUM_THREADS`` set the number of threads. An interrupt stops after the
    running parts.
    """
    n_threads = int(numba.get_num_threads())
    n_parts = min(n_threads * _TASKS_OF_A_THREAD, n // least)
    if n_threads == 1 or n_parts < 2:
        if n > 0:
            kernel(0, n, *arguments)
        return
    parts = deque(pairwise(n * i // n_parts for i in range(n_parts + 1)))

    def drain_queue() -> None:
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

    # This thread also works, without waiting for another thread to start.
    helpers = [_pool(os.getpid(), n_threads).submit(drain_queue) for _ in range(min(n_threads, n_parts) - 1)]
    try:
        drain_queue()
        for helper in helpers:
            if not helper.cancel():
                helper.result()
    except BaseException:
        parts.clear()
        # After the error the arrays can be used again: no thread writes to them.
        wait([helper for helper in helpers if not helper.cancel()])
        raise


# Values of an array from which on threads gain: for fewer, NumPy holds the interpreter most of the time.
MANY = 4000

Item = TypeVar("Item")
Result = TypeVar("Result")


def for_each(call: Callable[[Item], Result], items: Sequence[Item], size: int) -> list[Result]:
    """Return the results of `call` for each of the items, which are computed on the threads of numba if `size` is large.

    Parameters
    ----------
    call : callable
        Its calls do not depend on one another.
    items : sequence
    size : int
        Values in the arrays of a call: of few, NumPy does not release the interpreter for long enough.
    """
    if size < MANY:
        return [call(item) for item in items]
    results: list[Result | None] = [None] * len(items)

    # The number of threads of some libraries is a setting of each thread.
    @one_blas_thread()
    def fill(first: int, last: int) -> None:
        for number in range(first, last):
            results[number] = call(items[number])

    over_rows(fill, len(items), least=1)
    return cast("list[Result]", results)


def one_ahead(call: Callable[[Item], Result], items: Sequence[Item], size: int) -> Iterator[Result]:
    """Yield the results of `call` for each of the items in order, and compute the next one meanwhile if `size` is large.

    Parameters
    ----------
    call : callable
        Its calls may depend on former ones: they follow one another on one thread.
    items : sequence
    size : int
        As of `for_each`.

    Notes
    -----
    After an error, or an interrupt of the caller, the call that is running is waited for.
    """
    n_threads = int(numba.get_num_threads())
    if n_threads == 1 or size < MANY or len(items) < 2:
        yield from map(call, items)
        return

    @one_blas_thread()
    def called(item: Item) -> Result:
        numba.set_num_threads(n_threads)  # a setting of each thread
        return call(item)

    with ThreadPoolExecutor(1, thread_name_prefix="hyperspy_motifs") as pool:
        pending = pool.submit(called, items[0])
        for item in items[1:]:
            result = pending.result()
            pending = pool.submit(called, item)
            yield result
        yield pending.result()


@lru_cache(maxsize=4)
def _pool(pid: int, n_threads: int) -> ThreadPoolExecutor:
    """Threads of this process: threads do not exist in forked processes, so `pid` is part of the key."""
    return ThreadPoolExecutor(n_threads, thread_name_prefix="hyperspy_motifs")


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Run matrix products on one thread, as a context or a decorator, because their sums depend on the number of
    threads.

    Unlike ``threadpoolctl.threadpool_limits``, which takes milliseconds, this searches for the libraries once. For
    most libraries the number of threads is a setting of the whole process: the first thread that enters the context
    sets it, and the last one that leaves restores the previous value.
    """
    own, _ = _blas()
    before = [library.num_threads for library in own]
    for library in own:
        library.set_num_threads(1)
    _SHARED.enter()
    try:
        yield
    finally:
        _SHARED.leave()
        for library, number in zip(own, before, strict=True):
            library.set_num_threads(number)


class _SharedLimit:
    """One thread for the libraries with one setting for the whole process, as long as any thread is inside."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before: list[int] = []

    def enter(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._before = [library.num_threads for library in _blas()[1]]
                self._set([1] * len(self._before))
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._set(self._before)

    @staticmethod
    def _set(numbers: list[int]) -> None:
        for library, number in zip(_blas()[1], numbers, strict=True):
            # Later versions of threadpoolctl let only the first thread set the number, and silently ignore all others.
            release = getattr(library, "clear_controlling_thread", lambda **_: None)
            release(force=True)
            library.set_num_threads(number)
            release(force=True)


_SHARED = _SharedLimit()


@lru_cache(maxsize=1)
def _blas() -> tuple[list[LibController], list[LibController]]:
    """Libraries with a number for each thread, and those with one for the process."""
    # SciPy has a separate BLAS. The package does not use libraries that are loaded later.
    import scipy.linalg  # noqa: F401

    found = ThreadpoolController().select(user_api="blas").lib_controllers
    found = [library for library in found if library.num_threads is not None]
    own = [
        library
        for library in found
        if library.internal_api == "openblas" and getattr(library, "threading_layer", "") == "openmp"
    ]
    return own, [library for library in found if library not in own]
