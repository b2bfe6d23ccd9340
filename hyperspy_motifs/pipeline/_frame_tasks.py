"""Tasks for one frame of a stack: functions of arrays that any process can run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hyperspy_motifs import atoms as finding
from hyperspy_motifs.occupancy import complete

from ._clean_image import CleanImage, clean_image, prepare_image

COLUMNS = ("amplitude", "sigma", "ellipticity", "angle", "background", "uncertainty", "fitted")
SITE_COLUMNS = (
    "positions", "uncertainty", "atoms", "probability", "amplitude", "amplitude_uncertainty", "expected_amplitude", "twins",
)  # fmt: skip
FACTS = ("separation", "separation_certainty", "polarity_certainty")


def find_atoms_of_frame(
    images: Sequence[np.ndarray],
    number: int,
    where: str,
    separation: float | None,
    options: Mapping[str, Any],
    clean: CleanImage | None = None,
    with_sites: bool = False,
) -> dict[str, np.ndarray]:
    """Atoms of one frame in pixels; `where` is its name in messages, `clean` the frame if it was prepared before.

    With sites the atoms are completed by what repeats, and the columns of :class:`~hyperspy_motifs.occupancy.SiteTable` are
    returned as well, by names with ``site_`` before them.
    """
    clean = prepare_image(images[0], where) if clean is None else clean
    one = finding.find_atoms(clean.data, separation=separation, mask=clean.missing, **options)
    sites = None
    if with_sites:
        refine = options.get("refine", True) in (True, "gaussian")
        one, sites = complete(clean.data, one, mask=clean.missing, refine=refine)
    rows, columns = clean.data.shape
    kept = np.all((one.positions >= -0.5) & (one.positions < np.array([columns, rows]) - 0.5), axis=1)
    out = {"positions": one.positions[kept]}
    out |= {name: np.asarray(getattr(one, name))[kept] for name in COLUMNS}
    out |= {name: np.array(float(getattr(one, name))) for name in FACTS}
    out["bright"] = np.array(one.polarity == "bright")
    if sites is not None:
        sites = sites.with_atoms(kept)
        out |= {f"site_{name}": getattr(sites, name) for name in SITE_COLUMNS}
    return out


def predict_frame(
    images: Sequence[np.ndarray],
    number: int,
    pixels: np.ndarray,
    scale: float,
    motif_model: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Motifs of the atoms of one frame by a model in the form of arrays; `scale` is the size of a pixel."""
    from hyperspy_motifs.models import DiscSource, from_arrays

    known = from_arrays(motif_model)
    clean, masks = zip(*(clean_image(image, tell=False) for image in images), strict=True)
    source = DiscSource(clean, pixels, known.spacing / scale, known.orders, masks)
    found = known.predict(source)
    return {
        "labels": found.labels,
        "probabilities": found.probabilities.astype(np.float32),
        "outlier_score": found.outlier_score.astype(np.float32),
        "radius_labels": found.radius_labels,
        "radius_probabilities": found.radius_probabilities.astype(np.float32),
        "layouts": found.layouts,
    }
