"""Levels above the cells, and their statistics.

:class:`Hierarchy`, :class:`Level`   the levels as arrays
:func:`neighbour_statistics`         which classes are neighbours more or less often than by chance
:func:`benjamini_hochberg`           p-values to false discovery rates
:func:`corner_shares`                how much of an atom belongs to which polygon
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
