"""The files in which freqtrade looks for model classes."""

from __future__ import annotations

from pathlib import Path


def install(user_data: Path) -> list[Path]:
    """Writes ``USER_DATA/freqaimodels/Huracan….py`` and returns their paths."""
    folder = user_data / "freqaimodels"
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in ("HuracanRegressor", "HuracanClassifier"):
        path = folder / f"{name}.py"
        path.write_text(f'"""{name} of the package huracan, where freqtrade looks for it."""\n\nfrom huracan import freqai\n\n\n'
                        f"class {name}(freqai.{name}):\n    pass\n", encoding="utf-8")
        written.append(path)
    return written
