"""Storage of a result in ``signal.metadata.Motifs``.

Only this package depends on the schema. HyperSpy keeps metadata in every slice and every file, but not attributes of
a signal instance. The result is therefore stored as arrays of one dimension or more, ASCII strings, scalars and one
nested signal. Lists and tuples are avoided, because one of them removes the class of every signal in the same node.

A *stamp* of the image's axes and a *fingerprint* of its pixels are written with the result. At each reading they are compared
with the present image, and the result moves with its pixels:

- the same pixels on other axes: the image was calibrated again. Positions in pixels stay, lengths are converted;
- a crop, a mirrored image (``isig[::-1]``), a transposed one, or one that was rebinned: calibrated positions stay, atoms
  outside the image are removed, and what depends on directions is turned;
- frames that were taken out, sorted or stacked: each keeps its atoms;
- other pixels: the result is dropped, with a warning. A positive linear change of brightness does not count.

Pixels of lazy images are not read for that: only their axes are compared.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
