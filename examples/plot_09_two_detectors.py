"""
Two detectors of one scan
=========================

What one detector cannot tell apart, two can: their features stand side by side, each in units of its own
noise.
"""

import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np
from scipy.spatial import cKDTree

import hyperspy_motifs as hm

# %%
# One specimen, imaged twice with little dose: once with a strong, once with a weak dependence on the atomic
# number.

specimen = hm.data.monolayer_specimen(
    "WSe2", reach=6, vacancies=0.03, double_vacancies=0, metal_dopant=("Cr", 0.03), chalcogen_dopant=None
)
images = []
for seed, exponent in enumerate((1.7, 1.0)):
    imaging = hm.data.Imaging(shape=(512, 512), dose=2e4, z_exponent=exponent)
    counts, truth = hm.data.simulate(specimen, imaging, random_state=seed)
    s = hs.signals.Signal2D(counts)
    s.axes_manager.signal_axes.set(scale=imaging.pixel_size, units="nm", name=("x", "y"))
    s.set_signal_type("atomic_image")
    images.append(s)
high, low = images

figure, axes = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
for axis, s, title in zip(axes, images, ("exponent 1.7", "exponent 1.0"), strict=True):
    hm.draw.plot_image(s.data[:256, :256], ax=axis, scale_bar=False)
    axis.set_title(title)
plt.show()

# %%
# Each alone, then both together: what share of the atoms of each species is in a motif where that species is
# the majority.


def right(motifs):
    distance, nearest = cKDTree(truth.positions).query(motifs.pixel_positions)
    species = np.where(distance < 3, truth.labels[nearest], -1)
    labels = motifs.labels_at(motifs.lenses[0])
    table = np.array(
        [
            [np.sum((labels == k) & (species == i)) for i in range(len(truth.names))]
            for k in range(labels.max() + 1)
        ]
    )
    majority = table.argmax(axis=1)
    return [table[majority == i, i].sum() / max(table[:, i].sum(), 1) for i in range(len(truth.names))]


print("          " + "".join(f"{name:>7}" for name in truth.names))
for title, motifs in (
    ("first", high.find_motifs(show_progressbar=False)),
    ("second", low.find_motifs(show_progressbar=False)),
    ("both", high.find_motifs(also=low, show_progressbar=False)),
):
    print(f"{title:10s}" + "".join(f"{share:7.2f}" for share in right(motifs)))

# %%
# The motifs of both.

high.motifs.plot()
plt.show()
