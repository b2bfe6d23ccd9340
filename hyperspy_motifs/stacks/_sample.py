from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


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
