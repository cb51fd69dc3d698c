"""Tries `rollbook.spark` in scenarios, each by its name; ends with 1 and says what is wrong if anything is.

    split_spark.py SCENARIO... --binary PROGRAM --base-url URL --work FOLDER [--config FILE] [--expected DATASET]

The API at the URL asks for the token that is in the file which VIDEOSDK_TOKEN_FILE names, and takes its time for each answer:
`rollbook simulate --sessions 6000 --latency 100ms`. Every dataset that comes about must have the bytes of the expected one, by
days, which `rollbook export` makes where none is given, but for the moments at which running sessions were seen; no more may be
left of the split than its three records. `connect` runs alone: a process has one kind of session. The folder is made here and
must not be there.
"""

import argparse
import contextlib
import http.server
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import tomllib
import urllib.request

from pyspark.sql import SparkSession

from spark_bench import (
    LOOPBACK,
    Cluster,
    asks,
    below,
    command_of,
    hashes,
    is_told_to_end,
    kill,
    package,
    parents,
    session,
    stopped,
    task_of,
    until,
    words_of,
)

TASKS = 4
ACCOUNTS = 18
# Settings for an API that is known to fail.
IMPATIENT = {"retry_budget": "1s"}
# What stays of a split that is finished.
RECORDS = ["finish.json", "join.json", "plan.json"]
NAMES, COUNTED = 13, ["sessions", "participants", "timelogs", "attendance", "runs"]


def equal(what, found, wanted):
    if found != wanted:
        sys.exit(f"{what}: found {found}, expected {wanted}")


