"""Moments of the atoms of an image or of a stored result at any radius, and the model of a result."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hyperspy_motifs import store
from hyperspy_motifs.common import MOST_IN_MEMORY

from ._clean_image import CleanFrames, CleanImage, detectors_of, n_detectors, prepare_image

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal

    from hyperspy_motifs.clustering import ManifoldRegions, NestedRadii
    from hyperspy_motifs.models import Extension, MotifModel, PooledMoments, PooledOnce
    from hyperspy_motifs.sites import Neighbourhoods
    from hyperspy_motifs.zernike import DiscBasis, DiscImage, Moments, NoiseModel


AUTO = "auto"
# Default order of the moments: sufficient for the twelve nearest columns in a disc of two shells. The clustering discards
# features that carry only noise.
N_MAX = 8


class MomentSource:
    """Moments of the discs around the atoms of all frames, at any radius; they are cached, as several steps use them.

    Parameters
    ----------
    signals : sequence of AtomicImage
        Detectors of one field of view; their moments are concatenated.
    pixels : numpy.ndarray of shape (n, 2)
        x, y in pixels.
    frames : numpy.ndarray of shape (n,)
    spacing : float
        Nearest-neighbour distance in pixels.
    n_max : int or "auto"
        Highest radial order. "auto" chooses the order at each radius from signal and noise. Orders above 8 are limited to
        what the pixels at a radius can resolve.
    orders : mapping of float to int, optional
        Known orders at some radii, chosen for another image or in an earlier fit.
    clean : CleanFrames, optional
        Frames of the detectors that are already prepared.
    """

    def __init__(
        self,
        signals: Sequence[BaseSignal],
        pixels: np.ndarray,
        frames: np.ndarray,
        spacing: float,
        n_max: int | str,
        orders: Mapping[float, int] | None = None,
        clean: CleanFrames | None = None,
    ) -> None:
        self._clean = CleanFrames(signals) if clean is None else clean
        self.signals, self.pixels, self.frames = signals, pixels, frames
        self.spacing, self.n_max = spacing, n_max
        self.orders: dict[float, int] = dict(orders or {})
        self._kept: dict[float, Moments] = {}
        self._prepared: dict[tuple[int, int], DiscImage] = {}
        self._noise: dict[tuple[int, int], NoiseModel] = {}

    def places(self) -> np.ndarray:
        """Positions (n, 2) in pixels; each frame is shifted far from all others."""
        reach = 10 * (float(np.ptp(self.pixels[:, 0])) + 1) if len(self.pixels) else 0.0
        return self.pixels + np.column_stack([reach * self.frames, np.zeros(len(self.frames))])

    def __call__(self, radius: float) -> Moments:
        if radius not in self._kept:
            self._kept[radius] = self._compute(radius)
        return self._kept[radius]

    def neighbours(self) -> Neighbourhoods:
        """:class:`hyperspy_motifs.sites.Neighbourhoods` of the atoms."""
        from hyperspy_motifs.sites import Neighbourhoods

        return Neighbourhoods.of(self.pixels, self._shape(), self.spacing, frames=self.frames)

    def _shape(self) -> tuple[int, int]:
        """Number of rows and columns of a frame, after resampling if its pixels are oblong."""
        columns, rows = store.Stamp.of(self.signals[0]).shape
        return rows, columns

    @property
    def n_detectors(self) -> int:
        """Number of images of one field of view."""
        return len(self.signals)

    def _image(self, detector: int, number: int) -> np.ndarray:
        """Return the pixels of frame `number` of a detector."""
        return self.cleaned(detector, number).data

    def cleaned(self, detector: int, number: int) -> CleanImage:
        """Return frame `number` of a detector with its holes filled and its scan lines level."""
        return self._clean(detector, number)

    def _compute(self, radius: float) -> Moments:
        from hyperspy_motifs.zernike import stack_moments, zernike_basis

        if radius not in self.orders:
            self.orders[radius] = self._order(radius)
        basis = zernike_basis(self.orders[radius], radius * self.spacing)
        each = [self._of_detector(number, basis) for number in range(self.n_detectors)]
        return each[0] if len(each) == 1 else stack_moments(each)

    def _order(self, radius: float) -> int:
        """Return the highest radial order at a radius: the given one, limited by the pixels, or the largest above the noise."""
        from hyperspy_motifs.zernike import choose_basis, limit_n_max

        if self.n_max != AUTO:
            return min(int(self.n_max), max(N_MAX, limit_n_max(radius * self.spacing)))

        first = self.frames == self.frames[0]
        number = int(self.frames[0])
        return max(
            choose_basis(self._image(detector, number), self.pixels[first], radius * self.spacing)[0].n_max
            for detector in range(self.n_detectors)
        )

    def _of_detector(self, detector: int, basis: DiscBasis) -> Moments:
        from hyperspy_motifs.zernike import LEAST_COVERAGE

        numbers = np.unique(self.frames)
        parts = [self._ready(detector, int(n), len(numbers)).moments(basis, LEAST_COVERAGE) for n in numbers]
        if len(parts) == 1:
            return parts[0]
        # Atoms are usually listed frame by frame, but a list given by the user may not be.
        order = np.argsort(np.concatenate([np.flatnonzero(self.frames == number) for number in numbers]))
        return type(parts[0]).joined(parts).take(order)

    def forget_images(self) -> None:
        """Keep only the moments, so that the source can be sent to another process."""
        self._prepared = {}

    def prepared(self, number: int) -> DiscImage | None:
        """Return frame `number` of the first detector, prepared for its moments; None if it was not kept."""
        return self._prepared.get((0, number))

    def _ready(self, detector: int, number: int, n_frames: int) -> DiscImage:
        """Prepare a frame for the moments of its discs; it is kept for the next radius if there are few frames."""
        from hyperspy_motifs.zernike import DiscImage, fine_step

        known = self._prepared.get((detector, number))
        if known is not None:
            return known
        clean = self.cleaned(detector, number)
        here = detector, number
        ready = DiscImage(
            clean.data,
            self.pixels[self.frames == number],
            noise=self._noise.get(here),
            mask=clean.missing,
            step=fine_step(self.spacing),
            scan_lines=clean.scan_lines,
            frame=number,
        )
        self._noise[here] = ready.noise
        if n_frames == 1 or clean.data.size * n_frames * self.n_detectors <= MOST_IN_MEMORY:
            self._prepared[here] = ready
        return ready


class SampleSource(MomentSource):
    """Moments of the atoms of some frames whose images are given, as a worker receives them.

    Parameters
    ----------
    images : sequence of numpy.ndarray of shape (rows, columns)
        The frames named in `frames`, in ascending order, of the first detector, then those of the next.
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

    def cleaned(self, detector: int, number: int) -> CleanImage:
        place = detector * len(self._numbers) + self._numbers.index(number)
        return prepare_image(self._images[place], tell=False)

    def _shape(self) -> tuple[int, int]:
        rows, columns = self._images[0].shape[-2:]
        return int(rows), int(columns)

    def forget_images(self) -> None:
        self._images = []
        self._prepared = {}


