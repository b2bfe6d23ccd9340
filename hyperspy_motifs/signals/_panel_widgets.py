"""The panel of ``find_motifs`` in ipywidgets."""

from __future__ import annotations

import html
import io
from typing import TYPE_CHECKING, Any

import ipywidgets as ipw
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from hyperspy_motifs import store

if TYPE_CHECKING:
    from traitlets.utils.bunch import Bunch

    from hyperspy_motifs.motifs import Motifs

    from ._panel import MotifPanel

_STYLE = {"description_width": "11em"}
# Rows of widgets are flexible: without a fixed basis a slider shrinks to nothing beside a picture.
_WIDE = {"width": "30em", "flex": "0 0 auto"}
# The row of a control, its checkbox for the estimated value, and the control.
_Optional = tuple[ipw.HBox, ipw.Checkbox, ipw.Widget]


def make_widgets(panel: MotifPanel) -> dict[str, ipw.Widget | dict[str, ipw.Widget]]:
    """Widgets that show and set the traits of `panel`.

    Returns
    -------
    dict
        ``widget``: the whole; ``wdict``: each by name, as tests and notebooks use them.
    """
    spacing, units = panel.spacing, panel.units
    in_axes = panel.radius_units == "axes"
    step, unit_of_radius = (spacing, units) if in_axes else (1.0, "distances")
    controls = {
        "separation": _slider(panel, "separation", f"separation ({units})", spacing, 0.4, 2.5, spacing),
        "radius": _slider(panel, "radius", f"radius ({unit_of_radius})", 1.2 * step, 0.3, 3.5, step),
        "n_max": _counter(panel, "n_max", "highest order", 8, 2, 16),
        "n_motifs": _counter(panel, "n_motifs", "number of motifs", 4, 1, 40),
    }
    polarity = ipw.Dropdown(
        options=["auto", "bright", "dark"],
        value=panel.polarity,
        description="columns are",
        style=_STYLE,
        layout=_WIDE,
    )
    rotation = ipw.Checkbox(
        value=panel.rotation_invariant, description="merge rotated sites", indent=False, layout=_WIDE
    )
    alpha = ipw.FloatLogSlider(
        value=panel.alpha, min=-5, max=-1, step=0.1, readout_format=".1e", description="alpha",
        continuous_update=False, style=_STYLE, layout=_WIDE,
        tooltip="probability of a false split of a single motif",
    )  # fmt: skip
    _bind(panel, "alpha", alpha)
    masked, sides, overview = _rectangle(panel)
    estimate = ipw.HTML(_about_separation(panel))
    _bind(panel, "polarity", polarity)
    _bind(panel, "rotation_invariant", rotation)
    live = ipw.Checkbox(value=True, description="update the preview at every change", indent=False)
    another = ipw.Button(description="another part", disabled=panel.n_parts < 2)
    find = ipw.Button(description="find motifs", button_style="primary", tooltip="in the whole image")
    picture = ipw.Image(format="png", width=560)
    status = ipw.HTML()

    def refresh(change: object = None) -> None:
        if live.value:
            status.value = "looking …"
            motifs, text = panel.try_preview()
            status.value = html.escape(text)
            if motifs is not None:
                picture.value = _picture(motifs)

    def next_part(button: object) -> None:
        panel.part = (panel.part + 1) % panel.n_parts

    def find_all(button: object) -> None:
        find.disabled = True
        status.value = "finding motifs in the whole image …"
        try:
            status.value = f"<pre>{html.escape(panel.find().summary())}</pre>"
        except (ValueError, TypeError) as error:
            status.value = html.escape(str(error))
        finally:
            find.disabled = False

    panel.observe(refresh, [*panel.PARAMETERS, "part", "left_out"])
    live.observe(refresh, "value")
    another.on_click(next_part)
    find.on_click(find_all)
    boxes = [box for box, _, _ in controls.values()]
    buttons = ipw.HBox([another, find])
    controls_box = [boxes[0], estimate, *boxes[1:], alpha, polarity, rotation, masked, *sides, overview]
    left = ipw.VBox([*controls_box, live, buttons], layout={"flex": "0 0 auto"})
    # In a narrow column the picture goes below.
    whole = ipw.VBox([ipw.HBox([left, picture], layout={"flex_flow": "row wrap"}), status])
    refresh()
    wdict = {"polarity": polarity, "rotation_invariant": rotation, "live": live, "another_part": another}
    for name, (_, automatic, value) in controls.items():
        wdict |= {name: value, f"{name}_auto": automatic}
    wdict |= {"alpha": alpha, "mask": masked, "mask_x": sides[0], "mask_y": sides[1], "estimate": estimate}
    wdict |= {"find": find, "overview": overview, "picture": picture, "status": status}
    return {"widget": whole, "wdict": wdict}


def _slider(
    panel: MotifPanel, name: str, text: str, start: float, low: float, high: float, unit: float
) -> _Optional:
    """Slider of a length from `low` to `high` times `unit`."""
    now = getattr(panel, name)
    value = start if now is None else now
    bounds = min(low * unit, value), max(high * unit, value)
    slider = ipw.FloatSlider(
        value=value, min=bounds[0], max=bounds[1], step=0.01 * unit, readout_format=".3g",
        description=text, continuous_update=False, style=_STYLE, layout=_WIDE,
    )  # fmt: skip
    return _optional(panel, name, slider)


