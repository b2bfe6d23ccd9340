"""The image signal: atoms found, edited and kept; patches and features on their own; pictures on HyperSpy's plot."""

import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.backend_bases import KeyEvent, MouseEvent

from hyperspy_motifs import data
from hyperspy_motifs.pipeline import given_atoms

pytestmark = pytest.mark.usefixtures("two_radii")


@pytest.fixture(scope="module")
def simulated():
    return data.lattice("honeycomb", shape=(180, 212), random_state=1)


@pytest.fixture
def image(simulated):
    return simulated[0].deepcopy()


@pytest.fixture(scope="module")
def searched(simulated):
    signal = simulated[0].deepcopy()
    signal.find_atoms()
    return signal


class TestAtoms:
    def test_the_table_tells_what_was_found(self, searched, simulated):
        table, truth = searched.atoms, simulated[1]
        assert abs(len(table) - len(truth.positions)) <= 0.1 * len(truth.positions)
        scale = searched.axes_manager.signal_axes[0].scale
        np.testing.assert_allclose(table.positions, table.pixel_positions * scale)
        assert table.polarity == "bright"
        assert table.sigma.shape == (len(table), 2)
        # The uncertainty is that of a fit to columns of hundreds of counts: hundredths of a pixel.
        assert 0 < np.median(table.uncertainty) / scale < 0.2
        assert np.asarray(table).shape == (len(table), 2)
        assert set(table.to_dict()) >= {"x", "y", "amplitude", "sigma_x", "uncertainty_y"}

    def test_estimates_are_in_units_of_the_axes(self, image, simulated):
        truth = simulated[1]
        separation, certainty = image.estimate_atom_separation()
        scale = image.axes_manager.signal_axes[0].scale
        pairs = np.linalg.norm(truth.positions[:, None] - truth.positions[None], axis=2)
        np.fill_diagonal(pairs, np.inf)
        assert separation == pytest.approx(scale * np.median(pairs.min(axis=1)), rel=0.1)
        assert 0 <= certainty <= 1
        assert image.estimate_polarity()[0] == "bright"
        assert (image * -1.0).estimate_polarity()[0] == "dark"

    def test_atoms_come_back_with_the_file(self, searched, tmp_path):
        searched.save(tmp_path / "image.hspy")
        back = hs.load(tmp_path / "image.hspy").atoms
        np.testing.assert_array_equal(back.positions, searched.atoms.positions)
        assert dict(back.facts) == dict(searched.atoms.facts)

    def test_removed_and_added_again(self, searched):
        signal = searched.deepcopy()
        before = signal.atoms
        place = before.positions[[7]]
        assert len(signal.remove_atoms(place)) == len(before) - 1
        assert signal.atoms.facts["edited"]
        signal.add_atoms(place)
        np.testing.assert_allclose(signal.atoms.positions[-1], place[0])
        assert np.isnan(signal.atoms.amplitude[-1])
        assert not signal.atoms.fitted[-1]

    def test_added_atoms_can_be_refined(self, searched):
        signal = searched.deepcopy()
        scale = signal.axes_manager.signal_axes[0].scale
        middle = np.argmin(np.hypot(*(signal.atoms.pixel_positions - [106, 90]).T))
        place = signal.atoms.positions[middle]
        signal.remove_atoms([place])
        signal.add_atoms([place + 0.8 * scale], refine=True)
        assert np.hypot(*(signal.atoms.positions[-1] - place)) < 0.3 * scale

    @pytest.mark.parametrize("n", [0, 1])
    def test_wrong_edits_are_refused(self, searched, n):
        signal = searched.deepcopy()
        table = signal.atoms
        with pytest.raises(ValueError, match="already"):
            signal.add_atoms(table.positions[[n]])
        # The middle of a hexagon is as far from its corners as these from each other.
        grid = np.stack(np.meshgrid(np.linspace(1, 1.5, 60), np.linspace(0.8, 1.3, 60)), axis=-1).reshape(
            -1, 2
        )
        distances = np.linalg.norm(grid[:, None] - table.positions, axis=2).min(axis=1)
        with pytest.raises(ValueError, match="nothing was removed"):
            signal.remove_atoms([grid[distances.argmax()]])
        with pytest.raises(ValueError, match="frames 0 to 0"):
            signal.remove_atoms(table.positions[[n]], frame=3)
        assert len(signal.atoms) == len(table)

    def test_without_atoms_it_says_what_to_do(self, image):
        with pytest.raises(AttributeError, match=r"find_atoms\(\)"):
            _ = image.atoms
        with pytest.raises(ValueError, match=r"find_atoms\(\)"):
            image.remove_atoms([[0.5, 0.5]])

    def test_a_stack_is_searched_frame_by_frame_eager_and_lazy(self, image):
        stack = hs.signals.Signal2D(np.stack([image.data, image.data[::-1], image.data[:, ::-1]]))
        stack.set_signal_type("atomic_image")
        table = stack.find_atoms()
        assert set(table.frames) == {0, 1, 2}
        first, flipped = (table.pixel_positions[table.frames == k] for k in (0, 2))
        assert abs(len(first) - len(flipped)) <= 3
        lazy = stack.as_lazy()
        np.testing.assert_array_equal(lazy.find_atoms().pixel_positions, table.pixel_positions)
        assert hasattr(lazy.data, "dask")

    def test_few_missing_pixels_cost_only_the_atoms_on_them(self, image):
        whole = image.find_atoms()
        spot = np.rint(
            whole.pixel_positions[np.argmin(np.hypot(*(whole.pixel_positions - [106, 90]).T))]
        ).astype(int)
        image.change_dtype("float64")
        image.data[spot[1] - 1 : spot[1] + 2, spot[0] - 1 : spot[0] + 2] = np.nan
        with pytest.warns(UserWarning, match="9 pixels"):
            table = image.find_atoms()
        assert np.hypot(*(table.pixel_positions - spot).T).min() > 1.5
        assert len(table) >= len(whole) - 2

    @pytest.mark.parametrize("dtype", ["uint8", ">u2", "float16", "<i4"])
    def test_any_real_dtype_gives_the_same_atoms(self, image, dtype):
        image.change_dtype("float64")
        image.data = np.round(image.data / image.data.max() * 200)
        reference = image.find_atoms().pixel_positions
        image.data = image.data.astype(dtype)
        np.testing.assert_allclose(image.find_atoms().pixel_positions, reference, atol=1e-6)


