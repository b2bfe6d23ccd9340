"""The command: all images one after the other or in parallel, where one that fails is one line."""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from ._arguments import Choice, FoundImage, files_of, find_images, make_parser
from ._collect import collect
from ._results import analyse, prefixes, read_summary, write_overview

# In pixels: rows and columns of an image whose analysis reaches every kernel.
_WARM_UP_SHAPE = (160, 176)
_THREADS = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def warm_up() -> None:
    """Compile the kernels that are missing in numba's cache on the disk: analyse a small simulated image.

    Compilation in processes beside the first analysis was slower than none on busy processors: each imports the libraries.
    """
    from hyperspy_motifs import data

    image, _ = data.monolayer(shape=_WARM_UP_SHAPE, random_state=0)
    image.find_motifs(show_progressbar=False)


def run_in_parallel(
    run: Callable[..., list[dict[str, object]]],
    files: Sequence[str],
    folder: Path,
    options: argparse.Namespace,
    done: Callable[[int, list[dict[str, object]]], None],
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
    run: Callable[..., list[dict[str, object]]],
    left: dict[int, tuple[str, str]],
    folder: Path,
    options: argparse.Namespace,
    done: Callable[[int, list[dict[str, object]]], None],
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


# As of every command: 2 for wrong arguments, 128 and the number of the signal for an interrupt.
EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130
# What the package itself refuses, in its own words.
_OURS = (ValueError, TypeError, OSError)
# Options that do not change what is found.
_NOT_OF_THE_RESULT = (
    "images",
    "output",
    "jobs",
    "quiet",
    "resume",
    "traceback",
    "image",
    "title",
    "reserved",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; see ``hyperspy-motifs --help``.

    Returns
    -------
    int
        0 if all files succeeded, 1 if one failed, 2 for a wrong call, 130 after an interrupt.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["collect"]:
        return _collect(given[1:])
    parser = make_parser()
    options = parser.parse_args(given)
    if options.images == ["warm-up"]:
        warm_up()
        return EXIT_OK
    is_demo = options.images == ["demo"]
    if not is_demo:
        options.images = files_of(options.images)
    if options.detectors and len(options.images) > 1:
        parser.error("--detectors needs a single IMAGE, to which the detectors belong")
    folder = options.output or Path("demo" if is_demo else "motifs")
    os.environ.setdefault("MPLBACKEND", "Agg")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        complain(f"cannot create the folder {folder}: {error.strerror}")
        return EXIT_FAILED
    # An image of a file with several must not take the name of another file.
    options.reserved = frozenset(prefixes(options.images))
    rows: dict[int, list[dict[str, Any]]] = {}

    def done(number: int, found: list[dict[str, object]]) -> None:
        rows[number] = found
        write_overview([row for k in sorted(rows) for row in rows[k]], folder)

    try:
        if is_demo:
            done(0, _demo(folder, options))
        elif options.jobs > 1 and len(options.images) > 1:
            run_in_parallel(run_file, options.images, folder, options, done)
        else:
            for number, (name, prefix) in enumerate(
                zip(options.images, prefixes(options.images), strict=True)
            ):
                done(number, run_file(name, prefix, folder, options))
    except KeyboardInterrupt:
        complain("interrupted; finished results are kept, and --resume continues")
        return EXIT_INTERRUPTED
    states = [row["state"] for found in rows.values() for row in found]
    if not options.quiet:
        print(f"\n{_in_words(states)}; see {folder / 'index.html'}")
    return EXIT_FAILED if "failed" in states else EXIT_OK


def _collect(arguments: Sequence[str]) -> int:
    options = argparse.Namespace(traceback="--traceback" in arguments)
    try:
        with _guarded("collect", options) as failure:
            print(collect([text for text in arguments if text != "--traceback"]))
    except KeyboardInterrupt:
        complain("interrupted")
        return EXIT_INTERRUPTED
    return EXIT_FAILED if failure else EXIT_OK


def run_file(name: str, prefix: str, folder: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Analyse the images of one file and return a row for each; names of results begin with `prefix`."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    path, rows = Path(name), []
    with _guarded(name, options) as failure:
        images = find_images(path, Choice(options.image, options.title))
        usable = [one for one in images if one.signal is not None]
        if not usable:
            raise ValueError(
                "; ".join(one.reason if len(images) == 1 else f"{one.name}: {one.reason}" for one in images)
            )
        for one in images:
            if one.signal is None:
                complain(f"{name}, {one.name}: skipped, {one.reason}")
                rows.append(
                    {
                        "name": f"{prefix}_{one.number}",
                        "file": name,
                        "title": one.title,
                        "state": "skipped",
                        "reason": one.reason,
                    }
                )
    if failure:
        return [{"name": prefix, "file": name, "state": "failed", "reason": failure[0]}]
    single = len(images) == 1 and options.image is None and options.title is None
    for one in usable:
        stem = prefix if single else f"{prefix}_{one.number}"
        stem = f"{stem}_image" if not single and stem in options.reserved else stem
        where = name if single else f"{name}, {one.name}"
        rows.append({"file": name, **_row(one, stem, where, path, folder, options)})
    return rows


def _row(
    found: FoundImage, stem: str, where: str, path: Path | None, folder: Path, options: argparse.Namespace
) -> dict[str, Any]:
    """Analyse one image, or take up the result that is there, and return its row."""
    row: dict[str, object] = {"name": stem, "title": found.title}
    with _guarded(where, options) as failure:
        if path is not None and (folder / stem).resolve() in path.resolve().parents:
            raise ValueError("the result would overwrite the image; choose another folder with -o")
        run = _run_of(found, path, options)
        kept = read_summary(folder / stem, run) if options.resume else None
        row = analyse(found, stem, folder, options, run) if kept is None else kept
        if kept is not None and not options.quiet:
            print(f"{stem}: taken up again from {folder / stem}")
    return {**row, "state": "failed", "reason": failure[0]} if failure else {**row, "state": "analysed"}


def _run_of(found: FoundImage, path: Path | None, options: argparse.Namespace) -> dict[str, object]:
    """What a result depends on: the file as it is, the options and the version of this package."""
    from hyperspy_motifs import __version__

    chosen = {k: _state(v) for k, v in sorted(vars(options).items()) if k not in _NOT_OF_THE_RESULT}
    return {"package": __version__, "file": _state(path), "number": found.number, "options": chosen}


def _state(value: object) -> object:
    """A value that differs if a file has been replaced."""
    if isinstance(value, list):
        return [_state(one) for one in value]
    if isinstance(value, Path) and value.exists():
        return [value.name, value.stat().st_size, value.stat().st_mtime_ns]
    return str(value)


def _demo(folder: Path, options: argparse.Namespace) -> list[dict[str, object]]:
    from hyperspy_motifs import data

    image, _ = data.monolayer(random_state=options.seed)
    row = _row(
        FoundImage(0, str(image.metadata.General.title), image), "monolayer", "demo", None, folder, options
    )
    return [{"file": "simulated", **row}]


def _in_words(states: Sequence[str]) -> str:
    counts = {state: states.count(state) for state in ("analysed", "skipped", "failed")}
    images = "1 image" if len(states) == 1 else f"{len(states)} images"
    return f"{images}: {', '.join(f'{n} {state}' for state, n in counts.items() if n)}"


@contextlib.contextmanager
def _guarded(what: str, options: argparse.Namespace) -> Iterator[list[str]]:
    """Turn what goes wrong inside into one line on the error stream, and into the single text of the list."""
    failure: list[str] = []
    try:
        with _one_line_warnings(what):
            yield failure
    except MemoryError:
        failure.append("not enough memory; crop the image or process fewer images in parallel")
    except Exception as error:  # whatever it is, the other images are analysed
        text = " ".join(str(error).split())
        known = isinstance(error, _OURS) and text
        failure.append(text if known else f"{type(error).__name__}: {text} (--traceback shows where)")
        if options.traceback:
            traceback.print_exc()
    if failure:
        complain(f"{what}: {failure[0]}")


@contextlib.contextmanager
def _one_line_warnings(what: str) -> Iterator[None]:
    """Warnings as one line each on the error stream, without the line of code."""

    def show(
        message: object,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: object = None,
        line: object = None,
    ) -> None:
        if issubclass(category, UserWarning):
            complain(f"{what}: {' '.join(str(message).split())}")

    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.showwarning = show
        yield
