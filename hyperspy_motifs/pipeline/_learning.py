"""Learn a model of motifs of an image, or of a sample of the frames of a stack that is then applied to each frame."""

from __future__ import annotations

import dataclasses
import hashlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from hyperspy.external.progressbar import progressbar

from hyperspy_motifs import store
from hyperspy_motifs.clustering import RADII
from hyperspy_motifs.common import MOST_IN_MEMORY
from hyperspy_motifs.stacks import (
    Checkpoint,
    FrameSample,
    RemoteTask,
    run_frames,
    running_client,
    sample_of_frames,
)

from ._atom_finding import quiet
from ._atom_table import AtomTable, predict_frame
from ._clean_image import frame, lazy_data_frame, n_frames
from ._model_building import KeptMoments, MomentSource, SampleSource
from ._repeated_frames import source_of_fit

if TYPE_CHECKING:
    from os import PathLike

    from hyperspy.signals import BaseSignal

    from hyperspy_motifs.clustering import ManifoldRegions, NestedRadii
    from hyperspy_motifs.manifold import Continuity
    from hyperspy_motifs.models import MotifModel

    from ._checks import FindOptions


# Radius from which on a disc holds the nearest neighbours, in their distances.
REACH_OF_NEIGHBOURS = 1.1
# Discs up to this radius contain little more than the nearest neighbours.
NEIGHBOURS_ALONE, SURROUNDINGS = 1.5, RADII[1]


@dataclass(frozen=True)
class Learned:
    """Result of a fit to the atoms of a source.

    Attributes
    ----------
    source : MomentSource
        Source with the moments at all radii.
    model : hyperspy_motifs.clustering.NestedRadii
    chosen : int
        Index of the radius whose labels are used.
    labels, probabilities : ndarray of shape (n,)
        Labels and probabilities at that radius, or after the tree was cut.
    reason : str
        Reason for the choice of the radius.
    continuity : dict
        Whether the surroundings change continuously, and whether the motifs are therefore regions.
    """

    source: MomentSource
    model: NestedRadii | ManifoldRegions
    chosen: int
    labels: np.ndarray
    probabilities: np.ndarray
    reason: str
    continuity: dict[str, object]


def learn(
    source: MomentSource,
    radii: tuple[float, ...],
    options: FindOptions,
    progress: Callable[[float], None] | None = None,
) -> Learned:
    """Find the motifs of the atoms of `source`; `options` are the arguments of ``find_motifs``.

    Of a movie of one field each atom is used once (:func:`source_of_fit`).
    """
    from hyperspy_motifs.clustering import ManifoldRegions, NestedRadii

    source = source_of_fit(source)
    found = estimate(source, radii)
    continuous = bool(found.is_continuous)
    strategy = ManifoldRegions if continuous else NestedRadii
    model = strategy(
        radii=radii,
        radius=None if options.radius == "auto" or len(radii) == 1 else float(options.radius),
        rotation_invariant=options.rotation_invariant,
        n_motifs=options.n_motifs,
        min_motif_size=options.min_motif_size,
        alpha=options.alpha,
        random_state=options.random_state,
        progress=progress,
    )
    neighbours = source.neighbours()
    if isinstance(model, ManifoldRegions):
        model.fit(source, neighbours, source.places())
    else:
        model.fit(source, neighbours)
    model.progress = None  # what draws the bar cannot be sent from process to process
    continuity = {
        "continuous": continuous,
        "continuity": {"kind": str(found.kind), "certainty": float(found.certainty)},
        "regions": continuous,
    }
    chosen, labels, sure, reason = _choice(model, options.radius, options.n_motifs, regions=continuous)
    # Rounded to the precision in which each radius is stored.
    probabilities = sure.astype(np.float32).astype(np.float64)
    return Learned(source, model, chosen, labels, probabilities, reason, continuity)


def learn_on_sample(
    images: Sequence[np.ndarray],
    number: int,
    frames: np.ndarray,
    pixels: np.ndarray,
    spacing: float,
    radii: tuple[float, ...],
    options: FindOptions,
) -> Learned:
    """Find the motifs of the atoms of some frames, given the images of each detector in turn; a task for a worker.

    `frames` (n,) and `pixels` (n, 2) are the frame and the position of each atom. `spacing` is in pixels.
    """
    source = SampleSource(images, pixels, frames, spacing, options.n_max)
    learned = learn(source, radii, options)
    learned.source.forget_images()
    return learned


