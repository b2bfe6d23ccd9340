"""All levels together."""

import numpy as np
import pytest

from hyperspy_motifs.cells import find_cells
from hyperspy_motifs.hierarchy import Hierarchy, HierarchyOptions, build_hierarchy, compositions


@pytest.fixture(scope="module")
def m1_hierarchy(m1):
    points, labels, names = m1
    return build_hierarchy(points, labels, find_cells(points, labels), names=names)


def test_a_compound_ends_at_a_unit_cell_with_its_formula(patterns):
    points, labels = patterns["honeycomb"]()
    hierarchy = build_hierarchy(points, labels, find_cells(points, labels), names=["Mo", "Se2"], units="nm")
    level = hierarchy.level("unit-cell")
    assert level.reason.startswith("Translations of 1 and 1 nm at 120.0 degrees")
    assert level.names == ("Mo1 Se2",)
    assert level.scalars["area"] == pytest.approx(np.sqrt(0.75), rel=1e-3)
    content = compositions(level.parts, level.fractions, labels, len(level), 2)
    np.testing.assert_allclose(content[~level.columns["on_border"]], 1.0, atol=1e-6)


def test_the_unit_cell_of_the_m1_oxide_holds_forty_metals(m1, m1_hierarchy):
    _, labels, names = m1
    level = m1_hierarchy.level("unit-cell")
    assert level.scalars["a"] == pytest.approx(2.113, rel=0.003)
    assert level.scalars["b"] == pytest.approx(2.666, rel=0.003)
    content = compositions(level.parts, level.fractions, labels, len(level), len(names))
    mean = dict(zip(names, content[~level.columns["on_border"]].mean(axis=0), strict=True))
    channels = sum(v for name, v in mean.items() if "channel" in name)
    assert sum(mean.values()) - channels == pytest.approx(40, rel=0.02)
    assert channels == pytest.approx(8, rel=0.05)
    for name, amount in mean.items():
        assert amount == pytest.approx(2 if "axis" in name else 4, abs=0.2), name


def test_composites_shorten_the_description_of_the_m1_oxide(m1_hierarchy):
    level = m1_hierarchy.level("composite")
    assert level.scalars["bits_saved"] > 100
    # Instances do not overlap.
    assert len(np.unique(level.parts[:, 0])) == len(level.parts)


@pytest.mark.parametrize(
    ("kind", "figures"), [("sigma", {"3^2.4.3.4"}), ("elongated", {"3^3.4^2"})]
)  # fmt: skip
def test_vertex_figures_of_the_uniform_tilings(patterns, kind, figures):
    points = patterns["square_triangle"](kind)
    cells = find_cells(points)
    hierarchy = build_hierarchy(points, np.zeros(len(points), dtype=int), cells)
    level = hierarchy.level("vertex-figure")
    assert set(level.names) == figures
    # A vertex of either has three triangles and two squares: 3 / 3 + 2 / 4 tiles.
    np.testing.assert_allclose(np.bincount(level.parts[:, 1], level.fractions), 1.5)
    # Four vertices to the cell of 3^2.4.3.4, two to that of 3^3.4^2; the tiles have area sqrt(3)/4 and 1.
    area = np.sqrt(0.75) / 2 * 1.0 + 0.5
    vertices = 4 if kind == "sigma" else 2
    assert hierarchy.level("unit-cell").scalars["area"] == pytest.approx(vertices * area, rel=0.01)


def test_disorder_of_random_and_ordered_tilings(patterns):
    found = {}
    for kind in ("sigma", "elongated", "random"):
        points = patterns["square_triangle"](kind)
        cells = find_cells(points)
        hierarchy = build_hierarchy(points, np.zeros(len(points), dtype=int), cells)
        found[kind] = hierarchy.scalars["bits_per_atom"], hierarchy.scalars["bits_per_atom_std"]
    for kind in ("sigma", "elongated"):
        error = np.hypot(found["random"][1], found[kind][1])
        assert found["random"][0] - found[kind][0] > 5 * error
        assert found[kind][0] < 0.3


