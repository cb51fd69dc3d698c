"""Runs the queries of README.md on the dataset that `demo` leaves, in the current folder, with the views that were printed for DuckDB,
and compares their output."""

import contextlib
import io
import pathlib
import re
import sys

import duckdb
from pyspark.sql import SparkSession

from checks import expect

readme, views = (pathlib.Path(path).read_text() for path in sys.argv[1:])
duckdb.execute(views)
blocks = re.findall(r"```(sql|python)\n(.*?)```\n```text\n(.*?)```", readme, re.DOTALL)
spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.sql.shuffle.partitions", "2")
    .getOrCreate()
)
for language, query, output in blocks:
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        if language == "sql":
            print(duckdb.sql(query))
        else:
            exec(query, {"spark": spark})
    expect(f"the output of {query}", shown.getvalue().strip(), output.strip())
spark.stop()
expect("queries in the README", [language for language, _, _ in blocks], ["sql", "sql", "python"])
