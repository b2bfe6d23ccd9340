"""What the columns of an image are, from candidate structures; functions on arrays, lengths in ångström.

==========================  ======================================================================
project                     a crystal along a zone axis: ProjectedCell, its columns
find_orientations           orientations in which it fits the points of a field: Orientation
register                    every point as a column of it: Registration
lattice_indices             the unit cell of every point
fit_levels                  brightness by composition, with the error of the law: Levels
candidates_of               compositions that a column may have: Candidate
compositions_by_brightness  the probability of each
EmptyPlaces                 places at which it has a column and the image none
fit_structure               the fit of one structure to one field: StructureFit
identify_columns            the names of a field from several structures: Identification
build_model                 atoms in three dimensions
read_crystal                a structure from ASE, pymatgen, a file or a name
==========================  ======================================================================
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
