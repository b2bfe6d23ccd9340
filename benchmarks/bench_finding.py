"""Finding without arguments on simulated images of many kinds: a table of what was found against the truth.

    python benchmarks/bench_finding.py [--only WORD] [--seeds 1]
    python benchmarks/bench_finding.py --constant TAKEN_UP 0.9 1.3 1.8 [--only WORD] [--seeds 1]

Structures, samplings of 4 to 40 pixels per nearest neighbour, sizes of 128 to 1024 pixels, doses and units of the axes
vary. `F1` is that of the columns two separations or more inside the image, a match within 0.4 of a separation; `false`
and `missed` count them. Rows below 0.98, of the wrong polarity or of a separation more than 15 % off, are marked. With
`--constant` a constant of `hyperspy_motifs.atoms` is set to each of the values, and such cases are counted.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import time
import warnings

import numpy as np
from scipy.ndimage import gaussian_filter, zoom
from scipy.spatial import cKDTree

from hyperspy_motifs import data
from hyperspy_motifs.atoms import find_atoms as find_columns
from hyperspy_motifs.data import Imaging, Specimen, simulate

UNITS = {"nm": 1.0, "angstrom": 10.0, "pm": 1000.0, "px": None}


def dumbbells(numbers, seed, **optics):
    """[110] projection of diamond or zinc blende."""
    a, c, apart = 0.384, 0.543, 0.1357
    imaging = Imaging(**optics)
    n = int(2 * imaging.reach / a) + 2
    grid = np.stack(np.meshgrid(np.arange(-n, n), np.arange(-n, n)), -1).reshape(-1, 1, 2)
    basis = np.array([[0, 0], [0, apart / c], [0.5, 0.5], [0.5, 0.5 + apart / c]])
    points = ((grid + basis) * [a, c]).reshape(-1, 2)
    kinds = np.tile([0, 1, 0, 1], len(points) // 4)
    count = np.arange(len(points))
    specimen = Specimen(
        points, kinds, ["A", "B"], count, np.array(numbers)[kinds], np.full(len(points), 20.0)
    )
    image, truth = simulate(specimen, imaging, seed)
    return image, truth.positions


def graphene_with_blob(seed, **optics):
    """Graphene at low dose with a disc of contamination: columns under it are not expected."""
    signal, truth = data.grain_boundary(
        random_state=seed, dose=None, **{k: v for k, v in optics.items() if k != "dose"}
    )
    clean = np.asarray(signal.data, float)
    rng = np.random.default_rng(seed)
    rows, columns = np.indices(clean.shape)
    spacing = 0.142 / optics["pixel_size"]
    centre = 0.6 * np.array(clean.shape[::-1])
    radius = np.hypot(columns - centre[0], rows - centre[1])
    edge = 0.2 * min(clean.shape)
    bumps = gaussian_filter(rng.normal(size=clean.shape), 0.35 * spacing)
    matter = clean.mean() * (3 + 0.8 * bumps / bumps.std())
    inside = 1 / (1 + np.exp((radius - edge) / (0.3 * spacing)))
    expected = np.maximum(clean * (1 - inside) + matter * inside, 0)
    counts = rng.poisson(expected * optics["dose"] * (10 * optics["pixel_size"]) ** 2)
    # What lies under the rim itself may be called either way.
    far = np.hypot(*(truth.positions - centre).T) > edge + 1.5 * spacing
    return counts, truth.positions[far], (centre, edge)


def beside_disorder(seed, disorder):
    """A particle on an amorphous film, whose maxima are no columns, or a crystal beside a glass, whose columns are."""
    rng, shape, spacing = np.random.default_rng(seed), (411, 434), 17.0
    i, j = np.meshgrid(np.arange(-60, 61), np.arange(-60, 61))
    points = spacing * np.column_stack([i.ravel() + 0.5 * j.ravel(), np.sqrt(0.75) * j.ravel()])
    c, s = np.cos(0.3 + seed), np.sin(0.3 + seed)
    points = points @ [[c, s], [-s, c]] + np.array(shape[::-1]) / 2
    inside = ((points > 0) & (points < np.array(shape[::-1]) - 1)).all(axis=1)
    from_centre = np.hypot(*(points - np.array(shape[::-1]) / 2).T)
    crystal = points[inside & (from_centre < 150 if disorder != "glass" else points[:, 0] < 250)]
    film = gaussian_filter(rng.normal(size=shape), 0.15 * spacing)
    if disorder == "glass":
        for point in rng.uniform([250 + 0.9 * spacing, 0], [shape[1] - 1, shape[0] - 1], (6_000, 2)):
            if not (np.hypot(*(crystal - point).T) < 0.9 * spacing).any():
                crystal = np.vstack([crystal, point])
        film[:] = 0
    else:
        film *= disorder / film.std()
    rows, columns = np.indices(shape)
    image = 0.2 + film
    for x, y in crystal:
        box = np.s_[max(int(y) - 16, 0) : int(y) + 17, max(int(x) - 16, 0) : int(x) + 17]
        image[box] += np.exp(-((columns[box] - x) ** 2 + (rows[box] - y) ** 2) / (2 * (0.19 * spacing) ** 2))
    return rng.poisson(60 * np.clip(image, 0, None)), crystal


def cases(seed):
    """Name, image, true positions, polarity and, where there is one, the disc (centre, radius) of a blob."""

    def family(name, function, *args, polarity="bright", **optics):
        signal, truth = function(*args, random_state=seed, **optics)
        return name, signal.data, truth.positions, polarity, None

    for pixel, probe, dose, shape in (
        (0.04, 0.11, 6e4, (256, 277)), (0.0125, 0.1, 3e5, (384, 405)), (0.0125, 0.1, 3e4, (384, 405)),
        (0.005, 0.08, 3e5, (512, 533)), (0.025, 0.1, 1e5, (128, 139)),
    ):  # fmt: skip
        for material in ("MoSe2", "WSe2", "MoS2", "WS2"):
            yield family(
                f"{material} {0.18 / pixel:.0f} px, {dose:.0e}", data.monolayer, material,
                pixel_size=pixel, probe_size=probe, dose=dose, shape=shape, rotation=7.0 + 5 * seed,
            )  # fmt: skip
    for pixel, dose, shape in ((0.012, 2e4, (512, 533)), (0.02, 1e4, (512, 533)), (0.012, 5e3, (1024, 1003))):
        yield family(
            f"M1 oxide {dose:.0e}, {pixel} nm", data.m1_oxide, pixel_size=pixel, dose=dose, shape=shape
        )
    for pixel, dose in ((0.014, 2e4), (0.03, 2e4), (0.008, 5e3)):
        for material in ("SrTiO3", "BaTiO3", "PbTiO3"):
            yield family(f"{material} {dose:.0e}, {pixel} nm", data.perovskite, material,
                         pixel_size=pixel, dose=dose, shape=(384, 405))  # fmt: skip
    for pixel, dose in ((0.014, 2e4), (0.014, 3e3), (0.03, 2e4), (0.008, 5e3)):
        yield family(f"SrTiO3 ABF {dose:.0e}, {pixel} nm", data.perovskite, polarity="dark", detector="ABF",
                     pixel_size=pixel, dose=dose, shape=(384, 405))  # fmt: skip
    for pixel, dose in ((0.0115, 2e6), (0.0115, 3e5), (0.02, 4e5), (0.03, 4e5)):
        yield family(f"graphene {dose:.0e}, {pixel} nm", data.grain_boundary, pixel_size=pixel, dose=dose,
                     probe_size=0.09, shape=(384, 405))  # fmt: skip
    for dose in (2e6, 5e5):
        image, truth, blob = graphene_with_blob(
            seed, pixel_size=0.0115, dose=dose, shape=(480, 501), probe_size=0.09
        )
        yield f"graphene and blob {dose:.0e}", image, truth, "bright", blob
    for disorder in ("glass", 0.04, 0.08, 0.12):
        kind = "crystal and glass" if disorder == "glass" else f"particle on a film, {disorder} rms"
        image, truth = beside_disorder(seed, disorder)
        yield kind, image, truth, "bright", None
    for numbers, name in (((14, 14), "Si [110]"), ((31, 33), "GaAs [110]"), ((49, 15), "InP [110]")):
        for pixel, dose in ((0.0113, 2e4), (0.0113, 5e3), (0.02, 1e4), (0.03, 1e4)):
            image, truth = dumbbells(numbers, seed, pixel_size=pixel, dose=dose, probe_size=0.08, rotation=11.0,
                                     scattering=1e-5, shape=(384, 405))  # fmt: skip
            yield f"{name} {dose:.0e}, {pixel} nm", image, truth, "bright", None
    for kind in ("square", "triangular", "honeycomb", "kagome"):
        for pixel, dose in ((0.05, 3e5), (0.02, 3e4), (0.0065, 3e4)):
            yield family(f"{kind} {0.25 / pixel:.0f} px, {dose:.0e}", data.lattice, kind, pixel_size=pixel, dose=dose,
                         shape=(256, 277), rotation=9.0)  # fmt: skip
    for kind in ("square", "triangular", "honeycomb"):
        for dose in (3e5, 3e4):
            yield family(f"edge of {kind} {dose:.0e}", data.crystal_edge, kind, pixel_size=0.015, dose=dose,
                         shape=(384, 405))  # fmt: skip
    for kind in ("sigma", "stampfli", "random"):
        yield family(
            f"square-triangle {kind}", data.square_triangle, kind, pixel_size=0.02, dose=3e4, shape=(384, 405)
        )
    for dose in (None, 4e5):
        yield family(
            f"twisted bilayer {dose or 0:.0e}", data.twisted_bilayer, "MoS2", dose=dose, shape=(512, 533)
        )
    yield family("twin boundary 1e+05", data.twin_boundary, dose=1e5, shape=(384, 405))
    for material, pixel, dose in (("MoSe2", 0.0125, 1e5), ("WS2", 0.03, 1e5), ("MoTe2", 0.02, 2e4)):
        signal, truth = data.monolayer(
            material,
            random_state=seed,
            pixel_size=pixel,
            dose=dose,
            shape=(256, 277),
            rotation=4.0 + 5 * seed,
        )
        image, true = np.asarray(signal.data, float), truth.positions
        y, x = (np.fft.fftfreq(n, pixel) for n in image.shape)
        # Twice the first order of reflections of a lattice of 0.33 nm.
        band = np.hypot(y[:, None], x) < 2 * 2 / np.sqrt(3) / 0.33
        for name, made, factor in (
            ("smoothed", gaussian_filter(image, 1.2), 1.0),
            ("low-passed", np.fft.ifft2(np.fft.fft2(image) * band).real, 1.0),
            ("enlarged", zoom(image, 1.6, order=3, grid_mode=True, mode="grid-constant"), 1.6),
        ):
            yield f"{material} {name}, {pixel} nm", made, (true + 0.5) * factor - 0.5, "bright", None


def as_signal(image, number):
    """The image in one unit or another, which must not matter."""
    import hyperspy.api as hs

    signal = hs.signals.Signal2D(np.asarray(image))
    name = tuple(UNITS)[number % len(UNITS)]
    if UNITS[name] is not None:
        for axis in signal.axes_manager.signal_axes:
            axis.scale, axis.units, axis.offset = 0.0137 * UNITS[name], name, -3.0 * UNITS[name]
    signal.set_signal_type("atomic_image")
    return signal, name


def score(found, true, shape):
    """F1, numbers of false and of missed columns, and the true separation in pixels."""
    spacing = float(np.median(cKDTree(true).query(true, k=2)[0][:, 1]))
    room = np.array(shape[::-1])

    def inner(p):
        return ((p > 2 * spacing) & (p < room - 2 * spacing)).all(axis=1)

    reach = 0.4 * spacing
    # One to one: each of a pair must be the nearest of the other.
    to_true, to_found = cKDTree(true).query(found), cKDTree(found).query(true)
    mutual_found = (to_true[0] < reach) & (to_found[1][to_true[1]] == np.arange(len(found)))
    mutual_true = (to_found[0] < reach) & (to_true[1][to_found[1]] == np.arange(len(true)))
    false, missed = int((inner(found) & ~mutual_found).sum()), int((inner(true) & ~mutual_true).sum())
    hit = int((inner(true) & mutual_true).sum())
    return 2 * hit / max(2 * hit + false + missed, 1), false, missed, spacing


def find_all(only, seeds):
    """Print a row for each case; returns the numbers of cases and of marked ones."""
    n = weak = 0
    print(f"{'case':34s} {'px':>9s} {'unit':9s} {'F1':>6s} {'false':>5s} {'missed':>6s} {'separation/true':>15s} "
          f"{'sure':>5s} {'polarity':9s} {'s':>5s}")  # fmt: skip
    for seed in range(seeds):
        for number, (name, image, true, polarity, blob) in enumerate(cases(seed)):
            if only not in name:
                continue
            n += 1
            signal, unit = as_signal(image, number + seed)
            clock = time.process_time()
            try:
                atoms = signal.find_atoms(show_progressbar=False)
            except ValueError as error:
                weak += 1
                print(f"{name:34s} error: {error}")
                continue
            seconds = time.process_time() - clock
            scale = signal.axes_manager.signal_axes[0].scale
            found = atoms.pixel_positions
            if blob is not None:
                # The rim belongs to neither side.
                within = np.hypot(*(found - blob[0]).T)
                rim = np.abs(within - blob[1]) < 0.142 / 0.0115 * 1.5
                found = found[~rim]
            f1, false, missed, spacing = score(found, true, image.shape)
            separation = atoms.separation / scale
            wrong = f1 < 0.98 or atoms.polarity != polarity or abs(separation / spacing - 1) > 0.15
            weak += wrong
            size = f"{image.shape[0]}x{image.shape[1]}"
            print(f"{name:34s} {size:>9s} {unit:9s} {f1:6.3f} {false:5d} {missed:6d} {separation:7.1f}/{spacing:5.1f} "
                  f"{atoms.separation_certainty:7.2f} {atoms.polarity:9s} {seconds:5.2f} {'<-' if wrong else ''}",
                  flush=True)  # fmt: skip
    return weak, n


def set_constant(name, value):
    """Set a constant in all modules of the search for columns that use it."""
    users = [
        m for key, m in sys.modules.items() if key.startswith("hyperspy_motifs.atoms.") and hasattr(m, name)
    ]
    if not users:
        raise SystemExit(f"no module of hyperspy_motifs.atoms has a constant {name}")
    for module in users:
        setattr(module, name, value)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--constant", nargs="+", help="a name, and values")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    if args.constant is None:
        weak, n = find_all(args.only, args.seeds)
        print(f"{weak} of {n} cases below 0.98 or wrong")
        return
    find_columns(np.random.default_rng(0).normal(size=(64, 65)), separation=8.0)  # loads the modules
    name, *values = args.constant
    for value in values:
        set_constant(name, float(value))
        with contextlib.redirect_stdout(io.StringIO()):
            weak, n = find_all(args.only, args.seeds)
        print(f"{name} = {value}: {weak} of {n} cases below 0.98 or wrong", flush=True)


if __name__ == "__main__":
    main()
