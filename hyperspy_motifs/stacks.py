"""Processing of the frames of a stack, locally or on the workers of a cluster, with results stored in a folder.

:func:`run_frames` passes each frame to a function of arrays; if a client of ``dask.distributed`` exists, its workers
process the frames. A :class:`Checkpoint` stores the result of every frame, so that an interrupted run can continue.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from distributed import Client
    from numpy.typing import ArrayLike

__all__ = [
    "Checkpoint",
    "FrameSample",
    "RemoteTask",
    "frames_as_completed",
    "once_on_workers",
    "run_frames",
    "running_client",
    "sample_of_frames",
    "spread_order",
]

# Scheduled frames for each thread of a worker: one in computation, one with pixels already sent.
_AHEAD = 2
# A frame during which this many workers failed is not tried again.
_ATTEMPTS = 3


def running_client() -> Client | None:
    """The current client of ``dask.distributed``, or None."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return distributed.default_client()
    except ValueError:
        return None


def on_one_thread(
    function: Callable[..., object], images: Sequence[ArrayLike], number: int, arguments: tuple[object, ...]
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
    client: Client,
    function: Callable[..., object],
    images_of: Callable[[int], Sequence[ArrayLike]],
    jobs: Iterable[tuple[int, tuple[object, ...]]],
    unread: Callable[[int, object], object] | None = None,
) -> Generator[tuple[int, Any]]:
    """Yield number and result of every frame on completion; a few frames are scheduled at a time.

    The task of a frame contains all its inputs, so a lost worker costs only the time of its frames. With `unread`, workers
    continue when the generator is closed, until each thread has computed as many frames as were read; `unread` gets the number
    and the future of each, which may be an argument of other tasks.
    """
    from distributed import as_completed
    from distributed.client import FutureCancelledError
    from distributed.scheduler import KilledWorker

    submitted: dict[object, tuple[int, tuple[object, ...], int]] = {}

    def submit(job: tuple[int, tuple[object, ...]], attempt: int) -> Any:
        number, arguments = job
        future = _submit(client, function, images_of(number), number, arguments)
        submitted[future] = (number, arguments, attempt)
        return future

    waiting = iter(jobs)
    threads = max(sum(client.nthreads().values()), 1)
    first = [submit(job, 1) for _, job in zip(range(_AHEAD * threads), waiting, strict=False)]
    running, n_read = as_completed(first), 0
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
            n_read += 1
            yield number, result
    except GeneratorExit:
        if unread is not None:
            more = max(n_read * threads - len(submitted), 0)
            for _, job in zip(range(more), waiting, strict=False):
                submit(job, 1)
            for future, (number, _, _) in submitted.items():
                unread(number, future)
            submitted.clear()
        raise
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
        client: Client,
        function: Callable[..., object],
        images: Sequence[ArrayLike],
        number: int,
        arguments: tuple[object, ...],
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


@contextlib.contextmanager
def once_on_workers(value: object) -> Generator[object]:
    """Give a value that is an argument of many tasks: with a client a future, so that it is sent once and not with each task.

    It is the result of a task, which is computed again if the workers that hold it are lost.
    """
    client = running_client()
    if client is None:
        yield value
        return
    future = client.submit(_same, value, pure=False)
    try:
        yield future
    finally:
        _cancel(client, [future])


def _same(value: object) -> object:
    return value


def _cancel(client: Client, futures: list[object]) -> None:
    """Cancel tasks if the client is still connected; otherwise the error that ended the run is reported."""
    from distributed.client import ClosedClientError

    # A closed client, a lost or unresponsive connection, a closed loop.
    with contextlib.suppress(ClosedClientError, OSError, RuntimeError):
        client.cancel(futures)


