"""One model per group, in one batch."""

import copy
import pickle
import threading

import huracan
import numpy
import pandas
import pytest


def test_each_group_has_the_model_that_it_would_have_alone(shops):
    X, y, shop = shops
    model = huracan.HuracanClassifier(n_estimators=10).fit(X, y, groups=shop)
    assert len(model.models_) == 40 and "shop 07" in model.models_ and list(model.models_)[0] == "shop 00"
    together = model.predict_proba(X, groups=shop)
    for name in ["shop 00", "shop 39"]:
        rows = shop == name
        alone = huracan.HuracanClassifier(n_estimators=10).fit(X[rows], y[rows])
        assert (alone.predict_proba(X[rows]) == together[rows]).all()
        assert (model.models_[name].predict(X[rows]) == together[rows, 1]).all()


def test_the_order_of_rows_between_groups_does_not_matter(shops):
    X, y, shop = shops
    mixed = numpy.argsort(numpy.arange(len(y)) % 120, kind="stable")
    one = huracan.HuracanClassifier(n_estimators=5).fit(X, y, groups=shop)
    other = huracan.HuracanClassifier(n_estimators=5).fit(X[mixed], y[mixed], groups=shop[mixed])
    assert [own.digest for own in one.models_.values()] == [own.digest for own in other.models_.values()]


@pytest.mark.parametrize("kind", ["numbers", "texts", "series", "categories", "list"])
def test_groups_may_be_of_any_kind(shops, kind):
    X, y, shop = shops
    number = numpy.repeat(numpy.arange(40), 120)
    given = {"numbers": number, "texts": shop.astype(object), "series": pandas.Series(shop),
             "categories": pandas.Series(shop, dtype="category"), "list": list(shop)}[kind]
    model = huracan.HuracanClassifier(n_estimators=3).fit(X, y, groups=given)
    assert len(model.models_) == 40
    assert len(model.predict(X, groups=given)) == len(y)


def test_models_are_saved_in_one_file_or_a_folder_and_read_lazily(shops, tmp_path):
    X, y, shop = shops
    model = huracan.HuracanRegressor(n_estimators=5).fit(X, y, groups=shop)
    model.models_.save(tmp_path / "models.jsonl")
    model.models_.save(tmp_path / "models")
    assert len(list((tmp_path / "models").glob("*.txt"))) == 40
    read = huracan.load(tmp_path / "models.jsonl")
    assert len(read) == 40 and read["shop 03"].digest == model.models_["shop 03"].digest
    assert (read.predict(X, shop) == model.predict(X, groups=shop)).all()
    for copied in [pickle.loads(pickle.dumps(model)), copy.deepcopy(model)]:
        assert (copied.predict(X, groups=shop) == model.predict(X, groups=shop)).all()


def test_validation_rows_of_each_group_choose_its_rounds(shops):
    X, y, shop = shops
    later = numpy.arange(len(y)) % 120 >= 90
    model = huracan.HuracanClassifier(n_estimators=100, early_stopping_rounds=5)
    model.fit(X[~later], y[~later], groups=shop[~later], eval_set=(X[later], y[later]), eval_groups=shop[later])
    assert len({own.rounds for own in model.models_.values()}) > 3
    with pytest.raises(ValueError, match="go together"):
        model.fit(X, y, groups=shop, eval_set=(X, y))
    with pytest.raises(ValueError, match="eval_groups has the group 'new'"):
        model.fit(X, y, groups=shop, eval_set=(X[:2], y[:2]), eval_groups=["new", "shop 00"])


def test_a_group_of_one_row_is_a_constant():
    X = numpy.arange(41.0).reshape(41, 1)
    y = (numpy.arange(41) >= 20).astype(int)
    groups = ["many"] * 40 + ["one"]
    model = huracan.HuracanClassifier(n_estimators=3, min_child_samples=5).fit(X, y, groups=groups)
    assert len(set(model.models_["one"].predict(X))) == 1 < len(set(model.models_["many"].predict(X)))
    assert numpy.isfinite(model.predict_proba(X, groups=groups)).all()


def test_what_does_not_fit_is_said(shops):
    X, y, shop = shops
    model = huracan.HuracanClassifier(n_estimators=2)
    with pytest.raises(ValueError, match="4800 rows, but groups of the shape"):
        model.fit(X, y, groups=shop[:-1])
    missing = shop.astype(object)
    missing[7] = None
    with pytest.raises(ValueError, match="row 7 has no group"):
        model.fit(X, y, groups=missing)
    model.fit(X, y, groups=shop)
    with pytest.raises(huracan.DataError, match="no model of the group 'unknown'"):
        model.predict(X[:1], groups=["unknown"])
    with pytest.raises(ValueError, match="trained by groups"):
        model.predict(X)
    with pytest.raises(ValueError, match="without groups"):
        huracan.HuracanClassifier(n_estimators=2).fit(X, y).predict(X, groups=shop)
    with pytest.raises(KeyError, match="nobody"):
        model.models_["nobody"]