def radii_of(radius: str | float, units: str, spacing: float) -> tuple[float, ...]:
    """Return radii in nearest-neighbour distances: the default radii and the chosen one, or a single one in axis units."""
    from hyperspy_motifs.clustering import RADII

    if radius == "auto":
        return RADII
    if units == "axes":
        return (float(radius) / spacing,)
    value = float(radius)
    return tuple(sorted({*(v for v in RADII if abs(v - value) > 0.05), value}))


def warn_of_fewer(learned: Learned, n_motifs: int | None) -> None:
    """Warn if there are fewer motifs than requested."""
    n_found = int(learned.model.labels_.max()) + 1
    if n_motifs is not None and n_found < n_motifs:
        found = "is only 1 motif" if n_found == 1 else f"are only {n_found} motifs"
        warnings.warn(f"There {found}: {learned.reason}.", UserWarning, stacklevel=4)


def _choice(
    model: NestedRadii | ManifoldRegions, radius: str | float, n_motifs: int | None, regions: bool = False
) -> tuple[int, np.ndarray, np.ndarray, str]:
    """Return the index of the chosen radius, the labels, their probabilities, and the reason."""
    taken = (
        model.radius_
        if radius == "auto"
        else model.radii_[int(np.argmin(np.abs(np.array(model.radii_) - float(radius))))]
    )
    index = model.radii_.index(taken)
    if n_motifs is not None:
        n_found = int(model.labels_.max()) + 1
        reason = f"the tree of motifs was cut to n_motifs = {n_motifs}"
        if n_found < n_motifs and regions:
            reason = f"a region of a continuum needs dozens of atoms; {n_motifs} motifs were requested"
        elif n_found < n_motifs:
            reason = f"no more than {n_found} motifs differ by more than noise, {n_motifs} were requested"
        return index, model.labels_, model.probabilities_, reason
    reason = model.reason_ if radius == "auto" else "this radius was given"
    return index, model.labels_at_[taken], model.probabilities_at_[taken], reason


def estimate(source: MomentSource, radii: Sequence[float], labels: np.ndarray | None = None) -> Continuity:
    """:class:`hyperspy_motifs.manifold.Continuity` of the atoms of a source, and of each motif if labels are given."""
    from hyperspy_motifs.manifold import estimate_continuity, manifold_features

    wide = sorted(float(v) for v in radii if v >= REACH_OF_NEIGHBOURS) or [float(max(radii))]
    if not REACH_OF_NEIGHBOURS <= wide[0] <= NEIGHBOURS_ALONE and not isinstance(source, KeptMoments):
        # The nearest neighbours show how much surroundings vary, whatever radius was requested.
        wide = sorted({SURROUNDINGS, *(v for v in wide if v > NEIGHBOURS_ALONE)})
    found = [manifold_features(source(radius)) for radius in wide]
    ok = np.all([np.isfinite(one.values).all(axis=1) for one in found], axis=0)
    smallest = found[0].values[ok]
    contrast = float((found[0].axes.centre ** 2).sum() + (smallest**2).sum() / max(len(smallest), 1))
    return estimate_continuity(
        [one.values[ok] for one in found], None if labels is None else labels[ok], contrast=contrast
    )


# The images of a sample are sent to a worker in one task if together they hold no more pixels than this, some 130 MB at four
# bytes a pixel. Larger samples are read one image at a time, by the calling process.
MOST_SENT_PIXELS = 2 * MOST_IN_MEMORY


