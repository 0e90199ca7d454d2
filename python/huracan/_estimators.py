"""Boosted trees and random forests as scikit-learn's estimators, for one model or for one per group."""

from __future__ import annotations

import copy
import json
import math
import numbers
from typing import Any

import numpy

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.metrics import accuracy_score, r2_score
    from sklearn.utils import check_array, check_random_state, check_X_y
    from sklearn.utils.class_weight import compute_sample_weight
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import _check_n_features, _check_sample_weight, check_is_fitted, validate_data
except ImportError as missing:
    raise ImportError("huracan's estimators need scikit-learn 1.6 or later: pip install 'huracan[sklearn]'") from missing

from . import _huracan
from ._models import Booster, GroupedModels, grouped, predicted, threads_of
from ._progress import told
from ._tables import Columns

#: Seed where none is given: results are the same in every run.
SEED = 7

#: What a fit leaves behind.
_LEARNED = {"_models", "_is_grouped", "_by_group", "classes_", "n_features_in_", "feature_names_in_"}

#: Stands for labels that are not asked for, since None is a caller's mistake.
_ABSENT = object()

PARAMETERS = """
    Parameters
    ----------
    objective : {objectives}
    boosting_type : "gbdt" or "rf"
        Boosted trees, or a random forest, which needs `subsample`, `colsample_bytree` or `colsample_bynode` below 1.
    n_estimators : int, 100
        Most rounds; one tree per round, with more than two classes one per class.
    learning_rate : float, 0.1
        Shrinkage of each tree, above 0.
    growth : "level" or "leaf"
        Split all leaves of a level, or always the leaf with the greatest gain.
    max_depth : int, 6
        Most levels of splits, 1 to 20; with `growth="leaf"` 0 or -1 sets no limit.
    num_leaves : int, 31
        Most leaves of a tree, for `growth="leaf"`.
    max_bin : int, 255
        Most quantile bins of a feature, 2 to 255; few rows get fewer, see `min_data_in_bin`.
    min_child_samples : int, 20
        Fewest rows of a leaf, counted in mean Hessians before the first tree; 0 asks for none.
    min_data_in_bin : int, 3
        Fewest rows of a bin on average; 0 asks for none.
    min_child_weight : float, 1e-3
        Smallest sum of Hessians in a leaf.
    min_split_gain : float, 0
        Smallest gain of a split.
    reg_lambda : float, 1
        L2 penalty on leaf values.
    subsample, colsample_bytree, colsample_bynode : float, 1
        Share of rows drawn for each tree, of features for each tree, and of those for each split.
    monotone_constraints : dict or sequence, optional
        1 (may only rise), -1 (may only fall) or 0 by feature name, or for each feature in order.
    early_stopping_rounds : int, optional
        Rounds without a better loss on `eval_set` before training stops.
    random_state : int, RandomState or None
        Seed of all draws. None is a fixed seed: the same data give the same model, bit for bit.
    n_jobs : int, optional
        Threads; None and -1 take all cores. Results do not depend on it.
    device : "cpu", "auto", "cuda", "cuda:N"
        Where to compute. Results have the same bits everywhere.
"""

FIT = """
    Trains one model, or with `groups` one per group, all in one batch.

        Parameters
        ----------
        X : [rows × features] of numbers
            Float32 row by row is taken without a copy; other numbers are converted once. NaN is a missing value; infinity is
            refused. Values are compared as float32, which tells 7 digits: subtract the least from large ones, such as times. Arrays
            must not be written to meanwhile.
        y : [rows]
            {labels}
        sample_weight : [rows], optional
            0 or more.
        groups : [rows], optional
            The group of each row: numbers or texts. `models_` then has a model per group.
        eval_set : (X, y), optional
            Rows whose loss chooses the number of rounds; needed for `early_stopping_rounds`.
        eval_sample_weight, eval_groups : [rows of eval_set], optional
        progress : bool or callable, optional
            True draws a bar; a callable gets the number of models trained and that of all.
"""


def _keep(estimator: Any, given: dict[str, Any]) -> None:
    """Keeps the arguments of `__init__`, whose signature says to scikit-learn which there are."""
    vars(estimator).update((name, value) for name, value in given.items() if name != "self")


