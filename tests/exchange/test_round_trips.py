"""Results as objects of other libraries, and back: what they say there is what they say here."""

import numpy as np
import pytest

from hyperspy_motifs.exchange import read_atoms


def test_data_frames_of_pandas_hold_every_column(motifs):
    pandas = pytest.importorskip("pandas")
    frame = motifs.to_dataframe()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame) == list(motifs.to_dict())
    assert (frame.index.name, frame.attrs["units"]) == ("atom", "nm")
    counts = frame["name"].value_counts()
    assert counts["Se2"] == motifs.counts[0]
    assert counts["Mo"] == motifs.counts[1]
    mean_x = frame.groupby("name", observed=True)["x"].mean()
    assert mean_x["Mo"] == pytest.approx(motifs.positions[motifs.labels == 1, 0].mean())
    np.testing.assert_array_equal(read_atoms(frame, motifs.signal), motifs.positions)


def test_data_frames_of_polars_hold_every_column(motifs):
    polars = pytest.importorskip("polars")
    frame = motifs.to_dataframe("polars")
    assert isinstance(frame, polars.DataFrame)
    assert frame.columns == ["atom", *motifs.to_dict()]
    heavy = frame.filter(polars.col("name") == "Mo")
    assert len(heavy) == motifs.counts[1]
    np.testing.assert_array_equal(heavy["y"].to_numpy(), motifs.positions[motifs.labels == 1, 1])
    np.testing.assert_array_equal(read_atoms(frame, motifs.signal), motifs.positions)


def test_a_data_frame_of_another_library_is_refused(motifs):
    with pytest.raises(ValueError, match="'pandas' or 'polars'"):
        motifs.to_dataframe("dask")


def test_motifs_are_found_at_the_atoms_of_a_file(motifs, tmp_path):
    pytest.importorskip("pandas")
    motifs.to_dataframe().to_csv(tmp_path / "atoms.csv")
    again = motifs.signal.deepcopy().find_motifs(tmp_path / "atoms.csv", refine=False, radius=0.6)
    np.testing.assert_array_equal(again.positions, motifs.positions)
    np.testing.assert_array_equal(again.labels, motifs.labels)


def test_dictionaries_keep_positions_and_frames(motifs):
    given = read_atoms(motifs.to_dict(), motifs.signal)
    np.testing.assert_array_equal(given, motifs.positions)
    np.testing.assert_array_equal(given.frames, motifs.frames)


def test_patches_and_models_take_the_same_objects(motifs):
    pytest.importorskip("pandas")
    other = motifs.signal.deepcopy()
    patches = other.get_atom_patches(motifs.to_dataframe(), radius=0.6)
    np.testing.assert_array_equal(patches.atoms, motifs.signal.get_atom_patches(radius=0.6).atoms)
    predicted = other.apply_model(motifs.model, atoms=motifs.to_dataframe())
    assert np.mean(predicted.labels == motifs.labels) > 0.98


def test_atoms_of_ase_are_in_angstrom_and_named(motifs):
    ase = pytest.importorskip("ase")
    atoms = motifs.to_ase()
    assert isinstance(atoms, ase.Atoms)
    np.testing.assert_allclose(atoms.positions[:, :2], 10 * motifs.positions, rtol=1e-12)
    assert not atoms.positions[:, 2].any()
    assert set(atoms.symbols[motifs.labels == 0]) == {"Se"}
    assert set(atoms.symbols[motifs.labels == 1]) == {"Mo"}
    np.testing.assert_array_equal(atoms.get_tags(), motifs.labels)
    np.testing.assert_array_equal(atoms.arrays["probability"], motifs.probabilities)
    np.testing.assert_allclose(read_atoms(atoms, motifs.signal), motifs.positions, rtol=1e-12)
    # Nearest distances as ASE measures them: Mo-Se in projection, 0.19 nm.
    distance = atoms.get_all_distances() + 100 * np.eye(len(atoms))
    assert np.median(distance.min(axis=0)) == pytest.approx(1.9, abs=0.05)


def test_the_cell_of_ase_is_the_unit_cell_of_the_hierarchy(motifs):
    pytest.importorskip("ase")
    a, b, _, _, _, gamma = motifs.to_ase().cell.cellpar()
    # MoSe2: 3.29 Å; the simulated lattice is hexagonal.
    assert (a, b) == (pytest.approx(3.29, abs=0.04), pytest.approx(3.29, abs=0.04))
    assert gamma == pytest.approx(120, abs=1) or gamma == pytest.approx(60, abs=1)
    assert not motifs.to_ase().pbc.any()


def test_species_can_be_given_by_number_or_name(motifs):
    pytest.importorskip("ase")
    atoms = motifs.to_ase(species={0: "S", "Mo": "W"})
    assert set(atoms.symbols[motifs.labels == 0]) == {"S"}
    assert set(atoms.symbols[motifs.labels == 1]) == {"W"}
    motifs.relabel({0: "vacancy", 1: "Xy2"})
    assert set(motifs.to_ase().symbols) == {"X"}
    with pytest.raises(ValueError, match="no chemical symbol"):
        motifs.to_ase(species={0: "Chalcogen"})
    with pytest.raises(ValueError, match="is no motif"):
        motifs.to_ase(species={"W": "W"})
    with pytest.raises(ValueError, match="frame is 1; this signal has 1 frames"):
        motifs.to_ase(1)


def test_a_structure_of_an_uncalibrated_image_is_refused(motifs):
    pytest.importorskip("ase")
    motifs.signal.axes_manager.signal_axes.set(units="")
    with pytest.raises(ValueError, match="Calibrate the image first"):
        motifs.signal.motifs.to_ase()


def test_atomap_and_back(motifs, tmp_path):
    lattice = motifs.to_atom_lattice()
    lattice.save(str(tmp_path / "motifs.hdf5"))
    order = np.argsort(motifs.labels, kind="stable")
    for source in (lattice, tmp_path / "motifs.hdf5"):
        np.testing.assert_allclose(read_atoms(source, motifs.signal), motifs.positions[order], rtol=1e-9)


def test_a_missing_package_is_named(motifs, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"needs pandas.*python -m pip install pandas.*\[exchange\]"):
        motifs.to_dataframe()
