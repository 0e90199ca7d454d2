"""Runs vectorbt on the inputs that `sweep prepare` wrote. Prints one JSON line per run.

    sweep_vectorbt.py DATA FORM ENGINE [PROCESSES] [ROUNDS]    the time of one warm sweep of all settings
    sweep_vectorbt.py DATA check SETTINGS                      trades and gross results of the first settings

FORM `portfolio` is Portfolio.from_signals with all settings of all symbols broadcast in one call. `simulate` calls the
underlying simulation per symbol and threshold, so that nothing is copied per setting. `from_order_func` is not included,
because it needs a callback per bar for what from_signals has built in. ENGINE is numba or rust, both from vectorbt. Only the
simulation is timed, not reading, building arrays and compiling.
"""

import json
import multiprocessing
import resource
import sys
import time
from pathlib import Path

import numpy as np

NO_CALL_SEQ = np.zeros((0, 0), dtype=np.int64)


class Race:
    def __init__(self, folder):
        about = json.loads((folder / "race.json").read_text())
        self.symbols, self.bars, self.unit = len(about["symbols"]), about["bars"], about["unit"]
        shape = (5, self.symbols, self.bars)
        self.open, self.high, self.low, self.close, _ = np.fromfile(folder / "candles.f64").reshape(shape)
        self.scores = np.fromfile(folder / "scores.f32", dtype=np.float32).reshape(shape[1:])
        self.thresholds = np.array(about["thresholds"], dtype=np.float32)
        self.stops, self.takes = (self.unit * np.array(about[name]) for name in ("stops", "takes"))

    def sides(self, symbol, threshold):
        score = self.scores[symbol]
        strong = np.abs(score) >= threshold
        return strong & (score > 0), strong & (score < 0)

    def levels(self):
        """Stops and takes of all settings of a threshold; stops change slowest."""
        return np.repeat(self.stops, len(self.takes)), np.tile(self.takes, len(self.stops))

    def settings(self):
        return len(self.thresholds) * len(self.stops) * len(self.takes)


def simulate(race, symbol, threshold, engine):
    """The order records of all settings of one symbol and threshold. They share one column of prices and signals."""
    from vectorbt.portfolio import dispatch
    from vectorbt.portfolio.enums import OppositeEntryMode

    long, short = (side[:, None] for side in race.sides(symbol, threshold))
    stops, takes = race.levels()
    columns = len(stops)
    column = lambda values: np.ascontiguousarray(values[symbol][:, None])
    return dispatch.simulate_from_signals(
        (race.bars, columns),
        np.ones(columns, dtype=np.int64),
        np.full(columns, np.inf),
        NO_CALL_SEQ if engine == "numba" else np.zeros((race.bars, columns), dtype=np.int64),
        long_entries=long,
        short_entries=short,
        size=np.asarray(1.0),
        upon_opposite_entry=np.asarray(OppositeEntryMode.Reverse),
        open=column(race.open),
        high=column(race.high),
        low=column(race.low),
        close=column(race.close),
        sl_stop=stops[None, :],
        tp_stop=takes[None, :],
        max_orders=2 * int(long.sum() + short.sum() + 1) * columns,
        engine=engine,
    )[0]


def portfolio(race, engine, thresholds, stops, takes, symbols=None, doubled=False):
    """Returns a function that sweeps. Its arrays are built here, so they are not part of the sweep."""
    import pandas as pd
    import vectorbt as vbt

    symbols = range(race.symbols) if symbols is None else symbols
    settings = len(stops) * len(takes)
    sides = [race.sides(symbol, threshold) for symbol in symbols for threshold in thresholds]
    wide = lambda columns: np.repeat(np.column_stack(columns), settings, axis=1)
    price = lambda values: wide([values[symbol] for symbol in symbols for _ in thresholds])
    open, high, low, close = (price(values) for values in (race.open, race.high, race.low, race.close))
    long, short = (wide([side[n] for side in sides]) for n in (0, 1))
    if doubled:
        open, high, low, close, long, short = two_rows(open, high, low, close, long, short)
    pairs = len(sides)
    levels = np.repeat(stops, len(takes)), np.tile(takes, len(stops))
    close = pd.DataFrame(close)
    return lambda: vbt.Portfolio.from_signals(
        close,
        entries=long,
        short_entries=short,
        size=1.0,
        init_cash=np.inf,
        upon_opposite_entry="reverse",
        open=open,
        high=high,
        low=low,
        sl_stop=np.tile(levels[0], pairs)[None, :],
        tp_stop=np.tile(levels[1], pairs)[None, :],
        max_orders=2 * int(long.sum() + short.sum() + long.shape[1]),
        freq="1h",
        engine=engine,
    )