class _Huracan(BaseEstimator):
    """What both estimators share."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _engine_parameters(self, objective: Any, scale_pos_weight: float, features: list[str]) -> str:
        """The hyperparameters as the engine's JSON."""
        if self.boosting_type not in ("gbdt", "rf"):
            raise ValueError(f"boosting_type is {self.boosting_type!r}; choose gbdt or rf")
        if self.growth not in ("level", "leaf"):
            raise ValueError(f"growth is {self.growth!r}; choose level or leaf")
        if self.random_state is None:
            seed = SEED
        elif isinstance(self.random_state, numbers.Integral):
            seed = int(self.random_state) % 2**64
        else:
            seed = int(check_random_state(self.random_state).randint(2**31))
        counts = {"n_estimators": "rounds", "max_depth": "max_depth", "num_leaves": "max_leaves", "max_bin": "max_bin"}
        for name in counts:
            if not isinstance(getattr(self, name), numbers.Integral):
                raise ValueError(f"{name} is {getattr(self, name)!r}; give a whole number")
        shares = ["learning_rate", "reg_lambda", "min_child_weight", "min_split_gain", "min_child_samples", "min_data_in_bin", "subsample",
                  "colsample_bytree", "colsample_bynode", "scale_pos_weight", "alpha", "delta"]
        for name in shares:
            value = getattr(self, name, 0.0)
            if value is not None and not (isinstance(value, numbers.Real) and math.isfinite(value)):
                raise ValueError(f"{name} is {value!r}; give a finite number")
        return json.dumps({
            "objective": objective,
            "ensemble": "forest" if self.boosting_type == "rf" else "boosting",
            "growth": self.growth,
            "rounds": max(0, int(self.n_estimators)),
            "learning_rate": float(self.learning_rate),
            "max_depth": max(0, int(self.max_depth)),
            "max_leaves": max(0, int(self.num_leaves)),
            "max_bin": max(0, int(self.max_bin)),
            "l2": float(self.reg_lambda),
            "min_child_hessian": float(self.min_child_weight),
            "min_split_gain": float(self.min_split_gain),
            "subsample": float(self.subsample),
            "colsample": float(self.colsample_bytree),
            "colsample_node": float(self.colsample_bynode),
            "scale_pos_weight": scale_pos_weight,
            "monotone": self._constraints(features),
            "early_stopping": int(self.early_stopping_rounds or 0),
            "seed": seed,
        })

    def _constraints(self, features: list[str]) -> list[int]:
        given = self.monotone_constraints
        if given is None:
            return []
        if isinstance(given, dict):
            unknown = [name for name in given if str(name) not in features]
            if unknown:
                raise ValueError(f"monotone_constraints: {unknown[0]!r} is no feature; choose from: {', '.join(features)}")
            given = [given.get(name, 0) for name in features]
        given = [int(one) for one in given]
        if len(given) != len(features):
            raise ValueError(f"monotone_constraints: {len(given)} of them for {len(features)} features")
        return given

    def _train(self, X: numpy.ndarray, labels: numpy.ndarray, weights: numpy.ndarray | None, groups: Any, objective: Any,
               scale_pos_weight: float, valid: tuple | None, progress: Any) -> None:
        """Trains on checked rows, and keeps the models."""
        features = [str(name) for name in getattr(self, "feature_names_in_", ())] or [f"f{i}" for i in range(X.shape[1])]
        parameters = self._engine_parameters(objective, scale_pos_weight, features)
        names, of_rows = ([""], None) if groups is None else grouped(groups, len(X))
        train = (X, labels, weights, of_rows)
        if valid is not None and valid[3] is not None:
            valid = (*valid[:3], _places_of(valid[3], names, len(valid[0])))
        try:
            models = _huracan.fit(train, valid, names, features, parameters, float(self.min_child_samples or 0),
                                  float(self.min_data_in_bin or 0), threads_of(self.n_jobs), self.device, told(progress, "train"))
        except _huracan.UsageError as fault:
            raise _huracan.UsageError(_in_our_words(str(fault))) from None
        self._models = models
        self._by_group = GroupedModels(models)
        self._is_grouped = groups is not None

    def _fitted(self, fit: Any, *arguments: Any) -> Any:
        """Fits a copy, and takes over what was learned once all of it is there: a fit that fails, is interrupted or runs in another
        thread leaves a model whole."""
        fresh = copy.copy(self)
        for name in [name for name in vars(fresh) if name in _LEARNED]:
            delattr(fresh, name)
        fit(fresh, *arguments)
        learned = {name: value for name, value in vars(fresh).items() if name in _LEARNED}
        if "feature_names_in_" not in learned:
            vars(self).pop("feature_names_in_", None)
        vars(self).update(learned)
        return self

    def _valid_rows(self, eval_set: Any, eval_sample_weight: Any, eval_groups: Any, groups: Any, encode: Any) -> tuple | None:
        """Checked rows of `eval_set`: values, labels, weights and groups."""
        if eval_set is None:
            if self.early_stopping_rounds:
                raise ValueError("early_stopping_rounds needs validation rows: give them as eval_set=(X, y)")
            return None
        if isinstance(eval_set, list):
            if len(eval_set) != 1:
                raise ValueError(f"eval_set has {len(eval_set)} sets of rows; one chooses the number of rounds")
            eval_set = eval_set[0]
        X, y = eval_set
        if (groups is None) != (eval_groups is None):
            raise ValueError("groups and eval_groups go together")
        X, y = self._checked(X, y, reset=False)
        weights = None if eval_sample_weight is None else _weights(eval_sample_weight, X)
        return X, encode(y), weights, eval_groups

    def _checked(self, X: Any, y: Any = _ABSENT, *, reset: bool) -> Any:
        """Rows as f32 or f64 in memory that the extension reads, after scikit-learn's checks; with labels, if they are given."""
        columns = Columns.of(X)
        options = {"dtype": [numpy.float32, numpy.float64], "ensure_all_finite": "allow-nan", "reset": reset}
        if y is _ABSENT and columns.is_named_apart:
            # scikit-learn would warn that the columns have no names.
            del options["reset"]
            X = check_array(columns.values, estimator=self, input_name="X", **options)
            _check_n_features(self, X, reset=False)
            return columns.named(self, X, reset)
        if y is _ABSENT:
            return validate_data(self, columns.values, **options)
        options["y_numeric"] = isinstance(self, RegressorMixin)
        if columns.is_named_apart and not reset:
            X, y = check_X_y(columns.values, y, estimator=self, **{key: value for key, value in options.items() if key != "reset"})
            _check_n_features(self, X, reset=False)
        else:
            X, y = validate_data(self, columns.values, y, **options)
        return columns.named(self, X, reset), y

    def _scores(self, X: Any, groups: Any, raw: bool, progress: Any = None) -> numpy.ndarray:
        """Predictions or raw scores of checked rows."""
        check_is_fitted(self)
        X = self._checked(X, reset=False)
        if self._is_grouped != (groups is not None):
            raise ValueError("this model was trained by groups: give the group of each row, too, as groups=…"
                             if self._is_grouped else "this model was trained without groups")
        places = None if groups is None else self.models_.places(groups, len(X))
        return predicted(self._models, X, places, raw, threads_of(self.n_jobs), self.device, told(progress, "predict"))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "n_features_in_") and hasattr(self, "_models")

    @property
    def models_(self) -> GroupedModels:
        """The models by group; without groups there is one, of the name ''."""
        check_is_fitted(self)
        return self._by_group

    @property
    def booster_(self) -> Booster:
        """The model, if there are no groups."""
        check_is_fitted(self)
        if self._is_grouped:
            raise AttributeError("there is a model per group: models_[group]")
        return Booster(self._models, 0)

    @property
    def best_iteration_(self) -> int:
        """Rounds that were kept, if there are no groups."""
        return self.booster_.rounds

    @property
    def feature_importances_(self) -> numpy.ndarray:
        """Share of each feature in the gain of all splits, ``[features]``; the mean of the models, if there are groups."""
        check_is_fitted(self)
        total = numpy.zeros(self.n_features_in_)
        for place in range(len(self._models)):
            gain = self._models.gain_importance(place)
            total += gain / gain.sum() if gain.sum() > 0 else gain
        return total / total.sum() if total.sum() > 0 else total

    def contributions(self, X: Any, groups: Any = None) -> numpy.ndarray:
        """Exact SHAP values ``[rows × (features + 1)]``, with more than two classes ``[rows × classes × (features + 1)]``, in units of
        the raw score; the last column is what all rows share."""
        check_is_fitted(self)
        X = self._checked(X, reset=False)
        places = None if groups is None else self.models_.places(groups, len(X))
        out = self._models.contributions(X, places, threads_of(self.n_jobs))
        outputs = self._models.outputs(0)
        shape = (len(X), outputs, X.shape[1] + 1)
        return out.reshape(shape) if outputs > 1 else out.reshape(shape[0], shape[2])


