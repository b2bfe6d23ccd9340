"""The command ``hyperspy-motifs``: motifs, graph, tables and figures of one image or of hundreds.

- `_options`: arguments of the command
- `_images`: the images of a file, and which of them can be analysed
- `_analysis`: one image, from its data to its folder of results
- `_results`: a folder of results, complete or absent
- `_overview`: ``index.html`` and ``summary.csv`` over all images
- `_collect`: ``hyperspy-motifs collect``: many images with one model
- `_batch`: all images one after the other, or in parallel (`_processes`)
"""

from ._arguments import Choice, FoundImage, find_images
from ._batch import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE, main, read_groups
from ._results import replacing_folder, write_table

__all__ = [
    "EXIT_FAILED",
    "EXIT_INTERRUPTED",
    "EXIT_OK",
    "EXIT_USAGE",
    "Choice",
    "FoundImage",
    "find_images",
    "main",
    "read_groups",
    "replacing_folder",
    "write_table",
]
