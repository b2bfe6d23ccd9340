"""Parallel processing of files by the command, each in a process."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from hyperspy_motifs.warm_up import warm_up

_THREADS = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def run_in_parallel(
    run: Callable[..., list[dict[str, Any]]],
    files: Sequence[str],
    folder: Path,
    options: Any,
    done: Callable[[int, list[dict[str, Any]]], None],
) -> None:
    """Call ``run(file, prefix, folder, options)`` for every file, ``options.jobs`` at a time.

    `done` is called with the number of each file and its rows. Files with the same name get different prefixes, so that the
    results do not depend on the order of completion. If a process is killed, e.g. for lack of memory, the files that were not
    finished are run again, each in a process of its own, so that only the one that needs too much fails.
    """
    n_jobs = min(options.jobs, len(files))
    warm_up()  # otherwise every process compiles all kernels
    left = dict(enumerate(zip(files, prefixes(files), strict=True)))
    with _threads_of_each(n_jobs):
        _run(run, left, folder, options, done, n_jobs)
        for number in sorted(left):
            name, prefix = left[number]
            alone = {number: (name, prefix)}
            _run(run, alone, folder, options, done, 1)
            if alone:
                reason = "its process was ended by the system, probably for lack of memory"
                done(number, [{"name": prefix, "file": name, "state": "failed", "reason": reason}])
                complain(f"{name}: {reason}")


def _run(
    run: Callable[..., list[dict[str, Any]]],
    left: dict[int, tuple[str, str]],
    folder: Path,
    options: Any,
    done: Callable[[int, list[dict[str, Any]]], None],
    n_jobs: int,
) -> None:
    """Run what is `left`, from which every finished file is removed; stop if a process is killed."""
    # A new process, because a forked one would inherit threads that do not run.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(n_jobs, mp_context=context) as pool:
        tasks: dict[Future[list[dict[str, Any]]], int] = {
            pool.submit(run, name, prefix, folder, options): number for number, (name, prefix) in left.items()
        }
        try:
            for task in as_completed(tasks):
                rows = task.result()
                del left[tasks[task]]
                done(tasks[task], rows)
        except BrokenProcessPool:
            return
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def prefixes(files: Sequence[str]) -> list[str]:
    """A name for the results of each file: its stem, with a number where it repeats."""
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


def complain(message: str) -> None:
    """Print one line on the error stream."""
    print(f"hyperspy-motifs: {message}", file=sys.stderr)
