"""The estimators as scikit-learn knows them."""

import pickle

import huracan
import numpy
import pandas
import pyarrow
import pytest
from conftest import answer, polars
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.utils.estimator_checks import parametrize_with_checks

#: scikit-learn lists this as expected of its own HistGradientBoosting, too: bins follow from rows, and not from weights.
WEIGHTS = {"check_sample_weight_equivalence_on_dense_data": "bins are quantiles of rows, whatever their weights"}


@parametrize_with_checks(
    [huracan.HuracanClassifier(n_estimators=30), huracan.HuracanRegressor(n_estimators=30)],
    expected_failed_checks=lambda estimator: WEIGHTS if isinstance(estimator, huracan.HuracanClassifier) else {},
)
def test_scikit_learn_finds_an_estimator(estimator, check):
    check(estimator)


def test_it_learns():
    X, y = load_breast_cancer(return_X_y=True)
    a, b, c, d = train_test_split(X, y, random_state=0)
    model = huracan.HuracanClassifier().fit(a, c)
    assert accuracy_score(d, model.predict(b)) > 0.95
    assert log_loss(d, model.predict_proba(b)) < 0.15
    X, y = load_iris(return_X_y=True)
    assert huracan.HuracanClassifier().fit(X, y).score(X, y) > 0.97
    X, y = load_diabetes(return_X_y=True)
    a, b, c, d = train_test_split(X, y, random_state=0)
    assert r2_score(d, huracan.HuracanRegressor(n_estimators=40).fit(a, c).predict(b)) > 0.2


def test_labels_may_be_texts_and_there_may_be_one_class():
    X = numpy.arange(60.0).reshape(60, 1)
    y = numpy.where(X[:, 0] < 30, "low", "high")
    model = huracan.HuracanClassifier().fit(X, y)
    assert list(model.classes_) == ["high", "low"] and (model.predict(X) == y).all()
    assert model.predict_proba(X).shape == (60, 2)
    only = huracan.HuracanClassifier().fit(X, ["one"] * 60)
    assert (only.predict(X) == "one").all() and (only.predict_proba(X) == 1).all()


def test_a_model_can_be_pickled_cloned_and_searched(shops):
    X, y, _ = shops
    model = huracan.HuracanClassifier(n_estimators=20, monotone_constraints=[1] + [0] * 7).fit(X, y)
    back = pickle.loads(pickle.dumps(model))
    assert (back.predict_proba(X) == model.predict_proba(X)).all()
    assert back.booster_.digest == model.booster_.digest
    assert clone(model).get_params() == model.get_params()
    search = GridSearchCV(huracan.HuracanClassifier(n_estimators=10), {"max_depth": [2, 4]}, cv=2).fit(X, y)
    assert search.best_params_["max_depth"] in (2, 4)


def test_the_same_rows_give_the_same_bits_whatever_their_form_and_the_threads(shops):
    X, y, _ = shops
    digests = set()
    for given in [X, X.astype("float64"), numpy.asfortranarray(X), numpy.repeat(X, 2, axis=0)[::2], X[::-1][::-1]]:
        for n_jobs in (1, 2):
            digests.add(huracan.HuracanClassifier(n_estimators=5, n_jobs=n_jobs).fit(given, y).booster_.digest)
    assert len(digests) == 1
    read_only = X.copy()
    read_only.setflags(write=False)
    assert huracan.HuracanClassifier(n_estimators=5).fit(read_only, y).booster_.digest in digests


def test_names_of_columns_are_kept_and_compared(shops):
    X, y, _ = shops
    names = [f"x{number}" for number in range(8)]
    frame = pandas.DataFrame(X, columns=names)
    digests = set()
    others = [] if polars is None else [polars.from_pandas(frame)]
    for given in [frame, pyarrow.Table.from_pandas(frame), *others]:
        model = huracan.HuracanClassifier(n_estimators=5).fit(given, y)
        assert list(model.feature_names_in_) == names and model.booster_.feature_names == names
        assert len(model.predict(given)) == len(y)
        digests.add(model.booster_.digest)
    assert len(digests) == 1
    model = huracan.HuracanClassifier(n_estimators=5).fit(frame, y)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[names[::-1]])
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame.rename(columns={"x0": "other"}))


