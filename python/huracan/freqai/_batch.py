"""One batch for all pairs and windows of a backtest."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

import numpy
import pandas
from freqtrade.exceptions import OperationalException
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen

from ._audit import LooksAhead, ahead, cut_off
from ._live import LoadsOnly
from ._trained import Model, Pending, Window, is_whole, padded

logger = logging.getLogger("huracan.freqai")

#: Numbers of a batch's tables; a larger backtest trains in several batches.
MOST_NUMBERS = 100_000_000

#: Other names of parameters.
ALIASES = {
    "num_iterations": "n_estimators", "n_iter": "n_estimators", "iterations": "n_estimators", "eta": "learning_rate",
    "lambda_l2": "reg_lambda", "l2_leaf_reg": "reg_lambda", "min_data_in_leaf": "min_child_samples",
    "min_sum_hessian_in_leaf": "min_child_weight", "feature_fraction": "colsample_bytree", "bagging_fraction": "subsample",
    "num_threads": "n_jobs", "nthread": "n_jobs", "thread_count": "n_jobs", "seed": "random_state", "random_seed": "random_state",
    "early_stopping_round": "early_stopping_rounds",
}
#: What changes no model here; rows are drawn for every tree.
SILENT = {"verbose", "verbosity", "silent", "importance_type", "force_col_wise", "force_row_wise", "deterministic", "metric",
          "eval_metric", "bagging_freq", "subsample_freq"}


class Gathered(Exception):
    """Ends a strategy's work on a pair whose table has been handed over."""


