"""Runs the DAGs with Airflow itself, a night for each kind of end, and writes as JSON what became of each.

Started by `on_airflow.py` in an environment where AIRFLOW_HOME is new and rollbook is on the PATH.
"""

from __future__ import annotations

import email
import email.policy
import json
import os
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import bed
import plain

HOME = Path(os.environ["AIRFLOW_HOME"])


def loaded(name: str):
    """A DAG as Airflow reads it from the folder."""
    from airflow.dag_processing.dagbag import BundleDagBag

    folder = HOME / "dags"
    bag = BundleDagBag(dag_folder=folder, bundle_path=folder, bundle_name="dags-folder")
    bed.equal(dict(bag.import_errors), {}, "import errors")
    bed.equal(sorted(bag.dags), ["rollbook", "rollbook_split"], "DAGs")
    return bag.dags[name]


class Nights:
    def __init__(self, mailbox: bed.Mailbox) -> None:
        self.mailbox = mailbox
        self.told: dict[str, dict] = {}

    def run(self, name: str, url: str, token: str = bed.TOKEN, change: Callable = lambda export: None, **settings: str) -> None:
        """A night with an API at an address. `change` may set what a night of the check can't wait for."""
        dag = loaded("rollbook")
        export = dag.task_dict["export"]
        export.retry_delay = timedelta(seconds=1)
        change(export)
        tasks = self.test(name, dag, url, token, **settings)
        self.told[name] |= {
            "export": tasks["export"].state,
            "tries": tasks["export"].try_number,
            "proven": tasks["proven"].state,
            "exit_codes": [json.loads(path.read_text())["exit_code"] for path in sorted(HOME.glob(f"{name}/_rollbook/runs/*.json"))],
        }

    def split(self, name: str, url: str, token: str = bed.TOKEN) -> None:
        """A night of the DAG whose tasks are mapped."""
        tasks = self.test(name, loaded("rollbook_split"), url, token, AIRFLOW_VAR_ROLLBOOK_SPLITS=str(HOME / "splits" / name))
        self.told[name]["tasks"] = {label: task.state for label, task in tasks.items()}

    def test(self, name: str, dag, url: str, token: str, **settings: str) -> dict:
        """Runs a DAG; returns its tasks by name, a mapped one with its number."""
        os.environ |= settings | {
            "ROLLBOOK_API_BASE_URL": url,
            "ROLLBOOK_DATASET_URL": str(HOME / name),
            "AIRFLOW_CONN_VIDEOSDK": json.dumps({"conn_type": "generic", "password": token}),
        }
        self.mailbox.messages.clear()
        run = dag.test(logical_date=datetime(2026, 11, 1 + len(self.told), 3, 30, tzinfo=timezone.utc))
        self.told[name] = {"run": run.state, "mails": [mail_text(message) for message in self.mailbox.messages]}
        tasks = run.get_task_instances()
        return {task.task_id if task.map_index < 0 else f"{task.task_id}[{task.map_index}]": task for task in tasks}


def mail_text(message: str) -> str:
    """Subject and text of a message."""
    mail = email.message_from_string(message, policy=email.policy.default)
    return f"{mail['Subject']}: {mail.get_body().get_content().strip()}"


def main(rollbook: Path) -> dict:
    with bed.Mailbox() as mailbox, bed.Api(rollbook, "--sessions", "300") as api:
        connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": mailbox.port}
        os.environ["AIRFLOW_CONN_SMTP_DEFAULT"] = json.dumps(connection | {"extra": {"disable_tls": True, "disable_ssl": True}})
        nights = Nights(mailbox)
        nights.run("good", api.url)
        nights.run("refused", api.url, token="another-token")
        with bed.Api(rollbook, "--sessions", "300", "--reject-every", "50") as odd:
            nights.run("odd", odd.url)
        with bed.Api(rollbook, "--sessions", "5000", "--latency", "300ms") as slow:
            nights.run("slow", slow.url, change=short)
        with bed.Throttle(api) as throttle:
            relenting = {"on_retry_callback": [lambda _: throttle.relent()]}
            nights.run("throttled", throttle.url, change=lambda export: vars(export).update(relenting), ROLLBOOK_API_RETRY_BUDGET="1s")
            nights.told["throttled"]["refused"] = throttle.refused
        splits(rollbook, nights)
    return nights.told


def splits(rollbook: Path, nights: Nights) -> None:
    os.environ["ROLLBOOK_DATASET_PARTITION_BY"] = plain.PARTITION_BY
    (HOME / "splits").mkdir()
    with bed.Api(rollbook, *plain.ACCOUNT) as api:
        expected = plain.Plain(rollbook, api, HOME)
        nights.split("split", api.url)
        expected.equals(HOME / "split")
        nights.split("split refused", api.url, token="another-token")
    with bed.Api(rollbook, *plain.ACCOUNT, "--reject-every", "50") as odd:
        nights.split("split odd", odd.url)


def short(export) -> None:
    export.execution_timeout = timedelta(seconds=2)
    export.retries = 0


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(main(Path(sys.argv[1]))))
