"""The force-relaxed layout.

===================  ======================================================================
ForceRelaxedLayout   scikit-learn transformer: features to a two-stage relaxed layout
relax_layout         the two stages on a given graph and start
Stage                exponents, strengths and length of one stage
nearest_neighbours   k nearest neighbours of every point, exact or by a forest of random splits
neighbour_graph      fuzzy-weighted symmetric neighbour graph (CSR)
===================  ======================================================================
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
