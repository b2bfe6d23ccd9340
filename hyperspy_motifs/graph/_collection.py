"""Building large graphs without the garbage collector walking them again and again."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def collection_paused() -> Iterator[None]:
    """Pause the cyclic garbage collector; reference counting goes on.

    Hundreds of thousands of dictionaries are made that all stay: looking for cycles among them takes
    as long as making them.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
