"""rollbook on Spark: one export by many workers, many exports with a worker each, and the tables as DataFrames.

    receipts = rollbook.spark.export(spark, dest="s3://bucket/rollbook", split="s3://bucket/split", tasks=16, config="/etc/r.toml")

As a script: `spark-submit $(python -c 'import rollbook.spark as s; print(s.__file__)') export --dest ... --split ... --tasks 16`.

Every worker has this package installed and runs its program. Nothing is believed but the files that the program leaves: a worker
that was given up may go on and finish, a task may run twice or its answer may be lost, and none of that matters. Credentials are
found by the program on each machine, in that machine's files and environment; no function here takes or sends one. Only the
functions of `SparkSession` and `DataFrame` are used, so that all of this runs over Spark Connect, too.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rollbook import _child, binary_path

if TYPE_CHECKING:
    import pyarrow
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["Account", "RollbookError", "export", "export_accounts", "load", "main"]

PROVEN, NOT_PROVEN, UNEXPECTED = 0, 3, 1
# Worth a retry: the API, the dataset, another run. Not worth one: usage, credentials, an API that breaks its contract.
AGAIN, FINAL = {5, 6, 7}, {2, 4, 8}
ROUNDS = 3
LOOK_EVERY = 3.0
RECEIPT = "dest string, exit_code int, outcome string, run_id string, message string, receipt string"
TASK_ROW = "task long, exit_code int, message string, output string"
VIEW = re.compile(r"^CREATE OR REPLACE TEMPORARY VIEW (\w+)", re.MULTILINE)

Task = Callable[[int], _child.Ended]


class RollbookError(Exception):
    """What the program said when it could not go on: `exit_code` as in `rollbook --help`, and the `task` where it was one."""

    def __init__(self, exit_code: int, message: str, task: int | None = None) -> None:
        super().__init__(message)
        self.exit_code, self.message, self.task = exit_code, message, task


class TaskFailed(Exception):
    """A task that is worth a retry: Spark runs it again."""

    SAID = re.compile(r"TaskFailed: (\w+ task (\d+) ended with exit code (-?\d+)\n.*?)\n(?: SQLSTATE| *\n)", re.DOTALL)

    @classmethod
    def found_in(cls, error: Exception) -> RollbookError:
        """What the task has said on whose account a job has failed; what Spark says where no task has said anything."""
        said = cls.SAID.search(f"{error}\n\n")
        if said is None:
            return RollbookError(UNEXPECTED, str(error)[: _child.TAIL])
        return RollbookError(int(said[3]), said[1], int(said[2]))


@dataclass(frozen=True)
class Account:
    """One of many accounts: its name in the result, the profile of the settings file, and a dataset where the profile has none."""

    name: str
    profile: str | None = None
    dest: str | None = None

    @classmethod
    def of(cls, account: Account | Mapping[str, str] | str) -> Account:
        """An account that was given as the name of its profile, or as a mapping with `name`, `profile` and `dest`."""
        if isinstance(account, Account):
            return account
        return cls(account, account) if isinstance(account, str) else cls(**account)


@dataclass(frozen=True)
class Program:
    """How the program is called, here and on every worker: the same settings, and the binary of each machine's own package."""

    binary: str | None = None
    config: str | None = None
    profile: str | None = None
    dest: str | None = None
    progress: bool = False

    def run(self, *arguments: str, with_parent: bool = False, aloud: bool = True) -> _child.Ended:
        """Runs it to its end; errors of `_child.run`."""
        progress = None if self.progress else "never"
        flags = {"--config": self.config, "--profile": self.profile, "--dest": self.dest, "--progress": progress}
        given = [word for flag, value in flags.items() if value is not None for word in (flag, value)]
        command = [str(self.binary or binary_path()), *arguments, *given]
        return _child.run(command, _child.environment(self.config), with_parent, aloud)

    def ask(self, *arguments: str, fine: Iterable[int] = (PROVEN,)) -> str:
        """What it prints on its standard output; any other exit code than those is an error."""
        ended = self.run(*arguments)
        if ended.code not in fine:
            raise RollbookError(ended.code, ended.message)
        return ended.output