def test_validation_rows_stop_the_training(shops):
    X, y, _ = shops
    model = huracan.HuracanClassifier(n_estimators=400, learning_rate=0.3, early_stopping_rounds=5)
    model.fit(X[:3000], y[:3000], eval_set=(X[3000:], y[3000:]))
    losses = model.booster_.validation_loss
    assert 0 < model.best_iteration_ < 400 and numpy.argmin(losses) + 1 == model.best_iteration_
    with pytest.raises(ValueError, match="eval_set"):
        huracan.HuracanClassifier(early_stopping_rounds=5).fit(X, y)


def test_contributions_add_up_to_the_raw_score(shops):
    X, y, _ = shops
    model = huracan.HuracanClassifier(n_estimators=10).fit(X, y)
    sums = model.contributions(X[:50]).sum(axis=1)
    assert numpy.allclose(sums, model.decision_function(X[:50]))


def test_a_text_is_read_by_lightgbm_and_predicts_alike(shops, tmp_path):
    lightgbm = pytest.importorskip("lightgbm")
    X, y, _ = shops
    model = huracan.HuracanClassifier(n_estimators=20).fit(X, y)
    theirs = lightgbm.Booster(model_str=model.booster_.text())
    assert numpy.allclose(theirs.predict(X.astype("float64")), model.predict_proba(X)[:, 1], atol=1e-12)


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({"city": ["a", "b"] * 30}, "column 'city' holds .*encode it"),
        ({"city": pandas.Categorical(["a", "b"] * 30)}, "column 'city' holds category"),
        ({"when": pandas.date_range("2024-01-01", periods=60)}, "column 'when' holds datetime"),
    ],
)
def test_columns_that_are_no_numbers_are_refused_by_name(columns, text):
    X = pandas.DataFrame({"x": numpy.arange(60.0), **columns})
    y = numpy.arange(60) % 2
    with pytest.raises(huracan.DataError, match=text):
        huracan.HuracanClassifier().fit(X, y)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"learning_rate": -1.0}, "learning"),
        ({"max_bin": 1}, "max-bin|max_bin"),
        ({"growth": "sideways"}, "growth"),
        ({"boosting_type": "dart"}, "boosting_type"),
        ({"n_jobs": 0}, "n_jobs"),
        ({"n_estimators": 1.5}, "n_estimators"),
        ({"monotone_constraints": [1]}, "monotone_constraints"),
        ({"monotone_constraints": {"nothing": 1}}, "monotone_constraints"),
        ({"device": "abacus"}, "abacus"),
        ({"subsample": 0.0}, "subsample"),
    ],
)
def test_bad_parameters_are_named(shops, change, text):
    X, y, _ = shops
    with pytest.raises(ValueError, match=text):
        huracan.HuracanClassifier(**change).fit(X, y)


@pytest.mark.parametrize(
    ("X", "y", "text"),
    [
        (numpy.zeros((0, 3)), numpy.zeros(0), "0 sample"),
        (numpy.zeros((3, 0)), [0, 1, 0], "0 feature"),
        (numpy.zeros((3, 2)), [0, 1], "inconsistent"),
        (numpy.full((3, 2), numpy.inf), [0, 1, 0], "infinity"),
        (numpy.zeros((4, 2)), [0.0, numpy.nan, 1.0, 0.0], "NaN"),
        ([[1.0], [1.0, 2.0]], [0, 1], "inhomogeneous|sequence"),
    ],
)
def test_bad_rows_are_refused(X, y, text):
    with pytest.raises(ValueError, match=text):
        huracan.HuracanRegressor().fit(X, y)


def test_quantiles_and_huber_learn_what_they_say():
    draws = numpy.random.default_rng(0)
    X = draws.normal(size=(4000, 3))
    y = X[:, 0] + draws.standard_t(2, 4000)
    low = huracan.HuracanRegressor(objective="quantile", alpha=0.1).fit(X, y)
    assert abs((y < low.predict(X)).mean() - 0.1) < 0.03
    assert huracan.HuracanRegressor(objective="huber", delta=1.0).fit(X, y).score(X, y) > 0
    with pytest.raises(ValueError, match="objective"):
        huracan.HuracanRegressor(objective="poisson").fit(X, y)


