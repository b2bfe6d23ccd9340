"""Every public name has a docstring with parameters and return values, and is in the reference."""

import functools
import importlib
import importlib.util
import inspect
import re
from dataclasses import asdict
from pathlib import Path

import pytest

import hyperspy_motifs
from hyperspy_motifs import cells, clustering, motifs, pipeline, signals, store
from hyperspy_motifs.cli._arguments import make_parser

MODULES = [name for name in hyperspy_motifs.__all__ if inspect.ismodule(getattr(hyperspy_motifs, name))]
GUIDE = Path(__file__).resolve().parent.parent / "docs" / "guide"
REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "index.rst"
PROPERTIES = (property, functools.cached_property)


def public(module):
    """Name and thing of everything public in a module: functions, classes, and their own members."""
    namespace = importlib.import_module(f"hyperspy_motifs.{module}")
    for name in namespace.__all__:
        thing = getattr(namespace, name)
        if inspect.ismodule(thing) or not callable(thing):
            continue
        yield name, thing
        if inspect.isclass(thing):
            for key in sorted({key for base in thing.__mro__ for key in vars(base) if key[0] != "_"}):
                owner = next(base for base in thing.__mro__ if key in vars(base))
                if owner.__module__.startswith("hyperspy_motifs"):
                    member = inspect.getattr_static(thing, key)
                    yield f"{name}.{key}", getattr(member, "__func__", member)


def documented(thing):
    """Docstring, with the ones that a method inherits from its base class."""
    return inspect.getdoc(getattr(thing, "func", thing)) or ""


def parameters(thing):
    signature = inspect.signature(getattr(thing, "py_func", thing))
    return [name for name in signature.parameters if name not in ("self", "cls", "kwargs", "y")]


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_has_a_docstring(module):
    silent = [
        name
        for name, thing in public(module)
        if (isinstance(thing, PROPERTIES) or callable(thing)) and not documented(thing).strip()
    ]
    assert not silent


@pytest.mark.parametrize("module", MODULES)
def test_every_function_names_its_parameters_and_what_it_returns(module):
    wrong = []
    for name, thing in public(module):
        if inspect.isclass(thing) or isinstance(thing, PROPERTIES) or not callable(thing):
            continue
        text, names = documented(thing), parameters(thing)
        unnamed = [parameter for parameter in names if parameter not in text]
        # One line may describe a single parameter; several parameters are listed.
        if "." not in name and len(names) > 1 and "Parameters\n---" not in text:
            wrong.append(f"{name}: no list of its parameters")
        elif "Parameters\n---" in text and unnamed:
            wrong.append(f"{name}: {', '.join(unnamed)} not listed")
        gives = inspect.signature(getattr(thing, "py_func", thing)).return_annotation
        silent = gives in (None, "None", inspect.Signature.empty)
        if (
            "Parameters\n---" in text
            and not silent
            and not any(f"{s}\n---" in text for s in ("Returns", "Yields"))
        ):
            wrong.append(f"{name}: does not say what it returns")
    assert not wrong, "\n".join(wrong)


def test_every_module_is_in_the_reference():
    if not REFERENCE.is_file():
        pytest.skip("the documentation is not in an installed package")
    listed = [line.strip() for line in REFERENCE.read_text(encoding="utf-8").splitlines()]
    # The page of a module lists all of its public names, from the stub.
    assert [f"hyperspy_motifs.{m}" for m in MODULES if f"hyperspy_motifs.{m}" not in listed] == []


def test_min_motif_size_is_one_number_everywhere():
    """In the signatures, the command and the guide: it is not chosen from the number of atoms."""
    for function in (signals.AtomicImage.find_motifs, motifs.MotifEdits.split, clustering.NestedRadii):
        assert inspect.signature(function).parameters["min_motif_size"].default == clustering.MIN_MOTIF_SIZE
        assert "Fewest atoms of" in documented(function)
        assert f"{clustering.MIN_MOTIF_SIZE} or more" in documented(function)
    assert make_parser().parse_args(["image.dm4"]).min_motif_size == clustering.MIN_MOTIF_SIZE
    assert clustering.check_min_motif_size(None) == clustering.MIN_MOTIF_SIZE


def test_options_of_find_motifs_have_one_default_everywhere():
    defaults = asdict(pipeline.FindOptions())
    arguments = vars(make_parser().parse_args(["image.dm4"]))
    for function in (signals.AtomicImage.find_motifs, hyperspy_motifs.find_motifs):
        signature = inspect.signature(function).parameters
        shared = set(defaults) & set(signature)
        assert {"min_motif_size", "alpha", "radius", "complete"} <= shared
        assert {name: signature[name].default for name in shared} == {name: defaults[name] for name in shared}
    shared = set(defaults) & set(arguments)
    assert {"min_motif_size", "alpha", "radius"} <= shared
    assert {name: arguments[name] for name in shared} == {name: defaults[name] for name in shared}


@pytest.mark.parametrize("value", [4, 0, -5, 5.5, True, "5", [5], float("nan"), float("inf")])
def test_a_min_motif_size_that_is_none_is_refused(value):
    with pytest.raises(ValueError, match=r"min_motif_size is .*; a whole number of 5 or more"):
        clustering.check_min_motif_size(value)


def test_every_key_of_the_metadata_is_in_the_guide():
    if not GUIDE.is_dir():
        pytest.skip("the documentation is not in an installed package")
    text = " ".join((GUIDE / "metadata_schema.rst").read_text(encoding="utf-8").split())
    assert f"``schema_version`` ({store.SCHEMA_VERSION})" in text
    source = inspect.getsource(store.write)
    keys = (
        set(re.findall(r'^        "(\w+)":', source, re.M))
        | set(re.findall(r'node\["(\w+)"\]', source))
        | {"picked"}
    )
    assert {"positions", "features", "model"} <= keys
    assert [key for key in sorted(keys) if f"``{key}" not in text] == []


def test_the_table_of_the_cells_lists_what_there_is():
    """One name a line, but for the bond rules, and each of them exists."""
    table = inspect.getdoc(cells).splitlines()[2:]
    names = [re.findall(r":(?:func|class):`(\w+)`", line) for line in table]
    assert all(hasattr(cells, name) for line in names for name in line)
    first = [line[0] for row, line in zip(table, names, strict=True) if row.startswith(":")]
    assert first == [
        "find_cells",
        "vertex_figures",
        "ring_statistics",
        "bond_orientational_order",
        "BondRule",
        "find_faces",
        "canonical_sequences",
    ]
    rules = {name for name in cells.__all__ if name.endswith("Bonds") and name != "Bonds"}
    assert rules <= {name for line in names for name in line}


def test_every_number_says_what_it_is():
    path = GUIDE.parent / "constants_table.py"
    if not path.exists():
        pytest.skip("the documentation is not in an installed package")
    spec = importlib.util.spec_from_file_location("constants_table", path)
    table = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(table)
    found = [one for file in sorted(table.PACKAGE.rglob("*.py")) for one in table.constants_of(file)]
    assert len(found) > 100
    assert [f"{one.module}.{one.name}" for one in found if not one.comment] == []