class OneBatch(LoadsOnly):
    """What both classes share. The attributes are those of FreqAI's base classes."""

    _estimator: type
    _base: type
    _all_at_once = False
    _gathering = False
    _handed_over: pandas.DataFrame | None = None
    _handing_over = False

    def start(self, dataframe: pandas.DataFrame, metadata: dict, strategy: Any) -> pandas.DataFrame:
        if self._handing_over:
            self._handed_over = dataframe
            raise Gathered
        return super().start(dataframe, metadata, strategy)

    def start_backtesting(self, dataframe: pandas.DataFrame, metadata: dict, dk: FreqaiDataKitchen, strategy: Any) -> Any:
        # A class whose fit is a user's own is not trained by this one.
        if not self._all_at_once and type(self).fit is OneBatch.fit:
            self._all_at_once = True
            self._train_all(dataframe, metadata["pair"], strategy)
            self.dk = dk
        return super().start_backtesting(dataframe, metadata, dk, strategy)

    # All pairs and windows

    def _train_all(self, dataframe: pandas.DataFrame, first: str, strategy: Any) -> None:
        """Trains what a backtest will ask for, and leaves models and predictions where FreqAI takes them up."""
        begun = time.monotonic()
        pairs = [first] + [pair for pair in strategy.dp.current_whitelist() if pair != first]
        windows: list[Window] = []
        trained, training = 0, 0.0

        def train() -> None:
            nonlocal trained, training, windows
            count, seconds = self._train_batch(windows)
            trained, training, windows = trained + count, training + seconds, []

        for number, pair in enumerate(pairs):
            try:
                frame = dataframe.copy() if pair == first else self._table_of(pair, strategy)
                for window in self._windows(pair, frame, strategy):
                    windows.append(window)
                    if sum(window.pending.numbers for window in windows) > MOST_NUMBERS:
                        train()
            except LooksAhead:
                raise
            except Exception as fault:  # Whatever it is, FreqAI meets it again when it asks for this pair.
                logger.warning(f"{pair}: left to FreqAI: {fault}")
                continue
            logger.info(f"{pair}: tables are ready ({number + 1} of {len(pairs)} pairs, {trained + len(windows)} windows)")
        if windows:
            train()
        if trained:
            logger.info(f"Trained and predicted {trained} windows of {len(pairs)} pairs in {training:.1f} s, "
                        f"of {time.monotonic() - begun:.1f} s with their tables")

    def _table_of(self, pair: str, strategy: Any) -> pandas.DataFrame:
        """The table with which the strategy will come for a pair."""
        candles = strategy.dp.get_pair_dataframe(pair=pair, timeframe=self.config["timeframe"])
        if candles.empty:
            raise OperationalException("there are no candles")
        self._handing_over, self._handed_over = True, None
        try:
            strategy.advise_indicators(candles.copy(), {"pair": pair})
        except Gathered:
            pass
        finally:
            self._handing_over = False
        if self._handed_over is None:
            raise OperationalException("the strategy did not ask FreqAI")
        return self._handed_over

    def _windows(self, pair: str, dataframe: pandas.DataFrame, strategy: Any) -> Iterator[Window]:
        """The windows of a pair that have no predictions yet; FreqAI's own loop, up to the training."""
        dk = FreqaiDataKitchen(self.config, self.live, pair)
        self.dk, indicators = dk, None
        self.dd.set_pair_dict_info({"pair": pair})
        for tr_train, tr_backtest in zip(dk.training_timeranges, dk.backtesting_timeranges, strict=False):
            inside = (dataframe["date"] >= tr_backtest.startdt) & (dataframe["date"] < tr_backtest.stopdt)
            if not self.ensure_data_exists(int(inside.sum()), tr_backtest, pair):
                continue
            self.training_timerange = tr_train
            window_id = int(tr_train.stopts)
            dk.set_paths(pair, window_id)
            dk.set_new_model_names(pair, window_id)
            if dk.check_if_backtest_prediction_is_valid(int(inside.sum())):
                continue
            if indicators is None:
                indicators = dk.use_strategy_to_populate_indicators(strategy, prediction_dataframe=dataframe, pair=pair)
                self._audit(pair, dk, dataframe, indicators, strategy)
            until = {
                part: strategy.set_freqai_targets(indicators.loc[indicators["date"] < timerange.stopdt, :], metadata={"pair": pair})
                for part, timerange in (("train", tr_train), ("backtest", tr_backtest))
            }
            train = dk.remove_special_chars_from_feature_names(dk.slice_dataframe(dk.buffer_timerange(tr_train), until["train"]))
            backtest = dk.remove_special_chars_from_feature_names(dk.slice_dataframe(tr_backtest, until["backtest"]))
            dk.unique_classes, dk.unique_class_list = {}, []
            dk.get_unique_classes_from_labels(train)
            try:
                # A model of which files are missing was cut off while it was stored.
                if is_whole(dk.data_path, dk.model_filename):
                    self._predict_again(pair, dk, backtest)
                else:
                    yield self._gathered(pair, dk, train, backtest)
            except (LooksAhead, GeneratorExit):
                raise
            except Exception as fault:  # As above.
                logger.warning(f"{pair}: a window is left to FreqAI: {fault}")

    def _gathered(self, pair: str, dk: FreqaiDataKitchen, train: pandas.DataFrame, backtest: pandas.DataFrame) -> Window:
        """A window's tables, as FreqAI's pipelines make them for training and prediction."""
        dk.find_features(train)
        dk.find_labels(train)
        self._gathering = True
        try:
            self.model = self.train(train, pair, dk)
            do_predict = self.predict(backtest, dk)[1] if self._predicts_plainly else None
        finally:
            self._gathering = False
        return Window(pair, self.model, dk, do_predict, backtest, self.save_backtest_models or not self._predicts_plainly)

    @property
    def _predicts_plainly(self) -> bool:
        """Whether predictions are FreqAI's own, so that a model need not be there when their tables are made."""
        return type(self).predict is self._base.predict

    def _audit(self, pair: str, dk: FreqaiDataKitchen, candles: pandas.DataFrame, whole: pandas.DataFrame, strategy: Any) -> None:
        """Refuses features that change when the candles after their bar are taken away."""
        bars = int(self.freqai_info.get("huracan", {}).get("audit_bars", 0))
        if bars <= 0:
            return

        def until(last: pandas.Timestamp) -> pandas.DataFrame:
            with cut_off(strategy.dp, last, self.base_tf_seconds):
                frame = candles[candles["date"] <= last].reset_index(drop=True)
                return dk.use_strategy_to_populate_indicators(strategy, prediction_dataframe=frame, pair=pair)

        found = ahead(whole, until, bars)
        if found:
            names = ", ".join(f"{name} (first seen at {bar})" for name, bar in list(found.items())[:5])
            more = f" and {len(found) - 5} more" if len(found) > 5 else ""
            raise LooksAhead(f"{pair}: features look ahead: {names}{more}; they change when the candles after their bar are taken away")
        logger.info(f"{pair}: no feature looks ahead at {bars} bars")

    def _predict_again(self, pair: str, dk: FreqaiDataKitchen, backtest: pandas.DataFrame) -> None:
        """Predicts a window whose model is there, but not its predictions."""
        self._forget()
        self.model = self.dd.load_data(pair, dk)
        predictions, do_predict = self.predict(backtest, dk)
        dk.save_backtesting_prediction(dk.get_predictions_to_append(predictions, do_predict, backtest))

    def _forget(self) -> None:
        """FreqAI keeps the newest model of a pair in memory, for a live bot; in a backtest each window has its own."""
        self.dd.model_dictionary.clear()
        self.dd.meta_data_dictionary.clear()

    def _train_batch(self, windows: list[Window]) -> tuple[int, float]:
        """Trains, predicts and writes some windows. Returns how many, and the seconds that training and predicting took."""
        begun = time.monotonic()
        done = []
        for own in self._batches(windows):
            try:
                models = self._fit([window.pending for window in own], progress=self._progress)
                done += [(window, model, *self._predicted(window, model)) for window, model in zip(own, models)]
            except Exception as fault:  # FreqAI trains these windows by itself, and reports what is wrong with which.
                logger.warning(f"{len(own)} windows are left to FreqAI: {fault}")
        seconds = time.monotonic() - begun
        for window, model, prediction, do_predict in done:
            dk = window.dk
            self.dd.pair_dict[window.pair]["trained_timestamp"] = int(dk.model_filename.rsplit("_", 1)[1])
            if self.save_backtest_models:
                self.dd.save_data(model, window.pair, dk)
            else:
                self.dd.save_metadata(dk)
            dk.save_backtesting_prediction(dk.get_predictions_to_append(prediction, do_predict, window.frame))
        self._forget()
        return len(done), seconds

    def _batches(self, windows: list[Window]) -> list[list[Window]]:
        """Windows that can be trained together without one changing another: those of the same classes, and where features are drawn,
        of the same number of features."""
        drawn = any(float(self._parameters().get(name, 1.0)) < 1.0 for name in ("colsample_bytree", "colsample_bynode"))
        batches: dict[tuple, list[Window]] = {}
        for window in windows:
            width = window.pending.train.rows.shape[1] if drawn else 0
            batches.setdefault((*window.pending.key, width), []).append(window)
        return list(batches.values())

    def _predicted(self, window: Window, model: Model) -> tuple[pandas.DataFrame, Any]:
        """The predictions of a window, and where FreqAI believes them."""
        if self._predicts_plainly:
            return self._frame(window, model), window.do_predict
        self.model, self.dk = model, window.dk
        return self.predict(window.frame, window.dk)

    @staticmethod
    def _progress(done: int, total: int) -> None:
        if done == total or done % max(1, total // 10) == 0:
            logger.info(f"Trained {done} of {total} models")

    # Training

    def fit(self, data_dictionary: dict, dk: FreqaiDataKitchen, **kwargs: Any) -> Any:
        """Called by FreqAI for each window: trains it, or while all are gathered keeps its tables."""
        if self.continual_learning:
            raise OperationalException("huracan does not go on from earlier trees: set freqai.continual_learning to false")
        watched = bool(self._parameters().get("early_stopping_rounds"))
        if watched and self.freqai_info.get("data_split_parameters", {}).get("test_size", 0.1) == 0:
            raise OperationalException("early_stopping_rounds watches test rows: set data_split_parameters.test_size above 0")
        pending = Pending(data_dictionary, self._classes(data_dictionary), watched)
        return pending if self._gathering else self._fit([pending])[0]

    def _parameters(self) -> dict[str, Any]:
        """`model_training_parameters` in our names; others are refused."""
        known = self._estimator().get_params()
        own: dict[str, Any] = {}
        for name, value in self.model_training_parameters.items():
            name = ALIASES.get(name, name)
            if name in SILENT:
                continue
            if name not in known:
                raise OperationalException(f"model_training_parameters: huracan has no {name!r}; it has: {', '.join(known)}")
            own[name] = value
        # Who counts leaves, or sets no depth, has LightGBM's trees in mind.
        if "growth" not in own and ("num_leaves" in own or own.get("max_depth", 1) < 1):
            own = {"growth": "leaf", "max_depth": -1, **own}
        return own

    def _fit(self, pending: list[Pending], progress: Any = None) -> list[Model]:
        """The models of some windows with the same classes, in one batch: a group per window and label."""
        parameters = self._parameters()
        groups = [(place, label) for place, own in enumerate(pending) for label in range(own.train.labels.shape[1])]
        width = max(own.train.rows.shape[1] for own in pending)

        def stacked(part: str) -> tuple[numpy.ndarray, ...]:
            all_parts = [(number, getattr(pending[place], part), label) for number, (place, label) in enumerate(groups)]
            rows = numpy.concatenate([padded(own.rows, width) for _, own, _ in all_parts])
            labels = numpy.concatenate([own.labels[:, label] for _, own, label in all_parts])
            weights = numpy.concatenate([own.weights for _, own, _ in all_parts])
            return rows, labels, weights, numpy.concatenate([numpy.full(len(own.rows), number) for number, own, _ in all_parts])

        rows, labels, weights, names = stacked("train")
        more: dict[str, Any] = {"groups": names, "sample_weight": weights, "progress": progress}
        if parameters.get("early_stopping_rounds"):
            rows_of, labels_of, weights_of, names_of = stacked("test")
            if len(rows_of):
                more |= {"eval_set": (rows_of, labels_of), "eval_sample_weight": weights_of, "eval_groups": names_of}
            else:
                # Without test rows nothing can be watched.
                del parameters["early_stopping_rounds"]
        estimator = self._estimator(**parameters).fit(rows, labels, **more)
        # Alone, so that a window is stored without the others.
        boosters = [estimator.models_[number].alone() for number in range(len(groups))]
        models, at = [], 0
        for own in pending:
            count = own.train.labels.shape[1]
            models.append(Model(boosters[at : at + count], own.columns, getattr(own, "classes_", None), parameters.get("n_jobs")))
            at += count
        return models
