"""Signals that a result brings: patches of atoms and moments of patches, with what they need to know in their metadata.

Their classes are those of the signal types that this package registers in HyperSpy, which imports them when a type is set.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal

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
) -> Any:
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


def moments_signal(moments: Any, scale: float, units: str, atoms: np.ndarray | None = None) -> Any:
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


def _with_node(signal: BaseSignal, signal_type: str, title: str, name: str, node: dict[str, Any]) -> Any:
    signal.metadata.General.title = title
    setattr(signal.metadata, name, node)
    signal.set_signal_type(signal_type)
    return signal
