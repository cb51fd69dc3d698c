"""What a plain export writes, and whether a dataset that came about in another way is the same."""

from __future__ import annotations

import os
from pathlib import Path

from bed import TOKEN, Api, equal, run

# Many sessions and small partitions: several tasks have something to read, and several have something to publish.
ACCOUNT = ["--sessions", "2000"]
PARTITION_BY = "day"
STEPS = ["plan", "fetch", "join", "publish", "finish"]


def environment(url: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "VIDEOSDK_TOKEN": TOKEN,
        "ROLLBOOK_API_BASE_URL": url,
        "ROLLBOOK_DATASET_PARTITION_BY": PARTITION_BY,
    }


class Plain:
    """The files of a plain export, by their path in the dataset."""

    def __init__(self, rollbook: Path, api: Api, folder: Path) -> None:
        self.rollbook = rollbook
        self.environment = environment(api.url) | {"HOME": str(folder)}
        once, again = folder / "plain-once", folder / "plain-again"
        for dataset in (once, again):
            run(rollbook, "export", "--dest", dataset, "--quiet", env=self.environment)
        self.files, others = tables(once), tables(again)
        # A session that is still running has the time at which it was read, so that not even two plain exports write it alike.
        self.timed = {path for path in self.files if self.files[path] != others[path]}
        if not 0 < len(self.timed) < len(self.files) / 10:
            raise AssertionError(f"{len(self.timed)} of {len(self.files)} files differ between two plain exports")

    def equals(self, dataset: Path) -> None:
        """The dataset is sound, and has the same files with the same bytes."""
        run(self.rollbook, "verify", "--dest", dataset, "--quiet", env=self.environment)
        found = tables(dataset)
        equal(set(found), set(self.files), "files of the dataset")
        differing = {path for path in found if found[path] != self.files[path]}
        equal(differing - self.timed, set(), "files whose bytes are not those of a plain export")


def tables(dataset: Path) -> dict[str, bytes]:
    return {str(path.relative_to(dataset)): path.read_bytes() for path in dataset.glob("*/*/*.parquet")}
