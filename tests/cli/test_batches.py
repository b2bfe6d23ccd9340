"""Many images, of any kind of file: what fails is one line, the rest goes on, and all is seen at one look."""

import csv
import json
import sys

import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_motifs import cli, data
from hyperspy_motifs.atoms import to_atom_lattice
from hyperspy_motifs.store import Stamp

FAST = ["-q", "--no-figures", "--radius", "0.6"]


@pytest.fixture(scope="module")
def lattice():
    return data.lattice("honeycomb", shape=(110, 126), random_state=2)


@pytest.fixture(scope="module")
def mixed(lattice, tmp_path_factory):
    """A file with an image of each kind: real, complex, constant, small, of one dimension, and a second real one."""
    signal, _ = lattice
    folder = tmp_path_factory.mktemp("mixed")
    spectrum = hs.signals.Signal1D(np.arange(40.0))
    for title, one in {
        "a HAADF": signal,
        "b FFT": hs.signals.ComplexSignal2D(np.fft.fft2(signal.data)),
        "c empty": hs.signals.Signal2D(np.full((40, 52), 3.0)),
        "d small": hs.signals.Signal2D(np.random.default_rng(0).random((9, 11))),
        "e spectrum": spectrum,
        "f haadf again": signal.isig[:100],
    }.items():
        one = one.deepcopy()
        one.metadata.General.title = title
        one.save(folder / f"{title[0]}.hspy")
    return folder


def run(*arguments):
    return cli.main([str(a) for a in arguments])


