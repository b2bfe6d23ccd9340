from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_RUN = "run.json"
# Of what the files of a run hold and which frames stand for all: raised with every change that makes older files no match for
# new ones, as versions of the package are not told apart between releases.
_FORMAT = 2


class Checkpoint:
    """A folder with one file for every step and frame that is done.

    One ``.npz`` a frame rather than one growing file: frames have different numbers of atoms, may come in any order, and a
    file that is put in place by renaming is there whole or not at all, whenever a run is killed, on any file system.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    run : mapping
        What the run was asked to do on which data, in JSON types: a folder of another run is refused.

    Raises
    ------
    ValueError
        If the folder holds results of another run, or of the package as it was before.
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
                    "continue its results. Give another folder as checkpoint=, or remove that one."
                )
            if before != now:
                differ = sorted(k for k in {*before, *now} if before.get(k) != now.get(k))
                raise ValueError(
                    f"The folder {self.folder} holds results of another run ({', '.join(differ)} differ). Give another folder "
                    "as checkpoint=, or remove that one."
                )
        else:
            if any(self.folder.glob("*.npz")):
                raise ValueError(
                    f"The folder {self.folder} holds other files. Give an empty one as checkpoint=."
                )
            self._put(path, lambda partial: partial.write_text(text, encoding="utf-8"))

    def path(self, step: str, number: int) -> Path:
        """File of one step and frame."""
        return self.folder / f"{step}_{number:06d}.npz"

    def load(self, step: str, number: int) -> dict[str, NDArray[Any]] | None:
        """The result of a step on a frame, None where it is not done."""
        path = self.path(step, number)
        if not path.exists():
            return None
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}

    def save(self, step: str, number: int, result: Mapping[str, NDArray[Any]]) -> None:
        """Keep the result of a step on a frame."""

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
