"""The table of the atoms of an image, and how the atoms of one frame are found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hyperspy_motifs import atoms as finding
from hyperspy_motifs.exchange import AtomColumns
from hyperspy_motifs.occupancy import complete

from ._clean_image import CleanImage, clean_image, prepare_image


@dataclass(frozen=True)
class AtomTable(AtomColumns):
    """The atoms of an image, one row each.

    Used as an array it is its positions, so it can be given to any function that takes an (n, 2) array, and to
    ``find_motifs(atoms=...)``.

    Attributes
    ----------
    positions : numpy.ndarray of shape (n, 2)
        x, y in axis units.
    pixel_positions : numpy.ndarray of shape (n, 2)
        Column, row in pixels, pixel centres at integers.
    frames : numpy.ndarray of shape (n,)
        Flat index of the frame (C order of the navigation shape); 0 for a single image.
    columns : dict of str to numpy.ndarray
        Results of the refinement for each atom: ``amplitude`` and ``background`` (units of the image), ``sigma`` and
        ``uncertainty`` (n, 2; axis units), ``ellipticity``, ``angle`` (radians, from x towards y), ``fitted``
        (False where the fit failed and the centre of mass is used).
    facts : dict
        Estimated values: ``separation`` (axis units), ``separation_certainty``, ``polarity``,
        ``polarity_certainty``, ``edited`` (True once atoms were added or removed manually).
    units : str
    sites : dict of str to numpy.ndarray
        Columns of the sites, occupied or empty, as in the stored result; empty if they were not looked for.
    """

    positions: np.ndarray
    pixel_positions: np.ndarray
    frames: np.ndarray
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    units: str = "px"
    sites: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.positions)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.positions, dtype=dtype, copy=copy)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("columns", "facts", "sites"):
            raise AttributeError(name)
        for source in (self.columns, self.facts):
            if name in source:
                return source[name]
        raise AttributeError(
            f"AtomTable has no column '{name}'; it has {sorted(self.columns)} and {sorted(self.facts)}."
        )

    def __repr__(self) -> str:
        text = f"<AtomTable: {len(self)} atoms"
        if "separation" in self.facts:
            text += f", separation {self.facts['separation']:.4g} {self.units}"
        if "polarity" in self.facts:
            text += f", {self.facts['polarity']} columns"
        if "fitted" in self.columns:
            failed = int((~np.asarray(self.columns["fitted"], bool)).sum())
            text += f", {failed} by centre of mass" if failed else ""
        return text + ">"

    def to_dict(self) -> dict[str, np.ndarray]:
        """Plain one-dimensional columns, ready for ``pandas.DataFrame`` or a CSV file."""
        from hyperspy_motifs.exchange import flat_columns

        out = {"x": self.positions[:, 0], "y": self.positions[:, 1], "frame": self.frames}
        return out | flat_columns(self.columns)


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
