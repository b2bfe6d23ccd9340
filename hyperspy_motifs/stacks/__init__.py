"""Processing of the frames of a stack, locally or on the workers of a cluster, with results stored in a folder.

:func:`run_frames` passes each frame to a function of arrays; if a client of ``dask.distributed`` exists, its workers
process the frames. A :class:`Checkpoint` stores the result of every frame, so that an interrupted run can continue.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
