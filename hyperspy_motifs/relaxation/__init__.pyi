from ._graph import fuzzy_weights as fuzzy_weights
from ._graph import neighbour_graph as neighbour_graph
from ._layout import ForceRelaxedLayout as ForceRelaxedLayout
from ._neighbours import nearest_neighbours as nearest_neighbours
from ._stages import STAGES as STAGES
from ._stages import Relaxation as Relaxation
from ._stages import Stage as Stage
from ._stages import relax_layout as relax_layout

__all__ = [
    "ForceRelaxedLayout",
    "relax_layout",
    "Relaxation",
    "Stage",
    "STAGES",
    "nearest_neighbours",
    "neighbour_graph",
    "fuzzy_weights",
]