class HuracanClassifier(ClassifierMixin, _Huracan):
    __doc__ = """Boosted trees or a random forest that predict classes.
    """ + PARAMETERS.format(objectives="""None
        Log loss of two classes, or softmax of more.""") + """
    class_weight : dict, "balanced" or None
        Weight of each class, which multiplies `sample_weight`; balanced within each group.
    scale_pos_weight : float, 1
        Weight of the second of two classes.

    Attributes
    ----------
    classes_ : [classes]
    models_ : :class:`GroupedModels`
    n_features_in_, feature_names_in_, feature_importances_, best_iteration_
    """

    def __init__(self, *, objective=None, boosting_type="gbdt", n_estimators=100, learning_rate=0.1, growth="level", max_depth=6,
                 num_leaves=31, max_bin=255, min_child_samples=20, min_data_in_bin=3, min_child_weight=1e-3, min_split_gain=0.0,
                 reg_lambda=1.0, subsample=1.0, colsample_bytree=1.0, colsample_bynode=1.0, monotone_constraints=None,
                 early_stopping_rounds=None, class_weight=None, scale_pos_weight=1.0, random_state=None, n_jobs=None, device="cpu"):
        _keep(self, locals())

    def fit(self, X, y, sample_weight=None, *, groups=None, eval_set=None, eval_sample_weight=None, eval_groups=None,
            progress=None):
        return self._fitted(type(self)._fit, X, y, sample_weight, groups, eval_set, eval_sample_weight, eval_groups, progress)

    def _fit(self, X, y, sample_weight, groups, eval_set, eval_sample_weight, eval_groups, progress):
        X, y = self._checked(X, y, reset=True)
        check_classification_targets(y)
        if self.objective not in (None, "binary", "multiclass"):
            raise ValueError(f"objective is {self.objective!r}; of a classifier it follows from the classes: leave it None")
        classes, labels = numpy.unique(y, return_inverse=True)
        weights = None if sample_weight is None else _weights(sample_weight, X)
        if self.class_weight is not None:
            own = numpy.empty(len(y), "float32")
            _, of_rows = ([], numpy.zeros(len(y), "uint32")) if groups is None else grouped(groups, len(y))
            order = numpy.argsort(of_rows, kind="stable")
            for rows in numpy.split(order, numpy.flatnonzero(numpy.diff(of_rows[order])) + 1):
                own[rows] = compute_sample_weight(self.class_weight, y[rows])
            weights = own if weights is None else weights * own

        def encode(y):
            known = numpy.isin(y, classes)
            if not known.all():
                raise ValueError(f"eval_set has the class {y[~known][0]!r}, which y has not")
            return numpy.searchsorted(classes, y).astype("float32")

        valid = self._valid_rows(eval_set, eval_sample_weight, eval_groups, groups, encode)
        objective = "binary" if len(classes) <= 2 else {"multiclass": {"classes": len(classes)}}
        scale = float(self.scale_pos_weight)
        self._train(X, labels.astype("float32"), weights, groups, objective, scale, valid, progress)
        self.classes_ = classes

    def predict_proba(self, X, groups=None):
        """Probability of each class, ``[rows × classes]``, in the order of `classes_`."""
        check_is_fitted(self)
        scores = self._scores(X, groups, raw=False)
        if len(self.classes_) == 1:
            return numpy.ones((len(scores), 1))
        return scores if scores.ndim == 2 else numpy.column_stack([1.0 - scores, scores])

    def predict(self, X, groups=None):
        """The most probable class, ``[rows]``."""
        check_is_fitted(self)
        return self.classes_[self.predict_proba(X, groups).argmax(axis=1)]

    def score(self, X, y, sample_weight=None, groups=None):
        """Share of rows whose class is predicted."""
        return accuracy_score(y, self.predict(X, groups), sample_weight=sample_weight)

    def decision_function(self, X, groups=None):
        """Raw scores: log odds ``[rows]`` of the second class, or ``[rows × classes]``."""
        return self._scores(X, groups, raw=True)


