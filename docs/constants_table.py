"""The directive ``constants``: a table of the numbers in the code, read from the code when the documentation is built.

``.. constants:: stage._constants`` shows those of one module.

A constant is one number or several, with a name in capitals at the top of a module, or a field of a class ``...Constants``.
"""

from __future__ import annotations

import ast
import re
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

PACKAGE = Path(__file__).resolve().parent.parent / "hyperspy_motifs"


class Constant(NamedTuple):
    module: str
    name: str
    value: str
    comment: str


def comment_of(lines: list[str], number: int) -> str:
    """The comment behind a line (from 1), or that above it, which constants in consecutive lines share."""
    if "  # " in lines[number - 1]:
        return lines[number - 1].partition("  # ")[2]
    row, text = number - 2, []
    while row >= 0 and re.match(r"\s*_?[A-Za-z][\w, ]*(: [^=]+)?= ", lines[row]):
        row -= 1
    while row >= 0 and lines[row].lstrip().startswith("#"):
        text.insert(0, lines[row].lstrip(" #:"))
        row -= 1
    return " ".join(text)


def constants_of(path: Path) -> list[Constant]:
    """The constants of a module, in its order."""
    source = path.read_text(encoding="utf-8")
    lines, top = source.splitlines(), ast.parse(source).body
    held = [node for node in top if isinstance(node, ast.ClassDef) and node.name.endswith("Constants")]
    fields = [field for node in held for field in node.body]
    module, found = ".".join(path.relative_to(PACKAGE).with_suffix("").parts), []
    for node in [*top, *fields]:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or not node.value:
            continue
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        several = isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
        pairs = zip(target.elts, node.value.elts, strict=True) if several else [(target, node.value)]
        for name, value in pairs:
            if not isinstance(name, ast.Name) or not (name.id.isupper() or node in fields):
                continue
            parts = list(ast.walk(value))
            numbers = [part.value for part in parts if isinstance(part, ast.Constant)]
            plain = not any(isinstance(part, ast.Name | ast.Call | ast.Dict) for part in parts)
            if numbers and plain and all(type(number) in (int, float) for number in numbers):
                found.append(Constant(module, name.id, ast.unparse(value), comment_of(lines, node.lineno)))
    return found


def table(module: str = "") -> str:
    """A table of all constants by package, or of those of one module, in reStructuredText."""
    paths = sorted(PACKAGE.rglob("*.py")) if not module else [PACKAGE / f"{module.replace('.', '/')}.py"]
    found = [one for path in paths for one in constants_of(path)]
    rows = [("name", "value", "what it is, unit, source")]
    for stage, those in groupby(found, key=lambda one: one.module.partition(".")[0]):
        constants = list(those)
        rows += [] if module else [(f"**{stage}**", str(len(constants)), "")]
        rows += [(f"``{one.name}``", one.value, one.comment.replace("|", r"\|")) for one in constants]
    text = [".. list-table::\n   :header-rows: 1\n   :widths: 26 14 60\n"]
    return "\n".join(
        text + [f"   * - {name}\n     - {value}\n     - {comment}" for name, value, comment in rows]
    )


def setup(app: Any) -> dict[str, bool]:
    from docutils import nodes
    from sphinx.util.docutils import SphinxDirective

    class ConstantsTable(SphinxDirective):
        optional_arguments = 1

        def run(self) -> list[nodes.Node]:
            return self.parse_text_to_nodes(table(*self.arguments))

    app.add_directive("constants", ConstantsTable)
    return {"parallel_read_safe": True}
