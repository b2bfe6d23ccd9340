"""Test of discrete or continuous: its accuracy and the reliability of its certainty.

Run as ``python benchmarks/bench_continuity.py [--seeds 200:206] [--only graphene]``. Every seed draws each family below
once, with other parameters (twist, strain, dose, size of the pixels and of the field, distortions of the scan). Seeds
below 100 are those that constants of the package may be set on; 100 to 111 have shown what they missed; those from 200 on are
held out, and the default.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from hyperspy_motifs import data
from hyperspy_motifs.data import Imaging, Specimen, simulate
from hyperspy_motifs.data._imaging import expected_image, image_signal
from hyperspy_motifs.data._specimen import atomic_number, lattice_points

HONEYCOMB = ((0.0, 0.0), (1 / 3, 1 / 3))
# Lattice parameter in nm and atoms of the two columns of a layer.
LAYERS = {
    "MoS2": (0.316, (("Mo", 1), ("S", 2))),
    "MoSe2": (0.329, (("Mo", 1), ("Se", 2))),
    "WS2": (0.315, (("W", 1), ("S", 2))),
    "WSe2": (0.328, (("W", 1), ("Se", 2))),
    "graphene": (0.246, (("C", 1), ("C", 1))),
}


def bilayer_specimen(
    lower: str, upper: str, reach: float, twist: float, strain: float, axis: float
) -> Specimen:
    """Two honeycomb layers, the upper turned by `twist` degrees and stretched by `strain` along `axis` degrees."""
    parts = []
    for name, turn, stretch in ((lower, -twist / 2, 0.0), (upper, twist / 2, strain)):
        parameter, columns = LAYERS[name]
        angles = np.deg2rad([turn, turn + 60])
        along = np.array([np.cos(np.deg2rad(axis)), np.sin(np.deg2rad(axis))])
        vectors = parameter * np.column_stack([np.cos(angles), np.sin(angles)])
        vectors = vectors @ (np.eye(2) + stretch * np.outer(along, along))
        points, site = lattice_points(vectors, np.array(HONEYCOMB), reach)
        numbers = np.array([atomic_number(element) for element, _ in columns])
        parts.append((points, site, numbers[site], np.array([float(n) for _, n in columns])[site]))
    points, site, numbers, counts = (np.concatenate(each) for each in zip(*parts, strict=True))
    return Specimen(points, site, ["A", "B"], np.arange(len(points)), numbers, counts)


def bilayer(rng: np.random.Generator, seed: int, **chosen: Any) -> Any:
    """A twisted bilayer at random: of dichalcogenides, of graphene, or of two materials."""
    material = chosen.get("material") or str(rng.choice(["MoS2", "MoSe2", "WS2", "WSe2"]))
    carbon = material == "graphene"
    side = chosen.get("side") or rng.integers(420, 700)
    optics = Imaging(
        shape=(int(side), int(side * rng.uniform(0.85, 1.15))),
        pixel_size=float(rng.uniform(0.009, 0.013)),
        dose=dose(rng, 1.5e5, 6e6) if carbon else dose(rng, 1e4, 6e5),
        probe_size=0.08 if carbon else 0.1,
        scattering=5e-5 if carbon else 3e-5,
        **distortions(rng),
    )
    twist = chosen.get("twist", rng.uniform(3.0, 8.0))
    strain, upper = chosen.get("strain", 0.0), chosen.get("upper", material)
    specimen = bilayer_specimen(material, upper, optics.reach, twist, strain, rng.uniform(0, 180))
    moved = np.random.default_rng(seed).uniform(-2, 2, 2)
    specimen = Specimen(
        specimen.positions + moved if chosen.get("moved") else specimen.positions,
        specimen.labels,
        specimen.names,
        specimen.column,
        specimen.numbers,
        specimen.counts,
    ).displaced(0.0015, seed)
    return image_signal(simulate(specimen, optics, seed)[0], optics, "Simulated bilayer")


def dose(rng: np.random.Generator, low: float, high: float) -> float | None:
    """A dose between two, evenly in its logarithm; one in six has no noise."""
    return None if rng.random() < 1 / 6 else float(np.exp(rng.uniform(np.log(low), np.log(high))))


def distortions(rng: np.random.Generator) -> dict[str, Any]:
    """Rotation at random; drift, wobble, jitter, strain of the scan, contamination and slow contrast in half of the images."""
    out: dict[str, Any] = {"rotation": float(rng.uniform(0, 60))}
    if rng.random() < 0.5:
        out |= {
            "strain": float(rng.uniform(0, 0.02)),
            "wobble": float(rng.uniform(0, 2)),
            "drift": tuple(float(v) for v in rng.uniform(-6, 6, 2)),
            "row_jitter": float(rng.uniform(0, 0.3)),
            "background_variation": float(rng.uniform(0, 0.6)),
            "contrast_variation": float(rng.uniform(0, 0.2)),
        }
    return out


def imaging(rng: np.random.Generator, low: float, high: float, **other: Any) -> dict[str, Any]:
    """Size, pixels and dose at random."""
    side = rng.integers(300, 640)
    size = {
        "shape": (int(side), int(side * rng.uniform(0.85, 1.2))),
        "pixel_size": float(rng.uniform(0.009, 0.0135)),
    }
    return {**size, "dose": dose(rng, low, high), **distortions(rng), **other}


def tilted(rng: np.random.Generator, seed: int) -> Any:
    """A monolayer or a perovskite that goes out of focus, or is tilted, slowly across the field: columns get wider."""
    chosen = {**imaging(rng, 1e5, 1e6), "row_jitter": 0.0}
    kind = rng.integers(2)
    optics = [Imaging(**{**chosen, "probe_size": size}) for size in (0.1, rng.uniform(0.11, 0.125))]
    if kind:
        specimen = data.monolayer_specimen("MoSe2", optics[0].reach).displaced(0.002, seed)
    else:
        specimen = data.lattice_specimen("square", optics[0].reach, 0.2).displaced(0.002, seed)
    sharp, wide = (expected_image(specimen, o, seed) for o in optics)
    ramp = np.linspace(0, 1, sharp.shape[1])
    image = (1 - ramp) * sharp + ramp * wide
    if optics[0].dose is not None:
        image = rng.poisson(image * optics[0].electrons_per_pixel)
    return image_signal(image.astype(np.float32), optics[0], "Simulated tilt")


def silicon(rng: np.random.Generator, seed: int) -> Any:
    """A surface in a scanning tunnelling microscope."""
    side = int(rng.integers(280, 420))
    image, _ = data.silicon_7x7(
        shape=(side, side),
        noise=float(rng.uniform(0.001, 0.006)),
        random_state=seed,
        rotation=float(rng.uniform(0, 60)),
    )
    return image


def first(made: tuple[Any, Any]) -> Any:
    """The image without its truth."""
    return made[0]


Family = Callable[[np.random.Generator, int], Any]
FAMILIES: dict[str, tuple[str, Family]] = {
    "bilayer": ("continuous", lambda rng, seed: bilayer(rng, seed, moved=True)),
    "bilayer, 1.5 to 3 degrees": (
        "continuous",
        lambda rng, seed: bilayer(rng, seed, twist=rng.uniform(1.5, 3), side=rng.integers(560, 800)),
    ),
    "bilayer, strained": (
        "continuous",
        lambda rng, seed: bilayer(
            rng, seed, twist=rng.uniform(1.5, 8), strain=rng.uniform(0.005, 0.03), side=rng.integers(500, 760)
        ),
    ),
    "bilayer, small field": (
        "continuous",
        lambda rng, seed: bilayer(
            rng, seed, twist=rng.uniform(2, 8), side=rng.integers(300, 400), moved=True
        ),
    ),
    "bilayer graphene": (
        "continuous",
        lambda rng, seed: bilayer(rng, seed, material="graphene", twist=rng.uniform(3, 8), moved=True),
    ),
    "bilayer graphene, strained": (
        "continuous",
        lambda rng, seed: bilayer(
            rng, seed, material="graphene", twist=rng.uniform(1.5, 8), strain=rng.uniform(0, 0.03), side=600
        ),
    ),
    "MoSe2 on WS2": (
        "continuous",
        lambda rng, seed: bilayer(rng, seed, material="WS2", upper="MoSe2", twist=rng.uniform(0, 5)),
    ),
    "monolayer": (
        "discrete",
        lambda rng, seed: first(
            data.monolayer(
                str(rng.choice(["MoS2", "MoSe2", "WS2", "WSe2"])),
                random_state=seed,
                **imaging(rng, 1.5e4, 6e5),
            )
        ),
    ),
    "monolayer, many defects": (
        "discrete",
        lambda rng, seed: first(
            data.monolayer(
                "MoSe2", vacancies=0.15, double_vacancies=0.03, random_state=seed, **imaging(rng, 1.5e4, 6e5)
            )
        ),
    ),
    "twin boundary": (
        "discrete",
        lambda rng, seed: first(
            data.twin_boundary(
                boundary=str(rng.choice(["4|4P", "8"])),
                random_state=seed,
                **(imaging(rng, 2e4, 6e5) | {"rotation": 0.0}),
            )
        ),
    ),
    "grain boundary": (
        "discrete",
        lambda rng, seed: first(
            data.grain_boundary(random_state=seed, **imaging(rng, 2e5, 6e6, probe_size=0.1, rotation=0.0))
        ),
    ),
    "graphene, one grain": (
        "discrete",
        lambda rng, seed: first(
            data.lattice(
                "honeycomb",
                spacing=0.142,
                element="C",
                random_state=seed,
                **imaging(rng, 2e5, 6e6, probe_size=0.1),
            )
        ),
    ),
    "M1": (
        "discrete",
        lambda rng, seed: first(data.m1_oxide(random_state=seed, **imaging(rng, 2e3, 1e5, scattering=1e-5))),
    ),
    "perovskite": (
        "discrete",
        lambda rng, seed: first(
            data.perovskite(
                detector=str(rng.choice(["ADF", "ABF"])),
                displacement=rng.uniform(0.005, 0.02),
                random_state=seed,
                shape=(int(rng.integers(380, 600)), int(rng.integers(380, 600))),
                dose=dose(rng, 1.5e3, 1e5),
            )
        ),
    ),
    "silicon": ("discrete", silicon),
    "squares and triangles": (
        "discrete",
        lambda rng, seed: first(
            data.square_triangle(
                str(rng.choice(["random", "random", "sigma", "elongated"])),
                random_state=seed,
                **imaging(rng, 1.5e4, 6e5),
            )
        ),
    ),
    "lattice": (
        "discrete",
        lambda rng, seed: first(
            data.lattice(
                str(rng.choice(["square", "triangular", "honeycomb", "kagome"])),
                spacing=rng.uniform(0.16, 0.28),
                disorder=float(rng.choice([0.0, 0.002, 0.006])),
                random_state=seed,
                **imaging(rng, 5e3, 6e5),
            )
        ),
    ),
    "tilt": ("discrete", tilted),
}


def cases(seeds: range, only: str = "") -> Iterator[tuple[int, str, str, Any]]:
    """Yield seed, family, what it is, and an image of it."""
    for seed in seeds:
        for number, (name, (kind, make)) in enumerate(FAMILIES.items()):
            if only in name:
                yield seed, name, kind, make(np.random.default_rng([seed, number]), seed)


def reliability(certainty: np.ndarray, right: np.ndarray) -> Iterator[str]:
    """Yield the rows of a table: number of correct results in ranges of certainty."""
    edges = np.array([0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0001])
    for low, high in pairwise(edges):
        inside = (certainty >= low) & (certainty < high)
        if inside.any():
            yield (
                f"  {low:.2f} to {min(high, 1):.2f}: {inside.sum():4d} results, mean certainty "
                f"{certainty[inside].mean():.3f}, right {right[inside].mean():.3f}"
            )


def main() -> None:
    """Print a line an image, and the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", default="200:206", help="first:last, without the last")
    parser.add_argument("--only", default="", help="families whose name contains this")
    chosen = parser.parse_args()
    seeds = range(*(int(v) for v in chosen.seeds.split(":")))
    warnings.simplefilter("ignore")
    rows = []
    for seed, name, kind, image in cases(seeds, chosen.only):
        start = time.process_time()
        try:
            found = image.find_motifs(show_progressbar=False).parameters["continuity"]
        except ValueError as error:  # such as too few resolved columns
            print(f"{seed:4d} {name:28s} {error}"[:110], flush=True)
            continue
        # Classes some of which are continuous inside are classes.
        right = (found["kind"] == "continuous") == (kind == "continuous")
        rows.append((name, found["certainty"], right))
        print(
            f"{seed:4d} {name:28s} {found['kind']:20s} {found['certainty']:.3f} {'' if right else 'WRONG'}"
            f" ({time.process_time() - start:.1f} s)",
            flush=True,
        )
    certainty, right = np.array([row[1] for row in rows]), np.array([row[2] for row in rows], dtype=bool)
    print(
        f"right: {right.sum()} of {len(right)}; wrong with a certainty of 0.9 or more: {(~right & (certainty >= 0.9)).sum()}"
    )
    for name in dict.fromkeys(row[0] for row in rows):
        of = np.array([row[0] == name for row in rows])
        print(f"  {name:28s} {right[of].sum()} of {of.sum()}, least certainty {certainty[of].min():.2f}")
    print("of results with a certainty of")
    print("\n".join(reliability(certainty, right)))


if __name__ == "__main__":
    main()
