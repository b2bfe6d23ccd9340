"""Ctrl-C at any moment: the result is as it was, or complete; a file is the old one, or the new."""

import os
import random
import shutil
import signal as signals
import sys
import threading
import time
from pathlib import Path

import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_motifs import cli, data, store

pytestmark = pytest.mark.usefixtures("two_radii")

# `make trust` takes the fifty moments; a run of all tests has time for some of them.
MOMENTS = 50 if int(os.environ.get("TRUST_TIMES", "1")) > 1 else 8
needs_timer = pytest.mark.skipif(
    not hasattr(signals, "setitimer") or threading.current_thread() is not threading.main_thread(),
    reason="no timer that interrupts",
)


@pytest.fixture(scope="module")
def image():
    image, _ = data.lattice("square", shape=(90, 110), random_state=0)
    return image


@pytest.fixture(scope="module")
def finished(image):
    """An image with an earlier result, another result, and how long that takes."""
    first = image.deepcopy()
    first.find_motifs(radius=0.15, radius_units="axes")
    second = first.deepcopy()
    start = time.perf_counter()
    second.find_motifs(radius=0.6, n_motifs=2)
    return first, second, time.perf_counter() - start


def contents(signal):
    """Everything that is stored of a result, as text and bytes."""
    found = {}

    def walk(node, path):
        for key in sorted(node):
            value = node[key]
            if isinstance(value, dict):
                walk(value, f"{path}.{key}")
            elif isinstance(value, np.ndarray):
                found[f"{path}.{key}"] = (value.shape, str(value.dtype), value.tobytes())
            elif hasattr(value, "data"):
                found[f"{path}.{key}"] = np.asarray(value.data).tobytes()
            else:
                found[f"{path}.{key}"] = value

    walk(signal.metadata.get_item(store.NODE).as_dictionary(), "")
    return found


@needs_timer
def test_an_interrupt_leaves_the_old_result_or_the_whole_new_one(finished):
    first, second, took = finished
    old, new = contents(first), contents(second)
    assert old != new
    moment = random.Random(4)
    handler = signals.signal(signals.SIGALRM, signals.default_int_handler)
    ends = {"old": 0, "new": 0}
    try:
        for _ in range(MOMENTS):
            signal = first.deepcopy()
            try:
                signals.setitimer(signals.ITIMER_REAL, moment.uniform(1e-4, took))
                signal.find_motifs(radius=0.6, n_motifs=2)
                signals.setitimer(signals.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                pass
            finally:
                signals.setitimer(signals.ITIMER_REAL, 0)
            after = contents(signal)
            assert after in (old, new)
            ends["old" if after == old else "new"] += 1
            assert len(signal.motifs.labels) > 11
    finally:
        signals.signal(signals.SIGALRM, handler)
    assert ends["old"] > MOMENTS // 4, ends


def test_an_interrupt_at_any_line_of_the_assignment_leaves_one_of_both(finished):
    """Every line that runs in the image's own metadata; most of the writing is done apart from it."""
    first, second, _ = finished
    record = store.read(second)
    whole = first.deepcopy()
    store.write(whole, record)
    old, new = contents(first), contents(whole)
    ends, line, done = set(), 0, False
    while not done:
        signal, count = first.deepcopy(), 0
        line += 1

        def interrupt(frame, event, _):
            nonlocal count
            if event == "line" and frame.f_locals.get("self") is signal.metadata:  # noqa: B023
                count += 1
                if count == line:  # noqa: B023
                    raise KeyboardInterrupt
            return interrupt

        sys.settrace(interrupt)
        try:
            store.write(signal, record)
            done = True
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(None)
        after = contents(signal)
        assert after in (old, new)
        ends.add(after == new)
    assert line > 5
    assert ends == {True, False}


@pytest.fixture(scope="module")
def written(image, tmp_path_factory):
    """A folder with an image and the results of the command."""
    folder = tmp_path_factory.mktemp("written")
    image.save(folder / "x.hspy")
    assert cli.main(command_in(folder)) == cli.EXIT_OK
    return folder


def command_in(folder):
    return [str(folder / "x.hspy"), "-o", str(folder / "out"), "-q", "--radius", "0.6", "--no-figures"]


@pytest.mark.parametrize(
    "writer",
    [
        "hyperspy.signal.BaseSignal.save",
        "hyperspy_motifs.graph.MotifGraph.to_graphml",
        "hyperspy_motifs.cli._results.write_table",
        "hyperspy_motifs.cli._results.write_summary",
    ],
)
def test_results_that_are_interrupted_in_being_written_are_the_old_ones(
    tmp_path, written, writer, monkeypatch, capsys
):
    """The command, a second time over its own results, stopped while it writes."""
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
    out = tmp_path / "out"
    old = {path.name: path.read_bytes() for path in (out / "x").iterdir()}
    assert {"x.hspy", "x.graphml", "x_atoms.csv"} <= set(old)

    def stopped(*arguments, **options):
        paths = [a for a in arguments if isinstance(a, Path)]
        (paths[0] / "half" if paths[0].is_dir() else paths[0]).write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(writer, stopped)
        assert cli.main(command_in(tmp_path)) == cli.EXIT_INTERRUPTED
    assert "interrupted" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (out / "x").iterdir()} == old
    assert not [p for p in out.rglob("*") if "partial" in p.name]
    assert len(hs.load(out / "x" / "x.hspy").motifs.labels) > 11
