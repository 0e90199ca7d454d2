"""What users of LightGBM's, XGBoost's and hessboost's scikit-learn classes rely on, and their own suites look at."""

from __future__ import annotations

import copy
import itertools
import warnings

import numpy
import pandas
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, make_multilabel_classification
from sklearn.ensemble import StackingClassifier, VotingRegressor
from sklearn.feature_selection import SelectFromModel
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error, roc_auc_score
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, cross_val_score, train_test_split
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor, RegressorChain
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from huracan import HuracanClassifier, HuracanRegressor


@pytest.fixture(scope="module")
def cancer():
    return train_test_split(*load_breast_cancer(return_X_y=True), test_size=0.2, random_state=42)


@pytest.fixture(scope="module")
def diabetes():
    return train_test_split(*load_diabetes(return_X_y=True), test_size=0.2, random_state=42)


def test_two_classes_many_classes_and_values_are_learned_well(cancer, diabetes):
    X, X_test, y, y_test = cancer
    model = HuracanClassifier().fit(X, y)
    assert log_loss(y_test, model.predict_proba(X_test)) < 0.13 and roc_auc_score(y_test, model.predict_proba(X_test)[:, 1]) > 0.99
    X, X_test, y, y_test = train_test_split(*load_digits(return_X_y=True), test_size=0.2, random_state=42)
    many = HuracanClassifier(n_estimators=50).fit(X, y)
    assert accuracy_score(y_test, many.predict(X_test)) > 0.95 and many.predict_proba(X_test).shape == (len(X_test), 10)
    numpy.testing.assert_allclose(many.predict_proba(X_test).sum(axis=1), 1.0, rtol=1e-12)
    X, X_test, y, y_test = diabetes
    assert mean_squared_error(y_test, HuracanRegressor(n_estimators=50, max_depth=3).fit(X, y).predict(X_test)) < 3400


def test_more_rounds_fit_the_training_rows_better_and_one_seed_gives_one_model(cancer):
    X, _, y, _ = cancer
    losses = [log_loss(y, HuracanClassifier(n_estimators=rounds).fit(X, y).predict_proba(X)) for rounds in (1, 5, 25, 100)]
    assert losses == sorted(losses, reverse=True)
    drawn = {"subsample": 0.6, "colsample_bytree": 0.6, "n_estimators": 10}
    one, same, other = (HuracanClassifier(random_state=seed, **drawn).fit(X, y).booster_.digest for seed in (1, 1, 2))
    assert one == same != other
    state = [HuracanClassifier(random_state=numpy.random.RandomState(3), **drawn).fit(X, y).booster_.digest for _ in range(2)]
    assert state[0] == state[1]


def test_weights_of_rows_count_as_copies_of_them(diabetes):
    X, _, y, _ = diabetes
    weights = numpy.arange(len(y)) % 3
    weighted = HuracanRegressor(n_estimators=20, min_child_samples=0, min_data_in_bin=0, max_bin=255)
    copies = clone(weighted).fit(numpy.repeat(X, weights, axis=0), numpy.repeat(y, weights))
    weighted.fit(X[weights > 0], y[weights > 0], sample_weight=weights[weights > 0])
    assert numpy.corrcoef(weighted.predict(X), copies.predict(X))[0, 1] > 0.98
    # A row of weight 0 says nothing.
    wild = y.copy()
    wild[weights == 0] = 1e6
    assert clone(weighted).fit(X, wild, sample_weight=weights).predict(X).max() < 1e4


def test_early_stopping_keeps_the_best_round(cancer):
    X, X_test, y, y_test = cancer
    model = HuracanClassifier(n_estimators=1000, early_stopping_rounds=10).fit(X, y, eval_set=[(X_test, y_test)])
    losses = model.booster_.validation_loss
    assert model.best_iteration_ == int(numpy.argmin(losses)) + 1 and len(losses) == model.best_iteration_ + 10
    whole = HuracanClassifier(n_estimators=model.best_iteration_).fit(X, y)
    numpy.testing.assert_array_equal(whole.predict_proba(X_test), model.predict_proba(X_test))
    assert log_loss(y_test, model.predict_proba(X_test)) == pytest.approx(min(losses), rel=1e-6)


def test_searches_cross_validation_and_pipelines(cancer, diabetes):
    X, X_test, y, y_test = cancer
    grid = GridSearchCV(HuracanClassifier(n_estimators=10), {"max_depth": [2, 4], "learning_rate": [0.1, 0.3]}, cv=3).fit(X, y)
    assert grid.best_params_.keys() == {"max_depth", "learning_rate"} and grid.score(X_test, y_test) > 0.9
    drawn = RandomizedSearchCV(HuracanClassifier(n_estimators=10), {"reg_lambda": [0.1, 1.0, 10.0]}, n_iter=2, cv=3, random_state=1)
    assert drawn.fit(X, y).best_score_ > 0.9
    assert cross_val_score(HuracanClassifier(n_estimators=10), X, y, cv=3, scoring="roc_auc").min() > 0.95
    # Trees see the order of values alone.
    plain, scaled = HuracanClassifier(n_estimators=10), make_pipeline(StandardScaler(), HuracanClassifier(n_estimators=10))
    assert (plain.fit(X, y).predict(X_test) == scaled.fit(X, y).predict(X_test)).mean() > 0.97