class Trial:
    """One call of this script: where things are, and what more than one scenario does."""

    def __init__(self, given):
        self.given, self.work = given, given.work
        self.work.mkdir(parents=True)
        package(self.work)
        # By days, so that there is something to publish for each task.
        self.config = self.settings("rollbook", api={"base_url": given.base_url}, dataset={"partition_by": "day"})
        self.tokens = self.secrets()
        self.open = contextlib.ExitStack()
        self._cluster, self._session = None, (None, None)
        self.expected = given.expected or self.plain("expected")

    def secrets(self):
        """The variables with the files of the accounts' tokens; workers know those that were set before the first session."""
        token = pathlib.Path(os.environ["VIDEOSDK_TOKEN_FILE"]).read_text()
        (self.work / "secrets").mkdir(mode=0o700)
        variables = {}
        for name in [*(f"good{number}" for number in range(ACCOUNTS)), "wrong", "broken"]:
            file, variables[name] = self.work / "secrets" / name, f"TRIAL_{name.upper()}"
            file.touch(mode=0o600)
            file.write_text("not-the-token" if name == "wrong" else token)
            os.environ[variables[name]] = str(file)
        return variables

    def cluster(self):
        """The cluster, which is started once."""
        if self._cluster is None:
            self._cluster = self.open.enter_context(Cluster(self.work / "cluster"))
        return self._cluster

    def session(self, master, **settings):
        """The session that the scenario before had, where it is of the same kind."""
        wanted, (kind, spark) = (master, settings), self._session
        if kind != wanted:
            self.close()
            spark = session(master, **settings)
            self._session = wanted, spark
        return spark

    def close(self):
        """Ends the session, if there is one."""
        if self._session[1]:
            self._session[1].stop()
        self._session = None, None

    def settings(self, name, **more):
        """A settings file with what the given one has, and more."""
        given = self.given.config
        merged = tomllib.loads(pathlib.Path(given).read_text()) if given else {}
        for table, values in more.items():
            merged[table] = merged.get(table, {}) | values
        path = self.work / f"{name}.toml"
        path.write_text("\n".join(toml(merged)))
        return str(path)

    def plain(self, name, **environment):
        """A dataset by the plain command."""
        command = [self.given.binary, "export", "--quiet", "--dest", self.work / name, "--config", self.config]
        subprocess.run(command, check=True, env=os.environ | environment)
        return self.work / name

    def arguments(self, name, config=None):
        return {
            "dest": str(self.work / name),
            "split": str(self.work / f"{name}.split"),
            "tasks": TASKS,
            "config": config or self.config,
            "binary": self.given.binary,
        }

    def export(self, spark, name, config=None):
        """An export by a split, which is proven."""
        from rollbook.spark import export

        rows = export(spark, **self.arguments(name, config)).collect()
        equal(f"{name}: exit codes", [row.exit_code for row in rows], [0])
        receipt = json.loads(rows[0].receipt)
        equal(f"{name}: the receipt", (rows[0].run_id, rows[0].outcome), (receipt["run_id"], "proven"))
        return rows[0].run_id

    def same(self, name, split=True):
        """A dataset is as the expected one, and sound; of its split nothing is left but what is to stay."""
        found, wanted = hashes(self.work / name), hashes(self.expected)
        equal(f"{name}: files", sorted(found), sorted(wanted))
        equal(f"{name}: files with other bytes", [path for path in wanted if found[path] != wanted[path]], [])
        self.ask("verify", "--dest", self.work / name)
        if split:
            equal(f"{name}: what is left of the split", self.left(name), RECORDS)
            equal(f"{name}: the split under way", (self.work / name / "_rollbook/split.json").exists(), False)

    def left(self, name):
        """The files of a split, without those that a place has for itself."""
        place = self.work / f"{name}.split"
        files = (path.relative_to(place) for path in place.rglob("*") if path.is_file())
        return sorted(str(path) for path in files if path.parts[0] != "_rollbook")

    def ask(self, *arguments):
        """What the program says to a command that ends well."""
        command = [self.given.binary, *arguments, "--quiet", "--config", self.config]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

    def caught(self, name, step, is_at_work):
        """A task that is at work and not done, stopped there: its process, and the ancestors of that."""

        def look():
            for child, above in self.cluster().running("split", step):
                if is_at_work(child) and stopped(child):
                    if not self.done(name, step, child).exists():
                        return child, above
                    kill(child, how=signal.SIGCONT)
            return None

        return until(f"a task at work: {step}", look)

    def done(self, name, step, child):
        """The record that the task of a process is done."""
        return self.work / f"{name}.split/{step}/{task_of(child)}.done"

    def meanwhile(self, spark, name):
        """An export that goes on while the caller does something to it."""
        return Meanwhile(lambda: self.export(spark, name))

    def split(self, step, name, *arguments, config=None):
        place = ["--split", self.work / f"{name}.split", "--config", config or self.config]
        return [self.given.binary, "split", step, *place, *arguments]


def toml(table, above=""):
    """The lines of a table and of those in it."""
    for name, value in table.items():
        if not isinstance(value, dict):
            yield f"{name} = {json.dumps(value)}"
    for name, value in table.items():
        if isinstance(value, dict):
            yield from [f"[{above}{name}]", *toml(value, f"{above}{name}.")]


class Meanwhile(threading.Thread):
    """Something that runs beside a `with` block, which waits for its end and raises what it raised."""

    def __init__(self, task):
        super().__init__(daemon=True)
        self.task, self.error = task, None

    def run(self):
        try:
            self.task()
        except BaseException as error:
            self.error = error

    def __enter__(self):
        self.start()

    def __exit__(self, kind, *_):
        self.join(None if kind is None else 5)
        if kind is None and self.error:
            raise self.error


def local(trial):
    """The same bytes as by the plain command; a second call says what the first one did."""
    spark = trial.session("local[2]")
    run_id = trial.export(spark, "local")
    trial.same("local")
    equal("local: the second call", trial.export(spark, "local"), run_id)
    trial.same("local")


def local_cluster(trial):
    trial.export(trial.session("local-cluster[2,1,1024]"), "local_cluster")
    trial.same("local_cluster")


