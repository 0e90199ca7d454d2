"""Huracan in freqtrade's FreqAI: the models of all pairs and windows in one batch.

``python -m huracan.freqai USER_DATA`` writes ``freqaimodels/HuracanRegressor.py`` and ``HuracanClassifier.py`` there; then
``freqtrade backtesting --freqaimodel HuracanRegressor …``. ``model_training_parameters`` has LightGBM's names.

FreqAI asks for one pair after the other, and for one window after the other. When a backtest asks for its first pair, this module lets
FreqAI's own pipelines make the tables of all pairs and windows, trains them together, and writes the models and the prediction files where
FreqAI looks for them. Whatever is missing there FreqAI trains by itself, with the same class.

With ``"freqai": {"huracan": {"audit_bars": 20}}`` a backtest first looks for features that look ahead, see :func:`ahead`.

With ``"freqai": {"huracan": {"load_only": true}}`` a live bot trains nothing: it takes up the newest models that lie in its identifier's
folder, such as those of a backtest on another machine, and predicts.
"""

from __future__ import annotations

import copy
import logging
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy
import pandas
from freqtrade.exceptions import OperationalException
from freqtrade.exchange import timeframe_to_seconds
from freqtrade.freqai.base_models.BaseClassifierModel import BaseClassifierModel
from freqtrade.freqai.base_models.BaseRegressionModel import BaseRegressionModel
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen

from ._estimators import HuracanClassifier as _Classifier
from ._estimators import HuracanRegressor as _Regressor
from ._models import Booster

logger = logging.getLogger(__name__)

#: Numbers of a batch's tables; a larger backtest trains in several batches.
MOST_NUMBERS = 250_000_000

#: Other names of parameters.
ALIASES = {
    "num_iterations": "n_estimators", "n_iter": "n_estimators", "iterations": "n_estimators", "eta": "learning_rate",
    "lambda_l2": "reg_lambda", "l2_leaf_reg": "reg_lambda", "min_data_in_leaf": "min_child_samples",
    "min_sum_hessian_in_leaf": "min_child_weight", "feature_fraction": "colsample_bytree", "bagging_fraction": "subsample",
    "num_threads": "n_jobs", "nthread": "n_jobs", "thread_count": "n_jobs", "seed": "random_state", "random_seed": "random_state",
    "early_stopping_round": "early_stopping_rounds",
}
#: What changes no model.
SILENT = {"verbose", "verbosity", "silent", "importance_type", "force_col_wise", "force_row_wise", "deterministic", "metric",
          "eval_metric"}


class Model:
    """The trained model of one window: a booster per label, on columns that are padded to the batch's width."""

    def __init__(self, boosters: list[Booster], columns: list[str], classes: numpy.ndarray | None):
        self._boosters, self.columns, self._width = boosters, columns, len(boosters[0].feature_names)
        if classes is not None:
            self.classes_ = classes

    def _scores(self, X: Any) -> numpy.ndarray:
        rows = padded(numpy.asarray(X, "float32"), self._width)
        return numpy.column_stack([booster.predict(rows) for booster in self._boosters])

    def predict(self, X: Any) -> numpy.ndarray:
        """Values ``[rows]`` or ``[rows × labels]``, or classes ``[rows]``."""
        if hasattr(self, "classes_"):
            return self.classes_[self.predict_proba(X).argmax(axis=1)]
        values = self._scores(X)
        return values[:, 0] if len(self._boosters) == 1 else values

    def predict_proba(self, X: Any) -> numpy.ndarray:
        """Probabilities ``[rows × classes]``."""
        scores = self._scores(X)
        return probabilities(scores[:, 0] if scores.shape[1] == 1 else scores, len(self.classes_))

    @property
    def feature_importances_(self) -> numpy.ndarray:
        """Total gain of each feature's splits, ``[features]``."""
        return sum(booster.importances("gain") for booster in self._boosters)[: len(self.columns)]


class Pending:
    """Stands for a model that is not trained yet, and remembers what it is asked."""

    def __init__(self, tables: dict[str, Any], classes: numpy.ndarray | None):
        self.tables, self.rows = tables, None
        if classes is not None:
            self.classes_ = classes

    def predict(self, X: Any) -> numpy.ndarray:
        self.rows = numpy.asarray(X, "float32")
        if hasattr(self, "classes_"):
            return numpy.full(len(X), self.classes_[0], dtype=object)
        return numpy.zeros((len(X), self.tables["train_labels"].shape[1]))

    def predict_proba(self, X: Any) -> numpy.ndarray:
        return numpy.zeros((len(X), len(self.classes_)))


