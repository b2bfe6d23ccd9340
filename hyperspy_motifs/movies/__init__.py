"""Atoms of a stack in time: tracking, populations and transitions.

The functions use plain arrays: :func:`link_frames` tracks atoms, :func:`count_populations` and
:func:`count_transitions` count. :class:`FollowedUnits` are the atoms, sites, cells or defects of all frames with their births,
deaths and changes.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
