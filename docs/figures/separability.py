"""Separation of the smallest defects from the lattice, from ``benchmarks/bench_separability.py``."""

import runpy
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

# Figures are made in their own folder.
bench = runpy.run_path(str(Path("..", "..", "benchmarks", "bench_separability.py")))
tables = [bench["table"](*bench["simulated"](dose)) for dose in bench["DOSES"]]
figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True, layout="constrained")
for axis, title in zip(axes, tables[0], strict=True):
    kinds = [k for k in tables[0][title] if not k.startswith("motif-learn") and "auto" not in k]
    place = np.arange(len(kinds))
    for shift, dose, table, colour in zip((-0.2, 0.2), bench["DOSES"], tables, ("0.25", "0.65"), strict=True):
        rows = next(v for k, v in table.items() if k.split(" (")[0] == title.split(" (")[0])
        axis.barh(place + shift, [rows[k][0] for k in kinds], 0.38, color=colour, label=f"{dose:.0e} e/Å²")
    axis.set(title=title, xlabel="distance / spread of the lattice")
    axis.set_yticks(place, [k.strip() for k in kinds])
axes[0].invert_yaxis()
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
