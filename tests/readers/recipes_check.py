"""Does what `table-formats.md` says, with every snapshot of a dataset in turn, and compares rows.

    recipes_check.py DATASET [iceberg] [ducklake]

The catalogs are made in a temporary folder. After each snapshot the rows of all tables are counted; after the last all values
are compared. Prints what differs, and then ends with 1; else prints nothing.
"""

import json
import logging
import pathlib
import sys
import tempfile

import duckdb
import pyarrow.parquet as pq

from checks import KEYS
from lake_engines import differ, duckdb_extension, plain

lake = pathlib.Path(sys.argv[1]).resolve() / "lake"
wanted = sys.argv[2:] or ["iceberg", "ducklake"]
# Columns without bounds in our files are reported one by one.
logging.getLogger("pyiceberg").setLevel(logging.ERROR)


def files_of(snapshot, table):
    """The files of a table that have rows."""
    return {str(lake / file["path"]) for file in snapshot["tables"][table] if file["rows"]}


class Iceberg:
    def __init__(self, folder):
        from pyiceberg.catalog.sql import SqlCatalog

        self.catalog = SqlCatalog("rollbook", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}")
        self.catalog.create_namespace("rollbook")
        self.tables = {}

    def follow(self, snapshot):
        for table in KEYS:
            self.follow_table(table, files_of(snapshot, table), snapshot["snapshot"])

    def follow_table(self, name, files, number):
        from pyiceberg.io.pyarrow import parquet_files_to_data_files

        schema = pq.read_schema(min(files)).remove_metadata() if files else None
        if name not in self.tables:
            table = self.catalog.create_table(f"rollbook.{name}", schema)
            with table.transaction() as change:
                change.set_properties({"schema.name-mapping.default": table.schema().name_mapping.model_dump_json()})
            self.tables[name] = table
        table = self.tables[name] = self.catalog.load_table(f"rollbook.{name}")
        known = {}
        if table.current_snapshot():
            for manifest in table.current_snapshot().manifests(table.io):
                for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
                    known[entry.data_file.file_path] = entry.data_file
        with table.transaction() as change:
            if schema and set(schema.names) - set(table.schema().column_names):
                with change.update_schema(allow_incompatible_changes=True) as columns:
                    columns.union_by_name(schema)
            added = parquet_files_to_data_files(table.io, change.table_metadata, iter(sorted(files - set(known))))
            with change.update_snapshot({"rollbook.snapshot": str(number)}).overwrite() as update:
                for path in set(known) - files:
                    update.delete_data_file(known[path])
                for file in added:
                    update.append_data_file(file)

    def count(self, table):
        return self.tables[table].refresh().scan().count()

    def rows(self, table):
        """By DuckDB, which is given the newest metadata."""
        db = duckdb.connect()
        db.execute("set timezone = 'UTC'")
        duckdb_extension(db, "avro")
        duckdb_extension(db, "iceberg")
        return db.execute("from iceberg_scan($1)", [self.tables[table].refresh().metadata_location]).to_arrow_table()


class DuckLake:
    def __init__(self, folder):
        self.db = duckdb.connect()
        self.db.execute("set timezone = 'UTC'")
        duckdb_extension(self.db, "ducklake")
        quoted = str(folder).replace("'", "''")
        self.db.execute(
            f"attach 'ducklake:{quoted}/rollbook.ducklake' as rollbook (data_path '{quoted}/data', data_inlining_row_limit 0)"
        )

    def ask(self, query, *values):
        return self.db.execute(query, list(values)).fetchall()

    def follow(self, snapshot):
        self.ask("begin")
        for table in KEYS:
            self.follow_table(table, files_of(snapshot, table))
        self.ask(f"call ducklake_set_commit_message('rollbook', 'rollbook', 'snapshot {snapshot['snapshot']}')")
        self.ask("commit")

    def follow_table(self, table, files):
        listed = sorted(files)
        (there,) = self.ask(f"select count(*) from duckdb_tables() where database_name = 'rollbook' and table_name = '{table}'")
        if there == (0,):
            self.ask(f"create table rollbook.{table} as from read_parquet($1, hive_partitioning = true) limit 0", listed)
            for column in ("start_month", "start_date"):
                if f"/{column}=" in listed[0]:
                    self.ask(f"alter table rollbook.{table} set partitioned by ({column})")
        known = {path for (path,) in self.ask(f"select data_file from ducklake_list_files('rollbook', '{table}')")}
        gone, added = sorted(known - files), sorted(files - known)
        if gone:
            self.ask(f"delete from rollbook.{table} where filename in (select unnest($1))", gone)
        if added:
            columns = {column[0] for column in self.ask(f"describe rollbook.{table}")}
            for column in self.ask("describe from read_parquet($1, hive_partitioning = true)", added):
                if column[0] not in columns:
                    self.ask(f"alter table rollbook.{table} add column {column[0]} {column[1]}")
            self.ask(f"call ducklake_add_data_files('rollbook', '{table}', $1, hive_partitioning => true)", added)

    def count(self, table):
        return self.ask(f"select count(*) from rollbook.{table}")[0][0]

    def rows(self, table):
        return self.db.execute(f"from rollbook.{table}").to_arrow_table()


def main():
    wrong = []
    snapshots = [json.loads(path.read_text()) for path in sorted((lake / "snapshots").glob("*.json"))]
    for name in wanted:
        with tempfile.TemporaryDirectory() as folder:
            catalog = {"iceberg": Iceberg, "ducklake": DuckLake}[name](folder)
            for snapshot in snapshots:
                catalog.follow(snapshot)
                for table in KEYS:
                    found, rows = catalog.count(table), sum(file["rows"] for file in snapshot["tables"][table])
                    if found != rows:
                        wrong.append(f"{name}: {table}: snapshot {snapshot['snapshot']}: {found} rows instead of {rows}")
            for table in KEYS:
                expected = plain(sorted(files_of(snapshots[-1], table)))
                if name == "iceberg":
                    expected = expected.select([column for column in expected.column_names if column not in ("start_month", "start_date")])
                found = differ(table, catalog.rows(table), expected)
                if found:
                    wrong.append(f"{name}: {table}: {found}")
    if wrong:
        sys.exit("\n".join(wrong))


main()
