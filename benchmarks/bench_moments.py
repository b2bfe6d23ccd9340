"""Moments of 50,000 atoms of a 4096 x 4096 image, in one run with motif-learn.

Run ``python benchmarks/bench_moments.py [--repeat 5]``. Both get the same image and positions and make 91
Zernike moments (n_max 12) of discs of 29 pixels. motif-learn rounds the positions to pixels and samples its
polynomials at pixel centres; here patches are sampled at sub-pixel centres by cubic splines, the basis is
integrated over pixels, background, contrast and noise are estimated. The basis of each is made beforehand
and its time is given apart. Peak memory is that of the arrays each allocates (tracemalloc).
"""

import argparse
import time
import tracemalloc
from collections.abc import Callable

import numpy as np

from hyperspy_motifs.patches import iterate_patches, spline_coefficients
from hyperspy_motifs.zernike import (
    NoiseModel,
    ZernikeBasis,
    align,
    estimate_noise,
    get_moments,
    zernike_modes,
)

SIDE, ATOMS, RADIUS, N_MAX = 4096, 50_000, 14.0, 12


def field() -> tuple[np.ndarray, np.ndarray]:
    """Return a noisy lattice image and its positions, x and y, clear of the border."""
    rng = np.random.default_rng(0)
    count = int(np.ceil(np.sqrt(ATOMS)))
    line = np.linspace(20, SIDE - 21, count)
    positions = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)[:ATOMS]
    positions = positions + rng.uniform(-0.5, 0.5, positions.shape)
    wave = 1 + np.cos(2 * np.pi * (np.arange(SIDE) - 20) / (line[1] - line[0]))
    image = rng.poisson(5 + 10 * wave[:, None] * wave[None, :]).astype(np.float32)
    return image, positions


def best_time(function: Callable, repeat: int) -> tuple[float, float]:
    """Return the shortest of several runs, by the clock and by the processors' time, in seconds."""
    times = []
    for _ in range(repeat):
        start, busy = time.perf_counter(), time.process_time()
        function()
        times.append((time.perf_counter() - start, time.process_time() - busy))
    clock, processor = zip(*times, strict=True)
    return min(clock), min(processor)


def peak_memory(function: Callable) -> float:
    """Return the peak of the memory that a call allocates, in MB."""
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def main() -> None:
    """Time both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_args().repeat
    from mtflearn.features import KeyPoints, ZPs

    image, positions = field()
    size = 2 * int(RADIUS) + 1
    start = time.perf_counter()
    theirs_basis = ZPs(n_max=N_MAX, size=size)
    theirs_setup = time.perf_counter() - start
    start = time.perf_counter()
    basis = ZernikeBasis(N_MAX, RADIUS)
    basis.window_weights, basis.interpolated_noise  # noqa: B018 - made on first use
    setup = time.perf_counter() - start

    def peer():
        patches = KeyPoints(positions, image, size).extract_patches(size, flat=False)
        return theirs_basis.fit_transform(patches)

    def peer_single():
        patches = KeyPoints(positions, image, size).extract_patches(size, flat=False).astype(np.float32)
        return theirs_basis.fit_transform(patches)

    def ours():
        return get_moments(image, positions, basis)

    def ours_plain():
        return get_moments(image, positions, basis, normalise=False, noise=NoiseModel(1.0, 0.0))

    coefficients = spline_coefficients(image)

    def sampling():
        for _ in iterate_patches(coefficients, positions, size):
            continue

    for function in (peer, ours, ours_plain, sampling):
        function()
    rows = [
        ("motif-learn KeyPoints + ZPs", peer),
        ("motif-learn, patches in single precision", peer_single),
        ("get_moments, all defaults", ours),
        ("get_moments, raw counts, noise given", ours_plain),
        ("  spline filter of the image", lambda: spline_coefficients(image)),
        ("  cubic sampling of all patches", sampling),
        ("  estimate of the noise", lambda: estimate_noise(image)),
    ]
    print(f"{ATOMS} atoms, {size} px, {len(basis.modes)} modes, {SIDE} x {SIDE} image")
    print(f"basis: motif-learn {theirs_setup:.3f} s, here {setup:.3f} s")
    times = {name: best_time(function, repeat) for name, function in rows}
    clock, processor = times["motif-learn KeyPoints + ZPs"]
    print(f"{'':44s}    clock   ratio  processor   ratio")
    for name, (seconds, busy) in times.items():
        print(f"{name:44s} {seconds:7.3f} s {seconds / clock:6.2f}x {busy:8.3f} s {busy / processor:6.2f}x")
    print(f"peak memory: motif-learn {peak_memory(peer):.0f} MB, here {peak_memory(ours):.0f} MB")

    rng = np.random.default_rng(1)
    modes = zernike_modes(10)
    atoms, references = rng.normal(size=(10_000, 66)), rng.normal(size=(20, 66))
    align(atoms[:8], references, modes)
    seconds = best_time(lambda: align(atoms, references, modes), repeat)[0]
    both = best_time(lambda: align(atoms, references, modes, reflection=True), repeat)[0]
    print(f"align 10,000 atoms x 20 references x 66 moments: {seconds:.3f} s; with reflections {both:.3f} s")


if __name__ == "__main__":
    main()
