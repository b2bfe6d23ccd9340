"""What a collection of many images takes on many workers: measured tasks, a measured scheduler, a simulated run.

    python benchmarks/bench_many_images.py                       # 10,000 images of 2048 x 2048 pixels with 5,000 atoms
    python benchmarks/bench_many_images.py --side 1024 --bond 17 --images 200 --measured 8 --sample 20000

1. A few images are analysed in this process, and the processor seconds of every kind of task and the bytes that it moves are
   measured: measuring an image, the fit, assigning an image and writing it to a folder.
2. Tasks that do nothing, but receive and return as many bytes, are run with a scheduler and threads as workers in this process:
   its processor seconds for each task, of client, scheduler and worker together, bound the rate of tasks.
3. The run is simulated with these numbers: workers take the next image when they are free, those of the sample first; the
   caller fits the model while they measure further ones; the scheduler serves one task at a time.

Times are for unshared processors, one thread for each worker.
"""

import argparse
import heapq
import pickle
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import psutil
from bench_collection import write_images
from bench_scale import peak_megabytes

import hyperspy_motifs as hm
from hyperspy_motifs.collection import _finding, _measuring

N_STUBS = 2_000


def timed(times, name, function):
    """Return a function that also notes its processor seconds."""

    def run(*arguments, **options):
        start = time.process_time()
        result = function(*arguments, **options)
        times.setdefault(name, []).append(time.process_time() - start)
        return result

    return run


def measured_tasks(folder, n_images, sample):
    """Return processor seconds by kind of task, bytes of what is moved, and atoms of an image."""
    times, sizes = {}, {}
    shared_of = _finding._learned

    def learned(*arguments):
        model, shared, found = shared_of(*arguments)
        sizes["model, once for each worker"] = len(pickle.dumps(shared))
        # The results of the sample are part of the fit.
        return model, shared, iter(list(found))

    def forms(self, number):
        out = original(self, number)
        sizes["task"] = len(pickle.dumps((out, self.how)))
        return out

    original = _measuring.Fields._forms
    _finding._SAMPLE_ATOMS = sample
    _finding._learned = timed(times, "fit", learned)
    _measuring.measure = timed(times, "measure", _measuring.measure)
    _measuring.measure_and_assign = timed(times, "measure and assign", _measuring.measure_and_assign)
    _measuring.Fields._forms = forms
    files = sorted(folder.glob("*.zspy"))[:n_images]
    start = time.process_time()
    collection = hm.find_motifs(files, results=folder / "study", show_progressbar=False)
    sizes["total seconds"] = time.process_time() - start
    atoms = int(collection.counts.sum()) / len(files)
    sizes["result in a folder"] = len(pickle.dumps(collection._saved.assigned(len(files) - 1)))
    written = [path for path in (folder / "study").rglob("*") if path.is_file()]
    sizes["file"] = sum(path.stat().st_size for path in written) / len(files)
    sizes["files"] = len(written) / len(files)
    return times, sizes, atoms


def _stub(images, number, arguments, size):
    return bytes(size)


def overhead(task_bytes, result_bytes):
    """Return processor seconds for each task of client, scheduler and worker together, and growth of the memory in MB."""
    from distributed import Client

    from hyperspy_motifs.stacks import frames_as_completed

    with Client(n_workers=4, threads_per_worker=1, processes=False, dashboard_address=None):

        def run(n):
            jobs = [(k, (np.random.default_rng(k).bytes(task_bytes), result_bytes)) for k in range(n)]
            for _ in frames_as_completed(_stub, lambda number: [], jobs):
                pass

        run(20)
        start, memory = time.process_time(), psutil.Process().memory_info().rss
        run(N_STUBS)
        return (time.process_time() - start) / N_STUBS, 1e-6 * (psutil.Process().memory_info().rss - memory)


def simulated(n_images, n_workers, n_sample, seconds, served):
    """Return the seconds of a run, from those of measuring, assigning and the fit, and of the scheduler for each task."""
    measuring, assigning, fit = seconds
    free, gate = [0.0] * n_workers, 0.0

    def run(n, duration, earliest):
        """The time at which n tasks are done; each begins when a worker is free and is served when it is done."""
        nonlocal gate
        end = earliest
        for _ in range(n):
            done = max(heapq.heappop(free), earliest) + duration
            gate = max(gate, done) + served
            heapq.heappush(free, max(done, gate))
            end = max(end, gate)
        return end

    sampled = run(n_sample, measuring, 0.0)
    early = min(n_sample * n_workers, n_images - n_sample)
    run(early, measuring, 0.0)
    learned = sampled + fit
    for k, when in enumerate(free):
        free[k] = max(when, learned)
    heapq.heapify(free)
    run(early, assigning, learned)
    return run(n_images - n_sample - early, measuring + assigning, learned)


def main(arguments=None):
    """Measure, simulate, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=10_000, help="of the simulated run")
    parser.add_argument("--measured", type=int, default=10, help="images that are analysed")
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--bond", type=float, default=29.0, help="pixels per nearest-neighbour distance")
    parser.add_argument("--sample", type=int, default=40_000, help="atoms of the fit")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 8, 32, 128, 512])
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        write_images(Path(name), options.measured, options.side, 0.19 / options.bond)
        times, sizes, atoms = measured_tasks(Path(name), options.measured, options.sample)
    n_sample = len(times["measure"]) - len(times["measure and assign"])
    measuring = float(np.median(times["measure"]))
    # Each task of the rest measures as well.
    assigning = float(np.median(times["measure and assign"])) - measuring
    fit = sum(times["fit"])
    print(f"{atoms:.0f} atoms an image, {n_sample} images in the sample; peak {peak_megabytes():.0f} MB")
    print(f"measure {measuring:.2f} s, assign and write {assigning:.2f} s, fit and its results {fit:.1f} s")
    print(
        "; ".join(
            f"{what} {1e-6 * n:.3g} MB" for what, n in sizes.items() if what not in ("files", "total seconds")
        )
    )
    print(f"{sizes['files']:.0f} files an image")
    small, growth = overhead(int(sizes["task"]), int(sizes["result in a folder"]))
    large, _ = overhead(int(sizes["task"]), int(sizes["file"]))
    print(
        f"a task costs {1e3 * small:.1f} ms of client, scheduler and worker with results in a folder, {1e3 * large:.1f} ms "
        f"with results that come back; {N_STUBS} tasks raise the memory by {growth:.0f} MB"
    )
    moved = options.images * (sizes["task"] + sizes["result in a folder"])
    back = options.images * (sizes["task"] + sizes["file"])
    print(
        f"{options.images:,} images move {1e-9 * moved:.2g} GB, or {1e-9 * back:.2g} GB if results come back"
    )
    one = None
    for n in options.workers:
        row = [
            simulated(options.images, n, n_sample, (measuring, assigning, fit), served)
            for served in (small, large)
        ]
        one = row if one is None else one
        print(
            f"{n:4d} workers: {row[0] / 3600:7.2f} h, {one[0] / row[0]:6.1f} times one; "
            f"{row[1] / 3600:7.2f} h if results come back",
            flush=True,
        )
    print(
        f"saturates at {(measuring + assigning) / small:.0f} workers, "
        f"{(measuring + assigning) / large:.0f} if results come back"
    )


if __name__ == "__main__":
    main()