HuracanClassifier.fit.__doc__ = FIT.format(labels="Classes: numbers or texts.")


class HuracanRegressor(RegressorMixin, _Huracan):
    __doc__ = """Boosted trees or a random forest that predict a value.
    """ + PARAMETERS.format(objectives=""""regression", "quantile" or "huber"
        Squared error; pinball loss at `alpha`; squared error up to `delta` and linear beyond.""") + """
    alpha : float, 0.5
        Share of labels below the prediction, for "quantile".
    delta : float, 1
        Error beyond which the loss is linear, in the unit of `y`, for "huber".

    Attributes
    ----------
    models_ : :class:`GroupedModels`
    n_features_in_, feature_names_in_, feature_importances_, best_iteration_
    """

    def __init__(self, *, objective="regression", alpha=0.5, delta=1.0, boosting_type="gbdt", n_estimators=100, learning_rate=0.1,
                 growth="level", max_depth=6, num_leaves=31, max_bin=255, min_child_samples=20, min_data_in_bin=3,
                 min_child_weight=1e-3, min_split_gain=0.0, reg_lambda=1.0, subsample=1.0, colsample_bytree=1.0,
                 colsample_bynode=1.0, monotone_constraints=None, early_stopping_rounds=None, random_state=None, n_jobs=None,
                 device="cpu"):
        _keep(self, locals())

    def fit(self, X, y, sample_weight=None, *, groups=None, eval_set=None, eval_sample_weight=None, eval_groups=None,
            progress=None):
        return self._fitted(type(self)._fit, X, y, sample_weight, groups, eval_set, eval_sample_weight, eval_groups, progress)

    def _fit(self, X, y, sample_weight, groups, eval_set, eval_sample_weight, eval_groups, progress):
        X, y = self._checked(X, y, reset=True)
        objectives = {
            "regression": "regression",
            "squared_error": "regression",
            "quantile": {"quantile": {"alpha": float(self.alpha)}},
            "huber": {"huber": {"delta": float(self.delta)}},
        }
        if self.objective not in objectives:
            raise ValueError(f"objective is {self.objective!r}; choose from: {', '.join(objectives)}")
        weights = None if sample_weight is None else _weights(sample_weight, X)
        valid = self._valid_rows(eval_set, eval_sample_weight, eval_groups, groups, _labels)
        self._train(X, _labels(y), weights, groups, objectives[self.objective], 1.0, valid, progress)

    def predict(self, X, groups=None):
        """The predicted value of each row, ``[rows]``."""
        return self._scores(X, groups, raw=False)

    def score(self, X, y, sample_weight=None, groups=None):
        """R²: the share of the variance of `y` that is predicted."""
        return r2_score(y, self.predict(X, groups), sample_weight=sample_weight)


