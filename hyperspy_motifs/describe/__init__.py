"""What the motifs are, in words and numbers that a person can check.

``MotifDescription``, ``Descriptions``   facts of each motif, printed as a paragraph
``find_shell``, ``compare_brightness``, ``describe_place``, ``separate``   the facts, as functions of arrays
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
