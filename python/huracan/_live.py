"""What would be done now: approved models, and a market that is followed bar by bar."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Mapping
from typing import Any

from . import _huracan
from ._candles import _settings, _source
from ._frames import given


class Models:
    """The approved models of a folder, which decide on the newest closed bar of every coin.

    Parameters
    ----------
    folder
        The folder ``models`` that a run has filled. Rejected models are not loaded; one of another version, or on other features, is
        an error.
    settings, config
        As in :func:`huracan.features`. Barriers, costs, the decision's mode and the risk rules are those that the models were judged
        by. Of these ``costs`` and ``risk`` may be set; barriers, mode and market cannot be changed any more.
    workdir
        Whose kill switch (``data/kill_switch.json``) stops every entry. Besides it, that of the folder around ``folder`` counts.

    Raises
    ------
    DataError
        No approved model; a file that is damaged, or of another version.
    """

    def __init__(self, folder: Any = "models", *, settings: Mapping | None = None, config: Any = (), workdir: Any = "."):
        files, overrides = _settings(settings, config, None)
        self._approved = _huracan.Approved.load(os.fspath(folder), files, overrides, os.fspath(workdir))

    @property
    def symbols(self) -> list[str]:
        """Coins with an approved model, ``BASE-QUOTE``, ascending."""
        return self._approved.symbols

    @property
    def rejected(self) -> list[str]:
        """Coins whose only model was not approved."""
        return self._approved.rejected

    @property
    def simulated(self) -> bool:
        """Whether they come from a simulated market. A folder of real candles is refused then, and the other way round; tables in
        memory are taken to come from where the models do."""
        return self._approved.simulated

    def follow(self, candles: Any, *, at: Any = None) -> Market:
        """A market that begins with this history and goes on bar by bar.

        Parameters
        ----------
        candles
            The whole history, as in :func:`huracan.features`. A folder also has the terms of the exchange (``markets.json``) and
            funding, by which costs, lots and smallest orders are known.
        at
            The moment of the question: a datetime with a time zone, a text such as ``2026-11-30T10:00Z`` (UTC without a zone), or
            ``"newest"`` for the close of the newest bar. By default now. Bars that had not closed by then are left out.

        Raises
        ------
        DataError
            Candles that cannot be used, or that are all stale.
        """
        source, like = _source(candles)
        return Market(self._approved.follow(source, _moment(at)), like)

    def signals(self, candles: Any, account: Any = None, *, at: Any = None) -> Any:
        """What would be done now with every coin; see :meth:`Market.signals`. The history is computed as a whole: who asks again
        and again keeps a market (:meth:`follow`)."""
        return self.follow(candles, at=at).signals(account, at="newest")


class Market:
    """A market after its newest bar; from :meth:`Models.follow`. Every answer has the bits of the whole history."""

    def __init__(self, market: _huracan.Market, like: Any):
        self._market, self._like = market, like

    @property
    def newest(self) -> datetime.datetime:
        """Open of the newest bar."""
        return datetime.datetime.fromtimestamp(self._market.newest_ms / 1000, datetime.timezone.utc)

    @property
    def symbols(self) -> list[str]:
        """All coins of the history, ``BASE-QUOTE``, ascending."""
        return self._market.symbols

    @property
    def stale(self) -> list[str]:
        """Coins that have missed a bar and are refused until a market begins again with the whole history."""
        return self._market.stale

    def add(self, bars: Any, *, at: Any = None) -> int:
        """Adds new bars, of as many coins as there are, and returns how many bars of the clock were new.

        Bars that are there already, those that have not closed at the moment ``at`` (by default now), and those of stale coins are
        passed over. Add the bars of an hour together: a coin whose bar is not among them is stale from then on, and begins again with
        :meth:`Models.follow` alone.

        Raises
        ------
        DataError
            Bars that cannot be used, do not follow the newest one, or are of a coin that the history does not have. Nothing is added
            then.
        """
        source, _ = _source(bars)
        return self._market.add(source, _moment(at))

    def signals(self, account: Any = None, *, at: Any = None) -> Any:
        """What would be done now with every coin.

        Parameters
        ----------
        account
            A dict or a JSON file: ``{"equity": 10000, "currency": "USDT", "positions": […], …}``, see docs/live.md. Without it nothing
            is sized.
        at
            The moment of the question, as in :meth:`Models.follow`. If a bar has closed since the newest one that was added, the
            answer would be of the past, and there is none.

        Returns
        -------
        A table of the candles' kind, one row per coin: ``symbol, timestamp`` (open of its newest bar), ``action`` (``enter``,
        ``reverse``, ``close``, ``hold``, ``wait``, ``refuse``), ``reason``, ``side`` (1, -1, 0), ``price`` (the close), ``stop_price,
        take_price`` for an entry at that price, ``stop_distance, take_distance`` from whatever price it is entered at, ``edge_bps,
        cost_bps``, ``win_long, win_short``, the voters' ``score, threshold, confidence``; for an entry ``notional`` (account currency)
        and ``quantity`` (base units) in whole lots, ``approved_notional`` and ``risk`` before rounding, ``size_limit``; ``beta``; and ``simulated``.

        Raises
        ------
        DataError
            An account that cannot be used; candles that are stale altogether.
        """
        return given(self._market.signals(_account(account), _moment(at)), self._like)


def _moment(at: Any) -> str | None:
    if isinstance(at, datetime.datetime):
        if at.tzinfo is None:
            raise _huracan.UsageError(f"{at} has no time zone; give one, as in datetime.now(timezone.utc)")
        return at.isoformat()
    return None if at is None else str(at)


def _account(account: Any) -> str | None:
    if account is None:
        return None
    if isinstance(account, Mapping):
        return json.dumps(_known(account), default=_plain)
    with open(account, encoding="utf-8") as file:
        return file.read()


def _known(value: Any) -> Any:
    """A value in which nothing is NaN, as it comes from tables: what is not known is left out."""
    if isinstance(value, Mapping):
        return {key: _known(own) for key, own in value.items() if not _is_unknown(own)}
    return [_known(own) for own in value] if isinstance(value, (list, tuple)) else value


def _is_unknown(value: Any) -> bool:
    """Whether a value is NaN, NaT or pandas.NA, of whatever type."""
    if type(value).__name__ in ("NAType", "NaTType"):
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):
        return False


def _plain(value: Any) -> Any:
    """Numbers of numpy and times, as JSON has them."""
    return value.item() if hasattr(value, "item") else _moment(value)
