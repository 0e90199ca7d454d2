"""LightGBM or XGBoost on a problem that `boost prepare` wrote (see benches/boost.rs):

boost_peers.py DATA lightgbm|xgboost [--jobs N] [--threads N | --processes N]

Trains the first N jobs, either one after the other with so many threads, or dealt to so many processes of one thread
each, from the same files and with the same settings: 2^depth leaves, no other leaf limit, 255 bins. Prints one JSON
object. `seconds` covers making the library's table and training, not reading files; `peak_mb` is that of the largest
process.
"""

import argparse
import concurrent.futures
import json
import os
import resource
import time

import numpy


def load(data):
    with open(os.path.join(data, "problem.json")) as file:
        problem = json.load(file)
    values = numpy.fromfile(os.path.join(data, "values.f32"), "<f4").reshape(-1, problem["features"])
    labels = numpy.fromfile(os.path.join(data, "labels.f32"), "<f4")
    return problem, values, labels


def rows(job, part):
    return slice(job[part]["start"], job[part]["end"])


def lightgbm_model(problem, values, labels, threads):
    import lightgbm

    params = {
        "objective": "binary",
        "learning_rate": 0.05,
        "max_depth": problem["depth"],
        "num_leaves": 2 ** problem["depth"],
        "max_bin": 255,
        "min_data_in_bin": 1,
        "feature_pre_filter": False,
        "lambda_l2": 1.0,
        "min_sum_hessian_in_leaf": 1.0,
        "min_data_in_leaf": 1,
        "num_threads": threads,
        "verbose": -1,
    }
    booster = lightgbm.train(params, lightgbm.Dataset(values, labels, params=params), problem["rounds"])
    return lambda rows: booster.predict(rows, num_threads=threads)


def xgboost_model(problem, values, labels, threads):
    import xgboost

    params = {
        "objective": "binary:logistic",
        "eta": 0.05,
        "max_depth": problem["depth"],
        "max_bin": 255,
        "lambda": 1.0,
        "min_child_weight": 1.0,
        "tree_method": "hist",
        "nthread": threads,
    }
    table = xgboost.QuantileDMatrix(values, labels, max_bin=255, nthread=threads)
    booster = xgboost.train(params, table, problem["rounds"])
    return lambda rows: booster.inplace_predict(rows)


MODELS = {"lightgbm": lightgbm_model, "xgboost": xgboost_model}


def work(data, peer, jobs, threads):
    """Trains `jobs`; gives the seconds of training, the losses, and the most memory in MB."""
    problem, values, labels = load(data)
    seconds, losses = 0.0, []
    for number in jobs:
        job = problem["jobs"][number]
        start = time.perf_counter()
        predict = MODELS[peer](problem, values[rows(job, 0)], labels[rows(job, 0)], threads)
        seconds += time.perf_counter() - start
        won = labels[rows(job, 1)]
        if len(won):
            p = numpy.clip(predict(values[rows(job, 1)]), 1e-15, 1 - 1e-15)
            losses.append(float(-numpy.mean(won * numpy.log(p) + (1 - won) * numpy.log(1 - p))))
    return seconds, losses, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("peer", choices=MODELS)
    parser.add_argument("--jobs", type=int)
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--threads", type=int)
    way.add_argument("--processes", type=int)
    options = parser.parse_args()
    problem, _, _ = load(options.data)
    count = min(options.jobs or len(problem["jobs"]), len(problem["jobs"]))
    processes, threads = (options.processes, 1) if options.processes else (1, options.threads or os.cpu_count())
    with concurrent.futures.ProcessPoolExecutor(processes) as pool:
        shares = [range(k, count, processes) for k in range(processes)]
        parts = list(pool.map(work, *zip(*((options.data, options.peer, share, threads) for share in shares))))
    seconds = max(part[0] for part in parts)
    losses = [loss for part in parts for loss in part[1]]
    print(json.dumps({
        "program": options.peer,
        "problem": problem["name"],
        "models": count,
        "threads": processes * threads,
        "processes": processes,
        "seconds": seconds,
        "models_per_s": count / seconds,
        "peak_mb": max(part[2] for part in parts),
        "loss": sum(losses) / len(losses) if losses else None,
    }))


if __name__ == "__main__":
    main()
