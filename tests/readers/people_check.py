"""Who is one human, computed once more from what is listed, in another language. Arguments: dataset, key, pattern, normalize."""

import re
import sys

import duckdb
from people_key import normal


def person(key, pattern, normalize, session_id, index, participant_id, name):
    value = {"name": name, "participant_id": participant_id}[key]
    if value is not None and pattern:
        found = re.search(pattern, value)
        value = found.group(1) if found else None
    if value is not None and normalize and key == "name":
        value = normal(value)
    if value:
        return "=" + value if value.startswith(("=", "#", "id:")) else value
    return f"id:{participant_id}" if participant_id else f"#{session_id}/{index}"


def main():
    dataset, key, pattern, normalize = sys.argv[1:]
    db = duckdb.connect()

    def rows(table, columns):
        return db.execute(f"SELECT {columns} FROM read_parquet('{dataset}/{table}/*/*.parquet')").fetchall()

    people, of_session = {}, {}
    for session_id, index, participant_id, name, found in rows(
        "participants", "session_id, participant_index, participant_id, name, person"
    ):
        wanted = person(key, pattern, normalize == "true", session_id, index, participant_id, name)
        assert found == wanted, (name, participant_id, found, wanted)
        people[session_id, index] = found
        of_session.setdefault(session_id, set()).add(found)
    for session_id, index, found in rows("timelogs", "session_id, participant_index, person"):
        assert found == people[session_id, index], (session_id, index, found)
    for session_id, count in rows("sessions", "session_id, person_count"):
        assert count == len(of_session.get(session_id, ())), (session_id, count)
    print(len(people), len(set(people.values())))


main()
