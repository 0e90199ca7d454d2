"""The command ``huracan``."""

from __future__ import annotations

import sys

from . import _huracan


def main() -> None:
    """Runs the command line of this process and ends it with the command's exit code."""
    words = ["huracan", *sys.argv[1:]]
    sys.exit(_huracan.run(words, [sys.executable, "-m", "huracan"], _huracan.__file__))
