"""scikit-lego's side of benches/peers/groups, which says what is done:

groups_sklego.py DATA prepare GROUPS | train PROCESSES | predict PROCESSES | compare GROUPS

`prepare` writes DATA/table.parquet from the problem in DATA/tiny. `train` and `predict` print the seconds without the import of
libraries. `compare` prints the table of the race, and how near the predictions of both sides are to each other.
"""

import json
import sys
import time
from pathlib import Path

#: Settings of both sides: those of the problem `tiny`.
DEPTH, ROUNDS, RATE, MIN_HESSIAN, L2 = 4, 50, 0.05, 1.0, 1.0


def prepare(data, groups):
    import numpy
    import pandas

    problem = json.loads((data / "tiny" / "problem.json").read_text())
    values = numpy.fromfile(data / "tiny" / "values.f32", "<f4").reshape(-1, problem["features"])
    labels = numpy.fromfile(data / "tiny" / "labels.f32", "<f4")
    windows = [slice(model["train"]["start"], model["train"]["end"]) for model in problem["models"]]
    # scikit-lego cannot predict by a classifier that has seen one class only.
    windows = [window for window in windows if 0 < labels[window].sum() < 110][:groups]
    if len(windows) < groups:
        raise SystemExit(f"only {len(windows)} windows have both labels")
    table = pandas.DataFrame(
        numpy.concatenate([values[window] for window in windows]),
        columns=[f"feature_{number}" for number in range(problem["features"])],
    )
    table["window"] = numpy.repeat([f"w{number:05}" for number in range(groups)], 110)
    table["win"] = numpy.concatenate([labels[window] for window in windows])
    table.to_parquet(data / "table.parquet", index=False)


def shares(table, processes):
    """The rows of each process: whole windows, the same number of them for each."""
    windows = table["window"].unique()
    return [table[table["window"].isin(windows[k::processes])] for k in range(processes)]


def import_all():
    """What is imported before the clock starts, in this process and in each worker."""
    import joblib  # noqa: F401
    import lightgbm  # noqa: F401
    import pandas  # noqa: F401
    import sklego.meta  # noqa: F401


def workers(processes):
    import joblib

    import_all()
    work = joblib.Parallel(n_jobs=processes)
    work(joblib.delayed(import_all)() for _ in range(processes))
    return work


def fit(table, threads):
    import lightgbm
    from sklego.meta import GroupedPredictor

    model = lightgbm.LGBMClassifier(
        n_estimators=ROUNDS,
        max_depth=DEPTH,
        num_leaves=2**DEPTH,
        learning_rate=RATE,
        reg_lambda=L2,
        min_child_weight=MIN_HESSIAN,
        min_child_samples=1,
        min_data_in_bin=1,
        feature_pre_filter=False,
        n_jobs=threads,
        verbose=-1,
    )
    # Without a model of all groups, and without checks that the other side does not make either.
    grouped = GroupedPredictor(model, groups=["window"], use_global_model=False, check_X=False)
    return grouped.fit(table.drop(columns="win"), table["win"])


def score(grouped, table):
    import warnings

    # Each of a thousand models warns that its columns had names when it was trained.
    warnings.filterwarnings("ignore", category=UserWarning)
    return table.assign(prediction=grouped.predict_proba(table.drop(columns="win"))[:, 1])


def train(data, processes):
    import joblib
    import pandas

    work = workers(processes)
    begun = time.perf_counter()
    table = pandas.read_parquet(data / "table.parquet")
    threads = 1 if processes > 1 else joblib.cpu_count()
    joblib.dump(work(joblib.delayed(fit)(share, threads) for share in shares(table, processes)), data / "sklego.joblib")
    print(f"{time.perf_counter() - begun:.3f}")


def predict(data, processes):
    import joblib
    import pandas

    work = workers(processes)
    begun = time.perf_counter()
    table = pandas.read_parquet(data / "table.parquet")
    grouped = joblib.load(data / "sklego.joblib")
    parts = work(joblib.delayed(score)(own, share) for own, share in zip(grouped, shares(table, processes)))
    pandas.concat(parts).sort_index().to_parquet(data / "sklego.parquet", index=False)
    print(f"{time.perf_counter() - begun:.3f}")


def compare(data, groups):
    import numpy
    import pandas

    best = {}
    for line in (data / "results").read_text().splitlines():
        name, milliseconds, said = (line.split(" ", 2) + [""])[:3]
        what, program = name.split(":")
        seconds = int(milliseconds) / 1000
        inside = float(said) if program.startswith("sklego") else seconds
        key = program, what
        best[key] = min(best.get(key, (float("inf"),) * 2), (seconds, inside))
    programs = dict.fromkeys(program for program, _ in best)
    print(f"{'program':<18}{'train s':>9}{'models/s':>10}{'predict s':>11}{'both s':>8}{'both without imports':>22}")
    both = {}
    for program in programs:
        trained, predicted = best[program, "train"], best[program, "predict"]
        both[program] = trained[0] + predicted[0], trained[1] + predicted[1]
        print(f"{program:<18}{trained[0]:>9.2f}{groups / trained[0]:>10.1f}{predicted[0]:>11.2f}{both[program][0]:>8.2f}{both[program][1]:>22.2f}")
    whole, inside = (min(both[p][k] for p in programs if p.startswith("sklego")) for k in (0, 1))
    for program in programs:
        if program.startswith("huracan"):
            print(f"{program}: {whole / both[program][0]:.1f}x scikit-lego, {inside / both[program][0]:.1f}x without the import of its libraries")
    ours = pandas.read_parquet(data / "huracan.parquet")
    theirs = pandas.read_parquet(data / "sklego.parquet")
    y, p = ours["win"], ours[[c for c in ours.columns if c.startswith("prediction")][0]]
    loss = lambda p: float(-numpy.log(numpy.clip(numpy.where(y == 1, p, 1 - p), 1e-15, 1)).mean())
    print(f"log loss on the training rows: ours {loss(p):.4f}, scikit-lego's {loss(theirs['prediction']):.4f}")


if __name__ == "__main__":
    folder, task, *rest = sys.argv[1:]
    {"prepare": prepare, "train": train, "predict": predict, "compare": compare}[task](Path(folder), *map(int, rest))