def connect(trial):
    """Over Spark Connect, in a server of its own."""
    from rollbook.spark import load

    spark = SparkSession.builder.remote("local[2]").getOrCreate()
    try:
        trial.export(spark, "connect")
        loaded = load(spark, str(trial.work / "connect"), config=trial.config, binary=trial.given.binary)
        equal("connect: names", len(loaded), NAMES)
        equal("connect: rows", loaded["sessions"].count(), rows_of(trial, "connect")["sessions"])
    finally:
        spark.stop()
    trial.same("connect")


def cluster(trial):
    """An executor is killed while it fetches, a worker's Python too; while it publishes, all that runs on a machine."""
    nodes = trial.cluster()

    def published(_=None):
        return list((trial.work / "cluster").glob("*/*/part-*.parquet"))

    with trial.meanwhile(trial.session(nodes.url), "cluster"):
        child, above = trial.caught("cluster", "fetch", asks)
        dies(child, nodes.executor(above))
        child, above = trial.caught("cluster", "fetch", asks)
        dies(child, above[0])
        child, above = trial.caught("cluster", "publish", published)
        here, all_of_it = len(published()), len(hashes(trial.expected))
        equal("cluster: whether it is between files", 0 < here < all_of_it, True)
        kill(child, nodes.executor(above))
    trial.same("cluster")


def dies(child, *above):
    """Kills ancestors of a process that was stopped: it is told to end, and ends."""
    kill(*above)
    until("the word to a child that its parent is gone", lambda: is_told_to_end(child), 20)
    kill(child, how=signal.SIGCONT)
    until("the end of a child whose parent is gone", lambda: child not in parents(), 20)


def orphan(trial):
    """Tasks go on where nobody waits for them any more: one ends before the one that Spark has put in its place, others later."""
    nodes = trial.cluster()
    with trial.meanwhile(trial.session(nodes.url), "orphan"):
        child, above = trial.caught("orphan", "fetch", asks)
        done = trial.done("orphan", "fetch", child)
        # What an orphan would do: the same task, in a process that knows nothing of Spark.
        command = trial.split("fetch", "orphan", "--task", task_of(child), "--json")

        def forgotten():
            process = subprocess.Popen(command, stdout=subprocess.PIPE)
            trial.open.callback(process.kill)
            return process

        late, last = forgotten(), forgotten()
        for pid in (late.pid, last.pid):
            until("a task that asks", lambda pid=pid: asks(pid) and stopped(pid))
        first = forgotten()
        attempt = json.loads(first.communicate(timeout=60)[0])["attempt"]
        equal("exit code of the one that comes first", first.returncode, 0)
        equal("whose record it is", json.loads(done.read_text())["attempt"], attempt)
        kill(late.pid, how=signal.SIGCONT)
        equal("what the late one says", json.loads(late.communicate(timeout=60)[0])["attempt"], attempt)
        equal("exit code of the late one", late.returncode, 0)
        files = [path.parent.name for path in done.with_suffix("").rglob("*") if path.is_file()]
        equal("whose files are there", set(files), {attempt})
        executor = nodes.executor(above)
        # Nobody is left who could tell the worker to end.
        dies(child, executor, *above[: above.index(executor)][1:])
    trial.same("orphan")
    kill(last.pid, how=signal.SIGCONT)
    last.communicate(timeout=60)
    trial.same("orphan")


def twin(trial):
    """Spark runs a task twice since it takes long; then the first one wakes up, and both go on."""
    nodes = trial.cluster()
    speculation = {
        "spark_speculation": "true",
        "spark_speculation_interval": "100ms",
        "spark_speculation_quantile": "0.5",
        "spark_speculation_multiplier": "1.1",
    }
    with trial.meanwhile(trial.session(nodes.url, **speculation), "twin"):
        child, _ = trial.caught("twin", "fetch", asks)
        task, done = task_of(child), trial.done("twin", "fetch", child)

        def both():
            running = [other for other, _ in nodes.running("split", "fetch") if other != child and task_of(other) == task]
            return [other for other in running if asks(other) and stopped(other)]

        (other,) = until("a second attempt", both)
        equal("twin: whether the task is done", done.exists(), False)
        kill(child, other, how=signal.SIGCONT)
        until("the end of one of them", done.exists)
        until("the end of both", lambda: not {child, other} & parents().keys(), 30)
    trial.same("twin")


