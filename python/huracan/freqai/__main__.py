"""``python -m huracan.freqai USER_DATA`` writes the model classes where freqtrade looks for them."""

from __future__ import annotations

import sys
from pathlib import Path

from ._install import install

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    for written in install(Path(sys.argv[1])):
        print(written)
