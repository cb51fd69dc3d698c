"""Reads a dataset by plain globs with DuckDB, again and again, until standard input ends.

Whatever writers do meanwhile, no file may be unreadable, no key may be doubled, no session that was there once may be
gone, and no participant may lack its session. A query opens a file twice, for its columns and for its rows; where the
file is swapped in between, the query has to be run again. Prints what went wrong, then the number of rounds.
"""

import sys
import threading

import duckdb

from checks import KEYS

AGAIN = 3


def read(query):
    for attempt in range(AGAIN):
        try:
            return db.execute(query).fetchall()
        except duckdb.Error:
            if attempt == AGAIN - 1:
                raise


db = duckdb.connect()
db.execute("set enable_external_file_cache = false")
dataset = sys.argv[1]
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
known, rounds, wrong = set(), 0, []
print("watching", flush=True)
while not wrong:
    last, children = ended.is_set(), set()
    try:
        # Children first: sessions are written before them.
        for table in reversed(KEYS):
            glob = f"{dataset}/{table}/*/*.parquet"
            if db.execute(f"select count(*) from glob('{glob}')").fetchone() == (0,):
                continue
            rows = read(f"select {KEYS[table]} from read_parquet('{glob}')")
            if len(set(rows)) != len(rows):
                wrong.append(f"{table}: a key is doubled")
            ids = {row[0] for row in rows}
            if table == "sessions":
                wrong += [f"{table}: gone: {id}" for id in known - ids]
                known |= ids
            else:
                children = ids
            if table == "sessions" and not children <= ids:
                wrong.append("a participant lacks its session")
    except duckdb.Error as error:
        wrong.append(f"{table}: {error}")
    rounds += 1
    if last:
        break
print("\n".join([*wrong, f"rounds: {rounds}"]))
sys.exit(bool(wrong))