class Window:
    """A window of a pair: its tables, and where its predictions go."""

    def __init__(self, pair: str, pending: Pending, dk: FreqaiDataKitchen, do_predict: Any, frame: pandas.DataFrame):
        self.pair, self.pending, self.do_predict, self.frame = pair, pending, do_predict, frame
        # The kitchen goes on to the next window: what belongs to this one is kept.
        self.dk = copy.copy(dk)
        self.dk.data = copy.deepcopy({key: value for key, value in dk.data.items() if not key.startswith("filter_drop_index")})
        self.dk.data_dictionary = dict(dk.data_dictionary)
        self.dk.training_features_list, self.dk.label_list = list(dk.training_features_list), list(dk.label_list)

    @property
    def numbers(self) -> int:
        return sum(self.pending.tables[part].size for part in ("train_features", "test_features")) + self.pending.rows.size


class LooksAhead(OperationalException):
    """Features that know what comes after their bar."""


class Gathered(Exception):
    """Ends a strategy's work on a pair whose table has been handed over."""


class _OneBatch:
    """What both classes share. The attributes are those of FreqAI's base classes."""

    _estimator: type
    _all_at_once = False
    _gathering: list[Window] | None = None
    _handed_over: pandas.DataFrame | None = None
    _handing_over = False

    def start(self, dataframe: pandas.DataFrame, metadata: dict, strategy: Any) -> pandas.DataFrame:
        if self._handing_over:
            self._handed_over = dataframe
            raise Gathered
        return super().start(dataframe, metadata, strategy)

    def start_backtesting(self, dataframe: pandas.DataFrame, metadata: dict, dk: FreqaiDataKitchen, strategy: Any) -> Any:
        if not self._all_at_once:
            self._all_at_once = True
            self._train_all(dataframe, metadata["pair"], strategy)
            self.dk = dk
        return super().start_backtesting(dataframe, metadata, dk, strategy)

    # All pairs and windows

    def _train_all(self, dataframe: pandas.DataFrame, first: str, strategy: Any) -> None:
        """Trains what a backtest will ask for, and leaves models and predictions where FreqAI takes them up."""
        begun = time.monotonic()
        pairs = [first] + [pair for pair in self.config["exchange"]["pair_whitelist"] if pair != first]
        windows: list[Window] = []
        trained, training = 0, 0.0
        for number, pair in enumerate(pairs):
            try:
                frame = dataframe if pair == first else self._table_of(pair, strategy)
            except Exception as fault:  # Whatever it is, FreqAI meets it again when it asks for this pair.
                logger.warning(f"{pair}: no table to train ahead from: {fault}")
                continue
            for window in self._windows(pair, frame.copy(), strategy):
                windows.append(window)
                if sum(window.numbers for window in windows) > MOST_NUMBERS:
                    training += self._train_batch(windows)
                    trained, windows = trained + len(windows), []
            logger.info(f"{pair}: tables are ready ({number + 1} of {len(pairs)} pairs, {trained + len(windows)} windows)")
        if windows:
            training += self._train_batch(windows)
        trained += len(windows)
        if trained:
            logger.info(f"Trained and predicted {trained} windows of {len(pairs)} pairs in {training:.1f} s, "
                        f"of {time.monotonic() - begun:.1f} s with their tables")

    def _table_of(self, pair: str, strategy: Any) -> pandas.DataFrame:
        """The table with which the strategy will come for a pair."""
        candles = strategy.dp.get_pair_dataframe(pair=pair, timeframe=self.config["timeframe"])
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

    def _windows(self, pair: str, dataframe: pandas.DataFrame, strategy: Any) -> Any:
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
                indicators = dk.remove_special_chars_from_feature_names(indicators)
                self._audit(pair, dk, dataframe, indicators, strategy)
            until = {
                part: strategy.set_freqai_targets(indicators.loc[indicators["date"] < timerange.stopdt, :], metadata={"pair": pair})
                for part, timerange in (("train", tr_train), ("backtest", tr_backtest))
            }
            train = dk.slice_dataframe(dk.buffer_timerange(tr_train), until["train"])
            backtest = dk.slice_dataframe(tr_backtest, until["backtest"])
            dk.unique_classes, dk.unique_class_list = {}, []
            dk.get_unique_classes_from_labels(train)
            if self.model_exists(dk):
                self._predict_again(pair, dk, backtest)
                continue
            dk.find_features(train)
            dk.find_labels(train)
            self._gathering = []
            try:
                self.model = self.train(train, pair, dk)
                _, do_predict = self.predict(backtest, dk)
            except Exception as fault:  # As above.
                logger.warning(f"{pair}: a window is left to FreqAI: {fault}")
                continue
            finally:
                self._gathering = None
            yield Window(pair, self.model, dk, do_predict, backtest)

    def _audit(self, pair: str, dk: FreqaiDataKitchen, candles: pandas.DataFrame, whole: pandas.DataFrame, strategy: Any) -> None:
        """Refuses features that change when the candles after their bar are taken away."""
        bars = int(self.freqai_info.get("huracan", {}).get("audit_bars", 0))
        if bars <= 0:
            return

        def until(last: pandas.Timestamp) -> pandas.DataFrame:
            with cut_off(strategy.dp, last, self.base_tf_seconds):
                frame = candles[candles["date"] <= last].reset_index(drop=True)
                table = dk.use_strategy_to_populate_indicators(strategy, prediction_dataframe=frame, pair=pair)
            return dk.remove_special_chars_from_feature_names(table)

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

    def _train_batch(self, windows: list[Window]) -> float:
        """Trains, predicts and writes some windows. Returns the seconds that training and predicting took."""
        begun = time.monotonic()
        models = self._fit([window.pending for window in windows], progress=self._progress)
        predictions = [self._frame(window, model.predict(window.pending.rows), model) for window, model in zip(windows, models)]
        seconds = time.monotonic() - begun
        for window, model, prediction in zip(windows, models, predictions):
            dk = window.dk
            self.dd.pair_dict[window.pair]["trained_timestamp"] = int(dk.model_filename.rsplit("_", 1)[1])
            if self.save_backtest_models:
                self.dd.save_data(model, window.pair, dk)
            else:
                self.dd.save_metadata(dk)
            dk.save_backtesting_prediction(dk.get_predictions_to_append(prediction, window.do_predict, window.frame))
        self._forget()
        return seconds

    @staticmethod
    def _progress(done: int, total: int) -> None:
        if done == total or done % max(1, total // 10) == 0:
            logger.info(f"Trained {done} of {total} models")

    # Training

    def fit(self, data_dictionary: dict, dk: FreqaiDataKitchen, **kwargs: Any) -> Any:
        """Called by FreqAI for each window: trains it, or while all are gathered keeps its tables."""
        if self.continual_learning:
            raise OperationalException("huracan does not go on from earlier trees: set freqai.continual_learning to false")
        pending = Pending(dict(data_dictionary), self._classes(data_dictionary))
        return pending if self._gathering is not None else self._fit([pending])[0]

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
        if "num_leaves" in own and "growth" not in own:
            # Who counts leaves has LightGBM's trees in mind.
            own = {"growth": "leaf", "max_depth": -1, **own}
        return own

    def _fit(self, pending: list[Pending], progress: Any = None) -> list[Model]:
        """The models of some windows, in one batch: a group per window and label."""
        parameters = self._parameters()
        labels = [window.tables["train_labels"].columns for window in pending]
        groups = [(place, label) for place, own in enumerate(labels) for label in range(len(own))]
        width = max(window.tables["train_features"].shape[1] for window in pending)

        def stacked(part: str) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray, numpy.ndarray]:
            rows, targets, weights, names = [], [], [], []
            for number, (place, label) in enumerate(groups):
                tables = pending[place].tables
                own = padded(tables[f"{part}_features"].to_numpy("float32"), width)
                rows.append(own)
                targets.append(tables[f"{part}_labels"].to_numpy()[:, label])
                given = tables[f"{part}_weights"]
                weights.append(numpy.ones(len(own)) if given is None or len(given) != len(own) else numpy.asarray(given, float))
                names.append(numpy.full(len(own), number))
            return tuple(numpy.concatenate(parts) for parts in (rows, targets, weights, names))

        rows, targets, weights, names = stacked("train")
        more: dict[str, Any] = {"groups": names, "sample_weight": weights, "progress": progress}
        if parameters.get("early_stopping_rounds"):
            rows_of, targets_of, weights_of, names_of = stacked("test")
            more |= {"eval_set": (rows_of, targets_of), "eval_sample_weight": weights_of, "eval_groups": names_of}
        estimator = self._estimator(**parameters).fit(rows, targets, **more)
        classes = getattr(estimator, "classes_", None)
        boosters = [estimator.models_[number] for number in range(len(groups))]
        models, at = [], 0
        for window, own in zip(pending, labels):
            # Alone, so that a window is stored without the others.
            alone = [booster.alone() for booster in boosters[at : at + len(own)]]
            models.append(Model(alone, list(window.tables["train_features"].columns), classes))
            at += len(own)
        return models

    # Live

    def start_live(self, dataframe: pandas.DataFrame, metadata: dict, strategy: Any, dk: FreqaiDataKitchen) -> Any:
        if self._load_only:
            self._take_up(metadata["pair"])
            # FreqAI starts its training thread unless it believes that it runs.
            self.scanning = True
        return super().start_live(dataframe, metadata, strategy, dk)

    @property
    def _load_only(self) -> bool:
        return bool(self.freqai_info.get("huracan", {}).get("load_only", False))

    def _take_up(self, pair: str) -> None:
        """Makes the newest stored model of a pair the one that predicts."""
        newest = newest_model(Path(self.full_path), pair)
        known = self.dd.pair_dict.setdefault(pair, self.dd.empty_pair_dict.copy())
        if newest is None:
            logger.warning(f"{pair}: there is no model in {self.full_path}")
            return
        timestamp, folder, name = newest
        if known["model_filename"] == name and Path(known["data_path"]) == folder:
            return
        known.update(model_filename=name, data_path=str(folder), trained_timestamp=timestamp)
        for kept in (self.dd.model_dictionary, self.dd.meta_data_dictionary):
            kept.pop(pair, None)
        logger.info(f"{pair}: predicts with {folder.name}")


