"""requests fetches, the json module reads, and pyarrow writes three Parquet files page by page."""

import threading
from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import requests

from pages import arguments, fetched, urls

TIME = pa.timestamp("us", "UTC")
PARENTS = [("session_id", pa.string()), ("meeting_id", pa.string()), ("session_start", TIME), ("session_end", TIME)]
SCHEMAS = {
    "sessions": pa.schema(
        [("id", pa.string()), ("meeting_id", pa.string()), ("start", TIME), ("end", TIME), ("chat_link", pa.string())]
        + [("active_duration", pa.float64()), ("participants", pa.int32())]
    ),
    "participants": pa.schema(
        PARENTS + [("participant", pa.int32()), ("participant_id", pa.string()), ("name", pa.string())]
    ),
    "timelogs": pa.schema(
        PARENTS
        + [("participant", pa.int32()), ("participant_id", pa.string()), ("timelog", pa.int32())]
        + [("start", TIME), ("end", TIME), ("duration_ms", pa.int64())]
    ),
}


def time(text):
    return None if text is None else datetime.fromisoformat(text)


def rows(sessions):
    """The rows of the three tables, as tuples."""
    of_sessions, of_participants, of_timelogs = [], [], []
    for session in sessions:
        start, end = time(session.get("start")), time(session.get("end"))
        entries = session.get("participants") or []
        parents = (session["id"], session.get("meetingId"), start, end)
        of_sessions.append((*parents, session.get("chatLink"), float(session.get("activeDuration") or 0), len(entries)))
        for index, entry in enumerate(entries):
            of_participants.append((*parents, index, entry.get("participantId"), entry.get("name")))
            for number, log in enumerate(entry.get("timelog") or []):
                joined, left = time(log.get("start")), time(log.get("end"))
                duration = None if joined is None or left is None else int((left - joined).total_seconds() * 1000)
                of_timelogs.append((*parents, index, entry.get("participantId"), number, joined, left, duration))
    return of_sessions, of_participants, of_timelogs


def batch(schema, tuples):
    columns = zip(*tuples) if tuples else [[] for _ in schema]
    return pa.RecordBatch.from_arrays([pa.array(c, field.type) for c, field in zip(columns, schema)], schema=schema)


def get(url):
    if not hasattr(local, "session"):
        local.session = requests.Session()
    return local.session.get(url, timeout=60).json()["data"]


local = threading.local()
base_url, pages, per_page, folder = arguments()
writers = [
    pq.ParquetWriter(folder / f"{table}.parquet", schema, compression="zstd", compression_level=1)
    for table, schema in SCHEMAS.items()
]
waiting = [[] for _ in SCHEMAS]
ROWS = 100_000


def write(least):
    for writer, schema, batches in zip(writers, SCHEMAS.values(), waiting):
        if sum(len(one) for one in batches) >= least:
            writer.write_table(pa.Table.from_batches(batches, schema))
            batches.clear()


for sessions in fetched(get, urls(base_url, pages, per_page)):
    for schema, batches, tuples in zip(SCHEMAS.values(), waiting, rows(sessions)):
        batches.append(batch(schema, tuples))
    write(ROWS)
write(0)
for writer in writers:
    writer.close()
