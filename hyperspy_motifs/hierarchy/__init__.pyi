from ._hierarchy import Hierarchy as Hierarchy
from ._level import Level as Level
from ._shares import corner_shares as corner_shares
from ._statistics import NeighbourStatistics as NeighbourStatistics
from ._statistics import benjamini_hochberg as benjamini_hochberg
from ._statistics import neighbour_statistics as neighbour_statistics
