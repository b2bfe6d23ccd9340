"""The arguments of the command."""

from __future__ import annotations

import argparse
from pathlib import Path

from hyperspy_motifs.clustering import CONSTANTS, MIN_MOTIF_SIZE, check_alpha, check_min_motif_size


def make_parser() -> argparse.ArgumentParser:
    """The parser of the command."""
    from hyperspy_motifs import __version__

    parser = argparse.ArgumentParser(
        prog="hyperspy-motifs",
        usage="hyperspy-motifs IMAGE... [-o FOLDER] [options]\n       hyperspy-motifs demo [-o FOLDER]\n"
        "       hyperspy-motifs collect IMAGE... [--groups TABLE] [-o FOLDER]\n"
        "       hyperspy-motifs warm-up",
        description="Find the motifs of atomic-resolution images and the cells between them. "
        "Each image gets a folder NAME with NAME.hspy, NAME.graphml, NAME_atoms.csv, NAME_cells.csv, of a "
        "single image NAME_defects.csv, and figures; index.html "
        "and summary.csv show all images. An image that fails is one line on the error stream, and the rest goes on. "
        "'demo' runs on a simulated image; 'warm-up' compiles once after an installation, "
        "which the first image does otherwise.",
    )
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="any file that HyperSpy can read, .npy, .npz, or an atom lattice of atomap (.hdf5), which is analysed with its "
        "atoms; a folder, for the images in it; or 'demo', or 'warm-up'",
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
        "--image",
        type=_number,
        metavar="N",
        help="of files with several images, only number N, counted from 0 (default: each image of real numbers)",
    )
    parser.add_argument(
        "--title", metavar="TEXT", help="of files with several images, only those with TEXT in the title"
    )
    parser.add_argument(
        "--atoms",
        type=_atoms,
        metavar="FILE|grid",
        help="positions of the atoms in FILE (table with x and y in axis units, atomap, structure), instead of a search; "
        "'grid' uses patches on a grid, for images whose columns overlap",
    )
    parser.add_argument(
        "--mask",
        type=Path,
        metavar="FILE",
        help="pixels without data: an image or .npy of the same size, 0 where there is data",
    )
    parser.add_argument(
        "--detectors",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="image of the same scan by another detector; can be repeated",
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
        type=min_motif_size,
        default=MIN_MOTIF_SIZE,
        metavar="N",
        help=f"smallest number of atoms of a motif (default: {MIN_MOTIF_SIZE})",
    )
    parser.add_argument(
        "--alpha",
        type=alpha,
        default=CONSTANTS.alpha,
        metavar="P",
        help=f"significance level of the splits into motifs (default: {CONSTANTS.alpha:g})",
    )
    parser.add_argument(
        "--model",
        type=Path,
        metavar="FILE",
        help="apply the model in FILE, written by motifs.model.save(FILE), instead of finding new motifs",
    )
    parser.add_argument(
        "-j",
        "--jobs",
        type=_jobs,
        default=1,
        metavar="N",
        help="number of images processed in parallel (default: 1)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="keep the results that are there of the same files with the same options",
    )
    parser.add_argument("--seed", type=int, default=0, help="random state (default: 0)")
    parser.add_argument("--report", action="store_true", help="also write NAME.html: one page to click in")
    parser.add_argument("--no-figures", action="store_true", help="write no figures")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bars, no summary")
    parser.add_argument("--traceback", action="store_true", help="print where an error occurred")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def _jobs(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of images (1 or more)")
    return int(text)


def _number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is not the number of an image (0 or more)")
    return int(text)


def _atoms(text: str) -> str | Path:
    if text == "grid":
        return text
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"{text} is neither a file nor 'grid'")
    return Path(text)


def alpha(text: str) -> float:
    try:
        return check_alpha(float(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def min_motif_size(text: str) -> int:
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
