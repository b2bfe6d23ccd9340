"""The images of a collection, measured one at a time here or by the workers of ``dask.distributed``.

Images that show the same atoms again are no further sample of the specimen (:func:`repeated_fields`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial import cKDTree

from hyperspy_motifs import store
from hyperspy_motifs.common import SMALLEST_SAMPLE
from hyperspy_motifs.models import Orientation, PooledMoments

from ._saved_images import Assigned, SavedImages, of_other, write

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal
    from numpy.typing import NDArray

    from hyperspy_motifs.clustering import MotifTree
    from hyperspy_motifs.models import MotifModel
    from hyperspy_motifs.pipeline import MeasuredImage

Images = Sequence["np.ndarray"]
Forms = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Measuring:
    """How images are measured.

    Attributes
    ----------
    options : dict
        Arguments of ``find_motifs``.
    radii : tuple of float
    length : float, optional
        Unit of the radii in axis units.
    """

    options: dict[str, Any]
    radii: tuple[float, ...]
    length: float | None = None


@dataclass
class Fields:
    """The images of a collection, each with its further detectors, and what is known of them so far.

    Attributes
    ----------
    signals : list of list of AtomicImage
        The detectors of each field.
    how : Measuring
    saved : SavedImages, optional
        Where results are written, by whoever computes them.
    """

    signals: Sequence[list[BaseSignal]]
    how: Measuring
    saved: SavedImages | None = None
    _early: dict[int, Any] = field(default_factory=dict)

    def measured(self, order: Sequence[int]) -> Generator[tuple[int, MeasuredImage]]:
        """Yield number and measurement of images in this order.

        When the generator is closed, workers continue, so that they are not idle during a fit: `assigned` takes what they find.
        """
        from hyperspy_motifs.stacks import frames_as_completed

        jobs = ((number, (self._forms(number), self.how)) for number in order)
        computed = frames_as_completed(measure, self._pixels, jobs, self._early.__setitem__)
        with closing(computed):
            yield from _in_order(computed, order, self._early)

    def assigned(
        self, numbers: Sequence[int], shared: Shared
    ) -> Generator[tuple[int, tuple[MeasuredImage, dict[str, Any], Orientation] | Assigned]]:
        """Yield images, in the order of `numbers`, with their measurement, results and orientation.

        If results are written to files, only what is kept of each image comes back.
        """
        from hyperspy_motifs.stacks import frames_as_completed, once_on_workers

        early = {number: self._early.pop(number, None) for number in numbers}

        def pixels(number: int) -> list[np.ndarray]:
            needed = early[number] is None or self.saved is not None
            return self._pixels(number) if needed else []

        with once_on_workers(shared) as sent:
            jobs = (
                (number, (self._forms(number), self.how, sent, early[number], self._target(number)))
                for number in numbers
            )
            computed = frames_as_completed(measure_and_assign, pixels, jobs)
            with closing(computed):
                yield from _in_order(computed, numbers, {})

    def copies(self, number: int) -> list[BaseSignal]:
        """Return the detectors of an image as signals of their own, without earlier results."""
        pixels = [data.compute() if hasattr(data, "compute") else data for data in self._pixels(number)]
        return signals_of(pixels, self._forms(number))

    def identity(self) -> tuple[dict[str, object], list[str]]:
        """Return what distinguishes the images from others, in JSON types, and their titles: each is opened once for both."""
        from hyperspy_motifs import __version__

        axes, masks, ends, titles = [], hashlib.sha256(), [], []
        for number, detectors in enumerate(self.signals):
            stamp, mask = store.Stamp.of(detectors[0]), store.read_mask(detectors[0])
            titles.append(store.title_of(detectors[0]))
            axes.append([*map(int, stamp.shape), *map(float, stamp.scale), stamp.units])
            if mask is not None:
                masks.update(np.append(np.int64(number), np.packbits(mask)).tobytes())
            # The first and the last image identify a list without reading all of it.
            if number in (0, len(self.signals) - 1):
                ends += [np.asarray(one.data) for one in detectors]
        identity: dict[str, object] = {
            "package": __version__,
            "axes": axes,
            "masks": masks.hexdigest(),
            "detectors": len(self.signals[0]),
            "pixels": [hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest() for image in ends],
        }
        return identity, titles

    def _pixels(self, number: int) -> list[np.ndarray]:
        return [signal.data for signal in self.signals[number]]

    def _forms(self, number: int) -> list[dict[str, object]]:
        """Return the rest of each signal: axes, and what images say of themselves, but no earlier results."""
        return [_form(signal, whole=self.saved is not None) for signal in self.signals[number]]

    def _target(self, number: int) -> str | None:
        return None if self.saved is None else str(self.saved.path(number))


@dataclass(frozen=True)
class Shared:
    """What the results of all images share.

    Attributes
    ----------
    arrays : dict of str to ndarray
        The model that assigns atoms to motifs.
    content : ndarray of uint8
        The model that images carry.
    parameters : dict
        Of the result.
    tree : MotifTree
        Its ``leaf_of`` holds the leaf of each label of the largest radius.
    """

    arrays: dict[str, np.ndarray]
    content: NDArray[np.uint8]
    parameters: dict[str, Any]
    tree: MotifTree

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return all but the model as arrays: numbers, and JSON as bytes."""
        tree = {f"tree/{one.name}": np.asarray(getattr(self.tree, one.name)) for one in fields(self.tree)}
        text = np.frombuffer(json.dumps(self.parameters, default=np.generic.item).encode(), np.uint8)
        return {"content": self.content, "parameters": text, **tree}

    @classmethod
    def from_arrays(cls, model: MotifModel, arrays: Mapping[str, np.ndarray]) -> Shared:
        """Return what :meth:`to_arrays` gave, for a model."""
        from hyperspy_motifs.clustering import MotifTree
        from hyperspy_motifs.models import to_arrays

        tree: dict[str, Any] = {
            name.removeprefix("tree/"): v for name, v in arrays.items() if name.startswith("tree/")
        }
        tree["base_radius"] = float(tree["base_radius"])
        parameters = json.loads(arrays["parameters"].tobytes())
        return cls(to_arrays(model), np.asarray(arrays["content"]), parameters, MotifTree(**tree))


