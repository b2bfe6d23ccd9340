"""The hierarchy as one networkx graph.

:class:`MotifGraph`      nodes and edges of all levels: queries, compositions, GraphML, JSON, tables
:class:`RelationGraph`   what it answers about its nodes
:func:`compare_types`, :class:`TypeComparison`, :class:`Difference`  the types of two graphs side by side
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
