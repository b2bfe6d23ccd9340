"""Crystals projected along zone axes, and the prototypes."""

import numpy as np
import pytest

from hyperspy_motifs.identify import Crystal, project, read_crystal

pytest.importorskip("ase")
from hyperspy_motifs.data import structures


def cell_of(name, zone_axis=(0, 0, 1)):
    return project(read_crystal(name), zone_axis)


def sides(cell):
    return sorted(np.hypot(*cell.vectors.T).round(3).tolist())


def test_a_monolayer_has_a_metal_and_a_pair_in_its_cell():
    cell = cell_of("MoSe2")
    assert cell.layer
    assert sorted(cell.compositions) == [((34, 2.0),), ((42, 1.0),)]
    assert sides(cell) == [3.29, 3.29]
    apart = cell.neighbours(2.0)[0][0]
    assert np.hypot(*apart.T) == pytest.approx([3.29 / np.sqrt(3)] * 3, abs=1e-3)


def test_the_octahedral_layer_has_its_chalcogens_apart():
    assert sorted(cell_of("1T-MoSe2").compositions) == [((34, 1.0),), ((34, 1.0),), ((42, 1.0),)]


@pytest.mark.parametrize(
    ("name", "axis", "area", "columns", "distance"),
    [
        # Area of the projected cell, its columns, and the smallest distance of columns, all by hand from the lattice parameter.
        ("SrTiO3", (0, 0, 1), 3.905**2, 4, 3.905 / 2),
        ("SrTiO3", (1, 1, 0), 3.905**2 / np.sqrt(2), 3, 3.905 / np.sqrt(8)),
        ("Au", (0, 0, 1), 4.0782**2 / 4, 1, 4.0782 / 2),
        ("Au", (1, 1, 0), 4.0782**2 / np.sqrt(8), 1, 4.0782 * np.sqrt(3 / 8)),
        ("W", (1, 1, 1), 3.1652**2 / np.sqrt(3) * 1, 1, 3.1652 * np.sqrt(2 / 3)),
        ("Si", (1, 1, 0), 5.4309**2 / np.sqrt(8), 2, 5.4309 / 4),
        ("GaAs", (1, 1, 0), 5.6533**2 / np.sqrt(8), 2, 5.6533 / 4),
        ("MgO", (0, 0, 1), 4.2112**2 / 4, 1, 4.2112 / 2),
    ],
)
def test_zone_axes_of_crystals(name, axis, area, columns, distance):
    cell = cell_of(name, axis)
    assert not cell.layer
    assert len(cell) == columns
    assert cell.area == pytest.approx(area, rel=1e-6)
    nearest = min(np.hypot(*vectors.T).min() for vectors, _ in cell.neighbours(2.5 * distance))
    assert nearest == pytest.approx(distance, rel=1e-6)


def test_columns_have_the_atoms_of_the_shortest_repeat():
    # Along [110] a face-centred crystal repeats after half of the face diagonal.
    for name, expected in (("Au", {((79, 1.0),)}), ("GaAs", {((31, 1.0),), ((33, 1.0),)})):
        cell = cell_of(name, (1, 1, 0))
        assert set(cell.compositions) == expected
        crystal = read_crystal(name)
        assert cell.repeat == pytest.approx(crystal.cell[0, 0] / np.sqrt(2))
        # The number of atoms per volume is that of the crystal.
        density = len(crystal.numbers) / abs(np.linalg.det(crystal.cell))
        assert len(cell) / (cell.area * cell.repeat) == pytest.approx(density)
    assert set(cell_of("SrTiO3", (1, 1, 0)).compositions) == {
        ((38, 1.0), (8, 1.0)),
        ((22, 1.0),),
        ((8, 2.0),),
    }


def test_heights_rise_from_cell_to_cell_where_columns_are_equivalent():
    # Columns of a face-centred crystal along [001] are at the heights 0 and a / 2 in turn.
    cell = cell_of("Au")
    assert np.abs(cell.rise) == pytest.approx([4.0782 / 2] * 2)


def test_mixed_sites_have_mean_compositions():
    cell = cell_of("M1")
    amounts = {
        z: sum(n for composition in cell.compositions for y, n in composition if y == z) for z in (52, 41, 23)
    }
    assert amounts == pytest.approx(
        {52: 4 * (0.85 + 0.45), 41: 4, 23: 4 * (0.45 + 0.25 + 0.3) + 2 * (0.65 + 0.4)}
    )


def test_a_cell_that_is_cut_by_its_boundary_gives_the_same_columns():
    crystal = read_crystal("WSe2")
    shifted = Crystal(
        "cut",
        crystal.cell,
        crystal.positions + np.array([1.1, -2.3, 11.0]),
        crystal.numbers,
        crystal.occupancies,
    )
    cell = project(shifted)
    assert cell.layer
    heights = sorted(h for atoms in cell.heights for _, _, h in atoms)
    assert heights == pytest.approx([0.0, 1.68, 3.36], abs=1e-6)
    assert sorted(cell.compositions) == [((34, 2.0),), ((74, 1.0),)]


def test_every_prototype_has_a_source_and_can_be_projected():
    for name in structures.NAMES:
        atoms = structures.structure(name)
        assert atoms.info["source"]
        assert len(cell_of(name)) >= 1
        # No two atoms of different sites are closer than a bond.
        distances = atoms.get_all_distances(mic=True)
        assert distances[distances > 0].min() > 1.3


def test_what_is_no_structure_is_refused(tmp_path):
    with pytest.raises(ValueError, match="neither a file nor a structure"):
        read_crystal("unobtainium")
    with pytest.raises(ValueError, match="expected a name"):
        read_crystal(3.0)
    # ASE raises StopIteration for a text that is no structure, and an error of its own for an unknown ending.
    for name in ("notes.xyz", "notes.md"):
        (tmp_path / name).write_text("no structure")
        with pytest.raises(ValueError, match=rf"{name} cannot be read as a structure"):
            read_crystal(tmp_path / name)
    with pytest.raises(ValueError, match="three whole numbers"):
        cell_of("Au", (0.5, 0, 1))
    import ase

    with pytest.raises(ValueError, match="no unit cell"):
        read_crystal(ase.Atoms("Mo"))


def test_a_file_is_read_like_its_structure(tmp_path):
    path = tmp_path / "gold.cif"
    structures.structure("Au").write(path)
    cell = project(read_crystal(path))
    assert cell.area == pytest.approx(4.0782**2 / 4, rel=1e-4)
    assert cell.name == "gold [001]"
