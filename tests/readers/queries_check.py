"""Runs the queries of a page with views that were printed for DuckDB, in the current folder, and compares their output."""

import contextlib
import io
import pathlib
import re
import sys

import duckdb

from checks import expect

page, views = (pathlib.Path(path).read_text() for path in sys.argv[1:])
duckdb.execute("SET TimeZone = 'UTC'")
duckdb.execute(views)
blocks = re.findall(r"```sql\n(.*?)```\n```text\n(.*?)```", page, re.DOTALL)
for query, output in blocks:
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        print(duckdb.sql(query))
    expect(f"the output of {query}", shown.getvalue().strip(), output.strip())
expect("views that are shown", [query.split("FROM ")[1].split()[0] for query, _ in blocks], re.findall(r"## `(\w+)`", page))
