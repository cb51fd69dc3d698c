"""Answers questions about datasets with DuckDB, one line of JSON each; with a port, about datasets in the S3 there.

`look DATASET`: the keys of all tables. `sums DATASET`: rows and sums. `watch DATASET` looks again and again until `end`:
no key that was there may be gone. In an S3 it copies the files first, each in one piece: DuckDB asks for a file in pieces,
which may be of two versions where it is swapped in between.
"""

import json
import sys
import tempfile
import threading

from looking import connect, fetch, look, sums

ports = sys.argv[1:]
db = connect(*ports)


class Watch:
    """Looks at a dataset from the first moment on; the first look is over when it has been made."""

    def __init__(self, dataset):
        self.dataset, self.known, self.rounds, self.wrong = dataset, {}, 0, []
        self.cursor, self.ended = db.cursor(), threading.Event()
        self.round()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def round(self):
        with tempfile.TemporaryDirectory() as copy:
            for port in ports:
                fetch(port, self.dataset, copy)
            keys, self.wrong = look(self.cursor, copy if ports else self.dataset, self.known)
        self.known |= keys
        self.rounds += 1

    def run(self):
        try:
            while not self.wrong and not self.ended.is_set():
                self.round()
        except Exception as error:
            self.wrong = [f"{type(error).__name__}: {error}"]

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