class Killed(BaseException):
    """The driver is gone."""


def driver(trial):
    """The driver is killed after each thing that it asks the program for, and started again; and once while tasks run."""
    script = started(trial, "driver", *script_of(trial, "driver"))
    child, *_ = until("a task that fetches", lambda: [pid for pid in below(script.pid) if fetches(pid) and asks(pid)], 90)
    # It can't be done before the driver is gone.
    equal("whether the task was still at work", stopped(child), True)
    os.killpg(script.pid, signal.SIGKILL)
    script.wait()
    until("the word to a child that its driver is gone", lambda: is_told_to_end(child), 20)
    kill(child, how=signal.SIGCONT)
    until("the end of a child whose driver is gone", lambda: child not in parents(), 20)
    spark, calls = trial.session("local[2]"), 0
    while dies_after(trial, spark, calls):
        calls += 1
    equal("at how many moments the driver was killed, at least", min(calls, 6), 6)
    trial.same("driver")


def fetches(pid):
    return {"split", "fetch"} <= set(words_of(pid))


def dies_after(trial, spark, calls):
    """Whether an export that dies after so many calls of the program came to that."""
    from rollbook.spark import Program

    ask, left = Program.ask, calls

    def asked(*arguments, **named):
        nonlocal left
        if left == 0:
            raise Killed
        left -= 1
        return ask(*arguments, **named)

    Program.ask = asked
    try:
        trial.export(spark, "driver")
        return False
    except Killed:
        return True
    finally:
        Program.ask = ask


def script_of(trial, name):
    """The script that exports by a split, and its arguments."""
    from rollbook import spark

    flags = [word for flag, value in trial.arguments(name).items() if value is not None for word in (f"--{flag}", str(value))]
    return [spark.__file__, "export", *flags]


def started(trial, name, *script, settings=(), master="local[2]"):
    """A script under `spark-submit`, in a group of processes of its own."""
    submit = pathlib.Path(sys.modules["pyspark"].__file__).parent / "bin/spark-submit"
    own = {name: value for name, value in LOOPBACK.items() if "driver" in name or "dir" in name or "ui" in name}
    conf = [word for setting in (*map("=".join, own.items()), *settings) for word in ("--conf", setting)]
    command = [submit, "--master", master, *conf, *script]
    with (trial.work / f"{name}.log").open("wb") as log:
        return subprocess.Popen(command, start_new_session=True, stdout=log, stderr=log)


# Exports while the API is as it should not be; then it is well, and the script's own main function does the same.
THRICE = """
import json, sys, traceback, urllib.request
from pyspark.sql import SparkSession
from rollbook import spark as ours

front, arguments, script = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3:]
for status in ("401", "500"):
    urllib.request.urlopen(front + "/now/" + status)
    try:
        ours.export(SparkSession.builder.getOrCreate(), **arguments)
    except ours.RollbookError as error:
        traceback.print_exc()
        print(repr(error), error.task, "canary: exit code", error.exit_code, "at", status)
urllib.request.urlopen(front + "/now/200")
sys.exit(ours.main(script))
"""


