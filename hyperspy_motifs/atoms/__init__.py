"""Positions of atomic columns: separation, polarity, detection, sub-pixel refinement."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
