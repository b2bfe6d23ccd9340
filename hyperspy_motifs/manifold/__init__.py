"""Continua: neighbourhoods that change without a step.

=========================  =================================================================
estimate_continuity        discrete classes or a continuum: Continuity
dimension_profile          local dimension at growing scales
Manifold                   coordinates of atoms on a continuum
manifold_features          features for the manifold: ManifoldFeatures
estimate_disorder          distance of atoms from the manifold: ManifoldDisorder
find_topology              components and loops of a continuum: Topology
mutual_knn_components      components of the graph of mutual nearest neighbours
within_component_variance  variance within these components
partition_by_extent        parts of like extent
partition_of_min_size      the same, of a least number of points each
=========================  =================================================================
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
