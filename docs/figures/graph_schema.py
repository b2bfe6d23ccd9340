"""Kinds of nodes and edges."""

import matplotlib.pyplot as plt

INSTANCES = {"atom": (0, 0), "cell": (0, 1), "unit-cell, composite, ...": (0, 2), "domain, boundary": (0, 3)}
TYPES = {"motif": (3, 0), "cell-class": (3, 1), "unit-cell-class, ...": (3, 2), "domain-class, ...": (3, 3)}

figure, ax = plt.subplots(figsize=(9, 4.6), layout="constrained")
style = {"ha": "center", "va": "center", "fontsize": 10}
for nodes, colour in ((INSTANCES, "#dbe9f6"), (TYPES, "#fde6cd")):
    for name, (x, y) in nodes.items():
        ax.text(x, y, name, bbox={"boxstyle": "round,pad=0.45", "fc": colour, "ec": "0.4"}, **style)


def arrow(start, end, text, curve=0.0, at=(0.0, 0.0)):
    ax.annotate(
        "",
        end,
        start,
        arrowprops={"arrowstyle": "-|>", "color": "0.35", "connectionstyle": f"arc3,rad={curve}"},
    )
    ax.text(
        (start[0] + end[0]) / 2 + at[0],
        (start[1] + end[1]) / 2 + at[1],
        text,
        fontsize=9,
        color="0.2",
        ha="center",
    )


for y in range(3):
    arrow((0, y + 0.2), (0, y + 0.8), "part_of", at=(0.32, -0.04))
    arrow((3, y + 0.8), (3, y + 0.2), "composed_of", at=(0.42, -0.04))
for y in range(4):
    arrow((0.95, y), (2.15, y), "instance_of", at=(0, 0.07))
    arrow((-0.75, y + 0.12), (-0.75, y - 0.12), "adjacent", curve=2.2, at=(-0.5, -0.04))
    arrow((3.75, y - 0.12), (3.75, y + 0.12), "neighbours", curve=2.2, at=(0.6, -0.04))
for y in range(4):
    ax.text(-2.0, y, f"level {y}" if y < 2 else "...", fontsize=9, color="0.4", va="center")
ax.text(0, 3.6, "instances (x, y)", fontweight="bold", **style)
ax.text(3, 3.6, "types (name, size)", fontweight="bold", **style)
ax.set(xlim=(-2.2, 5.0), ylim=(-0.5, 3.9))
ax.set_axis_off()
