"""What was learned on some atoms, to be applied to others: in this process, in another, or from a file.

:class:`MotifModel` holds fitted nested radii, the basis and the layout they were fitted with, and the names of the motifs;
:func:`save_model` and :func:`load_model` keep it as arrays, without pickled objects.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
