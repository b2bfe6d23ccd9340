"""The images of a collection and their further detectors, opened when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hyperspy_motifs import store

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal


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
