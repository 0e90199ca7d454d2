"""Features as scikit-learn checks them, from any kind of table."""

from __future__ import annotations

from typing import Any

import numpy

from ._frames import is_frame_of
from ._huracan import DataError, Frame


class Columns:
    """Rows of features, and the names of their columns where scikit-learn does not find them itself."""

    def __init__(self, values: Any, names: list[str] | None):
        self.values, self._names = values, names

    @classmethod
    def of(cls, X: Any) -> Columns:
        """A caller's table. Columns that are no numbers are refused by name: they would become numbers without a meaning."""
        if is_frame_of("pandas", X):
            strange = [(name, kind) for name, kind in X.dtypes.items() if not _is_number(kind)]
            _refuse(strange)
            return cls(X, None)
        if is_frame_of("polars", X):
            import polars

            _refuse([(name, kind) for name, kind in X.schema.items() if not (kind.is_numeric() or kind == polars.Boolean)])
            return cls(X, None)
        if not isinstance(X, numpy.ndarray) and hasattr(X, "__arrow_c_stream__"):
            frame = Frame.of(X, "X")
            columns = [frame.column(name) for name in frame.columns]
            _refuse([(name, kind) for name, (_, kind) in zip(frame.columns, columns) if kind != "number"])
            if columns:
                return cls(numpy.column_stack([values for values, _ in columns]), frame.columns)
        return cls(X, None)

    def names(self) -> list[str] | None:
        """Names of the columns, if they have any that are texts."""
        if self._names is not None:
            return self._names
        columns = getattr(self.values, "columns", None)
        if columns is None or not all(isinstance(name, str) for name in columns):
            return None
        return list(columns)

    @property
    def is_named_apart(self) -> bool:
        """Whether the names are known here, and not to scikit-learn."""
        return self._names is not None

    def named(self, estimator: Any, values: numpy.ndarray, reset: bool) -> numpy.ndarray:
        """Keeps the names of an Arrow table's columns at the fit, and compares them later."""
        if self._names is None:
            return values
        if reset:
            estimator.feature_names_in_ = numpy.array(self._names, dtype=object)
        elif list(getattr(estimator, "feature_names_in_", self._names)) != self._names:
            raise ValueError("The feature names should match those that were passed during fit, in the same order: "
                             + ", ".join(map(str, estimator.feature_names_in_)))
        return values


def _is_number(kind: Any) -> bool:
    return getattr(kind, "kind", "O") in "iufb" and str(kind) != "category"


def _refuse(strange: list[tuple[Any, Any]]) -> None:
    if strange:
        name, kind = strange[0]
        more = f" (and {len(strange) - 1} more)" if len(strange) > 1 else ""
        raise DataError(f"column {name!r} holds {kind}{more}, and features are numbers; encode it, for example by "
                        "sklearn.preprocessing.OrdinalEncoder or OneHotEncoder")
