"""Reads datasets with Spark in local mode, by their table's folder."""

import sys

from pyspark.sql import SparkSession

from checks import KEYS, check

TYPES = {
    "session_id": "string",
    "started_at": "timestamp",
    "session_started_at": "timestamp",
    "occupied_ms": "bigint",
    "attended_ms": "bigint",
    "participant_index": "int",
    "active_duration": "double",
    "is_open": "boolean",
    "anomalies": "array<string>",
    "start_month": "string",
}

spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.sql.shuffle.partitions", "2")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")
for folder in sys.argv[1:]:
    for table in KEYS:
        spark.read.parquet(f"{folder}/data/{table}").createOrReplaceTempView(table)
    check(
        folder,
        lambda query: spark.sql(query).collect()[0][0],
        lambda table: dict(spark.table(table).dtypes),
        TYPES,
    )
spark.stop()
