"""Live signals: the module says what the command says, and a market goes on bar by bar."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy
import pandas
import pytest

import huracan

from conftest import answer, command

SMALL = [
    "market.type=perp", "market.simulated.symbols=14", "market.simulated.edge=5.0", "market.lookback_days=220", "universe.top_n=4",
    "folds.train_days=60", "models.rounds=20", "brain.feature_days=0", "patterns.enabled=false", "verdict.fdr=1",
    "approve.min_sharpe=-100", "approve.min_win_rate=0", "approve.max_drawdown=1", "approve.min_trades=1",
    "approve.min_deflated_sharpe=0",
]


@pytest.fixture(scope="module")
def workdir(tmp_path_factory) -> Path:
    """A day of a simulated market whose models are approved."""
    workdir = tmp_path_factory.mktemp("day")
    settings = [word for setting in SMALL for word in ("--set", setting)]
    ran = answer("run", "--date", "2024-08-01", "--workdir", workdir, *settings)
    assert ran["models"]["approved"] == 4
    return workdir


@pytest.fixture(scope="module")
def models(workdir) -> huracan.Models:
    return huracan.Models(workdir / "models", workdir=workdir)


@pytest.fixture(scope="module")
def tables(workdir) -> dict[str, pandas.DataFrame]:
    return {path.stem: pandas.read_parquet(path) for path in sorted((workdir / "data/candles").glob("*-*.parquet"))}


def equal(table, other) -> None:
    pandas.testing.assert_frame_equal(pandas.DataFrame(table), pandas.DataFrame(other), check_exact=True, check_dtype=False)


def test_the_module_answers_as_the_command_does(workdir, models, tmp_path):
    candles, account = workdir / "data/candles", {"equity": 10_000.0, "currency": "USDT", "losses_in_a_row": {"BTC": 3}}
    (tmp_path / "account.json").write_text(json.dumps(account))
    command("signal", "--candles", candles, "--workdir", workdir, "--account", tmp_path / "account.json", "--at", "2024-07-31T12:00Z",
            "--out", tmp_path / "signals.parquet")
    expected = pandas.read_parquet(tmp_path / "signals.parquet")
    for given in (account, tmp_path / "account.json"):
        for at in ("2024-07-31T12:00Z", datetime.datetime(2024, 7, 31, 12, tzinfo=datetime.timezone.utc), pandas.Timestamp("2024-07-31T14:00+02:00")):
            equal(models.signals(candles, given, at=at).to_pandas(), expected)
    assert list(expected.symbol) == sorted(models.symbols) and models.rejected == [] and models.simulated


def test_bars_are_added_one_by_one_or_many_at_once(models, tables):
    end = pandas.Timestamp("2024-07-30T00:00Z")
    hour = pandas.Timedelta(hours=1)
    cut = {name: table[table.timestamp < end] for name, table in tables.items()}
    market = models.follow(cut, at=end)
    assert market.newest == (end - hour).to_pydatetime() and market.symbols == sorted(tables)
    for step in range(12):
        new = {name: table[table.timestamp == end + step * hour] for name, table in tables.items()}
        assert market.add(new, at=end + (step + 1) * hour) == 1
    later = end + 20 * hour
    many = pandas.concat([table[table.timestamp >= end - hour].assign(symbol=name) for name, table in tables.items()])
    # The bar of 20:00 is still forming.
    assert market.add(many, at=later + hour / 2) == 8
    assert market.add(many, at=later + hour / 2) == 0
    assert market.add(many[many.timestamp == later], at=later + hour / 2) == 0
    whole = {name: table[table.timestamp < later] for name, table in tables.items()}
    fresh = models.follow(whole, at=later)
    account = {"equity": 5000, "currency": "USDT", "positions": [
        {"symbol": "BTC-USDT", "side": "long", "notional": numpy.float64(900), "entry_price": 1.0, "stop_price": 0.9, "entered": end,
         "beta": numpy.nan}]}
    for own in (None, account):
        table = market.signals(own, at=later + hour / 2)
        assert isinstance(table, pandas.DataFrame) and len(table) == 4 and table.simulated.all()
        equal(table, fresh.signals(own, at="newest"))
    # An hour later the answer would be of the past.
    with pytest.raises(huracan.DataError, match="stale candles: the newest bar opens at 2024-07-30T19:00:00Z"):
        market.signals(at=later + hour)


def test_what_cannot_be_used_is_named_and_changes_nothing(workdir, models, tables, tmp_path):
    end = pandas.Timestamp("2024-07-30T00:00Z")
    hour = pandas.Timedelta(hours=1)
    market = models.follow({name: table[table.timestamp < end] for name, table in tables.items()}, at=end)
    before = market.signals(at="newest")
    first = sorted(tables)[0]

    def bar(name, time):
        return {name: tables[first][tables[first].timestamp == time]}

    with pytest.raises(huracan.DataError, match="the history has no such symbol"):
        market.add(bar("NEW-USDT", end), at="newest")
    with pytest.raises(huracan.DataError, match="does not follow the newest one"):
        market.add(bar(first, end + hour), at="newest")
    with pytest.raises(huracan.DataError, match="row 0: high"):
        market.add({first: bar(first, end)[first].assign(high=1e-9)}, at="newest")
    equal(market.signals(at="newest"), before)
    # A coin that has missed a bar is stale, and stays so, without keeping the others.
    others = {name: own for name in sorted(tables)[1:] for own in bar(name, end).values()}
    assert market.add(others, at="newest") == 1 and market.stale == [first]
    assert market.add(bar(first, end), at="newest") == 0
    late = market.signals(at="newest").set_index("symbol").loc[first]
    assert (late.action, late.reason) == ("refuse", "stale_candles")
    everyone = {name: own for name in sorted(tables) for own in bar(name, end + hour).values()}
    assert market.add(everyone, at="newest") == 1 and market.stale == [first]
    with pytest.raises(huracan.DataError, match="stale candles: the newest bar opens at 2024-07-31T23:00:00Z"):
        models.signals(workdir / "data/candles")
    with pytest.raises(huracan.DataError, match="unknown field `equty`"):
        market.signals({"equity": 1, "currency": "USDT", "equty": 1}, at="newest")
    with pytest.raises(huracan.UsageError, match="has no time zone"):
        market.signals(at=datetime.datetime(2024, 7, 30))
    with pytest.raises(huracan.UsageError, match="'soon' is no time"):
        models.signals(tables, at="soon")
    with pytest.raises(huracan.UsageError, match="labels.max_hold is 7, but the models were trained and judged with 24"):
        huracan.Models(workdir / "models", settings={"labels.max_hold": 7}).follow(tables, at="newest")
    with pytest.raises(huracan.DataError, match="No such file or directory"):
        huracan.Models(tmp_path / "none")
    (tmp_path / "BTC-USDT_model.pkl").write_bytes(b"no pickle")
    with pytest.raises(huracan.DataError, match="not a Huracan model"):
        huracan.Models(tmp_path)


def test_the_kill_switch_of_the_models_workdir_stops_entries(workdir, models):
    market = models.follow(workdir / "data/candles", at="newest")
    command("kill", "on", "--why", "test", "--workdir", workdir)
    try:
        table = market.signals({"equity": 10_000, "currency": "USDT"}, at="newest").to_pandas()
        assert not set(table.action) & {"enter", "reverse"}
        elsewhere = huracan.Models(workdir / "models").follow(workdir / "data/candles", at="newest")
        equal(elsewhere.signals({"equity": 10_000, "currency": "USDT"}, at="newest").to_pandas(), table)
    finally:
        command("kill", "off", "--workdir", workdir)


def test_threads_may_ask_the_same_market(models, tables):
    market, account = models.follow(tables, at="newest"), {"equity": 1000, "currency": "USDT"}
    expected, answers = market.signals(account, at="newest"), []
    threads = [threading.Thread(target=lambda: answers.append(market.signals(account, at="newest"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for table in answers:
        equal(table, expected)


def test_the_example_bot_trades_on_paper(workdir):
    bot = Path(__file__).with_name("bot.py")
    if not bot.exists():
        bot = Path(__file__).parents[2] / "examples/bot/bot.py"
    done = subprocess.run([sys.executable, bot, workdir, "20"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) > 20 and "trades in 20 days on paper" in lines[-1] and " enter " in done.stdout
