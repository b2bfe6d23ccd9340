"""
Tour: count the vacancies
=========================

How many chalcogen atoms are missing, how sure is the number, and do they lie together? The tour ends in a
figure for a paper and a report.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import hyperspy_motifs as hm

# sphinx_gallery_thumbnail_number = -1

# %%
# The image looks like one from a microscope: WSe\ :sub:`2` with vacancies, a dose of 20,000 electrons per
# square angstrom, an uneven background, a scan that drifts and rows that jitter. Replace these lines by
# ``s = hs.load("image.dm4")`` and ``s.set_signal_type("atomic_image")`` for another one.

s, truth = hm.data.monolayer(
    "WSe2", vacancies=0.03, double_vacancies=0.01, metal_dopant=None, chalcogen_dopant=None, shape=(640, 640),
    dose=2e4, background_variation=0.6, drift=(4, -3), row_jitter=0.2, rotation=7, random_state=3,
)  # fmt: skip
motifs = s.find_motifs(show_progressbar=False)
print(motifs)

# %%
# What the motifs are: each is described in words. Tungsten is the brightest, pairs of selenium have half of
# its height, and the rare columns on selenium sites half of that: single selenium atoms.

print(motifs.describe())
motifs.relabel({0: "W", 1: "Se2", 2: "Se"})

# %%
# Columns of one selenium atom are a motif of their own, which is rare; columns without any atom are empty
# sites of the lattice. Both are in the list of defects, with a false discovery rate of 5 %.

defects = motifs.defects
print(defects)
print(defects.densities())

# %%
# Whether they lie together: the distances of the vacancies are compared with those of as many sites chosen
# at random.

for kind in defects.counts:
    print(kind, defects.test_clustering(kind), sep=": ")

# %%
# The figure: the image with the defects, the mean of each motif, and the heights of the columns of each.

with hm.draw.journal_style():
    figure = plt.figure(figsize=(hm.draw.TWO_COLUMNS, 3.4), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1.35, 1))
    above, below = right.subfigures(2, 1, height_ratios=(0.9, 1))
    motifs.plot.defects(ax=left.subplots(), s=22)
    motifs.plot.means(figure=above)
    motifs.plot.heights(ax=below.subplots())
plt.show()

# %%
# The simulated truth, away from the border, where a column cannot be judged.

x, y = truth.positions.T
inner = (np.minimum(x, y) > 15) & (np.maximum(x, y) < 625)
print({name: int(np.sum(inner & (truth.labels == k))) for k, name in enumerate(truth.names)})
x, y = truth.extra["vacancies"].T
print("empty sites:", int(np.sum((np.minimum(x, y) > 15) & (np.maximum(x, y) < 625))))

# %%
# The report has all this in one file to click in, with the calls that repeat it.

with tempfile.TemporaryDirectory() as folder:
    report = motifs.report(Path(folder) / "vacancies.html")
    print(f"{report.name}: {report.stat().st_size / 1e6:.1f} MB")
