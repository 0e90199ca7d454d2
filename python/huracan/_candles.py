"""What the program computes from candles: features, labels, votes, folds, trades, and whether to believe them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from . import _huracan
from ._frames import given, taken


def features(candles: Any, *, view: bool = False, settings: Mapping | None = None, config: Any = (), device: str | None = None,
             workdir: Any = ".") -> Any:
    """The feature catalogue of every bar.

    Parameters
    ----------
    candles
        A folder of candle files; or one table with the columns ``symbol, timestamp, open, high, low, close, volume``; or a dict
        from symbol to table. Tables are pandas, polars, pyarrow, dicts of numpy arrays, or anything with ``__arrow_c_stream__``.
        Times are datetimes, whole numbers (seconds to nanoseconds, told by their size) or ISO 8601 text, in UTC; prices in the
        quote currency, volume in the base currency; rows in the order of time, without gaps longer than ``market.max_gap_bars``.
        Symbols are named ``BASE-QUOTE`` in results: ``btc/usdt`` becomes ``BTC-USDT``.
    view
        The scale-free view that models see, instead of the catalogue.
    settings
        Settings of ``config/settings.yaml``, nested or with dots: ``{"market": {"timeframe": "1h"}}`` or
        ``{"market.timeframe": "1h"}``. Without a timeframe, that of the candles is found.
    config
        A settings file, or several, of which later ones win. Other than the command, the module reads none by itself.
    device
        ``cpu``, ``cuda``, ``cuda:N``; the same as the setting ``engine.device``. Results have the same bits.
    workdir
        Folder that holds compiled kernels.

    Returns
    -------
    A table ``[bars × (2 + features)]`` of the kind that was given (of pyarrow for a folder): ``symbol, timestamp``, then the
    features as float32, NaN where a window is not full. The values are those of ``huracan features``, bit for bit.

    Raises
    ------
    DataError
        Candles that cannot be used: every bad table, its row and the reason.
    UsageError
        Settings that cannot be used, all of them at once; a device that is not there.
    """
    source, like = _source(candles)
    files, overrides = _settings(settings, config, device)
    return given(_huracan.features(source, view, files, overrides, os.fspath(workdir)), like)


def labels(candles: Any, *, settings: Mapping | None = None, config: Any = (), device: str | None = None, workdir: Any = ".") -> Any:
    """The outcome of the unit trade at every bar, long and short, by the triple barriers of the settings ``labels``.

    Parameters as in :func:`features`. Returns ``symbol, timestamp, side`` (1 or -1), ``win, return_bps`` (basis points after
    costs), ``exit_timestamp, exit_reason``, one row per label.
    """
    source, like = _source(candles)
    files, overrides = _settings(settings, config, device)
    return given(_huracan.labels(source, files, overrides, os.fspath(workdir)), like)


def votes(candles: Any, *, settings: Mapping | None = None, config: Any = (), device: str | None = None, workdir: Any = ".") -> Any:
    """The votes of the 23 voters on every bar, and their consensus.

    Parameters as in :func:`features`. Returns ``symbol, timestamp``, a column per voter (-1 sells, 1 buys, NaN has no opinion), and
    of the consensus ``score``, ``threshold`` (the least absolute score that is traded), ``confidence`` (per cent) and
    ``expected_bps``.
    """
    source, like = _source(candles)
    files, overrides = _settings(settings, config, device)
    return given(_huracan.votes(source, files, overrides, os.fspath(workdir)), like)


def folds(candles: Any, *, settings: Mapping | None = None, config: Any = ()) -> dict:
    """The purged walk-forward plan: ``{"timeframe": …, "folds": [{"symbol", "fold", "train", "validation", "purge", "test"}, …],
    "failed": [{"symbol", "reason"}, …]}``, where each part has ``from``, ``to`` (opens of its first and last bar) and ``bars``.

    Parameters as in :func:`features`.
    """
    source, _ = _source(candles)
    files, overrides = _settings(settings, config, None)
    return json.loads(_huracan.folds(source, files, overrides, "."))


def backtest(candles: Any, signals: Any = None, *, include_rejected: bool = False, settings: Mapping | None = None, config: Any = (),
             device: str | None = None, workdir: Any = ".") -> tuple[Any, dict]:
    """Shadow trading with every cost.

    Parameters
    ----------
    candles
        As in :func:`features`.
    signals
        A table ``symbol, timestamp, side`` (-1, 0, 1) and optionally ``stop_bps, take_bps`` (distances in basis points) and
        ``size``. Without it the models of ``workdir`` decide, or by ``settings={"decide.mode": "consensus"}`` the voters.
    include_rejected
        Whether rejected models decide, too.

    Returns
    -------
    ``(trades, summary)``: one row per trade, with times as ISO 8601 text, and the counts and sums that ``huracan backtest --json`` prints.
    """
    source, like = _source(candles)
    files, overrides = _settings(settings, config, device)
    own = None if signals is None else taken(signals, "signals")
    trades, summary = _huracan.backtest(source, own, include_rejected, files, overrides, os.fspath(workdir))
    return given(trades, like if signals is None else signals), json.loads(summary)


def audit(candles: Any = None, *, only: Sequence[str] = (), settings: Mapping | None = None, config: Any = (),
          device: str | None = None, workdir: Any = ".") -> dict:
    """Whether results can be believed: look-ahead, recursion, noise, power and promise.

    Parameters
    ----------
    candles
        As in :func:`features`; without them simulated markets are audited.
    only
        Some of ``look-ahead, recursion, noise, power, promise``; all of them take minutes to hours.

    Returns
    -------
    What ``huracan audit --json`` prints: ``failed``, ``checks`` with a verdict each, and all figures in ``audit``.
    """
    source = None if candles is None else _source(candles)[0]
    only = [only] if isinstance(only, str) else only
    files, overrides = _settings(settings, config, device)
    return json.loads(_huracan.audit(source, list(only), files, overrides, os.fspath(workdir)))


def _source(candles: Any) -> tuple[Any, Any]:
    """Candles as the extension takes them, and a table of the caller's kind."""
    if isinstance(candles, (str, os.PathLike)):
        return os.fspath(candles), None
    if isinstance(candles, Mapping) and candles and not _is_column(next(iter(candles.values()))):
        tables = [(str(symbol), taken(table, f"candles of {symbol}")) for symbol, table in candles.items()]
        empty = [symbol for symbol, table in tables if not len(table)]
        if empty:
            raise _huracan.DataError(f"there are no candles of {', '.join(empty)}")
        return tables, next(iter(candles.values()))
    return [(None, taken(candles, "candles"))], candles


def _is_column(value: Any) -> bool:
    """Whether a value of a dict is a column, and not a table."""
    if isinstance(value, Mapping) or hasattr(value, "columns"):
        return False
    return getattr(value, "ndim", 1) == 1 and not hasattr(value, "column_names")


def _settings(settings: Mapping | None, config: Any, device: str | None) -> tuple[list[str], list[str]]:
    files = [config] if isinstance(config, (str, os.PathLike)) else list(config)
    overrides = [f"{key}={value}" for key, value in _flat(settings or {}, "")]
    if device is not None:
        overrides.append(f"engine.device={device}")
    return [os.fspath(file) for file in files], overrides


def _flat(settings: Mapping, before: str):
    for key, value in settings.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{name}.")
        elif isinstance(value, Mapping):
            continue
        elif isinstance(value, (str, os.PathLike)):
            yield name, os.fspath(value)
        elif isinstance(value, (list, tuple)):
            yield name, ", ".join(str(one) for one in value)
        else:
            value = value.item() if hasattr(value, "item") else value
            if value is not None and not isinstance(value, (bool, int, float)):
                raise _huracan.UsageError(f"{name}: {value!r} is no value of a setting")
            yield name, json.dumps(int(value) if isinstance(value, float) and value.is_integer() else value)
