"""Atoms from objects and files of other tools: the same columns at the same x, y, whatever the axes."""

import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_motifs.exchange import read_atoms


def ordered(points):
    """Rows in the order of x, then y: some tools reorder the atoms."""
    points = np.round(np.asarray(points, float), 9)
    return points[np.lexsort(points.T[::-1])]


def find_peaks(signal, **options):
    return signal.find_peaks(
        interactive=False, method="local_max", distance=3, threshold=0.1, show_progressbar=False, **options
    )


# ------------------------------------------------------------------ HyperSpy


@pytest.mark.parametrize("with_intensity", [False, True])
def test_peaks_of_hyperspy_are_rows_and_columns(image, positions, with_intensity):
    given = read_atoms(find_peaks(image, get_intensity=with_intensity), image)
    np.testing.assert_allclose(ordered(given), ordered(positions), atol=1e-9)
    assert given.frames.tolist() == [0] * len(positions)


def test_peaks_of_a_stack_keep_their_frames(image, positions, pixels):
    other = image.deepcopy()
    other.data[:, :50] = 0.0
    stack = hs.stack([image, other, image], show_progressbar=False)
    stack.set_signal_type("atomic_image")
    given = read_atoms(find_peaks(stack), stack)
    right = pixels[:, 0] >= 50
    assert np.bincount(given.frames).tolist() == [len(pixels), right.sum(), len(pixels)]
    second = given.positions[given.frames == 1]
    np.testing.assert_allclose(ordered(second), ordered(positions[right]), atol=1e-9)


def test_peaks_of_the_whole_image_fit_its_crop(image, positions):
    peaks = find_peaks(image)
    crop = image.isig[10:, 6:]
    np.testing.assert_allclose(ordered(read_atoms(peaks, crop)), ordered(positions), atol=1e-9)


def test_peaks_found_before_the_calibration_follow_it(image, new_image):
    peaks = find_peaks(new_image((1.0, 1.0), (0.0, 0.0), ""))
    np.testing.assert_allclose(
        ordered(read_atoms(peaks, image)), ordered(read_atoms(find_peaks(image), image))
    )


def test_markers_are_in_the_units_of_the_axes(image, positions):
    points = hs.plot.markers.Points(offsets=positions[:5])
    circles = hs.plot.markers.Circles(offsets=positions[5:], sizes=0.1)
    np.testing.assert_array_equal(read_atoms(points, image), positions[:5])
    np.testing.assert_array_equal(read_atoms([points, circles], image), positions)
    # Those of a file.
    image.add_marker(points, permanent=True, plot_marker=False)
    np.testing.assert_array_equal(read_atoms(image.metadata.Markers.Points, image), positions[:5])


def test_markers_of_a_stack_are_in_the_order_of_the_frames(new_image):
    stack = hs.signals.Signal2D(np.zeros((2, 3, 47, 83)))
    offsets = np.empty((3, 2), dtype=object)
    for index in np.ndindex(3, 2):
        offsets[index] = np.array([[index[0], 10 * index[1]]], float)
    given = read_atoms(hs.plot.markers.Points(offsets=offsets), stack)
    # Frame k of the data is at (row, column) = divmod(k, 3); HyperSpy's indices are (column, row).
    assert given.frames.tolist() == [0, 1, 2, 3, 4, 5]
    assert given.positions.tolist() == [[0, 0], [1, 0], [2, 0], [0, 10], [1, 10], [2, 10]]


def test_markers_without_centres_or_in_other_coordinates_are_refused(image):
    with pytest.raises(TypeError, match="Lines markers have no centres"):
        read_atoms(hs.plot.markers.Lines(segments=np.zeros((3, 2, 2))), image)
    with pytest.raises(ValueError, match="'axes' coordinates"):
        read_atoms(hs.plot.markers.Points(offsets=np.zeros((3, 2)), offset_transform="axes"), image)


# ------------------------------------------------------------------ tables


@pytest.mark.parametrize("names", [("x", "y"), ("X", "Y")])
def test_columns_x_and_y_are_in_the_units_of_the_axes(image, positions, names):
    table = dict(zip(names, positions.T, strict=True))
    np.testing.assert_array_equal(read_atoms(table, image), positions)


@pytest.mark.parametrize(
    "names", [("column", "row"), ("col", "row"), ("x_px", "y_px"), ("centroid-1", "centroid-0")]
)
def test_columns_that_are_named_so_are_pixels(image, pixels, positions, names):
    np.testing.assert_allclose(
        read_atoms(dict(zip(names, pixels.T, strict=True)), image), positions, rtol=1e-12
    )


