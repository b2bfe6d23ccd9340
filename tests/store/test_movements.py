"""The result follows the pixels of its image through everything that HyperSpy does, or is dropped with a warning."""

import dataclasses

import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_motifs import data, store
from hyperspy_motifs.pipeline import features_at

pytestmark = pytest.mark.usefixtures("two_radii")

DROPPED = "were dropped"


@pytest.fixture(scope="module")
def analysed():
    """A monolayer, an image with x and y of different length, offset and names, and its motifs at one radius."""
    signal, _ = data.monolayer(shape=(150, 186), random_state=3)
    for axis, name, offset in zip(signal.axes_manager.signal_axes, "xy", (2.0, -1.0), strict=True):
        axis.name, axis.offset = name, offset
    signal.find_motifs(radius=1.2, radius_units="nn", show_progressbar=False)
    return signal


@pytest.fixture
def image(analysed):
    return analysed.deepcopy()


def values_at(signal, pixels):
    column, row = np.rint(pixels).astype(int).T
    return np.asarray(signal.data)[row, column]


def assert_cells_are_those_of_a_fresh_search(motifs):
    """Cells of the moved result are those that the same bonds enclose at the present positions."""
    from hyperspy_motifs.cells import find_cells

    stamp = store.Stamp.of(motifs.signal)
    corners = stamp.to_units(np.array([[-0.5, -0.5], np.array(stamp.shape) - 0.5]))
    extent = (*np.sort(corners[:, 0]), *np.sort(corners[:, 1]))
    fresh = find_cells(
        motifs.positions, motifs.labels, motifs.cells.bonds, probabilities=motifs.probabilities, extent=extent
    )
    assert len(fresh) == len(motifs.cells) > 20
    by_place = np.lexsort(np.round(fresh.centres, 6).T), np.lexsort(np.round(motifs.cells.centres, 6).T)
    for name in ("centres", "areas", "n_corners", "on_border"):
        np.testing.assert_allclose(
            np.asarray(getattr(fresh, name), float)[by_place[0]],
            np.asarray(getattr(motifs.cells, name), float)[by_place[1]],
            rtol=1e-6,
            err_msg=name,
        )


MOVED = {
    "mirrored in x": lambda s: s.isig[::-1],
    "mirrored in y": lambda s: s.isig[:, ::-1],
    "turned by 180 degrees": lambda s: s.isig[::-1, ::-1],
    "swapped axes": lambda s: s.swap_axes(0, 1),
    "transposed": lambda s: s.transpose(signal_axes=(1, 0)),
    "turned by 90 degrees": lambda s: s.swap_axes(0, 1).isig[::-1],
}


@pytest.mark.parametrize("move", MOVED.values(), ids=MOVED)
@pytest.mark.filterwarnings("error")
def test_atoms_follow_a_mirrored_or_transposed_image(image, move):
    before = image.motifs
    here, labels = before.pixel_positions, before.labels
    moved = move(image)
    after = moved.motifs
    np.testing.assert_array_equal(after.labels, labels)
    np.testing.assert_array_equal(values_at(moved, after.pixel_positions), values_at(image, here))
    inside = after.pixel_positions - np.rint(after.pixel_positions), here - np.rint(here)
    np.testing.assert_allclose(np.sort(np.abs(inside[0])), np.sort(np.abs(inside[1])), atol=1e-6)
    assert_cells_are_those_of_a_fresh_search(after)


def test_what_hyperspy_makes_a_navigation_axis_has_motifs_again_when_it_is_turned_back(image):
    assert not hasattr(image.T, "motifs")
    np.testing.assert_array_equal(image.T.T.motifs.positions, image.motifs.positions)


@pytest.mark.parametrize("move", MOVED.values(), ids=MOVED)
def test_features_of_a_moved_image_are_those_of_its_pixels(image, move):
    moved = move(image)
    kept = moved.motifs.features
    again = features_at(moved, store.read(moved), moved.motifs.radius)
    whole = ~moved.motifs.truncated
    found, expected = np.asarray(kept.data)[whole], np.asarray(again.data)[whole]
    # The slow background that is taken off first is not estimated symmetrically.
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.999
    assert np.abs(found - expected).max() < 0.3 * expected.std()
    np.testing.assert_allclose(kept.noise_std[whole], again.noise_std[whole], rtol=0.05)


def test_the_angles_of_columns_turn_with_the_image(image):
    record = store.read(image)
    rng = np.random.default_rng(0)
    angles = rng.uniform(0, np.pi, len(record.labels))
    store.write(image, dataclasses.replace(record, atoms={"angle": angles}))
    x, y = np.cos(angles), np.sin(angles)
    for move, turned in (
        (MOVED["mirrored in x"], np.arctan2(y, -x)),
        (MOVED["swapped axes"], np.arctan2(x, y)),
        (MOVED["turned by 90 degrees"], np.arctan2(x, -y)),
    ):
        found = store.read(move(image)).atoms["angle"]
        np.testing.assert_allclose(np.cos(2 * found), np.cos(2 * turned), atol=1e-9)
        np.testing.assert_allclose(np.sin(2 * found), np.sin(2 * turned), atol=1e-9)


