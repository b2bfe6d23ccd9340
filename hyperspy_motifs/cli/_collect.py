"""``hyperspy-motifs collect``: many images with one model."""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ._arguments import Choice, alpha, files_of, find_images, min_motif_size
from ._results import prefixes, replacing_file, replacing_folder, write_summary, write_table

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal

    from hyperspy_motifs.collection import MotifCollection

_FILES = ("file", "image", "name")


def collect(arguments: Sequence[str]) -> str:
    """Run ``hyperspy-motifs collect``, and return a line about the result.

    Raises
    ------
    ValueError, TypeError, OSError
        If an image or the table of groups cannot be used.
    """
    options = _parser().parse_args(list(arguments))
    os.environ.setdefault("MPLBACKEND", "Agg")
    from hyperspy_motifs.collection import find_motifs

    files = files_of(options.images)
    choice = Choice(options.image, options.title)
    names, signals = prefixes(files), [_signal_of(name, choice) for name in files]
    detectors = None
    if options.detectors is not None:
        others = files_of(options.detectors)
        if len(others) != len(files):
            raise ValueError(
                f"--detectors has {len(others)} files for {len(files)} images: one for each is expected, in order"
            )
        detectors = [_signal_of(name, choice) for name in others]
    groups = None if options.groups is None else read_groups(options.groups, files)
    if groups is not None and 1 < len(set(groups)) == len(groups):
        # Before the images are analysed, which may take hours.
        raise ValueError(
            f"{options.groups} has a group of its own for each image, and these cannot be compared: images are the samples, so "
            "more images than groups are needed"
        )
    options.output.mkdir(parents=True, exist_ok=True)
    # An image may have this name.
    run = options.output / prefixes([*files, "run"])[-1]
    collection = find_motifs(
        signals,
        detectors=detectors,
        align=not options.no_align,
        mirrors=options.mirrors,
        length=options.length,
        radius="auto" if options.radius is None else options.radius,
        rotation_invariant=options.rotation_invariant,
        min_motif_size=options.min_motif_size,
        alpha=options.alpha,
        random_state=options.seed,
        results=run if options.resume else None,
        show_progressbar=not options.quiet,
    )
    collection.images = names
    for name, motifs in zip(names, collection, strict=True):
        with replacing_folder(options.output / name) as partial:
            motifs.signal.save(partial / f"{name}.hspy", overwrite=True)
            write_table(motifs.to_dict(), partial / f"{name}_atoms.csv")
            write_table(motifs.cells.to_dict(), partial / f"{name}_cells.csv")
            write_summary(partial, {"name": name, "atoms": len(motifs.labels)}, {"collection": names})
    summary = collection.summary()
    with replacing_file(options.output / "counts.csv") as path:
        collection.to_csv(path)
    with replacing_file(options.output / "model.npz") as path:
        collection.model.save(path)
    _write_graph(collection, options.output / "collection.graphml")
    comparison = None
    if groups is not None and len(set(groups)) > 1:
        comparison = collection.compare(groups)
        with replacing_file(options.output / "comparison.csv") as path:
            write_table(comparison.to_dict(), path)
    with replacing_file(options.output / "index.html") as path:
        collection.report(path, groups=groups, title=options.output.name)
    if options.resume:
        shutil.rmtree(run)
    if not options.quiet:
        print(summary)
        if comparison is not None:
            print(comparison)
    return f"{len(names)} images; see {options.output / 'index.html'}"


def _signal_of(name: str, choice: Choice) -> BaseSignal:
    """Return the one image of a file that can be analysed."""
    usable = [one for one in find_images(Path(name), choice) if one.signal is not None]
    if len(usable) != 1:
        raise ValueError(
            f"{name} holds {len(usable)} images that can be analysed; choose one with --image or --title"
        )
    return usable[0].signal


def _write_graph(collection: MotifCollection, target: Path) -> None:
    """Write the graph of all images, which needs one unit of length; without it the other results are complete."""
    units = sorted({motifs.units for motifs in collection})
    if len(units) > 1:
        target.unlink(missing_ok=True)
        warnings.warn(
            f"{target.name} is not written, because the images have different units ({', '.join(units)}): convert their axes",
            stacklevel=2,
        )
        return
    with replacing_file(target) as path:
        collection.graph.to_graphml(path)


def read_groups(path: Path, files: Sequence[str]) -> list[str]:
    """Group of each file, from a table (CSV) with the columns ``file`` (or ``image``, ``name``) and ``group``.

    Columns are separated by commas, semicolons or tabs. A file is named in full, without its folder, or without its folder
    and its ending.

    Raises
    ------
    ValueError
        If the columns are missing, or the group of a file.
    """
    with open(path, newline="", encoding="utf-8-sig") as file:
        # Spreadsheets write semicolons where the comma is the decimal sign.
        head = file.readline()
        file.seek(0)
        table = csv.DictReader(file, delimiter=max(",;\t", key=head.count))
        rows = [
            {str(k).strip().lower(): (v or "").strip() for k, v in row.items() if k is not None}
            for row in table
        ]
    column = next((name for name in _FILES if rows and name in rows[0]), None)
    if column is None or "group" not in rows[0]:
        raise ValueError(f"{path} is expected to have the columns file and group, and a row for each image")
    known = {row[column]: row["group"] for row in rows}
    found = []
    for name in files:
        spellings = (name, Path(name).name, Path(name).stem)
        group = next((known[one] for one in spellings if known.get(one)), None)
        if group is None:
            raise ValueError(f"{path} has no group for {name}")
        found.append(group)
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hyperspy-motifs collect",
        description="Find the motifs of many images with one model, so that a motif has one number in all of them. The images "
        "may differ in pixel size, rotation, brightness and dose. Writes a folder NAME for each image (NAME.hspy and tables), "
        "counts.csv, model.npz, collection.graphml, index.html, and with --groups comparison.csv.",
    )
    parser.add_argument(
        "images", nargs="+", metavar="IMAGE", help="files with one image each, or folders of such files"
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("collection"), metavar="FOLDER")
    parser.add_argument(
        "--groups",
        type=Path,
        metavar="TABLE",
        help="CSV table with the columns file and group: groups to be compared",
    )
    parser.add_argument(
        "--detectors",
        nargs="+",
        metavar="IMAGE",
        help="a further detector of the scan of each image, in the order of the images",
    )
    parser.add_argument(
        "--radius", type=float, metavar="R", help="of the neighbourhood, in nearest-neighbour distances"
    )
    parser.add_argument(
        "--length", type=float, metavar="L", help="unit of the radius in axis units, the same in all images"
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="write results to FOLDER/run as they come, and continue from there after an interrupt",
    )
    parser.add_argument(
        "--image", type=int, metavar="N", help="of files with several images, number N, from 0"
    )
    parser.add_argument(
        "--title", metavar="TEXT", help="of files with several images, that with TEXT in its title"
    )
    parser.add_argument(
        "-r", "--rotation-invariant", action="store_true", help="for polycrystals: rotations do not count"
    )
    parser.add_argument("--no-align", action="store_true", help="all images have the same orientation")
    parser.add_argument("--mirrors", action="store_true", help="images may be mirror images of one another")
    parser.add_argument(
        "--min-motif-size", type=min_motif_size, default=5, metavar="N", help="fewest atoms (default: 5)"
    )
    parser.add_argument(
        "--alpha", type=alpha, default=0.01, metavar="P", help="significance level (default: 0.01)"
    )
    parser.add_argument("--seed", type=int, default=0, help="random state (default: 0)")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bar, no summary")
    return parser
