"""The hierarchy as one networkx graph.

:class:`MotifGraph`      nodes and edges of all levels: queries, compositions, GraphML, JSON, tables
:class:`RelationGraph` queries of its nodes
:func:`join_graphs`     graphs of images with one model as one, with a level of images
:func:`compare_types`, :class:`TypeComparison`, :class:`Difference`  comparison of the types of two graphs
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
