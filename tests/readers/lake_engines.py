"""One Delta table read by each engine, as an Arrow table; what the lake checks share."""

import os
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

from checks import KEYS

def duckdb_extension(db, name):
    """Loads an extension that came as a Python package."""
    module = __import__(f"duckdb_extension_{name}")
    (extension,) = pathlib.Path(module.__path__[0]).glob(f"extensions/*/{name}.duckdb_extension")
    db.execute(f"load '{extension}'")


class DeltaRs:
    def read(self, path, version=None):
        from deltalake import DeltaTable

        return DeltaTable(path, version=version).to_pyarrow_table()

    def stop(self):
        pass


class DuckDb(DeltaRs):
    def __init__(self):
        import duckdb

        self.db = duckdb.connect()
        self.db.execute("set timezone = 'UTC'")
        duckdb_extension(self.db, "delta")

    def read(self, path, version=None):
        at = "" if version is None else f", version => {version}"
        # A quote in a path is doubled.
        quoted = path.replace("'", "''")
        return self.db.execute(f"select * from delta_scan('{quoted}'{at})").to_arrow_table()


class Polars(DeltaRs):
    def read(self, path, version=None):
        import polars

        return polars.scan_delta(path, version=version).collect().to_arrow()


class Sail(DeltaRs):
    """Its server is a part of this process, listens on this machine alone, and ends with it."""

    def __init__(self):
        # It would tell about each session.
        os.environ.setdefault("RUST_LOG", "off")
        from pysail.spark import SparkConnectServer
        from pyspark.sql import SparkSession

        self.server = SparkConnectServer(ip="127.0.0.1", port=0)
        self.server.start(background=True)
        _, port = self.server.listening_address
        self.spark = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").getOrCreate()
        self.spark.conf.set("spark.sql.session.timeZone", "UTC")

    def read(self, path, version=None):
        reader = self.spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        return reader.load(path).toArrow()

    def stop(self):
        self.spark.stop()
        self.server.stop()


ENGINES = {"delta-rs": DeltaRs, "duckdb": DuckDb, "polars": Polars, "sail": Sail}


def plain(files):
    """The rows of files, with the partition their folder names as a column."""
    tables = []
    for path in map(pathlib.Path, files):
        rows = pq.ParquetFile(path).read().replace_schema_metadata(None)
        name, equals, value = path.parent.name.partition("=")
        if equals:
            column = pa.array([value] * rows.num_rows, pa.string())
            rows = rows.append_column(name, column.cast(pa.date32()) if name == "start_date" else column)
        tables.append(rows)
    return pa.concat_tables(tables)


def differ(table, found, wanted):
    """What is different between two readings of a table: nothing, or one line."""
    if sorted(found.column_names) != sorted(wanted.column_names):
        return f"columns {found.column_names} instead of {wanted.column_names}"
    for field in wanted.schema:
        kind = found.schema.field(field.name).type
        if pa.types.is_timestamp(field.type) and not (pa.types.is_timestamp(kind) and kind.tz):
            return f"{field.name} is {kind}"
    if found.num_rows != wanted.num_rows:
        return f"{found.num_rows} rows instead of {wanted.num_rows}"
    # Not null here, nullable there: the rows decide.
    kinds = pa.schema([pa.field(field.name, loose(field.type)) for field in wanted.schema])
    order = [(key, "ascending") for key in KEYS[table].split(", ")]
    found, wanted = (
        rows.select(kinds.names).cast(kinds).sort_by(order).combine_chunks() for rows in (found, wanted)
    )
    wrong = [name for name in kinds.names if found[name].to_pylist() != wanted[name].to_pylist()]
    return f"values differ in {', '.join(wrong)}" if wrong else None


def loose(kind):
    return pa.list_(pa.field("element", kind.value_type)) if pa.types.is_list(kind) else kind
