"""Every stage and the whole, from a thousand to a million atoms, each next to its peer in the same run.

    python benchmarks/bench_scale.py -o scale.csv                            # the table and the figure: hours
    python benchmarks/bench_scale.py --sizes 2000 10000 --peers 10000 --figure scale.png
    python benchmarks/bench_scale.py --doped --sizes 1000 15000 --peers 0

A million atoms are 300 million pixels: each stage is measured, and 13 GB of memory are needed. The whole is measured up to
``--whole`` atoms.

With ``--doped`` the specimen is a lattice with 1 % of heavier columns, in which larger images have more significant groups.

Each size runs in a separate process to measure its peak memory; kernels are compiled on a small image first and
not timed. Peers get the same atoms: atomap's Gaussian fit (timed on 50 columns and scaled to all), motif-learn's patches,
moments, layout and regions, umap-learn, HDBSCAN of motif-learn's layout, up to ``--peers`` atoms; the minimum cycle basis of
networkx on 300 atoms of the smallest size. The whole of the peers is atomap's fit, motif-learn's patches, moments and layout,
and HDBSCAN: no cells, no hierarchy, no graph; ours has them, and four radii. Seconds are wall clock and processor time of
all threads; growth is the slope of the processor time between the smallest and the largest size on logarithmic scales.
``--rows`` keeps what was measured: given again, sizes that are in it are not measured again.
"""

import argparse
import contextlib
import csv
import io
import json
import os
import subprocess
import sys
import time
import warnings
from dataclasses import replace

import numpy as np

