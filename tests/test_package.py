"""The installed package: registration in HyperSpy, and cost of its import."""

import ast
import functools
import importlib.metadata
import importlib.resources
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import hyperspy.api as hs
import numpy as np
import pytest
import yaml

import hyperspy_motifs

PACKAGE = Path(hyperspy_motifs.__file__).parent
SIGNALS = {
    "atomic_image": ("AtomicImage", 2),
    "atom_patches": ("AtomPatches", 2),
    "zernike_features": ("ZernikeFeatures", 1),
}


@pytest.mark.parametrize("signal_type", SIGNALS)
@pytest.mark.parametrize("lazy", [False, True])
def test_hyperspy_knows_the_signals(signal_type, lazy):
    name, dimension = SIGNALS[signal_type]
    signal = (hs.signals.Signal1D if dimension == 1 else hs.signals.Signal2D)(np.ones((3, 17, 23)))
    if lazy:
        signal = signal.as_lazy()
    signal.set_signal_type(signal_type)
    assert type(signal).__name__ == ("Lazy" if lazy else "") + name
    assert type(signal).__module__.startswith("hyperspy_motifs.signals")


@pytest.mark.parametrize("alias", ["AtomicImage", "atomic_resolution_image"])
@pytest.mark.parametrize("lazy", [False, True])
def test_aliases_lead_to_the_same_class(alias, lazy):
    signal = hs.signals.Signal2D(np.ones((17, 23)))
    if lazy:
        signal = signal.as_lazy()
    signal.set_signal_type(alias)
    assert signal.metadata.Signal.signal_type == "atomic_image"
    assert type(signal).__name__.endswith("AtomicImage")


def test_every_signal_has_its_lazy_twin_with_the_same_aliases():
    text = (importlib.resources.files("hyperspy_motifs") / "hyperspy_extension.yaml").read_text()
    entries = yaml.safe_load(text)["signals"]
    for name, entry in entries.items():
        if not entry["lazy"]:
            twin = dict(entries[f"Lazy{name}"], lazy=False)
            assert twin == entry


def test_version_is_that_of_the_distribution():
    assert importlib.metadata.version("hyperspy_motifs") == hyperspy_motifs.__version__


def test_import_brings_in_nothing_heavy():
    code = (
        "import sys, hyperspy_motifs; "
        "heavy = {'numba', 'sklearn', 'atomap', 'matplotlib', 'hyperspy', 'networkx', 'scipy', 'dask'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_hyperspy_api_does_not_import_the_extension():
    code = "import sys, hyperspy.api; print('hyperspy_motifs' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


def test_every_name_in_the_table_of_contents_can_be_had():
    for module_name in hyperspy_motifs.__all__:
        module = getattr(hyperspy_motifs, module_name)
        for name in getattr(module, "__all__", []):
            assert getattr(module, name) is not None, f"{module_name}.{name}"


@functools.cache
def parsed() -> dict[Path, ast.Module]:
    """The modules of the package, without those of the tests of an installed one."""
    paths = [p for p in sorted(PACKAGE.rglob("*.py")) if p.relative_to(PACKAGE).parts[0] != "tests"]
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}


@functools.cache
def imports() -> dict[Path, list[tuple[ast.ImportFrom, bool]]]:
    """The imports from other modules of each module, and whether they are for types alone."""
    found = {}
    for path, tree in parsed().items():
        nodes = list(ast.walk(tree))
        blocks = [n for n in nodes if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
        for_types = {node for block in blocks for node in ast.walk(block)}
        found[path] = [(node, node in for_types) for node in nodes if isinstance(node, ast.ImportFrom)]
    return found


def test_no_package_imports_the_inside_of_another():
    """What a package offers stands in its `__init__`; modules that begin with _ are its own."""
    found = []
    for path, nodes in imports().items():
        own = ".".join(path.relative_to(PACKAGE.parent).parts[:2])
        for node, _ in nodes:
            if node.level == 0 and (node.module or "").startswith("hyperspy_motifs."):
                inside = any(
                    part.startswith("_")
                    for part in [*node.module.split("."), *(alias.name for alias in node.names)]
                )
                if inside and not f"{node.module}.".startswith(f"{own}."):
                    found.append(f"{path.relative_to(PACKAGE)}:{node.lineno}: {ast.unparse(node)}")
    assert not found


def test_imports_between_packages_go_one_way():
    """Types alone (``if TYPE_CHECKING``) may point back: nothing runs there."""
    between: dict[str, set[str]] = {}
    for path, nodes in imports().items():
        own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for node, for_types in nodes:
            names = (node.module or "").split(".")
            if node.level == 0 and not for_types and names[0] == PACKAGE.name:
                others = names[1:2] or [alias.name for alias in node.names]
                between.setdefault(own, set()).update({*others} - {own, "__version__"})
    assert not in_cycles(between)


def test_imports_between_the_files_of_a_package_go_one_way():
    """Imports inside of functions count as well."""
    within: dict[str, set[str]] = {}
    for path, nodes in imports().items():
        for node, for_types in nodes:
            if node.level != 1 or for_types or path.name == "__init__.py":
                continue
            for name in [node.module] if node.module else [alias.name for alias in node.names]:
                other = path.with_name(f"{name}.py")
                if other.is_file():
                    within.setdefault(str(path), set()).add(str(other))
    assert len(within) > 100
    assert not in_cycles(within)


def in_cycles(imported: dict[str, set[str]]) -> set[str]:
    """Modules of a cycle, and those that import them: what is left if modules whose imports are known are taken away."""
    left = {name: set(others) for name, others in imported.items()}
    while bottom := {name for name, others in left.items() if not others & left.keys()}:
        left = {name: others for name, others in left.items() if name not in bottom}
    return set(left)


def test_no_name_of_a_module_is_defined_twice():
    found = []
    for path, tree in parsed().items():
        names = []
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                overloads = any(ast.unparse(one).endswith("overload") for one in node.decorator_list)
                names += [] if overloads else [node.name]
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                tuples = [t.elts if isinstance(t, ast.Tuple) else [t] for t in targets]
                names += [name.id for parts in tuples for name in parts if isinstance(name, ast.Name)]
        found += [f"{path.relative_to(PACKAGE)}: {name}" for name in set(names) if names.count(name) > 1]
    assert not found


def test_the_recipe_asks_for_what_the_package_needs():
    root = Path(__file__).resolve().parent.parent
    if not (root / "conda" / "meta.yaml").is_file():
        pytest.skip("the recipe is not beside these tests")
    declared = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {re.sub(r"\[.*\]", "", one) for one in declared["dependencies"]}
    # Packages of conda-forge without what the package does not use.
    conda_names = {"dask": "dask-core", "hyperspy": "hyperspy-base", "matplotlib": "matplotlib-base"}
    expected = {re.sub(r"^[\w-]+", lambda name: conda_names.get(name[0], name[0]), one) for one in needed}
    recipe = (root / "conda" / "meta.yaml").read_text(encoding="utf-8")
    run = re.search(r"\n  run:\n((?:    - .*\n)+)", recipe)[1]
    listed = {line.removeprefix("    - ").replace(" ", "") for line in run.splitlines()}
    python = f"python{declared['requires-python']}"
    assert listed == expected | {python, "h5py"}  # h5py: the extra of rosettasciio for HDF5