class TestEditor:
    def drag(self, editor, start, end, button=1):
        for name, place in (("press", start), ("motion_notify", end), ("release", end)):
            name = f"button_{name}_event" if name != "motion_notify" else f"{name}_event"
            pixels = editor._ax.transData.transform(place)
            event = MouseEvent(name, editor.figure.canvas, *pixels, button)
            editor.figure.canvas.callbacks.process(name, event)

    def click(self, editor, x, y):
        self.drag(editor, (x, y), (x, y))

    def press(self, editor, key):
        event = KeyEvent("key_press_event", editor.figure.canvas, key)
        editor.figure.canvas.callbacks.process("key_press_event", event)

    def test_a_click_on_an_atom_removes_it_and_u_brings_it_back(self, searched):
        signal = searched.deepcopy()
        editor = signal.edit_atoms()
        n = len(signal.atoms)
        x, y = signal.atoms.positions[np.argmin(np.hypot(*(signal.atoms.pixel_positions - [106, 90]).T))]
        self.click(editor, x, y)
        assert len(signal.atoms) == n - 1
        assert np.hypot(*(signal.atoms.positions - [x, y]).T).min() > 0.05
        self.click(editor, x, y)
        assert len(signal.atoms) == n
        for expected in (n - 1, n, n):
            self.press(editor, "u")
            assert len(signal.atoms) == expected
        assert len(editor._dots.get_xdata()) == n

    def test_an_atom_is_moved_and_a_box_is_emptied_in_one_step(self, searched):
        signal = searched.deepcopy()
        editor = signal.edit_atoms()
        before = signal.atoms.positions
        atom = before[np.argmin(np.hypot(*(signal.atoms.pixel_positions - [106, 90]).T))]
        goal = atom + np.array([0.05, 0.02])
        self.drag(editor, atom, goal)
        moved = {tuple(p) for p in signal.atoms.positions.round(3)} - {tuple(p) for p in before.round(3)}
        assert len(signal.atoms) == len(before)
        np.testing.assert_allclose([*moved], [goal], atol=0.006)
        self.press(editor, "u")
        np.testing.assert_array_equal(signal.atoms.positions, before)
        low, high = atom - 0.4, atom + np.array([0.5, 0.3])
        self.drag(editor, low, high, button=3)
        inside = np.all((before > low) & (before < high), axis=1)
        assert inside.sum() > 3
        np.testing.assert_array_equal(signal.atoms.positions, before[~inside])
        self.press(editor, "u")
        np.testing.assert_array_equal(signal.atoms.positions, before)

    def test_the_slider_marks_weak_atoms_and_enter_removes_them(self, searched):
        signal = searched.deepcopy()
        editor = signal.edit_atoms()
        heights = np.abs(signal.atoms.columns["amplitude"])
        limit = np.sort(heights)[[6, 7]].mean() / np.median(heights)
        weak = heights < limit * np.median(heights)
        assert weak.sum() == 7
        editor.slider.set_val(limit)
        shown = np.column_stack(editor._weak.get_data())
        np.testing.assert_array_equal(shown, signal.atoms.positions[weak])
        assert len(signal.atoms) == len(weak)
        self.press(editor, "enter")
        assert len(signal.atoms) == len(weak) - weak.sum()
        self.press(editor, "u")
        assert len(signal.atoms) == len(weak)

    def test_atoms_are_drawn_above_the_image(self, searched):
        signal = searched.deepcopy()
        editor = signal.edit_atoms()
        editor.figure.canvas.draw()
        pixels = np.asarray(editor.figure.canvas.buffer_rgba())[..., :3].astype(int)
        orange = (np.abs(pixels - [230, 159, 0]) < 10).all(axis=-1)
        assert orange.sum() > len(signal.atoms)

    def test_the_figure_says_what_the_mouse_does_and_holds_its_title(self, searched):
        editor = searched.deepcopy().edit_atoms()
        editor.figure.canvas.draw()
        assert any("u: undo" in text.get_text() for text in editor.figure.texts)
        parts = [*editor.figure.texts, editor.slider.label, editor._ax.title]
        boxes = [part.get_window_extent() for part in parts]
        assert all(box.y0 >= 0 and box.y1 <= editor.figure.bbox.y1 and box.x0 >= 0 for box in boxes)

    def test_the_first_atom_can_be_undone(self, searched):
        signal = searched.deepcopy()
        image = type(signal)(signal.data)
        editor = image.edit_atoms()
        for x, y in ((40, 50), (70, 90)):
            self.click(editor, x, y)
        np.testing.assert_allclose(image.atoms.positions, [[40, 50], [70, 90]], atol=1)
        self.press(editor, "u")
        assert len(image.atoms) == 1
        self.press(editor, "u")
        assert not hasattr(image, "atoms")
        assert len(editor._dots.get_xdata()) == 0

    def test_clicks_after_closing_change_nothing(self, searched):
        signal = searched.deepcopy()
        editor = signal.edit_atoms()
        editor.close()
        n = len(signal.atoms)
        self.click(editor, *signal.atoms.positions[3])
        assert len(signal.atoms) == n


