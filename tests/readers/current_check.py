"""Reads a dataset's tables as `lake/current.json` lists them, again and again with DuckDB, until standard input ends.

    current_check.py DATASET

In each round the three tables must fit together: no participant without its session, no timelog without its participant,
no key doubled, no count that differs from its rows, no file that can't be read. A round that finds a file gone is made
again if `current.json` has moved on meanwhile: its snapshot was expired. Prints what is wrong, the number of rounds, how
many snapshots were seen and how many rounds were made again; ends with 1 if anything is wrong.
"""

import json
import pathlib
import sys
import threading

import duckdb

from checks import KEYS, NONE

db = duckdb.connect()
db.execute("set enable_external_file_cache = false")
lake = pathlib.Path(sys.argv[1], "lake")


def current():
    return json.loads((lake / "current.json").read_text())


def look(listed):
    """What is wrong with the tables of one `current.json`."""
    wrong = []
    for table, key in KEYS.items():
        files = [str(lake / path) for path in listed["tables"][table]]
        query = f"create or replace temp table {table} as from read_parquet($1, hive_partitioning = true)"
        try:
            db.execute(query, [files])
        except duckdb.Error as error:
            return [f"{table}: {' '.join(str(error).split())[:300]}"]
        doubled = f"select count(*) from (select {key} from {table} group by all having count(*) > 1)"
        if db.execute(doubled).fetchone() != (0,):
            wrong.append(f"{table}: a key is doubled")
    return wrong + [what for what, query in NONE.items() if db.execute(query).fetchone() != (0,)]


def main():
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    print("watching", flush=True)
    rounds, again, seen, wrong = 0, 0, set(), []
    while not wrong:
        last = ended.is_set()
        listed = current()
        wrong = look(listed)
        if wrong and gone(listed) and current()["snapshot"] != listed["snapshot"]:
            again, wrong = again + 1, []
            continue
        wrong = [f"snapshot {listed['snapshot']}: {what}" for what in wrong]
        seen.add(listed["snapshot"])
        rounds += 1
        if last:
            break
    print("\n".join([*wrong, f"rounds: {rounds}, snapshots: {len(seen)}, made again: {again}"]))
    sys.exit(bool(wrong))


def gone(listed):
    return any(not (lake / path).exists() for paths in listed["tables"].values() for path in paths)


main()
