"""The panel of ``find_motifs`` in ipywidgets."""

from __future__ import annotations

import html
import io
from typing import Any

import ipywidgets as ipw
from matplotlib.figure import Figure

from ._panel import MotifPanel, try_preview

_STYLE = {"description_width": "10em"}
_WIDE = {"width": "28em"}


def make_widgets(panel: MotifPanel) -> dict[str, Any]:
    """Widgets that show and set the traits of `panel`.

    Returns
    -------
    dict
        ``widget``: the whole; ``wdict``: each by name, as tests and notebooks use them.
    """
    spacing, units = panel.spacing, panel.units
    in_axes = panel.radius_units == "axes"
    step, unit_of_radius = (spacing, units) if in_axes else (1.0, "neighbour distances")
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
    _bind(panel, "polarity", polarity)
    _bind(panel, "rotation_invariant", rotation)
    live = ipw.Checkbox(value=True, description="update the preview at every change", indent=False)
    another = ipw.Button(description="another part", disabled=panel.n_parts < 2)
    find = ipw.Button(description="find motifs", button_style="primary", tooltip="in the whole image")
    picture = ipw.Image(format="png", width=640)
    status = ipw.HTML()

    def refresh(change: Any = None) -> None:
        if live.value:
            status.value = "looking …"
            motifs, text = try_preview(panel)
            status.value = html.escape(text)
            if motifs is not None:
                picture.value = _picture(motifs)

    def next_part(button: Any) -> None:
        panel.part = (panel.part + 1) % panel.n_parts

    def find_all(button: Any) -> None:
        find.disabled = True
        status.value = "finding motifs in the whole image …"
        try:
            status.value = f"<pre>{html.escape(panel.find().summary())}</pre>"
        except (ValueError, TypeError) as error:
            status.value = html.escape(str(error))
        finally:
            find.disabled = False

    panel.observe(refresh, [*panel.PARAMETERS, "part"])
    live.observe(refresh, "value")
    another.on_click(next_part)
    find.on_click(find_all)
    boxes = [box for box, _, _ in controls.values()]
    left = ipw.VBox([*boxes, polarity, rotation, live, ipw.HBox([another, find])])
    whole = ipw.VBox([ipw.HBox([left, picture]), status])
    refresh()
    wdict = {"polarity": polarity, "rotation_invariant": rotation, "live": live, "another_part": another}
    for name, (_, automatic, value) in controls.items():
        wdict |= {name: value, f"{name}_auto": automatic}
    wdict |= {"find": find, "picture": picture, "status": status}
    return {"widget": whole, "wdict": wdict}


def _slider(
    panel: MotifPanel, name: str, text: str, start: float, low: float, high: float, unit: float
) -> Any:
    """Slider of a length from `low` to `high` times `unit`."""
    now = getattr(panel, name)
    value = start if now is None else now
    bounds = min(low * unit, value), max(high * unit, value)
    slider = ipw.FloatSlider(
        value=value, min=bounds[0], max=bounds[1], step=0.01 * unit, readout_format=".3g",
        description=text, continuous_update=False, style=_STYLE, layout=_WIDE,
    )  # fmt: skip
    return _optional(panel, name, slider)


def _counter(panel: MotifPanel, name: str, text: str, start: int, low: int, high: int) -> Any:
    now = getattr(panel, name)
    value = start if now is None else now
    slider = ipw.IntSlider(
        value=value, min=min(low, value), max=max(high, value), description=text, continuous_update=False,
        style=_STYLE, layout=_WIDE,
    )  # fmt: skip
    return _optional(panel, name, slider)


def _optional(panel: MotifPanel, name: str, slider: Any) -> tuple[Any, Any, Any]:
    """A slider with a checkbox for the estimated value; both follow and set the trait."""
    automatic = ipw.Checkbox(
        value=getattr(panel, name) is None, description="auto", indent=False, layout={"width": "5em"}
    )
    slider.disabled = automatic.value

    def set_trait(change: Any) -> None:
        slider.disabled = automatic.value
        setattr(panel, name, None if automatic.value else slider.value)

    def follow(event: Any) -> None:
        automatic.value = event.new is None
        if event.new is not None:
            # A slider would clip values outside its range, and so change the parameter.
            slider.min, slider.max = min(slider.min, event.new), max(slider.max, event.new)
            slider.value = event.new

    automatic.observe(set_trait, "value")
    slider.observe(set_trait, "value")
    panel.observe(follow, name)
    return ipw.HBox([slider, automatic]), automatic, slider


def _bind(panel: MotifPanel, name: str, widget: Any) -> None:
    def set_trait(change: Any) -> None:
        setattr(panel, name, change["new"])

    def follow(event: Any) -> None:
        widget.value = event.new

    widget.observe(set_trait, "value")
    panel.observe(follow, name)


def _picture(motifs: Any) -> bytes:
    """PNG of a part with its atoms, and the means of its motifs below."""
    figure = Figure(figsize=(6.4, 6.6), dpi=100, layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=(3.2, 1.3))
    above, below = parts
    motifs.plot(ax=above.subplots())
    motifs.plot_means(figure=below, n_columns=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
