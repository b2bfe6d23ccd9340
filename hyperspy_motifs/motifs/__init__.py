"""``Motifs``: the result for users, a view of the metadata of its image.

``Motifs``   atoms, labels, radii, cells, graph
``MotifPlots``, ``MotifEdits``, ``MotifExports``, ``MotifMovie``   ``motifs.plot``, ``.edit``, ``.export``, ``.movie``
``MotifsAtRadius``, ``ManifoldView``   ``motifs.at(radius)``, ``motifs.manifold``
``ExplorerState``   what an explorer shows, selects and edits, for any view
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