SIZES = (1_000, 4_000, 15_000, 50_000, 200_000, 1_000_000)
# Colours of Okabe and Ito, suitable for colour blindness; this package first.
COLOURS = ("#0072B2", "#D55E00", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#000000")
SAME = 1.3  # detected over requested atoms, or its inverse
ATOMS_PER_PIXEL = 877 / 512**2  # of data.monolayer at its default sampling
WHOLE = "whole, with cells and graph"
PEERS = "atomap, motif-learn, HDBSCAN"
OURS = "hyperspy_motifs"
COLUMNS = ("stage", "by", "atoms", "seconds", "processor seconds", "peak MB")


def peak_megabytes():
    """Peak memory of this process."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


class Table:
    """Rows of stages in the order of measurement."""

    def __init__(self):
        self.rows = []

    def time(self, stage, by, n, call, share=1.0):
        """Call and note the time, for `n` atoms, or as many as come out, of which `share` were done."""
        wall, cpu = time.perf_counter(), time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):
            result = call()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        n = len(result) if n is None else n
        self.add((stage, by, n, wall / share, cpu / share, peak_megabytes()))
        return result

    def add(self, row):
        """Note a row, and print it for the process that waits: what comes later may not come."""
        self.rows.append(row)
        print(json.dumps(row), flush=True)


def field(n_atoms, doped=False):
    """An image of about `n_atoms` atoms: of a monolayer, or of a lattice of Mo with 1 % of W, 18 pixels apart."""
    import hyperspy.api as hs

    from hyperspy_motifs import data

    side = max(round(np.sqrt(n_atoms / ATOMS_PER_PIXEL)), 180)
    shape = (side, side + 16)
    if not doped:
        return data.monolayer(shape=shape, random_state=0)[0]
    imaging = data.Imaging(shape=shape, pixel_size=0.25 / 18)
    specimen = data.lattice_specimen("triangular", imaging.reach, 0.25).displaced(0.002, 0)
    bright = np.random.default_rng(1).random(len(specimen.numbers)) < 0.01
    numbers = np.where(bright, 74, specimen.numbers)
    signal = hs.signals.Signal2D(data.simulate(replace(specimen, numbers=numbers), imaging)[0])
    signal.set_signal_type("atomic_image")
    return signal


def measure(n_atoms, peers, whole, doped):
    """Measure and print one size, with peers and the whole up to so many atoms."""
    from hyperspy_motifs.relaxation import nearest_neighbours

    warnings.simplefilter("ignore")
    _ = field(1000).find_motifs(show_progressbar=False).graph
    few = np.random.default_rng(0).random((300, 3))
    nearest_neighbours(few, 5, method="forest")  # as of 12,000 points on
    table = Table()
    image = field(n_atoms, doped)
    pixels = np.asarray(image.data)
    known = measure_stages(table, pixels)
    if n_atoms <= whole:
        table.time(
            WHOLE,
            OURS,
            len(known[0]),
            lambda: image.find_motifs(show_progressbar=False).graph,
        )
    if n_atoms <= peers:
        measure_peers(table, np.asarray(pixels, float), *known)


def measure_stages(table, pixels):
    """Rows of the stages; returns positions, features, nearest-neighbour distance and labels for the peers."""
    from hyperspy_motifs import atoms
    from hyperspy_motifs.cells import find_cells
    from hyperspy_motifs.graph import MotifGraph
    from hyperspy_motifs.hierarchy import build_hierarchy
    from hyperspy_motifs.relaxation import ForceRelaxedLayout
    from hyperspy_motifs.zernike import ZernikeBasis, get_moments

    ours = OURS
    xy = table.time("atoms", ours, None, lambda: atoms.find_atoms(pixels)).positions
    n = len(xy)
    spacing = atoms.nearest_neighbour_distance(xy)
    basis = ZernikeBasis(8, 1.2 * spacing)
    known = np.nan_to_num(table.time("moments", ours, n, lambda: get_moments(pixels, xy, basis)).values)
    table.time("layout", ours, n, lambda: ForceRelaxedLayout(random_state=0).fit_transform(known))
    labels = first_labels(table, pixels, xy, spacing)
    cells = table.time("cells", ours, n, lambda: find_cells(xy, labels))
    levels = table.time("hierarchy", ours, n, lambda: build_hierarchy(xy, labels, cells))
    columns = {
        "positions": xy,
        "labels": labels,
        "probabilities": np.ones(n),
        "names": [str(k) for k in range(int(labels.max()) + 1)],
    }
    table.time(
        "graph", ours, n, lambda: MotifGraph.from_arrays(**columns, cells=cells, hierarchy=levels, units="px")
    )
    return xy, known, spacing, labels


def first_labels(table, pixels, xy, spacing):
    """Labels at the smallest of four radii; moments and model are let go of."""
    from hyperspy_motifs.clustering import NestedRadii
    from hyperspy_motifs.models import DiscSource

    source = DiscSource([pixels], xy, spacing, {1.2: 8})
    for radius in (0.6, 1.2, 1.7, 2.4):
        source(radius)
    model = table.time("motifs, four radii", OURS, len(xy), lambda: NestedRadii().fit(source))
    return model.labels_at_[0.6]


def measure_peers(table, pixels, xy, known, spacing, labels):
    """Rows of the peers that are installed."""
    n = len(xy)
    plane = known[:, :2]  # where motif-learn is not there
    measure_atomap(table, pixels, xy)
    with contextlib.suppress(ImportError):
        from mtflearn.features import KeyPoints, ZPs

        ZPs(n_max=8, size=9).fit_transform(np.random.default_rng(0).random((3, 9, 9)))

        size = 2 * round(1.2 * spacing) + 1
        polynomials = ZPs(n_max=8, size=size)
        table.time(
            "moments",
            "motif-learn",
            n,
            lambda: polynomials.fit_transform(KeyPoints(xy, pixels, size).extract_patches(size, flat=False)),
        )
    # motif-learn divides by zero where features repeat.
    with contextlib.suppress(ImportError, ZeroDivisionError):
        from mtflearn.manifold import ForceGraph8

        plane = table.time(
            "layout", "motif-learn", n, lambda: ForceGraph8(metric="euclidean").fit_transform(known)
        )
    with contextlib.suppress(ImportError):
        from sklearn.cluster import HDBSCAN

        table.time(
            "motifs, four radii", "HDBSCAN of one layout", n, lambda: HDBSCAN(min_cluster_size=5).fit(plane)
        )
    with contextlib.suppress(ImportError):
        from mtflearn.graph.find_regions import find_regions
        from mtflearn.graph.vnn import vnn_graph

        table.time("cells", "motif-learn", n, lambda: find_regions(xy, vnn_graph(xy)))
    together = [
        row
        for row in table.rows
        if row[:2]
        in {
            ("atoms", "atomap Gaussian"),
            ("moments", "motif-learn"),
            ("layout", "motif-learn"),
            ("motifs, four radii", "HDBSCAN of one layout"),
        }
    ]
    if len(together) == 4:
        wall, cpu = (sum(row[k] for row in together) for k in (3, 4))
        table.add((WHOLE, PEERS, n, wall, cpu, peak_megabytes()))
    with contextlib.suppress(ImportError):
        from umap import UMAP

        UMAP(n_neighbors=12, random_state=0).fit(known[:300])
        table.time("layout", "umap-learn", n, lambda: UMAP(n_neighbors=12).fit(known))
    if n <= 1500:
        import networkx as nx

        from hyperspy_motifs.cells import find_cells

        # It takes minutes for a thousand.
        corner = np.argsort(np.hypot(*xy.T))[:300]
        bonds = nx.Graph(find_cells(xy[corner], labels[corner]).bonds.tolist())
        table.time("cells", "networkx cycle basis", len(corner), lambda: nx.minimum_cycle_basis(bonds))


def measure_atomap(table, pixels, xy):
    """Atomap's Gaussian fit of 50 columns, as many as need not be waited for."""
    with contextlib.suppress(ImportError):
        import hyperspy.api as hs
        from atomap.api import Sublattice  # that of atomap.sublattice is circular unless others come first

        inner = np.flatnonzero(np.all((xy > 40) & (xy < 140), axis=1))[:50]
        lattice = Sublattice(xy[inner], image=hs.signals.Signal2D(pixels[:180, :180]))
        lattice.find_nearest_neighbors()
        table.time(
            "atoms",
            "atomap Gaussian",
            len(xy),
            lambda: lattice.refine_atom_positions_using_2d_gaussian(show_progressbar=False),
            share=len(inner) / len(xy),
        )


def growth(rows):
    """Slope of processor time over atoms of each stage and maker that was measured at two sizes."""
    slopes = {}
    for key in dict.fromkeys((row[0], row[1]) for row in rows):
        own = sorted((row[2], row[4]) for row in rows if (row[0], row[1]) == key)
        if len(own) > 1 and own[-1][0] > own[0][0]:
            slopes[key] = float(np.log(own[-1][1] / own[0][1]) / np.log(own[-1][0] / own[0][0]))
    return slopes


def ratios(rows):
    """How many times as long as ours the whole of the peers took, by size: (atoms, wall clock, processor)."""
    whole = {row[1:3]: row[3:5] for row in rows if row[0] == WHOLE}
    return [
        (n, *(float(peer / ours) for peer, ours in zip(times, whole[OURS, n], strict=True)))
        for (by, n), times in whole.items()
        if by == PEERS and (OURS, n) in whole
    ]


def write_table(rows, path):
    """Processor seconds, one line per stage and package, one column per size; seconds per atom at the largest size."""
    sizes = sorted({row[2] for row in rows if row[0] == "moments" and row[1] == OURS})
    slopes = growth(rows)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["stage", "by", *(f"{n:,}" for n in sizes), "growth", "µs per atom"])
        for key in dict.fromkeys((row[0], row[1]) for row in rows):
            own = sorted((row for row in rows if (row[0], row[1]) == key), key=lambda row: row[2])
            cells = []
            for n in sizes:
                near = [row[4] for row in own if abs(row[2] / n - 1) < 0.05]
                cells.append(f"{near[0]:.2g}" if near and near[0] < 10 else f"{near[0]:.0f}" if near else "")
            cost = 1e6 * own[-1][4] / own[-1][2]
            writer.writerow(
                [
                    *key,
                    *cells,
                    f"{slopes[key]:.2f}" if key in slopes else "",
                    f"{cost:.1f}" if cost < 10 else f"{cost:.0f}",
                ]
            )
        peaks = {}
        for row in rows:
            near = [n for n in sizes if row[1] == OURS and abs(row[2] / n - 1) < 0.05]
            peaks |= {n: max(peaks.get(n, 0.0), row[5]) for n in near}
        writer.writerow(
            ["peak memory, MB", OURS, *(f"{peaks[n]:.0f}" if n in peaks else "" for n in sizes), ""]
        )