def rows_of(folder):
    with open(folder / "summary.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def several(mixed, monkeypatch):
    """The images of `mixed` as those of a single file, as a reader of HyperSpy returns them."""
    real = hs.load
    files = sorted(mixed.glob("?.hspy"))

    def load(path, *arguments, **options):
        if str(path).endswith("several.emd"):
            return [real(one) for one in files]
        return real(path, *arguments, **options)

    monkeypatch.setattr(hs, "load", load)
    path = mixed / "several.emd"
    path.write_bytes(b"read by the function above")
    return path


def test_each_real_image_of_a_file_is_tried_and_others_are_a_line(several, tmp_path, capsys):
    assert run(several, "-o", tmp_path, *FAST) == cli.EXIT_OK
    lines = capsys.readouterr().err.strip().splitlines()
    skipped = [line for line in lines if "skipped" in line]
    assert len(skipped) == 4
    for line, title, reason in zip(
        skipped,
        ("b FFT", "c empty", "d small", "e spectrum"),
        ("complex", "constant", "11 x 9", "1 signal"),
        strict=True,
    ):
        assert title in line
        assert reason in line
    rows = rows_of(tmp_path)
    assert [row["state"] for row in rows].count("analysed") == 2
    assert {row["name"] for row in rows if row["state"] == "analysed"} == {"several_0", "several_5"}
    assert len(hs.load(tmp_path / "several_5" / "several_5.hspy").motifs.labels) > 20


def test_a_folder_stands_for_the_images_in_it(lattice, tmp_path, capsys):
    inside = tmp_path / "measured"
    (inside / "older").mkdir(parents=True)
    for name in ("b", "a", "older/c"):
        np.save(inside / f"{name}.npy", lattice[0].data)
    (inside / "notes.txt").write_text("of the day")
    (inside / "table.csv").write_text("x,y")
    assert run(inside, "-o", tmp_path / "out", *FAST) == cli.EXIT_OK
    assert [(row["name"], row["state"]) for row in rows_of(tmp_path / "out")] == [
        ("a", "analysed"),
        ("b", "analysed"),
    ]
    (tmp_path / "nothing").mkdir()
    assert run(tmp_path / "nothing", "-o", tmp_path / "out", *FAST) == cli.EXIT_FAILED
    assert "this folder is empty" in capsys.readouterr().err


def test_one_image_of_a_file_is_picked_by_number_or_title(several, tmp_path, capsys):
    assert run(several, "--image", "5", "-o", tmp_path / "number", *FAST) == cli.EXIT_OK
    assert run(several, "--title", "AGAIN", "-o", tmp_path / "title", *FAST) == cli.EXIT_OK
    assert capsys.readouterr().err == ""
    for folder in ("number", "title"):
        assert [row["name"] for row in rows_of(tmp_path / folder)] == ["several_5"]
    assert run(several, "--image", "9", "-o", tmp_path / "none", *FAST) == cli.EXIT_FAILED
    assert "no image of number 9" in capsys.readouterr().err
    assert run(several, "--image", "1", "-o", tmp_path / "none", *FAST) == cli.EXIT_FAILED
    assert "complex" in capsys.readouterr().err


def test_any_error_of_one_image_is_one_line_and_the_rest_goes_on(mixed, tmp_path, monkeypatch, capsys):
    from hyperspy_motifs.cli import _batch

    real = _batch.analyse

    def analyse(found, name, *arguments):
        if name == "a":
            raise ZeroDivisionError("a defect of this package")
        return real(found, name, *arguments)

    monkeypatch.setattr(_batch, "analyse", analyse)
    # A reader whose package is missing raises an ImportError.
    monkeypatch.setitem(sys.modules, "tifffile", None)
    (mixed / "t.tif").write_bytes(b"II*\0")
    files = [mixed / "a.hspy", mixed / "t.tif", mixed / "f.hspy"]
    assert run(*files, "-o", tmp_path, *FAST) == cli.EXIT_FAILED
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 2
    assert "ZeroDivisionError: a defect of this package (--traceback shows where)" in lines[0]
    assert "t.tif" in lines[1]
    assert [row["state"] for row in rows_of(tmp_path)] == ["failed", "failed", "analysed"]
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "a defect of this package" in page
    assert "Failed: 2" in page
    assert run(files[0], "--traceback", "-o", tmp_path, *FAST) == cli.EXIT_FAILED
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_results_are_taken_up_again_and_others_are_made_again(mixed, tmp_path, capsys):
    files = [mixed / "a.hspy", mixed / "f.hspy"]
    run(files[0], "-o", tmp_path, *FAST)
    first = tmp_path / "a" / "summary.json"
    before = first.stat().st_mtime_ns
    # What an interrupt leaves is not a result.
    (tmp_path / ".f.partial").mkdir()
    (tmp_path / ".f.partial" / "f.hspy").write_bytes(b"half")
    options = [option for option in FAST if option != "-q"]
    assert run(*files, "--resume", "-o", tmp_path, *options) == cli.EXIT_OK
    out = capsys.readouterr().out
    assert "a: taken up again" in out
    assert "2 images: 2 analysed" in out
    assert first.stat().st_mtime_ns == before
    assert {p.name for p in tmp_path.iterdir()} == {"a", "f", "index.html", "summary.csv"}
    assert len(rows_of(tmp_path)) == 2
    # The overview shows the key figures of both.
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    for row in rows_of(tmp_path):
        motifs = hs.load(tmp_path / row["name"] / f"{row['name']}.hspy").motifs
        assert int(row["atoms"]) == len(motifs.labels)
        assert row["counts"] == "; ".join(map(str, motifs.counts))
        assert int(row["cells"]) == len(motifs.cells)
        assert f"{len(motifs.labels):,}, {motifs.parameters['spacing']:.4g} {motifs.units} apart" in page
    run(files[0], "--resume", "--min-motif-size", "6", "-o", tmp_path, *FAST)
    assert json.loads(first.read_text())["run"]["options"]["min_motif_size"] == "6"


def test_positions_and_a_mask_come_from_files(lattice, mixed, tmp_path):
    signal, truth = lattice
    positions = Stamp.of(signal).to_units(truth.positions)
    np.savetxt(tmp_path / "atoms.csv", positions, delimiter=",", header="x,y", comments="")
    mask = np.zeros(signal.data.shape, np.uint8)
    mask[:40] = 255
    np.save(tmp_path / "mask.npy", mask)
    image = mixed / "a.hspy"
    assert run(image, "--atoms", tmp_path / "atoms.csv", "-o", tmp_path / "given", *FAST) == cli.EXIT_OK
    given = hs.load(tmp_path / "given" / "a" / "a.hspy").motifs
    assert len(given.labels) == len(positions)
    assert given.parameters["atoms"] == "given"
    assert run(image, "--mask", tmp_path / "mask.npy", "-o", tmp_path / "masked", *FAST) == cli.EXIT_OK
    masked = hs.load(tmp_path / "masked" / "a" / "a.hspy").motifs
    assert masked.pixel_positions[:, 1].min() > 38
    # So little of the image is left that no atom has enough of its kind around it.
    assert "all atoms are too close to the border to say" in (tmp_path / "masked" / "index.html").read_text(
        encoding="utf-8"
    )
    with pytest.raises(SystemExit):
        run(image, "--atoms", tmp_path / "absent.csv", *FAST)


def test_detectors_are_files_of_the_same_scan(lattice, mixed, tmp_path, capsys):
    signal, _ = lattice
    other = signal._deepcopy_with_new_data(
        np.random.default_rng(0).poisson(np.abs(signal.data)).astype(float)
    )
    other.save(tmp_path / "inner.hspy")
    options = ["--detectors", tmp_path / "inner.hspy", "-o", tmp_path / "out", *FAST]
    assert run(mixed / "a.hspy", *options) == cli.EXIT_OK
    assert hs.load(tmp_path / "out" / "a" / "a.hspy").motifs.parameters["detectors"] == 2
    assert run(mixed / "f.hspy", *options) == cli.EXIT_FAILED
    assert "no image of the same size" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run(mixed / "a.hspy", mixed / "f.hspy", *options)


def test_a_lattice_of_atomap_is_analysed_with_its_atoms(lattice, tmp_path):
    signal, truth = lattice
    pixels = np.asarray(truth.positions)
    saved = to_atom_lattice(
        np.asarray(signal.data, float),
        pixels,
        np.zeros(len(pixels), int),
        pixel_size=1.0,
        units="pixel",
        names=["all"],
    )
    saved.save(str(tmp_path / "lattice.hdf5"))
    assert run(tmp_path / "lattice.hdf5", "-o", tmp_path / "out", *FAST) == cli.EXIT_OK
    motifs = hs.load(tmp_path / "out" / "lattice" / "lattice.hspy").motifs
    assert len(motifs.labels) == len(pixels)
    assert motifs.parameters["atoms"] == "given"


def test_files_of_hyperspy_with_an_ending_of_several_programs_are_read(mixed, tmp_path):
    (tmp_path / "image.hdf5").write_bytes((mixed / "a.hspy").read_bytes())
    assert run(tmp_path / "image.hdf5", "-o", tmp_path / "out", *FAST) == cli.EXIT_OK


def test_public_files_that_used_to_end_a_batch(shared_data, tmp_path, capsys):
    field = shared_data / "field"
    code = run(field / "with_complex_image.emd", field / "two_units.dm3", "-o", tmp_path, *FAST)
    lines = capsys.readouterr().err.strip().splitlines()
    assert sum("Half FFT" in line and "complex" in line for line in lines) == 1
    rows = {row["title"]: row for row in rows_of(tmp_path)}
    assert rows["Half FFT"]["state"] == "skipped"
    assert rows["HAADF"]["state"] in ("analysed", "failed")
    assert code == (cli.EXIT_FAILED if "failed" in {row["state"] for row in rows.values()} else cli.EXIT_OK)


def test_a_process_that_the_system_ends_fails_alone(tmp_path, monkeypatch, capsys):
    """Lack of memory ends a process without an exception, and with it the pool of all."""
    import importlib
    from types import SimpleNamespace

    from hyperspy_motifs.cli._batch import run_in_parallel

    (tmp_path / "ended_by_the_system.py").write_text(
        "import os\n"
        "def run(name, prefix, folder, options):\n"
        "    if name == 'large': os._exit(9)\n"
        "    return [{'name': prefix, 'file': name, 'state': 'analysed'}]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    run = importlib.import_module("ended_by_the_system").run
    rows = {}
    files = ["small", "large", "other"]
    run_in_parallel(
        run, files, tmp_path, SimpleNamespace(jobs=2), lambda number, found: rows.update({number: found[0]})
    )
    assert [rows[k]["state"] for k in range(3)] == ["analysed", "failed", "analysed"]
    assert "large: its process was ended by the system" in capsys.readouterr().err
