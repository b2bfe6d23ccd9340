"""Results come back from files as they were: of any size, type and name, and from files of earlier releases."""

from pathlib import Path

import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_motifs import data, store

KEPT = Path(__file__).parent / "kept"
NAMES = {0: "Mo–S₂", 1: "モチーフ", 2: "größe \"a\" <b> & 'c'\n\t\\u0041"}


def image_of(n, dtype=np.float64):
    """An image that carries a result of `n` atoms, and the record of it."""
    rng = np.random.default_rng(n)
    signal = hs.signals.Signal2D((rng.random((40, 60)) * 100).astype(dtype))
    signal.axes_manager.signal_axes.set(scale=0.5, units="Å")
    signal.set_signal_type("atomic_image")
    features = hs.signals.Signal1D(rng.random((n, 5)))
    features.set_signal_type("zernike_features")
    record = store.Record(
        positions=rng.uniform(1, 18, (n, 2)),
        frames=np.zeros(n, int),
        labels=rng.integers(0, 3, n),
        probabilities=rng.random(n),
        radii=np.array([0.6, 1.2]),
        radius_labels=rng.integers(0, 3, (2, n)),
        radius_probabilities=rng.random((2, n)).astype(np.float32),
        layouts=rng.random((2, n, 2)).astype(np.float32),
        chosen=1,
        stamp=store.Stamp.of(signal),
        atoms={"amplitude": rng.random(n), "sigma": rng.random((n, 2))},
        names=NAMES,
        features=features,
    )
    store.write(signal, record)
    return signal, record


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("ending", ["hspy", "zspy"])
@pytest.mark.parametrize("n", [0, 1, 11, 50_000])
def test_a_result_of_any_size_comes_back(tmp_path, n, ending, lazy):
    signal, record = image_of(n)
    signal.save(tmp_path / f"x.{ending}")
    back = store.read(hs.load(tmp_path / f"x.{ending}", lazy=lazy))
    for name in (
        "positions",
        "frames",
        "labels",
        "probabilities",
        "radius_labels",
        "radius_probabilities",
        "layouts",
    ):
        one, two = getattr(record, name), getattr(back, name)
        assert one.shape == two.shape
        np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(np.asarray(back.features.data), record.features.data)
    assert back.names == NAMES


@pytest.mark.parametrize("ending", ["hspy", "zspy"])
@pytest.mark.parametrize("dtype", ["bool", "u1", ">u2", "<i4", "i8", "f2", ">f4", "f8"])
def test_the_image_keeps_its_type_beside_the_result(tmp_path, dtype, ending):
    signal, record = image_of(11, dtype)
    signal.save(tmp_path / f"x.{ending}")
    back = hs.load(tmp_path / f"x.{ending}")
    np.testing.assert_array_equal(back.data, signal.data)
    assert back.data.dtype.kind == np.dtype(dtype).kind
    np.testing.assert_array_equal(store.read(back).labels, record.labels)


@pytest.mark.parametrize("path", sorted(KEPT.glob("schema_*.hspy")), ids=lambda p: p.stem)
@pytest.mark.parametrize("lazy", [False, True])
def test_files_of_earlier_releases_are_read(path, lazy):
    """Made by ``tests/trust/kept/make.py`` with that schema; from the first release on never made anew."""
    signal = hs.load(path, lazy=lazy)
    motifs = signal.motifs
    kept = np.load(path.with_suffix(".npz"), allow_pickle=False)
    np.testing.assert_array_equal(motifs.labels, kept["labels"])
    np.testing.assert_array_equal(motifs.positions, kept["positions"])
    for number, radius in enumerate(motifs.radii):
        np.testing.assert_array_equal(motifs.labels_at(radius), kept["radius_labels"][number])
    np.testing.assert_array_equal(motifs.cells.labels, kept["cells"])
    assert motifs.names[0] == "Mo–S₂"
    assert motifs.tree.cut(2).max() == 1
    assert np.asarray(motifs.features.data).shape[0] == len(motifs.labels)
    assert motifs.graph.number_of_nodes() > len(motifs.labels)
    assert len(signal.atoms) > 0
    assert len(signal.isig[:60, :].motifs.labels) < len(motifs.labels)


def test_every_schema_has_a_kept_file():
    assert {p.stem for p in KEPT.glob("schema_*.hspy")} == {
        f"schema_{version}" for version in range(2, store.SCHEMA_VERSION + 1)
    }
    assert all(p.stat().st_size < 400_000 for p in KEPT.iterdir())


def test_a_result_that_was_damaged_by_hand_says_so():
    signal, _ = image_of(11)
    del signal.metadata.Motifs.positions
    with pytest.raises(ValueError, match=r"damaged.*positions.*find_motifs\(\)"):
        store.read(signal)


def test_labels_are_the_same_bits_after_save_and_load(tmp_path):
    image, _ = data.lattice("square", shape=(90, 110), random_state=0)
    image.save(tmp_path / "x.hspy")
    direct = image.find_motifs(radius=0.15, radius_units="axes")
    image.save(tmp_path / "y.hspy")
    again = hs.load(tmp_path / "x.hspy").find_motifs(radius=0.15, radius_units="axes")
    stored = hs.load(tmp_path / "y.hspy").motifs
    for name in ("labels", "positions", "probabilities", "layout"):
        np.testing.assert_array_equal(getattr(again, name), getattr(direct, name))
        np.testing.assert_array_equal(getattr(stored, name), getattr(direct, name))
