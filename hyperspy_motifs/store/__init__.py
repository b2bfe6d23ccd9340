"""How a result lies in ``signal.metadata.Motifs``, and nothing else.

This package alone knows that schema. HyperSpy copies metadata through every slice and every file, and drops whatever
lies on a signal instance, so the result lives there as arrays of one dimension or more, ASCII strings, scalars and one
nested signal. Lists and tuples are kept out: one of them makes HyperSpy forget the class of every signal next to it.

A *stamp* of the image's axes is written with the result. Where the axes have changed since,

- the same number of pixels means that the image was calibrated again: pixel positions are the truth, and are converted;
- another number of pixels means that it was cropped, rebinned or sliced: calibrated positions are the truth, and the
  atoms that no longer lie in the image are left out.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
