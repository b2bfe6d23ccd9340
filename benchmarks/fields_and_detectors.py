"""Vacancies in images with known defects: one by one, and in one collection.

    python benchmarks/fields_and_detectors.py a.dm4 a_adf1.dm4 b.dm4 b_adf1.dm4 --truth a.npz a.npz b.npz b.npz
    python benchmarks/fields_and_detectors.py a.dm4 b.dm4 --truth a.npz b.npz --detectors a_adf1.dm4 b_adf1.dm4

A truth holds `xy`, columns x and y in pixels, and `motif`, the kind of each column. The motifs that hold more columns of the
given kind than of others are that kind; recall and precision count columns at least two spacings inside the image. The second
form gives each image a further detector.
"""

import argparse
import time
import warnings

import hyperspy.api as hs
import numpy as np
from scipy.spatial import cKDTree

import hyperspy_motifs


def load(path):
    """Return an image as the first of its file."""
    signal = hs.load(path)
    signal = signal[0] if isinstance(signal, list) else signal
    signal.set_signal_type("atomic_image")
    return signal


def matched(motifs, truth):
    """Return labels of the columns of a truth, -1 where none was found, their kinds, and labels of atoms that match none."""
    xy, found = truth["xy"], motifs.pixel_positions
    spacing = np.median(cKDTree(xy).query(xy, k=2)[0][:, 1])
    size = np.array(motifs.signal.axes_manager.signal_shape)

    def inside(points):
        return (np.minimum(points, size - points) > 2 * spacing).all(axis=1)

    distance, nearest = cKDTree(found).query(xy)
    labels = np.where(distance < 0.4 * spacing, motifs.labels[nearest], -1)
    alone = cKDTree(xy).query(found)[0] >= 0.4 * spacing
    return labels[inside(xy)], truth["motif"][inside(xy)], motifs.labels[alone & inside(found)]


def scored(each, kind):
    """Return recall and precision of a kind, and the motifs that are it, for matched labels of one image or more."""
    labels, kinds = (np.concatenate([one[k] for one in each]) for k in (0, 1))
    alone = np.concatenate([one[2] for one in each])
    known = np.unique(labels[labels >= 0])
    its = [k for k in known.tolist() if 2 * np.sum((labels == k) & (kinds == kind)) > np.sum(labels == k)]
    right = np.sum(np.isin(labels, its) & (kinds == kind))
    return right, np.sum(kinds == kind), np.sum(np.isin(labels, its)) + np.sum(np.isin(alone, its)), its


def line(name, each, kind):
    """Return a line of text."""
    right, n, said, its = scored(each, kind)
    return (
        f"{name}: recall {right / n:.3f} ({right} of {n}), precision {right / max(said, 1):.3f}, motifs {its}"
    )


def main(arguments=None):
    """Print recall and precision of single images, and of the collection."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("images", nargs="+")
    parser.add_argument("--truth", nargs="+", required=True, help="one for each image")
    parser.add_argument("--kind", type=int, default=1, help="number of the kind in the truth")
    parser.add_argument("--detectors", nargs="+", help="a further detector of each image")
    parser.add_argument("--only", choices=["single", "collection"])
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    truths = [dict(np.load(path)) for path in options.truth]
    images = [load(path) for path in options.images]
    further = [load(path) for path in options.detectors] if options.detectors else [None] * len(images)
    each = []
    for signal, other, truth, name in zip(images, further, truths, options.images, strict=True):
        if options.only == "collection":
            break
        start = time.perf_counter()
        motifs = signal.find_motifs(detectors=other, show_progressbar=False)
        each.append(matched(motifs, truth))
        print(
            line(f"alone {name}", each[-1:], options.kind), f"{time.perf_counter() - start:.0f} s", flush=True
        )
    if options.only == "single":
        return
    start = time.perf_counter()
    others = further if options.detectors else None
    collection = hyperspy_motifs.find_motifs(images, detectors=others, show_progressbar=False)
    print(collection, f"\n{time.perf_counter() - start:.0f} s")
    each = [matched(motifs, truth) for motifs, truth in zip(collection, truths, strict=True)]
    its = scored(each, options.kind)[3]
    print(line("collection, all images", each, options.kind))
    for name, one in zip(options.images, each, strict=True):
        labels, kinds, alone = one
        right, n = np.sum(np.isin(labels, its) & (kinds == options.kind)), np.sum(kinds == options.kind)
        said = np.sum(np.isin(labels, its)) + np.sum(np.isin(alone, its))
        print(f"  {name}: recall {right / n:.3f} ({right} of {n}), precision {right / max(said, 1):.3f}")


if __name__ == "__main__":
    main()
