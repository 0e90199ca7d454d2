"""Trains LightGBM models on data with missing values and saves them with their predictions: train.py FOLDER

FOLDER gets rows.f4 (float32, 6 columns), and for each model NAME.txt and NAME.f8 (predictions, float64), and
refused_NAME.txt for models that a reader must refuse. Prints the names of the models that must read.
"""

import os
import sys

import lightgbm
import numpy

FEATURES = 6
FOREST = {"boosting": "rf", "bagging_fraction": 0.7, "bagging_freq": 1}
MODELS = {
    "binary": {"objective": "binary"},
    "binary_no_missing": {"objective": "binary", "use_missing": False},
    "binary_bagged": {"objective": "binary", "bagging_fraction": 0.7, "bagging_freq": 1, "feature_fraction": 0.6},
    "regression": {"objective": "regression", "num_leaves": 63, "min_data_in_leaf": 1},
    "regression_huber": {"objective": "huber", "alpha": 1.5},
    "regression_quantile": {"objective": "quantile", "alpha": 0.25},
    "regression_l1": {"objective": "regression_l1"},
    "regression_fair": {"objective": "fair"},
    "regression_mape": {"objective": "mape"},
    "regression_monotone": {"objective": "regression", "monotone_constraints": [1, -1, 0, 0, 0, 0]},
    "regression_constant": {"objective": "regression", "min_data_in_leaf": 100000},
    "multiclass": {"objective": "multiclass", "num_class": 4},
    "dart": {"objective": "binary", "boosting": "dart"},
    "forest_binary": {"objective": "binary", **FOREST},
    "forest_multiclass": {"objective": "multiclass", "num_class": 4, **FOREST},
    "forest_quantile": {"objective": "quantile", "alpha": 0.25, **FOREST},
    "forest_huber": {"objective": "huber", "alpha": 1.5, **FOREST},
}
REFUSED = {
    "categorical": ({"objective": "binary"}, [5]),
    "linear": ({"objective": "regression", "linear_tree": True}, "auto"),
    "poisson": ({"objective": "poisson"}, "auto"),
    "one_against_all": ({"objective": "multiclassova", "num_class": 4}, "auto"),
    "cross_entropy": ({"objective": "cross_entropy"}, "auto"),
    "square_root": ({"objective": "quantile", "alpha": 0.25, "reg_sqrt": True}, "auto"),
}


def table():
    rng = numpy.random.default_rng(7)
    rows = rng.normal(size=(1500, FEATURES)).astype("<f4")
    rows[:, 5] = rng.integers(0, 8, len(rows))
    missing = rng.random(rows.shape) < [0.3, 0.0, 0.1, 0.05, 0.9, 0.0]
    score = rows[:, 0] - 0.7 * rows[:, 1] + rows[:, 2] * rows[:, 3] + missing[:, 0]
    rows[missing] = numpy.nan
    # Zeros and infinities are values, not gaps.
    rows[::17, 1] = 0.0
    rows[3::101, 2] = numpy.inf
    rows[4::101, 2] = -numpy.inf
    return rows, score + 0.3 * rng.normal(size=len(rows))


def target(score, objective):
    if objective in ("binary", "cross_entropy"):
        return (score > 0).astype(float)
    if objective in ("multiclass", "multiclassova"):
        return numpy.digitize(score, [-1, 0, 1]).astype(float)
    return numpy.abs(score) if objective == "poisson" else score


def train(rows, score, parameters, categorical="auto"):
    labels = target(score, parameters["objective"])
    data = lightgbm.Dataset(rows, labels, categorical_feature=categorical, params={"verbose": -1})
    return lightgbm.train({"verbose": -1, "num_threads": 1, "seed": 7, **parameters}, data, 30)


def main():
    folder = sys.argv[1]
    rows, score = table()
    rows.tofile(os.path.join(folder, "rows.f4"))
    for name, parameters in MODELS.items():
        model = train(rows, score, parameters)
        model.save_model(os.path.join(folder, f"{name}.txt"))
        model.predict(rows).astype("<f8").tofile(os.path.join(folder, f"{name}.f8"))
    finite = numpy.nan_to_num(rows, nan=0.0, posinf=9.0, neginf=-9.0)
    for name, (parameters, categorical) in REFUSED.items():
        train(finite, score, parameters, categorical).save_model(os.path.join(folder, f"refused_{name}.txt"))
    print(" ".join(MODELS))


if __name__ == "__main__":
    main()
