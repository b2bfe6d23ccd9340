"""Figures of the differences between motifs, from a ``ZernikeFeatures`` signal."""

from __future__ import annotations

from typing import Any

import numpy as np

from hyperspy_motifs.draw import plot_explanation as draw_explanation
from hyperspy_motifs.zernike import ZernikeBasis

# Least radius of the picture of a mode in pixels.
_LEAST_RADIUS = 20.0


def plot_explanation(
    features: Any, labels: Any, groups: tuple[int, int], n_modes: int, figure: Any
) -> np.ndarray:
    """See :meth:`hyperspy_motifs.signals.ZernikeFeatures.plot_explanation`."""
    modes = features.modes
    found = features.explain(labels, groups)
    # Smooth functions are drawn finer than the pixels of the image.
    radius = max(float(features.get_moments().radius), _LEAST_RADIUS)
    basis = ZernikeBasis(int(modes[:, 0].max()), radius)
    column = {tuple(mode): k for k, mode in enumerate(basis.modes.tolist())}
    rows = [column[tuple(mode)] for mode in modes.tolist()]
    values, marks = np.asarray(features.data), np.asarray(labels)
    known = np.isfinite(values).all(axis=1)
    first, second = groups
    means = [
        values[known & (marks == first)].mean(axis=0),
        values[known & (marks != first if second == -1 else marks == second)].mean(axis=0),
        found.difference_in_order(),
    ]
    full = np.zeros((3, len(basis.modes)))
    full[:, rows] = means
    outside = ~np.isfinite(_disc(basis))
    pictures = np.where(outside, np.nan, basis.reconstruct(full))
    # The sine and cosine of one (n, |m|) are rotated copies of one mode: their shares are added.
    pairs = np.column_stack([found.modes[:, 0], np.abs(found.modes[:, 1])])
    kinds, index = np.unique(pairs, axis=0, return_inverse=True)
    share = np.bincount(index.ravel(), weights=found.share)
    chosen = np.argsort(-share, kind="stable")[:n_modes]
    functions, titles = [], []
    for kind in chosen:
        n, m = (int(v) for v in kinds[kind])
        alone = np.zeros(len(basis.modes))
        for sign in {m, -m}:
            if (n, sign) in column:
                alone[column[n, sign]] = full[2, column[n, sign]]
        functions.append(np.where(outside, np.nan, np.tensordot(alone, basis.functions, axes=1)))
        titles.append(f"n = {n}, m = {f'±{m}' if m else 0}\n{100 * share[kind]:.0f} %")
    names = [f"motif {first}", "all others" if second == -1 else f"motif {second}", "difference"]
    return draw_explanation(pictures, names, np.array(functions), titles, groups=groups, figure=figure)


def _disc(basis: Any) -> np.ndarray:
    """1 inside the disc, NaN outside."""
    rows, columns = np.indices((basis.size, basis.size)) - basis.size // 2
    return np.where(np.hypot(rows, columns) <= basis.radius + 0.5, 1.0, np.nan)
