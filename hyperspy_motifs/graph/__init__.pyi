from ._motif_graph import MotifGraph as MotifGraph
