"""The explorer of a result: edits in the window are written to the metadata."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from hyperspy_motifs import store


def explore(motifs: Any, frame: int, figure: Any) -> Any:
    """Open the explorer on one frame of `motifs`."""
    from hyperspy_motifs.draw import Explorer, ExplorerArrays

    here = np.flatnonzero(motifs.frames == frame)
    if not len(here):
        raise ValueError(
            f"Frame {frame} has no atoms; frames with atoms: {np.unique(motifs.frames).tolist()[:10]}."
        )
    image, where = motifs._image(frame)
    moments = motifs.features.of_detector(0).get_moments()
    arrays = ExplorerArrays(
        image,
        motifs.positions[here],
        motifs.labels[here],
        motifs.layout[here],
        patches=_Rows(motifs.patches.data, here),
        turned=None if motifs.angles is None else _TurnedRows(motifs, image, here),
        reconstructions=_Reconstructions(moments, here),
        # Discs outside the image to a large part have no moments.
        moments=np.nan_to_num(np.asarray(moments.values)[here]),
        modes=moments.modes,
        names=motifs.names,
        **where,
    )

    # Motifs store one step of undo; a window should be able to undo all its edits.
    steps: list[dict[str, Any]] = []

    def edited(edit: Any, *arguments: Any) -> tuple[np.ndarray, list[str]]:
        record = motifs._refresh()
        before = {"labels": record.labels, "probabilities": record.probabilities, "names": record.names}
        edit(*arguments)
        steps.append(before)
        return motifs.labels[here], motifs.names

    def new_motif(indices: np.ndarray) -> tuple[np.ndarray, list[str]]:
        labels = motifs.labels.copy()
        labels[here[indices]] = motifs.n_motifs
        return edited(motifs.relabel, labels)

    def undo() -> tuple[np.ndarray, list[str]]:
        if steps:
            motifs._write(dataclasses.replace(motifs._refresh(), **steps.pop()))
        return motifs.labels[here], motifs.names

    def name(which: int, text: str) -> None:
        edited(motifs.relabel, {which: text})

    return Explorer(
        arrays,
        on_new_motif=new_motif,
        on_merge=lambda which: edited(motifs.merge, which),
        on_split=lambda which: edited(motifs.split, which),
        on_name=name,
        on_undo=undo,
        figure=figure,
    )


class _Rows:
    """Some rows of an array, one at a time: a large stack of patches is not copied."""

    def __init__(self, data: Any, rows: np.ndarray) -> None:
        self._data, self._rows = data, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> np.ndarray:
        return np.asarray(self._data[self._rows[index]])


class _TurnedRows:
    """Patches of rotation-invariant motifs, each rotated (and mirrored) to the mean of its motif, one at a time."""

    def __init__(self, motifs: Any, image: np.ndarray, rows: np.ndarray) -> None:
        self._image = image
        self._pixels = store.Stamp.of(motifs.signal).to_pixels(motifs.positions[rows])
        self._size = int(motifs.patches.data.shape[-1])
        self._angles = np.nan_to_num(motifs.angles[rows])
        self._mirrored = np.asarray(motifs.to_dict()["motif_mirrored"])[rows].astype(bool)

    def __len__(self) -> int:
        return len(self._pixels)

    def __getitem__(self, index: int) -> np.ndarray:
        from hyperspy_motifs.pipeline import turned_patches

        one = slice(index, index + 1)
        turn = self._angles[one], self._mirrored[one]
        return np.asarray(turned_patches(self._image, self._pixels[one], self._size, turn)[0])


class _Reconstructions:
    """Patches reconstructed from their moments on demand."""

    def __init__(self, moments: Any, rows: np.ndarray) -> None:
        from hyperspy_motifs.zernike import ZernikeBasis

        self._basis = ZernikeBasis(moments.n_max, moments.radius)
        order = {tuple(mode): k for k, mode in enumerate(self._basis.modes.tolist())}
        self._columns = [order[tuple(mode)] for mode in moments.modes.tolist()]
        self._values, self._rows = moments.values, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> np.ndarray:
        full = np.zeros(len(self._basis.modes))
        values = np.asarray(self._values[self._rows[index]], float)
        full[self._columns] = np.nan_to_num(values)
        return self._basis.reconstruct(full)
