"""Scores models with LightGBM: score.py JOB.json

JOB holds a list of {model, head, metadata, rows, features, parameters, out}: `model` is a pickle of Huracan (then `head`
names the head) or a model text; `rows` is a file of float32, row-major; predictions go to `out` as float64. LightGBM must
find each of `parameters` in the model. No module of Huracan's is imported.
"""

import json
import pickle
import sys

import lightgbm
import numpy


class PlainValues(pickle.Unpickler):
    """Refuses every class, so that loading proves that the pickle needs none."""

    def find_class(self, module, name):
        raise pickle.UnpicklingError(f"the pickle wants {module}.{name}")


def load(path):
    with open(path, "rb") as file:
        return PlainValues(file).load()


def booster(job):
    if not job["model"].endswith(".pkl"):
        return lightgbm.Booster(model_file=job["model"])
    bundle = load(job["model"])
    assert type(bundle) is dict, type(bundle)
    for key in ("format", "model_type", "heads", "feature_names", "scaler", "parameters", "metadata"):
        assert key in bundle, key
    assert type(bundle["feature_names"]) is list and len(bundle["feature_names"]) == job["features"]
    with open(job["metadata"]) as file:
        assert bundle["metadata"] == json.load(file), "the pickle and metadata.json disagree"
    return lightgbm.Booster(model_str=bundle["heads"][job["head"]])


def main():
    with open(sys.argv[1]) as file:
        jobs = json.load(file)
    for job in jobs:
        model = booster(job)
        rows = numpy.fromfile(job["rows"], dtype="<f4").reshape(-1, job["features"])
        predicted = model.predict(rows)
        # The whole model must be in order, not its predictions alone.
        model.dump_model()
        again = lightgbm.Booster(model_str=model.model_to_string())
        assert numpy.array_equal(again.predict(rows), predicted), "LightGBM reads its own copy differently"
        assert again.params == model.params, "LightGBM saves other parameters than it read"
        assert model.num_feature() == job["features"]
        for key, value in job["parameters"].items():
            assert model.params[key] == value, (key, model.params)
        contributions = model.predict(rows[:20], pred_contrib=True)
        classes = model.num_model_per_iteration()
        raw = model.predict(rows[:20], raw_score=True).reshape(20, classes)
        sums = contributions.reshape(20, classes, -1).sum(axis=2)
        assert numpy.allclose(sums, raw, atol=1e-6), "SHAP values do not add up to the score"
        predicted.astype("<f8").tofile(job["out"])
    print(len(jobs))


if __name__ == "__main__":
    main()
