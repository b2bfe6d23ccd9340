"""Compilation of the kernels before the first analysis.

numba keeps compiled kernels on the disk, for all later processes. Compilation in processes beside the first analysis was slower
than none on busy processors: each of them imports the libraries, which takes as long as the kernels of the largest share.
"""

from __future__ import annotations

# In pixels: rows and columns of an image whose analysis reaches every kernel.
_SHAPE = (160, 176)


def warm_up() -> None:
    """Compile the kernels that are missing in numba's cache: analyse a small simulated image."""
    from hyperspy_motifs import data

    image, _ = data.monolayer(shape=_SHAPE, random_state=0)
    image.find_motifs(show_progressbar=False)
