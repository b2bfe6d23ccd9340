"""Motifs of a large stack: a model is fitted to a sample of its frames and applied to each frame."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from hyperspy.external.progressbar import progressbar

from hyperspy_motifs import store
from hyperspy_motifs.stacks import Checkpoint, run_frames, sample_of_frames

from ._atom_finding import quiet
from ._atom_table import AtomTable, predict_frame
from ._clean_image import frame, lazy_data_frame, n_frames

if TYPE_CHECKING:
    from hyperspy_motifs.models import MotifModel

# Atoms for the fit of a model: a motif of one in two thousand atoms has ten of them, and their moments at four radii
# need about 100 MB.
SAMPLE_ATOMS = 20_000


def open_checkpoint(folder: Any, detectors: Sequence[Any], options: dict[str, Any]) -> Checkpoint | None:
    """The folder for results, or None."""
    if folder is None:
        return None
    from hyperspy_motifs import __version__

    signal = detectors[0]
    last = n_frames(signal) - 1
    ends = [frame(one, k) for one in detectors for k in sorted({0, last})]
    run = {
        "package": __version__,
        "options": options,
        "shape": [int(n) for n in signal.data.shape],
        "axes": dataclasses.asdict(store.Stamp.of(signal)) | {"shape": None},
        # The first and the last frame identify a movie without reading all of it.
        "frames": [hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest() for image in ends],
    }
    return Checkpoint(folder, run)


def is_large(signal: Any, table: AtomTable, checkpoint: Any) -> bool:
    """Whether a model is fitted to a sample: for stacks with many atoms or with a checkpoint."""
    return n_frames(signal) > 1 and (len(table) > SAMPLE_ATOMS or checkpoint is not None)


def sample_rows(signal: Any, table: AtomTable) -> np.ndarray:
    """Rows of `table` that lie in the frames of the sample."""
    n = n_frames(signal)
    counts = np.bincount(table.frames, minlength=n).tolist()
    chosen = sample_of_frames(dict(enumerate(counts)), n, SAMPLE_ATOMS)
    return np.flatnonzero(np.isin(table.frames, [] if chosen is None else chosen))


def apply_to_all(
    detectors: Sequence[Any],
    table: AtomTable,
    motif_model: MotifModel,
    checkpoint: Checkpoint | None,
    show_progressbar: bool | None,
) -> dict[str, np.ndarray]:
    """Labels, probabilities, outlier_score and layouts of the atoms of all frames, in the order of `table`."""
    from hyperspy_motifs.models import to_arrays

    scale = abs(store.Stamp.of(detectors[0]).scale[0])
    arrays = to_arrays(motif_model)
    # Numbers of motifs depend on the model, and results on the atoms; the title does not identify either.
    known = to_arrays(dataclasses.replace(motif_model, facts={}))
    key = digest_of(known | {"atoms": table.pixel_positions, "frames": table.frames})
    rows = {int(k): np.flatnonzero(table.frames == k) for k in np.unique(table.frames)}
    with progressbar(total=len(rows), disable=quiet(show_progressbar), desc="Frames", leave=False) as bar:
        found = run_frames(
            predict_frame,
            lambda number: [lazy_data_frame(one, number) for one in detectors],
            [(k, (table.pixel_positions[here], scale, arrays)) for k, here in rows.items()],
            step=f"motifs-{key}",
            checkpoint=checkpoint,
            done=bar.update,
        )
    out: dict[str, np.ndarray] = {}
    for number, here in rows.items():
        for name, values in found.pop(number).items():
            per_radius = values.ndim > 1
            if name not in out:
                shape = (
                    (values.shape[0], len(table), *values.shape[2:])
                    if per_radius
                    else (len(table), *values.shape[1:])
                )
                out[name] = np.zeros(shape, values.dtype)
            out[name][(slice(None), here) if per_radius else here] = values
    return out


def digest_of(arrays: Mapping[str, np.ndarray]) -> str:
    """Eight hexadecimal digits that identify arrays by their names, types, shapes and exact values."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {values.dtype.str} {values.shape} ".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()[:8]


def order_by_frequency(
    found: dict[str, np.ndarray], motif_model: MotifModel, tree: dict[str, Any]
) -> tuple[dict[str, np.ndarray], Any, dict[str, Any]]:
    """Number the motifs again, 0 the most frequent over all frames, in the results, the model and the tree alike.

    The atoms of all frames are assigned to the leaves of the tree of the sample.
    """
    model, radii = motif_model.classifier, motif_model.classifier.radii_
    finest = found["radius_labels"][-1]
    new = {
        radius: _numbers(found["radius_labels"][row], int(np.max(model.labels_at_[radius])) + 1)
        for row, radius in enumerate(radii)
    }
    cut = motif_model.finest_to_label
    chosen = new[motif_model.radius] if cut is None else _numbers(found["labels"], int(cut.max()) + 1)
    tree = _tree_of_all(tree, _leaves(model)[finest], new)
    # A separate model without the atoms of the fit.
    renamed = model.renumbered(new)
    if cut is not None:
        moved = np.empty_like(cut)
        moved[new[radii[-1]]] = chosen[cut]
        cut = moved
    anchors = {
        radius: dataclasses.replace(
            known,
            fitted=new[radius][known.fitted],
            labels=(chosen if radius == motif_model.radius else new[radius])[known.labels],
        )
        for radius, known in motif_model.anchors.items()
    }
    found = {
        **found,
        "labels": chosen[found["labels"]],
        "radius_labels": np.array(
            [new[radius][found["radius_labels"][row]] for row, radius in enumerate(radii)]
        ),
    }
    return (
        found,
        dataclasses.replace(motif_model, classifier=renamed, anchors=anchors, finest_to_label=cut),
        tree,
    )


def _numbers(labels: np.ndarray, n: int) -> np.ndarray:
    """New number of each of `n` labels by frequency; unused labels are last."""
    from hyperspy_motifs.clustering import by_frequency

    out = np.full(n, -1, np.int32)
    out[labels] = by_frequency(labels)
    absent = out < 0
    out[absent] = np.arange(n - absent.sum(), n)
    return out


def _leaves(model: Any) -> np.ndarray:
    """Node of the tree of each motif of the largest radius."""
    labels = np.asarray(model.labels_at_[model.radii_[-1]])
    numbers, first = np.unique(labels, return_index=True)
    out = np.zeros(int(labels.max()) + 1, np.int64)
    out[numbers] = np.asarray(model.tree_.leaf_of)[first]
    return out


def _tree_of_all(tree: dict[str, Any], leaf: np.ndarray, new: dict[float, np.ndarray]) -> dict[str, Any]:
    size = np.bincount(leaf, minlength=len(tree["parent"]))
    # Parents precede their children.
    for node in range(len(size) - 1, 0, -1):
        size[tree["parent"][node]] += size[node]
    merges = np.array(tree["merges"], float)
    for row in merges:
        numbers = new[min(new, key=lambda radius: abs(radius - row[0]))]
        row[1:3] = numbers[row[1:3].astype(int)]
    return {**tree, "atom_leaf": leaf, "size": size, "merges": merges}
