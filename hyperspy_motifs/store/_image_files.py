"""Images that are given as signals or as files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal


def open_images(images: Iterable[Any]) -> list[Any]:
    """Return atomic images for signals and names of files; files are opened lazily where their reader can.

    Raises
    ------
    TypeError
        If something is neither a signal nor a path.
    ValueError
        If `images` is no list, an image is given twice, or a file holds several images.
    """
    if isinstance(images, str | os.PathLike) or hasattr(images, "axes_manager"):
        raise ValueError(
            "A list of images is expected. For one image call its find_motifs(); for a stack, stack.find_motifs()."
        )
    if not isinstance(images, Iterable):
        raise ValueError(f"A list of images is expected, not a {type(images).__name__}.")
    out: list[Any] = []
    for image in images:
        signal = _loaded(Path(image)) if isinstance(image, str | os.PathLike) else image
        if not hasattr(signal, "axes_manager"):
            raise TypeError(
                f"Image {len(out)} is a {type(image).__name__}; expected a signal, such as motifs.signal or "
                "hyperspy.api.signals.Signal2D(array), or the path of a file."
            )
        if getattr(signal, "_signal_type", None) != "atomic_image" and hasattr(signal, "set_signal_type"):
            signal.set_signal_type("atomic_image")
        out.append(signal)
    if len({id(signal) for signal in out}) < len(out):
        raise ValueError("An image is given twice: it would count twice.")
    return out


def title_of(signal: BaseSignal) -> str:
    """Return the title of an image."""
    return str(signal.metadata.get_item("General.title", default="")) or "untitled"


def _loaded(path: Path) -> Any:
    """Return the one image of a file, lazily where the reader can."""
    import hyperspy.api as hs

    try:
        found = hs.load(path, lazy=True)
    except (NotImplementedError, TypeError):
        found = hs.load(path)
    several = found if isinstance(found, list) else [found]
    flat = [
        one for one in several if one.axes_manager.signal_dimension == 2 and one.data.dtype.kind in "buif"
    ]
    if len(flat) != 1:
        raise ValueError(
            f"{path} holds {len(flat)} images; one is expected. Load it with hyperspy.api.load and give the wanted image."
        )
    if not flat[0].metadata.get_item("General.title", default=""):
        flat[0].metadata.set_item("General.title", path.stem)
    return flat[0]
