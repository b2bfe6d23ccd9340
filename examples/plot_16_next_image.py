"""
One vocabulary for the next image
=================================

Motifs learnt on one image, applied to another: under the same numbers and names, and with a number that says
which atoms are like none of them.
"""

import matplotlib.pyplot as plt
import numpy as np

import hyperspy_motifs as hm

# %%
# The first image is of the pure material with vacancies; the second, of another place, holds a dopant that
# the first has never seen.

options = {"double_vacancies": 0, "chalcogen_dopant": None, "shape": (420, 420)}
first, _ = hm.data.monolayer("WSe2", vacancies=0.05, metal_dopant=None, random_state=1, **options)
second, truth = hm.data.monolayer(
    "WSe2", vacancies=0.05, metal_dopant=("Cr", 0.02), random_state=2, **options
)

motifs = first.find_motifs(lens=0.6, show_progressbar=False)
print(motifs)

# %%
# The second image by the words of the first.

predicted = motifs.predict(second, show_progressbar=False)
print(predicted.counts)

figure, axes = plt.subplots(1, 2, figsize=(10.5, 4.4), layout="constrained")
motifs.plot(ax=axes[0])
predicted.plot(ax=axes[1])
axes[0].set_title("learnt on this image")
axes[1].set_title("applied to this one")
plt.show()

# %%
# Strangeness: near 1 for atoms that are like none of the motifs. The crosses are the dopants of the
# simulation.

strangeness = predicted.to_dict()["strangeness"]
extent = hm.draw.image_extent(second.data.shape, second.axes_manager.signal_axes[0].scale)
ax = hm.draw.plot_values(
    predicted.positions, strangeness, second.data, extent=extent, units="nm", label="strangeness"
)
dopants = truth.positions[truth.labels == truth.names.index("Cr")] * second.axes_manager.signal_axes[0].scale
ax.plot(*dopants.T, "x", color="red", ms=10, mew=1.5)
plt.show()
print("median strangeness of the others", round(float(np.median(strangeness)), 3))
