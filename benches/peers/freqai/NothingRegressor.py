"""A model that does nothing: what is left of a backtest is FreqAI's own share."""

import numpy
from freqtrade.freqai.base_models.BaseRegressionModel import BaseRegressionModel


class Zero:
    def predict(self, X):
        return numpy.zeros(len(X))


class NothingRegressor(BaseRegressionModel):
    def fit(self, data_dictionary, dk, **kwargs):
        return Zero()
