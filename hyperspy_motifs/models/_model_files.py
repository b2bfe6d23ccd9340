"""Models from arrays and from files: zip archives of .npy files, read without unpickling."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import fields
from os import PathLike

import numpy as np
from numpy.typing import NDArray

from hyperspy_motifs.clustering import from_state

from ._motif_model import MODEL_FORMAT, MODEL_VERSION, Anchors, MotifModel
from ._other_images import Extension


def from_arrays(arrays: Mapping[str, np.ndarray]) -> MotifModel:
    """Return the model from the arrays of :func:`to_arrays`.

    Raises
    ------
    ValueError
        If the arrays do not hold a model, or were written by another version of this package with another format.
    """
    try:
        header = json.loads(bytes(np.asarray(arrays["header"], np.uint8)).decode("ascii"))
        if header["format"] != MODEL_FORMAT:
            raise KeyError("format")
        version = int(header["version"])
        if version != MODEL_VERSION:
            later = version > MODEL_VERSION
            raise ValueError(
                f"This model was written by {'a later' if later else 'an earlier'} version of hyperspy_motifs (version "
                f"{version} of its format, this one reads {MODEL_VERSION}). "
                f"{'Update hyperspy_motifs' if later else 'Find the motifs again'}, and save the model again."
            )
        classifier = from_state(
            {k.removeprefix("classifier/"): v for k, v in arrays.items() if k.startswith("classifier/")}
        )
        anchors = {
            float(radius): Anchors(**{f.name: arrays[f"anchors/{number}/{f.name}"] for f in fields(Anchors)})
            for number, radius in enumerate(arrays["anchors/radii"])
        }
        n_extensions = sum(k.startswith("extensions/") and k.endswith("/model/header") for k in arrays)
        return MotifModel(
            classifier=classifier,
            radius=float(header["radius"]),
            spacing=float(header["spacing"]),
            units=str(header["units"]),
            orders={float(radius): int(n) for radius, n in arrays["orders"]},
            anchors=anchors,
            finest_to_label=arrays.get("finest_to_label"),
            names={int(k): str(v) for k, v in header["names"].items()},
            facts=dict(header["facts"]),
            extensions=tuple(_extension(arrays, f"extensions/{k}/") for k in range(n_extensions)),
        )
    except (KeyError, TypeError, IndexError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(
            "This is not a model of hyperspy_motifs, or it is damaged. Create one with motifs.model.save(path)."
        ) from error


def _extension(arrays: Mapping[str, np.ndarray], prefix: str) -> Extension:
    own = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
    of_model = {k.removeprefix("model/"): v for k, v in own.items() if k.startswith("model/")}
    return Extension(from_arrays(of_model), np.asarray(own["numbers"], np.int32))


def from_bytes(content: NDArray[np.uint8]) -> MotifModel:
    """Return the model from the content of :func:`to_bytes`."""
    with np.load(io.BytesIO(np.asarray(content, np.uint8).tobytes()), allow_pickle=False) as stored:
        return from_arrays({name: stored[name] for name in stored.files})


def load_model(path: str | PathLike[str]) -> MotifModel:
    """Read a file of :meth:`MotifModel.save`; nothing in it is executed.

    Raises
    ------
    ValueError
        If the file does not hold a model.
    OSError
        If the file cannot be read.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise ValueError(
            f"{path} is not a model: a file written by motifs.model.save(path) is expected."
        ) from error
    return from_arrays(arrays)
