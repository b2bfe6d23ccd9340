"""The images of a file, and which of them can be analysed."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ENDINGS_OF_ARRAYS = (".npy", ".npz")
ENDINGS_OF_HDF5 = (".hdf5", ".h5")
# HyperSpy reads some of these as spectra or settings.
ENDINGS_OF_TABLES = {".csv", ".xml", ".msa", ".ems", ".emsa"}
# A smaller image is refused by find_motifs.
FEWEST_PIXELS = 16


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
    signal: Any
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


def _checked(number: int, title: str, signal: Any, atoms: Path | None) -> FoundImage:
    signal = _grey(signal)
    reason = _why_not(signal)
    if reason:
        return FoundImage(number, title, None, reason)
    signal.set_signal_type("atomic_image")
    return FoundImage(number, title, signal, "", atoms)


def _why_not(signal: Any) -> str:
    """Why a signal cannot be analysed; empty if it can be tried."""
    axes = signal.axes_manager
    if axes.signal_dimension != 2:
        return f"it has {axes.signal_dimension} signal dimensions; 2 are expected"
    if signal.data.dtype.kind not in "buif":
        kind = "complex" if signal.data.dtype.kind == "c" else f"of type '{signal.data.dtype}'"
        return f"its pixels are {kind}; real numbers are expected"
    if min(axes.signal_shape) < FEWEST_PIXELS:
        columns, rows = axes.signal_shape
        return f"it has {columns} x {rows} pixels; at least {FEWEST_PIXELS} along each axis are needed"
    low, high = np.nanmin(signal.data), np.nanmax(signal.data)
    if not high > low:
        return f"it is constant (every pixel is {low:g})"
    return ""


def _grey(signal: Any) -> Any:
    import hyperspy.api as hs

    if not signal.data.dtype.names:
        return signal
    grey = np.mean([signal.data[c].astype(float) for c in ("R", "G", "B")], axis=0)
    axes = [a.copy().get_axis_dictionary() for a in signal.axes_manager._axes]
    return hs.signals.Signal2D(
        grey, axes=axes, metadata={"General": {"title": signal.metadata.General.title}}
    )


def _signals(path: Path, from_atomap: bool) -> list[Any]:
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


def _sublattices(file: Any) -> list[Any]:
    """The groups of the sublattices in an open file of atomap."""
    return [group for group in file.values() if "atom_positions" in getattr(group, "keys", tuple)()]


def _image_of_atomap(path: Path) -> Any:
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
