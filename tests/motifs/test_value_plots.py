"""What changes from atom to atom, symmetries of the means, and what a notebook shows."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from hyperspy_motifs import data
from hyperspy_motifs.motifs._described import point_groups
from hyperspy_motifs.zernike import Moments, NoiseModel, ZernikeBasis

pytestmark = pytest.mark.usefixtures("two_radii")

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def found():
    signal, _ = data.monolayer(shape=(170, 204), vacancies=0.05, random_state=3)
    return signal.find_motifs(radius=1.2)


@pytest.fixture
def motifs(found):
    return found.signal.deepcopy().motifs


def spots(places):
    """Picture of Gaussian spots at places (k, 2), around one in the middle."""
    v, u = np.mgrid[-14:15, -14:15]
    centres = np.vstack([[0.0, 0.0], places])
    return sum(np.exp(-((u - x) ** 2 + (v - y) ** 2) / 8) for x, y in centres)


def ring(angles, distance=9.0):
    angles = np.radians(angles)
    return distance * np.column_stack([np.cos(angles), np.sin(angles)])


def moments_of(pictures, noise=1e-4):
    basis = ZernikeBasis(8, 14.0)
    values = basis.transform(np.array(pictures))
    n = len(values)
    return Moments(
        values, basis.modes, basis.radius, basis.n_max, np.full_like(values, noise), np.ones(n), np.ones(n, bool),
        np.zeros(n), np.ones(n), NoiseModel(0.0, 0.0),
    )  # fmt: skip


@pytest.mark.parametrize("turn", [0.0, 23.0])
def test_point_groups_of_sites_of_known_symmetry(turn):
    three = np.array([0, 120, 240])
    pictures = {
        "3m": ring(three + turn),
        "m": ring(three[:2] + turn),
        "2mm": ring(np.array([0, 180]) + turn),
        "4mm": ring(np.arange(0, 360, 90) + turn),
        "6mm": ring(np.arange(0, 360, 60) + turn),
        # Arms that are bent to one side have no mirror.
        "3": np.vstack([ring(three + turn, 6.0), ring(three + turn + 35, 10.5)]),
        "4": np.vstack(
            [ring(np.arange(0, 360, 90) + turn, 6.0), ring(np.arange(0, 360, 90) + turn + 30, 10.5)]
        ),
        "1": ring(np.array([0, 65, 190]) + turn, np.array([[9.0], [6.0], [10.0]])),
    }
    found, scores = point_groups(moments_of([spots(places) for places in pictures.values()]))
    assert found == list(pictures)
    for group, (fold, rotation, _, mirror, _) in zip(found, scores, strict=True):
        assert (rotation > 0.85) == (group[0] in "2346")
        assert (mirror > 0.85) == group.endswith("m")
        assert rotation < 0.85 or str(fold) == group[0]


def test_sites_of_a_monolayer_are_threefold_and_the_figure_says_so(motifs):
    assert motifs.symmetries[:2] == ["3m", "3m"]
    axes = motifs.plot_means(symmetry=True)
    assert [ax.get_title().split("(")[1].split(")")[0] for ax in axes] == motifs.symmetries


def test_turned_sites_are_turned_back_before_their_mean_is_taken():
    # Mo and Se of two mirrored grains: averaged as they lie, a mean would be sixfold.
    signal, _ = data.monolayer(
        shape=(164, 170),
        vacancies=0.0,
        double_vacancies=0.0,
        chalcogen_dopant=None,
        metal_dopant=None,
        random_state=1,
    )

    turned = signal.deepcopy()
    turned.data[:, 85:] = signal.data[:, 85:][:, ::-1]
    both = turned.find_motifs(radius=0.23, radius_units="axes", rotation_invariant=True)
    assert both.symmetries[0] == "3m"


@pytest.mark.parametrize(("values", "label"), [("probability", "probability"), ("amplitude", "amplitude")])
def test_values_by_name_are_those_of_the_atoms(motifs, values, label):
    ax = motifs.plot.values(values)
    (atoms,) = ax.collections
    expected = motifs.to_dict()[values]
    np.testing.assert_allclose(atoms.get_array(), expected)
    np.testing.assert_allclose(atoms.get_offsets(), motifs.positions)
    assert ax.child_axes[0].get_ylabel() == label


def test_values_that_are_not_there_are_refused(motifs):
    with pytest.raises(ValueError, match="rotation_invariant=True"):
        motifs.plot.values("angle")
    with pytest.raises(ValueError, match="expected one of"):
        motifs.plot.values("weight")
    with pytest.raises(ValueError, match="one for each of"):
        motifs.plot.values(np.zeros(3))


def test_spectra_of_chosen_motifs_have_their_names_and_colours(motifs):
    from hyperspy_motifs.draw import motif_colour

    motifs.relabel({1: "Se2"})
    ax = motifs.plot.spectrum([1, 0])
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["Se2", motifs.names[0]]
    assert ax.lines[0].get_color() == motif_colour(1)
    # What does not change as a patch turns: the mean over the atoms of |A_00|, which is the moment itself.
    mine = np.asarray(motifs.features.data)[motifs.labels == 1][:, 0]
    assert ax.lines[0].get_ydata()[0] == pytest.approx(abs(np.nanmean(mine)), rel=0.02)
    with pytest.raises(ValueError, match=r"no motif \[99\]; motifs are 0 to"):
        motifs.plot.spectrum([99])


def test_a_notebook_shows_motifs_in_their_colours_and_escapes_names(motifs):
    from hyperspy_motifs.draw import motif_colour

    motifs.relabel({0: HOSTILE})
    shown = motifs._repr_html_()
    assert HOSTILE not in shown
    assert "&lt;script&gt;" in shown
    assert f"radius 1.2 ({motifs.n_motifs} motifs)" in shown
    for k in range(min(motifs.n_motifs, 12)):
        assert motif_colour(k) in shown
        assert f"<td>{motifs.counts[k]:,}</td>" in shown
    assert "cells" not in motifs._cache


def test_a_notebook_shows_what_was_found_in_an_image(motifs):
    signal = motifs.signal
    assert f"{len(motifs.labels):,} atoms, {motifs.n_motifs} motifs" in signal._repr_html_()
    plain, _ = data.monolayer(shape=(64, 64), random_state=0)
    assert "atoms" not in plain._repr_html_()
    assert "AtomicImage" in plain._repr_html_()
    assert "no atoms in it" in signal.isig[:4, :4]._repr_html_()
    assert repr(signal).startswith("<AtomicImage")


def test_a_continuum_is_drawn_by_its_coordinates(motifs):
    # Two values per atom are coordinates: two-dimensional colours, the same on the image and in the plot of
    # coordinates.
    coordinates = np.column_stack(
        [np.linspace(0, 1, len(motifs.labels)), np.linspace(1, 0, len(motifs.labels)) ** 2]
    )
    figure, axes = plt.subplots(1, 2)
    on_image = motifs.plot.values(coordinates, ax=axes[0]).collections[0].get_facecolors()
    from hyperspy_motifs.draw import plot_manifold

    among = plot_manifold(coordinates, ax=axes[1]).collections[0].get_facecolors()
    np.testing.assert_allclose(on_image, among)
    plt.close(figure)