class KeptMoments(MomentSource):
    """Stored moments of several detectors, of which only one image is available: only the chosen radius was kept."""

    def __init__(
        self,
        radius: float,
        moments: Moments,
        signal: BaseSignal,
        pixels: np.ndarray,
        frames: np.ndarray,
        spacing: float,
    ) -> None:
        super().__init__([signal], pixels, frames, spacing, int(moments.n_max), {radius: int(moments.n_max)})
        self._kept[radius] = moments

    def _compute(self, radius: float) -> Moments:
        raise ValueError(
            "These motifs were found in several detectors, whose images were not kept (they are large or lazy, or the image "
            "was resampled): only the features at the chosen radius are known. Call find_motifs(radius=..., detectors=...)."
        )


def available_radii(record: store.Record) -> tuple[float, ...]:
    """Return the radii at which the moments of a stored result can be computed."""
    if n_detectors(record) > 1 and record.detectors is None:
        return (float(record.radii[record.chosen]),)
    return tuple(float(v) for v in record.radii)


def source_of(signal: BaseSignal, record: store.Record) -> MomentSource:
    """Return the source of the moments of a stored result."""
    spacing = float(record.parameters["spacing"]) / abs(record.stamp.scale[0])
    pixels = record.stamp.to_pixels(record.positions)
    detectors = detectors_of(signal, record)
    if detectors is None:
        if record.features is None:
            raise ValueError(
                "These motifs were found in several detectors of a large stack, whose images are not kept: their features "
                "cannot be computed. Analyse some frames with find_motifs(detectors=...)."
            )
        chosen = float(record.radii[record.chosen])
        return KeptMoments(chosen, record.features.get_moments(), signal, pixels, record.frames, spacing)
    return MomentSource(
        detectors, pixels, record.frames, spacing, record_n_max(record), orders=record_orders(record)
    )


