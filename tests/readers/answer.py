"""Answers questions about datasets with DuckDB, one line of JSON each; with a port, about datasets in the S3 there.

`look DATASET`: the keys of all tables. `sums DATASET`: rows and sums. `watch DATASET` looks again and again until `end`:
no committed key may be gone, but for those of a session that has changed.
"""

import json
import sys
import threading

from looking import connect, look, sums

db = connect(*sys.argv[1:])


class Watch:
    """Looks at a dataset from the first moment on; the first look is over when it has been made."""

    def __init__(self, dataset):
        self.dataset, self.known, self.rounds, self.wrong = dataset, {}, 0, []
        self.cursor, self.ended = db.cursor(), threading.Event()
        self.round()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def round(self):
        keys, self.wrong = look(self.cursor, self.dataset)
        for table, found in keys.items():
            gone = self.known.get(table, set()) - found
            self.wrong += [f"{table}: gone: {key}" for key in sorted(gone)[:5]]
        self.known |= keys
        self.rounds += 1

    def run(self):
        while not self.wrong and not self.ended.is_set():
            self.round()

    def end(self):
        self.ended.set()
        self.thread.join()
        if not self.wrong:
            self.round()
        return {"rounds": self.rounds, "wrong": self.wrong}


watch = None
for line in sys.stdin:
    question, _, dataset = line.strip().partition(" ")
    if question == "look":
        keys, wrong = look(db, dataset)
        reply = {"keys": {table: sorted(map(list, found)) for table, found in keys.items()}, "wrong": wrong}
    elif question == "sums":
        found, wrong = sums(db, dataset)
        reply = {"sums": found, "wrong": wrong}
    elif question == "watch":
        watch, reply = Watch(dataset), {}
    elif question == "end":
        reply = watch.end()
    print(json.dumps(reply), flush=True)
