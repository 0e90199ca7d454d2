"""Both sides of benches/peers/module, which says what is done: groups_module.py DATA ROUNDS"""

import os
import sys
import time
import warnings
from pathlib import Path

import groups_sklego
import huracan
import numpy
import pandas
from huracan import _huracan
from huracan._models import grouped


def seconds(work):
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


def main(data, rounds):
    warnings.filterwarnings("ignore", category=UserWarning)
    table = pandas.read_parquet(data / "table.parquet")
    features = [name for name in table.columns if name.startswith("feature_")]
    groups = table["window"].to_numpy()
    X, y = numpy.ascontiguousarray(table[features].to_numpy("float32")), table["win"].to_numpy()
    model = huracan.HuracanClassifier(
        max_depth=groups_sklego.DEPTH,
        n_estimators=groups_sklego.ROUNDS,
        learning_rate=groups_sklego.RATE,
        min_child_weight=groups_sklego.MIN_HESSIAN,
        reg_lambda=groups_sklego.L2,
        min_child_samples=0,
        min_data_in_bin=0,
    )
    models = len(set(groups))
    best = {}

    def note(what, took):
        best[what] = min(took, best.get(what, took))

    for _ in range(rounds):
        took, _ = seconds(lambda: model.fit(X, y, groups=groups))
        note("huracan, float32 row by row", took)
        took, own = seconds(lambda: model.predict_proba(X, groups=groups)[:, 1])
        note("huracan, its prediction", took)
        took, _ = seconds(lambda: model.fit(table[features], y, groups=table["window"]))
        note("huracan, a pandas frame", took)
        names, places = grouped(groups, len(X))
        parameters = model._engine_parameters("binary", 1.0, features)
        labels = y.astype("float32")
        took, _ = seconds(lambda: _huracan.fit((X, labels, None, places), None, names, features, parameters, 0.0, 0.0, 0, "cpu", None))
        note("huracan, training alone", took)
        took, theirs = seconds(lambda: groups_sklego.fit(table, os.cpu_count()))
        note("scikit-lego", took)
        took, scored = seconds(lambda: groups_sklego.score(theirs, table))
        note("scikit-lego, its prediction", took)
    for what, took in best.items():
        print(f"{what:<30}{took:>8.3f} s{models / took:>10.0f} models/s")
    fit, alone = best["huracan, float32 row by row"], best["huracan, training alone"]
    print(f"not training: {100 * max(0.0, fit - alone) / fit:.1f} % of the call, of a pandas frame "
          f"{100 * max(0.0, best['huracan, a pandas frame'] - alone) / best['huracan, a pandas frame']:.1f} %")
    print(f"fit: {best['scikit-lego'] / fit:.1f}x scikit-lego, with the prediction "
          f"{(best['scikit-lego'] + best['scikit-lego, its prediction']) / (fit + best['huracan, its prediction']):.1f}x")
    loss = lambda p: float(-numpy.log(numpy.clip(numpy.where(y == 1, p, 1 - p), 1e-15, 1)).mean())  # noqa: E731
    print(f"log loss on the training rows: ours {loss(own):.4f}, scikit-lego's {loss(scored['prediction'].to_numpy()):.4f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
