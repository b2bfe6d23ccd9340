"""What each radial order carries, at two doses."""

import matplotlib.pyplot as plt

import hyperspy_motifs as hm

figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True, layout="constrained")
for dose, axis in zip((3e5, 2e4), axes, strict=True):
    s, truth = hm.data.monolayer("MoSe2", shape=(320, 320), dose=dose, random_state=3)
    spacing = hm.patches.typical_spacing(truth.positions)
    basis = hm.zernike.ZernikeBasis(n_max=20, radius=1.2 * spacing)
    moments = hm.zernike.get_moments(s.data, truth.positions, basis)
    orders = hm.zernike.choose_n_max(moments)
    axis.semilogy(orders.n, orders.signal.clip(1e-12), "o-", label="signal")
    axis.semilogy(orders.n, orders.variation.clip(1e-12), "s-", label="variation between atoms")
    axis.semilogy(orders.n, orders.noise, "k--", label="noise")
    axis.axvline(orders.n_max, color="0.6", lw=1)
    axis.set(
        title=f"{dose:.0e} electrons per Å²: n_max = {orders.n_max}", xlabel="radial order n", ylim=(1e-7, 2)
    )
axes[0].set_ylabel("mean square of the moments")
axes[1].legend(frameon=False)
