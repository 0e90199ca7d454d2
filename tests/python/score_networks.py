"""Predicts with docs/read_model.py: score_networks.py JOB.json

JOB holds `reader` (the path of read_model.py) and a list of `models` {model, rows, features, out}: `model` is a bundle or a file of
safetensors, `rows` a file of float32, row-major; predictions go to `out` as float64, a row each, in the order of `heads`, of a
bundle followed by what may be traded and by the lead.
"""

import importlib.util
import json
import sys

import numpy


def main():
    with open(sys.argv[1]) as file:
        job = json.load(file)
    spec = importlib.util.spec_from_file_location("read_model", job["reader"])
    reader = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reader)
    for one in job["models"]:
        rows = numpy.fromfile(one["rows"], dtype="<f4").reshape(-1, one["features"])
        more = []
        if one["model"].endswith(".pkl"):
            model = reader.Model(one["model"])
            assert len(model.features) == one["features"]
            more = [model.tradable(rows), model.lead(rows)]
        else:
            with open(one["model"], "rb") as file:
                model = reader.Networks(file.read())
        said = model.predict(rows)
        numpy.stack([said[head] for head in job["heads"]] + more, axis=1).astype("<f8").tofile(one["out"])
    print(len(job["models"]))


if __name__ == "__main__":
    main()
