"""A folder of results, complete or absent."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

# What marks a folder as one of results, and holds its key figures.
SUMMARY = "summary.json"


@contextlib.contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder for writing, which takes the place of `folder` only when it is complete.

    Raises
    ------
    FileExistsError
        If `folder` exists and is no folder of results, which would be lost.
    """
    if folder.exists() and not (folder / SUMMARY).is_file():
        raise FileExistsError(
            f"{folder} exists and holds no results of this command; choose another folder with -o"
        )
    partial, old = (folder.with_name(f".{folder.name}.{what}") for what in ("partial", "old"))
    for rest in (partial, old):
        shutil.rmtree(rest, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        if folder.exists():
            os.replace(folder, old)
        os.replace(partial, folder)
    finally:
        for rest in (partial, old):
            shutil.rmtree(rest, ignore_errors=True)


@contextlib.contextmanager
def replacing_file(path: Path) -> Iterator[Path]:
    """A temporary path for writing, which takes the place of `path` only when it is complete."""
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_summary(folder: Path, row: Mapping[str, Any], run: Mapping[str, Any]) -> None:
    """Write the key figures of a result, and the `run` that they belong to."""
    text = json.dumps({"run": dict(run), "row": dict(row)}, indent=1, ensure_ascii=True)
    (folder / SUMMARY).write_text(text, encoding="ascii")


def read_summary(folder: Path, run: Mapping[str, Any]) -> dict[str, Any] | None:
    """Key figures of the result in `folder`; None if there is none, or it is of another run."""
    try:
        kept = json.loads((folder / SUMMARY).read_text(encoding="ascii"))
        return dict(kept["row"]) if kept["run"] == json.loads(json.dumps(dict(run))) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_table(columns: Mapping[str, np.ndarray], path: Path) -> None:
    """One row per atom or cell, one column per quantity, as comma-separated values."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*(np.asarray(c).tolist() for c in columns.values()), strict=True))