def record_n_max(record: store.Record) -> int | str:
    """Return the option n_max of a stored result, for radii without computed moments."""
    n_max = record.parameters["options"].get("n_max")
    return AUTO if n_max == AUTO else int(record.parameters["n_max"])


def record_orders(record: store.Record) -> dict[float, int]:
    """Return the highest order of the moments at each radius of a stored result; empty for results of earlier versions."""
    known = record.parameters.get("orders", {})
    return {float(v): int(known[f"{v:g}"]) for v in record.radii if f"{v:g}" in known}


# Number of known atoms that are stored per radius of a stack, to position other atoms in its layout.
ANCHORS = 4_000


def fitted_motif_model(
    model: NestedRadii | ManifoldRegions,
    source: MomentSource | PooledMoments | PooledOnce,
    labels: np.ndarray,
    chosen: int,
    stamp: store.Stamp,
    facts: Mapping[str, object],
    with_anchors: bool = True,
    most: int = ANCHORS,
    images: Sequence[store.Stamp] = (),
) -> MotifModel:
    """Return the model of the atoms that `model` was fitted to.

    Parameters
    ----------
    model : NestedRadii or ManifoldRegions
    source : callable
        Returns the moments at a radius; it has the ``orders`` and the ``spacing`` in pixels.
    labels : ndarray of int, shape (n,)
        Motifs at the radius number `chosen`.
    chosen : int
    stamp : hyperspy_motifs.store.Stamp
        Axes of the image, for the units of the spacing.
    facts : mapping
        Parameters of the result.
    with_anchors : bool
        Without anchors the model is small. The anchors of a single image are its atoms, which are stored beside it.
    most : int
        Largest number of anchors at each radius.
    images : sequence of hyperspy_motifs.store.Stamp
        Axes of all images or frames of the fit, if there are several.

    Returns
    -------
    hyperspy_motifs.models.MotifModel
    """
    from hyperspy_motifs.models import Anchors, MotifModel

    radii = model.radii_
    moments = {radius: source(radius) for radius in radii}
    anchors = {}
    for number, radius in enumerate(radii) if with_anchors else ():
        fitted = np.asarray(model.labels_at_[radius])
        own = labels if number == chosen else fitted
        anchors[radius] = Anchors.of(
            moments[radius], model.layouts_[radius], fitted, own, bool(model.rotation_invariant), most
        )
    return MotifModel(
        classifier=model,
        radius=float(radii[chosen]),
        spacing=float(source.spacing) * abs(stamp.scale[0]),
        units=stamp.units,
        orders=dict(source.orders),
        anchors=anchors,
        finest_to_label=_cut(model, labels, float(radii[chosen])),
        facts=_facts(facts, moments[radii[chosen]], len(labels), images or [stamp]),
    )


def motif_model_of(signal: BaseSignal, record: store.Record) -> MotifModel:
    """Return the model of a stored result, including later edits."""
    from hyperspy_motifs.models import Anchors, MotifModel, from_bytes

    names = dict(record.names)
    known = None if record.model is None else from_bytes(record.model)
    if known is not None and known.anchors:
        moved = {
            radius: dataclasses.replace(anchors, labels=_as_now(record, radius, anchors.labels))
            for radius, anchors in known.anchors.items()
        }
        return dataclasses.replace(known, names=names, anchors=moved, extensions=_extensions(record, known))
    if (
        known is None
        and record.parameters.get("turned")
        and record.parameters.get("learned", "here") == "model"
    ):
        raise ValueError(
            "These motifs were assigned by a model, and their image was mirrored or transposed since then, which the model "
            "does not follow. Use the model of the original image."
        )
    source = source_of(signal, record)
    # Results of earlier versions hold no model, so it is fitted again.
    model = fitted_model(record, source) if known is None else known.classifier
    radius = float(record.radii[record.chosen])
    moments = source(radius)
    anchors = Anchors.of(
        moments,
        record.layouts[record.chosen],
        model.labels_at_[radius] if known is None else _fitted_labels(record, known),
        record.labels,
        bool(model.rotation_invariant),
    )
    if known is not None:
        return dataclasses.replace(
            known, names=names, anchors={radius: anchors}, extensions=_extensions(record, known)
        )
    return MotifModel(
        classifier=model,
        radius=radius,
        spacing=float(record.parameters["spacing"]),
        units=record.stamp.units,
        orders=dict(source.orders),
        anchors={radius: anchors},
        names=names,
        facts=_facts(
            {**record.parameters, "title": signal.metadata.General.title},
            moments,
            len(record.labels),
            [record.stamp],
        ),
    )


