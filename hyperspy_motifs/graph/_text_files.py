"""Files that are renamed to their final name only when they are complete."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from os import PathLike
from typing import TextIO


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
    """
    target = os.path.abspath(os.fspath(path))
    if not os.path.isdir(os.path.dirname(target)):
        raise FileNotFoundError(
            f"The folder {os.path.dirname(target)} for {os.path.basename(target)} does not exist."
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
