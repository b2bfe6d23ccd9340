"""Features of motifs: in units of noise, relaxed step by step, of the mean patches, and their point symmetry."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from hyperspy_motifs.zernike import Moments

    from ._motif_view import MotifView

# A mean patch has a symmetry if its correlation with its copies is at least this value. It is 1 for perfect sites,
# 0.95 or more on real scans, and 0.5 for a site without one of three like neighbours, the smallest common deviation.
LEAST_CORRELATION = 0.85

# Rotation axes of crystals.
_FOLDS = (2, 3, 4, 6)

# In nearest-neighbour distances: the second shell of a honeycomb or a triangular lattice is at 1.73, with half a column.
_SECOND_SHELL = 2.1


def mean_moments(motifs: MotifView) -> tuple[Any, list[int]]:
    """Mean moments of the atoms of each motif, and the motifs of the rows; motifs without complete discs are omitted.

    Atoms of rotation-invariant motifs are first rotated (and mirrored) to the mean of their motif. The first of
    several detectors is used.
    """
    from hyperspy_motifs.zernike import rotate_moments

    moments = motifs.features.of_detector(0).get_moments()
    values = np.asarray(moments.values, dtype=float)
    if motifs.angles is not None:
        values = rotate_moments(values, moments.modes, -np.nan_to_num(motifs.angles))
        mirrored = np.asarray(motifs.to_dict()["motif_mirrored"], dtype=bool)
        # The mean was mirrored (y to -y) before the rotation, which changes the sign of the sines.
        values = np.where(mirrored[:, None] & (moments.modes[:, 1] < 0), -values, values)
    known = [k for k in range(motifs.n_motifs) if (moments.valid & (motifs.labels == k)).any()]
    rows = [np.flatnonzero(moments.valid & (motifs.labels == k)) for k in known]
    noise = np.asarray(moments.noise_std, dtype=float)
    means = replace(
        moments.take(np.array([members[0] for members in rows], dtype=np.intp)),
        values=np.array([values[members].mean(axis=0) for members in rows]),
        # Discs of neighbours overlap, so their noise is not independent.
        noise_std=np.array([np.sqrt((noise[members] ** 2).sum(axis=0)) / len(members) for members in rows]),
    )
    return means, known


Score = tuple[int, float, float, float, float]


def point_groups(moments: Moments) -> tuple[list[str], list[Score]]:
    """Point group of each pattern in Hermann-Mauguin's short form: 1, 2, 3, 4, 6, m, 2mm, 3m, 4mm, 6mm.

    Parameters
    ----------
    moments : Moments
        Of n patterns.

    Returns
    -------
    groups : list of str, length n
    scores : list of tuple, length n
        Order of the rotation axis, or of the one that is nearest to hold, correlation with the rotated copies and its error,
        that with the mirrored copy and its error.
    """
    from hyperspy_motifs.zernike import get_symmetry

    found = get_symmetry(moments, _FOLDS)
    holds: NDArray[np.bool_] = found.scores >= LEAST_CORRELATION
    mirrored = found.mirror >= LEAST_CORRELATION
    groups, scores = [], []
    for k, (folds, mirror) in enumerate(zip(holds, mirrored, strict=True)):
        held = np.flatnonzero(folds)
        column = int(held[-1]) if len(held) else int(np.argmax(found.scores[k]))
        fold = _FOLDS[column] if len(held) else 1
        # Odd folds have one kind of mirror axis, even ones two.
        axes = ("m" if fold % 2 else "mm") if mirror else ""
        groups.append("m" if fold == 1 and mirror else f"{fold}{axes}")
        rotation, rotation_error = float(found.scores[k, column]), float(found.scores_std[k, column])
        mirrors = float(found.mirror[k]), float(found.mirror_std[k])
        scores.append((_FOLDS[column], rotation, rotation_error, *mirrors))
    return groups, scores


def symmetries(motifs: MotifView) -> tuple[list[str], list[Score]]:
    """Point group of the mean of each motif with its scores; an empty string and NaN if no disc of it lies in the image."""
    unknown: tuple[str, Score] = ("", (1, np.nan, np.nan, np.nan, np.nan))
    found: dict[int, tuple[str, Score]] = {}
    if motifs.features.of_detector(0).get_moments().valid.any():
        means, known = mean_moments(motifs)
        found = {k: (group, score) for k, group, score in zip(known, *point_groups(means), strict=True)}
    rows = [found.get(k, unknown) for k in range(motifs.n_motifs)]
    return [group for group, _ in rows], [score for _, score in rows]


def surroundings(motifs: MotifView) -> Any:
    """Mean patch of each motif to the second shell, or to the compared radius where that is larger."""
    from hyperspy_motifs.pipeline import means_of_record, radius_in_pixels

    record = motifs._refresh()
    reach = radius_in_pixels(record, max(motifs.radius, _SECOND_SHELL))
    return motifs._cached("surroundings", lambda: means_of_record(motifs.signal, record, reach))


def noise_units(motifs: MotifView) -> tuple[np.ndarray, np.ndarray]:
    """Features of the chosen radius in units of noise, and the atoms that have them."""
    from hyperspy_motifs.zernike import invariants, whiten

    moments = motifs.features.get_moments()
    known = np.flatnonzero(moments.valid)
    moments = moments.take(known)
    turned = motifs.parameters["options"]["rotation_invariant"]
    values, noise = invariants(moments) if turned else (moments.values, moments.noise_std)
    return whiten(values, noise), known


def relaxation_history(motifs: MotifView, every: int) -> tuple[np.ndarray, np.ndarray]:
    from hyperspy_motifs.relaxation import ForceRelaxedLayout

    if int(every) != every or every < 1:
        raise ValueError(f"every is {every!r}; a whole number of steps from 1 is expected.")
    values, known = noise_units(motifs)
    seed = motifs.parameters["options"]["random_state"]
    history = ForceRelaxedLayout(history=int(every), random_state=seed).fit(values).history_
    return np.asarray(history), known