HuracanRegressor.fit.__doc__ = FIT.format(labels="Finite numbers, learned as float32.")


#: The engine's names of parameters, and those that they have here.
_NAMES = {"rounds": "n_estimators", "max-depth": "max_depth", "max-leaves": "num_leaves", "max-bin": "max_bin", "l2": "reg_lambda",
          "min-child-hessian": "min_child_weight", "min-split-gain": "min_split_gain", "learning-rate": "learning_rate",
          "colsample-node": "colsample_bynode", "colsample": "colsample_bytree", "scale-pos-weight": "scale_pos_weight"}


def _in_our_words(fault: str) -> str:
    for theirs, ours in _NAMES.items():
        if fault.startswith(f"fit: {theirs} is"):
            return f"{ours} is" + fault[len(f"fit: {theirs} is"):]
    return fault.removeprefix("fit: ")


def _labels(y: numpy.ndarray) -> numpy.ndarray:
    labels = y.astype("float32")
    if not numpy.isfinite(labels).all():
        raise ValueError("y has a value beyond the range of float32")
    return labels


def _weights(given: Any, X: numpy.ndarray) -> numpy.ndarray:
    weights = _check_sample_weight(given, X, dtype=numpy.float64, ensure_non_negative=True)
    return weights.astype("float32")


def _places_of(groups: Any, names: list[str], rows: int) -> numpy.ndarray:
    """Places of validation rows' groups among those that are trained."""
    own, of_rows = grouped(groups, rows)
    place = {name: at for at, name in enumerate(names)}
    unknown = [name for name in own if name not in place]
    if unknown:
        raise ValueError(f"eval_groups has the group {unknown[0]!r}, which groups has not")
    return numpy.array([place[name] for name in own], "uint32")[of_rows]