def _submit(
    client: Client,
    function: Callable[..., object],
    images: Sequence[ArrayLike],
    number: int,
    arguments: tuple[object, ...],
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


#: File with the arguments of a run.
RUN = "run.json"
# Version of the content of the files and of the choice of the sample. It increases with every incompatible change,
# because the version of the package changes only with releases.
_FORMAT = 2


class Checkpoint:
    """A folder with one file for every completed step and frame.

    One ``.npz`` per frame is used instead of one growing file: frames have different numbers of atoms and may be
    completed in any order, and a file that is written by renaming is always complete on any file system.

    Parameters
    ----------
    folder : path
        Created if it does not exist.
    run : mapping
        Arguments and data of the run, in types of JSON and NumPy's scalars: a folder of another run is rejected.
    argument : str
        Name of the argument that gives the folder, for messages.

    Raises
    ------
    ValueError
        If the folder contains results of another run, or of an incompatible version of the package.
    """

    def __init__(
        self, folder: str | os.PathLike[str], run: Mapping[str, object], argument: str = "checkpoint"
    ) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"format": _FORMAT, **run}, sort_keys=True, indent=1, default=np.generic.item)
        path = self.folder / RUN
        if path.exists():
            before, now = json.loads(path.read_text(encoding="utf-8")), json.loads(text)
            if before.get("format") != _FORMAT:
                raise ValueError(
                    f"The folder {self.folder} was written by another version of this package, and this version cannot "
                    f"continue its results. Use another folder for {argument}=, or delete this one."
                )
            if before != now:
                differ = sorted(k for k in {*before, *now} if before.get(k) != now.get(k))
                raise ValueError(
                    f"The folder {self.folder} contains results of another run ({', '.join(differ)} differ). Use "
                    f"another folder for {argument}=, or delete this one."
                )
        else:
            if any(self.folder.glob("*.npz")):
                raise ValueError(
                    f"The folder {self.folder} contains other files. Use an empty folder for {argument}=."
                )
            self._put(path, lambda partial: partial.write_text(text, encoding="utf-8"))

    def path(self, step: str, number: int) -> Path:
        """File of one step and frame."""
        return self.folder / f"{step}_{number:06d}.npz"

    def load(self, step: str, number: int) -> dict[str, np.ndarray] | None:
        """The result of a step on a frame, or None."""
        path = self.path(step, number)
        if not path.exists():
            return None
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}

    def save(self, step: str, number: int, result: Mapping[str, np.ndarray]) -> None:
        """Store the result of a step on a frame."""

        def write(partial: Path) -> None:
            with open(partial, "wb") as file:
                np.savez(file, **result)  # type: ignore[arg-type]

        self._put(self.path(step, number), write)

    def _put(self, path: Path, write: Callable[[Path], object]) -> None:
        partial = path.with_name(f".{path.name}.partial")
        try:
            write(partial)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)


def spread_order(n: int) -> NDArray[np.int64]:
    """Return the numbers 0 to n - 1 in an order in which every initial part is evenly distributed.

    Van der Corput's sequence, the binary digits of 0, 1, 2... in reverse behind the point: the gaps of an initial
    part differ by at most a factor of two, apart from rounding.

    Examples
    --------
    >>> spread_order(8).tolist()
    [0, 4, 2, 6, 1, 5, 3, 7]
    """
    digits = max(int(n) - 1, 0).bit_length()
    numbers = np.arange(2**digits)
    places = np.zeros(len(numbers), np.int64)
    for _ in range(digits):
        places, numbers = 2 * places + numbers % 2, numbers // 2
    frames = places * n >> digits
    # The sequence has a first element even without frames.
    return frames[np.sort(np.unique(frames, return_index=True)[1])][:n]


class FrameSample:
    """A sample of frames, distributed over a stack, with a given total number of atoms; it is chosen while atoms are
    found.

    Frames are added in the order of :func:`spread_order` until the next one exceeds the limit, so that the sample
    depends only on its own frames. While the sample has less than half of the atoms, a frame that exceeds the limit
    is also added, because the few atoms of a dark frame do not represent the stack.

    Parameters
    ----------
    n_frames : int
        Frames of the stack.
    most : int
        Largest number of atoms. All frames are used if they have no more atoms than this; one frame is always used.
        Otherwise the sample has at least half of this number, and more than this number only if one frame has more
        than half.
    """

    def __init__(self, n_frames: int, most: int) -> None:
        self._waiting = iter(spread_order(n_frames).tolist())
        self._next = next(self._waiting, None)
        self._counts: dict[int, int] = {}
        self._chosen: list[int] = []
        self._most = self._left = most

    def add(self, number: int, count: int) -> None:
        """Add the number of atoms of one frame; frames may be added in any order."""
        self._counts[number] = count
        while self._next is not None and self._next in self._counts:
            self._decide(self._next, self._counts.pop(self._next))

    def frames(self) -> NDArray[np.int64] | None:
        """Numbers of the frames, ascending, shape (k,); None while a required frame is missing."""
        return None if self._next is not None else np.array(sorted(self._chosen), np.int64)

    def _decide(self, number: int, count: int) -> None:
        """Add the next frame, or end the sample."""
        fits = count <= self._left or 2 * self._left > self._most
        if fits and count:
            self._chosen.append(number)
            self._left -= count
        full = not fits or self._left < 0
        self._next = None if full else next(self._waiting, None)


