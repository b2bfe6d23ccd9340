"""Level and power of the test of a split, from ``docs/guide/split_test.csv`` (``benchmarks/bench_split_test.py``)."""

import csv
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import binomtest

# Figures are made in their own folder.
with Path("..", "guide", "split_test.csv").open(encoding="utf-8") as file:
    rows = list(csv.DictReader(file))
methods = {
    "MotifClustering": ("k", "-"),
    "BIC, tied, 5 axes": ("tab:blue", "--"),
    "BIC, tied, 20 axes": ("tab:blue", "-"),
    "BIC, full, 20 axes": ("tab:green", "-"),
    "HDBSCAN, 20 axes": ("tab:orange", "-"),
    "Isolation Forest": ("tab:red", ":"),
}
figure, axes = plt.subplots(1, 5, figsize=(13, 3.2), layout="constrained")

level = [row for row in rows if row["test"] == "level"]
for size, colour in zip(
    sorted({int(row["points"]) for row in level}), ("0.75", "0.55", "0.3", "k"), strict=True
):
    alphas, shares, low, high = [], [], [], []
    for alpha in sorted({float(row["alpha"]) for row in level}):
        chosen = [r for r in level if float(r["alpha"]) == alpha and int(r["points"]) == size]
        test = binomtest(sum(int(r["counted"]) for r in chosen), sum(int(r["clouds"]) for r in chosen))
        interval = test.proportion_ci(0.95)
        alphas.append(alpha)
        shares.append(test.statistic)
        low.append(test.statistic - interval.low)
        high.append(interval.high - test.statistic)
    shift = 1.12 ** (np.log10(size) - 2.7)
    axes[0].errorbar(
        np.array(alphas) * shift, shares, (low, high), fmt="o", ms=3, color=colour, label=f"{size}"
    )
axes[0].plot([5e-4, 0.2], [5e-4, 0.2], color="0.5", lw=0.8)
axes[0].set(title="one group", xlabel="alpha", ylabel="share that is split", xscale="log")
axes[0].set_yscale("symlog", linthresh=1e-3)
axes[0].set_ylim(0, 0.3)
axes[0].legend(title="points", frameon=False, loc="upper left", fontsize="small")

power = [row for row in rows if row["test"] == "power"]
for axis, size in zip(axes[1:], (3, 5, 10, 20), strict=True):
    for method, (colour, style) in methods.items():
        case = f"{method}, 3" if size == 3 and method == "MotifClustering" else method
        chosen = [r for r in power if int(r["points"]) == size and r["case"] == case]
        place = [float(r["separation"]) for r in chosen]
        axis.plot(place, [float(r["share"]) for r in chosen], style, color=colour, label=method)
    axis.set(title=f"{size} of 2,000", xlabel="separation / spread", ylim=(-0.03, 1.03))
axes[1].set_ylabel("share found, F1 > 0.8")
figure.legend(*axes[4].get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False)
