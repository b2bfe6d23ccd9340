from ._comparison import Difference as Difference
from ._comparison import TypeComparison as TypeComparison
from ._comparison import compare_types as compare_types
from ._motif_graph import MotifGraph as MotifGraph
from ._relations import RelationGraph as RelationGraph
