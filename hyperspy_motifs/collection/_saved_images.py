"""Results of the images of a collection: their fields, their files in a folder, and those that are open."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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

    from hyperspy_motifs.clustering import MotifTree, NestedRadii
    from hyperspy_motifs.models import MotifModel, Prediction

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
        turned: tuple[float, bool],
    ) -> Assigned:
        """Return it for labels, probabilities and outlier scores (n,), and the level of the motifs."""
        p, (angle, mirrored) = np.asarray(probabilities, float), turned
        doubt = np.asarray(np.bincount(labels, p * (1 - p)), float)
        beyond = np.asarray(outlier_score, float) > 1 - alpha
        unlike = np.bincount(labels[beyond], minlength=len(doubt)).astype(np.int64)
        return cls(np.asarray(labels, np.int32), doubt, unlike, (float(angle), bool(mirrored)))

    @classmethod
    def of_record(cls, record: store.Record, turned: tuple[float, bool]) -> Assigned:
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


def of_fit(model: NestedRadii, here: NDArray[np.bool_]) -> dict[str, Any]:
    """Return the fields of the result of the atoms `here` (n,) among those of the fit."""
    radii = model.radii_
    return {
        "labels": np.asarray(model.labels_)[here],
        "probabilities": np.asarray(model.probabilities_at_[model.radius_])[here],
        "radii": np.array(radii),
        "radius_labels": np.array([model.labels_at_[r][here] for r in radii]),
        "radius_probabilities": np.array([model.probabilities_at_[r][here] for r in radii]),
        "layouts": np.array([model.layouts_[r][here] for r in radii]),
        "chosen": radii.index(model.radius_),
        "tree": _tree(model.tree_, np.asarray(model.tree_.leaf_of)[here]),
        "outlier_score": np.asarray(model.outlier_scores_)[here],
    }


def tree_of_labels(model: NestedRadii) -> MotifTree:
    """Return the tree of the motifs with the leaf of each label of the largest radius in place of those of the atoms."""
    finest = np.asarray(model.labels_at_[model.radii_[-1]])
    leaves = np.zeros(int(finest.max()) + 1, np.int32)
    leaves[finest] = model.tree_.leaf_of
    return replace(model.tree_, leaf_of=leaves)


def of_other(learned: MotifModel, found: Prediction, tree: MotifTree) -> dict[str, object]:
    """Return the same as :func:`of_fit` for the atoms of an image that was not in the fit, with a tree of labels."""
    model = learned.classifier
    return {
        "labels": found.labels,
        "probabilities": found.probabilities,
        "radii": np.array(model.radii_),
        "radius_labels": found.radius_labels,
        "radius_probabilities": found.radius_probabilities,
        "layouts": found.layouts,
        "chosen": model.radii_.index(learned.radius),
        "tree": _tree(tree, tree.leaf_of[found.radius_labels[-1]].astype(np.int64)),
        "outlier_score": found.outlier_score,
    }


def _tree(tree: MotifTree, leaves: NDArray[np.integer]) -> dict[str, object]:
    """Return the tree of motifs with the leaf of each atom of an image, and the number of its atoms below each node."""
    size = np.bincount(leaves, minlength=len(tree.parent)).astype(np.int64)
    # Parents precede their children.
    for node in range(len(size) - 1, 0, -1):
        size[tree.parent[node]] += size[node]
    return {
        "parent": tree.parent, "radius": tree.radius, "height": tree.height, "merges": tree.merges,
        "base_radius": float(tree.base_radius), "atom_leaf": leaves, "size": size,
    }  # fmt: skip


class OneAtATime(Sequence["list[BaseSignal]"]):
    """Each image with its further detectors: files are opened when they are asked for, and closed when another one is.

    Parameters
    ----------
    fields : sequence of list of (AtomicImage, Signal2D or path)
        The detectors of each field.
    """

    def __init__(self, fields: Sequence[list[Any]]) -> None:
        self._fields = list(fields)
        self._open: tuple[int, list[BaseSignal]] | None = None

    def __len__(self) -> int:
        return len(self._fields)

    def __getitem__(self, number: Any) -> Any:
        number = range(len(self))[number]
        if self._open is None or self._open[0] != number:
            self._open = None
            self._open = number, opened([self._fields[number]], number)[0]
        return self._open[1]


def opened(fields: Sequence[list[Any]], first: int = 0) -> list[list[BaseSignal]]:
    """Return the signals of images with their further detectors; the number of the `first` is for messages."""
    return [[store.open_image(one, number) for one in field] for number, field in enumerate(fields, first)]


def each_with_detectors(images: Sequence[Any], detectors: Sequence[Any] | None) -> list[list[Any]]:
    """Return each image with its further detectors, as they were given.

    Raises
    ------
    ValueError
        If images do not have the same number of detectors.
    """
    if detectors is None:
        return [[image] for image in images]
    if isinstance(detectors, str) or not isinstance(detectors, Sequence) or len(detectors) != len(images):
        raise ValueError(
            f"detectors= is expected to have an entry for each of the {len(images)} images: its further detector, or a list "
            "of several."
        )
    several = [list(one) if isinstance(one, list | tuple) else [one] for one in detectors]
    if not several[0] or len({len(one) for one in several}) > 1:
        raise ValueError(
            "All images need the same number of further detectors in detectors=, one or more; here they have "
            f"{', '.join(str(len(one)) for one in several)}."
        )
    return [[image, *more] for image, more in zip(images, several, strict=True)]


def several(images: Sequence[Any]) -> list[Any]:
    """Return two signals and names of files or more, as they were given."""
    given = store.listed(images)
    if len(given) < 2:
        raise ValueError(
            f"Two images or more are expected, got {len(given)}: for one call its find_motifs()."
        )
    return given
