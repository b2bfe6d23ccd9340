"""A stack from disk: seconds, peak memory, and what a second worker brings.

    python benchmarks/bench_stack.py                                   # 256 frames of 1024 x 1024, in this process
    python benchmarks/bench_stack.py --frames 128 --workers 1 2 --repeats 2

The stack is written frame by frame first, as a .zspy file in a temporary folder. Each measurement runs in a separate process,
whose peak memory is printed, that of each worker below it. With ``--workers``, a cluster of that many processes with one
thread each is started before the clock and has its kernels compiled by a first small run. The numbers of workers take turns, so
that other load on the machine meets them alike; the load is printed with every run. The model is learned on one of the
workers while the others find atoms: a stack must be long for them all to be busy.

On shared processors the wall clock is not meaningful. The processor seconds of the thread that calls and of the
busiest worker together are the time of a run on unshared processors without waiting; their ratio is printed
as well.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
from bench_scale import peak_megabytes


def write_stack(path, n_frames, side):
    """Frames of one image, each shifted by some pixels and with different noise."""
    import dask.array as da
    import hyperspy.api as hs

    from hyperspy_motifs import data

    image = data.monolayer(shape=(side, side), random_state=0)[0]
    pixels = np.asarray(image.data, np.float32)

    def frame(block_info=None):
        generator = np.random.default_rng(block_info[None]["chunk-location"][0])
        moved = np.roll(pixels, tuple(generator.integers(-3, 4, 2)), axis=(0, 1))
        return (moved + generator.normal(0, 0.02 * pixels.std(), pixels.shape)).astype(np.float32)[None]

    chunks = ((1,) * n_frames, (side,), (side,))
    stack = da.map_blocks(frame, chunks=chunks, dtype=np.float32, meta=np.empty((0, 0, 0), np.float32))
    signal = hs.signals.Signal2D(stack).as_lazy()
    for axis, known in zip(signal.axes_manager.signal_axes, image.axes_manager.signal_axes, strict=True):
        axis.scale, axis.units = known.scale, known.units
    signal.save(path, overwrite=True)


def find(path, n_frames=None):
    """Atoms found in the first frames of a stack, read lazily."""
    import hyperspy.api as hs

    signal = hs.load(path, lazy=True)
    signal.set_signal_type("atomic_image")
    return len(
        (signal if n_frames is None else signal.inav[:n_frames]).find_motifs(show_progressbar=False).labels
    )


def measure(path, n_workers):
    """Atoms, wall clock, processor seconds of this process and its peak memory."""
    warnings.simplefilter("ignore")
    client = None
    if n_workers:
        from distributed import Client

        client = Client(n_workers=n_workers, threads_per_worker=1, dashboard_address=None)
    find(path, 2 * max(n_workers, 1))
    before = of_workers(client)
    wall, cpu, thread = time.perf_counter(), time.process_time(), time.thread_time()
    n_atoms = find(path)
    wall, cpu, thread = time.perf_counter() - wall, time.process_time() - cpu, time.thread_time() - thread
    after = of_workers(client)
    if client is not None:
        client.close()
    return {
        "atoms": n_atoms,
        "seconds": wall,
        "processor": cpu,
        "thread": thread,
        "workers": [later[0] - before[name][0] for name, later in after.items()],
        "peak": peak_megabytes(),
        "peaks": [later[1] for later in after.values()],
    }


def of_workers(client):
    """Processor seconds and peak memory of each worker."""
    return {} if client is None else client.run(lambda: (time.process_time(), peak_megabytes()))


def main(arguments=None):
    """Write the stack, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--frames", type=int, default=256)
    parser.add_argument("--side", type=int, default=1024, help="pixels along x and along y")
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[0], help="processes of a cluster; 0 for none"
    )
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        print(json.dumps(measure(options.one[0], int(options.one[1]))))
        return
    seconds = {n: [] for n in options.workers}
    paths = {n: [] for n in options.workers}
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "stack.zspy")
        write_stack(path, options.frames, options.side)
        for n in options.workers * options.repeats:
            command = [sys.executable, __file__, "--one", path, str(n)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            row = json.loads(done.stdout.strip().splitlines()[-1])
            seconds[n].append(row["seconds"])
            paths[n].append(row["thread"] + max(row["workers"], default=row["processor"] - row["thread"]))
            load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
            print(
                f"{n} workers: {row['atoms']} atoms, {row['seconds']:.1f} s, {row['processor']:.1f} s of processor here, "
                f"peak {row['peak']:.0f} MB here{load}",
                flush=True,
            )
            for cpu, peak in zip(row["workers"], row["peaks"], strict=True):
                print(f"    per worker: {cpu:.1f} s of processor, peak {peak:.0f} MB")
    for n in options.workers[1:]:
        first = options.workers[0]
        print(
            f"{n} workers against {first}: {min(seconds[first]) / min(seconds[n]):.2f} times as fast, best of each; "
            f"{min(paths[first]) / min(paths[n]):.2f} by processor seconds of the caller and the busiest worker"
        )


if __name__ == "__main__":
    main()