def two_rows(open, high, low, close, long, short):
    """Splits each bar into two rows: what happens within it, and its close with the signals. vectorbt allows one order per
    row, and would otherwise drop the signal of a bar in which a stop was hit."""
    within = lambda values: np.repeat(values, 2, axis=0)
    rows = [within(values) for values in (open, high, low, close)]
    for values in rows[:3]:
        values[1::2] = close
    sides = []
    for side in (long, short):
        doubled = np.zeros_like(rows[0], dtype=bool)
        doubled[1::2] = side
        sides.append(doubled)
    return (*rows, *sides)


def check(race, settings):
    """The trades that huracan should make: without the limit of one order per bar."""
    per_threshold = len(race.stops) * len(race.takes)
    threshold = race.thresholds[len(race.thresholds) // 2]
    first = len(race.thresholds) // 2 * per_threshold
    trades, gross = np.zeros(per_threshold, dtype=int), np.zeros(per_threshold)
    for symbol in range(race.symbols):
        made = portfolio(race, "numba", [threshold], race.stops, race.takes, [symbol], doubled=True)().trades.records
        trades += np.bincount(made["col"], minlength=per_threshold)
        gross += np.bincount(made["col"], weights=1e4 * made["return"], minlength=per_threshold)
    print(json.dumps({"first": first, "trades": trades.tolist()[:settings], "gross_bps": gross.tolist()[:settings]}))


def part(arguments):
    race, symbols, engine = arguments
    return sum(len(simulate(race, symbol, threshold, engine)) for symbol in symbols for threshold in race.thresholds)


def warm(_):
    # The first run compiles, in each process.
    return part((RACE, [0], ENGINE))


if __name__ == "__main__":
    RACE = Race(Path(sys.argv[1]))
    form = sys.argv[2]
    if form == "check":
        check(RACE, int(sys.argv[3]))
        sys.exit()
    ENGINE = sys.argv[3]
    processes, rounds = (int(sys.argv[n]) if len(sys.argv) > n else default for n, default in ((4, 1), (5, 2)))
    seconds, orders = [], 0
    if form == "portfolio":
        portfolio(RACE, ENGINE, RACE.thresholds[:1], RACE.stops[:1], RACE.takes[:1])()
        all_settings = portfolio(RACE, ENGINE, RACE.thresholds, RACE.stops, RACE.takes)
        sweep = lambda: len(all_settings().order_records)
    elif processes == 1:
        sweep = lambda: part((RACE, range(RACE.symbols), ENGINE))
        warm(0)
    else:
        pool = multiprocessing.get_context("fork").Pool(processes)
        warm(0)
        pool.map(warm, range(4 * processes), chunksize=1)
        parts = [(RACE, range(n, RACE.symbols, 4 * processes), ENGINE) for n in range(4 * processes)]
        sweep = lambda: sum(pool.map(part, parts, chunksize=1))
    for _ in range(rounds):
        begun = time.perf_counter()
        orders = sweep()
        seconds.append(time.perf_counter() - begun)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if processes > 1:
        pool.close()
        pool.join()
        own += processes * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    name = f"vectorbt {form}, {ENGINE}" + (f", {processes} processes" if processes > 1 else "")
    bar_settings = RACE.symbols * RACE.bars * RACE.settings()
    print(
        json.dumps(
            {
                "program": name,
                "symbols": RACE.symbols,
                "bars": RACE.bars,
                "settings": RACE.settings(),
                "seconds": seconds,
                "bar_settings_per_s": bar_settings / min(seconds),
                "orders": orders,
                "peak_mb": own / 1e3,
            }
        )
    )