def draw(rows, path):
    """Processor seconds over atoms on logarithmic scales, one panel a stage."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    stages = list(dict.fromkeys(row[0] for row in rows))
    n_columns = min(4, len(stages))
    n_lines = -(-len(stages) // n_columns)
    figure, axes = plt.subplots(
        n_lines,
        n_columns,
        figsize=(2.1 * n_columns, 2.1 * n_lines + 0.9),
        sharex=True,
        sharey=True,
        layout="constrained",
        squeeze=False,
    )
    slopes = growth(rows)
    makers = list(dict.fromkeys(row[1] for row in rows))
    colours = dict(zip(makers, COLOURS, strict=False))
    for ax, stage in zip(axes.flat, stages, strict=False):
        for maker in makers:
            own = sorted((row[2], row[4]) for row in rows if row[:2] == (stage, maker))
            if own:
                marks = (
                    {"marker": "o", "ls": "-", "zorder": 3} if maker == OURS else {"marker": "s", "ls": "--"}
                )
                ax.loglog(*zip(*own, strict=True), ms=3.5, lw=1.2, color=colours[maker], **marks)
        slope = slopes.get((stage, OURS))
        title = stage if slope is None else f"{stage}\n$n^{{{slope:.2f}}}$"
        ax.set_title(title, fontsize="small")
        ax.tick_params(labelsize="small")
        ax.grid(alpha=0.25, lw=0.5)
    for ax in axes.flat[len(stages) :]:
        ax.set_visible(False)
    figure.supylabel("processor seconds", fontsize="small")
    for ax in axes[-1]:
        ax.set_xlabel("atoms", fontsize="small")
    handles = [
        plt.Line2D(
            [], [], color=colours[m], marker="o" if m == OURS else "s", ls="-" if m == OURS else "--", ms=3.5
        )
        for m in makers
    ]
    figure.legend(handles, makers, loc="outside lower center", ncols=4, fontsize="small", frameon=False)
    figure.savefig(path, dpi=200)


def read_rows(path):
    """Rows of an earlier run."""
    with open(path, newline="", encoding="utf-8") as file:
        return [(*row[:2], int(row[2]), *map(float, row[3:])) for row in list(csv.reader(file))[1:]]


def write_rows(rows, path):
    """Keep what was measured."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows((*row[:3], f"{row[3]:.4g}", f"{row[4]:.4g}", f"{row[5]:.0f}") for row in rows)


