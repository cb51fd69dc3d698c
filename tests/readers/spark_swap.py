"""Plans a query with Spark, waits until the files under it are swapped, and runs it; then reads the folder again."""

import sys

from pyspark.sql import SparkSession

spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("OFF")
folder = f"{sys.argv[1]}/sessions"


def ids(frame):
    """How many sessions are read, or why not."""
    try:
        return len(set(frame.select("session_id").collect()))
    except Exception as error:
        return "error: " + " ".join(str(error).split())[:300]


planned = spark.read.parquet(folder).select("session_id", "duration_ms")
planned._jdf.queryExecution().executedPlan()
print("planned", flush=True)
sys.stdin.readline()
print(ids(planned), flush=True)
print(ids(spark.read.parquet(folder)), flush=True)
spark.stop()