def test_means_of_rotation_invariant_motifs_stay_sharp_when_the_image_is_mirrored():
    signal, _ = data.lattice("honeycomb", shape=(110, 130), random_state=1)
    motifs = signal.find_motifs(radius=1.2, rotation_invariant=True, show_progressbar=False)
    sharp = np.asarray(motifs.means.data).std(axis=(1, 2))
    mirrored = signal.isig[::-1].motifs
    np.testing.assert_allclose(np.asarray(mirrored.means.data).std(axis=(1, 2)), sharp, rtol=0.02)


def test_a_model_of_a_mirrored_image_fits_the_mirrored_image(image):
    mirrored = image.isig[:, ::-1]
    expected = mirrored.motifs.labels
    other = mirrored.deepcopy()
    store.remove(other)
    atoms = mirrored.motifs.positions
    found = mirrored.motifs.predict(other, atoms=atoms, show_progressbar=False)
    assert (found.labels == expected).mean() > 0.97


def test_a_crop_of_a_transposed_image_keeps_the_atoms_inside(image):
    cut = image.swap_axes(0, 1).isig[20:120, 30:160]
    here = image.motifs.pixel_positions[:, ::-1] - [20, 30]
    inside = np.all((here >= -0.5) & (here < np.array([100, 130]) - 0.5), axis=1)
    np.testing.assert_allclose(cut.motifs.pixel_positions, here[inside], atol=1e-6)
    assert 10 < len(cut.motifs.cells) < len(image.motifs.cells)


def test_a_new_calibration_is_not_a_mirror_image(image):
    pixels = image.motifs.pixel_positions
    image.axes_manager.signal_axes[0].scale *= -2
    np.testing.assert_allclose(image.motifs.pixel_positions, pixels, atol=1e-6)


def test_the_radius_of_the_features_follows_the_units(image):
    in_nm = image.motifs.features.radius
    assert image.axes_manager.signal_axes[0].units == "nm"
    for axis in image.axes_manager.signal_axes:
        axis.convert_to_units("pm")
    assert image.motifs.features.radius == pytest.approx(1000 * in_nm)
    assert image.motifs.at(image.motifs.radius).features.radius == pytest.approx(1000 * in_nm)


def negate(s):
    return -s


def changed_in_place(s):
    s.map(np.sqrt, inplace=True)
    return s


def flipped_data(s):
    s.data = s.data[::-1]
    return s


def zeroed(s):
    s.data[:] = 0
    return s


def one_pixel(s):
    s.data[71, 53] += 3 * s.data.std()
    return s


CHANGED = {
    "negative": negate,
    "map": changed_in_place,
    "data flipped": flipped_data,
    "zeroed": zeroed,
    "one pixel": one_pixel,
    "difference": lambda s: s.diff(axis="x"),
    "second difference": lambda s: s.diff(axis="x", order=2),
    "another crop": lambda s: hs.signals.Signal2D(s.data[5:, 7:], metadata=s.metadata.as_dictionary()),
    "rebinned, then negative": lambda s: -s.rebin(scale=(2, 2)),
}


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
def test_the_motifs_of_other_pixels_are_dropped_with_a_warning(image, change):
    changed = change(image)
    if not hasattr(type(changed), "find_motifs"):
        changed.set_signal_type("atomic_image")
    with pytest.warns(UserWarning, match=DROPPED):
        assert not hasattr(changed, "motifs")
    assert not store.has_result(changed)
    with pytest.raises(AttributeError, match="find_motifs"):
        _ = changed.motifs


def test_a_view_notices_that_its_image_was_zeroed(image):
    motifs = image.motifs
    image.data[:] = 0
    with pytest.warns(UserWarning, match=DROPPED), pytest.raises(ValueError, match="pixels have changed"):
        _ = motifs.labels


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "change",
    [
        lambda s: s * 3 + 5,
        lambda s: s / s.data.max(),
        lambda s: s.change_dtype("float32") or s,
        lambda s: s.rebin(scale=(2, 2)),
        lambda s: s.isig[::2, ::2],
    ],
    ids=["linear", "normalised", "float32", "rebinned", "every other pixel"],
)
def test_brightness_type_and_sampling_of_the_pixels_do_not_matter(image, change):
    expected = image.motifs.labels
    np.testing.assert_array_equal(change(image).motifs.labels, expected)


