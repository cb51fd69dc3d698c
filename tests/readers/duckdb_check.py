"""Reads datasets with DuckDB, by a plain glob with hive partitions."""

import sys

import duckdb

from checks import KEYS, check

TYPES = {
    "session_id": "VARCHAR",
    "started_at": "TIMESTAMP WITH TIME ZONE",
    "session_started_at": "TIMESTAMP WITH TIME ZONE",
    "occupied_ms": "BIGINT",
    "attended_ms": "BIGINT",
    "participant_index": "INTEGER",
    "active_duration": "DOUBLE",
    "is_open": "BOOLEAN",
    "anomalies": "VARCHAR[]",
    "start_month": "VARCHAR",
}

for folder in sys.argv[1:]:
    db = duckdb.connect()
    for table in KEYS:
        glob = f"{folder}/data/{table}/*/*.parquet"
        db.execute(f"create view {table} as from read_parquet('{glob}', hive_partitioning = true)")
    check(
        folder,
        lambda query: db.execute(query).fetchone()[0],
        lambda table: {row[0]: row[1] for row in db.execute(f"describe {table}").fetchall()},
        TYPES,
    )
