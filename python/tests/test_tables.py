"""Tables from candles: the command's values bit for bit, from every kind of table."""

import json

import huracan
import numpy
import pandas
import pyarrow
import pytest
from conftest import answer, command, random_walk, needs_polars, polars


def same_bits(left: pandas.DataFrame, right: pandas.DataFrame) -> None:
    assert list(left.columns) == list(right.columns)
    assert len(left) == len(right) > 0
    for name in left.columns:
        a, b = left[name].to_numpy(), right[name].to_numpy()
        if a.dtype.kind == "f":
            kind = f"u{a.dtype.itemsize}"
            assert (a.view(kind) == b.astype(a.dtype).view(kind)).all(), name
        else:
            assert (left[name].astype(str) == right[name].astype(str)).all(), name


@pytest.fixture(scope="module")
def by_command(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    command("features", "--candles", folder, "--out", out / "features.parquet")
    command("features", "--candles", folder, "--view", "--out", out / "view.parquet")
    command("labels", "--candles", folder, "--out", out / "labels.parquet")
    return {name: pandas.read_parquet(out / f"{name}.parquet") for name in ["features", "view", "labels"]}


@pytest.mark.parametrize("kind", ["pandas", pytest.param("polars", marks=needs_polars), "pyarrow", "columns", "folder", "dict of tables", "indexed"])
def test_features_are_those_of_the_command(kind, candles, coins, folder, by_command):
    given = {
        "pandas": lambda: candles,
        "polars": lambda: polars.from_pandas(candles),
        "pyarrow": lambda: pyarrow.Table.from_pandas(candles, preserve_index=False),
        "columns": lambda: {name: candles[name].to_numpy() for name in candles.columns},
        "folder": lambda: folder,
        "dict of tables": lambda: {name.replace("-", "/"): table for name, table in coins.items()},
        "indexed": lambda: candles.set_index(["symbol", "timestamp"]),
    }[kind]()
    found = huracan.features(given)
    own = {"pandas": pandas.DataFrame, "indexed": pandas.DataFrame, "dict of tables": pandas.DataFrame,
           "polars": getattr(polars, "DataFrame", None)}.get(kind, pyarrow.Table)
    assert isinstance(found, own)
    frame = found if isinstance(found, pandas.DataFrame) else found.to_pandas()
    same_bits(frame, by_command["features"])


def test_the_view_and_the_labels_are_those_of_the_command(candles, by_command):
    same_bits(huracan.features(candles, view=True), by_command["view"])
    same_bits(huracan.labels(candles), by_command["labels"])


def test_folds_are_those_of_the_command(candles, folder):
    settings = {"folds": {"train_days": 12, "test_days": 4}}
    flat = [word for key, days in settings["folds"].items() for word in ("--set", f"folds.{key}={days}")]
    assert huracan.folds(candles, settings=settings) == json.loads(command("folds", "--candles", folder, "--json", *flat).stdout)


def test_votes_have_a_column_per_voter(candles):
    votes = huracan.votes(candles)
    assert votes.shape == (len(candles), 2 + 23 + 4)
    opinions = votes.iloc[:, 2:25].to_numpy()
    assert numpy.nanmin(opinions) >= -1 and numpy.nanmax(opinions) <= 1
    assert votes["score"].notna().any()


def test_a_backtest_is_that_of_the_command(candles, folder, tmp_path):
    signals = candles.loc[candles.index % 50 == 30, ["symbol", "timestamp"]].assign(side=1)
    signals.to_parquet(tmp_path / "signals.parquet", index=False)
    told = answer("backtest", "--candles", folder, "--signals", tmp_path / "signals.parquet", "--trades", tmp_path / "trades.parquet")
    trades, summary = huracan.backtest(candles, signals)
    assert summary == {key: value for key, value in told.items() if key != "out"}
    same_bits(trades, pandas.read_parquet(tmp_path / "trades.parquet"))


def test_an_audit_can_be_asked_for_some_checks(candles):
    long = {f"COIN{seed}": random_walk(seed, 24 * 160) for seed in range(2)}
    told = huracan.audit(long, only=["recursion"])
    assert {check["check"] for check in told["checks"]} == {"recursion"} and told["failed"] is False
    with pytest.raises(huracan.UsageError, match="there is no check 'luck'; choose from: look-ahead"):
        huracan.audit(candles, only=["luck"])


def test_nobody_needs_pyarrow_for_pandas(candles, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    assert isinstance(huracan.labels(candles), pandas.DataFrame)


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda table: table.drop(columns="close"), "column 'close' is missing"),
        (lambda table: table.drop(columns="symbol"), "column 'symbol' is missing"),
        (lambda table: table.assign(close="dear"), "column 'close' is 'dear', which is not a number"),
        (lambda table: table.assign(symbol=[None] * len(table)), "symbol"),
        (lambda table: table.assign(timestamp=pandas.NaT), "no time"),
        (lambda table: table.assign(high=0.0), "row 0"),
        (lambda table: table.iloc[:0], "no candles|no file"),
        (lambda table: {name: table[name].to_numpy()[: 10 if name == "low" else 20] for name in table}, "different lengths"),
    ],
)
def test_bad_candles_are_named(candles, damage, text):
    with pytest.raises(ValueError, match=text):
        huracan.features(damage(candles))


def test_what_is_no_table_is_refused():
    for candles in [5, None, [1, 2, 3]]:
        with pytest.raises(TypeError, match="no table"):
            huracan.features(candles)


def test_every_faulty_setting_is_named(candles):
    with pytest.raises(huracan.UsageError) as told:
        huracan.labels(candles, settings={"labels": {"stop_atr": "wide"}, "nothing": {"like": 1}})
    assert "labels.stop_atr" in str(told.value) and "nothing" in str(told.value)
    with pytest.raises(huracan.UsageError):
        huracan.labels(candles, device="abacus")


@needs_polars
@pytest.mark.parametrize("kind", ["Categorical", "Enum", "Int128", "Decimal"])
def test_columns_of_unreadable_types_are_named(candles, kind):
    frame = polars.from_pandas(candles)
    cast = {"Categorical": polars.Categorical, "Enum": polars.Enum(["BTC-USDT", "ETH-USDT", "XRP-USDT"]), "Int128": polars.Int128,
            "Decimal": polars.Decimal(38, 4)}[kind]
    name = "symbol" if kind in ("Categorical", "Enum") else "volume"
    with pytest.raises(huracan.DataError, match=f"column '{name}'"):
        huracan.features(frame.with_columns(polars.col(name).cast(cast)))


def test_signals_may_name_symbols_as_the_candles_do(candles):
    spelled = candles.assign(symbol=candles["symbol"].str.lower().str.replace("-", "/"))
    signals = spelled.loc[spelled.index % 50 == 30, ["symbol", "timestamp"]].assign(side=1)
    trades, _ = huracan.backtest(spelled, signals)
    plain, _ = huracan.backtest(candles, signals.assign(symbol=signals["symbol"].str.upper().str.replace("/", "-")))
    assert len(trades) > 10 and trades.equals(plain)


def test_a_coin_without_candles_and_odd_settings_are_named(coins):
    with pytest.raises(huracan.DataError, match="no candles of ETH-USDT"):
        huracan.features({**coins, "ETH-USDT": coins["ETH-USDT"].iloc[:0]})
    assert len(huracan.labels(coins, settings={"labels": {"max_hold": numpy.int64(5), "stop_atr": numpy.float32(1.5)}, "costs": {}}))
    with pytest.raises(huracan.UsageError, match="labels.max_hold"):
        huracan.labels(coins, settings={"labels.max_hold": {1, 2}})
