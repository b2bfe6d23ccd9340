"""The command, run as a user runs it: files in, results out, exit codes, errors in one line."""

import csv
import subprocess
import sys

import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_motifs import cli, data
from hyperspy_motifs.graph import MotifGraph

pytestmark = pytest.mark.usefixtures("two_radii")

FAST = ["-q", "--no-figures", "--radius", "0.6"]


@pytest.fixture(scope="module")
def image_file(tmp_path_factory):
    signal, _ = data.monolayer(shape=(140, 166), random_state=3)
    path = tmp_path_factory.mktemp("images") / "monolayer.hspy"
    signal.save(path)
    return path


@pytest.fixture(scope="module")
def run(image_file, tmp_path_factory):
    """One run of the command on one file, its folder of results and what it printed."""
    folder = tmp_path_factory.mktemp("results")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "hyperspy_motifs",
            str(image_file),
            "-o",
            str(folder),
            "--radius",
            "0.6",
            "--report",
        ],
        capture_output=True,
        text=True,
    )
    return folder, done


def test_it_writes_every_result_and_says_what_it_found(run):
    folder, done = run
    assert done.returncode == cli.EXIT_OK, done.stderr
    names = {p.name for p in folder.iterdir()}
    assert names == {"monolayer", "index.html", "summary.csv"}
    names = {p.name for p in (folder / "monolayer").iterdir()}
    expected = {
        "summary.json",
        "monolayer_small.png",
        "monolayer.hspy",
        "monolayer.graphml",
        "monolayer_atoms.csv",
        "monolayer_cells.csv",
        "monolayer_defects.csv",
        "monolayer.html",
    }
    expected |= {f"monolayer_{kind}.png" for kind in ("motifs", "layout", "means", "cells", "defects")}
    assert names == expected
    motifs = hs.load(folder / "monolayer" / "monolayer.hspy").motifs
    assert f"{len(motifs.labels)} atoms" in done.stdout
    assert f"{motifs.n_motifs} motifs" in done.stdout
    assert f"written to {folder / 'monolayer'}" in done.stdout
    assert f"1 image: 1 analysed; see {folder / 'index.html'}" in done.stdout


