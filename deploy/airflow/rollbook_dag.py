"""Exports VideoSDK sessions to Parquet every night. The page is docs/airflow.md.

rollbook must be on the PATH of the worker. Its settings come from the worker's environment (`ROLLBOOK_DATASET_URL`,
`ROLLBOOK_CONFIG` and so on), the token from the Airflow connection `videosdk`.

What an exit code leads to:

- 0 done and shown to be complete: `export` and `proven` succeed.
- 3 the data is written, and not shown to be complete: `export` succeeds, `proven` is skipped, and a message goes out. A task
  that may use what is there comes after `export`. A task that needs all of it comes after `proven`, and is skipped as well.
- 5, 6, 7 the API, the store or the lease of another run: `export` is tried again, with growing pauses.
- all else, such as 4 (the token is refused): `export` fails at once, since another try would bring the same.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import tempfile
from datetime import datetime, timedelta, timezone

from airflow.providers.smtp.notifications.smtp import SmtpNotifier
from airflow.sdk import BaseHook, BaseOperator, dag, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

log = logging.getLogger("airflow.task")

CONNECTION = "videosdk"
MAIL_TO = "ops@example.com"
MAIL_FROM = "airflow@example.com"

# 10: all is written, and only the printing failed.
WRITTEN = {0, 3, 10}
# The API, the store, the lease; and runs that were stopped by a signal, which go on where they were stopped.
WORTH_ANOTHER_TRY = {5, 6, 7, 129, 130, 143}


class Rollbook(BaseOperator):
    """Runs a command of rollbook, and returns how it has ended."""

    def __init__(self, *, arguments: list[str], **kwargs) -> None:
        super().__init__(**kwargs)
        self.arguments = arguments
        self.process: subprocess.Popen[str] | None = None

    def execute(self, context) -> dict:
        code, receipt, error = self.run()
        self.log.info("rollbook has ended with exit code %s", code)
        if code in WRITTEN:
            evidence = receipt.get("walk", {}).get("evidence")
            return {"exit_code": code, "outcome": receipt.get("outcome"), "evidence": evidence, "error": error}
        why = f"rollbook has ended with exit code {code}: {error}"
        if code in WORTH_ANOTHER_TRY or code < 0:
            raise AirflowException(why)
        raise AirflowFailException(why)

    def run(self) -> tuple[int, dict, str]:
        """The exit code, the receipt, and the line of the log that says what failed."""
        command = ["rollbook", *self.arguments, "--json", "--progress", "never"]
        error = ""
        with tempfile.TemporaryFile("w+") as receipt:
            self.process = subprocess.Popen(
                command, env=environment(), stdout=receipt, stderr=subprocess.PIPE, text=True, errors="replace"
            )
            try:
                for line in self.process.stderr:
                    self.log.info(line.rstrip())
                    if line.startswith("error: "):
                        error = line.removeprefix("error: ").rstrip()
                code = self.process.wait()
            finally:
                # Airflow ends a task by an exception: after a timeout, or where somebody has cleared the task.
                self.on_kill()
            receipt.seek(0)
            # After 10 it is not whole.
            return code, json.load(receipt) if code in {0, 3} else {}, error

    def on_kill(self) -> None:
        """Stops a run that is under way. The run cleans up and ends about a second later; the next one goes on there."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait()


def environment() -> dict[str, str]:
    """The worker's environment without Airflow's own secrets, and with the token, which only this process is given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "_AIRFLOW"))}
    connection = BaseHook.get_connection(CONNECTION)
    if connection.login:
        return kept | {"VIDEOSDK_API_KEY": connection.login, "VIDEOSDK_SECRET_KEY": connection.password}
    return kept | {"VIDEOSDK_TOKEN": connection.password}


def mail(subject: str, why: str) -> SmtpNotifier:
    """A message by the connection `smtp_default`. Any other notifier of Airflow can stand here, such as Slack's."""
    text = "<p>" + why + "</p><p>{{ dag.dag_id }}, {{ ti.task_id }}, try {{ ti.try_number }}: {{ ti.log_url }}</p>"
    return SmtpNotifier(to=MAIL_TO, from_email=MAIL_FROM, subject=subject, html_content=text)


@dag(
    dag_id="rollbook",
    schedule="30 3 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    # A night that was missed needs no run of its own: the next one reads back to where the last proven one stood.
    catchup=False,
    max_active_runs=1,
    tags=["videosdk"],
    doc_md=__doc__,
)
def rollbook() -> None:
    export = Rollbook(
        task_id="export",
        arguments=["export"],
        retries=5,
        # About 10, 20, 40, 60 and 60 minutes.
        retry_delay=timedelta(minutes=10),
        retry_exponential_backoff=2,
        max_retry_delay=timedelta(hours=1),
        execution_timeout=timedelta(hours=12),
        on_failure_callback=mail("rollbook has failed", "{{ exception | e }}"),
    )

    @task(
        retries=0,
        on_skipped_callback=mail("rollbook: not shown to be complete", "{{ ti.xcom_pull(task_ids='export')['error'] | e }}"),
    )
    def proven(verdict: dict) -> None:
        if verdict["exit_code"] == 3:
            log.warning("%s, evidence %s: %s", verdict["outcome"], verdict["evidence"], verdict["error"])
            raise AirflowSkipException(verdict["error"])

    proven(export.output)


rollbook()
