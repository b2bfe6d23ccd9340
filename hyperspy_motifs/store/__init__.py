"""Storage of a result in ``signal.metadata.Motifs``.

Only this package depends on the schema. HyperSpy keeps metadata in every slice and every file, but not attributes of
a signal instance. The result is therefore stored as arrays of one dimension or more, ASCII strings, scalars and one
nested signal. Lists and tuples are avoided, because one of them removes the class of every signal in the same node.

A *stamp* of the image's axes is written with the result. If the axes have changed since,

- the same number of pixels means that the image was calibrated again: pixel positions are kept, and values in axis
units are converted; - another number of pixels means that it was cropped, rebinned or sliced: calibrated positions
are kept, and atoms outside the image are removed.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