def test_comes_back_from_plain_arrays(m1_hierarchy):
    arrays = m1_hierarchy.to_arrays()
    assert all(isinstance(v, np.ndarray | str | int | float) for v in arrays.values())
    back = Hierarchy.from_arrays(arrays)
    assert back.kinds == m1_hierarchy.kinds
    assert back.scalars == m1_hierarchy.scalars
    for one, two in zip(back.levels, m1_hierarchy.levels, strict=True):
        assert one.names == two.names
        assert one.scalars == two.scalars
        np.testing.assert_array_equal(one.parts, two.parts)
        assert set(one.columns) == set(two.columns)


def test_choices_leave_levels_out(patterns):
    points, labels = patterns["honeycomb"]()
    cells = find_cells(points, labels)
    options = HierarchyOptions(vertex_figures=False, composites=False, coarse="none", domains=False)
    assert build_hierarchy(points, labels, cells, options=options).levels == ()
    corner = HierarchyOptions(corner_motif=1)
    level = build_hierarchy(points, labels, cells, options=corner).level("unit-cell")
    corners = np.unique(level.parts[level.fractions < 0.45, 0])
    assert set(labels[corners]) == {1}
    with pytest.raises(ValueError, match="coarse must be one of"):
        HierarchyOptions(coarse="maybe")


def test_centres_of_a_class_make_the_next_level():
    # Sites of one motif on a jittered square lattice of four spacings, in a crowd without any order.
    rng = np.random.default_rng(2)
    h, k = (v.ravel() for v in np.meshgrid(np.arange(9), np.arange(8)))
    marked = 4.0 * np.column_stack([h, k]) + rng.normal(0, 0.25, (len(h), 2))
    crowd = rng.uniform(-1, [33.0, 29.0], (4000, 2))
    points = list(marked)
    for point in crowd:
        if np.min(np.hypot(*(np.array(points) - point).T)) > 0.85:
            points.append(point)
    points = np.array(points)
    labels = (np.arange(len(points)) >= len(marked)).astype(int)
    options = HierarchyOptions(coarse="centres", domains=False, composites=False)
    hierarchy = build_hierarchy(points, labels, find_cells(points, labels), names=["A", "B"], options=options)
    level = hierarchy.level("coarse-cell")
    assert "atoms of A" in level.reason
    assert level.scalars["spacing"] == pytest.approx(4.0, rel=0.1)
    assert np.median(level.columns["area"]) == pytest.approx(16.0, rel=0.1)
    content = compositions(level.parts, level.fractions, labels, len(level), 2)
    np.testing.assert_allclose(np.median(content[:, 0]), 1.0, atol=0.05)


def test_unit_cells_with_few_odd_atoms_are_of_one_class(m1):
    points, labels, names = m1
    doped = labels.copy()
    doped[::61] = len(names)
    hierarchy = build_hierarchy(points, doped, find_cells(points, doped), names=[*names, "dopant"])
    level = hierarchy.level("unit-cell")
    assert len(level.names) == 1
    content = compositions(level.parts, level.fractions, doped, len(level), len(names) + 1)
    assert content[:, -1].sum() > 5


def test_same_input_same_hierarchy(twin):
    points, labels, names, _ = twin
    one, two = (build_hierarchy(points, labels, find_cells(points, labels), names=names) for _ in range(2))
    a, b = one.to_arrays(), two.to_arrays()
    assert a.keys() == b.keys()
    assert all(np.array_equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("n", [0, 2, 5])
def test_few_atoms_have_no_levels(n):
    points = np.random.default_rng(0).random((n, 2))
    labels = np.zeros(n, dtype=int)
    hierarchy = build_hierarchy(points, labels, find_cells(points, labels))
    assert "unit-cell" not in hierarchy.kinds
    assert len(hierarchy.atom_domains) == n


def test_cells_of_other_atoms_are_refused(patterns):
    points, labels = patterns["honeycomb"]()
    cells = find_cells(points, labels)
    with pytest.raises(ValueError, match="cells of these atoms"):
        build_hierarchy(points[:20], labels[:20], cells)
    with pytest.raises(ValueError, match="no level of the kind"):
        build_hierarchy(points, labels, cells).level("domain")
