"""The same image and random state give the same bits, for any number of threads and in any process."""

import hashlib
import os
import subprocess
import sys

import numba
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from hyperspy_motifs import data


@pytest.fixture(scope="module")
def results():
    signal, _ = data.grain_boundary(shape=(120, 136), random_state=1)
    found = {}
    before = numba.get_num_threads()
    for threads in sorted({1, min(2, numba.config.NUMBA_NUM_THREADS)}):
        numba.set_num_threads(threads)
        with threadpool_limits(limits=threads, user_api="blas"):
            motifs = signal.deepcopy().find_motifs(rotation_invariant=True)
        found[threads] = motifs
    numba.set_num_threads(before)
    if len(found) < 2:
        pytest.skip("one processor only")
    return found


@pytest.mark.parametrize("what", ["positions", "labels", "probabilities", "layout", "angles"])
def test_every_bit_is_the_same(results, what):
    one, two = results.values()
    np.testing.assert_array_equal(getattr(one, what), getattr(two, what))


def test_every_radius_is_the_same(results):
    one, two = results.values()
    for radius in one.radii:
        np.testing.assert_array_equal(one.labels_at(radius), two.labels_at(radius))
        np.testing.assert_array_equal(one.at(radius).layout, two.at(radius).layout)


SCRIPT = """
import hashlib, sys
import hyperspy.api as hs
hs.preferences.General.show_progressbar = False
motifs = hs.load(sys.argv[1]).find_motifs(rotation_invariant=True)
parts = (motifs.labels, motifs.positions, motifs.probabilities, motifs.layout)
print("BITS", hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest())
"""


def test_four_threads_in_a_process_of_their_own_give_the_same_bits(results, tmp_path):
    signal, _ = data.grain_boundary(shape=(120, 136), random_state=1)
    signal.save(tmp_path / "x.hspy")
    motifs = next(iter(results.values()))
    parts = (motifs.labels, motifs.positions, motifs.probabilities, motifs.layout)
    here = hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()
    four = {name: "4" for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, str(tmp_path / "x.hspy")],
        capture_output=True, text=True, env={**os.environ, **four, "PYTHONHASHSEED": "5"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == here


def test_columns_of_several_sizes_that_threads_share_have_the_same_places():
    """Enough columns that each thread fits some; around a boundary their discs differ in size."""
    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip("one processor only")
    signal, _ = data.grain_boundary(shape=(256, 301), random_state=2)
    before, found = numba.get_num_threads(), []
    for threads in (1, 2):
        numba.set_num_threads(threads)
        found.append(signal.deepcopy().find_atoms().pixel_positions)
    numba.set_num_threads(before)
    np.testing.assert_array_equal(found[0], found[1])
