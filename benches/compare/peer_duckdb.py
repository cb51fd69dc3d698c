"""DuckDB reads the URLs of the pages with its httpfs extension, unnests them, and writes three Parquet files."""

from pathlib import Path

import duckdb
import duckdb_extension_httpfs

from pages import arguments, urls

TIMELOGS = 'STRUCT("start" TIMESTAMPTZ, "end" TIMESTAMPTZ)[]'
PARTICIPANTS = f"STRUCT(participantId VARCHAR, name VARCHAR, timelog {TIMELOGS})[]"
SESSIONS = (
    'STRUCT(id VARCHAR, meetingId VARCHAR, "start" TIMESTAMPTZ, "end" TIMESTAMPTZ, chatLink VARCHAR, '
    f"activeDuration DOUBLE, participants {PARTICIPANTS})[]"
)
READ = f"""
CREATE TEMP TABLE raw AS SELECT unnest(data) AS s
FROM read_json(?, format = 'newline_delimited', maximum_object_size = 33554432, columns = {{data: '{SESSIONS}'}})
"""
OF_SESSIONS = """
SELECT s.id, s.meetingId, s.start, s."end", s.chatLink, s.activeDuration, len(s.participants) AS participants
FROM raw
"""
OF_PARTICIPANTS = """
SELECT id, meetingId, "start", "end", i - 1 AS participant, p.participantId AS participantId, p.name AS name,
       len(p.timelog) AS timelogs
FROM (SELECT s.id AS id, s.meetingId AS meetingId, s.start AS "start", s."end" AS "end",
             unnest(s.participants) AS p, generate_subscripts(s.participants, 1) AS i FROM raw)
"""
OF_TIMELOGS = """
SELECT id, meetingId, session_start, session_end, participant, participantId, j - 1 AS timelog,
       t.start AS "start", t."end" AS "end", epoch_ms(t."end") - epoch_ms(t.start) AS duration_ms
FROM (SELECT id, meetingId, session_start, session_end, i - 1 AS participant, p.participantId AS participantId,
             unnest(p.timelog) AS t, generate_subscripts(p.timelog, 1) AS j
      FROM (SELECT s.id AS id, s.meetingId AS meetingId, s.start AS session_start, s."end" AS session_end,
                   unnest(s.participants) AS p, generate_subscripts(s.participants, 1) AS i FROM raw))
"""

base_url, pages, per_page, folder = arguments()
extension = next(Path(duckdb_extension_httpfs.__file__).parent.glob("extensions/*/httpfs.duckdb_extension"))
connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
connection.execute(f"LOAD '{extension}'")
connection.execute("SET TimeZone = 'UTC'")
connection.execute(READ, [urls(base_url, pages, per_page)])
for table, query in [("sessions", OF_SESSIONS), ("participants", OF_PARTICIPANTS), ("timelogs", OF_TIMELOGS)]:
    target = f"{folder}/{table}.parquet"
    connection.execute(f"COPY ({query}) TO '{target}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)")
