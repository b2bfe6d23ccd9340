from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


def spread_order(n: int) -> NDArray[np.int64]:
    """Return the numbers 0 to n - 1 in an order of which every beginning is spread over all of them.

    Van der Corput's sequence, the binary digits of 0, 1, 2... in reverse behind the point: the gaps that a beginning leaves
    differ by no more than a factor of two, and what rounding adds.

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
    # Of no frames the sequence has its first place all the same.
    return frames[np.sort(np.unique(frames, return_index=True)[1])][:n]


class FrameSample:
    """Frames, spread over a stack, that hold a number of atoms together, chosen while their atoms are being found.

    Frames are taken in the order of :func:`spread_order` until the next one does not fit, so that the sample is known as soon
    as its own frames are, whatever is found in the others. A frame that is too large for what is left is taken all the same
    while less than half of the atoms are there: a few in a dark frame say nothing of the stack.

    Parameters
    ----------
    n_frames : int
        Frames of the stack.
    most : int
        Atoms of the sample. All frames are taken where they hold no more than this; one frame is always taken. Else it holds at
        least half of this, and no more unless one frame has more than half.
    """

    def __init__(self, n_frames: int, most: int) -> None:
        self._waiting = iter(spread_order(n_frames).tolist())
        self._next = next(self._waiting, None)
        self._counts: dict[int, int] = {}
        self._chosen: list[int] = []
        self._most = self._left = most

    def add(self, number: int, count: int) -> None:
        """Take the number of atoms of one frame; frames may come in any order."""
        self._counts[number] = count
        while self._next is not None and self._next in self._counts:
            self._decide(self._next, self._counts.pop(self._next))

    def frames(self) -> NDArray[np.int64] | None:
        """Numbers of the frames, ascending, shape (k,); None while a frame that decides is not known."""
        return None if self._next is not None else np.array(sorted(self._chosen), np.int64)

    def _decide(self, number: int, count: int) -> None:
        """Take the frame whose turn it is, or end the sample there."""
        fits = count <= self._left or 2 * self._left > self._most
        if fits and count:
            self._chosen.append(number)
            self._left -= count
        full = not fits or self._left < 0
        self._next = None if full else next(self._waiting, None)


def sample_of_frames(counts: Mapping[int, int], n_frames: int, most: int) -> NDArray[np.int64] | None:
    """Return the frames of a :class:`FrameSample` of which the atoms are counted.

    Parameters
    ----------
    counts : mapping of int to int
        Atoms of the frames that are known, by number; frames without atoms are not taken.
    n_frames, most : int
        As :class:`FrameSample` has them.

    Returns
    -------
    (k,) int64 array or None
        Ascending; None while a frame that decides is not known.
    """
    sample = FrameSample(n_frames, most)
    for number, count in counts.items():
        sample.add(number, count)
    return sample.frames()
