"""Any image at all, with any arguments: a result, or an error in our own words, and the earlier result as it was."""

from dataclasses import fields, replace

import hyperspy.api as hs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperspy_motifs import store
from hyperspy_motifs.pipeline import check_axes, check_positions, clean_image

NUMBERS = [
    "bool",
    "u1",
    ">u2",
    "<u4",
    "u8",
    "i1",
    "<i2",
    ">i4",
    "i8",
    "f2",
    ">f2",
    "f4",
    ">f4",
    "f8",
    ">f8",
    "g",
]
OTHERS = [
    "c8", "c16", "O", "U3", "S2", "M8[s]", "m8[s]", [("R", "u1"), ("G", "u1"), ("B", "u1")],
    [("R", "u2"), ("G", "u2"), ("B", "u2"), ("A", "u2")],
]  # fmt: skip
CONTENTS = (
    "noise",
    "constant",
    "square",
    "hexagonal",
    "blob",
    "spike",
    "ramp",
    "stripes",
    "checkerboard",
    "huge",
    "tiny",
)
GAPS = ("none", "one", "few", "row", "half", "all", "infinite", "both infinite")

ANY_TYPE, ANY_SIDE = st.sampled_from(NUMBERS + OTHERS), st.integers(0, 44)


@st.composite
def pixels(draw, dtypes=ANY_TYPE, sides=ANY_SIDE, dimensions=(0, 4)):
    """Pixels of any type, shape and content."""
    dtype = np.dtype(draw(dtypes))
    n = draw(st.sampled_from([*dimensions, 2, 2, 2, 2, 2, 3]))
    n = min(max(n, dimensions[0]), dimensions[1])
    shape = tuple(draw(st.integers(1, 3)) for _ in range(n - 2)) + tuple(
        draw(sides) for _ in range(min(n, 2))
    )
    values = content(draw(st.sampled_from(CONTENTS)), shape, draw(st.integers(0, 2**16)))
    if dtype.names:
        out = np.zeros(shape, dtype)
        for name in dtype.names:
            out[name] = np.clip(values, 0, 100)
        return out
    if dtype.kind in "OUSMm":
        return np.clip(values, 0, 100).astype("i8").astype(dtype)
    with np.errstate(all="ignore"):
        if dtype.kind in "bui":
            values = np.clip(values, *(0, 1) if dtype.kind == "b" else (-100 * (dtype.kind == "i"), 100))
        out = np.array(values).astype(dtype, copy=True)
    if dtype.kind in "fc":
        with_gaps(out, draw(st.sampled_from(GAPS)), draw(st.integers(0, 2**16)))
    return out


def content(kind, shape, seed):
    """What an image may show, as float64 of `shape`."""
    rng = np.random.default_rng(seed)
    grid = (
        np.indices(shape[-2:])
        if len(shape) > 1
        else np.indices((1, *shape))
        if shape
        else np.zeros((2, 1, 1))
    )
    y, x = grid[0].astype(float), grid[1].astype(float)
    period = 5.0 + rng.random() * 5
    square = 50 * (2 + np.cos(2 * np.pi * x / period) + np.cos(2 * np.pi * y / period))
    made = {
        "noise": rng.normal(0, 30, x.shape), "constant": np.full(x.shape, rng.integers(-3, 4)), "square": square,
        "hexagonal": 50 + sum(20 * np.cos(2 * np.pi * (x * np.cos(a) + y * np.sin(a)) / period) for a in (0, 2.094, 4.189)),
        "blob": 90 * np.exp(-((x - x.mean()) ** 2 + (y - y.mean()) ** 2) / 40) if x.size else x,
        "spike": np.where(rng.random(x.shape) < 0.01, 99.0, 0.0), "ramp": x, "stripes": 40 * np.cos(x),
        "checkerboard": (x + y) % 2, "huge": 1e300 * square, "tiny": 1e-310 * square,
    }[kind]  # fmt: skip
    noise = rng.normal(0, draw_noise(rng), shape if shape else ())
    out = np.broadcast_to(made if len(shape) > 1 else made.reshape(shape), shape).astype(float)
    return out if kind in ("constant", "huge", "tiny", "spike", "checkerboard") else out + noise


