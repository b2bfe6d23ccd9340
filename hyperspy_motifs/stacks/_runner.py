from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._checkpoint import Checkpoint
from ._cluster import on_workers, running_client


def run_frames(
    function: Callable[..., Mapping[str, NDArray[Any]]],
    images_of: Callable[[int], Sequence[Any]],
    jobs: Sequence[tuple[int, tuple[Any, ...]]],
    *,
    step: str,
    checkpoint: Checkpoint | None = None,
    done: Callable[[], Any] | None = None,
    found: Callable[[int, Mapping[str, NDArray[Any]]], Any] | None = None,
) -> dict[int, Mapping[str, NDArray[Any]]]:
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
    results: dict[int, Mapping[str, NDArray[Any]]] = {}
    left = []

    def take(number: int, result: Mapping[str, NDArray[Any]]) -> None:
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
    client = running_client()
    computed = (
        _one_by_one(function, images_of, left)
        if client is None
        else on_workers(client, function, images_of, left)
    )
    # Waiting tasks are cancelled when an error ends the loop, and not when its traceback is released.
    with contextlib.closing(computed):
        for number, result in computed:
            if checkpoint is not None:
                checkpoint.save(step, number, result)
            take(number, result)
    return {number: results[number] for number, _ in jobs}


def _one_by_one(
    function: Callable[..., Any],
    images_of: Callable[[int], Sequence[Any]],
    jobs: Sequence[tuple[int, tuple[Any, ...]]],
) -> Generator[tuple[int, Any]]:
    for number, arguments in jobs:
        images = [
            np.asarray(image.compute() if hasattr(image, "compute") else image) for image in images_of(number)
        ]
        yield number, function(images, number, *arguments)
