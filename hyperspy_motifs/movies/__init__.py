"""What becomes of atoms from frame to frame: which is which, how many there are of a kind, and what turns into what.

Arrays in, arrays out: :func:`link_frames` follows atoms, :func:`count_populations` and :func:`count_transitions` count.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
