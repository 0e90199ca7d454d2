"""Trains LightGBM, XGBoost or hessboost on a problem that `boost prepare` wrote (its files: benches/peers/problem.rs):

boost_peers.py DATA lightgbm|xgboost|hessboost [--models N] [--threads N | --processes N] [--device cuda] [--predict]

Trains the first N models, either one after the other with the given number of threads, or divided among the given number of
processes with one thread each. Data and settings are the same as for Huracan: 2^depth leaves, no other leaf limit. Prints one
JSON object. `seconds` includes building the library's table and training, not reading files or importing the library; `peak_mb` is the memory of the
largest process; `losses` has the validation loss of each model. With --predict, `seconds` is the time in which all trained
models predict the table's first 20,000 rows. With --device cuda, XGBoost and hessboost (with hessboost-runtime-cuda) train on a
GPU, after one model that is not timed.
"""

import argparse
import concurrent.futures
import importlib
import json
import os
import resource
import time

import numpy


def load(folder):
    with open(os.path.join(folder, "problem.json")) as file:
        problem = json.load(file)
    values = numpy.fromfile(os.path.join(folder, "values.f32"), "<f4").reshape(-1, problem["features"])
    labels = numpy.fromfile(os.path.join(folder, "labels.f32"), "<f4")
    return problem, values, labels


def rows(model, part):
    return slice(model[part]["start"], model[part]["end"])


def kind(problem):
    """The objective's name, and its number of scores: one, except for multiclass."""
    objective = problem["objective"]
    if isinstance(objective, str):
        return objective, 1
    return "multiclass", objective["multiclass"]["classes"]


def lightgbm_model(problem, values, labels, watched, threads, device):
    import lightgbm

    objective, classes = kind(problem)
    params = {
        "objective": objective,
        "num_class": classes,
        "learning_rate": problem["learning_rate"],
        "max_depth": problem["depth"],
        "num_leaves": 2 ** problem["depth"],
        "max_bin": problem["max_bin"],
        "min_data_in_bin": 1,
        "feature_pre_filter": False,
        "lambda_l2": problem["l2"],
        "min_sum_hessian_in_leaf": problem["min_child_hessian"],
        "min_data_in_leaf": 1,
        "bagging_fraction": problem["subsample"],
        "bagging_freq": int(problem["subsample"] < 1),
        "num_threads": threads,
        "verbose": -1,
    }
    table = lightgbm.Dataset(values, labels, params=params)
    watch = [lightgbm.Dataset(*watched, reference=table)] if watched else []
    booster = lightgbm.train(params, table, problem["rounds"], valid_sets=watch)
    return lambda rows: booster.predict(rows, raw_score=True, num_threads=threads)


def xgboost_params(problem, threads, device):
    objective, classes = kind(problem)
    # XGBoost's softmax Hessian is p(1 − p) times 2; that of the others is times K/(K − 1). Scaling L2, the minimum Hessian and
    # the rate by the ratio gives the same gains and leaves as theirs.
    scale = 1.0 if classes == 1 else 2.0 * (classes - 1) / classes
    params = {
        "objective": {
            "binary": "binary:logistic",
            "regression": "reg:squarederror",
            "multiclass": "multi:softprob",
        }[objective],
        "eta": problem["learning_rate"] * scale,
        "max_depth": problem["depth"],
        "max_bin": problem["max_bin"],
        "lambda": problem["l2"] * scale,
        "min_child_weight": problem["min_child_hessian"] * scale,
        "tree_method": "hist",
        "device": device,
        "subsample": problem["subsample"],
        "nthread": threads,
    }
    if classes > 1:
        params["num_class"] = classes
    return params


def xgboost_model(problem, values, labels, watched, threads, device):
    import xgboost

    params = xgboost_params(problem, threads, device)
    table = xgboost.QuantileDMatrix(values, labels, max_bin=problem["max_bin"], nthread=threads)
    watch = [(xgboost.QuantileDMatrix(*watched, ref=table, max_bin=problem["max_bin"], nthread=threads), "valid")] if watched else []
    booster = xgboost.train(params, table, problem["rounds"], evals=watch, verbose_eval=False)
    # Without a GPU, or if built without CUDA, XGBoost trains on the CPU and at most warns.
    used = json.loads(booster.save_config())["learner"]["generic_param"]["device"]
    if not used.startswith(device):
        raise SystemExit(f"XGBoost used {used} instead of {device}")
    return lambda rows: booster.inplace_predict(rows, predict_type="margin")