def draw_noise(rng):
    return float(rng.choice([0.0, 2.0, 40.0]))


def with_gaps(data, gaps, seed):
    """Put NaN and infinity into `data`."""
    rng = np.random.default_rng(seed)
    if not data.size or gaps == "none" or data.ndim == 0:
        return
    flat = data.reshape(-1)
    if gaps in ("one", "infinite"):
        flat[rng.integers(flat.size)] = np.inf if gaps == "infinite" else np.nan
    elif gaps in ("few", "half", "both infinite"):
        part = rng.random(flat.size) < (0.5 if gaps == "half" else 0.02)
        flat[part] = (
            np.where(rng.random(part.sum()) < 0.5, np.inf, -np.inf) if gaps == "both infinite" else np.nan
        )
    elif gaps == "row":
        data[..., 0, :] = np.nan if data.ndim > 1 else 0
    else:
        flat[:] = np.nan


SCALES = st.sampled_from([1.0, 0.02, 0.02, 0.02, -0.02, 1e-12, 1e12, 0.021, 3.0, 0.0, np.nan])
UNITS = st.sampled_from(["nm", "nm", "nm", "Å", "", "px", "µm", "1/nm", "bananas", "日本"])


@st.composite
def images(draw, **kind):
    """An ``AtomicImage`` of any pixels that HyperSpy itself takes, with any axes."""
    kind.setdefault(
        "dtypes",
        st.sampled_from(
            [d for d in NUMBERS + OTHERS if d not in ("M8[s]", "m8[s]", "S2", "U3", "O", "c8", "c16")]
        ),
    )
    data = draw(pixels(dimensions=(2, 4), **kind))
    signal = hs.signals.Signal2D(data)
    scale, units = draw(SCALES), draw(UNITS)
    axes = signal.axes_manager.signal_axes
    for axis in axes:
        axis.scale, axis.units, axis.offset = scale, units, draw(st.sampled_from([0.0, -3.5, 1e6]))
    match draw(st.sampled_from(["as they are"] * 6 + ["scale", "units", "curved"])):
        case "scale":
            axes[0].scale = 2 * scale
        case "units":
            axes[1].units = "s"
        case "curved" if axes[0].size > 1 and scale > 0.01 and axes[0].offset < 1e6:
            axes[0].convert_to_non_uniform_axis()
    if draw(st.booleans()):
        signal = signal.as_lazy()
    signal.set_signal_type("atomic_image")
    return signal


def junk(*sensible):
    """Now and then sensible, mostly not."""
    return st.one_of(
        st.sampled_from(sensible),
        st.sampled_from(
            [None, True, False, 0, -1, 1, 2.5, np.nan, np.inf, -np.inf, 1e300, 10**30, "", "auto", "ß"]
        ),
        st.sampled_from([[], (), {}, b"x", 1j, np.float32(3), np.array([1, 2]), np.array(5), object()]),
    )


ARGUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "separation": junk(6.0, 0.12, 0.2), "polarity": junk("auto", "bright", "dark"),
        "refine": junk(True, False, "center_of_mass", "gaussian"), "radius": junk("auto", 0.6, 1.2, 3),
        "radius_units": junk("nn", "axes"), "n_max": junk(4, 8, 0), "rotation_invariant": junk(True, False),
        "n_motifs": junk(1, 2, 3), "min_motif_size": junk(5, 10), "random_state": junk(0, 7),
        "atoms": junk(np.zeros((0, 2)), np.zeros((3, 3)), np.full((20, 2), 0.1), np.arange(60).reshape(30, 2) * 0.01),
        "detectors": junk(None),
    },
)  # fmt: skip
OLD = {"positions": np.zeros((3, 2)), "note": "an earlier result"}


def remember(signal):
    """Give `signal` an earlier result, and return its state."""
    signal.metadata.add_node(store.NODE)
    for name, value in OLD.items():
        setattr(getattr(signal.metadata, store.NODE), name, value)
    return signal.metadata.as_dictionary()


