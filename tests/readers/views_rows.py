"""Makes the views in an engine's session by the SQL that `rollbook views` prints, and writes down all their rows.

`views_rows.py duckdb|spark PLAN [PORT]`: the plan has the columns of each view, and cases: a file of SQL, the zone of the
session, and a folder for a file a view. The first line of a file is the view's comment, where
the engine keeps one; the others are its rows as JSON:
instants are microseconds since 1970, shares are billionths. A view that can't be made or read is named in `failed.json`.
With a port, DuckDB reads from an S3 on this machine.
"""

import json
import pathlib
import sys


class DuckDB:
    CELLS = {
        "TIMESTAMP WITH TIME ZONE": "epoch_us({0})",
        "DATE": "CAST({0} AS VARCHAR)",
        "DOUBLE": "CAST(round({0} * 1e9) AS BIGINT)",
    }

    def __init__(self, zone, port):
        from looking import connect

        self.db = connect(port)
        self.run(f"SET TimeZone = '{zone}'")
        # What a database has of the same name is of no matter.
        self.run("CREATE TABLE sessions (day DATE)")

    def run(self, statement):
        self.db.execute(statement)

    def types(self, view):
        return {row[0]: row[1] for row in self.db.execute(f"DESCRIBE {view}").fetchall()}

    def comment(self, view):
        query = "SELECT comment FROM duckdb_views() WHERE temporary AND view_name = ?"
        return self.db.execute(query, [view]).fetchone()[0]

    def rows(self, view, cells):
        pairs = ", ".join(f"'{name}', {cell}" for name, cell in cells.items())
        return [row[0] for row in self.db.execute(f"SELECT json_object({pairs}) FROM {view}").fetchall()]


class Spark:
    CELLS = {
        "timestamp": "unix_micros({0})",
        "date": "CAST({0} AS STRING)",
        "double": "CAST(round({0} * 1e9) AS BIGINT)",
    }

    def __init__(self, zone, port):
        from pyspark.sql import SparkSession

        self.spark = (
            SparkSession.builder.master("local[2]")
            .config("spark.ui.enabled", "false")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.sql.shuffle.partitions", "2")
            .config("spark.sql.adaptive.enabled", "false")
            .getOrCreate()
        )
        self.spark.sparkContext.setLogLevel("OFF")
        self.spark = self.spark.newSession()
        self.spark.conf.set("spark.sql.session.timeZone", zone)

    def run(self, statement):
        self.spark.sql(statement)

    def types(self, view):
        return dict(self.spark.table(view).dtypes)

    def comment(self, view):
        return None

    def rows(self, view, cells):
        pairs = ", ".join(f"{cell} AS {name}" for name, cell in cells.items())
        query = f"SELECT to_json(struct({pairs}), map('ignoreNullFields', 'false')) FROM {view}"
        return [row[0] for row in self.spark.sql(query).collect()]


def attempt(what, failed, name):
    try:
        what()
    except Exception as error:
        failed.setdefault(name, str(error)[:2000])


def write(session, view, columns, folder):
    types = session.types(view)
    if set(columns) - set(types) or view in GIVEN and list(types) != columns:
        raise ValueError(f"the columns are {list(types)}")
    cells = {name: session.CELLS.get(types[name], "{0}").format(name) for name in columns}
    lines = [json.dumps(session.comment(view)), *session.rows(view, cells)]
    (folder / f"{view}.jsonl").write_text("\n".join(lines) + "\n")


def made(statement):
    """The view that a statement is about; all are, where it only prepares them."""
    _, _, rest = statement.split(" AS\n")[0].partition(" VIEW ")
    return rest.split()[0] if rest else "sessions"


engine, plan, *port = sys.argv[1:]
plan = json.loads(pathlib.Path(plan).read_text())
# The tables have more columns than are compared.
GIVEN = set(plan["views"]) - {"sessions", "participants", "timelogs"}
for case in plan["cases"]:
    session = {"duckdb": DuckDB, "spark": Spark}[engine](case["zone"], *(port or [None]))
    folder, failed = pathlib.Path(case["out"]), {}
    folder.mkdir(parents=True)
    for statement in pathlib.Path(case["sql"]).read_text().split(";\n"):
        if statement.strip():
            attempt(lambda: session.run(statement), failed, made(statement))
    for view, columns in plan["views"].items():
        if view not in failed:
            attempt(lambda: write(session, view, columns, folder), failed, view)
    (folder / "failed.json").write_text(json.dumps(failed))
