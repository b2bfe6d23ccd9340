"""The images of a collection, measured one at a time here or by the workers of ``dask.distributed``."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hyperspy_motifs import store
from hyperspy_motifs.models import Orientation, PooledMoments

if TYPE_CHECKING:
    import numpy as np
    from hyperspy.signals import BaseSignal

    from hyperspy_motifs.models import MotifModel, Prediction
    from hyperspy_motifs.pipeline import MeasuredImage


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

    def images(
        self, fields: Sequence[Sequence[BaseSignal]], numbers: Sequence[int]
    ) -> Generator[tuple[int, MeasuredImage]]:
        """Yield number and measurement of images, each with its detectors, in the order of `numbers`."""
        return _in_order(_measure, fields, {number: (self,) for number in numbers})

    def assigned(
        self, fields: Sequence[Sequence[BaseSignal]], numbers: Sequence[int], learned: MotifModel
    ) -> Generator[tuple[int, tuple[MeasuredImage, Prediction, Orientation, dict[str, Any]]]]:
        """Yield images, in the order of `numbers`, with what a model predicts, how they are turned, and their cells."""
        from hyperspy_motifs.models import to_arrays

        arrays = to_arrays(learned)
        return _in_order(_measure_and_assign, fields, {number: (self, arrays) for number in numbers})


def _in_order(
    task: Any, fields: Sequence[Sequence[BaseSignal]], arguments: Mapping[int, tuple[object, ...]]
) -> Generator[tuple[int, Any]]:
    from hyperspy_motifs.stacks import frames_as_completed

    def image_of(number: int) -> list[np.ndarray]:
        return [signal.data for signal in fields[number]]

    # What is sent with the pixels: axes, and what images say of themselves, but no earlier results.
    jobs = [
        (number, ([_form(signal) for signal in fields[number]], *more)) for number, more in arguments.items()
    ]
    early: dict[int, object] = {}
    order = list(arguments)
    with closing(frames_as_completed(task, image_of, jobs)) as computed:
        for number, result in computed:
            early[number] = result
            while order and order[0] in early:
                yield order[0], early.pop(order.pop(0))


def _form(signal: BaseSignal) -> dict[str, object]:
    metadata = signal.metadata.as_dictionary()
    metadata.pop(store.NODE, None)
    return {
        "type": getattr(signal, "_signal_type", ""),
        "axes": list(signal.axes_manager.as_dictionary().values()),
        "metadata": metadata,
    }


def _measure(
    images: Sequence[np.ndarray], number: int, forms: Sequence[dict[str, object]], how: Measuring
) -> MeasuredImage:
    """Measure one image of a list, given its pixels and the rest of its signals: a task for a worker."""
    from hyperspy_motifs.pipeline import measure_image

    signal, *detectors = (_signal(pixels, form) for pixels, form in zip(images, forms, strict=True))
    try:
        return measure_image(signal, dict(how.options), how.radii, how.length, detectors=detectors)
    except (ValueError, TypeError) as error:
        raise type(error)(f"Image {number} ({store.title_of(signal)}): {error}") from error


def _signal(pixels: np.ndarray, form: dict[str, Any]) -> BaseSignal:
    from hyperspy.signals import BaseSignal

    signal = BaseSignal(pixels, axes=form["axes"], metadata=form["metadata"])
    signal.set_signal_type(form["type"])
    return signal


def _measure_and_assign(
    images: Sequence[np.ndarray],
    number: int,
    forms: Sequence[dict[str, object]],
    how: Measuring,
    arrays: dict[str, np.ndarray],
) -> tuple[MeasuredImage, Prediction, Orientation, dict[str, Any]]:
    from hyperspy_motifs.models import from_arrays

    learned = from_arrays(arrays)
    one = _measure(images, number, forms, how)
    # The moments at the other radii would be most of what is sent back.
    return replace(one, moments={learned.radius: one.moments[learned.radius]}), *assign(learned, one)


def assign(
    learned: MotifModel, one: MeasuredImage, orientation: Orientation | None = None
) -> tuple[Prediction, Orientation, dict[str, Any]]:
    """Return what a model predicts of a measured image, how the image is turned, found if not known, and its cells."""
    from hyperspy_motifs.pipeline import cells_of_image

    source = PooledMoments([one.moments], [one.neighbours], [Orientation()], 1.0, one.orders)
    orientation = learned.orientation_of(source) if orientation is None else orientation
    found = learned.predict(source, orientation)
    return found, orientation, cells_of_image(one, found.labels, found.probabilities)
