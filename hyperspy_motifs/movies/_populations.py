from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def count_populations(
    labels: ArrayLike, frames: ArrayLike, n_motifs: int, n_frames: int
) -> NDArray[np.int64]:
    """Return the number of atoms of every motif in every frame, shape (n_frames, n_motifs).

    Parameters
    ----------
    labels, frames : array_like of int, shape (n,)
        Motif and frame of each atom.
    n_motifs, n_frames : int

    Returns
    -------
    (n_frames, n_motifs) int64 array
    """
    flat = np.asarray(frames, int) * n_motifs + np.asarray(labels, int)
    return np.bincount(flat, minlength=n_frames * n_motifs).reshape(n_frames, n_motifs)
