"""Trained models: one, or one per group."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy

from . import _huracan
from ._huracan import DataError
from ._tables import Columns


def threads_of(n_jobs: int | None) -> int:
    """Threads of scikit-learn's `n_jobs`; 0 stands for all cores, which None and -1 ask for."""
    if n_jobs is None or n_jobs == -1:
        return 0
    if n_jobs == 0 or n_jobs < -1 - (os.cpu_count() or 1):
        raise ValueError(f"n_jobs is {n_jobs}; give a number of threads, or None or -1 for all cores")
    return n_jobs if n_jobs > 0 else max(1, (os.cpu_count() or 1) + 1 + n_jobs)


class Booster:
    """One trained model.

    It predicts rows ``[rows × features]`` of numbers, NaN where one is missing, and can be written as LightGBM's text, which
    LightGBM reads and predicts alike.
    """

    def __init__(self, models: _huracan.Models, place: int):
        self._models, self._place = models, place

    @property
    def name(self) -> str:
        """The group that the model is of."""
        return self._models.names[self._place]

    @property
    def feature_names(self) -> list[str]:
        """Names of the features, in the order of the columns."""
        return self._models.features(self._place)

    @property
    def rounds(self) -> int:
        """Number of rounds that were kept."""
        return self._models.rounds(self._place)

    @property
    def validation_loss(self) -> list[float]:
        """Validation loss after each round that was trained; empty without validation rows."""
        return self._models.validation_loss(self._place)

    @property
    def digest(self) -> str:
        """SHA-256 of the trees: equal for equal models on every processor and device."""
        return self._models.digest(self._place)

    def text(self) -> str:
        """The model as LightGBM's text."""
        return self._models.text(self._place)

    def importances(self, kind: str = "gain") -> numpy.ndarray:
        """Total gain (`gain`) or number (`split`) of each feature's splits, ``[features]``."""
        if kind == "gain":
            return self._models.gain_importance(self._place)
        if kind == "split":
            return self._models.split_importance(self._place)
        raise ValueError(f"there is no importance {kind!r}; choose gain or split")

    def predict(self, X: Any, *, raw: bool = False, n_jobs: int | None = None, device: str = "cpu") -> numpy.ndarray:
        """Predictions ``[rows]``, with many classes ``[rows × classes]``: probabilities or values; with `raw` the scores."""
        values = matrix(X, self.feature_names)
        own = numpy.full(len(values), self._place, "uint32")
        return predicted(self._models, values, own, raw, threads_of(n_jobs), device, None)

    def contributions(self, X: Any, *, n_jobs: int | None = None) -> numpy.ndarray:
        """Exact SHAP values ``[rows × (features + 1)]``, with many classes ``[rows × classes × (features + 1)]``, in units of the raw
        score; the last column is what all rows share."""
        values = matrix(X, self.feature_names)
        own = numpy.full(len(values), self._place, "uint32")
        out = self._models.contributions(values, own, threads_of(n_jobs))
        outputs = self._models.outputs(self._place)
        shape = (len(values), outputs, values.shape[1] + 1)
        return out.reshape(shape) if outputs > 1 else out.reshape(shape[0], shape[2])

    def alone(self) -> Booster:
        """The same model, which holds none of the others that it was trained with."""
        return Booster(self._models.alone(self._place), 0)

    def __reduce__(self) -> tuple:
        return Booster, (self._models.alone(self._place), 0)

    def __repr__(self) -> str:
        name = f"{self.name!r}, " if self.name else ""
        return f"<huracan.Booster {name}{self.rounds} rounds, {len(self.feature_names)} features>"


class GroupedModels(Mapping):
    """Trained models by group. A file of many models is opened quickly: each model is read when it is first needed."""

    def __init__(self, models: _huracan.Models):
        self._models = models
        self._names: list[str] = models.names
        self._known = set(self._names)

    def __getitem__(self, group: Any) -> Booster:
        return Booster(self._models, self._models.place(str(group)))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, group: Any) -> bool:
        return str(group) in self._known

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes all models to one file whose name ends in ``.jsonl``, or to a folder with LightGBM's text of each as
        ``{group}.txt``. The command ``huracan boost predict --group`` reads both."""
        self._models.save(os.fspath(path))

    def predict(self, X: Any, groups: Any, *, raw: bool = False, n_jobs: int | None = None, device: str = "cpu") -> numpy.ndarray:
        """Predictions of each row by the model of its group, ``[rows]`` or ``[rows × classes]``, in one batch."""
        values = matrix(X, self._models.features(0))
        places = self.places(groups, len(values))
        return predicted(self._models, values, places, raw, threads_of(n_jobs), device, None)

    def places(self, groups: Any, rows: int) -> numpy.ndarray:
        """The place of each row's model, ``[rows]``."""
        names, of_rows = grouped(groups, rows)
        unknown = [name for name in names if name not in self._known]
        if unknown:
            known = ", ".join(self._names[:5]) + (", …" if len(self._names) > 5 else "")
            raise DataError(f"there is no model of the group {unknown[0]!r}; there are: {known}")
        places = numpy.array([self._models.place(name) for name in names], "uint32")
        return places[of_rows]

    def __repr__(self) -> str:
        return f"<huracan.GroupedModels of {len(self)} groups>"


