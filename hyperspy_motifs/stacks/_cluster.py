"""Frames on the workers of ``dask.distributed``."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Generator, Sequence
from typing import Any

import numba
import numpy as np
from threadpoolctl import threadpool_limits

# Scheduled frames for each thread of a worker: one in computation, one with pixels already sent.
_AHEAD = 2
# A frame during which this many workers failed is not tried again.
_ATTEMPTS = 3


def running_client() -> Any:
    """The current client of ``dask.distributed``, or None."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return distributed.default_client()
    except ValueError:
        return None


def on_one_thread(
    function: Callable[..., Any], images: Sequence[Any], number: int, arguments: tuple[Any, ...]
) -> Any:
    """Compute one frame as a task: frames are processed in parallel, so its kernels use one thread."""
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        with threadpool_limits(limits=1):
            return function([np.asarray(image) for image in images], number, *arguments)
    finally:
        numba.set_num_threads(before)


def on_workers(
    client: Any,
    function: Callable[..., Any],
    images_of: Callable[[int], Sequence[Any]],
    jobs: Sequence[tuple[int, tuple[Any, ...]]],
) -> Generator[tuple[int, Any]]:
    """Yield number and result of every frame on completion; a few frames are scheduled at a time.

    The task of a frame contains all its inputs, so a lost worker costs only the time of its frames.
    """
    from distributed import as_completed
    from distributed.client import FutureCancelledError
    from distributed.scheduler import KilledWorker

    submitted: dict[Any, tuple[int, tuple[Any, ...], int]] = {}

    def submit(job: tuple[int, tuple[Any, ...]], attempt: int) -> Any:
        number, arguments = job
        future = _submit(client, function, images_of(number), number, arguments)
        submitted[future] = (number, arguments, attempt)
        return future

    waiting = iter(jobs)
    threads = max(sum(client.nthreads().values()), 1)
    first = [submit(job, 1) for _, job in zip(range(_AHEAD * threads), waiting, strict=False)]
    running = as_completed(first)
    try:
        for future in running:
            number, arguments, attempt = submitted.pop(future)
            try:
                result = future.result()
            except (KilledWorker, FutureCancelledError):
                if attempt >= _ATTEMPTS:
                    raise
                running.add(submit((number, arguments), attempt + 1))
                continue
            del future
            job = next(waiting, None)
            if job is not None:
                running.add(submit(job, 1))
            yield number, result
    finally:
        _cancel(client, list(submitted))


class RemoteTask:
    """One long task on a worker with priority over waiting frames: it is started here, and its result is requested
    later.

    Parameters
    ----------
    client : distributed.Client
    function, images, number, arguments
        As in :func:`run_frames`, for one call.
    """

    def __init__(
        self,
        client: Any,
        function: Callable[..., Any],
        images: Sequence[Any],
        number: int,
        arguments: tuple[Any, ...],
    ) -> None:
        self._client = client
        self._future = _submit(client, function, images, number, arguments, priority=1)

    def result(self) -> Any:
        """Result of the task, or None if it was lost with its workers."""
        from distributed.client import FutureCancelledError
        from distributed.scheduler import KilledWorker

        try:
            return self._future.result()
        except (KilledWorker, FutureCancelledError):
            return None

    def raise_early(self) -> None:
        """Raise the exception of the task if it has failed."""
        if self._future.status == "error":
            self.result()

    def cancel(self) -> None:
        """Cancel the task."""
        _cancel(self._client, [self._future])


def _cancel(client: Any, futures: list[Any]) -> None:
    """Cancel tasks if the client is still connected; otherwise the error that ended the run is reported."""
    from distributed.client import ClosedClientError

    # A closed client, a lost or unresponsive connection, a closed loop.
    with contextlib.suppress(ClosedClientError, OSError, RuntimeError):
        client.cancel(futures)


def _submit(
    client: Any,
    function: Callable[..., Any],
    images: Sequence[Any],
    number: int,
    arguments: tuple[Any, ...],
    priority: int = 0,
) -> Any:
    import dask

    sendable = [_sendable(image) for image in images]
    task = dask.delayed(on_one_thread, pure=False)(function, sendable, number, arguments)
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"}):
        return client.compute(task, retries=1, priority=priority)


def _sendable(image: Any) -> Any:
    """The dask array itself if a worker can read its file, otherwise its pixels: an open HDF5 file cannot be sent."""
    if not hasattr(image, "dask"):
        return image
    from distributed.protocol.pickle import dumps

    try:
        dumps(image)
    except Exception:  # for any exception of the object of the file, the pixels can be sent
        return np.asarray(image.compute(scheduler="synchronous"))
    return image
