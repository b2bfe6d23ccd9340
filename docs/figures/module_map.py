"""Map of the modules, drawn from their imports."""

import ast
import importlib.util
from pathlib import Path

import matplotlib.pyplot as plt

CHAIN = (
    "atoms",
    "occupancy",
    "patches",
    "zernike",
    "relaxation",
    "sites",
    "manifold",
    "clustering",
    "models",
    "cells",
    "hierarchy",
    "defects",
    "describe",
    "identify",
    "graph",
)
# Numerical modules outside the chain: they process frames independently of their content.
BESIDE = ("stacks", "movies")
TEXT = {
    "atoms": "positions of the columns",
    "occupancy": "sites, occupied or empty",
    "patches": "the disc around each",
    "zernike": "moments, noise, symmetry",
    "relaxation": "force-relaxed layout",
    "sites": "positions of neighbours",
    "manifold": "continua: coordinates, disorder",
    "clustering": "layout to motifs",
    "models": "fitted models, files",
    "stacks": "frames, local or on a cluster",
    "movies": "tracking, transitions",
    "cells": "bonds, polygons, classes",
    "hierarchy": "levels, statistics",
    "defects": "outliers, their error rates",
    "describe": "what each motif is, in words",
    "identify": "names from a structure",
    "graph": "atoms, cells, types",
    "signals": "AtomicImage, AtomPatches,\nZernikeFeatures",
    "pipeline": "the steps from image to motifs",
    "motifs": "Motifs: the result",
    "collection": "many images, one model",
    "draw": "plots, explorer",
    "store": "the metadata schema",
    "exchange": "objects of other tools",
    "data": "simulated images",
    "cli": "the command",
}
OUTER_ORDER = (
    "data",
    "stacks",
    "store",
    "pipeline",
    "signals",
    "exchange",
    "motifs",
    "draw",
    "collection",
    "cli",
    "movies",
)
OUTER = {name: (8.6, 7.2 - 7.2 / (len(OUTER_ORDER) - 1) * i) for i, name in enumerate(OUTER_ORDER)}


def imports(module: str, root: Path) -> set[str]:
    """Modules of the package that `module` imports, anywhere in its files."""
    files = (root / module).rglob("*.py") if (root / module).is_dir() else [root / f"{module}.py"]
    found = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hyperspy_motifs"):
                path = node.module.split(".")[1:]
                found |= {path[0]} if path else {alias.name for alias in node.names}
    return found - {module}


root = Path(importlib.util.find_spec("hyperspy_motifs").origin).parent
modules = {path.parent.name for path in root.glob("*/__init__.py")}
if unknown := modules - {"tests"} - TEXT.keys():
    raise ValueError(
        f"The map of the modules does not know {', '.join(sorted(unknown))}: say what it is for."
    )
place = {name: (1.6, 7.2 - i * 7.2 / (len(CHAIN) - 1)) for i, name in enumerate(CHAIN)} | OUTER
figure, ax = plt.subplots(figsize=(10, 8.8), layout="constrained")
for name, (x, y) in place.items():
    inner = name in CHAIN + BESIDE
    colour = "#dbe9f6" if inner else "#fde6cd"
    ax.text(x, y, f"{name}\n{TEXT[name]}", ha="center", va="center", fontsize=9.5, zorder=3,
            bbox={"boxstyle": "round,pad=0.4", "fc": colour, "ec": "0.4"})  # fmt: skip
for name, (x, y) in place.items():
    for other in sorted(imports(name, root) & place.keys()):
        near = place[other][0] == x
        step = abs(list(place).index(name) - list(place).index(other))
        style = {
            "arrowstyle": "-|>",
            "color": "0.55" if near else "0.8",
            "lw": 1.1 if near else 0.7,
            "connectionstyle": f"arc3,rad={min(0.15 * step, 0.42) if near and step > 1 else 0}",
            "shrinkA": 30,
            "shrinkB": 30,
        }
        ax.annotate("", place[other], (x, y), arrowprops=style, zorder=1)
ax.set(xlim=(-0.6, 11.6), ylim=(-0.6, 7.8))
ax.set_axis_off()