def rows_of(n, options):
    """Rows of one size measured in a separate process, printed immediately."""
    limits = ["--peers", str(options.peers), "--whole", str(options.whole)]
    command = [sys.executable, __file__, "--one", str(n), *limits, *["--doped"] * options.doped]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if not line.startswith("["):
                continue
            row = tuple(json.loads(line))
            stage, by, count, wall, cpu, peak = row
            print(f"{stage:33s} {by:28s} {count:9d} {wall:10.2f} s {cpu:10.2f} s {peak:8.0f} MB", flush=True)
            yield row
    if process.returncode:
        print(f"{n} atoms: exit code {process.returncode}, as for insufficient memory")


def main(arguments=None):
    """Measure, print, and write the table and the figure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="N")
    parser.add_argument("--peers", type=int, default=50_000, metavar="N", help="largest size of the peers")
    parser.add_argument("--whole", type=int, default=200_000, metavar="N", help="largest size of the whole")
    parser.add_argument("-o", "--output", metavar="FILE", help="table, .csv; the figure next to it as .png")
    parser.add_argument("--figure", metavar="FILE")
    parser.add_argument("--rows", metavar="FILE", help="measurements, .csv, read and written")
    parser.add_argument(
        "--doped", action="store_true", help="a doped lattice in place of a monolayer with defects"
    )
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        measure(options.one, options.peers, options.whole, options.doped)
        return
    rows = read_rows(options.rows) if options.rows and os.path.exists(options.rows) else []
    for n in options.sizes:
        own = [row for row in rows if 1 / SAME < row[2] / n < SAME]
        if (WHOLE if n <= options.whole else "graph", OURS) in {row[:2] for row in own}:
            continue
        rows = [row for row in rows if row not in own]
        for row in rows_of(n, options):
            rows.append(row)
            if options.rows:
                write_rows(rows, options.rows)
    for (stage, by), slope in growth(rows).items():
        print(f"growth of {stage}, {by}: {slope:.2f}")
    for n, wall, cpu in ratios(rows):
        print(f"{PEERS} over {OURS}, {n} atoms: {wall:.1f} in wall clock, {cpu:.1f} in processor time")
    if options.output:
        write_table(rows, options.output)
    picture = options.figure or (os.path.splitext(options.output)[0] + ".png" if options.output else None)
    if picture and rows:
        draw(rows, picture)


if __name__ == "__main__":
    main()
