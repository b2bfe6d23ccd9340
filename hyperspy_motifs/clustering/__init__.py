"""Motifs from features and layout.

===================  ======================================================================
NestedRadii          motifs at radii of growing size, and their environments, as one tree
RADII                default radii in nearest-neighbour distances
ManifoldRegions      regions of a continuum, behind the same interface
MotifClustering      scikit-learn clusterer: features to groups that differ significantly
split_evidence       one group or two: the logarithm of an e-value
MotifMixture         the model of motifs: means, one scatter, noise of each atom, outliers
brightness_of        brightness of an image in units of known ones: Brightness
Sublattices          which kinds replace one another, and where places are vacant
MotifTree            how motifs divide, over radii and granularities; cuts into any number
density_clusters     leaves of the density tree of a layout
estimate_stability   agreement of motifs over random numbers: Stability
by_frequency         renumber labels, 0 the most frequent
turned_motifs        motifs that are copies of another one, rotated or mirrored: TurnedMotif
to_state             a fitted model as named arrays
from_state           the model of such arrays
MIN_MOTIF_SIZE       the fewest atoms that a motif may have
===================  ======================================================================
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
