"""Building large graphs without repeated garbage collection."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def collection_paused() -> Iterator[None]:
    """Pause the cyclic garbage collector; reference counting continues.

    Hundreds of thousands of permanent dictionaries are created: the search for cycles among them takes as long as
    their creation.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
