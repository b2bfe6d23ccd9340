"""
Two detectors of one scan
=========================

What one detector cannot tell apart, another may: their features stand side by side, each in units of its own
noise, and what either tells is told.
"""

import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np

import hyperspy_motifs as hm

# %%
# MoSe\ :sub:`2` in which some columns of two selenium atoms have lost one, and some hold two sulphur atoms
# instead. A detector at high angles sees atoms by about the power 1.7 of their number; one at lower angles by
# a lower power. At 0.92 two sulphur atoms happen to be as bright as one of selenium.

specimen = hm.data.monolayer_specimen(
    "MoSe2", reach=5, vacancies=0.05, double_vacancies=0, metal_dopant=None, chalcogen_dopant=("S", 0.05)
)
images = []
for seed, (exponent, scattering) in enumerate(((0.92, 7.5e-4), (1.7, 5e-5))):
    imaging = hm.data.Imaging(shape=(400, 400), dose=5e4, z_exponent=exponent, scattering=scattering)
    counts, truth = hm.data.simulate(specimen, imaging, random_state=seed)
    s = hs.signals.Signal2D(counts)
    s.axes_manager.signal_axes.set(scale=imaging.pixel_size, units="nm", name=("x", "y"))
    s.set_signal_type("atomic_image")
    images.append(s)
low, high = images

figure, axes = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
for axis, s, title in zip(axes, images, ("lower angles", "high angles"), strict=True):
    extent = hm.draw.image_extent((200, 200), imaging.pixel_size)
    hm.draw.plot_image(s.data[:200, :200], ax=axis, extent=extent, units="nm")
    axis.set_title(title)
plt.show()

# %%
# Each alone, then both together, on the same positions. The table says what share of the atoms of each
# species is in a motif where that species is the majority, at the smallest radius; atoms that the border cuts
# are left out.

positions = truth.positions * imaging.pixel_size


def found(image, **options):
    motifs = image.find_motifs(positions, refine=False, show_progressbar=False, **options)
    labels = motifs.labels_at(motifs.radii[0])
    table = np.zeros((labels.max() + 1, len(truth.names)), dtype=int)
    whole = ~motifs.truncated
    np.add.at(table, (labels[whole], truth.labels[whole]), 1)
    majority = table.argmax(axis=1)
    return [table[majority == i, i].sum() / table[:, i].sum() for i in range(len(truth.names))]


print("        " + "".join(f"{name:>7}" for name in truth.names))
for title, shares in (
    ("low", found(low)),
    ("high", found(high)),
    ("both", found(low, detectors=high)),
):
    print(f"{title:8s}" + "".join(f"{share:7.2f}" for share in shares))

# %%
# The atoms of the low-angle image, by the motifs of both.

low.motifs.plot()
plt.show()
