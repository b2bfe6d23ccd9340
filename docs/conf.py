"""Configuration of the documentation: Sphinx, pydata theme, numpydoc, sphinx-gallery, and the figures of the guides."""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import re
import sys
import warnings
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")
here = Path(__file__).parent

import hyperspy_motifs  # noqa: E402

project = "hyperspy_motifs"
author = "The hyperspy_motifs developers"
project_copyright = author
release = hyperspy_motifs.__version__
version = ".".join(release.split(".")[:2])

sys.path.insert(0, str(here))
extensions = [
    "constants_table",
    "matplotlib.sphinxext.plot_directive",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.doctest",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_templates", "figures"]
templates_path = ["_templates"]
# Functions in the configuration (the context of the templates) cannot be pickled, which has no effect.
suppress_warnings = ["config.cache"]

# -- links to other projects; `make docs SPHINXOPTS="-t offline"` builds without a network

intersphinx_mapping = {
    "python": ("https://docs.python.org/3", None),
    "numpy": ("https://numpy.org/doc/stable", None),
    "scipy": ("https://docs.scipy.org/doc/scipy", None),
    "matplotlib": ("https://matplotlib.org/stable", None),
    "networkx": ("https://networkx.org/documentation/stable", None),
    "sklearn": ("https://scikit-learn.org/stable", None),
    "hyperspy": ("https://hyperspy.org/hyperspy-doc/current", None),
    "rosettasciio": ("https://hyperspy.org/rosettasciio", None),
}
intersphinx_timeout = 20
if tags.has("offline"):  # noqa: F821 (Sphinx puts `tags` here)
    intersphinx_mapping = {}

# -- the reference: one page per module, class and function, generated from the .pyi stubs


def public_names(module: str) -> dict[str, list[str]]:
    """Public names of a module by kind, in the order of its stub."""
    found = importlib.import_module(module)
    kinds: dict[str, list[str]] = {"classes": [], "functions": [], "constants": []}
    for name in found.__all__:
        thing = getattr(found, name)
        if inspect.ismodule(thing):
            continue
        kind = "classes" if inspect.isclass(thing) else "functions" if callable(thing) else "constants"
        kinds[kind].append(name)
    return kinds


def own_members(fullname: str) -> dict[str, list[str]]:
    """Public methods and properties of a class from this package, without those of HyperSpy, networkx or sklearn."""
    module, _, name = fullname.rpartition(".")
    cls = getattr(importlib.import_module(module), name)
    members: dict[str, list[str]] = {"methods": [], "properties": []}
    for key in sorted(
        {k for base in cls.__mro__ for k in vars(base) if not k.startswith("_") or k == "__call__"}
    ):
        owner = next(base for base in cls.__mro__ if key in vars(base))
        if not owner.__module__.startswith("hyperspy_motifs"):
            continue
        thing = inspect.getattr_static(cls, key)
        if isinstance(thing, property | functools.cached_property):
            members["properties"].append(key)
        elif inspect.isroutine(thing) or isinstance(thing, classmethod | staticmethod):
            members["methods"].append(key)
    return members


def tidy_docstring(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Convert docstrings for ``help()`` to valid reStructuredText."""
    if what == "module":
        # The table of contents after the first paragraph is replaced by that of the page.
        del lines[next((i for i, line in enumerate(lines) if not line.strip()), len(lines)) :]
    inside = -1  # indentation of the current formula or literal block
    example = False  # an example and its output, up to an empty line
    for i, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        example = bool(line.strip()) and (example or line.lstrip().startswith(">>>"))
        if line.strip() and indent <= inside:
            inside = -1
        if inside < 0 and (line.lstrip().startswith(".. math::") or line.rstrip().endswith("::")):
            inside = indent
        elif inside < 0 and not example:
            # |A| is a magnitude and not a substitution.
            lines[i] = re.sub(r"(`[^`]*`)|(?<!\\)\|", lambda found: found[1] or r"\|", line)


def drop_inherited_docstring(
    app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]
) -> None:
    """Remove the docstring of ``tuple`` or ``float`` from constants without a docstring."""
    inherited = (type(thing).__doc__ or "").strip().splitlines()
    if what == "data" and lines and inherited and lines[0].strip() == inherited[0].strip():
        lines.clear()


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", drop_inherited_docstring, priority=100)
    app.connect("autodoc-process-docstring", tidy_docstring, priority=900)


autosummary_generate = True
autosummary_generate_overwrite = True
autosummary_context = {"public_names": public_names, "own_members": own_members}
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = True
autoclass_content = "class"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

# -- figures of the guides, which are drawn from simulated images when the documentation is built

plot_basedir = str(here / "figures")
plot_html_show_source_link = True
plot_html_show_formats = False
plot_include_source = False
plot_formats = [("png", 110)]
plot_rcparams = {"figure.constrained_layout.use": False, "savefig.bbox": "tight"}
plot_apply_rcparams = True

# -- the gallery

sphinx_gallery_conf = {
    "examples_dirs": str(here.parent / "examples"),
    "gallery_dirs": "examples",
    "filename_pattern": os.sep,
    "within_subsection_order": "FileNameSortKey",
    "reference_url": {"hyperspy_motifs": None},
    "backreferences_dir": "reference/backreferences",
    "doc_module": ("hyperspy_motifs",),
    "remove_config_comments": True,
    "download_all_examples": False,
    "matplotlib_animations": True,
    "min_reported_time": 1,
    "show_memory": False,
}

# -- pages

html_theme = "pydata_sphinx_theme"
html_title = "hyperspy_motifs"
html_show_sourcelink = False
html_static_path: list[str] = []
html_theme_options: dict[str, Any] = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
}
# Examples in docstrings show the call and not the imports.
MODULES = (
    "atoms",
    "patches",
    "zernike",
    "relaxation",
    "sites",
    "manifold",
    "clustering",
    "models",
    "cells",
    "hierarchy",
    "graph",
    "movies",
    "stacks",
    "draw",
    "data",
)
doctest_global_setup = "import numpy as np\nimport hyperspy_motifs as hm\n" + "".join(
    f"from hyperspy_motifs.{module} import *\n" for module in MODULES
)

# Warnings of libraries that do not concern these pages.
warnings.filterwarnings("ignore", message=".*scipy.odr.*", category=DeprecationWarning)
warnings.filterwarnings("ignore", message=".*FigureCanvasAgg is non-interactive.*")
warnings.filterwarnings("ignore", message="Importing `Lazy.*")
