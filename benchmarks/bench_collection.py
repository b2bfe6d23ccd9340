"""A collection from files: seconds, peak memory, its growth for each image, and what a second worker brings.

    python benchmarks/bench_collection.py --images 10 30                   # all atoms are in the fit
    python benchmarks/bench_collection.py --images 15 40 --sample 4000
    python benchmarks/bench_collection.py --images 24 --sample 4000 --workers 1 2

The images are written to a temporary folder first: simulated fields of one monolayer. Each measurement runs in a separate
process, whose peak memory is printed. Two numbers of images show how much memory a further atom takes: one in the fit, or, with
a smaller ``--sample``, one that is only assigned. With ``--workers``, images are measured by that many processes of
``dask.distributed`` with one thread each.

On shared processors the wall clock is not meaningful: the processor seconds of the thread that calls and of the busiest worker
together are the time of a run on unshared processors without waiting; their ratio is printed as well. What the busiest worker
does while the caller fits the model counts once.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

from bench_scale import peak_megabytes
from bench_stack import of_workers


def write_images(folder, n_images, side, pixel_size=0.0125):
    """Images of one material, each of another field. Copies of one field would be alike beyond any specimen."""
    from hyperspy_motifs import data

    for number in range(n_images):
        image = data.monolayer(shape=(side, side), pixel_size=pixel_size, random_state=number)[0]
        image.save(folder / f"{number:04}.zspy")


def measure(folder, n_images, n_workers, sample, results):
    """Atoms, wall clock, processor seconds and peak memory of one collection."""
    import hyperspy_motifs as hm
    from hyperspy_motifs.collection import _finding

    _finding._SAMPLE_ATOMS = sample
    warnings.simplefilter("ignore")
    client = None
    if n_workers:
        from distributed import Client

        client = Client(n_workers=n_workers, threads_per_worker=1, dashboard_address=None)
    files = sorted(folder.glob("*.zspy"))[:n_images]
    hm.find_motifs(files[: 2 * max(n_workers, 1)], show_progressbar=False)  # compiles
    during, learned = [], _finding._learned

    def fit(*arguments):
        start, before = time.thread_time(), of_workers(client)
        result = learned(*arguments)
        after = of_workers(client)
        busy = [later[0] - before[name][0] for name, later in after.items()]
        during.append(min(time.thread_time() - start, max(busy, default=0)))
        return result

    _finding._learned = fit
    before = of_workers(client)
    wall, cpu, thread = time.perf_counter(), time.process_time(), time.thread_time()
    study = folder / f"study_{n_images}_{n_workers}" if results else None
    collection = hm.find_motifs(files, results=study, show_progressbar=False)
    wall, cpu, thread = time.perf_counter() - wall, time.process_time() - cpu, time.thread_time() - thread
    after = of_workers(client)
    if client is not None:
        client.close()
    return {
        "atoms": int(collection.counts.sum()),
        "seconds": wall,
        "processor": cpu,
        "thread": thread - sum(during),
        "workers": [later[0] - before[name][0] for name, later in after.items()],
        "peak": peak_megabytes(),
        "peaks": [later[1] for later in after.values()],
    }


def main(arguments=None):
    """Write the images, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, nargs="+", default=[10, 30])
    parser.add_argument("--side", type=int, default=384, help="pixels along x and along y")
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[0], help="processes of a cluster; 0 for none"
    )
    parser.add_argument("--sample", type=int, default=40_000, help="atoms of the fit")
    parser.add_argument("--results", action="store_true", help="results are written to a folder")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        folder, n_images, n_workers = options.one
        print(
            json.dumps(measure(Path(folder), int(n_images), int(n_workers), options.sample, options.results))
        )
        return
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder), max(options.images), options.side)
        for n_images in options.images:
            for n in options.workers:
                command = [sys.executable, __file__, "--sample", str(options.sample)]
                command += ["--results"] * options.results
                command += ["--one", folder, str(n_images), str(n)]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                row = rows[n_images, n] = json.loads(done.stdout.strip().splitlines()[-1])
                peaks = "".join(f", {peak:.0f} MB in a worker" for peak in row["peaks"])
                print(
                    f"{n_images} images, {n} workers: {row['atoms']:,} atoms, {row['seconds']:.0f} s, processor "
                    f"{row['thread']:.0f} s here and {max(row['workers'], default=0):.0f} s in the busiest worker, "
                    f"peak {row['peak']:.0f} MB here{peaks}, load {os.getloadavg()[0]:.1f}",
                    flush=True,
                )
    few, many = min(options.images), max(options.images)
    for n in options.workers if many > few else ():
        a, b = rows[few, n], rows[many, n]
        slope = (b["peak"] - a["peak"]) / (b["atoms"] - a["atoms"])
        more = (b["peak"] - a["peak"]) / (many - few)
        print(f"{n} workers: {1e3 * slope:.1f} kB for each further atom, {more:.2f} MB for each image")
    for n in options.workers[1:]:
        one, other = rows[many, options.workers[0]], rows[many, n]
        path = [row["thread"] + max(row["workers"], default=0) for row in (one, other)]
        print(
            f"{n} workers against {options.workers[0]}: {one['seconds'] / other['seconds']:.2f} times as fast; "
            f"{path[0] / path[1]:.2f} by processor seconds of the caller and the busiest worker"
        )


if __name__ == "__main__":
    main()
