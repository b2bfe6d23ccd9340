"""Images that are given as signals or as files, and signals that a result brings: patches of atoms and moments of patches.

The classes are those of the signal types that this package registers in HyperSpy, which imports them when a type is set.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

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


def _loaded(path: Path) -> BaseSignal:
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


#: Nodes of the metadata with the facts of patches and of moments.
PATCHES_NODE, MOMENTS_NODE = "Patches", "Zernike"


def patches_signal(
    patches: np.ndarray,
    scale: float,
    units: str,
    *,
    radius: float | None = None,
    noise_std: np.ndarray | None = None,
    atoms: np.ndarray | None = None,
    limits: np.ndarray | None = None,
) -> BaseSignal:
    """Return patches of shape (n, size, size) as a signal ``AtomPatches``.

    Parameters
    ----------
    patches : numpy.ndarray of shape (n, size, size)
    scale : float
        Size of a pixel in `units`.
    units : str
    radius : float, optional
        Radius of the disc in pixels; half the width of the patch if not given.
    noise_std : numpy.ndarray of shape (n,), optional
        Standard deviation of the noise of a pixel, in the units of the patches.
    atoms : numpy.ndarray of shape (n,), optional
        Indices of the atoms in the image.
    limits : numpy.ndarray of int, shape (n, 4), optional
        First and past-last row, first and past-last column of each patch inside its image; all if not given.

    Returns
    -------
    hyperspy_motifs.signals.AtomPatches
    """
    from hyperspy.signals import Signal2D

    size = patches.shape[-1]
    half = (size - 1) / 2
    axis = {"scale": scale, "offset": -half * scale, "units": units, "size": size, "navigate": False}
    node: dict[str, Any] = {"facts": json.dumps({"radius_px": float(half if radius is None else radius)})}
    if noise_std is not None:
        node["noise_std"] = np.array(noise_std, dtype=np.float32)
    if atoms is not None:
        node["atoms"] = np.array(atoms, dtype=np.int64)
    if limits is not None:
        node["limits"] = np.array(limits, dtype=np.int64)
    signal = Signal2D(
        patches,
        axes=[
            {"name": "atom", "size": len(patches), "navigate": True},
            {"name": "y", **axis},
            {"name": "x", **axis},
        ],
    )
    return _with_node(signal, "atom_patches", "Patches", PATCHES_NODE, node)


def moments_signal(moments: Any, scale: float, units: str, atoms: np.ndarray | None = None) -> BaseSignal:
    """Return moments as a signal ``ZernikeFeatures``.

    Parameters
    ----------
    moments : hyperspy_motifs.zernike.Moments
        Of n atoms, from :func:`hyperspy_motifs.zernike.get_moments`.
    scale : float
        Size of a pixel in `units`.
    units : str
    atoms : numpy.ndarray of int, shape (n,), optional
        Indices of the atoms in the image; all atoms in order by default.

    Returns
    -------
    hyperspy_motifs.signals.ZernikeFeatures
    """
    from hyperspy.signals import Signal1D

    facts = {
        "n_max": int(moments.n_max),
        "radius": float(moments.radius) * scale,
        "radius_px": float(moments.radius),
        "units": units,
    }
    node: dict[str, Any] = {
        "modes": np.array(moments.modes, dtype=np.int64),
        "noise_std": np.array(np.atleast_1d(moments.noise_std), dtype=np.float32),
        "atoms": np.array(np.arange(len(moments.values)) if atoms is None else atoms, dtype=np.int64),
        **({} if moments.unit is None else {"unit": np.array(moments.unit, dtype=np.float64)}),
        "facts": json.dumps(facts),
    }
    signal = Signal1D(
        np.asarray(moments.values),
        axes=[
            {"name": "atom", "size": len(moments.values), "navigate": True},
            {"name": "mode", "size": len(moments.modes), "navigate": False},
        ],
    )
    return _with_node(signal, "zernike_features", "Zernike moments", MOMENTS_NODE, node)


def _with_node(
    signal: BaseSignal, signal_type: str, title: str, name: str, node: dict[str, Any]
) -> BaseSignal:
    signal.metadata.General.title = title
    setattr(signal.metadata, name, node)
    signal.set_signal_type(signal_type)
    return signal