def _in_order(
    computed: Generator[tuple[int, Any]], order: Sequence[int], early: dict[int, Any]
) -> Generator[tuple[int, Any]]:
    """Yield results in an order; those that come too early wait in `early`."""
    waiting = list(order)
    for number, result in computed:
        early[number] = result
        while waiting and waiting[0] in early:
            yield waiting[0], early.pop(waiting.pop(0))


def _form(signal: BaseSignal, whole: bool) -> dict[str, object]:
    """Return all but the pixels; `whole` with what a microscope wrote, for images that are saved."""
    metadata = signal.metadata.as_dictionary()
    metadata.pop(store.NODE, None)
    return {
        "type": getattr(signal, "_signal_type", ""),
        "axes": list(signal.axes_manager.as_dictionary().values()),
        "metadata": metadata,
        "original_metadata": signal.original_metadata.as_dictionary() if whole else {},
    }


def signals_of(images: Images, forms: Forms) -> list[BaseSignal]:
    """Return the signals of pixels and of the rest of each."""
    from hyperspy.signals import BaseSignal

    out = []
    for pixels, form in zip(images, forms, strict=True):
        signal = BaseSignal(
            pixels, axes=form["axes"], metadata=form["metadata"], original_metadata=form["original_metadata"]
        )
        signal.set_signal_type(form["type"])
        out.append(signal)
    return out


def measure(images: Images, number: int, forms: Forms, how: Measuring) -> MeasuredImage:
    """Measure one image of a list, given its pixels and the rest of its signals: a task for a worker."""
    from hyperspy_motifs.pipeline import FindOptions, measure_image

    signal, *detectors = signals_of(images, forms)
    try:
        return measure_image(signal, FindOptions(**how.options), how.radii, how.length, detectors=detectors)
    except (ValueError, TypeError) as error:
        raise type(error)(f"Image {number} ({store.title_of(signal)}): {error}") from error


def measure_and_assign(
    images: Images,
    number: int,
    forms: Forms,
    how: Measuring,
    shared: Shared,
    one: MeasuredImage | None,
    target: str | None,
) -> tuple[MeasuredImage, dict[str, Any], Orientation] | Assigned:
    """Measure an image if that was not done, assign its atoms, and write it to a file if one is given: a task for a worker."""
    from hyperspy_motifs.models import from_arrays

    learned = from_arrays(shared.arrays)
    one = measure(images, number, forms, how) if one is None else one
    result, orientation = assign(learned, one, shared.tree)
    if target is not None:
        return save(signals_of(images, forms), one, result, orientation, shared, target)
    # The moments at the other radii would be most of what is sent back.
    return replace(one, moments={learned.radius: one.moments[learned.radius]}), result, orientation


def assign(
    learned: MotifModel, one: MeasuredImage, tree: MotifTree, orientation: Orientation | None = None
) -> tuple[dict[str, Any], Orientation]:
    """Return the result of the atoms of a measured image by a model, with cells, and how it is turned, found if not known."""
    from hyperspy_motifs.pipeline import cells_of_image

    source = PooledMoments([one.moments], [one.neighbours], [Orientation()], 1.0, one.orders)
    orientation = learned.orientation_of(source) if orientation is None else orientation
    found = learned.predict(source, orientation)
    cells = cells_of_image(one, found.labels, found.probabilities)
    return of_other(learned, found, tree) | {"cells": cells}, orientation


def in_degrees(turned: Orientation) -> tuple[float, bool]:
    """Return an orientation as results and collections have it."""
    return float(np.degrees(turned.angle)), bool(turned.mirrored)


