"""Power of each radial order at two doses."""

import matplotlib.pyplot as plt

import hyperspy_motifs as hm

figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True, layout="constrained")
for dose, axis in zip((3e5, 2e4), axes, strict=True):
    s, truth = hm.data.monolayer("MoSe2", shape=(320, 320), dose=dose, random_state=3)
    spacing = hm.atoms.nearest_neighbour_distance(truth.positions)
    basis = hm.zernike.ZernikeBasis(n_max=20, radius=1.2 * spacing)
    moments = hm.zernike.get_moments(s.data, truth.positions, basis)
    orders = hm.zernike.choose_n_max(moments)
    hm.draw.plot_orders(
        orders.n, orders.signal, orders.noise, variation=orders.variation, n_max=orders.n_max, ax=axis
    )
    axis.text(0.97, 0.97, f"{dose:.0e} electrons per Å²", transform=axis.transAxes, ha="right", va="top")
    axis.set_ylim(1e-7, 3)
axes[1].set_ylabel("")
