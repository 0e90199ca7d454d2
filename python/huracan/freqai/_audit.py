"""Whether a strategy's features look ahead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy
import pandas
from freqtrade.exceptions import OperationalException
from freqtrade.exchange import timeframe_to_seconds


class LooksAhead(OperationalException):
    """Features that know what comes after their bar."""


@contextmanager
def cut_off(provider: Any, last: pandas.Timestamp, seconds: int) -> Iterator[None]:
    """Lets a data provider give only candles that have closed when the bar of `seconds` that opens at `last` closes."""
    given = provider.get_pair_dataframe
    end = last + pandas.Timedelta(seconds=seconds)

    def closed(pair: str, timeframe: str | None = None, candle_type: str = "") -> pandas.DataFrame:
        frame = given(pair, timeframe, candle_type)
        length = pandas.Timedelta(seconds=timeframe_to_seconds(timeframe)) if timeframe else pandas.Timedelta(0)
        return frame[frame["date"] + length <= end].reset_index(drop=True)

    provider.get_pair_dataframe = closed
    try:
        yield
    finally:
        provider.get_pair_dataframe = given


def ahead(whole: pandas.DataFrame, until: Callable[[pandas.Timestamp], pandas.DataFrame], bars: int) -> dict[str, pandas.Timestamp]:
    """Features (``%…``) whose value at a bar is another one when the table ends there, and the first such bar that was seen.

    `until` makes the table of the candles up to a bar. Bars are spread evenly over the second half of the table, where every window is
    full. Values may differ by rounding: 1e-6 of the feature's usual size.
    """
    found: dict[str, pandas.Timestamp] = {}
    names = [name for name in whole.columns if name.startswith("%") and pandas.api.types.is_numeric_dtype(whole[name].dtype)]
    usual = whole[names].abs().median()
    for place in numpy.linspace(len(whole) // 2, len(whole) - 2, bars).astype(int):
        row = whole.iloc[place]
        cut = until(row["date"]).iloc[-1]
        for name in names:
            was, now = row[name], cut.get(name)
            same = now is not None and (was == now or (pandas.isna(was) and pandas.isna(now)) or abs(was - now) <= 1e-6 * usual[name])
            if not same:
                found.setdefault(name, row["date"])
    return found
