from ._motif_graph import MotifGraph as MotifGraph
from ._relations import RelationGraph as RelationGraph
from ._type_comparison import Difference as Difference
from ._type_comparison import TypeComparison as TypeComparison
from ._type_comparison import compare_types as compare_types
