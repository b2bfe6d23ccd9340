"""The command ``hyperspy-motifs``, which writes motifs, graph, tables and figures of images."""

from __future__ import annotations

import argparse
import contextlib
import csv
import os
import struct
import sys
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ._processes import run_in_parallel
from .clustering import CONSTANTS, MIN_MOTIF_SIZE, check_alpha, check_min_motif_size
from .warm_up import warm_up

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130
ENDINGS_OF_ARRAYS = (".npy", ".npz")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; see ``hyperspy-motifs --help``.

    Returns
    -------
    int
        0 if all images succeeded, 1 if one failed, 2 for a wrong call, 130 after an interrupt.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.images == ["warm-up"]:
        warm_up()
        return EXIT_OK
    is_demo = options.images == ["demo"]
    folder = options.output or Path("demo" if is_demo else "motifs")
    os.environ.setdefault("MPLBACKEND", "Agg")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return _complain(f"cannot create the folder {folder}: {error.strerror}")
    failed = 0
    used: set[str] = set()
    try:
        if is_demo:
            failed += not _guarded("demo", _run_demo, folder, options)
        elif options.jobs > 1:
            failed += run_in_parallel(_guarded_file, options.images, folder, options)
        else:
            for name in options.images:
                failed += not _guarded(name, _run_file, Path(name), folder, options, used)
    except KeyboardInterrupt:
        print("hyperspy-motifs: interrupted; finished results are kept", file=sys.stderr)
        return EXIT_INTERRUPTED
    return EXIT_FAILED if failed else EXIT_OK


def _parser() -> argparse.ArgumentParser:
    from hyperspy_motifs import __version__

    parser = argparse.ArgumentParser(
        prog="hyperspy-motifs",
        usage="hyperspy-motifs IMAGE... [-o FOLDER] [options]\n       hyperspy-motifs demo [-o FOLDER]\n"
        "       hyperspy-motifs warm-up",
        description="Find the motifs of atomic-resolution images and the cells between them. "
        "The results of each image are NAME.hspy, NAME.graphml, NAME_atoms.csv, NAME_cells.csv and figures. "
        "'demo' runs on a simulated image; 'warm-up' compiles once after an installation, "
        "which the first image does otherwise.",
    )
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="any file that HyperSpy can read, .npy or .npz; or 'demo', or 'warm-up'",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FOLDER",
        help="folder for the results (default: motifs, or demo)",
    )
    parser.add_argument(
        "-r",
        "--rotation-invariant",
        action="store_true",
        help="assign sites that differ only by a rotation to one motif",
    )
    parser.add_argument(
        "--grid",
        action="store_true",
        help="use patches on a grid instead of atoms, for images whose columns overlap",
    )
    parser.add_argument(
        "--separation", type=float, metavar="LENGTH", help="distance between nearest columns, in axis units"
    )
    parser.add_argument(
        "--polarity",
        choices=["auto", "bright", "dark"],
        default="auto",
        help="polarity of the atomic columns",
    )
    parser.add_argument(
        "--radius",
        type=_radius,
        default="auto",
        help="radius of the compared neighbourhoods (default: auto)",
    )
    parser.add_argument(
        "--radius-units",
        choices=["nn", "axes"],
        default="nn",
        help="units of --radius: nearest-neighbour distances, or those of the axes (default: nn)",
    )
    parser.add_argument(
        "--n-motifs", type=int, metavar="N", help="number of motifs; the tree is cut at this number"
    )
    parser.add_argument(
        "--min-motif-size",
        type=_min_motif_size,
        default=MIN_MOTIF_SIZE,
        metavar="N",
        help=f"smallest number of atoms of a motif (default: {MIN_MOTIF_SIZE})",
    )
    parser.add_argument(
        "--alpha",
        type=_alpha,
        default=CONSTANTS.alpha,
        metavar="P",
        help=f"significance level of the splits into motifs (default: {CONSTANTS.alpha:g})",
    )
    parser.add_argument(
        "--model",
        type=Path,
        metavar="FILE",
        help="apply the model in FILE, written by motifs.save_model(FILE), instead of finding new motifs",
    )
    parser.add_argument(
        "-j",
        "--jobs",
        type=_jobs,
        default=1,
        metavar="N",
        help="number of images processed in parallel (default: 1)",
    )
    parser.add_argument("--seed", type=int, default=0, help="random state (default: 0)")
    parser.add_argument(
        "--report", action="store_true", help="also write NAME.html: figures and tables in one file"
    )
    parser.add_argument("--no-figures", action="store_true", help="write no figures")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bars, no summary")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def _jobs(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of images (1 or more)")
    return int(text)


def _alpha(text: str) -> float:
    try:
        return check_alpha(float(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _min_motif_size(text: str) -> int:
    try:
        return check_min_motif_size(float(text))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text} is not a number of atoms; {MIN_MOTIF_SIZE} or more are expected"
        ) from None


def _radius(text: str) -> float | str:
    try:
        return text if text == "auto" else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is neither 'auto' nor a radius") from None


def _run_demo(folder: Path, options: argparse.Namespace) -> None:
    from hyperspy_motifs import data

    image, _ = data.monolayer(random_state=options.seed)
    _analyse(image, "monolayer", folder, options)
    if not options.quiet:
        print(f"Figures, graph and tables are in {folder.resolve()}")


def _guarded(what: str, run: Any, *arguments: Any) -> bool:
    """Whether `run` succeeded; otherwise one line on the error stream gives the reason."""
    try:
        with _one_line_warnings():
            run(*arguments)
    except (ValueError, TypeError, OSError) as error:
        _complain(f"{what}: {' '.join(str(error).split())}")
        return False
    except MemoryError:
        _complain(f"{what}: not enough memory; crop the image or process fewer images in parallel")
        return False
    return True


