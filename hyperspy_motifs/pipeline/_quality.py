"""What was found wrong with an image, and what was done about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from hyperspy_motifs.atoms import LOW_CERTAINTY, band_limit, measure_flyback, nearest_neighbour_distance

from ._clean_image import CleanFrames

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal

    from hyperspy_motifs.models import DiscSource

    from ._atom_table import AtomTable
    from ._model_building import MomentSource

# Jitter of scan lines is reported from this number of pixels on: a column covers several rows, and its position is the mean of
# theirs.
_JITTER = 0.1
# Wander of the scan is reported from this part of the neighbour distance on: less displaces no neighbours that are compared
# (`displaced` of the clustering).
_WANDER = 0.01
# Part of the atoms under patches, and of the field without data, from which on they are told.
_SOME = 0.001
# Second order of reflections of a honeycomb, over the inverse distance of its columns. The first order is alike for bright and
# for dark columns, and for two species and one.
_SECOND_ORDER = 2 / np.sqrt(3)


@dataclass(frozen=True)
class ImageQuality:
    """What was found wrong with an image, as numbers; ``lines()`` has it in words. Of a stack, its first frame with atoms.

    Attributes
    ----------
    no_data : float
        Part of the field without data, that was left out.
    interpolated : int
        Hot and dead pixels and lines, that were interpolated.
    noise_correlation : float
        Standard deviation of the noise over that which neighbouring pixels show; 1 where noise is independent.
    patches : float
        Part of the atoms that lie under soft patches, which were taken off.
    row_offsets : float
        Standard deviation of the offsets of scan lines, which were taken off, over that of the image; 0 where the test finds
        none (:func:`hyperspy_motifs.atoms.measure_scan_lines`).
    row_offsets_left : float
        Estimated standard deviation of what is left of them, over that of the image.
    row_jitter : float
        Standard deviation of the displacement of single scan lines along x, in pixels, which was left; 0 where the test finds
        none.
    row_wander : float
        Standard deviation of the displacement along x of two rows of columns that are a neighbour distance apart, over that
        distance, which was left; 0 where the test finds none (:func:`hyperspy_motifs.atoms.measure_wander`).
    row_jumps : int
        Number of rows from which on all are displaced along x, which was left.
    flyback : float
        Strain along x of the first columns of each row, which was left; negative where they are compressed, 0 where the test
        finds none (:func:`hyperspy_motifs.atoms.measure_flyback`).
    smoothing : float
        Standard deviation, in pixels, of the Gaussian that the image was smoothed with after it was recorded; it was removed.
    band_limit : float
        Frequency above which the image has none, after smoothing was removed, over the inverse nearest-neighbour distance; 0
        where its spectrum ends nowhere sharply (:func:`hyperspy_motifs.atoms.band_limit`).
    rounding : float
        Standard deviation, in pixels, of the displacements of columns that a simulation placed on its pixels; they were undone
        (:func:`hyperspy_motifs.atoms.measure_rounding`). 0 where the test finds none.
    blocks : bool
        Whether the image was compressed in blocks of 8 x 8 pixels, as a JPEG is, which was left.
    oblong : float
        Longer over shorter side of the pixels, which were resampled; 1 for square ones.
    averaged : int
        Pixels a side of the blocks over which the image was averaged; 1 for none.
    separation_certainty, polarity_certainty : float
        0 to 1; 1 where nothing was estimated.
    """

    no_data: float = 0.0
    interpolated: int = 0
    noise_correlation: float = 1.0
    patches: float = 0.0
    row_offsets: float = 0.0
    row_offsets_left: float = 0.0
    row_jitter: float = 0.0
    row_wander: float = 0.0
    row_jumps: int = 0
    flyback: float = 0.0
    smoothing: float = 0.0
    band_limit: float = 0.0
    rounding: float = 0.0
    blocks: bool = False
    oblong: float = 1.0
    averaged: int = 1
    separation_certainty: float = 1.0
    polarity_certainty: float = 1.0

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ImageQuality:
        """From what ``as_dict`` gave; what is not known is left out."""
        known = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})

    def as_dict(self) -> dict[str, float | int]:
        """Names and numbers."""
        return asdict(self)

    @property
    def one_order(self) -> bool:
        """Whether the image has one order of reflections only, as far as its band limit shows."""
        return 0 < self.band_limit < _SECOND_ORDER

    def refusals(self) -> list[str]:
        """What should be looked at before anything else is believed; a sentence each."""
        lines = []
        if max(self.separation_certainty, self.polarity_certainty) < LOW_CERTAINTY:
            lines.append(
                "nothing regular was found: the image shows neither a distance of columns nor whether they are bright or dark "
                f"({self.separation_certainty:.2f} and {self.polarity_certainty:.2f} of 1). Without columns, all that follows "
                "is noise: look at the image, and give separation= if there are columns"
            )
        elif self.separation_certainty < LOW_CERTAINTY:
            lines.append(
                f"the separation of the columns is uncertain ({self.separation_certainty:.2f} of 1): look at the atoms"
            )
        elif self.polarity_certainty < LOW_CERTAINTY:
            lines.append(
                f"whether columns are bright or dark is uncertain ({self.polarity_certainty:.2f} of 1)"
            )
        if self.one_order:
            lines.append(
                f"the image has no frequencies above {self.band_limit:.2g} / neighbour distance, which is one order of "
                "reflections: kinds of columns, and columns between them, may be wrong"
            )
        return lines

    def lines(self) -> list[str]:
        """What was wrong and what was done, a sentence each; empty where nothing was."""
        lines = []
        if self.no_data > _SOME:
            lines.append(f"{_percent(self.no_data)} of the field without data, left out")
        if self.interpolated:
            lines.append(f"{self.interpolated} hot or dead pixels, interpolated")
        if self.noise_correlation > 1:
            lines.append(
                f"noise correlated from pixel to pixel ({self.noise_correlation:.1f} times what neighbours show), taken "
                "as it is"
            )
        if self.patches > _SOME:
            lines.append(f"{_percent(self.patches)} of the atoms under soft patches, taken off")
        if self.row_offsets:
            lines.append(
                f"scan lines with offsets of {self.row_offsets:.2g} of the contrast, taken off but for "
                f"{self.row_offsets_left:.2g}"
            )
        if self.row_jitter > _JITTER:
            lines.append(
                f"scan lines displaced along x by {self.row_jitter:.2g} pixels or more (standard deviation), left"
            )
        if self.row_wander > _WANDER:
            lines.append(
                f"rows of columns displaced along x by {_percent(self.row_wander)} of the neighbour distance or more from one "
                "to the next (standard deviation; the scan wanders), left"
            )
        if self.row_jumps:
            rows = "row" if self.row_jumps == 1 else "rows"
            lines.append(f"scan jumps along x at {self.row_jumps} {rows}, left")
        if self.flyback:
            change = "compressed" if self.flyback < 0 else "stretched"
            lines.append(
                f"first columns of each row {change} by {_percent(abs(self.flyback))} (flyback of the scan), left"
            )
        if self.smoothing:
            lines.append(
                f"smoothed by a Gaussian of {self.smoothing:.2g} pixels after it was recorded, as its noise shows; removed"
            )
        if self.rounding:
            lines.append(
                f"simulated with its columns on whole pixels, which displaces them by {self.rounding:.2g} pixels (standard "
                "deviation); undone for the motifs"
            )
        if self.band_limit and not self.one_order:
            lines.append(
                f"no frequencies above {self.band_limit:.2g} / neighbour distance; columns are fitted as if there were"
            )
        if self.blocks:
            lines.append(
                "compressed in blocks of 8 x 8 pixels (JPEG), left: its noise is not that of the detector"
            )
        if self.oblong > 1:
            lines.append(f"pixels {self.oblong:.3g} times as long as wide, resampled")
        if self.averaged > 1:
            lines.append(f"{self.averaged} x {self.averaged} pixels averaged for the moments")
        return lines


def measure_quality(
    signal: BaseSignal, source: MomentSource | DiscSource, table: AtomTable, clean: CleanFrames
) -> ImageQuality:
    """Quality of the first frame of `signal` that has atoms.

    Parameters
    ----------
    signal : AtomicImage
    source : MomentSource or DiscSource
        Of the atoms; what it prepared is read. A DiscSource is that of the first frame with atoms.
    table : AtomTable
    clean : CleanFrames
        The frames of `signal`.
    """
    from hyperspy_motifs import store
    from hyperspy_motifs.models import DiscSource
    from hyperspy_motifs.zernike import fine_step

    number = int(table.frames[0])
    image = clean(0, number)
    lines, contrast = image.scan_lines, max(float(image.data.std()), 1e-300)
    scales = [abs(float(axis.scale)) for axis in signal.axes_manager.signal_axes]
    prepared = source.prepared()[0] if isinstance(source, DiscSource) else source.prepared(number)
    here = table.pixel_positions[table.frames == number]
    spacing, limit = nearest_neighbour_distance(here), band_limit(image.data)
    return ImageQuality(
        no_data=0.0 if image.missing is None else float(image.missing.mean()),
        interpolated=image.interpolated,
        noise_correlation=1.0 if prepared is None else prepared.noise_correlation(),
        patches=0.0 if prepared is None else prepared.share_of_patches(),
        row_offsets=lines.offset_std / contrast,
        row_offsets_left=lines.offset_error / contrast,
        row_jitter=lines.jitter,
        row_wander=0.0 if prepared is None else float(np.sqrt(prepared.wander / spacing)),
        row_jumps=len(lines.jumps),
        flyback=measure_flyback(here, spacing, image.data.shape[1]),
        smoothing=image.smoothing,
        band_limit=limit * spacing if np.isfinite(limit) else 0.0,
        rounding=0.0 if prepared is None else prepared.rounding.std,
        blocks=image.blocks,
        oblong=max(scales) / min(scales) if store.is_oblong(signal) else 1.0,
        averaged=fine_step(source.spacing),
        separation_certainty=float(table.facts.get("separation_certainty", 1.0)),
        polarity_certainty=float(table.facts.get("polarity_certainty", 1.0)),
    )


def level_rows(signal: BaseSignal) -> BaseSignal:
    """See :meth:`hyperspy_motifs.signals.AtomicImage.level_rows`."""
    from hyperspy_motifs.atoms import fill_no_data, find_no_data, measure_scan_lines

    from ._checks import check_axes

    check_axes(signal)
    data = signal.data.compute() if hasattr(signal.data, "compute") else signal.data
    level = np.array(data, float)
    for image in level.reshape(-1, *level.shape[-2:]):
        missing = find_no_data(image)
        image -= measure_scan_lines(fill_no_data(image, missing.mask, missing.wide)).offsets[:, None]
    out = signal._deepcopy_with_new_data(level)
    out.set_signal_type("atomic_image")
    return out


def _percent(part: float) -> str:
    """A part of 1 in percent, with two digits, and 100 % in full."""
    return f"{100 * part:.2g} %" if part < 0.995 else "100 %"