class TestPatches:
    def test_patches_are_centred_on_the_atoms(self, searched):
        patches = searched.get_atom_patches(radius=1.2)
        x = patches.axes_manager.signal_axes[0]
        assert x.offset == pytest.approx(-x.scale * (x.size - 1) / 2)
        assert str(x.units) == "nm"
        mean = patches.data.mean(axis=0)
        assert np.unravel_index(mean.argmax(), mean.shape) == (mean.shape[0] // 2, mean.shape[1] // 2)
        assert len(patches.atoms) == patches.data.shape[0] < len(searched.atoms)

    def test_features_of_patches_are_those_of_the_image(self, searched):
        from hyperspy_motifs.zernike import ZernikeBasis, get_moments

        patches = searched.get_atom_patches(radius=0.12, radius_units="axes")
        features = patches.get_zernike_features(n_max=6)
        pixels = searched.atoms.pixel_positions[patches.atoms]
        moments = get_moments(
            searched.data.astype(float), pixels, ZernikeBasis(6, patches.radius / x_scale(searched))
        )
        whole = moments.coverage > 1 - 1e-9
        assert whole.sum() > 50
        np.testing.assert_allclose(features.data[whole], moments.values[whole], atol=0.02)

    def test_a_reconstruction_resembles_the_patch(self, searched):
        patches = searched.get_atom_patches(radius=1.2)
        rebuilt = patches.get_zernike_features(n_max=10).reconstruct()
        disc = rebuilt.data[0] != 0
        error = (rebuilt.data - patches.data)[:, disc].std()
        assert error < 0.35 * patches.data[:, disc].std()

    def test_rotating_features_by_a_third_of_a_turn_leaves_a_honeycomb_site_as_it_is(self, searched):
        patches = searched.get_atom_patches(radius=1.2)
        pixels = searched.atoms.pixel_positions[patches.atoms]
        features = patches.get_zernike_features(n_max=6)
        inner = np.all((pixels > 25) & (pixels < np.array([212, 180]) - 25), axis=1)
        # The two sublattices point opposite ways: take one.
        along = features.data[:, features.modes.tolist().index([3, 3])]
        across = features.data[:, features.modes.tolist().index([3, -3])]
        first = along[inner][0], across[inner][0]
        one = inner & (along * first[0] + across * first[1] > 0)
        assert 0.3 < one.sum() / inner.sum() < 0.7
        mean = features._deepcopy_with_new_data(features.data[one].mean(axis=0, keepdims=True))
        third, sixth = (mean.rotate(angle).data - mean.data for angle in (2 * np.pi / 3, np.pi / 3))
        assert np.linalg.norm(third) < 0.1 * np.linalg.norm(sixth)

    def test_hyperspy_decomposes_them(self, searched):
        features = searched.get_atom_patches(radius=1.2).get_zernike_features(n_max=6)
        features.decomposition(print_info=False)
        assert features.get_decomposition_factors().data.shape[-1] == 28

    def test_selected_modes_keep_their_meaning(self, searched):
        features = searched.get_atom_patches(radius=1.2).get_zernike_features(n_max=6)
        chosen = features.select(m=3)
        assert set(map(tuple, chosen.modes)) == {(3, -3), (3, 3), (5, -3), (5, 3)}
        column = features.modes.tolist().index([5, 3])
        np.testing.assert_array_equal(
            chosen.data[:, chosen.modes.tolist().index([5, 3])], features.data[:, column]
        )

    def test_a_map_equals_the_moments_at_a_pixel(self, searched):
        from hyperspy_motifs.zernike import ZernikeBasis, get_moments

        dense = searched.get_zernike_map(4, radius=0.1, modes=[(2, 0), (3, 3)])
        assert dense.data.shape == (2, *searched.data.shape)
        moments = get_moments(
            searched.data.astype(float),
            [[100, 80]],
            ZernikeBasis(4, 0.1 / x_scale(searched)),
            normalise=False,
        )
        column = moments.modes.tolist().index([3, 3])
        assert dense.data[1, 80, 100] == pytest.approx(moments.values[0, column], rel=0.05, abs=0.05)
        with pytest.raises(ValueError, match="no mode"):
            searched.get_zernike_map(4, radius=0.1, modes=[(2, 1)])


def x_scale(signal):
    return signal.axes_manager.signal_axes[0].scale


def test_plot_motifs_draws_every_atom_in_the_colour_of_its_motif(image):
    motifs = image.find_motifs(radius=0.1, radius_units="axes")
    image.plot_motifs(cells=True)
    ax = image._plot.signal_plot.ax
    dots = [c for c in ax.collections if len(c.get_offsets()) > 1]
    assert sum(len(c.get_offsets()) for c in dots) >= len(motifs.labels)
    texts = [t.get_text() for t in ax.get_legend().get_texts()]
    assert len(texts) == motifs.n_motifs
    assert str(motifs.counts[0]) in texts[0]
    plt.close("all")
    axes = [motifs.plot(), motifs.plot_layout(), motifs.plot_layout("probability"), motifs.plot_cells("area")]
    assert all(ax.figure is not None for ax in axes)
    with pytest.raises(ValueError, match="colour_by"):
        motifs.plot_layout("size")


def test_given_atoms_at_the_border_stay_in_the_image():
    """A column just outside attracts the fit of an atom given at the border, which must not raise an error."""
    image, truth = data.lattice("square", spacing=0.2, shape=(120, 140), random_state=0)
    first = int(np.ceil(truth.positions[:, 0].min()))
    cut = image.isig[first + 2 :]
    points = truth.positions - [first + 2, 0]
    points = np.maximum(points[points[:, 0] > -4], 0)
    scale, offset = (
        np.array([getattr(axis, name) for axis in cut.axes_manager.signal_axes])
        for name in ("scale", "offset")
    )
    found = cut.find_motifs(offset + scale * points, radius=1.2, show_progressbar=False)
    assert len(found.positions) == len(points)
    assert found.pixel_positions.min() >= -0.5
    # Atoms that keep their given positions are not fitted and have no uncertainty.
    table = given_atoms(cut, offset + scale * points, True, "auto")
    stayed = np.all(table.pixel_positions == points, axis=1)
    assert stayed.any()
    assert not table.columns["fitted"][stayed].any()
    assert np.isnan(table.columns["uncertainty"][stayed]).all()
    assert table.columns["fitted"][~stayed].mean() > 0.9
