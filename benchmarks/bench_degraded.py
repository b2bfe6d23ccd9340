"""Motifs of images that were processed, cut or spoilt before the analysis: a table.

    python benchmarks/bench_degraded.py -o docs/guide/degraded.csv

Each kind is applied to a simulated MoSe2 monolayer and to a grain boundary of graphene, and `find_motifs` is run with default
arguments but for `rotation_invariant`. Strengths and seeds are not those of the images that the methods were developed on.
"""

from __future__ import annotations

import argparse
import csv
import io
import warnings
from pathlib import Path

import hyperspy.api as hs
import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.spatial import cKDTree
from sklearn.metrics import adjusted_rand_score

from hyperspy_motifs import data

SHAPE = (420, 441)
# Of a separation: a match is nearer, and no column is asked for nearer to the border or to pixels without data.
TOLERANCE, MARGIN = 0.4, 1.5
SEED = 2026


def bytes_of(a):
    low, high = np.percentile(a, (0.1, 99.9))
    return (255 * np.clip((a - low) / (high - low), 0, 1)).astype(np.uint8)


def jpeg(a):
    with io.BytesIO() as memory:
        Image.fromarray(bytes_of(a)).save(memory, "JPEG", quality=55)
        memory.seek(0)
        return np.asarray(Image.open(memory)).astype(float)


def zoomed(factor):
    return lambda a: ndimage.zoom(a, factor, order=3, grid_mode=True, mode="grid-constant")


def low_passed(a):
    fy, fx = np.fft.fftfreq(a.shape[0])[:, None], np.fft.fftfreq(a.shape[1])[None]
    return np.fft.ifft2(np.fft.fft2(a) * (np.hypot(fx, fy) < 0.19)).real


def averaged(a):
    rng = np.random.default_rng(SEED)
    frames = [a + rng.normal(0, 0.2 * a.std(), a.shape) for _ in range(4)]
    return np.mean(
        [ndimage.shift(f, rng.uniform(-0.5, 0.5, 2), order=1, mode="nearest") for f in frames], axis=0
    )


def jittered(a):
    rng = np.random.default_rng(SEED)
    return np.array([ndimage.shift(row, rng.normal(0, 0.6), order=1, mode="nearest") for row in a])


def offset_rows(share):
    return lambda a: a + np.random.default_rng(SEED).normal(0, share * a.std(), (len(a), 1))