def _extensions(record: store.Record, known: MotifModel) -> tuple[Extension, ...]:
    """Return the later motifs of a model with their numbers after edits by hand."""
    return tuple(
        dataclasses.replace(one, numbers=_as_now(record, known.radius, one.numbers))
        for one in known.extensions
    )


def _fitted_labels(record: store.Record, known: MotifModel) -> np.ndarray:
    """Return the labels (n,) of a stored result before edits by hand."""
    if known.finest_to_label is None:
        return record.radius_labels[record.chosen]
    return np.asarray(known.finest_to_label)[record.radius_labels[-1]]


def _as_now(record: store.Record, radius: float, labels: np.ndarray) -> np.ndarray:
    """Update the labels of anchors after motifs were merged by hand: each takes the current label of most of its atoms."""
    row = int(np.argmin(np.abs(record.radii - radius)))
    if row != record.chosen or np.array_equal(record.radius_labels[row], record.labels):
        return labels
    out = labels.copy()
    for motif in np.unique(labels):
        owners = record.labels[record.radius_labels[row] == motif]
        if len(owners):
            out[labels == motif] = np.bincount(owners).argmax()
    return out


def _cut(model: NestedRadii | ManifoldRegions, labels: np.ndarray, radius: float) -> np.ndarray | None:
    """Return the label of each motif of the largest radius if the tree was cut to a number of motifs, else None."""
    if np.array_equal(labels, model.labels_at_[radius]):
        return None
    finest = np.asarray(model.labels_at_[model.radii_[-1]])
    out = np.zeros(int(finest.max()) + 1, np.int32)
    out[finest] = labels
    return out


def _facts(
    parameters: Mapping[str, Any], moments: Moments, n_atoms: int, stamps: Sequence[store.Stamp]
) -> dict[str, Any]:
    """Return metadata for readers of the file, in JSON types."""
    from hyperspy_motifs import __version__

    noise = moments.noise
    return {
        "options": dict(parameters.get("options", {})),
        "polarity": str(parameters.get("polarity", "auto")),
        "title": str(parameters.get("title", "")),
        "detectors": int(parameters.get("detectors", 1)),
        "continuous": bool(parameters.get("continuous", False)),
        "aligned": bool(parameters.get("aligned", False)),
        **({"length": float(parameters["length"])} if parameters.get("length") else {}),
        "basis": "Zernike, integrated over pixels",
        "noise": {"gain": float(noise.gain), "read_std": float(noise.read_std), "dark": float(noise.dark)},
        "package": __version__,
        "learned_on": {
            "images": len(stamps),
            "atoms": n_atoms,
            "pixel_sizes": sorted({abs(float(one.scale[0])) for one in stamps}),
            "units": ", ".join(sorted({one.units for one in stamps})),
            "date": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
        },
    }


def fitted_model(record: store.Record, source: MomentSource, random_state: int | None = None) -> NestedRadii:
    """Fit the nested radii of a stored result again to its current atoms; `random_state` replaces the seed."""
    from hyperspy_motifs.clustering import CONSTANTS, ManifoldRegions, NestedRadii

    options = record.parameters["options"]
    strategy = ManifoldRegions if record.parameters.get("regions") else NestedRadii
    model = strategy(
        radii=tuple(float(v) for v in record.radii),
        radius=float(record.radii[record.chosen]),
        rotation_invariant=options["rotation_invariant"],
        n_motifs=options["n_motifs"],
        min_motif_size=options["min_motif_size"],
        alpha=options.get("alpha", CONSTANTS.alpha),
        random_state=options["random_state"] if random_state is None else random_state,
    )
    if isinstance(model, ManifoldRegions):
        return model.fit(source, source.neighbours(), source.places())
    return model.fit(source, source.neighbours())
