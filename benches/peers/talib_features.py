"""Throughput of TA-Lib's C library on the indicators that the feature catalogue shares with it:

talib_features.py CANDLES [--processes N] [--seconds S]

CANDLES is a folder of Parquet candle files. The symbols are divided among N processes (default: one per core), because TA-Lib
holds Python's lock. Each computes all indicators of its symbols repeatedly for S seconds, all at the same time. Prints one
JSON object; `values_per_s` counts the output values of all processes, including NaN rows.
"""

import argparse
import concurrent.futures
import glob
import json
import os
import time

import numpy
import pandas
import talib

COLUMNS = ("open", "high", "low", "close", "volume")


def load(path):
    frame = pandas.read_parquet(path, columns=list(COLUMNS))
    return [numpy.ascontiguousarray(frame[column].to_numpy(dtype="f8")) for column in COLUMNS]


def indicators(candles):
    """Every output that both have, as arrays with one value per bar."""
    _, high, low, close, volume = candles
    out = [talib.SMA(close, n) for n in (5, 10, 20, 50)]
    out += [talib.EMA(close, n) for n in (5, 10, 20)]
    out += [talib.SMA(volume, 20), talib.ATR(high, low, close, 14), talib.RSI(close, 14)]
    out += talib.BBANDS(close, 20, 2, 2, 0)
    out += talib.MACD(close, 12, 26, 9)
    out += talib.STOCH(high, low, close, 14, 3, 0, 3, 0)
    out += [talib.ADX(high, low, close, 14), talib.OBV(close, volume)]
    return out


def work(paths, seconds, start_at):
    symbols = [load(path) for path in paths]
    for candles in symbols:
        indicators(candles)
    # All processes start together, so that each has the memory bandwidth that it would have in a real batch.
    late = time.time() - start_at
    if late > 0:
        raise RuntimeError(f"a process was ready {late:.1f} s late; the machine is too busy to measure on")
    time.sleep(-late)
    start = time.perf_counter()
    values = rounds = 0
    while time.perf_counter() - start < seconds:
        for candles in symbols:
            values += sum(len(column) for column in indicators(candles))
        rounds += 1
    return values / (time.perf_counter() - start), rounds


def measure(paths, processes, seconds):
    """Values per second of all processes together, and the fewest rounds of any of them."""
    start_at = time.time() + 10
    with concurrent.futures.ProcessPoolExecutor(processes) as pool:
        shares = [paths[i::processes] for i in range(processes)]
        rates = list(pool.map(work, shares, [seconds] * processes, [start_at] * processes))
    return sum(rate for rate, _ in rates), min(rounds for _, rounds in rates)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("candles")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    paths = sorted(glob.glob(os.path.join(options.candles, "*.parquet")))
    if len(paths) < options.processes:
        parser.error(f"{options.candles} holds {len(paths)} Parquet files, fewer than {options.processes} processes")
    symbols = [load(path) for path in paths]
    rate, rounds = measure(paths, options.processes, options.seconds)
    print(json.dumps({
        "peer": "talib",
        "version": talib.__ta_version__.decode().split()[0],
        "symbols": len(paths),
        "bars": sum(len(candles[0]) for candles in symbols),
        "outputs": len(indicators(symbols[0])),
        "processes": options.processes,
        "rounds": rounds,
        "values_per_s": rate,
    }))


if __name__ == "__main__":
    main()
