"""Levels above the cells, and their statistics.

:func:`build_hierarchy`, :class:`HierarchyOptions`  all levels, as far as the structure has any
:class:`Hierarchy`, :class:`Level`                  the levels as arrays
:func:`vertex_figures`, :func:`figure_name`         the cells round each atom
:func:`find_composites`, :class:`Composites`        classes of cells that are described more briefly together
:func:`describe`, :func:`bits_per_atom`             length of the description; disorder as one number
:class:`LabelledPoints`, :func:`find_lattice`, :class:`Lattice`  translations that map the pattern onto itself
:func:`cell_orientations`, :func:`find_domains`, :func:`atom_domains`  domains and boundaries
:func:`neighbour_statistics`, :func:`benjamini_hochberg`  neighbours more or less often than by chance
:func:`corner_shares`, :func:`polygon_shares`       how much of an atom belongs to which polygon
:func:`compositions`, :func:`formula`               what nodes are made of, and how it is written
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