def jumped(a):
    return np.concatenate([a[: len(a) // 3], np.roll(a[len(a) // 3 :], 4, axis=1)])


def bordered(value):
    def apply(a):
        b = a.astype(float)
        b[-len(b) // 25 :] = value
        b[:, : b.shape[1] // 12] = value
        return b

    return apply


def hot(a):
    b, rng = a.astype(float), np.random.default_rng(SEED)
    b.flat[rng.integers(0, a.size, 25)] = 5 * a.max()
    return b


def barred(a):
    b, (h, w) = a.copy(), a.shape
    b[h // 16 : h // 12, w // 2 : w // 2 + w // 5] = a.max()
    return b


def saturated(a):
    return np.minimum(a, np.percentile(a, 97))


def tilted(a):
    y, x = np.mgrid[-1 : 1 : a.shape[0] * 1j, -1 : 1 : a.shape[1] * 1j]
    return a + 3 * a.std() * (y - 0.7 * x + 0.8 * y**2)


def contaminated(a):
    rng, b = np.random.default_rng(SEED), a.astype(float)
    y, x = np.mgrid[: a.shape[0], : a.shape[1]]
    for _ in range(2):
        cx, cy, r = (
            rng.uniform(0.15, 0.85) * a.shape[1],
            rng.uniform(0.15, 0.85) * a.shape[0],
            0.13 * min(a.shape),
        )
        b += 2 * a.std() / (1 + np.exp((np.hypot(x - cx, y - cy) - r) / (0.2 * r)))
    return b


KINDS = {
    "as is": lambda a: a, "8 bit": bytes_of, "JPEG, quality 55": jpeg,
    "resampled by 0.9": zoomed(0.9), "resampled by 1.7": zoomed(1.7), "resampled by 2.3": zoomed(2.3),
    "smoothed, 1.4 px": lambda a: ndimage.gaussian_filter(a, 1.4), "median of 3 x 3": lambda a: ndimage.median_filter(a, 3),
    "low-passed": low_passed, "four frames averaged": averaged,
    "rows displaced by 0.6 px": jittered, "one jump of 4 px": jumped,
    "row offsets, 0.1 of the contrast": offset_rows(0.1), "row offsets, 0.4 of the contrast": offset_rows(0.4),
    "border of zeros": bordered(0.0), "border of NaN": bordered(np.nan), "25 hot pixels": hot, "scale bar": barred,
    "brightest 3 % saturated": saturated, "gamma 0.7": lambda a: (bytes_of(a) / 255.0) ** 0.7,
    "every second row": lambda a: a[::2], "sloping background": tilted, "contamination": contaminated,
}  # fmt: skip


def measure(image, truth, kind, options):
    """Number of motifs, F1 of the columns, ARI and macro F1 of `image` after `kind`."""
    made = np.asarray(KINDS[kind](image))
    signal = hs.signals.Signal2D(made)
    unit = np.array([1.0, 2.0 if kind == "every second row" else 1.0])
    signal.axes_manager.signal_axes[1].scale = unit[1]
    signal.set_signal_type("atomic_image")
    factor = made.shape[1] / image.shape[1]
    # Positions in pixels of square shape, as wide as those of the image that was made.
    true = (truth.positions + 0.5) * factor - 0.5 if factor != 1 else truth.positions
    spacing = float(np.median(cKDTree(true).query(true, k=2)[0][:, 1]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        motifs = signal.find_motifs(random_state=0, show_progressbar=False, **options)
    found = np.asarray(motifs.positions)
    empty = ndimage.binary_opening(~np.isfinite(made) | (made == 0), np.ones((9, 9)))
    away = ndimage.distance_transform_edt(~empty) if empty.any() else np.full(made.shape, np.inf)
    limits = np.array(made.shape[::-1]) * unit

    def asked_for(points):
        inside = ((points >= MARGIN * spacing) & (points < limits - MARGIN * spacing)).all(axis=1)
        column, row = np.clip(np.rint(points / unit).astype(int), 0, np.array(made.shape[::-1]) - 1).T
        return inside & (away[row, column] > MARGIN * spacing)

    distance, index = cKDTree(found).query(true)
    near = (distance < TOLERANCE * spacing) & asked_for(true)
    hits = len(np.unique(index[near]))
    spurious = np.count_nonzero(asked_for(found) & (cKDTree(true).query(found)[0] > TOLERANCE * spacing))
    f1 = 2 * hits / max(asked_for(true).sum() + hits + spurious, 1)
    labels, classes = np.asarray(motifs.labels)[index[near]], truth.labels[near]
    # Each motif is assigned the class of the majority of its atoms.
    table = np.zeros((motifs.n_motifs, len(truth.names)))
    np.add.at(table, (labels[labels >= 0], classes[labels >= 0]), 1)
    assigned = table.argmax(axis=1)[labels]
    present = np.unique(truth.labels[asked_for(true)])
    total = [
        2 * np.sum((assigned == k) & (classes == k))
        / (np.sum(assigned == k) + np.sum(truth.labels[asked_for(true)] == k))
        for k in present
    ]  # fmt: skip
    return int(motifs.n_motifs), f1, float(adjusted_rand_score(classes, labels)), float(np.mean(total))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--only", nargs="+")
    options = parser.parse_args()
    # The sites of a grain boundary occur in several orientations.
    cases = [
        (data.monolayer(shape=SHAPE, random_state=31), {}),
        (data.grain_boundary(shape=SHAPE, random_state=32), {"rotation_invariant": True}),
    ]
    head = ["what was done"] + [
        f"{name}: {what}" for name in ("MoSe2", "graphene") for what in ("found", "motifs", "ARI", "class")
    ]
    rows = []
    for kind in options.only or KINDS:
        row = [kind]
        for (signal, truth), arguments in cases:
            n, f1, ari, macro = measure(np.asarray(signal.data, float), truth, kind, arguments)
            row += [f"{f1:.3f}", str(n), f"{ari:.3f}", f"{macro:.3f}"]
        print("  ".join(f"{value:>8}" if k else f"{value:32}" for k, value in enumerate(row)), flush=True)
        rows.append(row)
    if options.output:
        with options.output.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([head, *rows])


if __name__ == "__main__":
    main()
