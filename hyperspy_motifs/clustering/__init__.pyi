from ._density import density_clusters as density_clusters
from ._nested import LENSES as LENSES
from ._nested import NestedLenses as NestedLenses
from ._tree import MotifTree as MotifTree
from ._tree import by_frequency as by_frequency

__all__ = ["NestedLenses", "LENSES", "MotifTree", "by_frequency", "density_clusters"]
