"""How much the list of defects depends on the numbers of its model of intensities that nothing else fixes.

    python benchmarks/bench_defect_numbers.py [--seeds 3] [--size 512]

Simulated dichalcogenides with vacancies and dopants at three doses. Each number is halved and doubled, the others stay as
they are. The columns are the single outliers that are listed, in percent of the columns with another atom or with a vacancy
than is usual on their site; the false ones; and the entries by which the list differs, in percent of the usual list.
"""

import argparse
import warnings

import numpy as np
from scipy.spatial import cKDTree

from hyperspy_motifs import data
from hyperspy_motifs.defects import _nulls, _outlier_tests

MATERIALS = (("MoSe2", "W"), ("MoS2", "W"), ("WSe2", "Ti"))
DOSES = (3e4, 1e5, 3e5)


def images(seeds, size):
    for seed in range(seeds):
        for name, dopant in MATERIALS:
            for dose in DOSES:
                signal, truth = data.monolayer(
                    name,
                    shape=(size, size + 24),
                    dose=dose,
                    vacancies=0.03,
                    double_vacancies=0.005,
                    metal_dopant=(dopant, 0.02),
                    chalcogen_dopant=None,
                    random_state=700 + seed,
                )
                motifs = signal.find_motifs(show_progressbar=False)
                frequent = np.argsort(np.bincount(truth.labels[truth.labels >= 0]))[-2:]
                yield motifs, truth.positions[~np.isin(truth.labels, frequent)]


def settings():
    """The name of each variation, and the module, the name and the value of what is set."""
    yield "as it is", {}
    for factor in (0.5, 2.0):
        step, far, steps, sampled = (
            value * factor for value in (_nulls._STEP, _nulls._FAR, _nulls._ITERATIONS, _nulls._SAMPLED)
        )
        yield f"step of the ratios {step:g}", {"_STEP": step}
        yield f"largest ratio {far:g}", {"_FAR": far}
        yield f"iterations {steps:g}", {"_ITERATIONS": int(steps)}
        yield f"points of the null {sampled:g}", {"_SAMPLED": int(sampled)}
        yield f"worth of the weights {factor:g}", {"_WEIGHTS": factor * _outlier_tests._WEIGHTS}


def listed(motifs, values):
    """Positions in pixels of the outliers with some numbers replaced."""
    usual = {}
    for name, value in values.items():
        module = _nulls if hasattr(_nulls, name) else _outlier_tests
        usual[module, name] = getattr(module, name)
        setattr(module, name, value)
    found = motifs.find_outliers()
    for (module, name), value in usual.items():
        setattr(module, name, value)
    return found.pixel_positions


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--size", type=int, default=512)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    varied = list(settings())
    table = np.zeros((len(varied), 5))
    for motifs, odd in images(options.seeds, options.size):
        tree, first = cKDTree(odd), None
        for k, (_, values) in enumerate(varied):
            places = listed(motifs, values)
            first = places if first is None else first
            near = tree.query(places, distance_upper_bound=4.0)[0] if len(places) else np.empty(0)
            same = len({*map(tuple, places)} & {*map(tuple, first)})
            hits = int(np.isfinite(near).sum())
            table[k] += [hits, len(odd), len(places) - hits, len(places) + len(first) - 2 * same, len(first)]
    print(f"{'':28}{'found (%)':>10}{'false':>7}{'changed (%)':>13}")
    for (name, _), (hits, odd, false, changed, usual) in zip(varied, table, strict=True):
        print(f"{name:28}{100 * hits / odd:10.1f}{false:7.0f}{100 * changed / max(usual, 1):13.1f}")


if __name__ == "__main__":
    main()
