"""What the command is given: its arguments, and the images of a file that can be analysed."""

from __future__ import annotations

import argparse
import struct
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hyperspy_motifs.clustering import CONSTANTS, MIN_MOTIF_SIZE, check_alpha, check_min_motif_size

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal


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


ENDINGS_OF_ARRAYS = (".npy", ".npz")
ENDINGS_OF_HDF5 = (".hdf5", ".h5")
# HyperSpy reads some of these as spectra or settings.
ENDINGS_OF_TABLES = {".csv", ".xml", ".msa", ".ems", ".emsa"}


@dataclass(frozen=True)
class Choice:
    """Which images of a file are wanted: by number (from 0), by a part of the title, or all."""

    number: int | None = None
    title: str | None = None

    @property
    def is_given(self) -> bool:
        """Whether images were chosen."""
        return self.number is not None or self.title is not None

    def includes(self, number: int, title: str) -> bool:
        """Whether an image is wanted."""
        named = self.title is None or self.title.casefold() in title.casefold()
        return named and (self.number is None or number == self.number)


@dataclass(frozen=True)
class FoundImage:
    """An image of a file.

    Attributes
    ----------
    number : int
        Its number in the file, from 0.
    title : str
    signal : AtomicImage or None
        None if it cannot be analysed.
    reason : str
        Why it cannot be analysed.
    atoms : path or None
        File with the atoms of this image, if it came with them.
    """

    number: int
    title: str
    signal: BaseSignal
    reason: str = ""
    atoms: Path | None = None

    @property
    def name(self) -> str:
        """Number and title for messages."""
        return f"image {self.number}" + (f" '{self.title}'" if self.title else "")


def find_images(path: Path, choice: Choice) -> list[FoundImage]:
    """The images of a file, those that cannot be analysed with the reason.

    Colour images are converted to grey values (mean of red, green and blue). Of a file that atomap wrote, the image comes
    with its atoms.

    Raises
    ------
    ValueError
        If the file is not readable as images, or holds none of the chosen ones.
    OSError
        If it cannot be read.
    """
    if not path.exists():
        raise FileNotFoundError(f"no such file (searched in {path.resolve().parent})")
    if path.is_dir() and not any(path.iterdir()):
        raise ValueError("this folder is empty; expected the file of an image, or a folder of such files")
    atoms = path if is_atomap_file(path) else None
    found = []
    for number, signal in enumerate(_signals(path, atoms is not None)):
        title = str(signal.metadata.get_item("General.title", default=""))
        if choice.includes(number, title):
            found.append(_checked(number, title, signal, atoms))
    if not found:
        wanted = f"number {choice.number}" if choice.title is None else f"a title with '{choice.title}'"
        raise ValueError(f"it contains no image of {wanted}" if choice.is_given else "it contains no image")
    return found


def files_of(names: Sequence[str]) -> list[str]:
    """The files that are named, and for a folder the files of images in it, by name.

    Those are the files with an ending that HyperSpy reads, and .npy and .npz; not the tables, nor what lies in folders of the
    folder. A folder without any stays as it is, and so does one that is itself a file for HyperSpy (.zspy).
    """
    import rsciio

    readable = {f".{e.lower()}" for plugin in rsciio.IO_PLUGINS for e in plugin["file_extensions"]}
    readable = (readable | set(ENDINGS_OF_ARRAYS)) - ENDINGS_OF_TABLES
    out = []
    for name in names:
        path = Path(name)
        inside = []
        if path.is_dir() and path.suffix.lower() not in readable:
            inside = [
                str(one)
                for one in sorted(path.iterdir())
                if one.suffix.lower() in readable and not one.name.startswith(".")
            ]
        out += inside or [name]
    return out


def is_atomap_file(path: Path) -> bool:
    """Whether a file holds an atom lattice that atomap saved."""
    if path.suffix.lower() not in ENDINGS_OF_HDF5:
        return False
    import h5py

    try:
        with h5py.File(path) as file:
            return bool(_sublattices(file))
    except OSError:
        return False


def read_mask(path: Path) -> np.ndarray:
    """A mask (rows, columns) from a file: True where the pixels are not 0.

    Raises
    ------
    ValueError, OSError
        If the file holds no two-dimensional array of real numbers.
    """
    for signal in _signals(path, False) if path.exists() else []:
        data = np.asarray(_grey(signal).data)
        if data.ndim == 2 and data.dtype.kind in "buif":
            return data != 0
    raise ValueError(f"the mask {path} is no image of two dimensions, in which 0 means that there is data")