def canary(trial):
    """The token is in no log, plan, event, error or file, be all well or not, and in no process's command or environment."""
    token = pathlib.Path(os.environ["VIDEOSDK_TOKEN_FILE"]).read_text().strip()
    (events := trial.work / "events").mkdir()
    (script := trial.work / "thrice.py").write_text(THRICE)
    trial.close()
    settings = ["spark.eventLog.enabled=true", "spark.eventLog.compress=false", f"spark.eventLog.dir={events}"]
    # All that the program can say of what it does.
    settings += ["spark.executor.memory=512m", "spark.task.maxFailures=1", "spark.executorEnv.ROLLBOOK_LOG=trace"]
    with Front(trial.given.base_url) as front:
        config = trial.settings("canary", api={"base_url": front.url, **IMPATIENT}, dataset={"partition_by": "day"})
        plan = trial.split("plan", "canary", "--dest", trial.work / "canary", "--tasks", str(TASKS), config=config)
        subprocess.run(plan, check=True, stdout=subprocess.DEVNULL)
        _, *words = script_of(trial, "canary")
        words[words.index("--config") + 1] = config
        given = [script, front.url, json.dumps(trial.arguments("canary", config)), *words]
        process = started(trial, "canary", *given, settings=settings, master=trial.cluster().url)
        seen = set()
        while process.poll() is None:
            for pid in {os.getpid(), *below(os.getpid())}:
                seen.add("fetch" if fetches(pid) else "")
                equal(f"whether a process shows the token: {pid}", token in command_of(pid) + environment_of(pid), False)
            time.sleep(0.1)
    told = (trial.work / "canary.log").read_text()
    equal("exit code of the script", (process.returncode, told[-2000:] if process.returncode else ""), (0, ""))
    equal("whether a task was seen", "fetch" in seen, True)
    searched = [path for path in trial.work.rglob("*") if path.is_file() and path.parent.name != "secrets"]
    found = [str(path) for path in searched if token.encode() in path.read_bytes()]
    equal("files with the token", found, [])
    told += "".join(path.read_text() for path in searched if path.is_relative_to(events) or path.name == "stderr")
    wanted = ["SparkListenerJobEnd", "rollbook: fetch: ", '"outcome": "proven"', "TRACE"]
    wanted += ["exit code 4 at 401", "exit code 5 at 500"]
    equal("what the logs don't have", [text for text in wanted if text not in told], [])
    trial.same("canary")


def environment_of(pid):
    """The variables of a process."""
    try:
        return pathlib.Path(f"/proc/{pid}/environ").read_text(errors="replace")
    except OSError:
        return ""


def accounts(trial):
    """Twenty accounts, one with a wrong token and one whose API is broken: the others are exported."""
    from rollbook.spark import Account, export_accounts

    (trial.work / "accounts").mkdir()
    with Front(trial.given.base_url) as front:
        front.status = 500
        api = {"base_url": trial.given.base_url, **IMPATIENT}
        more = {"dataset": {"partition_by": "day"}, "profile": profiles(trial, front.url)}
        config = trial.settings("accounts", api=api, **more)
        names = [f"good{number}" for number in range(ACCOUNTS)]
        # A dataset that is named here in place of the profile's.
        moved = Account("moved", "good0", str(trial.work / "accounts/moved"))
        given, spark = [moved, *names[1:], "wrong", "broken"], trial.session("local[2]")
        rows = export_accounts(spark, given, config, attempts=2, pause=0.1, binary=trial.given.binary).collect()
    equal("accounts", [row.name for row in rows], ["moved", *names[1:], "wrong", "broken"])
    equal("exit codes", [row.exit_code for row in rows], [0] * ACCOUNTS + [4, 5])
    for row in rows[:ACCOUNTS]:
        equal(f"{row.name}: run", json.loads(row.receipt)["run_id"], row.run_id)
        trial.same(f"accounts/{row.name}", split=False)
    for row in rows[ACCOUNTS:]:
        if not row.message:
            sys.exit(f"nothing is said of {row.name}: {row}")


def profiles(trial, broken):
    """Settings of all accounts; tokens are in files that variables name, and never written here."""
    found = {
        name: {"dataset": {"url": str(trial.work / "accounts" / name)}, "token_file_env": variable}
        for name, variable in trial.tokens.items()
    }
    found["broken"]["api"] = {"base_url": broken}
    return found


