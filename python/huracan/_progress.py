"""Progress of long work: a callable of the caller's, or a bar."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any


class Bar:
    """A line on standard error that is written over; it works in terminals and notebooks."""

    WIDTH = 30

    def __init__(self, what: str):
        self._what, self._begun = what, time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        filled = self.WIDTH * done // max(total, 1)
        passed = time.monotonic() - self._begun
        left = passed / done * (total - done) if done else 0.0
        bar = "█" * filled + "░" * (self.WIDTH - filled)
        end = f"{passed:.1f} s\n" if done >= total else f"{left:.0f} s left "
        sys.stderr.write(f"\r{self._what} {bar} {done}/{total}, {end}")
        sys.stderr.flush()


def told(progress: Any, what: str) -> Callable[[int, int], None] | None:
    """`progress` as a callable: True draws a bar, None and False tell nothing."""
    if progress is None or progress is False:
        return None
    if progress is True:
        return Bar(what)
    if not callable(progress):
        raise TypeError("progress is True, False, or a callable that takes the number of models trained and that of all")
    return progress
