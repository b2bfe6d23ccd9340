"""The Zernike and Fourier-Bessel functions of a disc."""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import jnp_zeros, jv

from ._disc_basis import DiscBasis


def radial_polynomials(n_max: int, rho: ArrayLike) -> dict[tuple[int, int], NDArray[np.float64]]:
    """Return R_n^m(rho) for every n <= n_max, 0 <= m <= n, n - m even, with R_n^m(1) = 1.

    Parameters
    ----------
    n_max : int
        Largest radial order.
    rho : array_like
        Distances from the centre over the radius of the disc, 0 to 1.

    Returns
    -------
    dict
        {(n, m): array of the shape of rho}.

    Notes
    -----
    R_n^m = rho (R_{n-1}^{|m-1|} + R_{n-1}^{m+1}) - R_{n-2}^m, where polynomials that do not exist are 0: Shakibaei
    and Paramesran, "Recursive formula to compute Zernike radial polynomials", Optics Letters 38 (2013) 2487. It has
    no divisions and no factorials; the sum of factorials of the definition loses all digits at n = 50, this
    recurrence none (1e-13).
    """
    x = np.asarray(rho, dtype=np.float64)
    zero = np.zeros_like(x)
    table = {(0, 0): np.ones_like(x)}
    for n in range(1, n_max + 1):
        for m in range(n % 2, n + 1, 2):
            lower = table.get((n - 1, abs(m - 1)), zero)
            upper = table.get((n - 1, m + 1), zero)
            table[n, m] = x * (lower + upper) - table.get((n - 2, m), zero)
    return table


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

    Notes
    -----
    l are the zeros of the derivative J_m', so that a constant patch is one mode. Zhao, Shkolnisky and Singer, IEEE
    Transactions on Computational Imaging 2 (2016) 1, use those of J_m, with which functions vanish at the edge.

    Examples
    --------
    >>> basis = FourierBesselBasis(n_max=4, radius=6.5)
    >>> moments = basis.transform(np.ones((15, 15)))
    >>> round(float(moments[0]), 6), round(float(abs(moments[1:]).max()), 6)
    (1.0, 0.0)
    """

    def radial(self, rho: NDArray[np.float64]) -> dict[tuple[int, int], NDArray[np.float64]]:
        """Return the radial functions for every (n, m >= 0)."""
        table = {}
        for m in range(self.n_max + 1):
            count = (self.n_max - m) // 2 + 1
            if m == 0:
                zeros = np.concatenate([[0.0], jnp_zeros(0, count)])[:count]
                integral = jv(0, zeros) ** 2 / 2
            else:
                zeros = jnp_zeros(m, count)
                integral = (1 - (m / zeros) ** 2) * jv(m, zeros) ** 2 / 2
            norm = 1 / np.sqrt(integral * (1 if m else 2))
            for k in range(count):
                table[m + 2 * k, m] = norm[k] * jv(m, zeros[k] * rho)
        return table
