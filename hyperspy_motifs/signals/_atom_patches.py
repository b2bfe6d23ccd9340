from __future__ import annotations

import json
from typing import Any

import numpy as np
from hyperspy.signals import Signal2D

NODE = "Patches"


class AtomPatches(Signal2D):
    """The discs round atoms as small images: navigation axis atoms, signal axes x and y with 0 at the atom."""

    _signal_type = "atom_patches"
    _alias_signal_types = ("AtomPatches",)

    @classmethod
    def from_array(
        cls,
        patches: np.ndarray,
        scale: float,
        units: str,
        *,
        radius: float | None = None,
        noise_std: np.ndarray | None = None,
        atoms: np.ndarray | None = None,
    ) -> AtomPatches:
        """Patches from an array of shape (n, size, size).

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
            Which atoms of the image they are.
        """
        size = patches.shape[-1]
        half = (size - 1) / 2
        axis = {"scale": scale, "offset": -half * scale, "units": units, "size": size, "navigate": False}
        signal = cls(
            patches,
            axes=[
                {"name": "atom", "size": len(patches), "navigate": True},
                {"name": "y", **axis},
                {"name": "x", **axis},
            ],
        )
        signal.metadata.General.title = "Patches"
        node: dict[str, Any] = {"facts": json.dumps({"radius_px": float(half if radius is None else radius)})}
        if noise_std is not None:
            node["noise_std"] = np.array(noise_std, dtype=np.float32)
        if atoms is not None:
            node["atoms"] = np.array(atoms, dtype=np.int64)
        setattr(signal.metadata, NODE, node)
        return signal

    @property
    def radius(self) -> float:
        """Radius of the disc in the units of the axes."""
        return float(self._facts()["radius_px"]) * self.axes_manager.signal_axes[0].scale

    @property
    def atoms(self) -> np.ndarray:
        """Index of each patch's atom among those of the image, shape (n,)."""
        kept = self.metadata.get_item(f"{NODE}.atoms")
        n = int(np.prod(self.axes_manager.navigation_shape, dtype=int))
        return np.arange(n) if kept is None else np.asarray(kept)

    def _facts(self) -> dict[str, Any]:
        text = self.metadata.get_item(f"{NODE}.facts")
        half = (self.axes_manager.signal_axes[0].size - 1) / 2
        return {"radius_px": half} if text is None else json.loads(text)

    def get_zernike_features(self, n_max: int = 8) -> Any:
        """Zernike moments of the patches.

        Parameters
        ----------
        n_max : int, optional
            Highest radial order.

        Returns
        -------
        ZernikeFeatures
            Same navigation axis.
        """
        from hyperspy_motifs.zernike import Moments, NoiseModel, ZernikeBasis

        from ._zernike_features import ZernikeFeatures

        basis = ZernikeBasis(n_max, self._facts()["radius_px"])
        patches = np.asarray(self.data).reshape(-1, *self.data.shape[-2:])
        values = basis.transform(patches)
        pixel_noise = self.metadata.get_item(f"{NODE}.noise_std")
        n = len(values)
        each = np.ones(n) if pixel_noise is None else np.asarray(pixel_noise)
        moments = Moments(
            values=values,
            modes=basis.modes,
            radius=basis.radius,
            n_max=basis.n_max,
            noise_std=each[:, None] * np.sqrt((basis.weights**2).sum(axis=1)),
            coverage=np.ones(n),
            valid=np.ones(n, bool),
            offset=np.zeros(n),
            scale=np.ones(n),
            noise=NoiseModel(0.0, 0.0),
        )
        axis = self.axes_manager.signal_axes[0]
        return ZernikeFeatures.from_moments(moments, axis.scale, str(axis.units))
