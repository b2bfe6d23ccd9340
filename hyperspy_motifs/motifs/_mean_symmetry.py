"""Moments of the mean patch of each motif, and its point symmetry."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

# A mean patch has a symmetry if its correlation with its copies is at least this value. It is 1 for perfect sites,
# 0.95 or more on real scans, and 0.5 for a site without one of three like neighbours, the smallest common deviation.
LEAST_CORRELATION = 0.85

_FOLDS = (2, 3, 4, 6)


def mean_moments(motifs: Any) -> tuple[Any, list[int]]:
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


def point_groups(moments: Any) -> list[str]:
    """Point group of each pattern in Hermann-Mauguin's short form: 1, 2, 3, 4, 6, m, 2mm, 3m, 4mm, 6mm.

    Parameters
    ----------
    moments : Moments
        Of n patterns.

    Returns
    -------
    list of str, length n
    """
    from hyperspy_motifs.zernike import get_symmetry

    found = get_symmetry(moments, _FOLDS)
    holds: NDArray[np.bool_] = found.scores >= LEAST_CORRELATION
    mirrored = found.mirror >= LEAST_CORRELATION
    groups = []
    for folds, mirror in zip(holds, mirrored, strict=True):
        fold = max((n for n, there in zip(_FOLDS, folds, strict=True) if there), default=1)
        # Odd folds have one kind of mirror axis, even ones two.
        axes = ("m" if fold % 2 else "mm") if mirror else ""
        groups.append("m" if fold == 1 and mirror else f"{fold}{axes}")
    return groups


def symmetries(motifs: Any) -> list[str]:
    """Point group of the mean of each motif; an empty string if no disc of it lies in the image."""
    means, known = mean_moments(motifs)
    groups = dict(zip(known, point_groups(means), strict=True))
    return [groups.get(k, "") for k in range(motifs.n_motifs)]