def hessboost_model(problem, values, labels, watched, threads, device):
    import hessboost

    # Its parameters, and its softmax Hessian, are XGBoost's.
    params = xgboost_params(problem, threads, device)
    watch = [(hessboost.DMatrix(watched[0], label=watched[1]), "valid")] if watched else []
    table = hessboost.DMatrix(values, label=labels)
    booster = hessboost.train(params, table, problem["rounds"], evals=watch, verbose_eval=False)
    return lambda rows: booster.predict(rows, output_margin=True)


MODELS = {"lightgbm": lightgbm_model, "xgboost": xgboost_model, "hessboost": hessboost_model}


def loss(problem, scores, labels):
    """The mean loss of raw scores: squared error or log loss."""
    objective, _ = kind(problem)
    scores = numpy.asarray(scores, "f8")
    if objective == "regression":
        return float(numpy.mean((scores - labels) ** 2))
    if objective == "binary":
        return float(numpy.mean(numpy.logaddexp(0, numpy.where(labels == 1, -scores, scores))))
    own = scores[numpy.arange(len(labels)), labels.astype(int)]
    return float(numpy.mean(numpy.logaddexp.reduce(scores, axis=1) - own))


#: Rows that each model predicts; the same number as in benches/boost.rs.
PREDICTED = 20_000


def work(folder, peer, models, threads, device, predict=False):
    """Trains some models. Returns the seconds of training (or predicting), the loss of each, and the peak memory in MB."""
    problem, values, labels = load(folder)
    seconds, losses = 0.0, {}
    # Importing a library takes seconds, which are not training.
    importlib.import_module(peer)
    if device != "cpu" and models:
        first = rows(problem["models"][models[0]], "train")
        MODELS[peer](problem, values[first], labels[first], None, threads, device)
    for number in models:
        model = problem["models"][number]
        train, valid = rows(model, "train"), rows(model, "valid")
        start = time.perf_counter()
        watched = (values[valid], labels[valid]) if problem["watched"] else None
        scores = MODELS[peer](problem, values[train], labels[train], watched, threads, device)
        if predict:
            start = time.perf_counter()
            scores(values[:PREDICTED])
        seconds += time.perf_counter() - start
        if valid.start < valid.stop:
            losses[number] = loss(problem, scores(values[valid]), labels[valid])
    return seconds, losses, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def deal(folder, peer, count, processes, threads, device, predict=False):
    """Trains the first `count` models in several processes. Returns the seconds of the slowest process, the losses in order,
    and the peak memory of the largest process."""
    with concurrent.futures.ProcessPoolExecutor(processes) as pool:
        shares = [range(k, count, processes) for k in range(processes)]
        parts = list(pool.map(work, *zip(*((folder, peer, share, threads, device, predict) for share in shares))))
    losses = {number: loss for part in parts for number, loss in part[1].items()}
    return max(part[0] for part in parts), [losses[n] for n in sorted(losses)], max(part[2] for part in parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("peer", choices=MODELS)
    parser.add_argument("--models", type=int)
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--threads", type=int)
    way.add_argument("--processes", type=int)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--predict", action="store_true")
    options = parser.parse_args()
    if options.device != "cpu" and options.peer == "lightgbm":
        parser.error("--device is only for XGBoost and hessboost")
    problem, _, _ = load(options.data)
    count = min(options.models or len(problem["models"]), len(problem["models"]))
    processes, threads = (options.processes, 1) if options.processes else (1, options.threads or os.cpu_count())
    seconds, losses, peak_mb = deal(
        options.data, options.peer, count, processes, threads, options.device, options.predict
    )
    print(json.dumps({
        "program": options.peer,
        "problem": "predict" if options.predict else problem["name"],
        "models": count,
        "threads": processes * threads,
        "processes": processes,
        "device": options.device,
        "seconds": seconds,
        "models_per_s": count / seconds,
        "peak_mb": peak_mb,
        "loss": sum(losses) / len(losses) if losses else None,
        "losses": losses,
    }))


if __name__ == "__main__":
    main()
