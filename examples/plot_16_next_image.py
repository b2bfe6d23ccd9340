"""
One model for the next image
=================================

Motifs learnt on one image, applied to another: under the same numbers and names, and with a number that says
which atoms are like none of them.
"""

import matplotlib.pyplot as plt

import hyperspy_motifs as hm

# sphinx_gallery_thumbnail_number = 2

# %%
# The first image is of the pure material with vacancies; the second, of another place, holds a dopant that
# the first has never seen.

options = {"double_vacancies": 0, "chalcogen_dopant": None, "shape": (420, 420)}
first, _ = hm.data.monolayer("WSe2", vacancies=0.05, metal_dopant=None, random_state=1, **options)
second, truth = hm.data.monolayer(
    "WSe2", vacancies=0.05, metal_dopant=("Cr", 0.02), random_state=2, **options
)

motifs = first.find_motifs(radius=0.6, show_progressbar=False)
print(motifs)

# %%
# The second image by the model of the first.

predicted = motifs.predict(second, show_progressbar=False)
print(predicted.counts)

figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
motifs.plot(ax=axes[0])
predicted.plot(ax=axes[1])
axes[0].set_title("learnt on this image")
axes[1].set_title("applied to this one")
plt.show()

# %%
# The outlier score is the probability that an atom of the motif would lie nearer to its mean: of atoms that are
# what they are called it is spread evenly from 0 to 1, so 1 - outlier_score is a p-value, and among n atoms
# those below 1 / n are worth a look, atoms that the border cuts left out. Circles: these. Crosses: the dopants
# of the simulation. A column beside a dopant may be an outlier as well, and one or two are so by chance.

p_values = 1 - predicted.to_dict()["outlier_score"]
outliers = (p_values < 1 / len(p_values)) & ~predicted.truncated
extent = hm.draw.image_extent(second.data.shape, second.axes_manager.signal_axes[0].scale)
ax = hm.draw.plot_image(second.data, extent=extent, units="nm")
dopants = truth.positions[truth.labels == truth.names.index("Cr")] * second.axes_manager.signal_axes[0].scale
ax.plot(*dopants.T, "x", color="red", ms=9, mew=1.5)
ax.plot(*predicted.positions[outliers].T, "o", mfc="none", mec="yellow", ms=12, mew=1.5)
ax.set_title(f"{outliers.sum()} outliers, {len(dopants)} dopants")
plt.show()