def test_data_frames_of_pandas(image, positions):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"name": "a", "y": positions[:, 1], "x": positions[:, 0]})
    np.testing.assert_array_equal(read_atoms(frame, image), positions)
    # A frame that knows its units is converted.
    frame[["x", "y"]] *= 10
    frame.attrs["units"] = "Å"
    np.testing.assert_allclose(read_atoms(frame, image), positions, rtol=1e-12)
    frame.attrs["units"] = "px"
    with pytest.raises(ValueError, match=r"in px, this image is in nm\. Give their positions in nm"):
        read_atoms(frame, image)


def test_data_frames_of_polars(image, positions):
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"y": positions[:, 1], "x": positions[:, 0], "frame": [0] * len(positions)})
    for table in (frame, frame.lazy(), frame.to_arrow()) if _has("pyarrow") else (frame, frame.lazy()):
        np.testing.assert_array_equal(read_atoms(table, image), positions)


def _has(module):
    import importlib.util

    return importlib.util.find_spec(module) is not None


def test_tables_of_trackpy_are_in_pixels(image, positions):
    trackpy = pytest.importorskip("trackpy")
    trackpy.quiet()
    found = trackpy.locate(image.data, 7, minmass=0.1)
    assert len(found) == len(positions)
    np.testing.assert_allclose(ordered(read_atoms(found, image)), ordered(positions), atol=0.005)


def test_regions_of_scikit_image_are_in_pixels(image, positions):
    measure = pytest.importorskip("skimage.measure")
    regions = measure.regionprops_table(measure.label(image.data > 0.5), properties=("centroid", "area"))
    np.testing.assert_allclose(ordered(read_atoms(regions, image)), ordered(positions), atol=1e-6)


def test_structured_arrays_are_tables(image, pixels, positions):
    rows = np.array([(r, c) for c, r in pixels], dtype=[("row", float), ("column", float)])
    np.testing.assert_allclose(read_atoms(rows, image), positions, rtol=1e-12)


def test_points_of_geopandas(image, positions):
    geopandas = pytest.importorskip("geopandas")
    points = geopandas.GeoDataFrame(geometry=geopandas.points_from_xy(*positions.T))
    np.testing.assert_array_equal(read_atoms(points, image), positions)
    np.testing.assert_array_equal(read_atoms(points.geometry, image), positions)
    with pytest.raises(ValueError, match="points are expected"):
        read_atoms(points.buffer(0.1), image)