def test_amplitudes_follow_the_brightness(image):
    before = image.motifs.to_dict()
    after = (image * 3 + 5).motifs.to_dict()
    np.testing.assert_allclose(after["amplitude"], 3 * before["amplitude"])
    np.testing.assert_allclose(after["background"], 3 * before["background"] + 5)


def test_edited_atoms_and_the_mask_follow_as_well(analysed):
    image = analysed.deepcopy()
    store.remove(image)
    image.add_atoms(analysed.motifs.positions[:20])
    mask = np.zeros(image.data.shape, bool)
    mask[:30, :50] = True
    store.write_mask(image, mask)
    turned = image.swap_axes(0, 1).isig[::-1]
    np.testing.assert_array_equal(store.read_mask(turned), mask.T[:, ::-1])
    np.testing.assert_allclose(
        values_at(turned, turned.atoms.pixel_positions), values_at(image, image.atoms.pixel_positions)
    )
    with pytest.warns(UserWarning, match="atoms of this image were dropped"):
        assert not hasattr(-image, "atoms")


def test_lazy_images_are_compared_by_their_axes(image):
    lazy = image.as_lazy()
    pixels = image.motifs.pixel_positions
    np.testing.assert_allclose(lazy.isig[::-1].motifs.pixel_positions, [185, 0] + [-1, 1] * pixels, atol=1e-6)
    np.testing.assert_allclose(lazy.swap_axes(0, 1).motifs.pixel_positions, pixels[:, ::-1], atol=1e-6)


# ------------------------------------------------------------------ stacks


@pytest.fixture(scope="module")
def pair(analysed):
    """Two images of one material, the second with the motifs of the first."""
    first = analysed.deepcopy()
    second, _ = data.monolayer(shape=(150, 186), random_state=4)
    for axis, like in zip(second.axes_manager.signal_axes, first.axes_manager.signal_axes, strict=True):
        axis.offset, axis.name = like.offset, like.name
    first.motifs.predict(second, show_progressbar=False)
    return first, second


@pytest.mark.filterwarnings("error:.*dropped")
def test_a_stack_of_images_with_one_model_has_the_motifs_of_each_as_frames(pair):
    first, second = pair
    stack = hs.stack([second, first], show_progressbar=False)
    motifs = stack.motifs
    for number, one in enumerate((second, first)):
        here = motifs.frames == number
        np.testing.assert_array_equal(motifs.labels[here], one.motifs.labels)
        np.testing.assert_allclose(motifs.positions[here], one.motifs.positions)
    assert motifs.movie.populations.shape == (2, motifs.n_motifs)
    again = stack.inav[1].motifs
    np.testing.assert_array_equal(again.labels, first.motifs.labels)


def test_a_stack_of_images_with_other_models_has_none(pair):
    first, second = pair
    other = second.deepcopy()
    other.find_motifs(radius=1.2, show_progressbar=False)
    with pytest.warns(UserWarning, match="different models"):
        assert not hasattr(hs.stack([first, other], show_progressbar=False), "motifs")
    store.remove(other)
    with pytest.warns(UserWarning, match="not all analysed"):
        assert not hasattr(hs.stack([first, other], show_progressbar=False), "motifs")
    with pytest.raises(AttributeError, match="not all analysed"):
        _ = hs.stack([other, first], show_progressbar=False).motifs


def test_frames_of_one_stack_are_stacked_again(pair):
    frames = hs.stack(list(pair), show_progressbar=False)
    both = frames.motifs
    again = hs.stack([frames.inav[1:], frames.inav[:1]], axis=0, show_progressbar=False).motifs
    for number in (0, 1):
        np.testing.assert_array_equal(
            again.labels[again.frames == number], both.labels[both.frames == 1 - number]
        )


def test_a_sum_over_frames_has_no_motifs_and_says_so(pair):
    stack = hs.stack(list(pair), show_progressbar=False)
    _ = stack.motifs
    with pytest.warns(UserWarning, match=DROPPED):
        assert not hasattr(stack.sum(axis=0), "motifs")


def test_frames_are_recognised_in_any_order():
    movie, _ = data.monolayer(shape=(90, 104), random_state=3)
    frames = np.array([movie.data, movie.data[::-1] ** 1.5, movie.data[:, ::-1] ** 0.5])
    signal = hs.signals.Signal2D(frames)
    signal.set_signal_type("atomic_image")
    signal.find_motifs(radius=12.0, radius_units="axes", show_progressbar=False)
    kept = signal.motifs
    order = [2, 0, 1]
    sorted_by_hand = signal._deepcopy_with_new_data(frames[order])
    found = sorted_by_hand.motifs
    for now, before in enumerate(order):
        np.testing.assert_array_equal(
            found.positions[found.frames == now], kept.positions[kept.frames == before]
        )
    with pytest.warns(UserWarning, match=DROPPED):
        assert not hasattr(signal.sum(axis=0), "motifs")
