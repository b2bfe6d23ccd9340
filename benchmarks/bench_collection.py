"""A collection from files: seconds, peak memory, its growth for each image, and what a second worker brings.

    python benchmarks/bench_collection.py                                  # 20 and 60 images of 512 x 512
    python benchmarks/bench_collection.py --images 40 --workers 1 2

The images are written to a temporary folder first: one simulated monolayer, shifted, with other noise in each. Each measurement
runs in a separate process, whose peak memory is printed. Two numbers of images show how much memory a further image takes, and
what 200 images of 1024 x 1024 would take if memory grows with the number of atoms. With ``--workers``, images are measured by
that many processes of ``dask.distributed`` with one thread each.

On shared processors the wall clock is not meaningful: the processor seconds of the thread that calls and of the busiest worker
together are the time of a run on unshared processors without waiting; their ratio is printed as well.
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

import numpy as np
from bench_scale import peak_megabytes
from bench_stack import of_workers


def write_images(folder, n_images, side):
    """Images of one specimen, each shifted by some pixels and with different noise."""
    from hyperspy_motifs import data

    image = data.monolayer(shape=(side, side), random_state=0)[0]
    pixels = np.asarray(image.data, np.float32)
    for number in range(n_images):
        generator = np.random.default_rng(number)
        moved = np.roll(pixels, tuple(generator.integers(-3, 4, 2)), axis=(0, 1))
        noisy = moved + generator.normal(0, 0.02 * pixels.std(), pixels.shape)
        image._deepcopy_with_new_data(noisy.astype(np.float32)).save(folder / f"{number:04}.zspy")


def measure(folder, n_images, n_workers):
    """Atoms, wall clock, processor seconds and peak memory of one collection."""
    import hyperspy_motifs as hm

    warnings.simplefilter("ignore")
    client = None
    if n_workers:
        from distributed import Client

        client = Client(n_workers=n_workers, threads_per_worker=1, dashboard_address=None)
    files = sorted(folder.glob("*.zspy"))[:n_images]
    hm.find_motifs(files[: 2 * max(n_workers, 1)], show_progressbar=False)  # compiles
    before = of_workers(client)
    wall, cpu, thread = time.perf_counter(), time.process_time(), time.thread_time()
    collection = hm.find_motifs(files, show_progressbar=False)
    wall, cpu, thread = time.perf_counter() - wall, time.process_time() - cpu, time.thread_time() - thread
    after = of_workers(client)
    if client is not None:
        client.close()
    return {
        "atoms": int(collection.counts.sum()),
        "seconds": wall,
        "processor": cpu,
        "thread": thread,
        "workers": [later[0] - before[name][0] for name, later in after.items()],
        "peak": peak_megabytes(),
        "peaks": [later[1] for later in after.values()],
    }


def main(arguments=None):
    """Write the images, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, nargs="+", default=[20, 60])
    parser.add_argument("--side", type=int, default=512, help="pixels along x and along y")
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[0], help="processes of a cluster; 0 for none"
    )
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        folder, n_images, n_workers = options.one
        print(json.dumps(measure(Path(folder), int(n_images), int(n_workers))))
        return
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder), max(options.images), options.side)
        for n_images in options.images:
            for n in options.workers:
                command = [sys.executable, __file__, "--one", folder, str(n_images), str(n)]
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
        whole = 200 * (1024 / options.side) ** 2 * b["atoms"] / many
        print(
            f"{n} workers: {1e6 * slope / 1e3:.2f} kB for each further atom; 200 images of 1024 x 1024 ({whole:,.0f} atoms) "
            f"would take {b['peak'] + slope * (whole - b['atoms']):,.0f} MB"
        )
    for n in options.workers[1:]:
        one, other = rows[many, options.workers[0]], rows[many, n]
        path = [row["thread"] + max(row["workers"], default=0) for row in (one, other)]
        print(
            f"{n} workers against {options.workers[0]}: {one['seconds'] / other['seconds']:.2f} times as fast; "
            f"{path[0] / path[1]:.2f} by processor seconds of the caller and the busiest worker"
        )


if __name__ == "__main__":
    main()
