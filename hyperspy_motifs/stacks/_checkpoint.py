from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_RUN = "run.json"
# Version of the content of the files and of the choice of the sample. It increases with every incompatible change,
# because the version of the package changes only with releases.
_FORMAT = 2


class Checkpoint:
    """A folder with one file for every completed step and frame.

    One ``.npz`` per frame is used instead of one growing file: frames have different numbers of atoms and may be
    completed in any order, and a file that is written by renaming is always complete on any file system.

    Parameters
    ----------
    folder : path
        Created if it does not exist.
    run : mapping
        Arguments and data of the run, in JSON types: a folder of another run is rejected.

    Raises
    ------
    ValueError
        If the folder contains results of another run, or of an incompatible version of the package.
    """

    def __init__(self, folder: str | os.PathLike[str], run: Mapping[str, Any]) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"format": _FORMAT, **run}, sort_keys=True, indent=1)
        path = self.folder / _RUN
        if path.exists():
            before, now = json.loads(path.read_text(encoding="utf-8")), json.loads(text)
            if before.get("format") != _FORMAT:
                raise ValueError(
                    f"The folder {self.folder} was written by another version of this package, and this version cannot "
                    "continue its results. Use another folder for checkpoint=, or delete this one."
                )
            if before != now:
                differ = sorted(k for k in {*before, *now} if before.get(k) != now.get(k))
                raise ValueError(
                    f"The folder {self.folder} contains results of another run ({', '.join(differ)} differ). Use "
                    "another folder for checkpoint=, or delete this one."
                )
        else:
            if any(self.folder.glob("*.npz")):
                raise ValueError(
                    f"The folder {self.folder} contains other files. Use an empty folder for checkpoint=."
                )
            self._put(path, lambda partial: partial.write_text(text, encoding="utf-8"))

    def path(self, step: str, number: int) -> Path:
        """File of one step and frame."""
        return self.folder / f"{step}_{number:06d}.npz"

    def load(self, step: str, number: int) -> dict[str, NDArray[Any]] | None:
        """The result of a step on a frame, or None."""
        path = self.path(step, number)
        if not path.exists():
            return None
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}

    def save(self, step: str, number: int, result: Mapping[str, NDArray[Any]]) -> None:
        """Store the result of a step on a frame."""

        def write(partial: Path) -> None:
            with open(partial, "wb") as file:
                np.savez(file, **result)  # type: ignore[arg-type]

        self._put(self.path(step, number), write)

    def _put(self, path: Path, write: Any) -> None:
        partial = path.with_name(f".{path.name}.partial")
        try:
            write(partial)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
