"""Where words are found in a folder: in the bytes of every file, and in every value of every Parquet file.

Arguments: the folder, the words. Prints each place; exit code 1 where there is one. Small and capital letters are the same.
"""

import pathlib
import sys

import duckdb


def main():
    folder, words = pathlib.Path(sys.argv[1]), [word.lower() for word in sys.argv[2:]]
    places, files, values = set(), 0, 0
    db = duckdb.connect()
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        files += 1
        data = path.read_bytes()
        texts = [data.decode("utf-8", "replace").lower(), data.decode("utf-16-le", "replace").lower()]
        if path.suffix == ".parquet":
            for row in db.execute("SELECT COLUMNS(*)::VARCHAR FROM read_parquet(?)", [str(path)]).fetchall():
                values += len(row)
                texts.append(repr(row).lower())
            for source in ("parquet_metadata", "parquet_kv_metadata"):
                texts.append(repr(db.execute(f"SELECT * FROM {source}(?)", [str(path)]).fetchall()).lower())
        places |= {(str(path.relative_to(folder)), word) for word in words for text in texts if word in text}
    for place in sorted(places):
        print(*place)
    assert files > 0, "nothing was searched"
    print(f"{files} files, {values} values", file=sys.stderr)
    sys.exit(1 if places else 0)


main()