class HuracanRegressor(_OneBatch, BaseRegressionModel):
    """FreqAI's regression, one target or many."""

    _estimator = _Regressor

    @staticmethod
    def _classes(tables: dict) -> None:
        return None

    @staticmethod
    def _frame(window: Window, values: numpy.ndarray, model: Model) -> pandas.DataFrame:
        frame = pandas.DataFrame(numpy.reshape(values, (-1, len(window.dk.label_list))), columns=window.dk.label_list)
        return window.dk.label_pipeline.inverse_transform(frame)[0]


class HuracanClassifier(_OneBatch, BaseClassifierModel):
    """FreqAI's classification, of one target."""

    _estimator = _Classifier

    @staticmethod
    def _classes(tables: dict) -> numpy.ndarray:
        if tables["train_labels"].shape[1] != 1:
            raise OperationalException("HuracanClassifier learns one target; use HuracanRegressor for several")
        return numpy.unique(tables["train_labels"].to_numpy()[:, 0])

    @staticmethod
    def _frame(window: Window, values: numpy.ndarray, model: Model) -> pandas.DataFrame:
        frame = pandas.DataFrame(values.reshape(-1, 1), columns=window.dk.label_list)
        shares = pandas.DataFrame(model.predict_proba(window.pending.rows), columns=model.classes_)
        return pandas.concat([frame, shares], axis=1)


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
    names = [name for name in whole.columns if name.startswith("%")]
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