def export(
    spark: SparkSession,
    dest: str | None = None,
    split: str | None = None,
    tasks: int | None = None,
    config: str | None = None,
    profile: str | None = None,
    limit: str | None = None,
    binary: str | None = None,
    progress: bool = True,
) -> DataFrame:
    """Exports one account by many tasks, and returns its receipt: one row, with `exit_code` 0 or 3 as `rollbook export` has them.

    `split` is a place that all workers can reach, a folder or a URL, and a new one for each export; `config` is a file that each
    of them has. Whatever stops this function, calling it again with the same split goes on where it was. Progress goes to
    standard error.

    Raises `RollbookError` with any other exit code. After 5, 6 and 7 calling again may help.
    """
    if split is None:
        raise RollbookError(2, "a split is needed: a place that all workers can reach")
    program = Program(binary, config, profile, progress=progress)
    wanted = {"--tasks": tasks, "--limit": limit}
    flags = [f"{flag}={value}" for flag, value in wanted.items() if value is not None]
    place = ["--split", _place(split), "--json"]
    plan = json.loads(replace(program, dest=dest and _place(dest)).ask("split", "plan", *place, *flags))
    under_way = _Split(spark, program, place)
    under_way.work("fetch", plan["fetch_tasks"])
    under_way.work("publish", under_way.join())
    receipt = json.loads(under_way.ask("finish", fine=(PROVEN, NOT_PROVEN)))
    return spark.createDataFrame([_receipt_row(plan["dataset"], receipt)], RECEIPT)


class _Split:
    """A split that is under way, as its files have it."""

    def __init__(self, spark: SparkSession, program: Program, place: list[str]) -> None:
        self.spark, self.program, self.place = spark, program, place

    def ask(self, step: str, fine: Iterable[int] = (PROVEN,)) -> str:
        return self.program.ask("split", step, *self.place, fine=fine)

    def status(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self.ask("status"))
        return state

    def join(self) -> int:
        """Joins what was fetched, unless that is done, and says how many tasks it takes to publish."""
        state = self.status()
        joined: dict[str, Any] = state if state["joined"] else json.loads(self.ask("join"))
        return int(joined["publish_tasks"])

    def work(self, step: str, total: int) -> None:
        """Has Spark run the tasks of a step until each has left its file.

        Tasks that had failed for good before are given another chance, since somebody may have mended what was wrong. One that
        fails for good now is an error.
        """
        state = self.status()
        stale = _failed(state, step)
        for _ in range(ROUNDS):
            left = _left(state, step, total)
            if not left:
                return
            error = self.job(step, left, stale.keys())
            state = self.status()
            for task, found in sorted(_failed(state, step).items()):
                if task not in stale:
                    raise RollbookError(found["exit_code"], found["message"], task)
            if error.exit_code in FINAL:
                break
        if _left(state, step, total):
            raise error

    def job(self, step: str, left: list[int], stale: AbstractSet[int]) -> RollbookError:
        """Runs tasks as one job; what is to be said if they have left no files."""
        program, place = replace(self.program, progress=False), self.place

        def task(index: int) -> _child.Ended:
            arguments = ["split", step, *place, "--task", str(left[index])]
            ended = program.run(*arguments, with_parent=True)
            if ended.code not in FINAL | {PROVEN}:
                raise TaskFailed(f"{step} task {left[index]} ended with exit code {ended.code}\n{ended.message}")
            return ended

        tag = f"rollbook-{uuid.uuid4()}"
        with _Watch(self, step, stale, tag):
            try:
                rows = _collect(self.spark, tag, len(left), task)
            except Exception as error:
                return TaskFailed.found_in(error)
        wrong = [row for row in rows if row.exit_code != PROVEN]
        if wrong:
            return RollbookError(wrong[0].exit_code, wrong[0].message, left[wrong[0].task])
        return RollbookError(UNEXPECTED, f"{step}: tasks have ended and left no file", left[0])


def _failed(state: Mapping[str, Any], step: str) -> dict[int, Mapping[str, Any]]:
    """The tasks of a step that have failed for good, and were not done in spite of that."""
    return {failed["task"]: failed for failed in state[step]["failed"] if failed["task"] not in state[step]["done"]}


def _left(state: Mapping[str, Any], step: str, total: int) -> list[int]:
    """The tasks of a step that are not done."""
    return sorted(set(range(total)) - set(state[step]["done"]))


class _Watch:
    """Looks at the files while a job runs: tells how far it is, and stops it when a task has failed for good."""

    def __init__(self, split: _Split, step: str, stale: AbstractSet[int], tag: str) -> None:
        self.split, self.step, self.stale, self.tag = split, step, stale, tag
        self.told, self.over = "", threading.Event()
        self.thread = threading.Thread(target=self.run, name="rollbook-watch", daemon=True)

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()

    def run(self) -> None:
        while not self.over.wait(LOOK_EVERY):
            ended = self.split.program.run("split", "status", *self.split.place, aloud=False)
            # A look that fails now is made again.
            if ended.code == PROVEN:
                self.look(json.loads(ended.output))

    def look(self, state: Mapping[str, Any]) -> None:
        total, sessions = state[f"{self.step}_tasks"], state["fetch"].get("sessions", 0)
        line = f"rollbook: {self.step}: {len(state[self.step]['done'])} of {total} tasks done, {sessions} sessions"
        if self.split.program.progress and line != self.told:
            print(line, file=sys.stderr, flush=True)
        self.told = line
        if _failed(state, self.step).keys() - self.stale:
            self.split.spark.interruptTag(self.tag)
            self.over.set()


