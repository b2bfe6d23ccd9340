"""The command ``hyperspy-motifs``: motifs, graph, tables and figures of one image or of hundreds.

- `_arguments`: arguments of the command, and the images of a file that can be analysed
- `_results`: one image, from its data to its folder of results, complete or absent; ``index.html`` and ``summary.csv``
- `_batch`: all images one after the other or in parallel
- `_collect`: ``hyperspy-motifs collect``, many images with one model
"""

from ._arguments import Choice, FoundImage, find_images
from ._batch import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE, main, warm_up
from ._collect import read_groups
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
    "warm_up",
    "write_table",
]
