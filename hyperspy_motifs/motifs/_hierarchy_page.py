"""The hierarchy as one page: classes by level, with highlighted components."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from hyperspy_motifs.graph import written_whole

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.4 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; color: #1b1b1b; background: #fff;
  margin: 0; padding: 1.2rem 21rem 1.2rem 1.2rem; }
h1 { font-size: 1.4rem; margin: 0 0 .2rem; }
.about { color: #505050; margin: 0 0 1rem; }
section { border-top: 1px solid #c8c8c8; padding: .6rem 0 .8rem; display: grid; grid-template-columns: 9rem 1fr; }
h2 { font-size: 1rem; margin: .2rem 0; }
h2 small { display: block; font-weight: 400; color: #505050; }
.classes { display: flex; flex-wrap: wrap; gap: .5rem; }
button { font: inherit; text-align: left; background: #fff; border: 1px solid #c8c8c8; border-radius: 4px;
  padding: .25rem; width: 5.8rem; align-self: start; cursor: pointer; color: inherit; position: relative; }
button .picture { display: block; width: 100%; aspect-ratio: 1; border-bottom: 4px solid var(--colour);
  background: #eee; image-rendering: auto; }
button .name { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden;
  font-weight: 600; font-size: .75rem; line-height: 1.25; overflow-wrap: anywhere; }
button .size { font-size: .75rem; color: #505050; }
button .count { position: absolute; top: .4rem; right: .4rem; background: #1b1b1b; color: #fff; border-radius: 3px;
  padding: 0 .35rem; font-size: .8rem; display: none; }
body.lit button { opacity: .25; }
body.lit button.self, body.lit button.part, body.lit button.whole { opacity: 1; }
button.self { outline: 3px solid #1b1b1b; }
button.part { outline: 3px solid #0072b2; }
button.whole { outline: 3px solid #d55e00; }
button.part .count, button.whole .count { display: block; }
button:focus-visible { outline: 3px dashed #1b1b1b; }
#told { position: fixed; right: 0; top: 0; bottom: 0; width: 17rem; overflow: auto; background: #fff;
  border-left: 2px solid #1b1b1b; padding: 1.2rem; }
#told h3 { margin: 0; font-size: 1rem; overflow-wrap: anywhere; }
#told p { margin: .4rem 0; font-size: .88rem; overflow-wrap: anywhere; }
"""

# It writes text, never markup, so that names of motifs cannot execute code.
_SCRIPT = """
'use strict';
const types = JSON.parse(document.getElementById('types').textContent);
const buttons = new Map([...document.querySelectorAll('button')].map(b => [b.dataset.id, b]));
const details = document.getElementById('details');
let held = null;
function number(value) { return String(Number(Number(value).toPrecision(3))); }
function mark(entries, name) {
  for (const [id, count] of entries) {
    const button = buttons.get(id);
    if (!button) continue;
    button.classList.add(name);
    button.querySelector('.count').textContent = number(count) + '\\u00d7';
  }
}
function light(id) {
  document.body.classList.toggle('lit', id !== null);
  for (const button of buttons.values()) button.classList.remove('self', 'part', 'whole');
  details.replaceChildren();
  if (id === null) return;
  const type = types[id];
  buttons.get(id).classList.add('self');
  mark(type.parts, 'part');
  mark(type.wholes, 'whole');
  const head = document.createElement('h3');
  head.textContent = type.name + ' \\u2013 ' + type.size + ' of ' + id;
  details.append(head);
  for (const line of type.lines) {
    const p = document.createElement('p');
    p.textContent = line;
    details.append(p);
  }
}
for (const [id, button] of buttons) {
  button.addEventListener('mouseenter', () => { if (held === null) light(id); });
  button.addEventListener('mouseleave', () => { if (held === null) light(null); });
  button.addEventListener('focus', () => { if (held === null) light(id); });
  button.addEventListener('click', event => {
    held = held === id ? null : id;
    light(held);
    event.stopPropagation();
  });
}
document.body.addEventListener('click', () => { held = null; light(null); });
document.addEventListener('keydown', event => { if (event.key === 'Escape') { held = null; light(null); } });
"""


