from hyperspy.signals import LazySignal1D

from ._zernike_features import ZernikeFeatures


class LazyZernikeFeatures(LazySignal1D, ZernikeFeatures):
    """ZernikeFeatures whose data are a dask array: nothing is read before it is needed."""
