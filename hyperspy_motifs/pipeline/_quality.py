"""Measure what was found wrong with an image, and level its scan lines."""

from __future__ import annotations

from typing import Any

import numpy as np

from hyperspy_motifs.signals import ImageQuality

from ._clean_image import CleanFrames


def measure_quality(signal: Any, source: Any, table: Any, clean: CleanFrames) -> ImageQuality:
    """Quality of the first frame of `signal` that has atoms.

    Parameters
    ----------
    signal : AtomicImage
    source : MomentSource
        Of the atoms; what it prepared is read.
    table : AtomTable
    clean : CleanFrames
        The frames of `signal`.
    """
    from hyperspy_motifs import store
    from hyperspy_motifs.zernike import fine_step

    number = int(table.frames[0])
    image = clean(0, number)
    lines, contrast = image.scan_lines, max(float(image.data.std()), 1e-300)
    scales = [abs(float(axis.scale)) for axis in signal.axes_manager.signal_axes]
    prepared = source.prepared(number)
    return ImageQuality(
        no_data=0.0 if image.missing is None else float(image.missing.mean()),
        interpolated=image.interpolated,
        noise_correlation=1.0 if prepared is None else prepared.noise_correlation(),
        patches=0.0 if prepared is None else prepared.share_of_patches(),
        row_offsets=lines.offset_std / contrast,
        row_offsets_left=lines.offset_error / contrast,
        row_jitter=lines.jitter,
        smoothing=image.smoothing,
        oblong=max(scales) / min(scales) if store.is_oblong(signal) else 1.0,
        averaged=fine_step(source.spacing),
        separation_certainty=float(table.facts.get("separation_certainty", 1.0)),
        polarity_certainty=float(table.facts.get("polarity_certainty", 1.0)),
    )


def level_rows(signal: Any) -> Any:
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
