"""Draw the figure of the README: ``python docs/images/make_first_light.py``."""

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt

from hyperspy_motifs import data

signal, _ = data.monolayer(
    "MoSe2", vacancies=0.05, double_vacancies=0.01, shape=(440, 440), dose=8e4, random_state=5
)
motifs = signal.find_motifs(radius=0.6, show_progressbar=False)
motifs.relabel({0: "Mo", 1: "Se2", 2: "Se", 3: "W"})

figure = plt.figure(figsize=(11, 8.2), layout="constrained")
upper, lower = figure.subfigures(2, 1, height_ratios=[2.2, 1])
left, right = upper.subplots(1, 2)
motifs.plot(ax=left, legend=False)
left.set_title("atoms by motif")
motifs.plot_cells(ax=right)
right.set_title("cells between the atoms")
a, b = lower.subfigures(1, 2, width_ratios=[1, 2])
axis = a.subplots()
motifs.plot_layout(ax=axis, legend=False)
axis.set_title("force-relaxed layout")
motifs.plot_means(figure=b)
figure.savefig(Path(__file__).with_name("first_light.png"), dpi=120)
