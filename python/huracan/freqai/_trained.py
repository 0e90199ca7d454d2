"""Models of windows: while they wait, and once they are trained."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import numpy
import pandas
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen

from .._models import Booster

#: What a stored model consists of, after ``cb_COIN_TIMESTAMP``.
PARTS = ("_model.joblib", "_metadata.json", "_feature_pipeline.pkl", "_label_pipeline.pkl")


class Model:
    """The trained model of one window: a booster per label, on columns that are padded to the batch's width."""

    def __init__(self, boosters: list[Booster], columns: list[str], classes: numpy.ndarray | None, n_jobs: int | None):
        self._boosters, self.columns, self._width, self._n_jobs = boosters, columns, len(boosters[0].feature_names), n_jobs
        if classes is not None:
            self.classes_ = classes

    def _scores(self, X: Any) -> numpy.ndarray:
        rows = padded(numpy.asarray(X, "float32"), self._width)
        return numpy.column_stack([booster.predict(rows, n_jobs=self._n_jobs) for booster in self._boosters])

    def predict(self, X: Any) -> numpy.ndarray:
        """Values ``[rows]`` or ``[rows × labels]``, or classes ``[rows]``."""
        if hasattr(self, "classes_"):
            return self.classes_[self.predict_proba(X).argmax(axis=1)]
        values = self._scores(X)
        return values[:, 0] if len(self._boosters) == 1 else values

    def predict_proba(self, X: Any) -> numpy.ndarray:
        """Probabilities ``[rows × classes]``."""
        scores = self._scores(X)
        if len(self.classes_) == 1:
            return numpy.ones((len(scores), 1))
        return numpy.column_stack([1.0 - scores[:, 0], scores[:, 0]]) if scores.shape[1] == 1 else scores

    @property
    def feature_importances_(self) -> numpy.ndarray:
        """Total gain of each feature's splits, ``[features]``."""
        return sum(booster.importances("gain") for booster in self._boosters)[: len(self.columns)]


class Part:
    """Rows of a window as the batch takes them: float32 ``[rows × features]``, labels ``[rows × labels]``, weights ``[rows]``."""

    def __init__(self, tables: dict[str, Any], part: str):
        self.rows = numpy.ascontiguousarray(numpy.asarray(tables[f"{part}_features"]), "float32")
        self.labels = numpy.asarray(tables[f"{part}_labels"])
        weights = tables[f"{part}_weights"]
        given = weights is not None and len(weights) == len(self.rows)
        self.weights = numpy.asarray(weights, float) if given else numpy.ones(len(self.rows))


class Pending:
    """Stands for a model that is not trained yet, and remembers what it is asked."""

    def __init__(self, tables: dict[str, Any], classes: numpy.ndarray | None, watched: bool):
        self.columns = list(tables["train_features"].columns)
        self.train = Part(tables, "train")
        self.test = Part(tables, "test") if watched else None
        if not len(self.train.rows):
            raise ValueError("no training row is left")
        if self.test is not None and classes is not None:
            # Of a class without training rows nothing can be said.
            known = numpy.isin(self.test.labels[:, 0], classes)
            for name in ("rows", "labels", "weights"):
                setattr(self.test, name, getattr(self.test, name)[known])
        self.rows: numpy.ndarray | None = None
        if classes is not None:
            self.classes_ = classes

    @property
    def key(self) -> tuple:
        """Windows of one batch have the same classes."""
        return tuple(self.classes_) if hasattr(self, "classes_") else ()

    @property
    def numbers(self) -> int:
        """Numbers that the batch holds of it: its rows once for each label, and those that it predicts."""
        parts = [self.train.rows, *([] if self.test is None else [self.test.rows])]
        asked = 0 if self.rows is None else self.rows.size
        return sum(rows.size for rows in parts) * self.train.labels.shape[1] + asked

    def predict(self, X: Any) -> numpy.ndarray:
        self.rows = numpy.asarray(X, "float32")
        if hasattr(self, "classes_"):
            return numpy.full(len(X), self.classes_[0], dtype=object)
        return numpy.zeros((len(X), self.train.labels.shape[1]))

    def predict_proba(self, X: Any) -> numpy.ndarray:
        return numpy.zeros((len(X), len(self.classes_)))


class Window:
    """A window of a pair: its tables, and where its predictions go."""

    def __init__(self, pair: str, pending: Pending, dk: FreqaiDataKitchen, do_predict: Any, frame: pandas.DataFrame, stored: bool):
        self.pair, self.pending, self.do_predict, self.frame = pair, pending, do_predict, frame
        # The kitchen goes on to the next window: what belongs to this one is kept.
        self.dk = copy.copy(dk)
        self.dk.data = copy.deepcopy({key: value for key, value in dk.data.items() if not key.startswith("filter_drop_index")})
        # FreqAI stores the training rows beside a model.
        kept = ("train_features", "train_dates") if stored else ()
        self.dk.data_dictionary = {name: dk.data_dictionary[name] for name in kept}
        self.dk.training_features_list, self.dk.label_list = list(dk.training_features_list), list(dk.label_list)


def padded(rows: numpy.ndarray, width: int) -> numpy.ndarray:
    """Rows with so many columns: 0 in those that a table lacks, where no tree can split."""
    return rows if rows.shape[1] == width else numpy.pad(rows, ((0, 0), (0, width - rows.shape[1])))


def is_whole(folder: Path, name: str) -> bool:
    """Whether all files of a stored model are there."""
    return all((folder / f"{name}{part}").is_file() for part in PARTS)


def stored_models(folder: Path, pair: str) -> list[tuple[int, Path, str]]:
    """Timestamp, folder and name of the whole models of a pair in an identifier's folder, the newest first."""
    found = []
    coin = pair.split("/")[0]
    for own in folder.glob(f"sub-train-{coin}_*"):
        stamp = re.fullmatch(rf"sub-train-{re.escape(coin)}_(\d+)", own.name)
        if stamp and is_whole(own, name := f"cb_{coin.lower()}_{stamp[1]}"):
            found.append((int(stamp[1]), own, name))
    return sorted(found, reverse=True)
