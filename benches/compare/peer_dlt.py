"""dlt with its defaults: a resource that yields pages, nested lists as child tables, Parquet files in a folder."""

import os

import dlt
import requests

from pages import arguments, fetched, urls

base_url, pages, per_page, folder = arguments()
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
http = requests.Session()


@dlt.resource(name="sessions", primary_key="id", write_disposition="replace")
def sessions():
    yield from fetched(lambda url: http.get(url, timeout=60).json()["data"], urls(base_url, pages, per_page))


pipeline = dlt.pipeline(
    pipeline_name="compare",
    pipelines_dir=str(folder / "pipelines"),
    destination=dlt.destinations.filesystem(folder.absolute().as_uri()),
    dataset_name="data",
)
pipeline.run(sessions(), loader_file_format="parquet")
