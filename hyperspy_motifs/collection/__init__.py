"""Many images, one set of motifs.

===================  ======================================================================
find_motifs          motifs of many images with one model: MotifCollection
open_collection      the collection of images that have such motifs already
MotifCollection      results of the images, counts, comparison of groups, figures, graph
GroupComparison      how often motifs occur in groups of images, tested over images
compare_groups       the same for an array of counts
===================  ======================================================================
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
