"""Sites: classes of atoms by the positions of their neighbours.

=====================  ======================================================================
Neighbourhoods         positions and indices of the neighbours of every atom
nearest_places         usual places of the nearest neighbours of a group of atoms
distances_from_places  how far the nearest neighbours of atoms are from places
find_sites             sites of atoms by the positions of their neighbours: SiteTemplates
SiteTemplates          templates of the sites, which assign atoms to sites
NeighbourTemplates     positions and kinds of the neighbours, one template for each class
fit_templates          fit of every template to every atom: TemplateFits
density_gap            significance of a gap in density between two groups on a line
choose_patch_centres   peaks or a grid as the centres of patches: PatchCentres
grid_centres           triangular grid over an image
=====================  ======================================================================
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