def put(
    signals: Sequence[BaseSignal],
    one: MeasuredImage,
    result: dict[str, Any],
    turned: Orientation,
    shared: Shared,
) -> None:
    """Write the result of an image into its metadata; `signals` are its detectors."""
    from hyperspy_motifs.pipeline import write_image

    facts = {**shared.parameters, "orientation": list(in_degrees(turned))}
    write_image(signals[0], one, {**result, "model": shared.content}, facts, signals[1:])


def save(
    signals: Sequence[BaseSignal],
    one: MeasuredImage,
    result: dict[str, Any],
    turned: Orientation,
    shared: Shared,
    target: str,
) -> Assigned:
    """Write an image with its result to a file, and return what the collection keeps of it."""
    put(signals, one, result, turned, shared)
    write(signals[0], Path(target))
    alpha = float(shared.parameters["options"]["alpha"])
    score = result["outlier_score"]
    return Assigned.of(result["labels"], result["probabilities"], score, alpha, in_degrees(turned))


@dataclass
class RepeatedField:
    """Images of one field.

    Attributes
    ----------
    images : list of int
        Numbers of the images.
    places : list of ndarray, shape (2,)
        Position of an atom in each image minus that in the first one, x and y in pixels.
    """

    images: list[int] = field(default_factory=list)
    places: list[NDArray[np.float64]] = field(default_factory=list)


def repeated_fields(measured: Mapping[int, MeasuredImage], numbers: Sequence[int]) -> list[RepeatedField]:
    """Return the images by the field that they show, each field in the order of its images: a drift or a dose series.

    Parameters
    ----------
    measured : mapping of int to MeasuredImage
    numbers : sequence of int
        Of the images to compare. Each is compared with the last image of each field so far.
    """
    fields: list[RepeatedField] = []
    for number in numbers:
        for known in fields:
            drift = _drift(measured[known.images[-1]], measured[number])
            if drift is not None:
                known.images.append(number)
                known.places.append(known.places[-1] + drift)
                break
        else:
            fields.append(RepeatedField([number], [np.zeros(2)]))
    return fields


def _drift(one: MeasuredImage, other: MeasuredImage) -> NDArray[np.float64] | None:
    """Return the displacement in pixels from one image to another one of the same field; None if it is another field.

    Atoms of one image are sought among those of the other by their surroundings alone. In two images of one field most of
    them are found at a common displacement; in two fields of one crystal, or in a perfect crystal, at any. More than half of
    the field must be in both.
    """
    from hyperspy_motifs.pipeline import recognised_at
    from hyperspy_motifs.zernike import noise_unit

    if one.stamp.shape != other.stamp.shape or not np.allclose(one.stamp.scale, other.stamp.scale, atol=0):
        return None
    radius = max((r for r in one.moments if r <= recognised_at()), default=0.0)
    if radius not in other.moments or one.orders[radius] != other.orders[radius]:
        return None
    first, second = one.moments[radius], other.moments[radius]
    unit = noise_unit(first)
    rows, among = (np.flatnonzero(np.asarray(m.valid, bool) & (m.coverage > 0.99)) for m in (first, second))
    if len(rows):
        # Whether most of these are found is known to 0.035.
        rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), SMALLEST_SAMPLE)).astype(int)]
    if not len(rows) or not len(among):
        return None
    there = other.table.pixel_positions[among]
    found = cKDTree(second.values[among] / unit).query(first.values[rows] / unit)[1]
    here = one.table.pixel_positions[rows]
    moved = there[found] - here
    reach = _reach(one)
    votes = cKDTree(moved).query_ball_point(moved, reach)
    most = max(votes, key=len)
    drift = np.median(moved[most], axis=0)
    n_in_both = np.count_nonzero(cKDTree(there).query(here + drift)[0] < reach)
    if 2 * n_in_both > len(rows) and 2 * len(most) > n_in_both:
        return np.asarray(drift, float)
    return None


def _reach(one: MeasuredImage) -> float:
    """Return half of the distance of neighbours in pixels: beyond it another atom is nearer."""
    return 0.5 * float(one.table.facts["separation"]) / abs(one.stamp.scale[0])


def atoms_of_fields(
    measured: Mapping[int, MeasuredImage], numbers: Sequence[int]
) -> NDArray[np.int64] | None:
    """Return the number of the atom that each observation of the images shows, shape (n,); None if no field is repeated."""
    from hyperspy_motifs.movies import link_frames

    fields = repeated_fields(measured, numbers)
    if len(fields) == len(numbers):
        return None
    of_image: dict[int, NDArray[np.int64]] = {}
    n_atoms = 0
    for one in fields:
        images = [measured[number] for number in one.images]
        pixels = np.concatenate([image.table.pixel_positions for image in images])
        frames = np.repeat(np.arange(len(images)), [len(image.table) for image in images])
        tracks = link_frames(pixels, frames, _reach(images[0]), drift=np.array(one.places)) + n_atoms
        n_atoms = int(tracks.max(initial=n_atoms - 1)) + 1
        of_image |= {number: tracks[frames == k] for k, number in enumerate(one.images)}
    return np.concatenate([of_image[number] for number in numbers])
