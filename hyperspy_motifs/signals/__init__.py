"""Signal classes. They validate arguments, call the numerical modules and write metadata.

``AtomicImage``      an atomic-resolution image or a stack of them
``AtomPatches``      one disc per atom (navigation axis: atoms)
``ZernikeFeatures``  the moments of those discs (navigation axis: atoms)
``MotifPanel``       a panel with the parameters of ``find_motifs`` and a preview

Each signal has a lazy variant in a separate module, so that eager use does not import dask.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
