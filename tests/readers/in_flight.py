"""Queries that are under way while a dataset is published: planned by DuckDB before, fetched after, until standard input ends.

    in_flight.py DATASET [--plain] [--port PORT]

A round begins one query on each of the three tables, waits until `lake/current.json` names another snapshot, and then fetches
the rows. Rows and sums must be those of the snapshot whose files are listed. With `--plain` the queries are over the plain
globs, and the answer need only be that of any one snapshot: it is the control, which should show the fault. Snapshots must be
kept for as long as a round lasts. Prints how many rounds were made, how many answers differed, and in how many of them
one table alone was that of no snapshot; ends with 1 if any differed. With a port, the dataset is in an S3 on this machine.
"""

import argparse
import json
import sys
import threading
import time

import duckdb

from looking import connect

SUMS = {"sessions": "total_attended_ms", "participants": "attended_ms", "timelogs": "duration_ms"}
PAUSE = 0.02
AGAIN = 20

parser = argparse.ArgumentParser()
parser.add_argument("dataset")
parser.add_argument("--plain", action="store_true")
parser.add_argument("--port")
wanted = parser.parse_args()
db = connect(wanted.port)
# So that files are opened one after the other, as rows are fetched.
db.execute("set threads = 1")
db.execute("set streaming_buffer_size = '1kB'")
lake = f"{wanted.dataset}/lake"
ended = threading.Event()


def texts(paths):
    """The names and the texts of files. One that is replaced meanwhile is read again."""
    for _ in range(AGAIN):
        try:
            return db.cursor().execute("select filename, content from read_text($1) order by 1", [paths]).fetchall()
        except duckdb.HTTPException:
            pass
    raise TimeoutError(paths)


def current():
    return json.loads(texts(f"{lake}/current.json")[0][1])


def planned(table, files):
    """A query that has begun, on a connection of its own; the first row is fetched with it."""
    query = f"select {SUMS[table]} from read_parquet($1, hive_partitioning = true)"
    result = db.cursor().execute(query, [files])
    return result, result.fetchmany(1)


def fetched(result, first):
    """Rows and sum of a query's answer; or why it has none."""
    count, total, rows = 0, 0, first
    try:
        while rows:
            count, total = count + len(rows), total + sum(value or 0 for (value,) in rows)
            rows = result.fetchmany(1000)
    except duckdb.Error as error:
        return " ".join(str(error).split())[:200]
    return count, total


def answer(files):
    """Rows and sums of files that don't change."""
    return [fetched(*planned(table, files[table])) for table in SUMS]


def paths(tables):
    return {table: [f"{lake}/{path}" for path in tables[table]] for table in SUMS}


def learn(known):
    """Adds the answers of the snapshots that are new."""
    for path, text in texts(f"{lake}/snapshots/*.json"):
        name = path.rsplit("/", 1)[1]
        if name not in known:
            tables = json.loads(text)["tables"]
            known[name] = answer(paths({table: [file["path"] for file in files] for table, files in tables.items()}))


def main():
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    print("in flight", flush=True)
    known, rounds, differed, torn = {}, 0, [], 0
    while not ended.is_set():
        listed = current()
        plain = {table: f"{wanted.dataset}/{table}/**/*.parquet" for table in SUMS}
        files = plain if wanted.plain else paths(listed["tables"])
        try:
            begun = [planned(table, files[table]) for table in SUMS]
        except duckdb.Error as error:
            rounds += 1
            differed.append(" ".join(str(error).split())[:200])
            continue
        while current()["snapshot"] == listed["snapshot"] and not ended.is_set():
            time.sleep(PAUSE)
        found = [fetched(*query) for query in begun]
        learn(known)
        right = list(known.values()) if wanted.plain else [known.get(f"{listed['snapshot']:08}.json")]
        rounds += 1
        if found not in right:
            differed.append(f"snapshot {listed['snapshot']}: {found} instead of {right[-1]}")
            torn += any(one not in [all[at] for all in known.values()] for at, one in enumerate(found))
    last = f"rounds: {rounds}, snapshots: {len(known)}, differed: {len(differed)}, a table in itself: {torn}"
    print("\n".join([*differed[:5], last]))
    sys.exit(bool(differed))


main()
