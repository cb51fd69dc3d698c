"""Exports VideoSDK sessions to Parquet with many tasks at once, on as many workers as Airflow has. The page is docs/many-machines.md.

As in rollbook_dag.py, rollbook must be on the PATH of the workers, its settings come from their environment, and the token comes from
the Airflow connection `videosdk`. The Airflow variable `rollbook_splits` says where the tasks leave what they have read: a place that
all workers reach, such as s3://bucket/rollbook-splits.

The order is `plan`, `fetch` once for each task that `plan` has printed, `join`, `publish` once for each task that `join` has printed,
`finish`, `proven`. What an exit code leads to:

- 0 the step is done.
- 3 (`finish` alone) the data is written, and not shown to be complete: `proven` is skipped, and a message goes out.
- 5, 6, 7 the API, the store or the lease of another run: the same task is tried again, with growing pauses; no other one is.
- all else, such as 4 (the token is refused): the task fails at once, and no later step begins.

A DAG run has one split. A task that is cleared goes on with it.
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

# How many tasks read. Airflow maps 1,024 at most (`core.max_map_length`).
TASKS = 16
# Tasks that read at once; `publish` has the same limit.
AT_ONCE = 16

# 10: all is written, and only the printing failed.
WRITTEN = {0, 3, 10}
# The API, the store, the lease; and runs that were stopped by a signal, which go on where they were stopped.
WORTH_ANOTHER_TRY = {5, 6, 7, 129, 130, 143}


class Step(BaseOperator):
    """Runs a step of a split, and returns what it has printed as JSON, with its exit code and its error."""

    template_fields = ("place",)

    def __init__(self, *, step: str, place: str, flags: list[str] | None = None, index: int | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.place = place
        self.step = step
        self.flags = flags or []
        self.index = index
        self.process: subprocess.Popen[str] | None = None

    def execute(self, context) -> dict:
        code, printed, error = self.run()
        self.log.info("rollbook has ended with exit code %s", code)
        if code in WRITTEN:
            return printed | {"exit_code": code, "error": error}
        why = f"rollbook has ended with exit code {code}: {error}"
        if code in WORTH_ANOTHER_TRY or code < 0:
            raise AirflowException(why)
        raise AirflowFailException(why)

    def command(self) -> list[str]:
        task = [] if self.index is None else ["--task", str(self.index)]
        return ["rollbook", "split", self.step, "--split", self.place, *task, *self.flags, "--progress", "never"]

    def run(self) -> tuple[int, dict, str]:
        """The exit code, what was printed, and the line of the log that says what failed."""
        error = ""
        with tempfile.TemporaryFile("w+") as printed:
            self.process = subprocess.Popen(
                self.command(), env=environment(), stdout=printed, stderr=subprocess.PIPE, text=True, errors="replace"
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
            printed.seek(0)
            # After 10 it is not whole.
            return code, json.load(printed) if "--json" in self.flags and code in {0, 3} else {}, error

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
    text = "<p>" + why + "</p><p>{{ dag.dag_id }}, {{ run_id }}</p>"
    return SmtpNotifier(to=MAIL_TO, from_email=MAIL_FROM, subject=subject, html_content=text)


@dag(
    dag_id="rollbook_split",
    # By hand, such as for the first export of a large account. With a schedule, pause the DAG `rollbook`.
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={
        "place": "{{ var.value.rollbook_splits }}/{{ dag_run.run_after.strftime('%Y%m%dT%H%M%S') }}",
        "retries": 5,
        # About 10, 20, 40, 60 and 60 minutes.
        "retry_delay": timedelta(minutes=10),
        "retry_exponential_backoff": 2,
        "max_retry_delay": timedelta(hours=1),
        "execution_timeout": timedelta(hours=12),
    },
    tags=["videosdk"],
    doc_md=__doc__,
)
def rollbook_split() -> None:
    @task
    def numbers(printed: dict, key: str) -> list[int]:
        return list(range(printed[key]))

    def mapped(step: str, before: Step, key: str):
        """A step with a task for each number below the one that the step before it has printed."""
        counted = numbers.override(task_id=f"{step}_tasks")(before.output, key)
        return Step.partial(task_id=step, step=step, max_active_tis_per_dagrun=AT_ONCE).expand(index=counted)

    plan = Step(task_id="plan", step="plan", flags=["--tasks", str(TASKS), "--json"])
    join = Step(task_id="join", step="join", flags=["--json"])
    finish = Step(task_id="finish", step="finish", flags=["--json"])

    @task(
        retries=0,
        on_skipped_callback=mail("rollbook: not shown to be complete", "{{ ti.xcom_pull(task_ids='finish')['error'] | e }}"),
    )
    def proven(verdict: dict) -> None:
        if verdict["exit_code"] == 3:
            log.warning("%s: %s", verdict.get("outcome"), verdict["error"])
            raise AirflowSkipException(verdict["error"])

    @task(trigger_rule="one_failed", retries=0, on_failure_callback=mail("rollbook has failed", "{{ exception | e }}"))
    def failed() -> None:
        """One message, however many tasks of a step have failed."""
        raise AirflowFailException("a step has failed: its log says why")

    fetch = mapped("fetch", plan, "fetch_tasks")
    publish = mapped("publish", join, "publish_tasks")
    fetch >> join
    publish >> finish
    proven(finish.output)
    [plan, fetch, join, publish, finish] >> failed()


rollbook_split()