def test_annotated_data(image, positions):
    anndata = pytest.importorskip("anndata")
    adata = anndata.AnnData(np.ones((len(positions), 3)), obsm={"spatial": 1000 * positions})
    adata.uns["units"] = "pm"
    np.testing.assert_allclose(read_atoms(adata, image), positions, rtol=1e-12)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_files(image, positions, tmp_path, delimiter):
    path = tmp_path / "atoms.csv"
    lines = [
        delimiter.join(("name", "y", "x")),
        *(delimiter.join(("Mo", f"{y}", f"{x}")) for x, y in positions),
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    np.testing.assert_array_equal(read_atoms(path, image), positions)
    bare = tmp_path / "bare.csv"
    bare.write_text("\n".join(delimiter.join((f"{x}", f"{y}")) for x, y in positions), encoding="utf-8")
    np.testing.assert_array_equal(read_atoms(str(bare), image), positions)


def test_npy_files(image, positions, tmp_path):
    np.save(tmp_path / "atoms.npy", positions)
    np.testing.assert_array_equal(read_atoms(tmp_path / "atoms.npy", image), positions)


# ------------------------------------------------------------------ structures


def test_atoms_of_ase_are_projected(image, positions):
    ase = pytest.importorskip("ase")
    # Three atoms in each column, the third off its axis; x, y are those of the axes, in Å.
    z = np.repeat([0.0, 1.5, 3.1], len(positions))
    points = np.tile(10 * positions, (3, 1))
    points[2 * len(positions) :] += [0.12, -0.06]
    atoms = ase.Atoms(["Sr"] * len(points), np.column_stack([points, z]))
    expected = positions + np.array([0.12, -0.06]) / 30
    np.testing.assert_allclose(read_atoms(atoms, image), expected, rtol=1e-9)


@pytest.mark.parametrize(("axis", "order"), [("z", (0, 1, 2)), ("x", (2, 0, 1)), ("y", (1, 2, 0))])
def test_the_axis_of_projection_can_be_chosen(image, positions, axis, order):
    ase = pytest.importorskip("ase")
    # Component i of the structure is component order[i] of (x, y, depth).
    points = np.column_stack([10 * positions, np.arange(len(positions))])
    atoms = ase.Atoms(["Si"] * len(points), points[:, order])
    np.testing.assert_allclose(read_atoms(atoms, image, axis=axis), positions, rtol=1e-9)
    with pytest.raises(ValueError, match="direction of projection"):
        read_atoms(atoms, image, axis="c")


def test_dumbbells_are_not_merged(image):
    build = pytest.importorskip("ase.build")
    silicon = build.bulk("Si", "diamond", a=5.43, cubic=True)
    # Along [110] the two atoms of a dumbbell are 1.36 Å apart.
    silicon.rotate(45, "z", rotate_cell=True)
    silicon = silicon.repeat((2, 2, 2))
    found = 10 * read_atoms(silicon, image, axis="x").positions
    distance = np.linalg.norm(found[:, None] - found[None], axis=2)
    assert np.min(distance + 10 * np.eye(len(found))) == pytest.approx(5.43 / 4, rel=1e-6)
    assert len(found) < len(silicon)


def test_structures_of_pymatgen(image, positions):
    core = pytest.importorskip("pymatgen.core")
    points = np.column_stack([10 * positions + [0, 100], np.ones(len(positions))])
    lattice = core.Lattice.orthorhombic(60.0, 140.0, 9.0)
    structure = core.Structure(lattice, ["Mo"] * len(points), points, coords_are_cartesian=True)
    np.testing.assert_allclose(read_atoms(structure, image), positions + np.array([0, 10]), rtol=1e-9)


def test_anything_with_cartesian_coordinates_is_a_structure(image, positions):
    class Sites:
        cart_coords = np.column_stack([10 * positions, np.zeros(len(positions))])

    np.testing.assert_allclose(read_atoms(Sites(), image), positions, rtol=1e-12)


def test_structure_files(image, positions, tmp_path):
    ase = pytest.importorskip("ase")
    write = pytest.importorskip("ase.io").write
    atoms = ase.Atoms(["Mo"] * len(positions), np.column_stack([10 * positions, np.zeros(len(positions))]))
    for name in ("atoms.xyz", "atoms.extxyz", "atoms.traj"):
        write(tmp_path / name, atoms)
        np.testing.assert_allclose(read_atoms(tmp_path / name, image), positions, atol=1e-8)


def test_a_structure_needs_a_calibrated_image(new_image):
    ase = pytest.importorskip("ase")
    with pytest.raises(ValueError, match="Calibrate the image first"):
        read_atoms(ase.Atoms("H2", [[1, 2, 3], [3, 4, 5]]), new_image(units=""))


# ------------------------------------------------------------------ atomap, AtomAI, StatSTEM


def atomap_lattice(pixels, signal):
    from atomap.api import Atom_Lattice, Sublattice

    parts = [Sublattice(p, signal.data, name=name) for p, name in ((pixels[:3], "B"), (pixels[3:], "A"))]
    return Atom_Lattice(signal.data, "lattice", parts)


def test_atomap_and_its_files_are_in_pixels(image, pixels, positions, tmp_path):
    lattice = atomap_lattice(pixels, image)
    np.testing.assert_allclose(read_atoms(lattice, image), positions, rtol=1e-12)
    np.testing.assert_allclose(read_atoms(lattice.sublattice_list[0], image), positions[:3], rtol=1e-12)
    lattice.save(str(tmp_path / "lattice.hdf5"))
    # In the order of the sublattices; the file is in that of their names.
    np.testing.assert_allclose(read_atoms(tmp_path / "lattice.hdf5", image), positions, rtol=1e-12)


def test_atomap_of_the_image_resampled_to_square_pixels(image, pixels, positions):
    from hyperspy_motifs.store import Stamp

    # The y axis of the image is coarser than x: to_atom_lattice() resamples it.
    square = Stamp.of(image).shape
    assert square == (83, 70)
    from atomap.api import Sublattice

    lattice = Sublattice(pixels * [1.0, 1.5], np.zeros(square[::-1]))
    np.testing.assert_allclose(read_atoms(lattice, image), positions, rtol=1e-12)


def test_atomap_of_another_image_is_refused(image, pixels, tmp_path):
    lattice = atomap_lattice(pixels, image)
    lattice.save(str(tmp_path / "lattice.hdf5"))
    crop = image.isig[10:, 6:]
    with pytest.raises(ValueError, match="an image of 83 x 47 pixels, this one has 73 x 41"):
        read_atoms(lattice, crop)
    with pytest.raises(ValueError, match="an image of 83 x 47 pixels, this one has 73 x 41"):
        read_atoms(tmp_path / "lattice.hdf5", crop)


def test_coordinates_of_atomai_are_rows_and_columns(image, pixels, positions):
    rows = np.column_stack([pixels[:, ::-1], np.arange(len(pixels)) % 2])
    np.testing.assert_allclose(read_atoms({0: rows}, image), positions, rtol=1e-12)
    movie = read_atoms({0: rows[:3], 1: rows[3:]}, image)
    np.testing.assert_allclose(movie, positions, rtol=1e-12)
    assert movie.frames.tolist() == [0, 0, 0, 1, 1, 1, 1, 1]
    # x, y, z or row, column, class: a choice would be wrong for one of them.
    with pytest.raises(ValueError, match="as in AtomAI"):
        read_atoms(rows, image)


def test_coordinates_from_atomais_own_locator(image, pixels, positions):
    predictors = pytest.importorskip("atomai.predictors")
    rows, columns = np.mgrid[:47, :83]
    probability = np.zeros((1, 47, 83, 3))  # of two classes, and of the background
    for k, (x, y) in enumerate(pixels):
        probability[0, :, :, k % 2] += np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 2.5**2))
    probability[..., 2] = 1 - probability[..., :2].sum(axis=-1)
    found = read_atoms(predictors.Locator(threshold=0.5, dist_edge=2).run(probability), image)
    order = np.lexsort(np.round(found, 6).T), np.lexsort(np.round(positions, 6).T)
    np.testing.assert_allclose(np.asarray(found)[order[0]], positions[order[1]], atol=1e-9)