def sample_of_frames(counts: Mapping[int, int], n_frames: int, most: int) -> NDArray[np.int64] | None:
    """Return the frames of a :class:`FrameSample` with counted atoms.

    Parameters
    ----------
    counts : mapping of int to int
        Number of atoms of each known frame; frames without atoms are not used.
    n_frames, most : int
        As in :class:`FrameSample`.

    Returns
    -------
    (k,) int64 array or None
        Ascending; None while a required frame is missing.
    """
    sample = FrameSample(n_frames, most)
    for number, count in counts.items():
        sample.add(number, count)
    return sample.frames()


def run_frames(
    function: Callable[..., Mapping[str, np.ndarray]],
    images_of: Callable[[int], Sequence[ArrayLike]],
    jobs: Sequence[tuple[int, tuple[object, ...]]],
    *,
    step: str,
    checkpoint: Checkpoint | None = None,
    done: Callable[[], object] | None = None,
    found: Callable[[int, Mapping[str, np.ndarray]], object] | None = None,
) -> dict[int, Mapping[str, np.ndarray]]:
    """Call ``function(images, number, *arguments)`` for every frame and return the results by number of the frame.

    Parameters
    ----------
    function : callable
        Of a list of arrays of shape (rows, columns), one per detector; defined in a module, because workers import it
        by name. Its result is a mapping of arrays.
    images_of : callable
        Returns the images of a frame by its number: NumPy or dask arrays, so that frames are read on demand.
    jobs : sequence of (int, tuple)
        Numbers of the frames and further arguments.
    step : str
        Name of the files of `checkpoint`.
    checkpoint : Checkpoint, optional
        Stored frames are not computed again; results of other frames are added.
    done : callable, optional
        Called after every frame.
    found : callable, optional
        Called with number and result of every frame, in the order of completion.

    Returns
    -------
    dict
        Results by number of the frame.
    """
    results: dict[int, Mapping[str, np.ndarray]] = {}
    left = []

    def take(number: int, result: Mapping[str, np.ndarray]) -> None:
        results[number] = result
        if done is not None:
            done()
        if found is not None:
            found(number, result)

    for number, arguments in jobs:
        kept = None if checkpoint is None else checkpoint.load(step, number)
        if kept is None:
            left.append((number, arguments))
        else:
            take(number, kept)
    # Waiting tasks are cancelled when an error ends the loop, and not when its traceback is released.
    with contextlib.closing(frames_as_completed(function, images_of, left)) as computed:
        for number, result in computed:
            if checkpoint is not None:
                checkpoint.save(step, number, result)
            take(number, result)
    return {number: results[number] for number, _ in jobs}


def frames_as_completed(
    function: Callable[..., object],
    images_of: Callable[[int], Sequence[ArrayLike]],
    jobs: Iterable[tuple[int, tuple[object, ...]]],
    unread: Callable[[int, object], object] | None = None,
) -> Generator[tuple[int, Any]]:
    """Yield number and result of every frame on completion: of the workers of a running client, or of this process.

    Parameters
    ----------
    function, images_of, jobs
        As in :func:`run_frames`; results may be any objects that can be sent.
    unread : callable, optional
        As in :func:`on_workers`; not called without a client.

    Yields
    ------
    (int, object)
        Close the generator to cancel what waits.
    """
    client = running_client()
    if client is None:
        return _one_by_one(function, images_of, jobs)
    return on_workers(client, function, images_of, jobs, unread)


def _one_by_one(
    function: Callable[..., object],
    images_of: Callable[[int], Sequence[ArrayLike]],
    jobs: Iterable[tuple[int, tuple[object, ...]]],
) -> Generator[tuple[int, object]]:
    for number, arguments in jobs:
        images = [
            np.asarray(image.compute() if hasattr(image, "compute") else image) for image in images_of(number)
        ]
        yield number, function(images, number, *arguments)