def _checked(number: int, title: str, signal: BaseSignal, atoms: Path | None) -> FoundImage:
    signal = _grey(signal)
    reason = _why_not(signal)
    if reason:
        return FoundImage(number, title, None, reason)
    signal.set_signal_type("atomic_image")
    return FoundImage(number, title, signal, "", atoms)


def _why_not(signal: BaseSignal) -> str:
    """Why a signal cannot be analysed; empty if it can be tried."""
    from hyperspy_motifs.common import SMALLEST_IMAGE

    axes = signal.axes_manager
    if axes.signal_dimension != 2:
        return f"it has {axes.signal_dimension} signal dimensions; 2 are expected"
    if signal.data.dtype.kind not in "buif":
        kind = "complex" if signal.data.dtype.kind == "c" else f"of type '{signal.data.dtype}'"
        return f"its pixels are {kind}; real numbers are expected"
    if min(axes.signal_shape) < SMALLEST_IMAGE:
        columns, rows = axes.signal_shape
        return f"it has {columns} x {rows} pixels; at least {SMALLEST_IMAGE} along each axis are needed"
    low, high = np.nanmin(signal.data), np.nanmax(signal.data)
    if not high > low:
        return f"it is constant (every pixel is {low:g})"
    return ""


def _grey(signal: BaseSignal) -> BaseSignal:
    import hyperspy.api as hs

    if not signal.data.dtype.names:
        return signal
    grey = np.mean([signal.data[c].astype(float) for c in ("R", "G", "B")], axis=0)
    axes = [a.copy().get_axis_dictionary() for a in signal.axes_manager._axes]
    return hs.signals.Signal2D(
        grey, axes=axes, metadata={"General": {"title": signal.metadata.General.title}}
    )


def _signals(path: Path, from_atomap: bool) -> list[BaseSignal]:
    import hyperspy.api as hs

    try:
        if from_atomap:
            return [_image_of_atomap(path)]
        if path.suffix.lower() in ENDINGS_OF_ARRAYS:
            return [hs.signals.Signal2D(array) for array in _arrays(path)]
        loaded = hs.load(path, **_format_of(path))
    except (struct.error, EOFError, NotImplementedError, LookupError, zipfile.BadZipFile) as error:
        raise ValueError(f"cannot be read as an image ({type(error).__name__}: {error})") from error
    return loaded if isinstance(loaded, list) else [loaded]


def _format_of(path: Path) -> dict[str, str]:
    """The reader of files of HyperSpy with an ending that several programs use."""
    if path.suffix.lower() not in ENDINGS_OF_HDF5:
        return {}
    import h5py

    with h5py.File(path) as file:
        return {"file_format": "HSPY"} if "Experiments" in file else {}


def _sublattices(file: Any) -> list[BaseSignal]:
    """The groups of the sublattices in an open file of atomap."""
    return [group for group in file.values() if "atom_positions" in getattr(group, "keys", tuple)()]


def _image_of_atomap(path: Path) -> BaseSignal:
    """The image of an atom lattice, with the calibration of its first sublattice."""
    import h5py
    import hyperspy.api as hs

    with h5py.File(path) as file:
        first = _sublattices(file)[0]
        name = "original_image_data" if "original_image_data" in first else "modified_image_data"
        signal = hs.signals.Signal2D(np.asarray(first[name]))
        signal.metadata.General.title = str(file.attrs.get("name", path.stem))
        units, size = str(first.attrs.get("units", "pixel")), float(first.attrs.get("pixel_size", 1.0))
    if units not in ("pixel", "px", ""):
        for axis in signal.axes_manager.signal_axes:
            axis.scale, axis.units = size, units
    return signal


def _arrays(path: Path) -> list[np.ndarray]:
    loaded = np.load(path, allow_pickle=False)
    arrays = [loaded] if isinstance(loaded, np.ndarray) else [loaded[k] for k in loaded.files]
    images = [a for a in arrays if a.ndim >= 2 and a.dtype.kind in "buifc"]
    if not images:
        raise ValueError("it contains no two-dimensional array of numbers")
    return images
