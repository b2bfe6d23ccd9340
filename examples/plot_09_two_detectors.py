"""
Two detectors of one scan
=========================

What one detector cannot tell apart, two can: their features stand side by side, each in units of its own
noise.
"""

import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np

import hyperspy_motifs as hm

# %%
# One specimen, imaged with little dose on two detectors that see the atomic number differently.

specimen = hm.data.monolayer_specimen(
    "WSe2", reach=5, vacancies=0.06, double_vacancies=0, metal_dopant=("Mo", 0.06), chalcogen_dopant=None
)
images = []
for seed, exponent in enumerate((1.7, 1.3)):
    imaging = hm.data.Imaging(shape=(400, 400), dose=6e3, z_exponent=exponent)
    counts, truth = hm.data.simulate(specimen, imaging, random_state=seed)
    s = hs.signals.Signal2D(counts)
    s.axes_manager.signal_axes.set(scale=imaging.pixel_size, units="nm", name=("x", "y"))
    s.set_signal_type("atomic_image")
    images.append(s)
first, second = images

figure, axes = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
for axis, s, title in zip(axes, images, ("exponent 1.7", "exponent 1.3"), strict=True):
    hm.draw.plot_image(s.data[:200, :200], ax=axis, scale_bar=False)
    axis.set_title(title)
plt.show()

# %%
# Each alone, then both together, on the same positions. The table says what share of the atoms of each
# species is in a motif where that species is the majority, through the smallest lens.

positions = truth.positions * imaging.pixel_size


def found(image, **options):
    motifs = image.find_motifs(positions, refine=False, show_progressbar=False, **options)
    labels = motifs.labels_at(motifs.lenses[0])
    table = np.zeros((labels.max() + 1, len(truth.names)), dtype=int)
    np.add.at(table, (labels, truth.labels), 1)
    majority = table.argmax(axis=1)
    return [table[majority == i, i].sum() / table[:, i].sum() for i in range(len(truth.names))]


print("        " + "".join(f"{name:>7}" for name in truth.names))
for title, shares in (
    ("first", found(first)),
    ("second", found(second)),
    ("both", found(first, also=second)),
):
    print(f"{title:8s}" + "".join(f"{share:7.2f}" for share in shares))

# %%
# The atoms of the first image, by the motifs of both.

first.motifs.plot()
plt.show()
