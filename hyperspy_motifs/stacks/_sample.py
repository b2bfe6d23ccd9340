from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def sample_of_frames(counts: NDArray[np.integer], most: int) -> NDArray[np.int64]:
    """Return the numbers of frames, spread evenly over the stack, that hold `most` atoms together or a little fewer.

    Parameters
    ----------
    counts : ndarray of int, shape (frames,)
        Atoms of each frame; frames without atoms are not taken.
    most : int
        All frames are taken where they hold no more than this; one frame is always taken.

    Returns
    -------
    (k,) int64 array
    """
    filled = np.flatnonzero(counts)
    if counts.sum() <= most or len(filled) <= 1:
        return filled
    for n in range(min(len(filled), 1 + int(most / counts[filled].min())), 1, -1):
        chosen = filled[np.unique(np.linspace(0, len(filled) - 1, n).round().astype(int))]
        if counts[chosen].sum() <= most:
            return chosen
    return filled[len(filled) // 2 : len(filled) // 2 + 1]
