"""freqtrade without a network: candles in its own format, markets made from their names, and small backtests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
import pandas
import pytest

HERE = Path(__file__).parent
#: The hour at which all candles end: the same for all backtests of a session.
NOW = pandas.Timestamp.now(tz="UTC").floor("h")
#: Where offline.py, config.json and the strategy are.
PEERS = Path(os.environ.get("FREQAI_PEERS", HERE.parents[1] / "benches/peers/freqai"))


@pytest.fixture(scope="session")
def candles(tmp_path_factory) -> Path:
    """Invented hourly candles of four coins that end now, as freqtrade stores them."""
    folder = tmp_path_factory.mktemp("candles")
    end = NOW
    times = pandas.date_range(end - pandas.Timedelta(hours=24 * 80), end - pandas.Timedelta(hours=1), freq="h")
    for seed, coin in enumerate(["BTC", "ETH", "SOL", "XRP"]):
        draws = numpy.random.default_rng(seed)
        close = 100 * numpy.exp(numpy.cumsum(draws.normal(0, 0.01, len(times)) + 0.004 * numpy.sin(numpy.arange(len(times)) / 9 + seed)))
        opened = numpy.concatenate([[100.0], close[:-1]])
        reach = 1 + numpy.abs(draws.normal(0, 0.004, len(times))) + 1e-4
        table = pandas.DataFrame({
            "date": times.astype("datetime64[ms, UTC]"), "open": opened, "high": numpy.maximum(opened, close) * reach,
            "low": numpy.minimum(opened, close) / reach, "close": close, "volume": draws.uniform(10, 1000, len(times)),
        })
        for timeframe, span in {"1h": None, "4h": "4h"}.items():
            bars = table
            if span is not None:
                how = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
                bars = table.set_index("date").resample(span).agg(how).dropna().reset_index()
            bars.to_feather(folder / f"{coin}_USDT-{timeframe}.feather", compression="lz4")
    return folder


class User:
    """A folder of user data, and backtests in it."""

    def __init__(self, folder: Path, candles: Path):
        self.folder, self.candles = folder, candles
        for name in ("strategies", "freqaimodels", "data", "models", "backtest_results", "logs"):
            (folder / name).mkdir(parents=True)
        shutil.copy(PEERS / "RaceStrategy.py", folder / "strategies")
        subprocess.run([sys.executable, "-m", "huracan.freqai", folder], check=True, stdout=subprocess.DEVNULL)
        config = json.loads((PEERS / "config.json").read_text())
        config["exchange"]["pair_whitelist"] = ["SOL/USDT", "XRP/USDT"]
        config["freqai"] |= {"train_period_days": 12, "backtest_period_days": 5, "identifier": "small", "save_backtest_models": True}
        config["freqai"]["model_training_parameters"] = {"n_estimators": 20}
        self.config = config

    def write(self, kind: str, name: str, text: str) -> None:
        (self.folder / kind / f"{name}.py").write_text(text)

    @property
    def timerange(self) -> str:
        end = NOW.floor("D")
        return f"{end - pandas.Timedelta(days=15):%Y%m%d}-{end:%Y%m%d}"

    def backtest(self, model: str, strategy: str = "RaceStrategy", check: bool = True) -> str:
        """What a backtest says."""
        path = self.folder / "config.json"
        path.write_text(json.dumps(self.config))
        done = subprocess.run(
            [sys.executable, PEERS / "offline.py", "backtesting", "--userdir", self.folder, "-d", self.candles, "-c", path,
             "--strategy", strategy, "--freqaimodel", model, "--timerange", self.timerange, "--cache", "none"],
            capture_output=True, text=True, env={**os.environ, "CANDLES": str(self.candles)}, check=False)
        said = done.stdout + done.stderr
        assert not check or done.returncode == 0, said[-4000:]
        return said

    def predictions(self, identifier: str | None = None) -> dict[str, pandas.DataFrame]:
        """The prediction files of a backtest, by name."""
        folder = self.folder / "models" / (identifier or self.config["freqai"]["identifier"]) / "backtesting_predictions"
        return {path.name: pandas.read_feather(path) for path in sorted(folder.glob("*.feather"))}


@pytest.fixture
def user(tmp_path, candles) -> User:
    return User(tmp_path / "user_data", candles)
