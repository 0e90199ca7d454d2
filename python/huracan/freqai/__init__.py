"""Huracan in freqtrade's FreqAI: the models of all pairs and windows in one batch.

``python -m huracan.freqai USER_DATA`` writes ``freqaimodels/HuracanRegressor.py`` and ``HuracanClassifier.py`` there; then
``freqtrade backtesting --freqaimodel HuracanRegressor …``. ``model_training_parameters`` has LightGBM's names.

FreqAI asks for one pair after the other, and for one window after the other. When a backtest asks for its first pair, this module lets
FreqAI's own pipelines make the tables of all pairs and windows, trains them together, and writes the models and the prediction files where
FreqAI looks for them. Whatever is missing there FreqAI trains by itself, with the same class.

``"freqai": {"huracan": {"audit_bars": 20}}`` first looks for features that look ahead, see :func:`ahead`. With ``"load_only": true`` a live
bot trains nothing: it takes up the newest models that lie in its identifier's folder, such as those of a backtest on another machine.
"""

from __future__ import annotations

from typing import Any

import numpy
import pandas
from freqtrade.exceptions import OperationalException
from freqtrade.freqai.base_models.BaseClassifierModel import BaseClassifierModel
from freqtrade.freqai.base_models.BaseRegressionModel import BaseRegressionModel

from .._estimators import HuracanClassifier as _Classifier
from .._estimators import HuracanRegressor as _Regressor
from ._audit import LooksAhead, ahead
from ._batch import OneBatch
from ._trained import Model, Window

__all__ = ["HuracanClassifier", "HuracanRegressor", "LooksAhead", "Model", "ahead"]


class HuracanRegressor(OneBatch, BaseRegressionModel):
    """FreqAI's regression, one target or many."""

    _estimator = _Regressor
    _base = BaseRegressionModel

    @staticmethod
    def _classes(tables: dict) -> None:
        return None

    @staticmethod
    def _frame(window: Window, model: Model) -> pandas.DataFrame:
        labels = window.dk.label_list
        frame = pandas.DataFrame(numpy.reshape(model.predict(window.pending.rows), (-1, len(labels))), columns=labels)
        return window.dk.label_pipeline.inverse_transform(frame)[0]


class HuracanClassifier(OneBatch, BaseClassifierModel):
    """FreqAI's classification, of one target. Each window has the classes of its own training rows."""

    _estimator = _Classifier
    _base = BaseClassifierModel

    @staticmethod
    def _classes(tables: dict) -> numpy.ndarray:
        labels = tables["train_labels"]
        if labels.shape[1] != 1:
            raise OperationalException("HuracanClassifier learns one target; use HuracanRegressor for several")
        return numpy.unique(labels.to_numpy()[:, 0])

    @staticmethod
    def _frame(window: Window, model: Model) -> pandas.DataFrame:
        rows: Any = window.pending.rows
        frame = pandas.DataFrame(model.predict(rows).reshape(-1, 1), columns=window.dk.label_list)
        return pandas.concat([frame, pandas.DataFrame(model.predict_proba(rows), columns=model.classes_)], axis=1)