def test_progress_is_told_and_an_exception_in_it_stops_the_work(shops, capsys):
    X, y, shop = shops
    told = []
    huracan.HuracanClassifier(n_estimators=5).fit(X, y, groups=shop, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (40, 40)
    huracan.HuracanClassifier(n_estimators=5).fit(X, y, groups=shop, progress=True)
    assert "40/40" in capsys.readouterr().err
    with pytest.raises(ZeroDivisionError):
        huracan.HuracanClassifier(n_estimators=5).fit(X, y, groups=shop, progress=lambda done, total: 1 // 0)


def test_threads_may_fit_the_same_estimator_and_others(shops):
    X, y, shop = shops
    wanted = huracan.HuracanClassifier(n_estimators=5).fit(X, y, groups=shop).models_["shop 01"].digest
    same = huracan.HuracanClassifier(n_estimators=5)
    found, faults = [], []

    def work(model):
        try:
            found.append(model.fit(X, y, groups=shop).models_["shop 01"].digest)
        except Exception as error:  # noqa: BLE001
            faults.append(error)

    models = [same, same, huracan.HuracanClassifier(n_estimators=5), huracan.HuracanClassifier(n_estimators=5)]
    threads = [threading.Thread(target=work, args=(model,)) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults and set(found) == {wanted}


def test_balanced_weights_are_those_of_each_group_alone(shops):
    X, _, shop = shops
    y = (numpy.arange(len(shop)) % 10 < numpy.where(shop == "shop 00", 9, 1)).astype(int)
    model = huracan.HuracanClassifier(n_estimators=5, class_weight="balanced")
    together = model.fit(X, y, groups=shop).models_["shop 00"].digest
    assert model.fit(X[shop == "shop 00"], y[shop == "shop 00"]).booster_.digest == together


@pytest.mark.parametrize("missing", [None, float("nan"), pandas.NA, pandas.NaT])
@pytest.mark.parametrize("kind", [list, lambda groups: pandas.Series(groups, dtype=object), lambda groups: numpy.array(groups, dtype=object)])
def test_a_row_without_a_group_is_named(missing, kind):
    with pytest.raises(ValueError, match="row 3 has no group"):
        huracan.HuracanRegressor().fit(numpy.zeros((5, 1)), numpy.arange(5), groups=kind(["a", "a", "b", missing, "b"]))


def test_groups_that_would_have_one_name_are_refused():
    X, y = numpy.zeros((4, 1)), numpy.arange(4)
    with pytest.raises(ValueError, match="same name"):
        huracan.HuracanRegressor().fit(X, y, groups=[1, "1", 2, 2])
    zeros = huracan.HuracanRegressor(n_estimators=1).fit(X, y, groups=numpy.array([0.0, -0.0, 1.0, 0.0]))
    assert list(zeros.models_) == ["0.0", "1.0"]
    days = pandas.Series(pandas.to_datetime(["2024-01-01", "2024-01-02"] * 2))
    coarse, fine = (huracan.HuracanRegressor(n_estimators=1).fit(X, y, groups=days.astype(f"datetime64[{unit}]")) for unit in ["s", "ns"])
    assert list(coarse.models_) == list(fine.models_)


def test_models_check_the_rows_that_they_predict(shops):
    X, y, shop = shops
    names = [f"x{number}" for number in range(8)]
    frame = pandas.DataFrame(X, columns=names)
    models = huracan.HuracanClassifier(n_estimators=2).fit(frame, y, groups=shop).models_
    assert (models.predict(frame, shop) == models.predict(X, shop)).all()
    with pytest.raises(huracan.DataError, match="in this order"):
        models.predict(frame[names[::-1]], shop)
    with pytest.raises(huracan.DataError, match="encode it"):
        models["shop 00"].predict(frame.astype({"x3": str}))
    with pytest.raises(ValueError, match="infinity"):
        models.predict(numpy.where(X > 3, numpy.inf, X), shop)
    one = pickle.dumps(models["shop 01"])
    assert len(one) < 20_000 and pickle.loads(one).digest == models["shop 01"].digest


def test_a_grouped_model_can_be_scored(shops):
    X, y, shop = shops
    model = huracan.HuracanClassifier(n_estimators=20).fit(X, y, groups=shop)
    assert model.score(X, y, groups=shop) > 0.7
    assert huracan.HuracanRegressor(n_estimators=20).fit(X, y, groups=shop).score(X, y, groups=shop) > 0.2
