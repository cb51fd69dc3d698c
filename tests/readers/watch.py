"""Reads a dataset by plain globs with DuckDB, again and again, until standard input ends.

Whatever writers do meanwhile, no file may be unreadable, no key may be doubled, no session that was there once may be
gone, and no participant may lack its session. Prints what went wrong, then the number of rounds.
"""

import sys
import threading

from looking import connect, look

db = connect()
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
known, rounds, wrong = {}, 0, []
print("watching", flush=True)
while not wrong:
    last = ended.is_set()
    keys, wrong = look(db, sys.argv[1], known)
    if not wrong and "sessions" in keys:
        known["sessions"] = keys["sessions"]
    rounds += 1
    if last:
        break
print("\n".join([*wrong, f"rounds: {rounds}"]))
sys.exit(bool(wrong))
