from __future__ import annotations

from typing import Any

import numpy as np
from hyperspy.signals import Signal1D


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
