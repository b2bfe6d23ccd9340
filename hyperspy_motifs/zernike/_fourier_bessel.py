"""Fourier-Bessel functions on the disc."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import jn_zeros, jnp_zeros, jv

from ._disc_basis import DiscBasis


class FourierBesselBasis(DiscBasis):
    """Fourier-Bessel functions N J_m(l rho) times cos(m theta), or sin(|m| theta) for m < 0.

    Their radial resolution is uniform, whereas that of Zernike polynomials is highest at the edge. Modes are numbered
    as those of Zernike: the k-th radial function of angular order m has n = m + 2 (k - 1). See `DiscBasis` for the
    order of the modes, the normalisation and the integration over pixels.

    Parameters
    ----------
    n_max : int
        Largest radial order.
    radius : float
        Radius of the disc in pixels.
    boundary : {"free", "zero"}
        Whether l are the zeros of the derivative J_m' ("free", the default: a constant patch is one mode) or
        those of J_m ("zero": functions vanish at the edge).

    Notes
    -----
    Zhao, Shkolnisky and Singer, IEEE Transactions on Computational Imaging 2 (2016) 1, use the boundary
    "zero".

    Examples
    --------
    >>> basis = FourierBesselBasis(n_max=4, radius=6.5)
    >>> moments = basis.transform(np.ones((15, 15)))
    >>> round(float(moments[0]), 6), round(float(abs(moments[1:]).max()), 6)
    (1.0, 0.0)
    """

    def __init__(self, n_max: int, radius: float, boundary: str = "free") -> None:
        if boundary not in ("free", "zero"):
            raise ValueError(f"The boundary is 'free' or 'zero', not {boundary!r}.")
        super().__init__(n_max, radius)
        self.boundary = boundary

    @property
    def parameters(self) -> dict[str, float | int | str]:
        """Identity of a basis: the name of the class and its arguments."""
        return {**super().parameters, "boundary": self.boundary}

    def radial(self, rho: NDArray[np.float64]) -> dict[tuple[int, int], NDArray[np.float64]]:
        """Return the radial functions for every (n, m >= 0)."""
        table = {}
        for m in range(self.n_max + 1):
            count = (self.n_max - m) // 2 + 1
            if self.boundary == "zero":
                zeros = jn_zeros(m, count)
                integral = jv(m + 1, zeros) ** 2 / 2
            elif m == 0:
                zeros = np.concatenate([[0.0], jnp_zeros(0, count)])[:count]
                integral = jv(0, zeros) ** 2 / 2
            else:
                zeros = jnp_zeros(m, count)
                integral = (1 - (m / zeros) ** 2) * jv(m, zeros) ** 2 / 2
            norm = 1 / np.sqrt(integral * (1 if m else 2))
            for k in range(count):
                table[m + 2 * k, m] = norm[k] * jv(m, zeros[k] * rho)
        return table
