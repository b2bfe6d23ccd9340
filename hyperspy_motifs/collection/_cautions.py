"""What makes the numbers of a collection doubtful: images that have little in common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

# Names of images in one sentence.
_NAMED = 4


def common_share(counts: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the share of their atoms that two images have in common motifs, shape (images, images).

    Parameters
    ----------
    counts : ndarray of int, shape (images, motifs)
    """
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return np.asarray(np.minimum(shares[:, None], shares).sum(axis=2))


def find_cautions(
    names: Sequence[str], counts: NDArray[np.integer], unlike: NDArray[np.integer]
) -> list[str]:
    """Return a sentence for each reason to doubt that the images belong into one collection.

    Images that are linked by others are of one kind: in a series of alloys the first and the last may have little in common.

    Parameters
    ----------
    names : sequence of str
        Of the images.
    counts : ndarray of int, shape (images, motifs)
        Atoms of each motif.
    unlike : ndarray of int, shape (images, motifs)
        Those of them that differ from the atoms of the motif in all images, at the level of the motifs.
    """
    lines = []
    # More than half of the atoms: most of an image.
    linked = csr_array(2 * common_share(counts) > 1)
    number, group_of = connected_components(linked, directed=False)
    if number > 1:
        groups = [_listed([names[i] for i in np.flatnonzero(group_of == g).tolist()]) for g in range(number)]
        lines.append(
            "the images share few motifs: no image of one of these groups has most of its atoms in common motifs with one of "
            f"another: {' | '.join(groups)}. Different materials, detectors or magnifications are no samples of one specimen"
        )
    # A rare motif may hold accidents of several kinds; that of a host does not.
    wrong = [
        name for name, own, other in zip(names, counts, unlike, strict=True) if 2 * other.sum() > own.sum()
    ]
    if wrong:
        lines.append(
            f"most atoms in {_listed(wrong)} are unlike those of the same motifs in other images: each has the nearest motif "
            "and may be of another material"
        )
    return lines


def _listed(names: Sequence[str]) -> str:
    """Return some names in a line."""
    more = len(names) - _NAMED
    return ", ".join([*names[:_NAMED], *([f"and {more} more"] if more > 0 else [])])
