"""Makes the views over Delta logs by the SQL that `rollbook views` prints, and compares each with the same view over other files.

`delta_views.py SQL OTHER`: DuckDB runs both files of SQL, each in a session of its own. Prints the views that differ; ends with 1
if any does.
"""

import pathlib
import sys

import duckdb

from lake_engines import duckdb_extension


def views(path):
    """The rows of every view, in no order."""
    db = duckdb.connect()
    db.execute("set timezone = 'UTC'")
    duckdb_extension(db, "delta")
    db.execute(pathlib.Path(path).read_text())
    names = [row[0] for row in db.execute("select view_name from duckdb_views() where temporary and not internal").fetchall()]
    assert "attendance" in names, names
    return {name: sorted(map(told, db.execute(f"select * from {name}").fetchall())) for name in names}


def told(row):
    """A row as text; the last digits of a mean depend on the order of its parts."""
    return repr([round(value, 9) if isinstance(value, float) else value for value in row])


ours, others = map(views, sys.argv[1:])
different = [name for name in others if ours.get(name) != others[name]]
print(*different, sep="\n")
assert any(others.values()), "there are no rows"
sys.exit(bool(different))