@pytest.mark.parametrize("step", [1.0, 0.2])
@pytest.mark.parametrize("with_output", [False, True])
def test_files_of_statstem_count_pixels_from_one(image, pixels, positions, tmp_path, step, with_output):
    io = pytest.importorskip("scipy.io")
    coordinates = np.column_stack([(pixels + 1) * step, np.ones(len(pixels))])
    content = {"input": {"obs": image.data, "dx": step, "coordinates": coordinates}}
    if with_output:
        content["input"]["coordinates"] = np.round(coordinates) + step
        content["output"] = {"coordinates": coordinates, "dx": step, "rho": np.ones((len(pixels), 1))}
    io.savemat(tmp_path / "result.mat", content)
    np.testing.assert_allclose(read_atoms(tmp_path / "result.mat", image), positions, rtol=1e-9)
    with pytest.raises(ValueError, match="StatSTEM belong to an image of 83 x 47"):
        read_atoms(tmp_path / "result.mat", image.isig[10:, 6:])


def test_other_matlab_files_are_refused(image, tmp_path):
    io = pytest.importorskip("scipy.io")
    io.savemat(tmp_path / "other.mat", {"data": np.ones((3, 4))})
    with pytest.raises(ValueError, match=r"struct\(output\)"):
        read_atoms(tmp_path / "other.mat", image)
    io.savemat(tmp_path / "bare.mat", {"input": {"coordinates": np.ones((3, 2))}})
    with pytest.raises(ValueError, match="no pixel size dx"):
        read_atoms(tmp_path / "bare.mat", image)


# ------------------------------------------------------------------ what cannot be read


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (object(), TypeError, r"expected \(n, 2\) array.*AtomTable or Motifs, result of find_peaks"),
        (5, TypeError, r"atoms is a int; expected \(n, 2\) array"),
        (hs.signals.Signal2D(np.zeros((7, 9))), TypeError, r"signal\.motifs, signal\.atoms"),
        ("gird", TypeError, '"grid" in find_motifs'),
        ("image.bmp", TypeError, r"ending .csv"),
        ("absent.csv", FileNotFoundError, "no file absent.csv"),
        ({"a": [1.0], "b": [2.0]}, ValueError, "columns a, b; expected x and y"),
        ({"x": ["a"], "y": [2.0]}, ValueError, "column x of the given atoms must hold numbers"),
        ({"x": [1.0], "y": [2.0], "frame": [0.5]}, ValueError, "whole numbers"),
        (np.zeros((3, 4)), ValueError, r"expected \(n, 2\)"),
        ([[1.0, 2j]], TypeError, r"expected \(n, 2\) array"),
    ],
)
def test_the_error_says_what_is_expected(image, source, error, message):
    with pytest.raises(error, match=message):
        read_atoms(source, image)


def test_files_without_atoms_are_refused(image, tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        file["numbers"] = np.ones(3)
    with pytest.raises(ValueError, match="no atom lattice of atomap"):
        read_atoms(tmp_path / "other.hdf5", image)
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(ValueError, match="is empty"):
        read_atoms(tmp_path / "empty.csv", image)
    (tmp_path / "three.csv").write_text("1,2,3\n4,5,6\n")
    with pytest.raises(ValueError, match="3 columns without names"):
        read_atoms(tmp_path / "three.csv", image)
    (tmp_path / "bad.xyz").write_text("no structure\n")
    with pytest.raises(ValueError, match="by ASE"):
        read_atoms(tmp_path / "bad.xyz", image)


def test_the_axes_of_a_signal_are_enough(image, pixels, positions):
    table = {"row": pixels[:, 1], "column": pixels[:, 0]}
    np.testing.assert_allclose(read_atoms(table, image.axes_manager.signal_axes), positions, rtol=1e-12)
    with pytest.raises(TypeError, match="its two signal axes"):
        read_atoms(table, 3)