def padded(rows: numpy.ndarray, width: int) -> numpy.ndarray:
    """Rows with so many columns: 0 in those that a table lacks, where no tree can split."""
    return rows if rows.shape[1] == width else numpy.pad(rows, ((0, 0), (0, width - rows.shape[1])))


def probabilities(scores: numpy.ndarray, classes: int) -> numpy.ndarray:
    """Probabilities ``[rows × classes]`` from those that a booster gives."""
    if classes == 1:
        return numpy.ones((len(scores), 1))
    return scores if scores.ndim == 2 else numpy.column_stack([1.0 - scores, scores])


def newest_model(folder: Path, pair: str) -> tuple[int, Path, str] | None:
    """Timestamp, folder and name of the newest whole model of a pair in an identifier's folder."""
    found = []
    coin = pair.split("/")[0]
    for own in folder.glob(f"sub-train-{coin}_*"):
        stamp = re.fullmatch(rf"sub-train-{re.escape(coin)}_(\d+)", own.name)
        name = f"cb_{coin.lower()}_{stamp[1]}" if stamp else ""
        # The labels' pipeline is written after the model.
        if stamp and (own / f"{name}_model.joblib").is_file() and (own / f"{name}_label_pipeline.pkl").is_file():
            found.append((int(stamp[1]), own, name))
    return max(found, default=None)


def install(user_data: Path) -> list[Path]:
    """Writes the files that freqtrade looks for into ``USER_DATA/freqaimodels``."""
    folder = user_data / "freqaimodels"
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in ("HuracanRegressor", "HuracanClassifier"):
        path = folder / f"{name}.py"
        path.write_text(f'"""{name} of the package huracan, where freqtrade looks for it."""\n\nfrom huracan import freqai\n\n\n'
                        f"class {name}(freqai.{name}):\n    pass\n", encoding="utf-8")
        written.append(path)
    return written


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    for written_file in install(Path(sys.argv[1])):
        print(written_file)
