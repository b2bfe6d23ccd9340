"""Motifs from features and layout.

===================  ======================================================================
NestedRadii          motifs at growing radii, as one tree
RADII                the default radii in nearest-neighbour distances
Neighbourhoods       where the neighbours of every atom are
find_sites           classes of atoms by the places of their neighbours, whatever these are: SiteTemplates
MotifClustering      scikit-learn clusterer: features to groups that differ by more than noise
MotifTree            how motifs split, over radii and granularities; cuts into any number
density_clusters     leaves of the density tree of a layout
density_gap          how significant a gap in density between two groups on a line is
estimate_continuity  discrete classes or a continuum
partition_manifold   regions in the place of motifs, on a continuum
Manifold             coordinates of atoms on a continuum
by_frequency         renumber labels, 0 the most frequent
MIN_MOTIF_SIZE       fewest atoms of a motif
===================  ======================================================================
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
