"""
Two detectors of one scan
=========================

Two detectors together separate species that one detector alone does not. Their features are combined,
each in units of its own noise.
"""

import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np

import hyperspy_motifs as hm

# %%
# The specimen is MoSe\ :sub:`2` in which some columns of two selenium atoms have lost one atom, and some
# contain two sulphur atoms instead. The signal of a high-angle detector increases with about the power
# 1.7 of the atomic number, that of a low-angle detector with a lower power. At a power of 0.92, two
# sulphur atoms are as bright as one selenium atom.

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
# Each detector alone, then both together, at the same positions. The table gives, for each species, the
# share of atoms in motifs with this species as the majority, at the smallest radius. Truncated atoms are
# excluded.

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
# The atoms of the low-angle image with the motifs of both detectors.

low.motifs.plot()
plt.show()
