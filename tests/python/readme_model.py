"""Runs the Python of README.md as it is written there: readme_model.py JOB.json

JOB holds `readme`, `reader` (the path of read_model.py), `workdir` (with the model that the README names), `rows` (a file of float32,
row-major), `features`, `costs_bps` and `out`: the names that the README gives go there as float64, a row per bar.
"""

import json
import os
import pathlib
import re
import sys

import numpy


def main():
    with open(sys.argv[1]) as file:
        job = json.load(file)
    snippets = re.findall(r"```python\n(.*?)```", pathlib.Path(job["readme"]).read_text(), re.DOTALL)
    (snippet,) = (snippet for snippet in snippets if "read_model" in snippet)
    sys.path.insert(0, os.path.dirname(job["reader"]))
    os.chdir(job["workdir"])
    names = {"bars": numpy.fromfile(job["rows"], dtype="<f4").reshape(-1, job["features"]), "costs_bps": job["costs_bps"]}
    exec(snippet, names)
    said = [names[name] for name in ("edge_bps", "lead", "go_long", "go_short")]
    numpy.stack(said, axis=1).astype("<f8").tofile(job["out"])


if __name__ == "__main__":
    main()