def _counter(panel: MotifPanel, name: str, text: str, start: int, low: int, high: int) -> _Optional:
    now = getattr(panel, name)
    value = start if now is None else now
    slider = ipw.IntSlider(
        value=value, min=min(low, value), max=max(high, value), description=text, continuous_update=False,
        style=_STYLE, layout=_WIDE,
    )  # fmt: skip
    return _optional(panel, name, slider)


def _optional(panel: MotifPanel, name: str, slider: ipw.Widget) -> _Optional:
    """A slider with a checkbox for the estimated value; both follow and set the trait."""
    automatic = ipw.Checkbox(
        value=getattr(panel, name) is None, description="auto", indent=False, layout={"width": "5em"}
    )
    slider.disabled = automatic.value

    def set_trait(change: Bunch) -> None:
        slider.disabled = automatic.value
        setattr(panel, name, None if automatic.value else slider.value)

    def follow(event: Bunch) -> None:
        automatic.value = event.new is None
        if event.new is not None:
            # A slider would clip values outside its range, and so change the parameter.
            slider.min, slider.max = min(slider.min, event.new), max(slider.max, event.new)
            slider.value = event.new

    automatic.observe(set_trait, "value")
    slider.observe(set_trait, "value")
    panel.observe(follow, name)
    return ipw.HBox([slider, automatic]), automatic, slider


def _about_separation(panel: MotifPanel) -> str:
    """The estimate of the separation and how certain it is."""
    if panel.certainty is None:
        return ""
    text = f"estimated {panel.spacing:.4g} {panel.units}, certainty {panel.certainty:.2f}"
    return html.escape(text) if panel.certainty >= 0.5 else f"<b>{html.escape(text)}: give the separation</b>"


def _rectangle(panel: MotifPanel) -> tuple[ipw.Checkbox, list[ipw.Widget], ipw.Image]:
    """Checkbox and sliders of the rectangle that is left out, and a view of the whole image with it and the preview's part."""
    from hyperspy_motifs.draw import image_extent
    from hyperspy_motifs.pipeline import frame

    image = frame(panel.signal, 0)
    stamp = store.Stamp.of(panel.signal)
    left, right, bottom, top = image_extent(image.shape, stamp.scale, stamp.offset)
    masked = ipw.Checkbox(
        value=panel.left_out is not None, description="leave out a rectangle", indent=False, layout=_WIDE
    )
    sides = []
    for axis, (start, end) in (("x", sorted((left, right))), ("y", sorted((top, bottom)))):
        sides.append(
            ipw.FloatRangeSlider(
                value=(start, start + 0.2 * (end - start)), min=start, max=end, step=(end - start) / 200,
                description=f"{axis} ({panel.units})", readout_format=".3g", continuous_update=False, style=_STYLE,
                layout={**_WIDE, "display": "none"},
            )
        )  # fmt: skip
    overview = ipw.Image(format="png", width=200)

    def set_trait(change: Bunch) -> None:
        (x0, x1), (y0, y1) = (side.value for side in sides)
        panel.left_out = (x0, y0, x1, y1) if masked.value else None

    def draw(event: object = None) -> None:
        for side in sides:
            side.layout.display = None if masked.value else "none"
        overview.value = _overview(image, (left, right, bottom, top), panel)

    for widget in (masked, *sides):
        widget.observe(set_trait, "value")
    panel.observe(draw, ["part", "left_out"])
    draw()
    return masked, sides, overview


def _overview(image: np.ndarray, extent: tuple[float, float, float, float], panel: MotifPanel) -> bytes:
    """PNG of the whole image with the part of the preview, and the rectangle that is left out."""
    figure = Figure(figsize=(2.0, 2.0), dpi=100)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    step = max(1, max(image.shape) // 256)
    ax.imshow(image[::step, ::step], cmap="gray", extent=extent)
    boxes: list[tuple[tuple[float, ...] | None, dict[str, Any]]] = [
        (panel.window, {"fill": False, "edgecolor": "#E69F00", "linewidth": 2}),
        (panel.left_out, {"facecolor": "#D55E00", "alpha": 0.5}),
    ]
    for box, style in boxes:
        if box is not None:
            ax.add_patch(Rectangle((box[0], box[1]), box[2] - box[0], box[3] - box[1], **style))
    return _png(figure)


def _bind(panel: MotifPanel, name: str, widget: ipw.Widget) -> None:
    def set_trait(change: Bunch) -> None:
        setattr(panel, name, change["new"])

    def follow(event: Bunch) -> None:
        widget.value = event.new

    widget.observe(set_trait, "value")
    panel.observe(follow, name)


def _picture(motifs: Motifs) -> bytes:
    """PNG of a part with its atoms, and the means of its motifs below."""
    figure = Figure(figsize=(6.4, 6.6), dpi=100, layout="constrained")
    above, below = np.asarray(figure.subfigures(2, 1, height_ratios=(3.2, 1.3)))
    motifs.plot(ax=above.subplots())
    motifs.plot_means(figure=below, n_columns=8)
    return _png(figure)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
