"""The Airflow DAGs, run by the Airflow that requirements.txt names."""

from __future__ import annotations

import ast
import json
import os
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

from bed import DEPLOY, TOKEN, Api, contains, equal, run
from pages import commands, text


def nights(rollbook: Path, folder: Path) -> None:
    """Airflow: 0 succeeds, 429 is tried again, 3 warns and skips, 4 fails at once, a timeout stops the run; mapped tasks, too."""
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
    shutil.copy(DEPLOY / "airflow/rollbook_split_dag.py", folder / "airflow/dags")
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
    splits(nights)


def splits(nights: dict[str, dict]) -> None:
    """What became of the nights with mapped tasks. That the first one wrote what a plain export does was compared there."""

    def ended(name: str, run: str, **states: str) -> list[str]:
        """`states` has the tasks that are there but have not succeeded."""
        tasks = nights[name]["tasks"]
        equal(nights[name]["run"], run, f"the night {name!r}")
        equal({task: state for task, state in tasks.items() if state != "success"}, states, f"tasks of the night {name!r}")
        return nights[name]["mails"]

    equal(ended("split", "success", failed="skipped"), [], "mails of a good split")
    for step in ("fetch", "publish"):
        mapped = [task for task in nights["split"]["tasks"] if task.startswith(f"{step}[")]
        equal(len(mapped) > 1, True, f"{step} is mapped: {mapped}")
    [warning] = ended("split odd", "success", proven="skipped", failed="skipped")
    contains(warning, "rollbook: not shown to be complete", "new records could not be read whole")
    later = ("fetch_tasks", "fetch", "join", "publish_tasks", "publish", "finish", "proven")
    [refused] = ended("split refused", "failed", plan="failed", failed="failed", **dict.fromkeys(later, "upstream_failed"))
    contains(refused, "rollbook has failed")


def alike(_: Path, __: Path) -> None:
    """Airflow: what the two DAGs have in common is the same in both."""
    night, split = (definitions(DEPLOY / f"airflow/{name}.py") for name in ("rollbook_dag", "rollbook_split_dag"))
    for name in ("WRITTEN", "WORTH_ANOTHER_TRY", "CONNECTION", "environment", "on_kill"):
        equal(split[name], night[name], name)


def definitions(file: Path) -> dict[str, str]:
    """The source of each constant, function and method of a file."""
    text = file.read_text()
    found = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            found[node.name] = ast.get_source_segment(text, node)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = ast.get_source_segment(text, node)
    return found


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


CHECKS = [nights, alike]