def test_a_forest_needs_something_to_draw(shops):
    X, y, _ = shops
    forest = huracan.HuracanClassifier(boosting_type="rf", subsample=0.6, max_depth=8, n_estimators=20).fit(X, y)
    assert forest.score(X, y) > 0.6
    with pytest.raises(ValueError, match="subsample|forest"):
        huracan.HuracanClassifier(boosting_type="rf").fit(X, y)


def test_the_command_trains_the_same_trees(shops, tmp_path):
    X, y, shop = shops
    names = [f"x{number}" for number in range(8)]
    pandas.DataFrame(X, columns=names).assign(bought=y, shop=shop).to_parquet(tmp_path / "rows.parquet", index=False)
    told = answer("boost", "train", "--table", tmp_path / "rows.parquet", "--target", "bought", "--group", "shop",
                  "--objective", "binary", "--rounds", "10", "--out", tmp_path / "models.jsonl")
    model = huracan.HuracanClassifier(n_estimators=10, min_child_samples=0, min_data_in_bin=0)
    model.fit(pandas.DataFrame(X, columns=names), y, groups=shop)
    assert {one["name"]: one["digest"] for one in told["models"]} == {name: own.digest for name, own in model.models_.items()}
    alone = clone(model).fit(pandas.DataFrame(X[:120], columns=names), y[:120])
    assert alone.booster_.digest == model.models_["shop 00"].digest
    read = huracan.load(tmp_path / "models.jsonl")
    assert (read.predict(X, shop) == model.predict_proba(X, groups=shop)[:, 1]).all()


def test_a_fit_that_fails_leaves_the_model_of_before(shops):
    X, y, _ = shops
    frame = pandas.DataFrame(X[:, :2], columns=["a", "b"])
    model = huracan.HuracanClassifier(n_estimators=5).fit(frame, y)
    before = model.predict_proba(frame)
    with pytest.raises(ZeroDivisionError):
        model.fit(frame[["b", "a"]], y, progress=lambda done, total: 1 // 0)
    assert list(model.feature_names_in_) == ["a", "b"] and (model.predict_proba(frame) == before).all()


@pytest.mark.filterwarnings("error")
def test_arrow_tables_fit_and_predict_without_a_warning(shops):
    X, y, _ = shops
    table = pyarrow.table({f"x{number}": X[:, number] for number in range(8)})
    model = huracan.HuracanClassifier(n_estimators=3).fit(table, y, eval_set=(table, y))
    assert len(model.predict(table)) == len(y)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(table.select([f"x{number}" for number in range(8)][::-1]))


@pytest.mark.parametrize("name", ["learning_rate", "reg_lambda", "min_child_weight", "scale_pos_weight", "subsample"])
def test_parameters_are_finite_and_named_as_they_are_here(name):
    with pytest.raises(ValueError, match=f"^{name} is nan"):
        huracan.HuracanClassifier(**{name: float("nan")}).fit([[1.0], [2.0]], [0, 1])
    with pytest.raises(huracan.UsageError, match=f"^{name} is -1"):
        huracan.HuracanClassifier(**{name: -1.0}).fit([[1.0], [2.0]], [0, 1])


def test_whole_numbers_beyond_int64_are_numbers():
    big = pyarrow.table({"h": pyarrow.array([2**63 + 2**45 * i for i in range(60)], pyarrow.uint64())})
    model = huracan.HuracanRegressor(n_estimators=50, min_child_samples=1).fit(big, numpy.arange(60.0))
    assert model.score(big, numpy.arange(60.0)) > 0.8


def test_a_copy_writes_the_same_text(shops):
    X, y, _ = shops
    model = huracan.HuracanClassifier(n_estimators=3).fit(X, y)
    assert pickle.loads(pickle.dumps(model)).booster_.text() == model.booster_.text()
