"""Levels above the cells, and their statistics.

:func:`build_hierarchy`, :class:`HierarchyOptions`  all levels of the structure
:class:`Hierarchy`, :class:`Level`                  the levels as arrays
:func:`find_composites`, :class:`Composites`        classes of cells with a shorter joint description
:func:`describe`, :func:`bits_per_atom`             length of the description; disorder
:class:`LabelledPoints`, :func:`find_lattice`, :class:`Lattice`  translations that map the pattern onto itself
:func:`cell_orientations`, :func:`find_domains`, :func:`atom_domains`  domains and boundaries
:func:`neighbour_statistics`  neighbours more or less often than by chance
:func:`corner_shares`, :func:`polygon_shares`       fractions of atoms that belong to polygons
:func:`compositions`, :func:`formula`               compositions of nodes, and their notation
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
