"""Parallel processing of files by the command, each in a process."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from .warm_up import warm_up

_THREADS = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def run_in_parallel(run: Callable[..., bool], files: Sequence[str], folder: Path, options: Any) -> int:
    """Call ``run(file, prefix, folder, options)`` for every file, ``options.jobs`` at a time; return the number of
    failures.

    Files with the same name get different prefixes, so that the results do not depend on the order of completion.
    """
    n_jobs = min(options.jobs, len(files))
    warm_up()  # otherwise every process compiles all kernels
    # A new process, because a forked one would inherit threads that do not run.
    context = multiprocessing.get_context("spawn")
    with _threads_of_each(n_jobs), ProcessPoolExecutor(n_jobs, mp_context=context) as pool:
        tasks = [
            pool.submit(run, file, prefix, folder, options)
            for file, prefix in zip(files, _prefixes(files), strict=True)
        ]
        try:
            return sum(not task.result() for task in tasks)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _prefixes(files: Sequence[str]) -> list[str]:
    used: set[str] = set()
    out = []
    for file in files:
        stem = prefix = Path(file).stem
        number = 2
        while prefix in used:
            prefix, number = f"{stem}_{number}", number + 1
        used.add(prefix)
        out.append(prefix)
    return out


@contextlib.contextmanager
def _threads_of_each(n_jobs: int) -> Iterator[None]:
    """Limit the threads of the new processes, unless the user has set them."""
    each = str(max((os.cpu_count() or 1) // n_jobs, 1))
    added = [name for name in _THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(added, each))
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
