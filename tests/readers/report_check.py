"""Counts a dataset in DuckDB and compares the CSV files of a report with that, cell by cell.

python report_check.py DATASET CSV_FOLDER ZONE [CONDITION on sessions]
"""

import csv
import sys
from pathlib import Path

import duckdb

dataset, folder, zone = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
condition = sys.argv[4] if len(sys.argv) > 4 else "true"
db = duckdb.connect()
db.execute(f"SET TimeZone = '{zone}'")
for table in ["sessions", "participants", "timelogs"]:
    only = condition if table == "sessions" else "session_id IN (SELECT session_id FROM sessions)"
    source = f"read_parquet('{dataset}/{table}/**/*.parquet', hive_partitioning = false)"
    db.execute(f"CREATE TABLE {table} AS SELECT * FROM {source} WHERE {only}")

db.execute("""
CREATE TABLE pieces AS
WITH spans AS (
  SELECT t.session_id, p.person, epoch_us(effective_started_at) AS s, epoch_us(effective_ended_at) AS e
  FROM timelogs t JOIN participants p USING (session_id, participant_index)
  WHERE effective_started_at IS NOT NULL AND NOT t.is_excluded AND NOT p.is_excluded
), reach AS (
  SELECT *, max(e) OVER (PARTITION BY session_id, person ORDER BY s, e ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS r
  FROM spans
)
SELECT session_id, person, greatest(s, coalesce(r, s)) AS s, e FROM reach WHERE e > greatest(s, coalesce(r, s));

CREATE TABLE attendance AS
WITH entries AS (
  SELECT session_id, person, sum(join_count) AS joins, min(first_joined_at) AS first_joined_at,
         CASE WHEN bool_or(is_present) THEN NULL ELSE max(last_left_at) END AS last_left_at, bool_or(is_present) AS is_present
  FROM participants WHERE NOT is_excluded GROUP BY ALL
), attended AS (SELECT session_id, person, sum(e - s) // 1000 AS attended_ms FROM pieces GROUP BY ALL)
SELECT entries.*, s.meeting_id, s.started_at, s.ended_at, s.duration_ms, s.observed_at, coalesce(attended_ms, 0)::BIGINT AS attended_ms
FROM entries JOIN sessions s USING (session_id) LEFT JOIN attended USING (session_id, person);
""")

DAY = "coalesce(CAST(CAST(started_at AS DATE) AS VARCHAR), '')"
EXPECTED = {
    "daily.csv": f"""
        SELECT {DAY} AS day, count(*), count(DISTINCT meeting_id), coalesce(any_value(persons), 0),
               coalesce(sum(duration_ms), 0), sum(occupied_ms), coalesce(any_value(attended), 0), max(peak_participants)
        FROM sessions LEFT JOIN (
          SELECT {DAY} AS d, count(DISTINCT person) AS persons, sum(attended_ms) AS attended FROM attendance GROUP BY 1
        ) ON d = {DAY} GROUP BY 1 ORDER BY 1""",
    "meetings.csv": """
        SELECT meeting_id, count(*), epoch_us(min(started_at)), epoch_us(max(started_at)), coalesce(sum(duration_ms), 0),
               sum(occupied_ms), coalesce(any_value(attended), 0), coalesce(any_value(persons), 0), max(peak_participants)
        FROM sessions LEFT JOIN (
          SELECT meeting_id, count(DISTINCT person) AS persons, sum(attended_ms) AS attended FROM attendance GROUP BY 1
        ) USING (meeting_id) WHERE meeting_id IS NOT NULL GROUP BY 1 ORDER BY 7 DESC, 1 LIMIT 1000""",
    "people.csv": """
        SELECT person, count(*), sum(attended_ms), epoch_us(min(first_joined_at)),
               epoch_us(max(CASE WHEN is_present THEN observed_at ELSE last_left_at END)),
               round(avg(attended_ms / nullif(duration_ms, 0)), 6)
        FROM attendance GROUP BY 1 ORDER BY 3 DESC, 1 LIMIT 1000""",
    "hours.csv": """
        SELECT isodow(t), hour(t), sum(least(e, q + 900000000) - greatest(s, q)) FROM (
          SELECT s, e, q, timezone('UTC', make_timestamp(q)) AS t
          FROM (SELECT s, e, unnest(range(s - s % 900000000, e, 900000000)) AS q FROM pieces)
        ) GROUP BY 1, 2 ORDER BY 1, 2""",
    "open_sessions.csv": """
        SELECT session_id, coalesce(meeting_id, ''), epoch_us(started_at), epoch_us(observed_at), coalesce(any_value(n), 0)
        FROM sessions LEFT JOIN (SELECT session_id, count(*) AS n FROM attendance WHERE is_present GROUP BY 1) USING (session_id)
        WHERE is_open GROUP BY ALL ORDER BY 3 DESC NULLS LAST, session_id DESC LIMIT 50""",
    "anomaly_counts.csv": " UNION ALL ".join(
        f"SELECT '{table}' AS t, a, count(*) FROM (SELECT unnest(anomalies) AS a FROM {table}) GROUP BY a"
        for table in ["sessions", "participants", "timelogs"]
    ),
}


