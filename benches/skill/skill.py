"""Skill of predictions on the test windows of a folder of candles: Huracan, LightGBM per coin, and the constant.

    skill.py --binary huracan CANDLES [--timeframe 1h] [--set KEY=VALUE ...] [--lightgbm] [--out FILE]

Huracan's figures are those of its own report (reports/training_report.json) of a run over the whole history. LightGBM gets
the same view of the features, labels and folds from the commands `features`, `labels` and `folds`, and is trained per coin
and fold with settings that its documentation advises for small, noisy data. All figures are out of fold.

    R2      1 - sum (y - p)^2 / sum (y - b)^2, b the mean edge of the fold's training rows, pooled over coins
    skill   1 - Brier score / Brier score of the base rate of the fold's training rows, pooled over coins
    slope   of realised on predicted edges, with its 95 % interval by blocks of days
    told    the same of what models say of a bar in particular, beyond the market's drift: the part that is traded

LightGBM and the constant are measured on the coins and folds of the run; where a coin has too few rows to train LightGBM, it
predicts the constant. Should their numbers of rows differ from the run's all the same, the table says so.

Trades are those of the account of all models: their mean predicted edge, their result before costs with its standard error by
days, and after costs. `approved` counts the trades of the account that trades approved models only. The share of bars that pass
is that of bars with a prediction whose edge exceeds their costs and the margin, whatever else speaks against a trade.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy
import pandas

DAY_MS = 86_400_000
# Reasons to wait of bars whose edge does not exceed their costs, or that have no edge or no stop.
BEFORE_THE_GATE = ("warm_up", "score_below_threshold", "no_record", "edge_below_costs", "no_stop")


def huracan(options, *arguments):
    """The JSON result of a command."""
    command = [options.binary, *arguments, "--json"]
    for setting in settings(options):
        command += ["--set", setting]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in (0, 4):
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return json.loads(done.stdout)


def settings(options):
    return [f"market.timeframe={options.timeframe}", *options.set]


def own(options, workdir):
    """One row: what a run reports."""
    more = [
        "market.exchange.kind=files",
        f"market.exchange.path={options.candles.resolve()}",
        "market.lookback_days=20000",
        "universe.top_n=100000",
        "universe.min_daily_volume_usd=0",
        "universe.min_age_days=0",
        "patterns.enabled=false",
        "brain.feature_days=0",
    ]
    arguments = ["run", "--workdir", str(workdir)]
    for setting in more:
        arguments += ["--set", setting]
    huracan(options, *arguments)
    with open(workdir / "reports/training_report.json") as file:
        report = json.load(file)
    heads = {row["head"]: row for row in report["calibration"]}
    edge = heads["edge_bps"]
    trades, account = report["all_models"], report["account"]
    bars = report["decisions"]["bars"]
    waits = dict(report["decisions"]["waits"])
    passed = bars - sum(waits.get(reason, 0) for reason in BEFORE_THE_GATE)
    return {
        "models": "Huracan",
        "symbols": [row["symbol"] for row in report["symbols"]],
        "coins": len(report["symbols"]),
        "rows": edge["predictions"],
        "r2": edge["r2"],
        "slope": edge["slope"],
        "slope_low": edge["slope_low"],
        "slope_high": edge["slope_high"],
        "skill_long": 1 - heads["win_long"]["brier"] / heads["win_long"]["known_base_brier"],
        "skill_short": 1 - heads["win_short"]["brier"] / heads["win_short"]["known_base_brier"],
        "told_slope": edge["told_slope"],
        "told_low": edge["told_low"],
        "told_high": edge["told_high"],
        "trades": trades["trades"],
        "predicted_bps": trades["predicted_bps"],
        "gross_bps": trades["gross_bps"],
        "realised_bps": trades["realised_bps"],
        "error_bps": trades["error_bps"],
        "net_bps": trades["net_bps"],
        "account_trades": account["trades"],
        "account_gross_bps": account["gross_bps"],
        "approved": report["totals"]["approved"],
        "pass": passed / bars if bars else None,
    }


def slope_and_interval(predicted, realised, block):
    x, y = predicted - predicted.mean(), realised - realised.mean()
    spread = (x * x).sum()
    if spread <= 1e-12 * len(x) or len(set(block)) < 2:
        return None, None, None
    slope = (x * y).sum() / spread
    sums = pandas.Series(x * (y - slope * x)).groupby(block).sum()
    error = numpy.sqrt((sums**2).sum() * len(sums) / max(len(sums) - 1, 1)) / spread
    return slope, slope - 1.96 * error, slope + 1.96 * error


def longest_label_ms(labels):
    """How far the longest label looks ahead: blocks of days are at least as long, as in the program's own intervals."""
    held = labels["exit_timestamp"] - labels["timestamp"]
    return int(held.max() / pandas.Timedelta(milliseconds=1))


