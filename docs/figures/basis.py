"""The Zernike polynomials up to n = 6."""

import hyperspy_motifs as hm

basis = hm.zernike.ZernikeBasis(n_max=6, radius=24)
hm.draw.plot_basis(basis.functions, basis.modes)
