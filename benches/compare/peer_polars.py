"""httpx fetches, Polars reads each page and explodes it, and writes three Parquet files."""

import httpx
import polars as pl

from pages import IN_FLIGHT, arguments, fetched, urls

TIMELOGS = pl.List(pl.Struct({"start": pl.String, "end": pl.String}))
PARTICIPANTS = pl.List(pl.Struct({"participantId": pl.String, "name": pl.String, "timelog": TIMELOGS}))
SESSION = pl.Struct(
    {
        "id": pl.String,
        "meetingId": pl.String,
        "start": pl.String,
        "end": pl.String,
        "chatLink": pl.String,
        "activeDuration": pl.Float64,
        "participants": PARTICIPANTS,
    }
)
PAGE = {"data": pl.List(SESSION)}
TIME = "%Y-%m-%dT%H:%M:%S%.3fZ"


def time(name):
    return pl.col(name).str.to_datetime(TIME, time_unit="us", time_zone="UTC")


def tables(body):
    """The three tables of a page."""
    sessions = pl.read_json(body, schema=PAGE).explode("data").unnest("data")
    sessions = sessions.with_columns(time("start"), time("end"))
    parents = [pl.col("id"), "meetingId", pl.col("start").alias("session_start"), pl.col("end").alias("session_end")]
    participants = (
        sessions.select(*parents, "participants", pl.int_ranges(pl.col("participants").list.len()).alias("participant"))
        .filter(pl.col("participants").list.len() > 0)
        .explode("participants", "participant")
        .unnest("participants")
    )
    timelogs = (
        participants.drop("name")
        .with_columns(pl.int_ranges(pl.col("timelog").list.len()).alias("index"))
        .filter(pl.col("timelog").list.len() > 0)
        .explode("timelog", "index")
        .unnest("timelog")
        .with_columns(time("start"), time("end"))
        .with_columns((pl.col("end") - pl.col("start")).dt.total_milliseconds().alias("duration_ms"))
    )
    counted = pl.col("participants").list.len()
    return sessions.with_columns(counted), participants.with_columns(pl.col("timelog").list.len()), timelogs


base_url, pages, per_page, folder = arguments()
client = httpx.Client(limits=httpx.Limits(max_connections=IN_FLIGHT), timeout=60)
made = [tables(body) for body in fetched(lambda url: client.get(url).content, urls(base_url, pages, per_page))]
for table, frames in zip(["sessions", "participants", "timelogs"], zip(*made)):
    pl.concat(frames).write_parquet(folder / f"{table}.parquet", compression="zstd", compression_level=1)
