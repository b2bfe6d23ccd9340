"""Zernike polynomials on the disc."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ._disc_basis import DiscBasis
from ._radial import radial_polynomials


class ZernikeBasis(DiscBasis):
    """Zernike polynomials Z_nm = N_nm R_n^|m|(rho) times cos(m theta), or sin(|m| theta) for m < 0.

    N_nm = sqrt(n + 1) for m = 0 and sqrt(2 (n + 1)) otherwise; the radial polynomials come from a
    recurrence that is exact to n_max = 60 and beyond. See `DiscBasis` for the order of the modes, the
    normalisation and the integration over pixels, which are the same for every basis.

    Parameters
    ----------
    n_max : int
        Largest radial order; there are (n_max + 1)(n_max + 2) / 2 modes.
    radius : float
        Radius of the disc in pixels; need not be whole. Patches are 2 ceil(radius) + 1 pixels wide.

    Examples
    --------
    >>> basis = ZernikeBasis(n_max=4, radius=6.5)
    >>> basis.size, len(basis.modes)
    (15, 15)
    >>> moments = basis.transform(np.ones((15, 15)))
    >>> round(float(moments[0]), 6), round(float(abs(moments[1:]).max()), 6)
    (1.0, 0.0)
    """

    def radial(self, rho: NDArray[np.float64]) -> dict[tuple[int, int], NDArray[np.float64]]:
        """Return sqrt((2 - delta_m0) (n + 1)) R_n^m(rho) for every (n, m >= 0)."""
        table = radial_polynomials(self.n_max, rho)
        for (n, m), values in table.items():
            values *= np.sqrt((n + 1) * (2 if m else 1))
        return table


@lru_cache(maxsize=8)
def zernike_basis(n_max: int, radius: float) -> ZernikeBasis:
    """Return a cached basis, which the frames of a stack share.

    Parameters
    ----------
    n_max : int
        Largest radial order.
    radius : float
        Radius of the disc in pixels.

    Returns
    -------
    ZernikeBasis
    """
    return ZernikeBasis(n_max, radius)