def _guarded_file(name: str, prefix: str, folder: Path, options: argparse.Namespace) -> bool:
    """Process one of several files in parallel; return whether it succeeded. Names of results begin with `prefix`."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    return _guarded(name, _run_file, Path(name), folder, options, set(), prefix)


def _run_file(
    path: Path, folder: Path, options: argparse.Namespace, used: set[str], prefix: str | None = None
) -> None:
    """Results of the images of one file; repeated names get a number."""
    for stem, image in load_images(path):
        name, number = stem if prefix is None else prefix + stem[len(path.stem) :], 2
        while name in used:
            name, number = f"{stem}_{number}", number + 1
        used.add(name)
        if (folder / f"{name}.hspy").resolve() == path.resolve():
            raise ValueError("the result would overwrite the image; choose another folder with -o")
        _analyse(image, name, folder, options)


def load_images(path: Path) -> list[tuple[str, Any]]:
    """Every image of a file as an ``AtomicImage`` with a name for its results.

    Colour images from microscope software are converted to grey values (mean of red, green and blue).

    Raises
    ------
    ValueError
        If the file contains no image.
    OSError
        If it cannot be read.
    """
    import hyperspy.api as hs

    if not path.exists():
        raise FileNotFoundError(f"no such file (searched in {path.resolve().parent})")
    try:
        if path.suffix.lower() in ENDINGS_OF_ARRAYS:
            signals = [hs.signals.Signal2D(array) for array in _arrays(path)]
        else:
            loaded = hs.load(path)
            signals = loaded if isinstance(loaded, list) else [loaded]
    except (struct.error, EOFError, NotImplementedError, LookupError, zipfile.BadZipFile) as error:
        raise ValueError(f"cannot be read as an image ({type(error).__name__}: {error})") from error
    images = []
    for signal in signals:
        if signal.data.dtype.names:
            grey = np.mean([signal.data[c].astype(float) for c in ("R", "G", "B")], axis=0)
            signal = hs.signals.Signal2D(
                grey, axes=[a.copy().get_axis_dictionary() for a in signal.axes_manager._axes]
            )
        if signal.axes_manager.signal_dimension == 2:
            signal.set_signal_type("atomic_image")
            images.append(signal)
    if not images:
        raise ValueError("it contains no image with two signal dimensions")
    stems = [path.stem] if len(images) == 1 else [f"{path.stem}_{i}" for i in range(len(images))]
    return list(zip(stems, images, strict=True))


def _arrays(path: Path) -> list[np.ndarray]:
    loaded = np.load(path, allow_pickle=False)
    arrays = [loaded] if isinstance(loaded, np.ndarray) else [loaded[k] for k in loaded.files]
    images = [a for a in arrays if a.ndim >= 2 and a.dtype.kind in "buif"]
    if not images:
        raise ValueError("it contains no two-dimensional array of numbers")
    return images


def _analyse(image: Any, name: str, folder: Path, options: argparse.Namespace) -> None:
    if options.model is not None:
        motifs = image.apply_model(options.model, show_progressbar=not options.quiet)
    else:
        motifs = _find(image, options)
    with _replacing(folder / f"{name}.hspy") as path:
        image.save(path, overwrite=True)
    with _replacing(folder / f"{name}.graphml") as path:
        motifs.graph.to_graphml(path)
    with _replacing(folder / f"{name}_atoms.csv") as path:
        write_table(motifs.to_dict(), path)
    with _replacing(folder / f"{name}_cells.csv") as path:
        write_table(motifs.cells.to_dict(), path)
    if not options.no_figures:
        save_figures(motifs, folder, name)
    if options.report:
        motifs.report(folder / f"{name}.html", title=name)
    if not options.quiet:
        print(f"\n{name}\n{motifs.summary()}\nwritten to {folder / name}.*")


def _find(image: Any, options: argparse.Namespace) -> Any:
    return image.find_motifs(
        atoms="grid" if options.grid else None,
        separation=options.separation,
        polarity=options.polarity,
        radius=options.radius,
        radius_units=options.radius_units,
        rotation_invariant=options.rotation_invariant,
        n_motifs=options.n_motifs,
        min_motif_size=options.min_motif_size,
        alpha=options.alpha,
        random_state=options.seed,
        show_progressbar=not options.quiet,
    )


def write_table(columns: dict[str, np.ndarray], path: Path) -> None:
    """One row per atom or cell, one column per quantity, as comma-separated values."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*(np.asarray(c).tolist() for c in columns.values()), strict=True))


def save_figures(motifs: Any, folder: Path, name: str) -> list[Path]:
    """The figures of a result as PNG files."""
    import matplotlib.pyplot as plt

    paths = []
    for kind, draw in (
        ("motifs", motifs.plot),
        ("layout", motifs.plot_layout),
        ("means", motifs.plot_means),
        ("cells", motifs.plot_cells),
    ):
        figure = np.ravel(draw())[0].figure
        paths.append(folder / f"{name}_{kind}.png")
        with _replacing(paths[-1]) as path:
            figure.savefig(path, dpi=200, bbox_inches="tight")
        plt.close(figure)
    return paths


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A temporary path for writing, which replaces `path` only when it is complete."""
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def _one_line_warnings() -> Iterator[None]:
    """Warnings as one line each on the error stream, without the line of code."""

    def show(
        message: Any, category: Any, filename: str, lineno: int, file: Any = None, line: Any = None
    ) -> None:
        if issubclass(category, UserWarning):
            print(f"hyperspy-motifs: {' '.join(str(message).split())}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.showwarning = show
        yield


def _complain(message: str) -> int:
    print(f"hyperspy-motifs: {message}", file=sys.stderr)
    return EXIT_FAILED
