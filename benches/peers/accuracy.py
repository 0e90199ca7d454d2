"""Validation losses beside those of LightGBM and XGBoost (benches/peers/accuracy runs both steps):

accuracy.py tables FOLDER [--share S]     writes scikit-learn's bundled tables as problems, each to its own folder
accuracy.py race PROBLEM…                 compares; each folder holds a problem and `ours.json`, our losses

`tables` shuffles a table anew for each split and validates on a quarter of it: 200 times, digits 20 times, which has more
rows. On 20 splits chance moves the mean of the small ones by 2 to 3 %.

`race` prints one line a problem. `ours is` compares the mean losses, with the peer of the lower one. `spread` is what chance
makes of that figure: two standard errors of the difference over the splits. A problem is worse where ours is more than 1 %
higher beyond its spread; so are the symbols of the candles one by one, which are named below the table.
"""

import argparse
import json
import os

import boost_peers
import numpy

#: Most by which our mean over all problems may exceed the better peer's, and a single table's beyond its spread.
MEAN, SINGLE = 0.003, 0.01


def write(folder, name, objective, values, labels, splits):
    """A problem of shuffled splits. Rows are written once a split, so that every part is a range of rows."""
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
        "models": models,
    }
    os.makedirs(folder, exist_ok=True)
    values[order].astype("<f4").tofile(os.path.join(folder, "values.f32"))
    labels[order].astype("<f4").tofile(os.path.join(folder, "labels.f32"))
    with open(os.path.join(folder, "problem.json"), "w") as file:
        json.dump(problem, file)


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
        write(os.path.join(folder, name), name, objective, values, labels, round(splits * share))


def compare(ours, peers):
    """Our relative distance from the better peer, and its standard deviation over the splits."""
    best = min(peers, key=numpy.mean)
    scale = numpy.mean(best)
    return numpy.mean(ours) / scale - 1, numpy.std(ours - best) / scale


def verdict(distance, spread):
    if distance > SINGLE + spread:
        return "WORSE"
    if distance > MEAN:
        return "within spread" if distance > SINGLE else "within 1 %"
    return "better" if distance < -spread else "equal"


def race(folders):
    columns = f"{'problem':<14}{'rows':>7}{'features':>9}{'splits':>7}{'ours':>12}{'LightGBM':>12}{'XGBoost':>12}"
    print(f"{columns}{'ours is':>9}{'spread':>8}  verdict")
    distances, worse = [], []
    for folder in folders:
        problem, _, labels = boost_peers.load(folder)
        with open(os.path.join(folder, "ours.json")) as file:
            ours = numpy.array(json.load(file))
        models, cores = problem["models"], os.cpu_count()
        peers = [numpy.array(boost_peers.deal(folder, p, len(models), cores, 1)[1]) for p in boost_peers.MODELS]
        distance, deviation = compare(ours, peers)
        distances.append(distance)
        spread = 2 * deviation / numpy.sqrt(len(models))
        table = numpy.array([model["table"] for model in models])
        for name in sorted(set(table)):
            own = table == name
            alone, _ = compare(ours[own], [peer[own] for peer in peers])
            # Four splits say little of their own deviation: that of all splits of the problem counts.
            chance = 2 * deviation / numpy.sqrt(own.sum())
            if verdict(alone, chance) == "WORSE":
                worse.append(f"{problem['name']} {name}: {alone:+.2%}, spread {chance:.2%}")
        rows = models[0]["train"]["end"] - models[0]["train"]["start"]
        means = "".join(f"{numpy.mean(losses):>12.6g}" for losses in (ours, *peers))
        sizes = f"{problem['name']:<14}{rows:>7}{problem['features']:>9}{len(models):>7}"
        print(f"{sizes}{means}{distance:>+9.2%}{spread:>8.2%}  {verdict(distance, spread)}", flush=True)
    mean = numpy.mean(distances)
    print(f"mean of all: {mean:+.2%}, {'kept' if mean <= MEAN else 'NOT KEPT'}: at most {MEAN:+.1%}")
    print("single tables: " + ("; ".join(worse) or f"none worse by more than {SINGLE:.0%} beyond its spread"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = parser.add_subparsers(dest="step", required=True)
    tables = steps.add_parser("tables")
    tables.add_argument("folder")
    tables.add_argument("--share", type=float, default=1.0, help="of the splits")
    steps.add_parser("race").add_argument("problems", nargs="+")
    options = parser.parse_args()
    if options.step == "tables":
        write_tables(options.folder, options.share)
    else:
        race(options.problems)


if __name__ == "__main__":
    main()
