"""Tables in, in any usual kind, and out, in the caller's own."""

from __future__ import annotations

import sys
from typing import Any

from ._huracan import Frame


def taken(table: Any, what: str) -> Frame:
    """The table of a caller: anything with ``__arrow_c_stream__`` (pyarrow, polars, DuckDB, pandas with pyarrow), a pandas frame, or
    a dict of columns.

    Arrow's columns are taken as they lie; columns of numpy are copied once.
    """
    if isinstance(table, Frame):
        return table
    if is_frame_of("pandas", table):
        return _of_pandas(table)
    if isinstance(table, dict):
        return _of_columns(table)
    return Frame.of(table, what)


def given(frame: Frame, like: Any) -> Any:
    """A result as a table of the same kind as `like`, else of pyarrow, else as it is, with ``__arrow_c_stream__``."""
    if is_frame_of("pandas", like):
        return to_pandas(frame)
    if is_frame_of("polars", like):
        import polars

        return polars.DataFrame(frame)
    try:
        import pyarrow
    except ImportError:
        return frame
    return pyarrow.table(frame)


def to_pandas(frame: Frame) -> Any:
    """A pandas frame, with times as ``datetime64[ms, UTC]``; pyarrow is not needed."""
    import pandas

    columns = {}
    for name in frame.columns:
        values, kind = frame.column(name)
        if kind == "time":
            values = pandas.Series(values.view("datetime64[ms]")).dt.tz_localize("UTC")
        columns[name] = values
    return pandas.DataFrame(columns)


def is_frame_of(library: str, table: Any) -> bool:
    """Whether a table is a frame of a library, which then is loaded already."""
    return isinstance(table, getattr(sys.modules.get(library), "DataFrame", ()))


def _of_pandas(table: Any) -> Frame:
    import pandas

    names = [name for name in table.index.names if name is not None and name not in table.columns]
    if names:
        table = table.reset_index(names)
    elif isinstance(table.index, pandas.DatetimeIndex) and "timestamp" not in table.columns:
        table = table.rename_axis("timestamp").reset_index()
    repeated = table.columns[table.columns.duplicated()]
    if len(repeated):
        raise ValueError(f"the column {repeated[0]!r} is there twice")
    return _of_columns({str(name): table[name] for name in table.columns})


def _of_columns(columns: dict) -> Frame:
    import numpy

    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        raise ValueError("the columns have different lengths: " + ", ".join(f"{k} {len(v)}" for k, v in columns.items()))
    prepared = []
    for name, values in columns.items():
        dtype = getattr(values, "dtype", None)
        if getattr(dtype, "tz", None) is not None:
            times = getattr(values, "dt", values)
            values = times.tz_convert("UTC")
            values = getattr(values, "dt", values).tz_localize(None)
            dtype = values.dtype
        elif isinstance(values, numpy.ma.MaskedArray):
            values = values.astype("float64").filled(numpy.nan) if values.dtype.kind in "iufb" else values.astype(object).filled(None)
            dtype = values.dtype
        elif type(values).__module__.partition(".")[0] == "polars":
            values = values.to_numpy()
            dtype = values.dtype
        if dtype is None or isinstance(dtype, numpy.dtype):
            array = numpy.asarray(values)
        elif getattr(dtype, "kind", "O") in "iufb":
            # pandas' own types with missing values.
            array = values.to_numpy(dtype="float64", na_value=numpy.nan)
        else:
            array = values.astype(object).to_numpy()
        if array.ndim != 1:
            raise ValueError(f"the column {name!r} has {array.ndim} dimensions")
        if array.dtype.kind == "M":
            if numpy.isnat(array).any():
                row = int(numpy.flatnonzero(numpy.isnat(array))[0])
                raise ValueError(f"row {row}: column {name!r} has no time")
            prepared.append((str(name), array.astype("datetime64[ms]").astype("int64"), "time"))
        elif array.dtype.kind == "f":
            single = array.dtype.itemsize <= 4
            prepared.append((str(name), numpy.ascontiguousarray(array, "float32" if single else "float64"), "number"))
        elif array.dtype.kind in "iu":
            prepared.append((str(name), numpy.ascontiguousarray(array, "int64"), "number"))
        elif array.dtype.kind == "b":
            prepared.append((str(name), numpy.ascontiguousarray(array, "bool"), "number"))
        else:
            prepared.append((str(name), [None if _is_missing(value) else str(value) for value in array], "text"))
    return Frame.of_columns(prepared)


def _is_missing(value: Any) -> bool:
    return value is None or value != value or str(value) == "<NA>"