def test_ensembles_of_scikit_learn_take_it(cancer, diabetes):
    X, X_test, y, y_test = cancer
    stack = StackingClassifier([("trees", HuracanClassifier(n_estimators=10)), ("line", make_pipeline(StandardScaler(), LogisticRegression()))],
                               final_estimator=HuracanClassifier(n_estimators=5, max_depth=2), passthrough=True)
    assert stack.fit(X, y).score(X_test, y_test) > 0.9 and list(stack.classes_) == [0, 1]
    calibrated = CalibratedClassifierCV(HuracanClassifier(n_estimators=20), cv=3).fit(X, y)
    assert log_loss(y_test, calibrated.predict_proba(X_test)) < 0.25
    X, X_test, y, y_test = diabetes
    voting = VotingRegressor([("a", HuracanRegressor(n_estimators=20, max_depth=2)), ("b", HuracanRegressor(n_estimators=20, growth="leaf"))])
    assert voting.fit(X, y).score(X_test, y_test) > 0.3


def test_several_targets_by_scikit_learns_wrappers(diabetes):
    X, X_test, y, _ = diabetes
    both = numpy.column_stack([y, -2 * y])
    for wrapper in (MultiOutputRegressor(HuracanRegressor(n_estimators=10)), RegressorChain(HuracanRegressor(n_estimators=10))):
        out = wrapper.fit(X, both).predict(X_test)
        assert out.shape == (len(X_test), 2) and numpy.corrcoef(out[:, 0], -out[:, 1])[0, 1] > 0.9
    X, Y = make_multilabel_classification(n_samples=300, n_classes=3, random_state=0)
    for wrapper in (MultiOutputClassifier(HuracanClassifier()), ClassifierChain(HuracanClassifier())):
        assert (wrapper.fit(X, Y).predict(X) == Y).mean() > 0.9


def test_importances_point_at_what_matters(cancer):
    draws = numpy.random.default_rng(0)
    X = draws.normal(size=(800, 6))
    y = (X[:, 2] + 0.5 * X[:, 4] + 0.1 * draws.normal(size=800) > 0).astype(int)
    model = HuracanClassifier(n_estimators=30).fit(X, y)
    assert model.feature_importances_.sum() == pytest.approx(1.0) and list(numpy.argsort(model.feature_importances_)[-2:]) == [4, 2]
    assert model.booster_.importances("split").dtype.kind == "u" and model.booster_.importances("split")[2] > 0
    shuffled = permutation_importance(model, X, y, n_repeats=3, random_state=0).importances_mean
    assert list(numpy.argsort(shuffled)[-2:]) == [4, 2]
    chosen = SelectFromModel(HuracanClassifier(n_estimators=30), threshold="mean").fit(X, y).get_support(indices=True)
    assert 2 in chosen and len(chosen) <= 2


def test_labels_of_any_kind_come_back_as_they_were():
    X, y = load_iris(return_X_y=True)
    for labels in (y.astype("int8"), y.astype(float) - 1.0, y * 7 - 3, numpy.array(["a", "b", "c"])[y], numpy.array(["a", "b", "c"], object)[y],
                   pandas.Series(y).map({0: "x", 1: "y", 2: "z"})):
        model = HuracanClassifier(n_estimators=10).fit(X, labels)
        assert (model.predict(X) == numpy.asarray(labels)).mean() > 0.95
        assert list(model.classes_) == sorted(set(numpy.asarray(labels).tolist()))
    two = HuracanClassifier(n_estimators=10).fit(X, y == 1)
    assert two.predict(X).dtype == bool and (two.predict(X) == (y == 1)).mean() > 0.95
    raw = two.decision_function(X)
    numpy.testing.assert_allclose(1 / (1 + numpy.exp(-raw)), two.predict_proba(X)[:, 1], rtol=1e-9)


def test_classes_are_weighted_as_rows_are(cancer):
    X, _, y, _ = cancer
    rare = numpy.concatenate([numpy.flatnonzero(y == 1), numpy.flatnonzero(y == 0)[:30]])
    plain = HuracanClassifier(n_estimators=20).fit(X[rare], y[rare])
    balanced = HuracanClassifier(n_estimators=20, class_weight="balanced").fit(X[rare], y[rare])
    given = HuracanClassifier(n_estimators=20, class_weight={0: 10.0, 1: 1.0}).fit(X[rare], y[rare])
    means = [model.predict_proba(X)[:, 0].mean() for model in (plain, balanced, given)]
    assert means[0] < min(means[1:])
    scaled = HuracanClassifier(n_estimators=20, scale_pos_weight=0.1).fit(X[rare], y[rare])
    assert scaled.predict_proba(X)[:, 0].mean() > means[0]


