"""Scores models with XGBoost: score_xgboost.py JOB.json

JOB holds a list of {model, rows, features, trees, out}: `model` is a JSON model, `rows` a file of float32, row-major;
predictions go to `out` as float64. No module of Huracan's is imported.
"""

import json
import sys

import numpy
import xgboost


def same(ours, theirs, place="model"):
    """Requires that a model which XGBoost loaded and saved again says what ours says, with the same keys."""
    if isinstance(ours, dict):
        assert sorted(ours) == sorted(theirs), (place, sorted(ours), sorted(theirs))
        for key in ours:
            same(ours[key], theirs[key], f"{place}.{key}")
    elif isinstance(ours, list):
        assert len(ours) == len(theirs), (place, len(ours), len(theirs))
        for i, pair in enumerate(zip(ours, theirs)):
            same(*pair, f"{place}[{i}]")
    elif isinstance(ours, float):
        with numpy.errstate(over="ignore"):
            assert numpy.float32(ours) == numpy.float32(theirs), (place, ours, theirs)
    elif isinstance(ours, str) and place.split(".")[-1] in ("quantile_alpha", "huber_slope", "base_score"):
        numbers = [numpy.array(text.strip("[]").split(","), dtype="f4") for text in (ours, theirs)]
        assert numpy.array_equal(*numbers), (place, ours, theirs)
    else:
        assert ours == theirs, (place, ours, theirs)


def main():
    with open(sys.argv[1]) as file:
        jobs = json.load(file)
    for job in jobs:
        model = xgboost.Booster(model_file=job["model"])
        rows = numpy.fromfile(job["rows"], dtype="<f4").reshape(-1, job["features"])
        # The one way to predict for infinite values.
        predicted = model.inplace_predict(rows)
        finite = rows[~numpy.isinf(rows).any(axis=1)]
        table = xgboost.DMatrix(finite, feature_names=model.feature_names)
        by_table = model.predict(table)
        assert numpy.array_equal(by_table, predicted[~numpy.isinf(rows).any(axis=1)]), "two ways, two predictions"
        # The whole model must be in order, not its predictions alone.
        assert model.num_features() == job["features"]
        assert len(model.get_dump()) == job["trees"]
        with open(job["model"]) as file:
            same(json.load(file), json.loads(bytes(model.save_raw("json"))))
        contributions = model.predict(table, pred_contribs=True).sum(axis=-1, dtype=float)
        raw = model.predict(table, output_margin=True)
        scale = max(1.0, abs(raw).max())
        assert numpy.allclose(contributions, raw, rtol=0, atol=1e-5 * scale), "SHAP values do not add up to the score"
        predicted.astype("<f8").tofile(job["out"])
    print(len(jobs))


if __name__ == "__main__":
    main()
