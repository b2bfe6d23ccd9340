from typing import Any

from hyperspy.signals import LazySignal1D

from ._zernike_features import ZernikeFeatures


class LazyZernikeFeatures(LazySignal1D, ZernikeFeatures):
    """ZernikeFeatures whose data are a dask array: data are read on demand."""

    # HyperSpy's lazy decomposition precedes that of ZernikeFeatures in the method resolution order.
    def decomposition(self, *args: Any, **kwargs: Any) -> Any:
        """HyperSpy's lazy decomposition; atoms without moments (too near the border) are masked.

        Parameters
        ----------
        *args, **kwargs
            As of HyperSpy's lazy signals; ``navigation_mask`` by name.

        Returns
        -------
        object
            None, or what HyperSpy returns.
        """
        return super().decomposition(*args, **self._without_unknown(kwargs))