def load(path: str | os.PathLike[str]) -> GroupedModels:
    """The models of a file ``….jsonl`` that :meth:`GroupedModels.save` or ``huracan boost train --group`` wrote."""
    return GroupedModels(_huracan.Models.open(os.fspath(path)))


def predicted(models: _huracan.Models, values: numpy.ndarray, places: numpy.ndarray | None, raw: bool, threads: int, device: str,
              progress: Any) -> numpy.ndarray:
    """Predictions ``[rows]`` or ``[rows × outputs]``."""
    out = models.predict(values, places, raw, threads, device, progress)
    outputs = models.outputs(0 if places is None or not len(places) else int(places[0]))
    return out.reshape(len(values), outputs) if outputs > 1 else out


def matrix(X: Any, names: list[str]) -> numpy.ndarray:
    """Rows of numbers as the extension takes them: f32 or f64, ``[rows × features]``, without a copy where they are that. Columns that
    have names must have those of the model, in its order."""
    columns = Columns.of(X)
    own = columns.names()
    if own is not None and own != names:
        raise DataError(f"the columns are {', '.join(own)}; the model has learned from {', '.join(names)}, in this order")
    if isinstance(columns.values, numpy.ma.MaskedArray):
        columns.values = columns.values.astype("float64").filled(numpy.nan)
    values = numpy.asarray(columns.values)
    if values.ndim != 2:
        raise ValueError(f"rows of features are needed, [rows × features], not an array of {values.ndim} dimensions")
    if values.dtype.kind not in "iufb":
        values = values.astype("float64") if values.dtype == object else values
    if values.dtype.kind not in "iufb":
        raise DataError(f"the rows hold {values.dtype}, and features are numbers")
    if values.dtype.kind == "f" and numpy.isinf(values).any():
        raise ValueError("the rows contain infinity; NaN is a missing value")
    return values if values.dtype in (numpy.float32, numpy.float64) else values.astype("float32")


def grouped(groups: Any, rows: int) -> tuple[list[str], numpy.ndarray]:
    """The distinct groups as text, ascending, and the place of each row's group among them, ``[rows]``."""
    values = _group_values(groups)
    if values.shape != (rows,):
        raise ValueError(f"{rows} rows, but groups of the shape {values.shape}")
    if not rows:
        return [], numpy.zeros(0, "uint32")
    # Rows of a group mostly stand together: only their runs are looked at.
    if values.dtype == object:
        same = numpy.fromiter((a is b or (type(a) is type(b) and a == b) is True for a, b in zip(values[1:], values[:-1])), bool, rows - 1)
        starts = numpy.flatnonzero(numpy.concatenate([[True], ~same]))
    else:
        starts = numpy.flatnonzero(numpy.concatenate([[True], values[1:] != values[:-1]]))
    firsts = values[starts].tolist()
    of_text: dict[str, Any] = {}
    texts = []
    for start, value in zip(starts, firsts):
        if _is_missing(value):
            raise ValueError(f"row {start} has no group")
        text = str(value)
        known = of_text.setdefault(text, value)
        if type(known) is not type(value):
            raise ValueError(f"the groups {known!r} and {value!r} would have the same name; make them all numbers, or all texts")
        texts.append(text)
    names = sorted(of_text)
    place = {name: at for at, name in enumerate(names)}
    of_runs = numpy.array([place[text] for text in texts], "uint32")
    return names, numpy.repeat(of_runs, numpy.diff(numpy.append(starts, rows)))


def _group_values(groups: Any) -> numpy.ndarray:
    """A caller's groups as an array, in which equal groups are equal."""
    if isinstance(groups, (list, tuple)):
        # numpy would make texts of everything beside a text, and a group of what is missing.
        values = numpy.empty(len(groups), dtype=object)
        values[:] = groups
    elif isinstance(groups, numpy.ma.MaskedArray):
        values = groups.astype(object).filled(None)
    elif type(groups).__module__.partition(".")[0] == "pyarrow":
        values = groups.to_numpy(zero_copy_only=False)
    else:
        values = groups.to_numpy() if hasattr(groups, "to_numpy") else numpy.asarray(groups)
    if values.dtype.kind == "M":
        values = values.astype("datetime64[us]")
    elif values.dtype.kind == "f":
        # Zero has one sign.
        values = values + 0.0
    return values


def _is_missing(value: Any) -> bool:
    if value is None:
        return True
    try:
        return bool(value != value)
    except TypeError:
        # pandas.NA does not say whether it is itself.
        return True
