"""Continua: detection, coordinates, topology, disorder and partitions.

=========================  ======================================================================
estimate_continuity        discrete classes or a continuum: Continuity
dimension_profile          local dimension of points at growing scales
Manifold                   coordinates of atoms on a continuum, by alternating diffusion
manifold_features          features for a manifold, from moments: ManifoldFeatures
find_topology              torus, closed surface, plane, ring or interval: Topology
estimate_disorder          distances of atoms to the manifold beyond the noise: ManifoldDisorder
partition_by_extent        groups of points of similar extent, without random numbers
partition_of_min_size      the same, with a smallest number of points in each group
mutual_knn_components      connected components of the mutual nearest-neighbour graph
within_component_variance  variance within these components, as a share of the contrast
=========================  ======================================================================
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
