"""Has LightGBM explain models: contributions.py JOB.json

JOB holds a list of {model, rows, features, out}: `model` is a model text and `rows` a file of float32, row-major. Each row's
contributions to the raw scores, [rows × classes × (features + 1)] with the expected value last, go to `out` as float64.
"""

import json
import sys

import lightgbm
import numpy


def main():
    with open(sys.argv[1]) as file:
        jobs = json.load(file)
    for job in jobs:
        model = lightgbm.Booster(model_file=job["model"])
        rows = numpy.fromfile(job["rows"], dtype="<f4").reshape(-1, job["features"])
        contributions = model.predict(rows, pred_contrib=True)
        assert contributions.shape == (len(rows), model.num_model_per_iteration() * (job["features"] + 1))
        contributions.astype("<f8").tofile(job["out"])
    print(len(jobs))


if __name__ == "__main__":
    main()