class SampleLearning:
    """Collects the atoms of frames as they arrive, and starts the fit once the frames of the sample are complete.

    No fit is started, and the result is None, without a cluster, if the sample contains all frames, or if the images of
    the sample are too large to be sent.

    Parameters
    ----------
    detectors : sequence of AtomicImage
    options : FindOptions
    """

    def __init__(self, detectors: Sequence[BaseSignal], options: FindOptions) -> None:
        self._detectors, self._options = detectors, options
        self._found: dict[int, np.ndarray] = {}
        self._task: RemoteTask | None = None
        self._sample = FrameSample(n_frames(detectors[0]), SAMPLE_ATOMS)
        self._decided = running_client() is None

    def watch(self, number: int, result: Mapping[str, np.ndarray]) -> None:
        """Take the atoms of one frame; raises the exception of the fit if it failed."""
        if self._task is not None:
            self._task.raise_early()
        if self._decided:
            return
        self._found[number] = result["positions"]
        self._sample.add(number, len(result["positions"]))
        sample = self._sample.frames()
        if sample is None:
            return
        self._decided = True
        if len(self._found) < n_frames(self._detectors[0]) and self._can_be_sent(sample):
            self._begin(sample)
        self._found = {}

    def result(self) -> Learned | None:
        """Return the result of the fit; None if the fit is still to be done."""
        return None if self._task is None else self._task.result()

    def cancel(self) -> None:
        """Cancel the fit; its result is not needed."""
        if self._task is not None:
            self._task.cancel()

    def _can_be_sent(self, sample: np.ndarray) -> bool:
        """Return whether a worker can fit these frames: their images are few, and one of them shows a distance of atoms."""
        rows, columns = self._detectors[0].data.shape[-2:]
        pixels = rows * columns * len(sample) * len(self._detectors)
        return 0 < pixels <= MOST_SENT_PIXELS and max(len(self._found[k]) for k in sample.tolist()) > 2

    def _begin(self, sample: np.ndarray) -> None:
        client = running_client()
        if client is None:
            return
        places = [self._found[k] for k in sample.tolist()]
        frames, pixels = np.repeat(sample, [len(p) for p in places]), np.concatenate(places)
        spacing = spacing_of(pixels[frames == reference_frame(frames)])
        scale = abs(store.Stamp.of(self._detectors[0]).scale[0])
        radii = radii_of(self._options.radius, self._options.radius_units, spacing * scale)
        self._task = RemoteTask(
            client,
            learn_on_sample,
            [lazy_data_frame(one, k) for one in self._detectors for k in sample.tolist()],
            int(sample[0]),
            (frames, pixels, spacing, radii, self._options),
        )


def reference_frame(frames: np.ndarray) -> int:
    """Return the first frame with at least half of the largest number of atoms: a dark frame gives no neighbour distance.

    `frames` (n,) is the frame of each atom.
    """
    numbers, counts = np.unique(frames, return_counts=True)
    return int(numbers[np.argmax(2 * counts >= counts.max())])


def spacing_of(pixels: np.ndarray) -> float:
    """Return the nearest-neighbour distance of the atoms of one frame, in pixels, measured from the atoms found."""
    from hyperspy_motifs.atoms import nearest_neighbour_distance

    return nearest_neighbour_distance(pixels)


# Atoms for the fit of a model: a motif of one in two thousand atoms has ten of them, and their moments at four radii
# need about 100 MB.
SAMPLE_ATOMS = 20_000


def open_checkpoint(
    folder: str | PathLike[str] | None, detectors: Sequence[BaseSignal], options: FindOptions
) -> Checkpoint | None:
    """The folder for results, or None."""
    if folder is None:
        return None
    from hyperspy_motifs import __version__

    signal = detectors[0]
    last = n_frames(signal) - 1
    ends = [frame(one, k) for one in detectors for k in sorted({0, last})]
    run = {
        "package": __version__,
        "options": dataclasses.asdict(options),
        "shape": [int(n) for n in signal.data.shape],
        "axes": dataclasses.asdict(store.Stamp.of(signal)) | {"shape": None},
        # The first and the last frame identify a movie without reading all of it.
        "frames": [hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest() for image in ends],
    }
    return Checkpoint(folder, run)


def is_large(signal: BaseSignal, table: AtomTable, checkpoint: object) -> bool:
    """Whether a model is fitted to a sample: for stacks with many atoms or with a checkpoint."""
    return n_frames(signal) > 1 and (len(table) > SAMPLE_ATOMS or checkpoint is not None)


def sample_rows(signal: BaseSignal, table: AtomTable) -> np.ndarray:
    """Rows of `table` that lie in the frames of the sample."""
    n = n_frames(signal)
    counts = np.bincount(table.frames, minlength=n).tolist()
    chosen = sample_of_frames(dict(enumerate(counts)), n, SAMPLE_ATOMS)
    return np.flatnonzero(np.isin(table.frames, [] if chosen is None else chosen))


def apply_to_all(
    detectors: Sequence[BaseSignal],
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
    found: dict[str, np.ndarray], motif_model: MotifModel, tree: dict[str, object]
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


def _leaves(model: NestedRadii | ManifoldRegions) -> np.ndarray:
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
