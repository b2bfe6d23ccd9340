"""Layouts of data without structure."""

import matplotlib.pyplot as plt
import numpy as np

import hyperspy_motifs as hm

s, truth = hm.data.lattice("triangular", shape=(360, 360), dose=3e4, random_state=1)
motifs = s.find_motifs(show_progressbar=False)
nothing = np.random.default_rng(0).normal(size=(600, 20))

figure, axes = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
motifs.plot_layout(ax=axes[0], legend=False)
axes[0].set_title(f"perfect lattice: {motifs.n_motifs} motif" + "s" * (motifs.n_motifs > 1))
clusters = hm.clustering.MotifClustering(noise=1.0).fit(nothing)
n_motifs = int(clusters.labels_.max()) + 1
hm.draw.plot_layout(clusters.layout_, clusters.labels_, ax=axes[1], legend=False)
axes[1].set_title(f"random numbers: {n_motifs} motif" + "s" * (n_motifs > 1))
