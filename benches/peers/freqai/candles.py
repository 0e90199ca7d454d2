"""Writes hourly candle files as freqtrade has them, BASE_QUOTE-TIMEFRAME.feather: candles.py FROM TO [PAIR…]. Longer bars are made of hours."""

import sys
from pathlib import Path

import pandas

BARS = {"1h": None, "4h": "4h", "1d": "1D"}


def main(source: str, target: str, *pairs: str) -> None:
    Path(target).mkdir(parents=True, exist_ok=True)
    for path in sorted(Path(source).glob("*.parquet")):
        name = path.stem.replace("-", "_")
        if pairs and name not in pairs:
            continue
        table = pandas.read_parquet(path).rename(columns={"timestamp": "date"})
        table["date"] = pandas.to_datetime(table["date"], utc=True).astype("datetime64[ms, UTC]")
        for timeframe, span in BARS.items():
            bars = table
            if span is not None:
                how = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
                bars = table.set_index("date").resample(span).agg(how).dropna().reset_index()
            bars.reset_index(drop=True).to_feather(Path(target, f"{name}-{timeframe}.feather"), compression="lz4")


if __name__ == "__main__":
    main(*sys.argv[1:])
