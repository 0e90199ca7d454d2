"""Thousands of small boosted-tree models in one batch, and every coin's trading models from candles to trades.

* :class:`HuracanClassifier` and :class:`HuracanRegressor` are scikit-learn estimators; ``fit(X, y, groups=…)`` trains one model
  per group, all at once.
* :func:`features`, :func:`labels`, :func:`votes`, :func:`folds`, :func:`backtest` and :func:`audit` compute from candles what the
  command ``huracan`` computes, with the same bits.
* :class:`Models` says what would be done now with every coin, for a bot; :class:`Market` goes on bar by bar.
* :class:`GroupedModels` holds trained models by group; :func:`load` reads them from a file.

The command ``huracan`` is installed beside the module: ``huracan run`` does a whole night.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from ._huracan import DataError, HuracanError, UsageError, __version__, commit

if TYPE_CHECKING:
    from ._candles import audit, backtest, features, folds, labels, votes
    from ._estimators import HuracanClassifier, HuracanRegressor
    from ._live import Market, Models
    from ._models import Booster, GroupedModels, load

#: Where each name is. It is imported when it is first used: the command line needs no numpy and no scikit-learn.
_PLACES = {
    "audit": "_candles",
    "backtest": "_candles",
    "features": "_candles",
    "folds": "_candles",
    "labels": "_candles",
    "votes": "_candles",
    "Market": "_live",
    "Models": "_live",
    "Booster": "_models",
    "GroupedModels": "_models",
    "load": "_models",
    "HuracanClassifier": "_estimators",
    "HuracanRegressor": "_estimators",
}

__all__ = ["DataError", "HuracanError", "UsageError", "__version__", "commit", *sorted(_PLACES)]


def __getattr__(name: str):
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module 'huracan' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"huracan.{place}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
