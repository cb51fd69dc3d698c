"""What somebody sees who reads a dataset by plain globs with DuckDB, while it is being written or after a kill."""

import pathlib
import re
import time
import urllib.error
import urllib.request

import duckdb

from checks import KEYS, NONE, TRUTHS

AGAIN = 3
LOOKS = 20
# How often a store is asked that has failed, and the seconds in between: moto now and then answers 500 to one of several that
# ask at once.
ASKED = 5
PAUSE = 0.2


def connect(port=None):
    """A connection; with a port, to an S3 on this machine that takes any credentials."""
    db = duckdb.connect()
    db.execute("set enable_external_file_cache = false")
    if port:
        import duckdb_extension_httpfs

        folder = pathlib.Path(duckdb_extension_httpfs.__path__[0])
        (extension,) = folder.glob("extensions/*/httpfs.duckdb_extension")
        db.execute(f"load '{extension}'")
        db.execute(
            "create secret (type s3, key_id 'test', secret 'test', region 'us-east-1', "
            f"endpoint '127.0.0.1:{port}', use_ssl false, url_style 'path')"
        )
    return db


def fetch(port, dataset, folder):
    """Copies the files of a dataset in that S3, each in one piece, as it is at the moment; children first."""
    bucket, _, prefix = dataset.removeprefix("s3://").partition("/")

    def ask(target):
        # Of any signature.
        signed = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
        request = urllib.request.Request(f"http://127.0.0.1:{port}/{bucket}{target}", headers={"Authorization": signed})
        for attempt in range(1, ASKED + 1):
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return answer.read()
            except urllib.error.HTTPError as error:
                if error.code < 500 or attempt == ASKED:
                    raise
                time.sleep(PAUSE)

    for table in reversed(KEYS):
        listed = ask(f"?list-type=2&prefix={prefix}/{table}/").decode()
        paths = re.findall("<Key>([^<]*[.]parquet)</Key>", listed)
        for path in paths:
            target = pathlib.Path(folder, path.removeprefix(f"{prefix}/"))
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(ask(f"/{path}"))


def read(db, query):
    """A query opens a file twice, for its columns and for its rows; if it is swapped in between, it has to be run again."""
    for attempt in range(AGAIN):
        try:
            return db.execute(query).fetchall()
        except duckdb.Error:
            if attempt == AGAIN - 1:
                raise


def files(dataset):
    """What a folder's tables are made of at the moment; nothing of an S3."""
    found = {}
    for path in pathlib.Path(dataset).glob("*/*/*.parquet"):
        try:
            found[path] = path.stat().st_ino, path.stat().st_mtime_ns
        except FileNotFoundError:
            found[path] = None
    return found


def look(db, dataset, known={}):
    """The keys of all tables, and what is wrong with them; those known must still be there. A look during which a file was swapped may be wrong: a query takes
    the number of rows from one opening and the rows from another. Then it has to be made again."""
    for _ in range(LOOKS):
        before = files(dataset)
        keys, wrong = look_once(db, dataset)
        for table, found in keys.items():
            wrong += [f"{table}: gone: {key}" for key in sorted(known.get(table, set()) - found)[:5]]
        if not wrong or files(dataset) == before:
            break
    return keys, wrong


def look_once(db, dataset):
    keys, wrong = {}, []
    # Children first: sessions are written before them.
    for table in reversed(KEYS):
        glob = f"{dataset}/{table}/*/*.parquet"
        try:
            if db.execute(f"select count(*) from glob('{glob}')").fetchone() == (0,):
                continue
            rows = read(db, f"select {KEYS[table]} from read_parquet('{glob}', hive_partitioning = true)")
        except duckdb.Error as error:
            wrong.append(f"{table}: {error}")
            continue
        keys[table] = set(rows)
        if len(keys[table]) != len(rows):
            wrong.append(f"{table}: a key is doubled")
    if not wrong and not {key[0] for key in keys.get("participants", ())} <= {key[0] for key in keys.get("sessions", ())}:
        wrong.append("a participant lacks its session")
    return keys, wrong


def sums(db, dataset):
    """Rows and sums of a dataset at rest, and what does not fit together."""
    for table in KEYS:
        glob = f"{dataset}/{table}/*/*.parquet"
        db.execute(f"create or replace temp table {table} as from read_parquet('{glob}', hive_partitioning = true)")
    scalar = lambda query: int(db.execute(query).fetchone()[0])
    found = {table: scalar(f"select count(*) from {table}") for table in KEYS}
    found |= {name: scalar(query) for name, query in TRUTHS.items()}
    return found, [what for what, query in NONE.items() if scalar(query)]
