"""Time the simulated images next to HyperSpy's own image of atomic resolution.

    python benchmarks/bench_data.py [--size 512]

HyperSpy's image has one kind of column on whole pixels, with noise and without ground truth; the ratio shows what
exact positions, classes, rings and counted electrons cost. Both are timed warm, the best of three.
"""

import argparse
import time

import hyperspy.api as hs

from hyperspy_motifs import data

FAMILIES = (
    "lattice",
    "monolayer",
    "twin_boundary",
    "grain_boundary",
    "square_triangle",
    "m1_oxide",
    "perovskite",
    "twisted_bilayer",
    "crystal_edge",
    "amorphous",
    "noise",
)


def best_of_three(call):
    """Shortest of three times in seconds; compilation is done by a call before."""
    call()
    times = []
    for _ in range(3):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def main():
    """Print a row for each family."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=512)
    size = parser.parse_args().size
    peer = best_of_three(
        lambda: hs.data.atomic_resolution_image(size=size, spacing=0.25, pixel_size=0.0125, add_noise=True)
    )
    print(f"{'':18s} {'s':>7s} {'ratio to HyperSpy':>18s} {'columns':>8s}")
    print(f"{'hs.data':18s} {peer:7.3f} {1:18.2f}")
    for name in FAMILIES:
        make = getattr(data, name)
        seconds = best_of_three(lambda make=make: make(shape=(size, size)))
        columns = len(make(shape=(size, size))[1].positions)
        print(f"{name:18s} {seconds:7.3f} {seconds / peer:18.2f} {columns:8d}")


if __name__ == "__main__":
    main()
