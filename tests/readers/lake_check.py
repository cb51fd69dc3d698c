"""Reads the Delta tables of a dataset with every engine, and compares all rows with the files of the snapshots.

    lake_check.py DATASET [--versions] [--engines delta-rs,duckdb,polars,sail]

The newest version must be what `lake/current.json` lists, and what the plain files hold. With `--versions`, each older
version must be what its snapshot lists. Prints what differs, and then ends with 1; else prints nothing.
"""

import argparse
import json
import pathlib
import sys

from checks import KEYS
from lake_engines import ENGINES, differ, plain


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset")
    parser.add_argument("--versions", action="store_true")
    parser.add_argument("--engines", default=",".join(ENGINES), help="none where it is empty: the files alone")
    wanted = parser.parse_args()
    dataset = pathlib.Path(wanted.dataset).resolve()
    lake, wrong = dataset / "lake", []
    current = json.loads((lake / "current.json").read_text())
    snapshots = [json.loads(path.read_text()) for path in sorted((lake / "snapshots").glob("*.json"))]

    # table -> Delta version, `None` for the newest -> rows
    expected = {table: {} for table in KEYS}
    for table in KEYS:
        newest = rows_of(wrong, f"{table}: current.json", [lake / path for path in current["tables"][table]])
        expected[table][None] = newest
        plain_rows = rows_of(wrong, f"{table}: plain files", sorted((dataset / table).rglob("part-0.parquet")))
        if newest and plain_rows:
            note(wrong, f"{table}: plain files", differ(table, plain_rows, newest))
    for snapshot in snapshots:
        name = f"snapshot {snapshot['snapshot']}"
        for table in KEYS:
            paths = [file["path"] for file in snapshot["tables"][table]]
            if snapshot["snapshot"] == current["snapshot"] and sorted(paths) != sorted(current["tables"][table]):
                wrong.append(f"{table}: current.json lists other files than {name}")
            if wanted.versions and snapshot.get("delta"):
                rows = rows_of(wrong, f"{table}: {name}", [lake / path for path in paths])
                expected[table][snapshot["delta"]["version"]] = rows
    if current["snapshot"] not in [snapshot["snapshot"] for snapshot in snapshots]:
        wrong.append(f"current.json names snapshot {current['snapshot']}, which is not there")

    for name in filter(None, wanted.engines.split(",")):
        engine = ENGINES[name]()
        for table, versions in expected.items():
            for version, rows in versions.items():
                if rows is None:
                    continue
                try:
                    found = differ(table, engine.read(str(lake / table), version), rows)
                # An engine in Rust may panic, which is no Exception.
                except BaseException as error:
                    found = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
                note(wrong, f"{table}: {name}: version {'newest' if version is None else version}", found)
        engine.stop()
    if wrong:
        sys.exit("\n".join(wrong))


def note(wrong, what, found):
    if found:
        wrong.append(f"{what}: {found}")


def rows_of(wrong, what, files):
    """The rows of files; nothing where they can't be read, which is noted."""
    try:
        return plain(files)
    except (OSError, ValueError) as error:
        wrong.append(f"{what}: {type(error).__name__}: {' '.join(str(error).split())[:300]}")


main()
