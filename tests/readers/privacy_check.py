"""What `[privacy]` makes of an account, computed once more from an open dataset of the same account.

Arguments: the open dataset, the protected one, and the settings as JSON: key (hexadecimal), pseudonymize, drop, exclude. The open
dataset was exported with the default `[people]`.
"""

import base64
import hashlib
import hmac
import json
import re
import sys

import duckdb
from people_key import normal

ID = "session_id, participant_index"


def token(key, column, value):
    made = hmac.new(key, column.encode() + b"\0" + value.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made).decode()[:22]


def union_ms(spans):
    """Milliseconds covered by half-open spans of microseconds, floored once."""
    covered, reach = 0, None
    for start, end in sorted(spans):
        if reach is None or start > reach:
            reach = start
        covered += max(0, end - reach)
        reach = max(reach, end)
    return covered // 1000


def main():
    open_dataset, protected, settings = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    key = bytes.fromhex(settings["key"])
    tokens, dropped = settings["pseudonymize"], settings["drop"]
    excluded = [re.compile(pattern) for pattern in settings["exclude"]]
    protects_people = any(column in tokens + dropped for column in ("name", "participant_id"))
    db = duckdb.connect()

    def rows(dataset, table, columns, key_columns):
        read = db.execute(f"SELECT {columns} FROM read_parquet('{dataset}/{table}/*/*.parquet')").fetchall()
        wide = len(key_columns.split(","))
        return {row[:wide]: row[wide:] for row in read}

    def kept(column, value):
        if column in dropped or value is None:
            return None
        if column in tokens:
            return token(key, column, normal(value) if column == "name" else value)
        return value

    def person(raw):
        if not protects_people or raw.startswith("#"):
            return raw
        return ("id:" if raw.startswith("id:") else "") + token(key, "person", raw)

    columns = f"{ID}, participant_id, name, person, attended_ms, is_present, extra, is_excluded"
    listed = rows(open_dataset, "participants", columns, ID)
    found = rows(protected, "participants", columns, ID)
    assert listed.keys() == found.keys(), "other rows"
    flags, persons = {}, {}
    for place, (participant_id, name, raw, attended, present, _, _) in listed.items():
        values = [value for value in (participant_id, name) if value is not None]
        flags[place] = any(pattern.search(value) for pattern in excluded for value in values)
        persons[place] = person(raw)
        wanted = (kept("participant_id", participant_id), kept("name", name), persons[place], attended, present)
        assert found[place][:5] == wanted, (place, found[place], wanted)
        assert found[place][6] == flags[place], (place, name, participant_id)
        if tokens or dropped:
            assert found[place][5] is None, "extra is there"

    columns = f"{ID}, timelog_index, participant_id, person, is_excluded, epoch_us(effective_started_at), epoch_us(effective_ended_at)"
    logs = rows(protected, "timelogs", columns, f"{ID}, timelog_index")
    spans = {}
    for (session, index, _), (participant_id, whose, is_excluded, start, end) in logs.items():
        place = session, index
        assert (participant_id, whose, is_excluded) == (found[place][0], persons[place], flags[place]), place
        if start is not None and not is_excluded:
            spans.setdefault(session, {}).setdefault(place, []).append((start, end))

    columns = (
        "session_id, custom_room_id, chat_link, extra, total_attended_ms, occupied_ms, person_count, participant_count, timelog_count"
    )
    before = rows(open_dataset, "sessions", columns, "session_id")
    after = rows(protected, "sessions", columns, "session_id")
    assert before.keys() == after.keys(), "other sessions"
    by_session = {}
    for place in found:
        by_session.setdefault(place[0], []).append(place)
    for (session,), (room, chat, _, _, _, _, entries, timelogs) in before.items():
        row = after[session,]
        assert row[0] == kept("custom_room_id", room), (session, room, row)
        assert row[1] == (None if "chat_link" in dropped else chat), (session, row)
        counts = [place for place in by_session.get(session, []) if not flags[place]]
        own = spans.get(session, {})
        attended = sum(found[place][3] for place in counts)
        occupied = union_ms([span for entry in own.values() for span in entry])
        people = len({persons[place] for place in counts})
        assert row[3:] == (attended, occupied, people, entries, timelogs), (session, row, attended, occupied, people)
    print(len(found), sum(flags.values()))


main()
