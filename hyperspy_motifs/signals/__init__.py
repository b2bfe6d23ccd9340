"""Signal classes: thin, they validate, call the numerics below and write metadata.

``AtomicImage``      an atomic-resolution image or a stack of them: where a user begins
``AtomPatches``      one disc an atom (navigation axis: atoms)
``ZernikeFeatures``  the moments of those discs (navigation axis: atoms)
``AtomTable``        the atoms that were found, as columns
``MotifPanel``       the parameters of ``find_motifs`` on a panel, with a preview

Each signal has a lazy twin in a module of its own, so that eager use does not import dask.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
