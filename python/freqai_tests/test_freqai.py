"""Huracan in FreqAI: one batch gives what one window after the other gives, and what goes wrong is left to FreqAI."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy
import pandas
import pytest

from huracan import freqai
from huracan.freqai._install import install
from huracan.freqai._trained import padded, stored_models

#: The same class, which FreqAI asks for one window after the other.
ONE_BY_ONE = "from huracan import freqai\n\n\nclass {name}OneByOne(freqai.{name}):\n    _all_at_once = True\n"

UP_OR_DOWN = '''
from freqtrade.templates.FreqaiExampleStrategy import FreqaiExampleStrategy


class UpOrDown(FreqaiExampleStrategy):
    can_short = False

    def set_freqai_targets(self, dataframe, metadata, **kwargs):
        self.freqai.class_names = ["down", "up"]
        later = dataframe["close"].shift(-10)
        dataframe["&s-side"] = (later > dataframe["close"]).map({True: "up", False: "down"})
        return dataframe

    def populate_entry_trend(self, df, metadata):
        return df

    def populate_exit_trend(self, df, metadata):
        return df
'''

TWO_TARGETS = '''
from freqtrade.templates.FreqaiExampleStrategy import FreqaiExampleStrategy


class TwoTargets(FreqaiExampleStrategy):
    can_short = False

    def set_freqai_targets(self, dataframe, metadata, **kwargs):
        for bars in (5, 10):
            dataframe[f"&-in-{bars}"] = dataframe["close"].shift(-bars) / dataframe["close"] - 1
        return dataframe

    def populate_entry_trend(self, df, metadata):
        return df

    def populate_exit_trend(self, df, metadata):
        return df
'''


def equal(found: dict, expected: dict, exact: bool = True) -> None:
    assert list(found) == list(expected) and found
    for name, table in found.items():
        pandas.testing.assert_frame_equal(table, expected[name], check_exact=exact, **({} if exact else {"rtol": 1e-9}))


def trained(said: str) -> tuple[int, int]:
    """Windows that were trained together, and windows that FreqAI trained by itself."""
    together = re.search(r"Trained and predicted (\d+) windows of", said)
    return int(together[1]) if together else 0, said.count("Starting training") - (int(together[1]) if together else 0)


def test_one_batch_predicts_what_one_window_after_the_other_does(user):
    said = user.backtest("HuracanRegressor")
    assert trained(said) == (6, 0), said[-3000:]
    assert said.count("Found backtesting prediction file") == 6
    together = user.predictions()
    assert len(together) == 6 and all(table["&-s_close"].std() > 0 for table in together.values())
    user.write("freqaimodels", "HuracanRegressorOneByOne", ONE_BY_ONE.format(name="HuracanRegressor"))
    user.config["freqai"]["identifier"] = "one-by-one"
    said = user.backtest("HuracanRegressorOneByOne")
    assert trained(said) == (0, 6), said[-5000:]
    equal(user.predictions(), together)
    # The models are there, too, and FreqAI predicts with them when a prediction is lost.
    folder = user.folder / "models/small"
    lost = next((folder / "backtesting_predictions").glob("cb_sol*.feather"))
    lost.unlink()
    user.config["freqai"]["identifier"] = "small"
    said = user.backtest("HuracanRegressor")
    assert trained(said) == (0, 0) and lost.is_file()
    # FreqAI rounds the labels' means when it stores them.
    equal(user.predictions(), together, exact=False)


def test_a_batch_that_was_cut_off_is_made_whole(user):
    user.backtest("HuracanRegressor")
    whole = user.predictions()
    folder = user.folder / "models/small"
    for path in [*folder.glob("sub-train-XRP_*")][:2]:
        shutil.rmtree(path)
    for path in sorted((folder / "backtesting_predictions").glob("cb_xrp*.feather")):
        if not (folder / f"sub-train-XRP_{path.name.split('_')[2]}").exists():
            path.unlink()
    assert trained(user.backtest("HuracanRegressor")) == (2, 0)
    equal(user.predictions(), whole)


def test_classes_and_several_targets(user):
    user.write("strategies", "UpOrDown", UP_OR_DOWN)
    assert trained(user.backtest("HuracanClassifier", "UpOrDown")) == (6, 0)
    together = user.predictions()
    for table in together.values():
        assert set(table["&s-side"]) <= {"up", "down"}
        numpy.testing.assert_allclose(table["up"] + table["down"], 1.0)
        assert ((table["up"] > 0.5) == (table["&s-side"] == "up")).all()
    user.write("freqaimodels", "HuracanClassifierOneByOne", ONE_BY_ONE.format(name="HuracanClassifier"))
    user.config["freqai"]["identifier"] = "one-by-one"
    user.backtest("HuracanClassifierOneByOne", "UpOrDown")
    equal(user.predictions(), together)

    user.write("strategies", "TwoTargets", TWO_TARGETS)
    user.config["freqai"]["identifier"] = "two"
    assert trained(user.backtest("HuracanRegressor", "TwoTargets")) == (6, 0)
    for table in user.predictions().values():
        assert table["&-in-5"].std() > 0 and table["&-in-10"].std() > 0 and (table["&-in-5"] != table["&-in-10"]).any()


def test_batches_are_as_large_as_memory_allows(user):
    user.backtest("HuracanRegressor")
    whole = user.predictions()
    user.write("freqaimodels", "Pieces", "from huracan import freqai\nfrom huracan.freqai import _batch\n\n_batch.MOST_NUMBERS = 1\n\n\n"
                                         "class Pieces(freqai.HuracanRegressor):\n    pass\n")
    user.config["freqai"]["identifier"] = "pieces"
    assert trained(user.backtest("Pieces")) == (6, 0)
    equal(user.predictions(), whole)


def test_parameters_have_lightgbms_names_and_others_are_refused(user):
    user.config["freqai"]["model_training_parameters"] = {
        "num_iterations": 9, "eta": 0.2, "num_leaves": 15, "feature_fraction": 0.5, "verbosity": -1, "n_jobs": 1}
    user.backtest("HuracanRegressor")
    user.config["freqai"] |= {"identifier": "wrong", "model_training_parameters": {"reg_alpha": 1.0}}
    said = user.backtest("HuracanRegressor", check=False)
    assert "huracan has no 'reg_alpha'; it has:" in said and trained(said)[0] == 0
    user.config["freqai"] |= {"identifier": "again", "model_training_parameters": {}, "continual_learning": True}
    assert "huracan does not go on from earlier trees" in user.backtest("HuracanRegressor", check=False)


def test_early_stopping_watches_the_test_rows(user):
    user.config["freqai"]["model_training_parameters"] = {"n_estimators": 300, "early_stopping_rounds": 5}
    user.backtest("HuracanRegressor")
    import cloudpickle

    model = cloudpickle.loads(next((user.folder / "models/small").glob("sub-train-*/*_model.joblib")).read_bytes())
    assert 1 <= model._boosters[0].rounds < 300 and len(model.feature_importances_) == len(model.columns)


ODD = '''
import numpy
from freqtrade.templates.FreqaiExampleStrategy import FreqaiExampleStrategy


class Odd(FreqaiExampleStrategy):
    """Names with a colon, and one coin with three classes where the other has two."""

    can_short = False

    def feature_engineering_standard(self, dataframe, metadata, **kwargs):
        dataframe = super().feature_engineering_standard(dataframe, metadata, **kwargs)
        dataframe["%-of:hour"] = dataframe["close"].pct_change(3)
        # A column that VarianceThreshold takes away from one pair.
        dataframe["%-flat"] = 1.0 if metadata["pair"].startswith("SOL") else dataframe["close"].pct_change(2)
        return dataframe

    def set_freqai_targets(self, dataframe, metadata, **kwargs):
        later = dataframe["close"].shift(-10) / dataframe["close"] - 1 + 0 * dataframe["%-of:hour"].fillna(0)
        side = numpy.where(later > 0, "up", "down")
        if metadata["pair"].startswith("XRP"):
            side = numpy.where(later.abs() < 0.01, "flat", side)
        dataframe["&s-side:10"] = side
        return dataframe

    def populate_entry_trend(self, df, metadata):
        return df

    def populate_exit_trend(self, df, metadata):
        return df
'''


def test_windows_of_other_classes_and_widths_do_not_change_each_other(user):
    user.write("strategies", "Odd", ODD)
    user.config["freqai"]["model_training_parameters"] |= {"colsample_bytree": 0.5}
    assert trained(user.backtest("HuracanClassifier", "Odd")) == (6, 0)
    together = user.predictions()
    user.write("freqaimodels", "HuracanClassifierOneByOne", ONE_BY_ONE.format(name="HuracanClassifier"))
    user.config["freqai"]["identifier"] = "one-by-one"
    assert trained(user.backtest("HuracanClassifierOneByOne", "Odd")) == (0, 6)
    equal(user.predictions(), together)
    for name, table in together.items():
        assert "&s-side10" in table and ("flat" in table) == name.startswith("cb_xrp")


def test_pairs_that_cannot_be_had_are_left_to_freqai(user):
    for pairs in (["SOL/USDT", "XRP/USDT", "NEW/USDT"], ["(SOL|XRP)/USDT"]):
        user.config["exchange"]["pair_whitelist"] = pairs
        user.config["freqai"]["identifier"] = str(len(pairs))
        assert trained(user.backtest("HuracanRegressor")) == (6, 0)


def test_a_users_own_predict_is_obeyed_and_an_own_fit_is_left_alone(user):
    user.write("freqaimodels", "Twice", "from huracan import freqai\n\n\nclass Twice(freqai.HuracanRegressor):\n"
                                        "    def predict(self, frame, dk, **kwargs):\n"
                                        "        found, do_predict = super().predict(frame, dk, **kwargs)\n"
                                        "        return found * 2, (found['&-s_close'].to_numpy() > 0).astype(int)\n")
    user.backtest("HuracanRegressor")
    once = user.predictions()
    user.config["freqai"]["identifier"] = "twice"
    assert trained(user.backtest("Twice")) == (6, 0)
    for name, table in user.predictions().items():
        numpy.testing.assert_array_equal(table["&-s_close"], 2 * once[name]["&-s_close"])
        assert (table["do_predict"] == (table["&-s_close"] > 0)).all()
    user.write("freqaimodels", "Own", "from huracan import freqai\n\n\nclass Own(freqai.HuracanRegressor):\n"
                                      "    def fit(self, data_dictionary, dk, **kwargs):\n"
                                      "        return super().fit(data_dictionary, dk, **kwargs)\n")
    user.config["freqai"]["identifier"] = "own"
    assert trained(user.backtest("Own")) == (0, 6)
    equal(user.predictions(), once)


def test_what_a_batch_cannot_do_is_reported_by_window(user):
    user.config["freqai"]["model_training_parameters"] = {"early_stopping_rounds": 5}
    user.config["freqai"]["data_split_parameters"] = {"test_size": 0}
    said = user.backtest("HuracanRegressor", check=False)
    assert "early_stopping_rounds watches test rows: set data_split_parameters.test_size above 0" in said
    # LightGBM's own default, and one that fails in the engine: FreqAI's answer for each window.
    user.config["freqai"] |= {"identifier": "deep", "data_split_parameters": {"test_size": 0.3, "shuffle": False},
                              "model_training_parameters": {"max_depth": -1, "n_estimators": 5}}
    assert trained(user.backtest("HuracanRegressor")) == (6, 0)
    user.config["freqai"] |= {"identifier": "bad", "model_training_parameters": {"max_depth": 99}}
    said = user.backtest("HuracanRegressor", check=False)
    assert "6 windows are left to FreqAI: max_depth is 99" in said and said.count("raised exception UsageError") == 6


def test_a_model_that_was_cut_off_while_it_was_stored_is_trained_again(user):
    user.backtest("HuracanRegressor")
    whole = user.predictions()
    folder = next((user.folder / "models/small").glob("sub-train-SOL_*"))
    for path in [*folder.glob("*pipeline.pkl"), *(user.folder / "models/small").glob(f"*predictions/cb_sol_{folder.name.split('_')[1]}*")]:
        path.unlink()
    assert trained(user.backtest("HuracanRegressor")) == (1, 0)
    equal(user.predictions(), whole)


LOOKS_AHEAD = '''
from freqtrade.templates.FreqaiExampleStrategy import FreqaiExampleStrategy


class LooksAhead(FreqaiExampleStrategy):
    can_short = False

    def feature_engineering_standard(self, dataframe, metadata, **kwargs):
        dataframe = super().feature_engineering_standard(dataframe, metadata, **kwargs)
        dataframe["%-tomorrow"] = dataframe["close"].shift(-24) / dataframe["close"]
        dataframe["%-of-all"] = dataframe["close"] / dataframe["close"].mean()
        return dataframe
'''


def test_features_that_look_ahead_are_found(user):
    user.config["freqai"]["huracan"] = {"audit_bars": 4}
    said = user.backtest("HuracanRegressor")
    assert said.count("no feature looks ahead at 4 bars") == 2 and trained(said) == (6, 0)
    user.write("strategies", "LooksAhead", LOOKS_AHEAD)
    user.config["freqai"]["identifier"] = "ahead"
    said = user.backtest("HuracanRegressor", "LooksAhead", check=False)
    found = re.search(r"SOL/USDT: features look ahead: (.*?); they change", said)[1]
    assert set(re.findall(r"%-[a-z-]+", found)) == {"%-tomorrow", "%-of-all"}, found
    assert not user.predictions()


def test_a_window_that_cannot_be_trained_is_left_to_freqai(user):
    user.write("freqaimodels", "Fails", "from huracan import freqai\n\n\nclass Fails(freqai.HuracanRegressor):\n"
                                        "    def train(self, frame, pair, dk, **kwargs):\n"
                                        "        if pair.startswith('XRP'):\n            raise ValueError('no rows')\n"
                                        "        return super().train(frame, pair, dk, **kwargs)\n")
    said = user.backtest("Fails")
    assert "XRP/USDT: a window is left to FreqAI: no rows" in said and trained(said)[0] == 3
    assert "Training XRP/USDT raised exception ValueError" in said


def test_a_live_bot_loads_what_was_trained_elsewhere_and_predicts(user, candles, monkeypatch):
    user.backtest("HuracanRegressor")
    trained_there = user.folder / "models/small"
    bot = live_bot(user, candles, True, monkeypatch)
    # Models come by a copy, so that the paths of the other machine mean nothing here.
    (Path(bot.config["user_data_dir"]) / "models").mkdir(exist_ok=True)
    shutil.copytree(trained_there, bot.config["user_data_dir"] / "models/small", dirs_exist_ok=True)
    shutil.rmtree(trained_there)
    out = bot.ask("SOL/USDT")
    assert out["do_predict"].iloc[-1] in (0, 1) and out["&-s_close"].std() > 0
    model = bot.strategy.freqai
    assert not model._threads, "no thread trains"
    newest = stored_models(Path(model.full_path), "SOL/USDT")[0]
    assert model.dd.pair_dict["SOL/USDT"]["model_filename"] == newest[2]
    # A newer model takes over with the next candle.
    later = Path(model.full_path) / f"sub-train-SOL_{newest[0] + 3600}"
    shutil.copytree(newest[1], later)
    for path in later.iterdir():
        path.rename(path.with_name(path.name.replace(str(newest[0]), str(newest[0] + 3600))))
    bot.ask("SOL/USDT")
    assert model.dd.pair_dict["SOL/USDT"]["data_path"] == str(later)
    # What cannot be read is passed over: the older model goes on, or comes back.
    written = later / f"cb_sol_{newest[0] + 3600}_model.joblib"
    whole = written.read_bytes()
    written.write_bytes(whole[: len(whole) // 2])
    bot.ask("SOL/USDT")
    assert model.dd.pair_dict["SOL/USDT"]["model_filename"] == newest[2]
    # A model that is written again is read again.
    written.write_bytes(whole)
    bot.ask("SOL/USDT")
    assert model.dd.pair_dict["SOL/USDT"]["data_path"] == str(later)
    assert (Path(model.full_path) / "historic_predictions.pkl").is_file()
    # Half a model is none, and a pair without one gets FreqAI's empty answer.
    (later / f"cb_sol_{newest[0] + 3600}_label_pipeline.pkl").unlink()
    assert stored_models(Path(model.full_path), "SOL/USDT")[0] == newest
    for path in Path(model.full_path).glob("sub-train-XRP_*"):
        shutil.rmtree(path)
    model.dd.pair_dict.pop("XRP/USDT", None)
    assert (bot.ask("XRP/USDT")["do_predict"] == 0).all()


class Bot:
    """A strategy in a dry run, whose candles come from files."""

    def __init__(self, config: dict, strategy):
        self.config, self.strategy = config, strategy

    def ask(self, pair: str) -> pandas.DataFrame:
        frame = self.strategy.dp.get_pair_dataframe(pair, "1h")
        return self.strategy.freqai.start(frame.copy(), {"pair": pair}, self.strategy)


def live_bot(user, candles: Path, load_only: bool, monkeypatch) -> Bot:
    import os
    import sys

    from conftest import PEERS

    sys.path.insert(0, str(PEERS))
    os.environ["CANDLES"] = str(candles)
    import offline  # noqa: F401
    from freqtrade.configuration import Configuration
    from freqtrade.data.dataprovider import DataProvider
    from freqtrade.enums import RunMode
    from freqtrade.resolvers import ExchangeResolver, StrategyResolver

    user.config["freqai"]["huracan"] = {"load_only": load_only}
    path = user.folder / "live.json"
    path.write_text(json.dumps(user.config))
    arguments = {"config": [str(path)], "user_data_dir": str(user.folder.with_name("bot_data")), "datadir": str(candles),
                 "strategy": "RaceStrategy", "freqaimodel": "HuracanRegressor", "strategy_path": str(user.folder / "strategies"),
                 "freqaimodel_path": str(user.folder / "freqaimodels")}
    for name in ("strategies", "freqaimodels", "models", "data", "logs"):
        (user.folder.with_name("bot_data") / name).mkdir(parents=True, exist_ok=True)
    config = Configuration(arguments, RunMode.DRY_RUN).get_config()
    exchange = ExchangeResolver.load_exchange(config, validate=False)
    strategy = StrategyResolver.load_strategy(config)
    strategy.dp = DataProvider(config, exchange)

    def of_file(pair: str, timeframe: str | None = None, candle_type: str = "") -> pandas.DataFrame:
        return pandas.read_feather(candles / f"{pair.replace('/', '_')}-{timeframe}.feather")

    strategy.dp.get_pair_dataframe = of_file
    # The candles are there already, and there is no network.
    monkeypatch.setattr("freqtrade.freqai.utils.download_all_data_for_training", lambda dp, config: None)
    strategy.ft_bot_start()
    strategy.freqai_info = config["freqai"]
    return Bot(config, strategy)


def test_the_files_that_freqtrade_looks_for(tmp_path):
    written = install(tmp_path)
    assert [path.name for path in written] == ["HuracanRegressor.py", "HuracanClassifier.py"]
    assert "class HuracanRegressor(freqai.HuracanRegressor):" in written[0].read_text()


@pytest.mark.parametrize("width", [2, 5])
def test_padding_adds_columns_of_zeros(width):
    rows = padded(numpy.ones((3, 2), "float32"), width)
    assert rows.shape == (3, width) and rows[:, 2:].sum() == 0
