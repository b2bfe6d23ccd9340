"""The frames of a stack, one after another or on the workers of a cluster, with what is done already kept in a folder.

:func:`run_frames` hands each frame to a function of arrays; with a client of ``dask.distributed`` in place the frames go
to its workers. A :class:`Checkpoint` keeps the result of every frame, so that an interrupted run goes on where it stopped.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
