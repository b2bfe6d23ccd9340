"""Text files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import csv
import os
import tempfile
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import TextIO

import numpy as np


@contextlib.contextmanager
def written_whole(path: str | PathLike[str], newline: str = "\n") -> Iterator[TextIO]:
    """Open a text file in UTF-8 for writing; an error or an interrupt leaves the former file unchanged.

    Parameters
    ----------
    path : path-like
        The file; it is replaced when all is written.
    newline : str
        What a line ends in.

    Yields
    ------
    text file

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    IsADirectoryError
        If `path` is a folder.
    """
    target = os.path.abspath(os.fspath(path))
    if os.path.isdir(target):
        raise IsADirectoryError(f"{target} is a folder; give the name of a file in it.")
    if not os.path.isdir(os.path.dirname(target)):
        raise FileNotFoundError(
            f"The folder {os.path.dirname(target)} for {os.path.basename(target)} does not exist: create it, or give another."
        )
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(target), prefix=".motifs-", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline=newline) as file:
            yield file
        # mkstemp creates files for the owner only; a new file should have the usual permissions.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def write_csv(columns: Mapping[str, np.ndarray], path: str | PathLike[str]) -> Path:
    """Write columns of equal length to a file of comma-separated values; returns its path.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        As :func:`written_whole`.
    """
    with written_whole(path, newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*(np.asarray(values).tolist() for values in columns.values()), strict=True))
    return Path(path)
