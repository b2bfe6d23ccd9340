"""Moments of the atoms of an image, or of a stored result, at any radius."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hyperspy_motifs import store

from ._checks import clean_image
from ._frames import data_frame

AUTO = "auto"
# Order of the moments where the user names none: enough for the twelve nearest columns of a disc of two shells, and the
# clustering drops what carries only noise.
N_MAX = 8
# Frames of a stack are kept ready for the next radius while they hold no more pixels than this.
MOST_KEPT_PIXELS = 2**24


class MomentSource:
    """Moments of the discs round the atoms of all frames, at any radius; kept, as several steps ask for them.

    Parameters
    ----------
    signals : sequence of AtomicImage
        Detectors of one field of view; their moments stand side by side.
    pixels : numpy.ndarray of shape (n, 2)
        x, y in pixels.
    frames : numpy.ndarray of shape (n,)
    spacing : float
        Nearest-neighbour distance in pixels.
    n_max : int or "auto"
        Highest radial order; "auto" chooses it for each radius by signal and noise. Beyond 8 no more at a radius than its
        pixels can tell apart.
    orders : mapping of float to int, optional
        Orders at radii where they are known already, as they were chosen for another image or another time.
    """

    def __init__(
        self,
        signals: Sequence[Any],
        pixels: np.ndarray,
        frames: np.ndarray,
        spacing: float,
        n_max: int | str,
        orders: Mapping[float, int] | None = None,
    ) -> None:
        self.signals, self.pixels, self.frames = signals, pixels, frames
        self.spacing, self.n_max = spacing, n_max
        self.orders: dict[float, int] = dict(orders or {})
        self._kept: dict[float, Any] = {}
        self._prepared: dict[tuple[int, int], Any] = {}
        self._noise: dict[tuple[int, int], Any] = {}

    def places(self) -> np.ndarray:
        """Positions (n, 2) in pixels, those of each frame far from those of all others."""
        reach = 10 * (float(np.ptp(self.pixels[:, 0])) + 1) if len(self.pixels) else 0.0
        return self.pixels + np.column_stack([reach * self.frames, np.zeros(len(self.frames))])

    def __call__(self, radius: float) -> Any:
        if radius not in self._kept:
            self._kept[radius] = self._compute(radius)
        return self._kept[radius]

    def neighbours(self) -> Any:
        """:class:`hyperspy_motifs.sites.Neighbourhoods` of the atoms."""
        from hyperspy_motifs.sites import Neighbourhoods

        return Neighbourhoods.of(self.pixels, self._shape(), self.spacing, frames=self.frames)

    def _shape(self) -> tuple[int, int]:
        """Rows and columns of a frame."""
        columns, rows = self.signals[0].axes_manager.signal_shape
        return int(rows), int(columns)

    @property
    def n_detectors(self) -> int:
        """Images of one field of view."""
        return len(self.signals)

    def _image(self, detector: int, number: int) -> np.ndarray:
        """Frame `number` of a detector, without holes."""
        return self._cleaned(detector, number)[0]

    def _cleaned(self, detector: int, number: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Frame `number` of a detector without holes, and the mask of the holes."""
        return clean_image(data_frame(self.signals[detector], number), tell=False)

    def _compute(self, radius: float) -> Any:
        from hyperspy_motifs.zernike import stack_moments, zernike_basis

        if radius not in self.orders:
            self.orders[radius] = self._order(radius)
        basis = zernike_basis(self.orders[radius], radius * self.spacing)
        each = [self._of_detector(number, basis) for number in range(self.n_detectors)]
        return each[0] if len(each) == 1 else stack_moments(each)

    def _order(self, radius: float) -> int:
        """Highest radial order at a radius: the one given, as far as pixels carry it, or the largest above the noise."""
        from hyperspy_motifs.zernike import choose_basis, limit_n_max

        if self.n_max != AUTO:
            return min(int(self.n_max), max(N_MAX, limit_n_max(radius * self.spacing)))

        first = self.frames == self.frames[0]
        number = int(self.frames[0])
        return max(
            choose_basis(self._image(detector, number), self.pixels[first], radius * self.spacing)[0].n_max
            for detector in range(self.n_detectors)
        )

    def _of_detector(self, detector: int, basis: Any) -> Any:
        from hyperspy_motifs.zernike import LEAST_COVERAGE

        numbers = np.unique(self.frames)
        parts = [self._ready(detector, int(n), len(numbers)).moments(basis, LEAST_COVERAGE) for n in numbers]
        if len(parts) == 1:
            return parts[0]
        # Atoms are listed frame by frame, but a list given by the user need not be.
        order = np.argsort(np.concatenate([np.flatnonzero(self.frames == number) for number in numbers]))
        fields = ("values", "noise_std", "coverage", "valid", "offset", "scale")
        joined: dict[str, Any] = {
            name: np.concatenate([getattr(p, name) for p in parts])[order] for name in fields
        }
        return dataclasses.replace(parts[0], **joined)

    def prepared(self, number: int) -> Any:
        """Frame `number` of the first detector as it was made ready for its moments; None if that was not kept."""
        return self._prepared.get((0, number))

    def _ready(self, detector: int, number: int, n_frames: int) -> Any:
        """A frame made ready for the moments of its discs; kept for the next radius where there are few."""
        from hyperspy_motifs.zernike import DiscImage, fine_step

        known = self._prepared.get((detector, number))
        if known is not None:
            return known
        image, missing = self._cleaned(detector, number)
        here = detector, number
        ready = DiscImage(
            image,
            self.pixels[self.frames == number],
            noise=self._noise.get(here),
            mask=missing,
            step=fine_step(self.spacing),
        )
        self._noise[here] = ready.noise
        if n_frames == 1 or image.size * n_frames * self.n_detectors <= MOST_KEPT_PIXELS:
            self._prepared[here] = ready
        return ready