def lightgbm_per_coin(options, workdir, symbols):
    """Two rows for the coins of the run: LightGBM per coin, and the constant that both are held against."""
    import lightgbm

    view, labels = workdir / "view.parquet", workdir / "labels.parquet"
    huracan(options, "features", "--view", "--candles", str(options.candles), "--out", str(view))
    huracan(options, "labels", "--candles", str(options.candles), "--out", str(labels))
    plan = huracan(options, "folds", "--candles", str(options.candles))
    view, labels = pandas.read_parquet(view), pandas.read_parquet(labels)
    wide = labels.pivot(index=["symbol", "timestamp"], columns="side", values=["win", "return_bps"])
    table = view.set_index(["symbol", "timestamp"]).join(
        pandas.DataFrame(
            {
                "win_long": wide["win"][1].astype("f8"),
                "win_short": wide["win"][-1].astype("f8"),
                "edge_bps": (wide["return_bps"][1].astype("f8") - wide["return_bps"][-1].astype("f8")) / 2,
            }
        ),
        how="inner",
    ).dropna(subset=["win_long", "win_short", "edge_bps"])
    columns = [name for name in view.columns if name not in ("symbol", "timestamp")]
    parameters = {
        "learning_rate": 0.03,
        "num_leaves": 15,
        "min_data_in_leaf": 50,
        "lambda_l2": 10,
        "feature_fraction": 0.5,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "verbose": -1,
        "seed": 7,
    }
    found = {head: [] for head in ("win_long", "win_short", "edge_bps")}
    means = {}
    horizon_ms = longest_label_ms(labels)
    block_ms = -(-horizon_ms // DAY_MS) * DAY_MS
    own_folds = [fold for fold in plan["folds"] if fold["symbol"] in symbols]
    for fold in own_folds:
        rows = table.loc[fold["symbol"]]
        part = {
            name: rows.loc[pandas.Timestamp(fold[name]["from"]) : pandas.Timestamp(fold[name]["to"])]
            for name in ("train", "validation", "test")
        }
        if len(part["test"]) == 0:
            continue
        enough = len(part["train"]) >= 50 and len(part["validation"]) >= 5
        for head, rows in found.items():
            sums = means.setdefault((fold["fold"], head), [0.0, 0])
            sums[0] += part["train"][head].sum()
            sums[1] += len(part["train"])
            block = part["test"].index.as_unit("ms").astype("int64") // block_ms
            if not enough:
                rows.append((fold["fold"], None, part["test"][head].to_numpy(), numpy.asarray(block)))
                continue
            objective = "regression" if head == "edge_bps" else "binary"
            train = lightgbm.Dataset(part["train"][columns], part["train"][head])
            valid = lightgbm.Dataset(part["validation"][columns], part["validation"][head], reference=train)
            model = lightgbm.train(
                {**parameters, "objective": objective},
                train,
                300,
                valid_sets=[valid],
                callbacks=[lightgbm.early_stopping(30, verbose=False)],
            )
            predicted = model.predict(part["test"][columns])
            rows.append((fold["fold"], predicted, part["test"][head].to_numpy(), numpy.asarray(block)))
    skill, constant = {}, {}
    for head, rows in found.items():
        known = [numpy.full(len(y), means[fold, head][0] / means[fold, head][1]) for fold, _, y, _ in rows]
        predicted = numpy.concatenate([base if row[1] is None else row[1] for base, row in zip(known, rows)])
        known = numpy.concatenate(known)
        realised, block = (numpy.concatenate([row[at] for row in rows]) for at in (2, 3))
        skill[head] = 1 - ((realised - predicted) ** 2).sum() / ((realised - known) ** 2).sum()
        constant[head] = 0.0
        if head == "edge_bps":
            slope = slope_and_interval(predicted, realised, block)
            count = len(predicted)
    row = {"coins": len({fold["symbol"] for fold in own_folds}), "rows": count}
    named = lambda models, skill, slope: {
        "models": models,
        **row,
        "r2": skill["edge_bps"],
        "slope": slope[0],
        "slope_low": slope[1],
        "slope_high": slope[2],
        "skill_long": skill["win_long"],
        "skill_short": skill["win_short"],
    }
    return [named("LightGBM per coin", skill, slope), named("the constant", constant, (None, None, None))]


def shown(rows):
    """A table in Markdown."""
    percent = lambda value: "–" if value is None else f"{100 * value:+.3f}"
    number = lambda value: "–" if value is None else f"{value:+.2f}"
    head = ["models", "coins", "rows", "R², %", "slope", "interval", "skill long, %", "skill short, %"]
    head += ["told", "interval", "trades", "predicted, bps", "realised, bps", "net, bps", "approved", "bars that pass, %"]
    lines = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
    for row in rows:
        interval = lambda low, high: "–" if row.get(low) is None else f"{row[low]:.2f} to {row[high]:.2f}"
        cells = [row["models"], row["coins"], f"{row['rows']:,}", percent(row["r2"]), number(row["slope"])]
        cells += [interval("slope_low", "slope_high"), percent(row["skill_long"]), percent(row["skill_short"])]
        cells += [number(row.get("told_slope")), interval("told_low", "told_high"), row.get("trades", "–")]
        realised = number(row.get("realised_bps")) + (f" ± {row['error_bps']:.1f}" if row.get("error_bps") else "")
        cells += [number(row.get("predicted_bps")), realised, number(row.get("net_bps"))]
        cells += [row.get("account_trades", "–"), percent(row.get("pass"))]
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("candles", type=pathlib.Path, help="folder of candle files, one per symbol")
    parser.add_argument("--binary", default="target/release/huracan", help="the program")
    parser.add_argument("--timeframe", default="1h", help="length of a bar")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting; repeatable")
    parser.add_argument("--lightgbm", action="store_true", help="also train LightGBM per coin, and show the constant")
    parser.add_argument("--out", type=pathlib.Path, help="also write the rows as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as workdir:
        rows = [own(options, pathlib.Path(workdir))]
        if options.lightgbm:
            rows += lightgbm_per_coin(options, pathlib.Path(workdir), set(rows[0]["symbols"]))
    print(shown(rows))
    for row in rows[1:]:
        if row["rows"] != rows[0]["rows"]:
            print(f"{row['models']} was measured on {row['rows']:,} rows, the run on {rows[0]['rows']:,}: not the same")
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
