"""``hyperspy-motifs collect``: files in, one model and a comparison out."""

import csv
import shutil

import hyperspy.api as hs
import pytest

from hyperspy_motifs import cli, data
from hyperspy_motifs.cli import read_groups
from hyperspy_motifs.models import load_model

pytestmark = pytest.mark.usefixtures("two_radii")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Three small images, the last two with many vacancies."""
    folder = tmp_path_factory.mktemp("images")
    for k, (name, share) in enumerate({"a1": 0.03, "b1": 0.3, "b2": 0.3}.items()):
        signal, _ = data.monolayer(
            shape=(130 + 8 * k, 160), pixel_size=0.015 - 0.001 * k, rotation=9 * k, vacancies=share, double_vacancies=0,
            metal_dopant=None, chalcogen_dopant=None, random_state=k,
        )  # fmt: skip
        signal.save(folder / f"{name}.hspy")
    (folder / "groups.csv").write_text("file,group\na1.hspy,as grown\nb1.hspy,annealed\nb2,annealed\n")
    return folder


def test_a_study_is_written_with_its_comparison(files, tmp_path, capsys):
    names = ("a1", "b1", "b2")
    images = [str(files / f"{name}.hspy") for name in names]
    code = cli.main(
        ["collect", *images, "--groups", str(files / "groups.csv"), "-o", str(tmp_path / "study")]
    )
    assert code == cli.EXIT_OK
    assert "3 images; see" in capsys.readouterr().out
    study = tmp_path / "study"
    assert {path.name for path in study.iterdir()} == {
        *names, "counts.csv", "comparison.csv", "model.npz", "collection.graphml", "index.html",
    }  # fmt: skip
    with open(study / "comparison.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    # The columns with one selenium atom: the third motif, ten times as frequent in the second group.
    vacancies = next(row for row in rows if row["family"] == "motif" and row["name"] == "2")
    assert (vacancies["group"], vacancies["reference"]) == ("annealed", "as grown")
    assert float(vacancies["odds_ratio"]) > 4
    assert float(vacancies["fraction"]) == pytest.approx(0.15, abs=0.04)
    page = (study / "index.html").read_text(encoding="utf-8")
    assert "Motifs of study" in page
    assert page.count("<figure>") == 2 + len(names)
    assert "as grown" in page
    motifs = hs.load(study / "b1" / "b1.hspy").motifs
    assert load_model(study / "model.npz").n_motifs == 3
    with open(study / "counts.csv", newline="", encoding="utf-8") as file:
        counts = [int(row["count"]) for row in csv.DictReader(file) if row["image"] == "b1"]
    assert counts == motifs.counts.tolist()


def test_what_is_wrong_is_one_line(files, tmp_path, capsys):
    assert cli.main(["collect", str(files / "a1.hspy"), "-o", str(tmp_path)]) == cli.EXIT_FAILED
    assert "Two images or more are expected" in capsys.readouterr().err
    (tmp_path / "groups.csv").write_text("file,group\na1,x\n")
    with pytest.raises(ValueError, match=r"no group for .*a2"):
        read_groups(tmp_path / "groups.csv", ["a1.hspy", "folder/a2.hspy"])
    # A comma in a remark, as spreadsheets leave them.
    (tmp_path / "groups.csv").write_text("file,group\na1,x,tilted, slightly\n")
    assert read_groups(tmp_path / "groups.csv", ["a1.hspy"]) == ["x"]
    (tmp_path / "groups.csv").write_text("\ufeffFile;Group;dose\na1;x;1,5\n", encoding="utf-8")
    assert read_groups(tmp_path / "groups.csv", ["a1.hspy"]) == ["x"]
    (tmp_path / "groups.csv").write_text("picture,kind\na1,x\n")
    with pytest.raises(ValueError, match="columns file and group"):
        read_groups(tmp_path / "groups.csv", ["a1.hspy"])


def test_groups_that_cannot_be_compared_are_refused_before_the_analysis(files, tmp_path, capsys):
    (tmp_path / "groups.csv").write_text("file,group\na1,x\nb1,y\n")
    images = [str(files / f"{name}.hspy") for name in ("a1", "b1")]
    code = cli.main(
        ["collect", *images, "--groups", str(tmp_path / "groups.csv"), "-o", str(tmp_path / "study")]
    )
    assert code == cli.EXIT_FAILED
    assert "a group of its own for each image" in capsys.readouterr().err
    assert not (tmp_path / "study").exists()


def test_images_of_different_units_have_all_results_but_the_graph(files, tmp_path, capsys):
    image = hs.load(files / "b1.hspy")
    image.axes_manager.signal_axes.set(units="px", scale=1)
    image.save(tmp_path / "b1.hspy")
    study = tmp_path / "study"
    study.mkdir()
    (study / "collection.graphml").write_text("of an earlier run")
    code = cli.main(["collect", str(files / "a1.hspy"), str(tmp_path / "b1.hspy"), "-q", "-o", str(study)])
    assert code == cli.EXIT_OK
    assert "collection.graphml is not written, because the images have different units (nm, px)" in (
        capsys.readouterr().err
    )
    assert {path.name for path in study.iterdir()} == {"a1", "b1", "counts.csv", "model.npz", "index.html"}


def test_an_interrupted_study_continues_with_both_detectors(files, tmp_path, capsys, monkeypatch):
    """The report is interrupted; afterwards no image is measured again."""
    from hyperspy_motifs.collection import MotifCollection, _measuring

    images = [str(files / "a1.hspy"), str(files / "b1.hspy")]
    study = tmp_path / "study"
    command = ["collect", *images, "--radius", "0.6", "--resume", "-q", "-o", str(study), "--detectors"]
    assert cli.main([*command, images[0]]) == cli.EXIT_FAILED
    assert "--detectors has 1 files for 2 images" in capsys.readouterr().err
    for number, name in enumerate(("a1", "b1")):
        second = hs.load(files / f"{name}.hspy")
        second.data = second.data.max() + 3 * second.data + number
        second.save(tmp_path / f"{name}_2.hspy")

    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    whole = [*command, str(tmp_path / "a1_2.hspy"), str(tmp_path / "b1_2.hspy")]
    with monkeypatch.context() as patch:
        patch.setattr(MotifCollection, "report", interrupted)
        assert cli.main(whole) == cli.EXIT_INTERRUPTED
    assert (study / "run" / "model.npz").exists()
    monkeypatch.setattr(_measuring, "measure", interrupted)
    assert cli.main(whole) == cli.EXIT_OK
    assert not (study / "run").exists()
    assert hs.load(study / "a1" / "a1.hspy").motifs.parameters["detectors"] == 2
    assert load_model(study / "model.npz").radius == 0.6


def test_an_image_may_have_the_name_of_the_folder_of_a_run(files, tmp_path):
    shutil.copy(files / "a1.hspy", tmp_path / "run.hspy")
    images = [str(tmp_path / "run.hspy"), str(files / "b1.hspy")]
    study = tmp_path / "study"
    assert (
        cli.main(["collect", *images, "--radius", "0.6", "--resume", "-q", "-o", str(study)]) == cli.EXIT_OK
    )
    assert {path.name for path in study.iterdir() if path.is_dir()} == {"run", "b1"}
    assert hs.load(study / "run" / "run.hspy").motifs.n_motifs