def test_the_table_of_defects_is_that_of_the_image_and_its_graph(run):
    folder, _ = run
    motifs = hs.load(folder / "monolayer" / "monolayer.hspy").motifs
    with open(folder / "monolayer" / "monolayer_defects.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["kind"] for row in rows] == motifs.defects.kinds.tolist()
    assert len(rows) > 0
    graph = MotifGraph.from_graphml(folder / "monolayer" / "monolayer.graphml")
    marked = [node for node in graph.find(kind="atom") if graph.nodes[node].get("defect")]
    assert len(marked) == (motifs.defects.atoms >= 0).sum()
    with open(folder / "summary.csv", newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    counts, n = motifs.defects.counts, len(motifs.defects)
    vacancies, rare = counts.get("vacancy", 0), counts.get("another motif", 0)
    assert [int(row[k]) for k in ("vacancies", "rare_atoms", "outliers")] == [
        vacancies,
        rare,
        n - vacancies - rare,
    ]
    assert float(row["defects_per_area"]) == pytest.approx(n / motifs.defects.area)
    assert float(row["vacancies_percent"]) == (
        pytest.approx(100 * motifs.defects.densities()["vacancy"].per_site) if vacancies else 0
    )
    page = (folder / "index.html").read_text(encoding="utf-8")
    for name in ("monolayer_motifs.png", "monolayer_small.png", "monolayer.html"):
        assert f"monolayer/{name}" in page
    # Small enough for a page of a hundred.
    assert (folder / "monolayer" / "monolayer_small.png").stat().st_size < 200_000
    assert f"outlier{'' if n - vacancies - rare == 1 else 's'}; {n / motifs.defects.area:.2g} per nm²" in page


def test_graph_and_table_tell_the_same_atoms_as_the_image(run):
    folder, _ = run
    motifs = hs.load(folder / "monolayer" / "monolayer.hspy").motifs
    graph = MotifGraph.from_graphml(folder / "monolayer" / "monolayer.graphml")
    assert len(graph.find(level="atom")) == len(motifs.labels)
    with open(folder / "monolayer" / "monolayer_atoms.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    np.testing.assert_allclose([float(r["x"]) for r in rows], motifs.positions[:, 0])
    np.testing.assert_array_equal([int(r["motif"]) for r in rows], motifs.labels)


def test_the_original_file_is_not_touched(run, image_file):
    assert not hs.load(image_file).metadata.has_item("Motifs")


def test_arrays_are_read(tmp_path):
    signal, _ = data.lattice("square", shape=(120, 150), random_state=0)
    np.save(tmp_path / "lattice.npy", signal.data)
    assert cli.main([str(tmp_path / "lattice.npy"), "-o", str(tmp_path / "out"), *FAST]) == cli.EXIT_OK
    assert len(hs.load(tmp_path / "out" / "lattice" / "lattice.hspy").motifs.labels) > 20


def test_one_bad_file_is_one_line_and_does_not_stop_the_others(tmp_path, capsys):
    signal, _ = data.lattice("triangular", shape=(120, 150), random_state=0)
    np.save(tmp_path / "good.npy", signal.data)
    np.save(tmp_path / "flat.npy", np.ones((40, 50)))
    (tmp_path / "text.npy").write_text("not an array")
    files = ["flat.npy", "absent.dm4", "text.npy", "good.npy"]
    code = cli.main([*(str(tmp_path / f) for f in files), "-o", str(tmp_path / "out"), *FAST])
    lines = capsys.readouterr().err.strip().splitlines()
    assert code == cli.EXIT_FAILED
    assert [line.startswith("hyperspy-motifs: ") for line in lines] == [True] * 3
    assert "constant" in lines[0]
    assert "no such file" in lines[1]
    assert (tmp_path / "out" / "good" / "good.hspy").exists()


def test_a_wrong_call_is_explained_with_code_two(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["--radius", "wide", "image.dm4"])
    assert stop.value.code == cli.EXIT_USAGE
    assert "--radius: wide is neither 'auto' nor a radius" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        cli.main(["-j", "0", "image.dm4"])
    assert stop.value.code == cli.EXIT_USAGE
    assert "0 is not a number of images (1 or more)" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        cli.main(["--min-motif-size", "4", "image.dm4"])
    assert stop.value.code == cli.EXIT_USAGE
    assert "4 is not a number of atoms; 5 or more are expected" in capsys.readouterr().err


def test_a_failed_save_leaves_the_old_folder(tmp_path):
    folder = tmp_path / "result"
    with cli.replacing_folder(folder) as partial:
        (partial / "summary.json").write_text("old")
        assert not folder.exists()

    def save():
        with cli.replacing_folder(folder) as partial:
            (partial / "summary.json").write_text("half")
            raise RuntimeError("power lost")

    with pytest.raises(RuntimeError, match="power"):
        save()
    assert (folder / "summary.json").read_text() == "old"
    assert list(tmp_path.iterdir()) == [folder]
    (tmp_path / "mine").mkdir()
    with pytest.raises(FileExistsError, match="holds no results"), cli.replacing_folder(tmp_path / "mine"):
        pass


def test_an_interrupt_ends_with_its_own_code(tmp_path, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("hyperspy_motifs.cli._batch.run_file", interrupted)
    assert cli.main(["image.dm4", "-o", str(tmp_path)]) == cli.EXIT_INTERRUPTED
    assert "interrupted" in capsys.readouterr().err


def test_files_of_one_name_do_not_overwrite_each_other(tmp_path):
    for folder, seed in (("a", 0), ("b", 1)):
        (tmp_path / folder).mkdir()
        signal, _ = data.lattice("square", shape=(120, 150), random_state=seed)
        np.save(tmp_path / folder / "x.npy", signal.data)
    files = [str(tmp_path / folder / "x.npy") for folder in "ab"]
    assert (
        cli.main(
            [
                *files,
                "-o",
                str(tmp_path / "out"),
                "-q",
                "--no-figures",
                "--radius",
                "12",
                "--radius-units",
                "axes",
            ]
        )
        == cli.EXIT_OK
    )
    assert {"x", "x_2"} <= {p.name for p in (tmp_path / "out").iterdir()}


def test_the_image_itself_is_never_replaced(tmp_path, capsys):
    signal, _ = data.lattice("square", shape=(120, 150), random_state=0)
    (tmp_path / "x").mkdir()
    signal.save(tmp_path / "x" / "x.hspy")
    assert cli.main([str(tmp_path / "x" / "x.hspy"), "-o", str(tmp_path), "-q"]) == cli.EXIT_FAILED
    assert "overwrite the image" in capsys.readouterr().err
    assert (tmp_path / "x" / "x.hspy").is_file()


def test_empty_files_are_one_line_each(tmp_path, capsys):
    for name in ("a.dm4", "b.npy", "c.hspy"):
        (tmp_path / name).write_bytes(b"")
    files = [str(tmp_path / name) for name in ("a.dm4", "b.npy", "c.hspy")]
    assert cli.main([*files, "-o", str(tmp_path / "out"), "-q"]) == cli.EXIT_FAILED
    assert len(capsys.readouterr().err.strip().splitlines()) == 3


def test_a_wrong_argument_of_the_demo_is_one_line(tmp_path, capsys):
    assert cli.main(["demo", "--separation", "-1", "-o", str(tmp_path), "-q"]) == cli.EXIT_FAILED
    assert "positive length" in capsys.readouterr().err


def test_a_grid_takes_the_place_of_columns(tmp_path):
    signal, _ = data.monolayer(shape=(110, 124), random_state=3)
    signal.save(tmp_path / "small.hspy")
    options = ["--atoms", "grid", *FAST, "-o", str(tmp_path / "out")]
    assert cli.main([str(tmp_path / "small.hspy"), *options]) == cli.EXIT_OK
    positions = hs.load(tmp_path / "out" / "small" / "small.hspy").motifs.pixel_positions
    # Rows of one distance and points of one distance in a row: no image gives such columns.
    rows = np.unique(positions[:, 1].round(6))
    assert np.ptp(np.diff(rows)) < 1e-4
    assert np.ptp(np.diff(np.sort(positions[positions[:, 1].round(6) == rows[1], 0]))) < 1e-4


def test_a_model_is_applied_to_many_images_at_once(run, tmp_path):
    learned = hs.load(run[0] / "monolayer" / "monolayer.hspy").motifs
    motif_model = learned.model.save(tmp_path / "model.npz")
    images = {"a": 5, "b": 6}
    for name, seed in images.items():
        (tmp_path / name).mkdir()
        data.monolayer(shape=(116, 130), random_state=seed)[0].save(tmp_path / name / "image.hspy")
    files = [str(tmp_path / name / "image.hspy") for name in images]
    arguments = ["--model", str(motif_model), "-q", "--no-figures", "-o", str(tmp_path / "out")]
    assert cli.main([*files, "missing.dm4", "-j", "2", *arguments]) == 1
    for stem, seed in (("image", 5), ("image_2", 6)):
        result = hs.load(tmp_path / "out" / stem / f"{stem}.hspy")
        expected = learned.predict(data.monolayer(shape=(116, 130), random_state=seed)[0])
        np.testing.assert_array_equal(result.motifs.labels, expected.labels)


def test_a_file_that_is_no_model_is_one_line(image_file, tmp_path, capsys):
    code = cli.main([str(image_file), "--model", str(image_file), "-q", "-o", str(tmp_path)])
    assert code == 1
    assert "not a model" in capsys.readouterr().err
