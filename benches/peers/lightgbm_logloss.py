"""The validation loss of LightGBM at settings equal to those of `huracan boost train`:

lightgbm_logloss.py --train T.parquet --valid V.parquet --target COL [--group COL] [--objective binary] [--rounds N] …

Features are all numeric columns of the tables except the target, the group and `timestamp`, in the table's order, as float32.
With --group there is one model per value of that column. The options have the names of those of `boost train`; a tree of depth
d may have 2^d leaves. LightGBM's other leaf limits are off. Prints one JSON object: per group the loss at the best round and
the number of rounds, and the mean loss.
"""

import argparse
import json
import time

import lightgbm
import numpy
import pandas
import pandas.api.types as types


def parameters(options):
    return {
        "objective": options.objective,
        "num_class": options.classes if options.objective == "multiclass" else 1,
        "metric": {"binary": "binary_logloss", "regression": "l2", "multiclass": "multi_logloss"}[options.objective],
        "learning_rate": options.learning_rate,
        "max_depth": options.max_depth,
        "num_leaves": 2**options.max_depth,
        "max_bin": options.max_bin,
        # Bins may have a single row, and all rows determine the cut points, as in huracan.
        "min_data_in_bin": 1,
        "bin_construct_sample_cnt": 2**31 - 1,
        "feature_pre_filter": False,
        "enable_bundle": False,
        "lambda_l2": options.l2,
        "min_sum_hessian_in_leaf": options.min_child_hessian,
        "min_gain_to_split": options.min_split_gain,
        "min_data_in_leaf": 1,
        "bagging_fraction": options.subsample,
        "bagging_freq": 1 if options.subsample < 1 else 0,
        "feature_fraction": options.colsample,
        "seed": options.seed,
        "num_threads": options.threads,
        "deterministic": True,
        "force_row_wise": True,
        "verbose": -1,
    }


def train(options, features, train_rows, valid_rows):
    def data(rows, reference=None):
        values = rows[features].to_numpy(dtype="f4")
        labels = rows[options.target].to_numpy(dtype="f8")
        return lightgbm.Dataset(values, labels, reference=reference, params=parameters(options))

    learn = data(train_rows)
    check = data(valid_rows, learn)
    history = {}
    callbacks = [lightgbm.record_evaluation(history)]
    if options.early_stopping:
        callbacks.append(lightgbm.early_stopping(options.early_stopping, verbose=False))
    start = time.perf_counter()
    model = lightgbm.train(
        parameters(options), learn, options.rounds, valid_sets=[check], valid_names=["valid"], callbacks=callbacks
    )
    seconds = time.perf_counter() - start
    (losses,) = history["valid"].values()
    rounds = model.best_iteration if options.early_stopping else len(losses)
    return {"loss": losses[rounds - 1], "rounds": rounds, "trained": len(losses), "seconds": seconds}


def labelled(path, target):
    frame = pandas.read_parquet(path)
    return frame[frame[target].notna()]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", required=True)
    parser.add_argument("--valid", required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--group")
    parser.add_argument("--drop", nargs="*", default=[], help="columns that are not features")
    parser.add_argument("--objective", default="binary", choices=["binary", "regression", "multiclass"])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--learning-rate", type=float, default=0.05)
    parser.add_argument("--max-depth", type=int, default=6)
    parser.add_argument("--max-bin", type=int, default=255)
    parser.add_argument("--l2", type=float, default=1.0)
    parser.add_argument("--min-child-hessian", type=float, default=5.0)
    parser.add_argument("--min-split-gain", type=float, default=0.0)
    parser.add_argument("--subsample", type=float, default=1.0)
    parser.add_argument("--colsample", type=float, default=1.0)
    parser.add_argument("--early-stopping", type=int, default=25)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1, help="more than one thread slows small tables down")
    options = parser.parse_args()

    learn, check = labelled(options.train, options.target), labelled(options.valid, options.target)
    options.classes = int(learn[options.target].max()) + 1 if options.objective == "multiclass" else 1
    other = {options.target, options.group, "timestamp", *options.drop}
    features = [c for c in learn.columns if c not in other and types.is_numeric_dtype(learn[c])]
    if options.group:
        groups = sorted(set(learn[options.group]) & set(check[options.group]))
        pairs = [(str(g), learn[learn[options.group] == g], check[check[options.group] == g]) for g in groups]
    else:
        pairs = [("all", learn, check)]
    if not pairs or not features:
        parser.error("no group has rows in both tables, or there are no features")
    results = {name: train(options, features, a, b) for name, a, b in pairs}
    print(json.dumps({
        "peer": "lightgbm",
        "version": lightgbm.__version__,
        "features": len(features),
        "mean_loss": float(numpy.mean([result["loss"] for result in results.values()])),
        "seconds": sum(result["seconds"] for result in results.values()),
        "models": results,
    }))


if __name__ == "__main__":
    main()
