"""Calls of the explorer's edits from buttons and keys."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from matplotlib.backend_bases import Event


def refusing(edit: Callable[..., bool]) -> Callable[..., bool]:
    """An edit that shows errors of callbacks in the status line, because exceptions would not be visible."""

    @functools.wraps(edit)
    def call(explorer: Any, *arguments: object) -> bool:
        try:
            return edit(explorer, *arguments)
        except ValueError as error:
            return explorer._refuse(str(error).split(". ")[0].rstrip("."))

    return call


def without_event(action: Callable[[], object]) -> Callable[[Event], None]:
    """`action` as the callback of a button."""

    def call(event: Event) -> None:
        action()

    return call
