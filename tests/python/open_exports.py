"""Opens every export of a folder with pandas and prints, as JSON, what it found: rows, columns, and the columns that
hold nothing or one value alone.

Usage: open_exports.py EXPORTS PERFORMANCE_SUMMARY
"""

import json
import sys
from pathlib import Path

import pandas

folder, summary = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
tables = {}
for entry in summary["files"]:
    path = folder / entry["file"]
    if path.suffix == ".csv":
        table = pandas.read_csv(path)
        times = [name for name in table if name.endswith("_timestamp") or name.endswith("_at")]
        for name in times:
            pandas.to_datetime(table[name], utc=True, format="ISO8601")
        if entry["rows"] is not None:
            assert len(table) == entry["rows"], f"{path.name}: {len(table)} rows, the index says {entry['rows']}"
        tables[entry["file"]] = {
            "rows": len(table),
            "empty": [name for name in table if table[name].isna().all()],
            "constant": [name for name in table if len(table) > 1 and table[name].nunique(dropna=False) == 1],
        }
    elif path.suffix == ".json":
        json.loads(path.read_text())
        tables[entry["file"]] = {}
print(json.dumps(tables))
