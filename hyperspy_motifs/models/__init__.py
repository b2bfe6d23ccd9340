"""Fitted models of motifs, to be applied to other atoms: in this process, in another process, or from a file.

:class:`MotifModel` holds the fitted nested radii, the basis and the layout of the fit, and the names of the motifs.
A model of many images also holds for images that are turned: :class:`AlignedMoments` brings their moments into its frame, by
:func:`find_orientation` and :func:`image_effects`, and :class:`PooledMoments` are those of many images.
:meth:`MotifModel.update` and :meth:`MotifModel.merge` add motifs that a model does not know as an :class:`Extension`.
:meth:`MotifModel.save` and :func:`load_model` store it as arrays, without pickled objects.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
