"""
One model for several images
============================

The motifs of one image are applied to another one, with the same numbers and names. The outlier score
marks atoms that belong to no motif.
"""

import matplotlib.pyplot as plt

import hyperspy_motifs as hm

# sphinx_gallery_thumbnail_number = 2

# %%
# The first image shows the pure material with vacancies. The second image, of another area, contains a
# dopant that is missing in the first.

options = {"double_vacancies": 0, "chalcogen_dopant": None, "shape": (420, 420)}
first, _ = hm.data.monolayer("WSe2", vacancies=0.05, metal_dopant=None, random_state=1, **options)
second, truth = hm.data.monolayer(
    "WSe2", vacancies=0.05, metal_dopant=("Cr", 0.02), random_state=2, **options
)

motifs = first.find_motifs(radius=0.6, show_progressbar=False)
print(motifs)

# %%
# The model of the first image, which is stored with its result, is applied to the second. Nothing is
# fitted again.

predicted = motifs.predict(second, show_progressbar=False)
print(predicted.counts)

figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
motifs.plot(ax=axes[0])
predicted.plot(ax=axes[1])
axes[0].set_title("model fitted to this image")
axes[1].set_title("model applied to this image")
plt.show()

# %%
# The outlier score is the probability that an atom of the motif is closer to the mean of the motif. It
# is uniformly distributed from 0 to 1 for atoms that belong to their motif, so 1 - outlier_score is a
# p-value. The scatter of atoms that were left out of the fit determines it. Among n atoms, those with a
# p-value below 1 / n should be checked (truncated atoms are excluded). Circles mark these atoms, crosses
# the simulated dopants. Columns next to a dopant can also be outliers, and one or two atoms are outliers
# by chance.

p_values = 1 - predicted.to_dict()["outlier_score"]
outliers = (p_values < 1 / len(p_values)) & ~predicted.truncated
extent = hm.draw.image_extent(second.data.shape, second.axes_manager.signal_axes[0].scale)
ax = hm.draw.plot_image(second.data, extent=extent, units="nm")
dopants = truth.positions[truth.labels == truth.names.index("Cr")] * second.axes_manager.signal_axes[0].scale
ax.plot(*dopants.T, "x", color="red", ms=9, mew=1.5)
ax.plot(*predicted.positions[outliers].T, "o", mfc="none", mec="yellow", ms=12, mew=1.5)
ax.set_title(f"{outliers.sum()} outliers, {len(dopants)} dopants")
plt.show()