def failures(trial):
    """What is worth no retry stops the driver, what is worth one is told; when all is mended the export goes on."""
    from rollbook.spark import RollbookError

    with Front(trial.given.base_url) as front:
        config = trial.settings("failures", api={"base_url": front.url, **IMPATIENT}, dataset={"partition_by": "day"})
        # Planned while the API is well.
        plan = trial.split("plan", "failures", "--dest", trial.work / "failures", "--tasks", str(TASKS), config=config)
        subprocess.run(plan, check=True, stdout=subprocess.DEVNULL)
        spark = trial.session("local[2]")
        for front.status, wanted in ((401, 4), (500, 5)):
            try:
                trial.export(spark, "failures", config)
                sys.exit(f"failures: nothing was raised at {front.status}")
            except RollbookError as error:
                equal(f"failures: exit code at {front.status}", error.exit_code, wanted)
                said = f"{front.status} {http.HTTPStatus(front.status).phrase}"
                if said not in error.message or error.task is None:
                    sys.exit(f"failures: {said} or its task is not in the message: {error.task}: {error.message}")
            # What is in vain is written down, and only that.
            status = json.loads(trial.ask("split", "status", "--split", trial.work / "failures.split", "--json"))
            equal("failures: exit codes of tasks", {task["exit_code"] for task in status["fetch"]["failed"]}, {4})
            equal("failures: tasks that are done", status["fetch"]["done"], [])
        front.status = None
        trial.export(spark, "failures", config)
    trial.same("failures")


class Front:
    """An address in front of the API that passes requests on, or answers each with a status of its own: `/now/500` sets it."""

    def __init__(self, api):
        self.status, front = None, self

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 64

            def handle_error(self, *_):
                """Whoever asked has gone."""

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                if self.path.startswith("/now/"):
                    code = int(self.path.rpartition("/")[2])
                    front.status = None if code == 200 else code
                    self.send_response(200)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                request = urllib.request.Request(api + self.path, headers={"Authorization": self.headers["Authorization"]})
                with contextlib.ExitStack() as stack:
                    answer = None if front.status else stack.enter_context(urllib.request.urlopen(request))
                    body = answer.read() if answer else b""
                    self.send_response(front.status or answer.status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def load(trial):
    """Tables and views, through plain files and through snapshots: the same rows."""
    from rollbook.spark import load as loaded

    def counts(spark, dataset):
        frames = loaded(spark, str(dataset), zone="Asia/Kolkata", config=trial.config, binary=trial.given.binary)
        files = frames["sessions"].inputFiles()
        equal(f"load: names of {dataset.name}", len(frames), NAMES)
        return {view: frames[view].count() for view in COUNTED}, all("/lake/" in path for path in files)

    trial.plain("with", ROLLBOOK_SNAPSHOTS_FORMAT="files")
    spark = trial.session("local[2]")
    found, through = counts(spark, trial.expected)
    equal("load: through snapshots that are not there", through, False)
    equal("load: with snapshots", counts(spark, trial.work / "with"), (found, True))
    for dataset in (trial.expected, trial.work / "with"):
        rows = rows_of(trial, dataset)
        equal("load: rows", {table: found[table] for table in rows}, rows)


def rows_of(trial, dataset):
    """How many rows the tables of a dataset have, as it says itself."""
    status = json.loads(trial.ask("status", "--json", "--dest", trial.work / dataset))
    return {table: status[table] for table in ("sessions", "participants", "timelogs")}


SCENARIOS = [local, failures, accounts, load, driver, local_cluster, cluster, orphan, twin, canary, connect]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("scenarios", nargs="+", choices=[scenario.__name__ for scenario in SCENARIOS])
    parser.add_argument("--binary", required=True)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--work", required=True, type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("--config")
    parser.add_argument("--expected", type=pathlib.Path)
    given = parser.parse_args()
    trial = Trial(given)
    with trial.open, contextlib.closing(trial):
        for scenario in SCENARIOS:
            if scenario.__name__ in given.scenarios:
                began = time.monotonic()
                scenario(trial)
                print(f"{scenario.__name__}: fine, {time.monotonic() - began:.1f} s", flush=True)


main()
