"""A model learned on a worker as soon as the frames of its sample have their atoms, while others work on the rest."""

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

# The images of a sample go to a worker in one task while they hold no more pixels than this together, some 130 MB of four
# bytes each. Where they hold more they are read one at a time, by the process that asks.
MOST_SENT_PIXELS = 2 * MOST_KEPT_PIXELS


class SampleLearning:
    """Watches the atoms of frames as they come, and has the model learned once those of the sample are there.

    Without a cluster, where the frames are all in the sample, and where those of the sample are too large to be sent, nothing
    is learned meanwhile: the result is None.

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
        """Take the atoms of one frame; raises what learning on those before it has raised."""
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
        """What was learned; None where that is yet to be done."""
        return None if self._task is None else self._task.result()

    def cancel(self) -> None:
        """Leave it, as nobody asks for the result."""
        if self._task is not None:
            self._task.cancel()

    def _can_be_sent(self, sample: np.ndarray) -> bool:
        """Whether a worker can learn on these frames: their images are few, and one tells a distance of atoms."""
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
    """The first frame with at least half as many atoms as any: what a dark one shows is no distance of neighbours.

    `frames` (n,) is the frame of each atom.
    """
    numbers, counts = np.unique(frames, return_counts=True)
    return int(numbers[np.argmax(2 * counts >= counts.max())])


def spacing_of(pixels: np.ndarray) -> float:
    """Nearest-neighbour distance of the atoms of one frame, in pixels: radii are measured by what was found."""
    from hyperspy_motifs.atoms import nearest_neighbour_distance

    return nearest_neighbour_distance(pixels)
