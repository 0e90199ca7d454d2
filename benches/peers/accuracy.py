"""Compares validation losses with LightGBM and XGBoost (benches/peers/accuracy runs both steps):

accuracy.py tables FOLDER [--share S]              writes scikit-learn's bundled tables as problems, each to its own folder
accuracy.py race BENCH PROBLEM… [--seeds N]        compares; BENCH is the program of benches/boost.rs

`tables` shuffles a table again for each split and validates on a quarter of it: 200 times, or 20 times for digits, which has
more rows. With 20 splits, chance moves the mean of the small tables by 2 to 3 %.

Candles have an order and cannot be shuffled. Their models are trained N times (default 24), each time without another random
twentieth of their training rows, the same rows for all three programs: on such noisy tables, trees differ as much by chance
as by program.

`race` prints one line per problem. `ours is` compares Huracan's mean loss with that of the better peer. `spread` is the effect
of chance on that figure: two standard errors of the difference over the splits. A problem counts as worse if Huracan's loss is
more than 1 % higher, beyond its spread. Single symbols of the candles are listed below the table if they are worse; their
spread is the standard deviation between seeds.
"""

import argparse
import json
import os
import subprocess
import tempfile

import boost_peers
import numpy

#: The most by which Huracan's mean loss over all problems may exceed the better peer's, and that of a single table beyond its
#: spread.
MEAN, SINGLE = 0.003, 0.01


def write(folder, problem, values, labels):
    os.makedirs(folder, exist_ok=True)
    values.astype("<f4").tofile(os.path.join(folder, "values.f32"))
    labels.astype("<f4").tofile(os.path.join(folder, "labels.f32"))
    with open(os.path.join(folder, "problem.json"), "w") as file:
        json.dump(problem, file)


def write_table(folder, name, objective, values, labels, splits):
    """Writes a problem of shuffled splits. Rows are written once per split, so that every part is a range of rows."""
    rows, features = values.shape
    valid = rows // 4
    models, order = [], []
    for split in range(splits):
        order.append(numpy.random.default_rng(split).permutation(rows))
        start = split * rows
        train = {"start": start, "end": start + rows - valid}
        models.append({"table": name, "train": train, "valid": {"start": train["end"], "end": start + rows}})
    order = numpy.concatenate(order)
    problem = {
        "name": name,
        "objective": objective,
        "features": features,
        "rounds": 100,
        "learning_rate": 0.05,
        "depth": 6,
        "max_bin": 255,
        "l2": 1.0,
        "min_child_hessian": 1.0,
        "subsample": 1.0,
        "watched": False,
        "models": models,
    }
    write(folder, problem, values[order], labels[order])


def write_tables(folder, share):
    from sklearn import datasets

    tables = {
        "breast_cancer": (datasets.load_breast_cancer, "binary", 200),
        "wine": (datasets.load_wine, {"multiclass": {"classes": 3}}, 200),
        "digits": (datasets.load_digits, {"multiclass": {"classes": 10}}, 20),
        "diabetes": (datasets.load_diabetes, "regression", 200),
    }
    for name, (loader, objective, splits) in tables.items():
        values, labels = loader(return_X_y=True)
        write_table(os.path.join(folder, name), name, objective, values, labels, round(splits * share))


def write_without_some(folder, source, seed):
    """Writes the problem of `source` without a random twentieth of each model's training rows."""
    problem, values, labels = boost_peers.load(source)
    draw = numpy.random.default_rng(seed)
    models, order, end = [], [], 0
    for model in problem["models"]:
        train, valid = (numpy.arange(len(labels))[boost_peers.rows(model, part)] for part in ("train", "valid"))
        kept = numpy.sort(draw.choice(train, len(train) * 19 // 20, replace=False))
        start, middle, end = end, end + len(kept), end + len(kept) + len(valid)
        models.append({
            "table": model["table"],
            "train": {"start": start, "end": middle},
            "valid": {"start": middle, "end": end},
        })
        order += [kept, valid]
    order = numpy.concatenate(order)
    write(folder, {**problem, "models": models}, values[order], labels[order])


def losses(bench, folder):
    """Validation losses, `[Huracan and each peer][models]`."""
    said = subprocess.run([bench, "losses", folder], check=True, stdout=subprocess.PIPE).stdout
    ours = json.loads(said)
    peers = [boost_peers.deal(folder, peer, len(ours), os.cpu_count(), 1, "cpu")[1] for peer in boost_peers.MODELS]
    return numpy.array([ours, *peers])


def distances(found):
    """Huracan's losses minus those of the peer with the lower mean, as shares of that mean: `[models or seeds]`."""
    best = min(found[1:], key=numpy.mean)
    return (found[0] - best) / numpy.mean(best)


def verdict(distance, spread):
    if distance > SINGLE + spread:
        return "WORSE"
    if distance > MEAN:
        return "within spread" if distance > SINGLE else "within 1 %"
    return "better" if distance < -spread else "equal"


def race(bench, folders, seeds):
    columns = f"{'problem':<14}{'rows':>7}{'features':>9}{'splits':>7}{'ours':>12}{'LightGBM':>12}{'XGBoost':>12}"
    print(f"{columns}{'ours is':>9}{'spread':>8}  verdict")
    all_distances, worse = [], []
    for folder in folders:
        problem, _, _ = boost_peers.load(folder)
        models = problem["models"]
        table = numpy.array([model["table"] for model in models])
        if len(set(table)) == 1:
            found = losses(bench, folder)[None]
        else:
            found = []
            for seed in range(seeds):
                with tempfile.TemporaryDirectory() as drawn:
                    write_without_some(drawn, folder, seed)
                    found.append(losses(bench, drawn))
            found = numpy.array(found)
            for name in sorted(set(table)):
                own = distances(found[:, :, table == name].mean(2).T)
                if verdict(own.mean(), own.std()) == "WORSE":
                    worse.append(f"{problem['name']} {name}: {own.mean():+.2%}, spread {own.std():.2%}")
        mean = found.mean(0)
        distance = distances(mean)
        spread = 2 * distance.std() / numpy.sqrt(len(models))
        all_distances.append(distance.mean())
        judged = verdict(distance.mean(), spread)
        if judged == "WORSE":
            worse.append(problem["name"])
        rows = models[0]["train"]["end"] - models[0]["train"]["start"]
        means = "".join(f"{loss:>12.6g}" for loss in mean.mean(1))
        sizes = f"{problem['name']:<14}{rows:>7}{problem['features']:>9}{len(models):>7}"
        print(f"{sizes}{means}{distance.mean():>+9.2%}{spread:>8.2%}  {judged}", flush=True)
    mean = numpy.mean(all_distances)
    print(f"mean of all: {mean:+.2%}, {'kept' if mean <= MEAN else 'NOT KEPT'}: at most {MEAN:+.1%}")
    print("single tables: " + ("; ".join(worse) or f"none worse by more than {SINGLE:.0%} beyond its spread"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = parser.add_subparsers(dest="step", required=True)
    tables = steps.add_parser("tables")
    tables.add_argument("folder")
    tables.add_argument("--share", type=float, default=1.0, help="share of the splits to write")
    racing = steps.add_parser("race")
    racing.add_argument("bench")
    racing.add_argument("problems", nargs="+")
    racing.add_argument("--seeds", type=int, default=24)
    options = parser.parse_args()
    if options.step == "tables":
        write_tables(options.folder, options.share)
    else:
        race(options.bench, options.problems, options.seeds)


if __name__ == "__main__":
    main()
