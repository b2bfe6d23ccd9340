"""From the image to the cells, in four panels."""

import matplotlib.pyplot as plt

import hyperspy_motifs as hm

s, truth = hm.data.monolayer("MoSe2", shape=(320, 320), random_state=4)
motifs = s.find_motifs(show_progressbar=False)

figure, axes = plt.subplots(1, 4, figsize=(13, 3.9), layout="constrained")
extent = hm.draw.image_extent(s.data.shape, [a.scale for a in s.axes_manager.signal_axes])
hm.draw.plot_image(s.data, extent=extent, units="nm", ax=axes[0])
motifs.plot(ax=axes[1], legend=False)
motifs.plot_layout(ax=axes[2], legend=False)
motifs.plot_cells(ax=axes[3]).get_legend().remove()
for axis, title in zip(axes, ("image", "motifs", "layout", "cells"), strict=True):
    axis.set_title(title)
