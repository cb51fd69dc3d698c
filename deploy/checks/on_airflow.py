"""The Airflow DAG, run by the Airflow that requirements.txt names."""

from __future__ import annotations

import json
import os
import sys
from importlib.metadata import version
from pathlib import Path

from bed import DEPLOY, TOKEN, Api, contains, equal, run
from pages import commands, text


def nights(rollbook: Path, folder: Path) -> None:
    """Airflow: 0 succeeds, 429 is tried again, 3 warns and skips, 4 fails at once, a timeout stops the run."""
    programs = folder / "bin"
    programs.mkdir()
    (programs / "rollbook").symlink_to(rollbook)
    environment = {
        "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        # Airflow would tell its makers that it was started.
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    run("airflow", "db", "migrate", env=environment)
    follow_page(rollbook, folder, environment)
    told = folder / "told.json"
    log = run(sys.executable, DEPLOY / "checks/airflow_nights.py", rollbook, told, env=environment)
    nights = json.loads(told.read_text())

    def ended(name: str, run: str, export: str, proven: str, tries: int, exit_codes: list[int]) -> list[str]:
        night = nights[name]
        found = [night[key] for key in ("run", "export", "proven", "tries", "exit_codes")]
        equal(found, [run, export, proven, tries, exit_codes], f"the night {name!r}")
        return night["mails"]

    equal(ended("good", "success", "success", "success", 1, [0]), [], "mails of a good night")
    equal(ended("throttled", "success", "success", "success", 2, [5, 0]), [], "mails of a night with 429")
    if not nights["throttled"]["refused"]:
        raise AssertionError("no request was answered with 429")
    contains(log, "429 Too Many Requests")

    [warning] = ended("odd", "success", "success", "skipped", 1, [3])
    contains(warning, "rollbook: not shown to be complete", "6 new records could not be read whole")
    [refused] = ended("refused", "failed", "failed", "upstream_failed", 1, [4])
    contains(refused, "rollbook has failed", "exit code 4: the API answered 401")
    [slow] = ended("slow", "failed", "failed", "upstream_failed", 1, [143])
    contains(slow, "rollbook has failed")


def follow_page(rollbook: Path, folder: Path, environment: dict[str, str]) -> None:
    """Runs the commands of docs/airflow.md, in a folder with a token, as in a checkout."""
    contains(text("airflow"), f"Tried with Airflow {version('apache-airflow')}.")
    (folder / "token").write_text(TOKEN)
    (folder / "deploy").symlink_to(DEPLOY)
    (folder / "airflow/dags").mkdir()
    with Api(rollbook, "--sessions", "300") as api:
        settings = {"ROLLBOOK_API_BASE_URL": api.url, "ROLLBOOK_DATASET_URL": str(folder / "page")}
        printed = ""
        for heading in ("Install", "The first night"):
            for block in commands("airflow", heading):
                printed += run("bash", "-euc", block, env=environment | settings, cwd=folder)
    contains(printed, "No data found", "rollbook has ended with exit code 0")


CHECKS = [nights]