def unchanged(before, signal):
    after = signal.metadata.as_dictionary()
    return repr(after) == repr(before)


@settings(max_examples=800)
@given(pixels(dimensions=(0, 4)))
def test_pixels_are_cleaned_or_refused(ours, data):
    data = np.asarray(data)
    before = data.copy()
    with ours():
        image, missing = clean_image(data)
        assert image.dtype == np.float64
        assert np.isfinite(image).all()
        assert image.shape == data.shape
        assert missing is None or 0 < missing.mean() < 1
    assert data.tobytes() == before.tobytes()


@settings(max_examples=200)
@given(images(sides=st.integers(1, 30)))
def test_axes_are_taken_or_refused(ours, signal):
    with ours():
        check_axes(signal)
        assert abs(signal.axes_manager[-1].scale) > 0


@settings(max_examples=200)
@given(
    junk(
        [[1.0, 2.0]],
        [[1, 2], [3, 4.5]],
        np.array([["1", "2"]]),
        [[1, 2], [3]],
        np.zeros((2, 2), complex),
        [[None, 1]],
    )
)
def test_positions_are_taken_or_refused(ours, positions):
    with ours():
        found = check_positions(positions, store.Stamp((43, 31), (0.5, 0.5), (0.0, 0.0), "nm"))
        assert found.shape == (len(found), 2)
        assert np.isfinite(found).all()


@settings(max_examples=40)
@given(images(dtypes=st.sampled_from(NUMBERS), sides=st.integers(16, 44)))
def test_motifs_of_any_image(ours, signal):
    before = remember(signal)
    done = False
    with ours():
        motifs = signal.find_motifs()
        done = True
        n = len(motifs.labels)
        assert n >= 12
        assert motifs.positions.shape == (n, 2)
        assert np.isfinite(motifs.positions).all()
        assert store.Stamp.of(signal).inside(motifs.positions).all()
        assert ((motifs.probabilities >= 0) & (motifs.probabilities <= 1)).all()
        assert np.array_equal(np.unique(motifs.labels), np.arange(motifs.n_motifs))
    assert done or unchanged(before, signal)


@pytest.fixture(scope="module")
def lattice():
    rng = np.random.default_rng(5)
    y, x = np.indices((40, 46))
    signal = hs.signals.Signal2D(80 + 20 * np.cos(x) + 20 * np.cos(y) + rng.normal(0, 2, x.shape))
    signal.axes_manager.signal_axes.set(scale=0.02, units="nm")
    signal.set_signal_type("atomic_image")
    return signal


@settings(max_examples=60)
@given(ARGUMENTS)
def test_any_arguments(ours, lattice, arguments):
    signal = lattice.deepcopy()
    before = remember(signal)
    done = False
    with ours():
        motifs = signal.find_motifs(**arguments)
        done = True
        assert len(motifs.labels) == len(motifs.positions) >= 12
    assert done or unchanged(before, signal)


@settings(max_examples=40)
@given(images(sides=st.integers(10, 44)), ARGUMENTS)
def test_any_image_with_any_arguments(ours, signal, arguments):
    before = remember(signal)
    done = False
    with ours():
        signal.find_motifs(**arguments)
        done = True
    assert done or unchanged(before, signal)


def test_an_image_in_which_no_column_withstands_the_fit_says_so(lattice, monkeypatch):
    from hyperspy_motifs.pipeline import _motif_finding as finding

    found = finding.find_atoms

    def none_left(*arguments, **options):
        table = found(*arguments, **options)
        return replace(
            table,
            **{
                f.name: getattr(table, f.name)[:0]
                for f in fields(table)
                if f.name in ("pixel_positions", "frames")
            },
        )

    monkeypatch.setattr(finding, "find_atoms", none_left)
    signal = lattice.deepcopy()
    with pytest.raises(ValueError, match="No atoms remain after refinement"):
        signal.find_motifs()
    assert not signal.metadata.has_item(store.NODE)