def _collect(spark: SparkSession, tag: str, count: int, task: Task) -> list[Any]:
    """Runs tasks 0 to `count` by one Spark job, a partition each, and collects what they returned."""

    def run(batches: Iterator[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        import pyarrow

        for batch in batches:
            for index in batch.column(0).to_pylist():
                code, output, message = task(index)
                row = {"task": index, "exit_code": code, "message": message, "output": output}
                types = [pyarrow.int64(), pyarrow.int32(), pyarrow.string(), pyarrow.string()]
                schema = pyarrow.schema(list(zip(row, types)))
                yield pyarrow.RecordBatch.from_pylist([row], schema)

    frame = spark.range(0, count, 1, count).mapInArrow(run, TASK_ROW)
    spark.addTag(tag)
    try:
        return frame.collect()
    except (KeyboardInterrupt, SystemExit):
        spark.interruptTag(tag)
        raise
    finally:
        spark.removeTag(tag)


def export_accounts(
    spark: SparkSession,
    accounts: Iterable[Account | Mapping[str, str] | str],
    config: str | None = None,
    attempts: int = 3,
    pause: float = 30.0,
    binary: str | None = None,
    progress: bool = True,
) -> DataFrame:
    """Exports many accounts, each by a task of its own into its own dataset; returns a row for each, in the order given.

    An account is the name of a profile of the settings file, or an `Account`. No account fails another one: what was wrong is
    in its row, with the exit code of `rollbook export`. After 5, 6 and 7 a task waits for `pause` seconds and runs again, up to
    `attempts` times in all. A dataset that another run has exported meanwhile counts as exported.
    """
    named = [Account.of(account) for account in accounts]
    programs = [Program(binary, config, account.profile, account.dest and _place(account.dest)) for account in named]
    before = _last_exports(programs)
    rows: dict[int, Any] = {}
    exported: dict[int, Mapping[str, Any]] = {}
    for _ in range(ROUNDS):
        left = [index for index in range(len(named)) if index not in rows and index not in exported]
        if not left:
            break
        rows |= _export_each(spark, [programs[index] for index in left], left, attempts, pause)
        exported = {index: state for index, state in _last_exports(programs).items() if not _same_run(state, before.get(index))}
        if progress:
            through = len(rows.keys() | exported.keys())
            print(f"rollbook: {through} of {len(named)} accounts are through", file=sys.stderr, flush=True)
    results = [
        (account.name, *_account_row(programs[index].dest, rows.get(index), exported.get(index)))
        for index, account in enumerate(named)
    ]
    return spark.createDataFrame(results, f"name string, {RECEIPT}")


def _export_each(
    spark: SparkSession, programs: Sequence[Program], numbers: Sequence[int], attempts: int, pause: float
) -> dict[int, Any]:
    """Runs an export for each program by one job; the rows that come back, by number, and none where the job is lost."""

    def task(index: int) -> _child.Ended:
        for attempt in range(attempts):
            if attempt > 0:
                time.sleep(pause)
            try:
                ended = programs[index].run("export", "--json", with_parent=True)
            except OSError as error:
                return _child.Ended(UNEXPECTED, "", str(error))
            if ended.code not in AGAIN:
                break
        return ended

    try:
        rows = _collect(spark, f"rollbook-{uuid.uuid4()}", len(programs), task)
    except Exception as error:
        print(f"rollbook: a job was lost: {str(error)[: _child.TAIL]}", file=sys.stderr, flush=True)
        return {}
    return {numbers[row.task]: row for row in rows}


def _last_exports(programs: Sequence[Program]) -> dict[int, Mapping[str, Any]]:
    """The status of each dataset whose last run was an export, by number."""

    def status(program: Program) -> Mapping[str, Any]:
        ended = program.run("status", "--json", aloud=False)
        return json.loads(ended.output) if ended.code == PROVEN else {}

    with ThreadPoolExecutor(8) as pool:
        states = enumerate(pool.map(status, programs))
        return {number: state for number, state in states if (state.get("last_run") or {}).get("command") == "export"}


def _same_run(state: Mapping[str, Any], before: Mapping[str, Any] | None) -> bool:
    return before is not None and state["last_run"]["run_id"] == before["last_run"]["run_id"]


def _account_row(dest: str | None, row: Any, state: Mapping[str, Any] | None) -> tuple[Any, ...]:
    """What became of an account: what its dataset says of a run of this call, else what the task has returned."""
    receipt = json.loads(row.output) if row is not None and row.output.strip() else None
    if state and not (receipt and receipt["run_id"] == state["last_run"]["run_id"]):
        last = state["last_run"]
        return state["dataset"], last["exit_code"], last["outcome"], last["run_id"], None, None
    if receipt:
        return _receipt_row(state["dataset"] if state else dest, receipt)
    if row is not None:
        return dest, row.exit_code, None, None, row.message, None
    return dest, UNEXPECTED, None, None, "the task was lost, and the dataset has no receipt of it", None


def _receipt_row(dest: str | None, receipt: Mapping[str, Any]) -> tuple[Any, ...]:
    told = [receipt[name] for name in ("exit_code", "outcome", "run_id", "error")]
    return dest, *told, json.dumps(receipt)


def load(
    spark: SparkSession,
    dest: str | None = None,
    through: str | None = None,
    zone: str | None = None,
    config: str | None = None,
    profile: str | None = None,
    binary: str | None = None,
) -> dict[str, DataFrame]:
    """The three tables and the views over them, by name; of the current snapshot where the dataset has snapshots.

    They are temporary views of the session, made by the SQL that `rollbook views --engine spark` prints here: `through` and `zone`
    are its flags. Over Spark Connect a DataFrame finds its view by name each time it is used, so that loading another dataset in
    the same session changes what is there already.

    Raises `RollbookError` where the dataset can't be read.
    """
    wanted = {"--through": through, "--zone": zone}
    flags = [f"{flag}={value}" for flag, value in wanted.items() if value is not None]
    sql = Program(binary, config, profile, dest and _place(dest)).ask("views", "--engine", "spark", *flags)
    for statement in sql.split(";\n"):
        if statement.strip():
            spark.sql(statement)
    return {name: spark.table(name) for name in VIEW.findall(sql)}


def _place(place: str) -> str:
    """A place as every process understands it, whatever folder it runs in."""
    return place if "://" in place else os.path.abspath(place)


def main(arguments: Sequence[str] | None = None) -> int:
    """The script: prints a line of JSON for each row, and returns the exit code; of many accounts the worst one's.

    `spark-submit` writes the standard error of a script to its own standard output, too: the rows are the last lines there.
    """
    given = _parser().parse_args(arguments)
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        sys.exit("error: rollbook.spark needs Spark\nhint: pip install 'rollbook[spark]'")
    spark = SparkSession.builder.appName("rollbook").getOrCreate()
    try:
        rows = given.run(spark, **{name: value for name, value in vars(given).items() if name != "run"}).collect()
    except RollbookError as error:
        print(error.message, file=sys.stderr)
        return error.exit_code
    finally:
        spark.stop()
    for row in rows:
        print(json.dumps(row.asDict()))
    codes: list[int] = [row.exit_code for row in rows]
    return min(codes, key=lambda code: (code == PROVEN, code == NOT_PROVEN))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rollbook.spark", description="rollbook on Spark")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--config", metavar="FILE", help="settings file, at the same path on every worker")
    shared.add_argument("--binary", metavar="FILE", help="the program, if not that of the package")
    shared.add_argument("--no-progress", dest="progress", action="store_false", help="no progress on stderr")
    commands = parser.add_subparsers(required=True)

    one = commands.add_parser("export", parents=[shared], help="export one account by many tasks")
    one.set_defaults(run=export)
    one.add_argument("--dest", metavar="PLACE", help="the dataset")
    one.add_argument("--split", metavar="PLACE", required=True, help="a place that all workers can reach")
    one.add_argument("--tasks", metavar="N", type=int, help="how many tasks fetch")
    one.add_argument("--profile", metavar="NAME", help="profile of the settings file")
    one.add_argument("--limit", choices=["key", "connection"], help="what the API counts requests by")

    many = commands.add_parser("accounts", parents=[shared], help="export many accounts, a task each")
    many.set_defaults(run=export_accounts)
    many.add_argument("accounts", metavar="PROFILE", nargs="+", help="profile of the settings file")
    return parser


if __name__ == "__main__":
    # What is sent to the workers must be found there by the name of the module, which is not this one's.
    from rollbook.spark import main as script

    sys.exit(script())
