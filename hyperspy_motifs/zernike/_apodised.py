"""Zernike polynomials with a Gaussian weight: a disc with a soft edge."""

import numpy as np
from numpy.typing import NDArray

from ._disc_basis import DiscBasis
from ._radial import radial_polynomials


class ApodisedZernikeBasis(DiscBasis):
    """Zernike polynomials times a Gaussian, made orthonormal again within each angular order.

    The Gaussian reduces the weight near the edge, where a neighbour partly inside the disc changes the moments of the
    plain polynomials. See `DiscBasis` for the order of the modes, the normalisation and the integration over pixels.

    Parameters
    ----------
    n_max : int
        Largest radial order.
    radius : float
        Radius of the disc in pixels.
    width : float
        Standard deviation of the Gaussian over the radius; 0.5 gives exp(-2) = 0.14 at the edge.

    Notes
    -----
    g R_n^m, g = exp(-rho^2 / (2 width^2)), are orthonormalised in n for each m with the weight rho by a QR
    decomposition on Gauss-Legendre nodes (Gautschi, Orthogonal Polynomials (2004), section 2.2). The first
    function is not constant, so that a_00 is a weighted mean of the patch.
    """

    def __init__(self, n_max: int, radius: float, width: float = 0.5) -> None:
        if not np.isfinite(width) or width <= 0:
            raise ValueError(f"The width must be a positive fraction of the radius, not {width!r}.")
        super().__init__(n_max, radius)
        self.width = float(width)
        node, weight = np.polynomial.legendre.leggauss(2 * self.n_max + 32)
        rho, weight = (node + 1) / 2, weight / 2
        table = radial_polynomials(self.n_max, rho)
        root = np.sqrt(weight * rho) * self._gaussian(rho)
        self._triangles = {}
        for m in range(self.n_max + 1):
            columns = np.stack([table[n, m] * root for n in range(m, self.n_max + 1, 2)], axis=1)
            triangle = np.linalg.qr(columns, mode="r")
            # Each function keeps the sign of its polynomial.
            self._triangles[m] = triangle * np.sign(np.diag(triangle))[:, None]

    @property
    def parameters(self) -> dict[str, float | int | str]:
        """Identity of a basis: the name of the class and its arguments."""
        return {**super().parameters, "width": self.width}

    def _gaussian(self, rho):
        return np.exp(-(rho**2) / (2 * self.width**2))

    def radial(self, rho: NDArray[np.float64]) -> dict[tuple[int, int], NDArray[np.float64]]:
        """Return the radial functions for every (n, m >= 0)."""
        polynomials = radial_polynomials(self.n_max, rho)
        gaussian = self._gaussian(rho)
        table = {}
        for m, triangle in self._triangles.items():
            orders = range(m, self.n_max + 1, 2)
            stacked = np.stack([polynomials[n, m].ravel() for n in orders])
            functions = np.linalg.solve(triangle.T, stacked) / np.sqrt(1.0 if m else 2.0)
            for n, values in zip(orders, functions, strict=True):
                table[n, m] = values.reshape(rho.shape) * gaussian
        return table