class SampleSource(MomentSource):
    """Moments of the atoms of some frames whose images are given, as a worker gets them.

    Parameters
    ----------
    images : sequence of numpy.ndarray of shape (rows, columns)
        The frames that `frames` names, in ascending order, of the first detector; then those of the next.
    pixels, frames, spacing, n_max
        See :class:`MomentSource`.
    """

    def __init__(
        self,
        images: Sequence[np.ndarray],
        pixels: np.ndarray,
        frames: np.ndarray,
        spacing: float,
        n_max: int | str | None,
    ) -> None:
        super().__init__((), pixels, frames, spacing, N_MAX if n_max is None else n_max)
        self._numbers = np.unique(frames).tolist()
        self._images: list[np.ndarray] = list(images)
        self._n_detectors = len(self._images) // len(self._numbers)

    @property
    def n_detectors(self) -> int:
        return self._n_detectors

    def _cleaned(self, detector: int, number: int) -> tuple[np.ndarray, np.ndarray | None]:
        place = detector * len(self._numbers) + self._numbers.index(number)
        return clean_image(self._images[place], tell=False)

    def _shape(self) -> tuple[int, int]:
        rows, columns = self._images[0].shape[-2:]
        return int(rows), int(columns)

    def forget_images(self) -> None:
        """Keep the moments alone, to be sent elsewhere."""
        self._images = []
        self._prepared = {}


class KeptMoments(MomentSource):
    """Moments of several detectors, of which only the image of one is at hand: those at the chosen radius were kept."""

    def __init__(
        self, radius: float, moments: Any, signal: Any, pixels: np.ndarray, frames: np.ndarray, spacing: float
    ) -> None:
        super().__init__([signal], pixels, frames, spacing, int(moments.n_max), {radius: int(moments.n_max)})
        self._kept[radius] = moments

    def _compute(self, radius: float) -> Any:
        raise ValueError(
            "These motifs were found in several detectors, of which this image is one: only the features at the chosen radius "
            "were kept. Call find_motifs(radius=..., detectors=...) for another radius."
        )


def n_detectors(record: store.Record) -> int:
    """How many detectors the moments of a stored result come from."""
    return int(record.parameters.get("detectors", 1))


def available_radii(record: store.Record) -> tuple[float, ...]:
    """Radii at which the moments of a stored result can be computed."""
    if n_detectors(record) > 1:
        return (float(record.radii[record.chosen]),)
    return tuple(float(v) for v in record.radii)


def source_of(signal: Any, record: store.Record) -> MomentSource:
    """Where the moments of a stored result come from."""
    spacing = float(record.parameters["spacing"]) / abs(record.stamp.scale[0])
    pixels = record.stamp.to_pixels(record.positions)
    if n_detectors(record) > 1:
        chosen = float(record.radii[record.chosen])
        return KeptMoments(chosen, record.features.get_moments(), signal, pixels, record.frames, spacing)
    return MomentSource(
        [signal], pixels, record.frames, spacing, record_n_max(record), orders=record_orders(record)
    )


def record_n_max(record: store.Record) -> int | str:
    """The option n_max of a stored result, for radii at which moments were not computed yet."""
    n_max = record.parameters["options"].get("n_max")
    return AUTO if n_max == AUTO else int(record.parameters["n_max"])


def record_orders(record: store.Record) -> dict[float, int]:
    """Highest order of the moments at each radius of a stored result; empty for one written before orders could differ."""
    known = record.parameters.get("orders", {})
    return {float(v): int(known[f"{v:g}"]) for v in record.radii if f"{v:g}" in known}