def test_missing_values_have_a_side_of_their_own():
    X = numpy.array([[numpy.nan], [0.0], [1.0], [2.0]] * 60)
    y = numpy.array([1.0, 0.0, 0.0, 1.0] * 60)
    model = HuracanRegressor(n_estimators=50, min_child_samples=0).fit(X, y)
    numpy.testing.assert_allclose(model.predict(X[:4]), y[:4], atol=0.02)
    all_missing = HuracanRegressor(n_estimators=5).fit(numpy.full((50, 2), numpy.nan), numpy.arange(50.0))
    numpy.testing.assert_allclose(all_missing.predict(numpy.zeros((3, 2))), 24.5, rtol=1e-6)


def test_constraints_hold_everywhere():
    draws = numpy.random.default_rng(1)
    X = draws.uniform(-1, 1, size=(600, 2))
    y = X[:, 0] - X[:, 1] + 0.3 * numpy.sin(9 * X[:, 0]) + 0.2 * draws.normal(size=600)
    for growth in ("level", "leaf"):
        model = HuracanRegressor(n_estimators=60, growth=growth, monotone_constraints=[1, -1]).fit(X, y)
        line = numpy.linspace(-1, 1, 200)
        for fixed in (-0.7, 0.0, 0.7):
            assert (numpy.diff(model.predict(numpy.column_stack([line, numpy.full(200, fixed)]))) >= -1e-12).all()
            assert (numpy.diff(model.predict(numpy.column_stack([numpy.full(200, fixed), line]))) <= 1e-12).all()


def test_parameters_are_kept_as_they_were_given():
    given = {"n_estimators": 7, "max_depth": 3, "learning_rate": 0.3, "subsample": 0.5, "n_jobs": 1, "random_state": 4}
    model = HuracanRegressor(**given)
    assert {name: model.get_params()[name] for name in given} == given
    assert clone(model).get_params() == model.get_params() and copy.deepcopy(model).get_params() == model.get_params()
    assert model.set_params(max_depth=5).max_depth == 5
    with pytest.raises(ValueError, match="Invalid parameter"):
        model.set_params(depth=5)
    assert "max_depth=5" in repr(model)


def test_forms_of_rows_do_not_matter_and_sparse_ones_are_refused(diabetes):
    X, X_test, y, _ = diabetes
    expected = HuracanRegressor(n_estimators=10).fit(X.astype("float32"), y).predict(X_test.astype("float32"))
    forms = [numpy.asfortranarray(X), X.tolist(), pandas.DataFrame(X), X[:, ::-1][:, ::-1], X.astype("float32")]
    for rows in forms:
        model = HuracanRegressor(n_estimators=10).fit(rows, y)
        numpy.testing.assert_allclose(model.predict(numpy.asarray(X_test)), expected, rtol=1e-6)
    with pytest.raises(TypeError, match="[Ss]parse"):
        HuracanRegressor().fit(scipy.sparse.csr_matrix(X), y)
    frozen = X.copy()
    frozen.flags.writeable = False
    HuracanRegressor(n_estimators=2).fit(frozen, y)
    assert not frozen.flags.writeable


def test_numbers_of_threads_and_depths_give_sound_models(diabetes):
    X, X_test, y, _ = diabetes
    for depth, leaves in itertools.product((1, 3, 12), (2, 31)):
        model = HuracanRegressor(n_estimators=5, growth="leaf", max_depth=depth, num_leaves=leaves, min_child_samples=1).fit(X, y)
        assert numpy.isfinite(model.predict(X_test)).all() and len(numpy.unique(model.predict(X))) <= leaves**5
    digests = {HuracanRegressor(n_estimators=20, n_jobs=jobs).fit(X, y).booster_.digest for jobs in (None, 1, 2, -1, -2)}
    assert len(digests) == 1


def test_refits_forget_and_warnings_are_none(cancer, diabetes):
    X, X_test, y, _ = cancer
    model = HuracanClassifier(n_estimators=5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first = model.fit(X, y).predict_proba(X_test)
        model.fit(X[:, :3], y)
        assert model.n_features_in_ == 3 and not hasattr(model, "feature_names_in_")
        numpy.testing.assert_array_equal(model.fit(X, y).predict_proba(X_test), first)
        frame = pandas.DataFrame(X, columns=[f"c{i}" for i in range(X.shape[1])])
        model.fit(frame, pd_y := pandas.Series(y))
        assert list(model.feature_names_in_) == list(frame.columns) and len(pd_y) == len(y)
        model.predict(frame.iloc[:5])
