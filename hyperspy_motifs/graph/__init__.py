"""The hierarchy as one networkx graph.

:class:`MotifGraph`  nodes and edges of all levels: queries, compositions, GraphML
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
