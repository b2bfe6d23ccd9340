"""Fit a model on a worker once the atoms of the sample are found, while other workers process the remaining frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hyperspy_motifs import store
from hyperspy_motifs.stacks import FrameSample, RemoteTask, running_client

from . import _stack_finding as stack
from ._frames import lazy_data_frame, n_frames
from ._learning import Learned, learn_on_sample, radii_of
from ._moment_source import MOST_KEPT_PIXELS

# The images of a sample are sent to a worker in one task if together they hold no more pixels than this, some 130 MB at four
# bytes a pixel. Larger samples are read one image at a time, by the calling process.
MOST_SENT_PIXELS = 2 * MOST_KEPT_PIXELS


class SampleLearning:
    """Collects the atoms of frames as they arrive, and starts the fit once the frames of the sample are complete.

    No fit is started, and the result is None, without a cluster, if the sample contains all frames, or if the images of
    the sample are too large to be sent.

    Parameters
    ----------
    detectors : sequence of AtomicImage
    options : dict
        Arguments of ``find_motifs``.
    """

    def __init__(self, detectors: Sequence[Any], options: dict[str, Any]) -> None:
        self._detectors, self._options = detectors, options
        self._found: dict[int, np.ndarray] = {}
        self._task: RemoteTask | None = None
        self._sample = FrameSample(n_frames(detectors[0]), stack.SAMPLE_ATOMS)
        self._decided = running_client() is None

    def watch(self, number: int, result: Mapping[str, np.ndarray]) -> None:
        """Take the atoms of one frame; raises the exception of the fit if it failed."""
        if self._task is not None:
            self._task.raise_early()
        if self._decided:
            return
        self._found[number] = result["positions"]
        self._sample.add(number, len(result["positions"]))
        sample = self._sample.frames()
        if sample is None:
            return
        self._decided = True
        if len(self._found) < n_frames(self._detectors[0]) and self._can_be_sent(sample):
            self._begin(sample)
        self._found = {}

    def result(self) -> Learned | None:
        """Return the result of the fit; None if the fit is still to be done."""
        return None if self._task is None else self._task.result()

    def cancel(self) -> None:
        """Cancel the fit; its result is not needed."""
        if self._task is not None:
            self._task.cancel()

    def _can_be_sent(self, sample: np.ndarray) -> bool:
        """Return whether a worker can fit these frames: their images are few, and one of them shows a distance of atoms."""
        rows, columns = self._detectors[0].data.shape[-2:]
        pixels = rows * columns * len(sample) * len(self._detectors)
        return 0 < pixels <= MOST_SENT_PIXELS and max(len(self._found[k]) for k in sample.tolist()) > 2

    def _begin(self, sample: np.ndarray) -> None:
        places = [self._found[k] for k in sample.tolist()]
        frames, pixels = np.repeat(sample, [len(p) for p in places]), np.concatenate(places)
        spacing = spacing_of(pixels[frames == reference_frame(frames)])
        scale = abs(store.Stamp.of(self._detectors[0]).scale[0])
        radii = radii_of(self._options["radius"], self._options["radius_units"], spacing * scale)
        self._task = RemoteTask(
            running_client(),
            learn_on_sample,
            [lazy_data_frame(one, k) for one in self._detectors for k in sample.tolist()],
            int(sample[0]),
            (frames, pixels, spacing, radii, self._options),
        )


def reference_frame(frames: np.ndarray) -> int:
    """Return the first frame with at least half of the largest number of atoms: a dark frame gives no neighbour distance.

    `frames` (n,) is the frame of each atom.
    """
    numbers, counts = np.unique(frames, return_counts=True)
    return int(numbers[np.argmax(2 * counts >= counts.max())])


def spacing_of(pixels: np.ndarray) -> float:
    """Return the nearest-neighbour distance of the atoms of one frame, in pixels, measured from the atoms found."""
    from hyperspy_motifs.atoms import nearest_neighbour_distance

    return nearest_neighbour_distance(pixels)
