"""What every reader must find: queries in the SQL that DuckDB and Spark share, and their answers."""

import json
import pathlib
import sys

KEYS = {
    "sessions": "session_id",
    "participants": "session_id, participant_index",
    "timelogs": "session_id, participant_index, timelog_index",
}
TRUTHS = {
    "session_duration_ms": "select coalesce(sum(duration_ms), 0) from sessions",
    "occupied_ms": "select coalesce(sum(occupied_ms), 0) from sessions",
    "total_attended_ms": "select coalesce(sum(total_attended_ms), 0) from sessions",
    "attended_ms": "select coalesce(sum(attended_ms), 0) from participants",
    "gross_ms": "select coalesce(sum(gross_ms), 0) from participants",
    "timelog_duration_ms": "select coalesce(sum(duration_ms), 0) from timelogs",
    "open_sessions": "select count(*) from sessions where is_open",
}
NONE = {
    "a participant without its session":
        "select count(*) from participants p left join sessions s using (session_id) where s.session_id is null",
    "a timelog without its participant":
        "select count(*) from timelogs t left join participants p using (session_id, participant_index) "
        "where p.session_id is null",
    "a count that differs from its rows":
        "select count(*) from (select s.session_id from sessions s left join participants p using (session_id) "
        "group by s.session_id, s.participant_count having count(p.session_id) <> s.participant_count) x",
}


def expect(what, found, wanted):
    """Ends the program when a reader finds something else."""
    if found != wanted:
        sys.exit(f"{what}: found {found}, expected {wanted}")


def check(folder, scalar, types, wanted_types):
    """Checks one dataset; `scalar` answers a query with one value, `types` names a table's column types."""
    truth = json.loads((pathlib.Path(folder) / "truth.json").read_text())
    for table, key in KEYS.items():
        rows = scalar(f"select count(*) from {table}")
        expect(f"{folder}: rows of {table}", rows, truth[table])
        unique = scalar(f"select count(*) from (select distinct {key} from {table}) x")
        expect(f"{folder}: keys of {table}", unique, rows)
        found = types(table)
        for column, wanted in wanted_types.items():
            if column in found:
                expect(f"{folder}: type of {table}.{column}", found[column], wanted)
    for name, query in TRUTHS.items():
        expect(f"{folder}: {name}", int(scalar(query)), truth[name])
    for what, query in NONE.items():
        expect(f"{folder}: {what}", scalar(query), 0)
