"""Data of the explorer as plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._image import Extent, check_length, check_positions


@dataclass(frozen=True)
class ExplorerArrays:
    """Data of the explorer.

    Attributes
    ----------
    image : array_like, shape (rows, columns)
        The image.
    positions : array_like, shape (n, 2)
        x, y of the atoms in axis units.
    labels : array_like of int, shape (n,)
        Motif of each atom.
    layout : array_like, shape (n, 2)
        Force-relaxed layout of the atoms.
    patches, reconstructions : sequence of array_like of shape (size, size), optional
        Patch of each atom, and the patch reconstructed from its moments: any sequence of length n that returns an
        array for an index, read on demand.
    turned : sequence of array_like of shape (size, size), optional
        Patches for the means, each rotated so that equal sites have equal patches; `patches` by default.
    moments : array_like, shape (n, K), optional
        Zernike moments of each atom, with `modes`.
    modes : array_like of int, shape (K, 2), optional
        Columns n, m of each moment.
    names : sequence of str, optional
        Name of each motif.
    extent : tuple of float, optional
        Left, right, bottom, top of the image in axis units; pixels by default.
    units : str
        Units of the image's axes.
    """

    image: ArrayLike
    positions: ArrayLike
    labels: ArrayLike
    layout: ArrayLike
    patches: Any = None
    reconstructions: Any = None
    turned: Any = None
    moments: ArrayLike | None = None
    modes: ArrayLike | None = None
    names: Sequence[str] | None = None
    extent: Extent | None = None
    units: object = "px"

    def __post_init__(self) -> None:
        n = len(check_positions(self.positions))
        if not n:
            raise ValueError("there are no atoms to explore: positions is empty.")
        check_length(check_positions(self.layout, "layout"), n, "layout")
        check_length(np.asarray(self.labels), n, "labels")
        for name in ("patches", "reconstructions", "turned", "moments"):
            values = getattr(self, name)
            if values is not None and len(values) != n:
                raise ValueError(f"{name} must hold one entry for each of {n} atoms, got {len(values)}.")
        if (self.moments is None) != (self.modes is None):
            raise ValueError("moments and modes belong together: give both or neither.")

    def means(self, labels: NDArray[np.intp], most: int = 300) -> dict[int, NDArray[np.float64]]:
        """Mean patch of each motif that occurs, over an even sample of at most `most` of its atoms.

        The mean of hundreds of patches is sufficient and fast. Atoms without moments, whose disc leaves the image,
        are excluded if there are others.
        """
        result: dict[int, NDArray[np.float64]] = {}
        patches = self.patches if self.turned is None else self.turned
        if patches is None:
            return result
        known = np.ones(len(labels), dtype=bool) if self.moments is None else np.any(self.moments, axis=1)
        for k in np.unique(labels):
            members = np.flatnonzero(labels == k)
            members = members[known[members]] if known[members].any() else members
            chosen = members[np.linspace(0, len(members) - 1, min(most, len(members))).astype(np.intp)]
            if isinstance(patches, np.ndarray):
                result[int(k)] = patches[chosen].mean(axis=0, dtype=float)
            else:
                result[int(k)] = np.mean([np.asarray(patches[i], dtype=float) for i in chosen], axis=0)
        return result
