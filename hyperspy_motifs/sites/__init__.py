"""Sites: classes of atoms by the places of their neighbours.

=====================  =====================================================================
Neighbourhoods         the neighbours of every atom
NeighbourTemplates     usual places of the neighbours of classes of atoms
fit_templates          lay templates onto the neighbours of atoms
find_sites             classes of atoms by the places of their neighbours: SiteTemplates
density_gap            how significant a gap is between two groups on a line
choose_patch_centres   places of an image without resolved atoms: PatchCentres
grid_centres           a grid of places
=====================  =====================================================================
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
