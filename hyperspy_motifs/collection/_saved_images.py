"""A folder with the images of a collection and their results, one file each, written as they come."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs import store
from hyperspy_motifs.stacks import RUN, Checkpoint

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal

    from hyperspy_motifs.models import MotifModel

_MODEL, _SHARED, _NAMES = "model.npz", "results_share.npz", "names.json"


@dataclass(frozen=True)
class Assigned:
    """What a collection keeps of an image whose results are in a file.

    Attributes
    ----------
    labels : ndarray of int32, shape (n,)
    doubt : ndarray, shape (motifs of the image,)
        Sum over the atoms of each motif of p (1 - p), with the probabilities p of their motif.
    unlike : ndarray of int, shape (motifs of the image,)
        Number of the atoms of each motif whose p-value, of the hypothesis that they belong to it, is below the level of the
        motifs.
    orientation : (float, bool)
        Angle in degrees, and whether it is mirrored.
    """

    labels: NDArray[np.int32]
    doubt: NDArray[np.float64]
    unlike: NDArray[np.int64]
    orientation: tuple[float, bool]

    @classmethod
    def of(
        cls,
        labels: NDArray[np.integer],
        probabilities: NDArray[np.floating],
        outlier_score: NDArray[np.floating],
        alpha: float,
        turned: Any,
    ) -> Assigned:
        """Return it for labels, probabilities and outlier scores (n,), and the level of the motifs."""
        p, (angle, mirrored) = np.asarray(probabilities, float), turned
        doubt = np.asarray(np.bincount(labels, p * (1 - p)), float)
        beyond = np.asarray(outlier_score, float) > 1 - alpha
        unlike = np.bincount(labels[beyond], minlength=len(doubt)).astype(np.int64)
        return cls(np.asarray(labels, np.int32), doubt, unlike, (float(angle), bool(mirrored)))

    @classmethod
    def of_record(cls, record: store.Record, turned: Any) -> Assigned:
        """Return it for a stored result."""
        alpha = float(record.parameters["options"]["alpha"])
        return cls.of(record.labels, record.probabilities, record.atoms["outlier_score"], alpha, turned)


class SavedImages(Sequence["BaseSignal"]):
    """The images of a collection in a folder: each is read when it is asked for.

    Parameters
    ----------
    folder : path
        Created if it does not exist.
    run : mapping
        Arguments and images of the run, in JSON types.
    names : sequence of str
        Of the images.

    Raises
    ------
    ValueError
        If the folder holds another run.
    """

    def __init__(
        self, folder: str | os.PathLike[str], run: Mapping[str, object], names: Sequence[str]
    ) -> None:
        self.folder, self.names = Path(folder), list(names)
        self._checkpoint = Checkpoint(folder, {**run, "images": self.names}, "results")
        self._known: dict[int, Assigned] = {}
        self._open: WeakValueDictionary[int, BaseSignal] = WeakValueDictionary()
        # zarr 3 cannot write what HyperSpy reads as .zspy.
        self._ending = ".zspy" if find_spec("zarr") and _zarr_version() == 2 else ".hspy"

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, number: Any) -> BaseSignal:
        number = range(len(self))[number]
        signal = self._open.get(number)
        if signal is None:
            signal = store.open_images([self.path(number)])[0]
            self._open[number] = signal
        return signal

    def __iter__(self) -> Iterator[BaseSignal]:
        return (self[number] for number in range(len(self)))

    def path(self, number: int) -> Path:
        """File of an image."""
        name = re.sub(r"[^\w.-]+", "_", self.names[number])
        return self.folder / f"{number:05d}_{name}{self._ending}"

    def is_open(self, number: int) -> bool:
        """Whether an image that was read is in use."""
        return number in self._open

    def add(self, number: int, known: Assigned) -> None:
        """Keep what is known of an image whose file was written."""
        self._known[number] = known

    def assigned(self, number: int) -> Assigned:
        """Return the motifs of an image; its file is read once for them."""
        if number not in self._known:
            record = store.read(self[number])
            turned = record.parameters.get("orientation", (np.nan, False))
            self._known[number] = Assigned.of_record(record, turned)
        return self._known[number]

    def orientations(self) -> list[tuple[float, bool]]:
        """Return how each image is turned."""
        return [self.assigned(number).orientation for number in range(len(self))]

    def rewrite(self, number: int) -> None:
        """Write an image that was read and changed."""
        write(self[number], self.path(number))
        self._known.pop(number, None)
        self._open.pop(number, None)

    # ------------------------------------------------------------------ what they share

    @classmethod
    def of_folder(cls, folder: str | os.PathLike[str]) -> SavedImages:
        """Return the images of a complete run.

        Raises
        ------
        ValueError
            If the folder holds none, or the run was interrupted.
        """
        path = Path(folder) / RUN
        run = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if "measuring" not in run:
            raise ValueError(
                f"{folder} is no folder of results: expected is one that hyperspy_motifs.find_motifs(images, results=folder) "
                "wrote, or a list of images."
            )
        names = run.pop("images")
        run.pop("format")
        found = cls(folder, run, names)
        missing = sum(not found.path(number).exists() for number in range(len(found)))
        if missing:
            raise ValueError(
                f"Results of {missing} of the {len(found)} images in {folder} are missing: call find_motifs(images, "
                "results=folder) again, which continues."
            )
        if not (found.folder / _MODEL).exists():
            raise ValueError(
                f"The model of the images in {folder} is missing: call find_motifs(images, results=folder) again, which "
                "continues."
            )
        return found

    @property
    def names_of_motifs(self) -> dict[int, str]:
        """Names that were given to motifs in all images."""
        path = self.folder / _NAMES
        return (
            {int(k): v for k, v in json.loads(path.read_text(encoding="utf-8")).items()}
            if path.exists()
            else {}
        )

    @names_of_motifs.setter
    def names_of_motifs(self, names: Mapping[int, str]) -> None:
        _put(self.folder / _NAMES, json.dumps({str(k): v for k, v in names.items()}).encode())

    def keep_model(self, model: MotifModel, shared: Mapping[str, np.ndarray]) -> None:
        """Keep the model, when the results of all images of the fit are written: a later run begins after it."""
        stream = io.BytesIO()
        np.savez(stream, **shared)  # type: ignore[arg-type]
        _put(self.folder / _SHARED, stream.getvalue())
        model.save(self.folder / _MODEL)

    def kept_model(self) -> tuple[MotifModel, dict[str, np.ndarray]] | None:
        """Return the model of a run that was interrupted after the fit, and what its results share."""
        from hyperspy_motifs.models import load_model

        if not (self.folder / _MODEL).exists():
            return None
        with np.load(self.folder / _SHARED, allow_pickle=False) as stored:
            shared = {name: stored[name] for name in stored.files}
        return load_model(self.folder / _MODEL), shared


def write(signal: BaseSignal, path: Path) -> None:
    """Write an image with its results; the file appears when it is complete."""
    partial = path.with_name(f".partial_{path.name}")
    _remove(partial)
    signal.save(partial, overwrite=True)
    _remove(path)
    os.replace(partial, path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _put(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    os.replace(partial, path)


def _zarr_version() -> int:
    import zarr

    return int(zarr.__version__.split(".")[0])
