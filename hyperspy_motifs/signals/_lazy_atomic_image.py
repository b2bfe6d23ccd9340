from hyperspy.signals import LazySignal2D

from ._atomic_image import AtomicImage


class LazyAtomicImage(LazySignal2D, AtomicImage):
    """AtomicImage whose data are a dask array: data are read on demand."""
