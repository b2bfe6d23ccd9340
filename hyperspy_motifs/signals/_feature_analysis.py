"""Features: slices, analysis and pictures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from hyperspy.signals import Signal1D

from hyperspy_motifs.draw import plot_explanation as draw_explanation
from hyperspy_motifs.zernike import ZernikeBasis

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def slice_node(features: Any, node: Any, slices: Any, rows: bool) -> None:
    """Reduce `node` to the rows (or columns) of `features` that HyperSpy's `slices` keep."""
    axes = features.axes_manager
    axis = axes.navigation_axes[0] if rows else axes.signal_axes[0]
    if axis.size != len(features.atoms if rows else features.modes):
        return  # transposed or stacked: the axis is no longer that of the atoms (or modes)
    # HyperSpy slices by number, by calibrated value and by ROI: a signal of the numbers is sliced in the same way.
    numbers = Signal1D(np.arange(axis.size), axes=[{**axis.get_axis_dictionary(), "navigate": False}])
    kept = np.atleast_1d(numbers.isig[slices].data)
    noise = features.noise_std
    if not rows:
        modes = features.modes[kept]
        facts = json.loads(node.get_item("facts"))
        node.set_item("modes", modes)
        node.set_item("facts", json.dumps({**facts, "n_max": int(modes[:, 0].max())}))
        node.set_item("noise_std", noise[..., kept])
        if node.has_item("unit"):
            node.set_item("unit", np.asarray(node.get_item("unit"))[kept])
        return
    node.set_item("atoms", features.atoms[kept])
    if noise.ndim == 2:
        node.set_item("noise_std", noise[kept])


class FeatureAnalysis(Signal1D):
    """HyperSpy's analyses of features with missing rows, which are masked."""

    def _unknown(self) -> np.ndarray:
        """Atoms without moments, whose disc lies outside the image to a large part, shape (n,)."""
        return ~np.isfinite(np.asarray(self.data)).all(axis=-1)

    def _without_unknown(self, options: dict[str, Any]) -> dict[str, Any]:
        """`options` of an analysis of HyperSpy with a mask of the atoms without moments."""
        unknown = self._unknown()
        if unknown.ndim and unknown.any():
            mask = options.get("navigation_mask")
            given = False if mask is None else np.asarray(getattr(mask, "data", mask), dtype=bool)
            return {**options, "navigation_mask": unknown | given}
        return options

    def decomposition(self, *args: Any, **kwargs: Any) -> Any:
        """HyperSpy's decomposition; atoms without moments (too near the border) are masked.

        Parameters
        ----------
        *args, **kwargs
            As of :meth:`hyperspy.api.signals.BaseSignal.decomposition`; ``navigation_mask`` by name.

        Returns
        -------
        object
            None, or what HyperSpy returns with ``return_info=True``.
        """
        return super().decomposition(*args, **self._without_unknown(kwargs))

    def cluster_analysis(self, *args: Any, **kwargs: Any) -> Any:
        """HyperSpy's cluster analysis; atoms without moments (too near the border) are masked.

        Parameters
        ----------
        *args, **kwargs
            As of :meth:`hyperspy.api.signals.BaseSignal.cluster_analysis`; ``navigation_mask`` by name.

        Returns
        -------
        object
            None, or what HyperSpy returns with ``return_info=True``.
        """
        return super().cluster_analysis(*args, **self._without_unknown(kwargs))

    def estimate_number_of_clusters(self, *args: Any, **kwargs: Any) -> Any:
        """HyperSpy's estimate of the number of clusters; atoms without moments (too near the border) are masked.

        Parameters
        ----------
        *args, **kwargs
            As of :meth:`hyperspy.api.signals.BaseSignal.estimate_number_of_clusters`; ``navigation_mask`` by name.

        Returns
        -------
        int
            The best number according to HyperSpy.
        """
        return super().estimate_number_of_clusters(*args, **self._without_unknown(kwargs))


# Least radius of the picture of a mode in pixels.
_LEAST_RADIUS = 20.0


def plot_explanation(
    features: Any, labels: Any, groups: tuple[int, int], n_modes: int, figure: Figure | None
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
