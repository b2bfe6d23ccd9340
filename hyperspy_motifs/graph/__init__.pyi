from ._files import written_whole as written_whole
from ._joining import join_graphs as join_graphs
from ._motif_graph import MotifGraph as MotifGraph
from ._relations import Difference as Difference
from ._relations import RelationGraph as RelationGraph
from ._relations import TypeComparison as TypeComparison
from ._relations import compare_types as compare_types
from ._schema import class_kind as class_kind
