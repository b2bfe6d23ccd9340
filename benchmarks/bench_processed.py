"""Columns found on images that were processed, cut or spoilt before they are analysed: F1 for each kind.

    python benchmarks/bench_processed.py KINDS.py CASE.hspy [CASE.npy ...] [--only "hot pixels" "jpeg 85"]

``KINDS.py`` holds a dictionary ``KINDS``: name -> function of an image that returns what becomes of it and how positions
move. Beside each case lies its truth, ``CASE.truth.npz``. Only ``find_atoms()`` is run, without arguments. True columns
within one and a half separations of the border, or of pixels without data, are not asked for; what is found on such pixels
is wrong.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
import warnings
from pathlib import Path

import hyperspy.api as hs
import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

#: Of a separation: a match is nearer.
TOLERANCE = 0.4
#: Separations from the border within which no column is asked for.
MARGIN = 1.5
#: Pixels without data fill squares of so many a side.
EMPTY = 9


def load(path: Path):
    """The image of a case, grey."""
    if path.suffix == ".npy":
        return np.squeeze(np.load(path)).astype(float)
    signal = hs.load(path, file_format="HSPY") if path.suffix == ".hspy" else hs.load(path)
    signal = signal[0] if isinstance(signal, list) else signal
    if signal.data.dtype.names:
        return np.mean([signal.data[c].astype(float) for c in ("R", "G", "B")], axis=0)
    return np.squeeze(np.asarray(signal.data, float))


def matches(found, true, reach):
    """One-to-one matches, nearest first."""
    if not len(found):
        return np.empty((0, 2), int)
    distance, index = cKDTree(true).query(found, k=4, distance_upper_bound=reach)
    used_found, used_true, pairs = np.zeros(len(found), bool), np.zeros(len(true), bool), []
    for flat in np.argsort(distance.ravel()):
        if not np.isfinite(distance.flat[flat]):
            break
        i, j = flat // 4, index.flat[flat]
        if not used_found[i] and not used_true[j]:
            used_found[i] = used_true[j] = True
            pairs.append((i, j))
    return np.array(pairs, int).reshape(-1, 2)


def score(made, true, kind):
    """What `find_atoms` finds in `made`, against the true positions x, y in pixels."""
    signal = hs.signals.Signal2D(made)
    unit = np.array([1.0, 2.0 if kind == "oblong pixels" else 1.0])
    signal.axes_manager.signal_axes[1].scale = unit[1]
    signal.set_signal_type("atomic_image")
    spacing = float(np.median(cKDTree(true * unit).query(true * unit, k=2)[0][:, 1]))
    margin = int(np.ceil(MARGIN * spacing))
    empty = ndimage.binary_opening(~np.isfinite(made) | (made == 0), np.ones((EMPTY, EMPTY)))
    away = ndimage.distance_transform_edt(~empty) if empty.any() else np.full(made.shape, np.inf)
    deep = ndimage.distance_transform_edt(empty)
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = signal.find_atoms(show_progressbar=False)
    seconds = time.perf_counter() - start
    found = np.asarray(table.positions) / unit

    def at(field, points):
        i = np.clip(np.rint(points).astype(int), 0, np.array(made.shape[::-1]) - 1)
        return field[i[:, 1], i[:, 0]]

    def inside(points):
        return ((points >= margin) & (points < np.array(made.shape[::-1]) - margin)).all(axis=1) & (
            at(away, points) > margin
        )

    pairs = matches(found * unit, true * unit, TOLERANCE * spacing)
    asked, judged = inside(true), inside(found)
    hit = asked[pairs[:, 1]]
    matched = np.zeros(len(found), bool)
    matched[pairs[:, 0]] = True
    spurious = int((judged & ~matched).sum() + (at(deep, found) > 0.5 * spacing).sum())
    error = (
        np.median(np.hypot(*((found[pairs[hit, 0]] - true[pairs[hit, 1]]) * unit).T)) if hit.any() else np.nan
    )
    return {
        "f1": 2 * hit.sum() / max(hit.sum() + asked.sum() + spurious, 1), "false": spurious,
        "missed": int(asked.sum() - hit.sum()), "error_px": float(error), "s": seconds,
        "warned": len([w for w in caught if issubclass(w.category, UserWarning)]),
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", type=Path)
    parser.add_argument("cases", type=Path, nargs="+")
    parser.add_argument("--only", nargs="+")
    options = parser.parse_args()
    spec = importlib.util.spec_from_file_location("kinds", options.kinds)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for case in options.cases:
        image, truth = load(case), np.load(case.with_name(case.name.rsplit(".", 1)[0] + ".truth.npz"))
        print(f"\n{case.name}\n{'':18}     F1  false missed  error px     s warned", flush=True)
        total = []
        for kind in options.only or module.KINDS:
            made, transform = module.KINDS[kind](image)
            try:
                row = score(made, transform(truth["xy"]), kind)
            except (ValueError, TypeError) as error:
                print(f"{kind:18} refused: {str(error)[:110]}", flush=True)
                total.append(0.0)
                continue
            total.append(row["f1"])
            print(
                f"{kind:18}  {row['f1']:.3f}  {row['false']:5}  {row['missed']:5}     {row['error_px']:.3f}  "
                f"{row['s']:4.1f}  {row['warned']:5}",
                flush=True,
            )
        print(f"{'mean':18}  {np.mean(total):.3f}", flush=True)


if __name__ == "__main__":
    main()
