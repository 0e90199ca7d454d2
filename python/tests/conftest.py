"""What the tests share. They run against an installed wheel, with nothing of the source tree in reach."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy
import pandas
import pytest

try:
    import polars
except ImportError:
    # It has no wheel for free-threaded CPython.
    polars = None

#: On a test that needs polars.
needs_polars = pytest.mark.skipif(polars is None, reason="polars is not installed")
HOUR_MS = 3_600_000
START_MS = 1_704_067_200_000


def random_walk(seed: int, bars: int = 700) -> pandas.DataFrame:
    """Invented candles of one coin."""
    draws = numpy.random.default_rng(seed)
    close = 100.0 * numpy.exp(numpy.cumsum(draws.normal(0, 0.01, bars)))
    opened = numpy.concatenate([[100.0], close[:-1]])
    spread = numpy.abs(draws.normal(0, 0.004, bars)) + 1e-4
    return pandas.DataFrame({
        "timestamp": pandas.to_datetime(START_MS + HOUR_MS * numpy.arange(bars), unit="ms", utc=True),
        "open": opened,
        "high": numpy.maximum(opened, close) * (1 + spread),
        "low": numpy.minimum(opened, close) * (1 - spread),
        "close": close,
        "volume": draws.uniform(10, 1000, bars),
    })


@pytest.fixture(scope="session")
def coins() -> dict[str, pandas.DataFrame]:
    """Invented candles of three coins."""
    return {symbol: random_walk(seed) for seed, symbol in enumerate(["BTC-USDT", "ETH-USDT", "XRP-USDT"])}


@pytest.fixture(scope="session")
def candles(coins) -> pandas.DataFrame:
    """The same candles in one table."""
    return pandas.concat([table.assign(symbol=symbol) for symbol, table in coins.items()], ignore_index=True)


@pytest.fixture(scope="session")
def folder(coins, tmp_path_factory) -> Path:
    """The same candles as files."""
    folder = tmp_path_factory.mktemp("candles")
    for symbol, table in coins.items():
        table.to_parquet(folder / f"{symbol}.parquet", index=False)
    return folder


def command(*words, check: bool = True) -> subprocess.CompletedProcess:
    """Runs the installed command `huracan`."""
    program = Path(sys.executable).with_name("huracan")
    done = subprocess.run([program, *map(str, words)], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise AssertionError(f"exit code {done.returncode}: {done.stderr}")
    return done


def answer(*words) -> dict:
    """The JSON result of the command."""
    return json.loads(command(*words, "--json").stdout)


@pytest.fixture(scope="session")
def shops():
    """Rows of 40 invented shops: values, labels 0 and 1, and the shop of each row."""
    draws = numpy.random.default_rng(5)
    rows = 40 * 120
    X = draws.normal(size=(rows, 8)).astype("float32")
    X[draws.random(X.shape) < 0.02] = numpy.nan
    shop = numpy.repeat([f"shop {number:02}" for number in range(40)], 120)
    slope = numpy.repeat(draws.normal(size=40), 120)
    y = (numpy.nan_to_num(X[:, 0]) * slope + 0.5 * draws.normal(size=rows) > 0).astype(int)
    return X, y, shop
