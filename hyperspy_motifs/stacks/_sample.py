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
    digits = max(int(n - 1).bit_length(), 0)
    numbers = np.arange(2**digits)
    places = np.zeros(len(numbers), np.int64)
    for _ in range(digits):
        places, numbers = 2 * places + numbers % 2, numbers // 2
    frames = places * n >> digits
    return frames[np.sort(np.unique(frames, return_index=True)[1])]


def sample_of_frames(counts: Mapping[int, int], n_frames: int, most: int) -> NDArray[np.int64] | None:
    """Return the numbers of frames, spread over the stack, that hold `most` atoms together or a little fewer.

    Frames are taken in the order of :func:`spread_order` while they fit, so that the sample is known as soon as its own frames
    are, whatever is found in the others.

    Parameters
    ----------
    counts : mapping of int to int
        Atoms of the frames that are known, by number; frames without atoms are not taken.
    n_frames : int
        Frames of the stack.
    most : int
        All frames are taken where they hold no more than this; one frame is always taken.

    Returns
    -------
    (k,) int64 array or None
        Ascending; None while a frame that decides is not known.
    """
    chosen: list[int] = []
    left = most
    for number in spread_order(n_frames).tolist():
        if number not in counts:
            return None
        count = int(counts[number])
        if chosen and count > left:
            break
        if count:
            chosen.append(number)
            left -= count
    return np.array(sorted(chosen), np.int64)
