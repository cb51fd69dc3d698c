"""Queries that are under way while a dataset is published: planned by Spark before, collected after, until standard input ends.

    in_flight_spark.py DATASET [--plain]

As `in_flight.py`: a round plans a query over the files that `lake/current.json` lists (`--plain`: over the tables' folders),
waits until another snapshot is there, and collects. Prints how many rounds were made and how many answers differed; ends with
1 if any did.
"""

import json
import pathlib
import sys
import threading
import time

import duckdb
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

SUMS = {"sessions": "total_attended_ms", "participants": "attended_ms", "timelogs": "duration_ms"}
PAUSE = 0.02

spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.ui.enabled", "false")
    .config("spark.ui.showConsoleProgress", "false")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.sql.shuffle.partitions", "1")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("OFF")
lake = pathlib.Path(sys.argv[1], "lake")
plain = sys.argv[2:] == ["--plain"]
ended = threading.Event()


def current():
    return json.loads((lake / "current.json").read_text())


def planned(base, listed):
    """One query on all three tables, planned to the end; `listed`: table -> files, or its folder."""
    whole = None
    for table, column in SUMS.items():
        files = spark.read.option("basePath", f"{base}/{table}").parquet(*listed[table])
        row = files.agg(F.count("*"), F.coalesce(F.sum(column), F.lit(0)))
        whole = row if whole is None else whole.unionAll(row)
    whole._jdf.queryExecution().executedPlan()
    return whole


def collected(frame):
    try:
        return [tuple(row) for row in frame.collect()]
    except Exception as error:
        return " ".join(str(error).split())[:200]


def lists(tables):
    return {table: [str(lake / path) for path in tables[table]] for table in SUMS}


def learn(known):
    """Adds the answers of the snapshots that are new, by another reader, which is quicker."""
    for path in sorted((lake / "snapshots").glob("*.json")):
        if path.name not in known:
            tables = json.loads(path.read_text())["tables"]
            known[path.name] = []
            for table, column in SUMS.items():
                files = [str(lake / file["path"]) for file in tables[table]]
                query = f"select count(*), coalesce(sum({column}), 0)::bigint from read_parquet($1)"
                known[path.name].append(duckdb.execute(query, [files]).fetchone())


def main():
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    known, rounds, differed = {}, 0, []
    print("in flight", flush=True)
    while not ended.is_set():
        listed = current()
        try:
            if plain:
                frame = planned(sys.argv[1], {table: [f"{sys.argv[1]}/{table}"] for table in SUMS})
            else:
                frame = planned(lake, lists(listed["tables"]))
        except Exception as error:
            rounds += 1
            differed.append(f"snapshot {listed['snapshot']}: not planned: {' '.join(str(error).split())[:200]}")
            continue
        while current()["snapshot"] == listed["snapshot"] and not ended.is_set():
            time.sleep(PAUSE)
        found = collected(frame)
        learn(known)
        wanted = list(known.values()) if plain else [known.get(f"{listed['snapshot']:08}.json")]
        rounds += 1
        if found not in wanted:
            differed.append(f"snapshot {listed['snapshot']}: {found} instead of {wanted[-1]}")
    last = f"rounds: {rounds}, snapshots: {len(known)}, differed: {len(differed)}"
    print("\n".join([*differed[:5], last]))
    return bool(differed)


failed = main()
spark.stop()
sys.exit(failed)