def late(column, bounds):
    ranges = [f"count(*) FILTER (WHERE least(ms // 60000, {10**9}) >= {low} AND ms // 60000 < {high})" for low, high in bounds]
    return f"SELECT {', '.join(ranges)} FROM ({column})"


SPREADS = {
    "late.csv": "SELECT greatest(0, (epoch_us(first_joined_at) - epoch_us(started_at)) // 1000) AS ms FROM attendance WHERE first_joined_at >= '0001-01-01' AND started_at IS NOT NULL",
    "early.csv": "SELECT greatest(0, (epoch_us(ended_at) - epoch_us(last_left_at)) // 1000) AS ms FROM attendance WHERE last_left_at IS NOT NULL AND ended_at IS NOT NULL",
    "active_time.csv": "SELECT occupied_ms AS ms FROM sessions",
}


def rows(name):
    with open(folder / name, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def micros(text):
    return db.execute("SELECT epoch_us(?::TIMESTAMPTZ)", [text]).fetchone()[0] if text else None


def undefused(text):
    return text[1:] if text[:1] == "'" and text[1:2] in "=+-@\t\r\n" else text


def given(name):
    found = rows(name)
    number = lambda text: int(text) if text else None
    match name:
        case "daily.csv":
            return [(row["day"], *(int(row[key]) for key in list(row)[1:])) for row in found]
        case "meetings.csv":
            keys = list(found[0]) if found else []
            return [
                tuple(undefused(row[key]) if key == "meeting_id" else micros(row[key]) if key.endswith("_at") else number(row[key]) for key in keys)
                for row in found
            ]
        case "people.csv":
            share = lambda row: round(float(row["mean_share"]), 6) if row["mean_share"] else None
            return [
                (undefused(row["person"]), int(row["sessions"]), int(row["attended_ms"]), micros(row["first_seen_at"]), micros(row["last_seen_at"]), share(row))
                for row in found
            ]
        case "hours.csv":
            return [(int(row["weekday"]), int(row["hour"]), int(row["attended_ms"])) for row in found if int(row["attended_ms"])]
        case "open_sessions.csv":
            return [(undefused(row["session_id"]), undefused(row["meeting_id"]), micros(row["started_at"]), micros(row["observed_at"]), int(row["present"])) for row in found]
        case "anomaly_counts.csv":
            return sorted((row["table_name"], row["anomaly"], int(row["rows"])) for row in found)


def near(a, b):
    return a == b or isinstance(a, float) and isinstance(b, float) and abs(a - b) < 2e-6


wrong = []
for name, question in EXPECTED.items():
    expected = db.execute(question).fetchall()
    if name == "anomaly_counts.csv":
        expected = sorted(expected)
    if name == "hours.csv":
        expected = [(day, hour, micros // 1000) for day, hour, micros in expected if micros // 1000]
    found = given(name)
    same = len(found) == len(expected) and all(near(a, b) for x, y in zip(found, expected) for a, b in zip(x, y, strict=True))
    if not same:
        first = next((pair for pair in zip(found, expected) if not all(near(a, b) for a, b in zip(*pair))), None)
        wrong.append(f"{name}: {len(found)} rows, {len(expected)} expected; first difference: {first}")
for name, question in SPREADS.items():
    found = rows(name)
    bounds = [(int(row["from_min"]), int(row["below_min"] or 10**12)) for row in found]
    expected = list(db.execute(late(question, bounds)).fetchone())
    if [int(row["count"]) for row in found] != expected:
        wrong.append(f"{name}: {[row['count'] for row in found]}, {expected} expected")
if wrong:
    sys.exit("\n".join(wrong))
print(f"{len(EXPECTED) + len(SPREADS)} files agree with DuckDB: {len(rows('daily.csv'))} days, {len(rows('people.csv'))} persons")