def write_hierarchy(
    graph: Any, pictures: Mapping[str, np.ndarray], path: str | PathLike[str], title: str
) -> Path:
    """Write the types of `graph` as a page that runs only its own script and loads nothing.

    Parameters
    ----------
    graph : MotifGraph
    pictures : mapping of str to numpy.ndarray of shape (k, k)
        Images of the types.
    path : str or path
    title : str
    """
    target = Path(path)
    if target.is_dir():
        raise ValueError(f"{target} is a folder; give the name of the file to write.")
    from hyperspy_motifs.graph import class_kind

    types = graph.types
    sections = []
    for level, kind in sorted(graph.levels.items(), reverse=True):
        nodes = sorted(types.find(kind=class_kind(kind)), key=lambda n: -types.nodes[n]["size"])
        if nodes:
            reason = graph.graph.get(f"reason:{kind}", "")
            sections.append(_section(types, kind, level, nodes, pictures, str(reason)))
    told = {node: _details_of(types, node) for node in types}
    # "<" as an escape, so that no name can end the element of the data.
    data = json.dumps(told).replace("<", "\\u003c")
    run = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{run}'"
    about = (
        "Move the pointer over a class: its parts are framed in blue, the classes that contain it in orange, with their "
        "numbers. A click keeps the selection, Escape clears it."
    )
    end = graph.graph.get("reason", "")
    text = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n"
        f'<h1>{html.escape(title)}</h1><p class="about">{about}</p>\n'
        f'{"".join(sections)}<p>{html.escape(str(end))}</p>\n<div id="details" aria-live="polite"></div>\n'
        f'<script type="application/json" id="types">{data}</script>\n<script>{_SCRIPT}</script>\n</body></html>\n'
    )
    with written_whole(target) as file:
        file.write(text.encode("utf-8", "replace").decode("utf-8"))
    return target


def _section(
    types: Any, kind: str, level: int, nodes: list[str], pictures: Mapping[str, np.ndarray], reason: str
) -> str:
    name = "motifs" if kind == "atom" else {"boundary": "boundaries"}.get(kind, f"{kind.replace('-', ' ')}s")
    cards = "".join(_card(types, node, pictures.get(node)) for node in nodes)
    heading = f"<h2>{html.escape(name)}<small>level {level}, {len(nodes)} classes</small></h2>"
    return f'<section title="{html.escape(reason)}">{heading}<div class="classes">{cards}</div></section>\n'


def _card(types: Any, node: str, picture: np.ndarray | None) -> str:
    from matplotlib.colors import to_hex

    from hyperspy_motifs.draw import short_name, type_style

    attributes = types.nodes[node]
    name = html.escape(short_name(attributes.get("name", node), 200))
    colour = to_hex(type_style(node, attributes)[0])
    shown = '<span class="picture"></span>'
    if picture is not None:
        shown = f'<img class="picture" alt="mean image of {html.escape(node)}" src="{_png(picture)}">'
    return (
        f'<button type="button" data-id="{html.escape(node)}" style="--colour:{colour}">{shown}'
        f'<span class="name">{name}</span><span class="size">{attributes.get("size", 0):,}</span>'
        '<span class="count"></span></button>'
    )


def _png(picture: np.ndarray) -> str:
    import matplotlib.image

    low, high = np.nanpercentile(picture, [1, 99.5])
    buffer = io.BytesIO()
    matplotlib.image.imsave(buffer, picture, cmap="gray", vmin=low, vmax=max(high, low + 1e-12), format="png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _details_of(types: Any, node: str) -> dict[str, Any]:
    """Details of a class for the page."""
    attributes = types.nodes[node]
    parts = [(v, d["count"]) for v, d in types.succ[node].items() if d["kind"] == "composed_of"]
    wholes = [(u, d["count"]) for u, d in types.pred[node].items() if d["kind"] == "composed_of"]
    lines = []
    for label, entries in (("made of", parts), ("part of", wholes)):
        if entries:
            listed = ", ".join(f"{count:.3g} × {_name(types, n)}" for n, count in entries)
            lines.append(f"{label}: {listed}")
    if "area" in attributes:
        lines.append(f"area: {attributes['area']:.4g} {types.graph.get('units', 'px')}²")
    rules = []
    for v, d in types.succ[node].items():
        if d["kind"] == "neighbours" and d["q"] <= 0.05:
            rules.append((-abs(d["z"]), v, d))
    for u, d in types.pred[node].items():
        if d["kind"] == "neighbours" and d["q"] <= 0.05 and u != node:
            rules.append((-abs(d["z"]), u, d))
    for _, other, d in sorted(rules, key=lambda rule: rule[:2])[:6]:
        how = "enriched" if d["z"] > 0 else "depleted"
        lines.append(
            f"next to {_name(types, other)}: {d['observed']} times, {d['expected']:.1f} expected by chance, "
            f"{how} (z = {d['z']:+.1f})"
        )
    name = str(attributes.get("name", node))
    return {"name": name, "size": attributes.get("size", 0), "parts": parts, "wholes": wholes, "lines": lines}


def _name(types: Any, node: str) -> str:
    from hyperspy_motifs.draw import short_name

    return f"{short_name(types.nodes[node].get('name', node), 200)} ({node})"
