from hyperspy.signals import LazySignal2D

from ._atom_patches import AtomPatches


class LazyAtomPatches(LazySignal2D, AtomPatches):
    """AtomPatches whose data are a dask array: data are read on demand."""
