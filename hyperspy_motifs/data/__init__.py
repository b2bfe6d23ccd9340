"""Simulated images with their truth.

Incoherent-imaging models of atomic columns, fast and seeded, for tests, examples and teaching. Each function
returns an ``AtomicImage`` and a :class:`Truth`; each ``..._specimen`` gives the columns alone, as arrays,
and :func:`simulate` makes an image of them without HyperSpy.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
