from ._density import density_clusters as density_clusters
from ._nested import LENSES as LENSES
from ._nested import NestedLenses as NestedLenses
from ._tree import MotifTree as MotifTree
from ._tree import by_frequency as by_frequency
from ._continuity import Continuity as Continuity
from ._continuity import dimension_profile as dimension_profile
from ._continuity import estimate_continuity as estimate_continuity
from ._manifold import MANIFOLD_LENS as MANIFOLD_LENS
from ._manifold import MANIFOLD_N_MAX as MANIFOLD_N_MAX
from ._manifold import Manifold as Manifold
from ._manifold import ManifoldFeatures as ManifoldFeatures
from ._manifold import manifold_features as manifold_features
from ._topology import Topology as Topology
from ._topology import find_topology as find_topology

__all__ = ["NestedLenses", "LENSES", "MotifTree", "by_frequency", "density_clusters", "Continuity", "dimension_profile", "estimate_continuity", "MANIFOLD_LENS", "MANIFOLD_N_MAX", "Manifold", "ManifoldFeatures", "manifold_features", "Topology", "find_topology"]
