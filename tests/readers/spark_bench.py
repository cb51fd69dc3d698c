"""What the scenarios of `split_spark.py` stand on: the package where Spark's workers find it, a cluster, and its processes.

Only processes are ended that were started here, or by one that was.
"""

import hashlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import pyspark
from pyarrow import parquet
from pyspark.sql import SparkSession

PACKAGE = pathlib.Path(__file__).resolve().parents[2] / "packages/python/rollbook"
TABLES = ("sessions", "participants", "timelogs")
# When a session was seen that was still running: the one column in which two runs differ.
SEEN = "observed_at"
LOOPBACK = {
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "2",
    "spark.ui.showConsoleProgress": "false",
    "spark.executor.memory": "512m",
    "spark.driver.memory": "512m",
}


def package(folder):
    """Lays the package out as an installed one, here and for every process that is started from here; their files stay below it."""
    LOOPBACK["spark.sql.warehouse.dir"] = str(folder / "warehouse")
    (folder / "tmp").mkdir()
    os.environ["TMPDIR"] = LOOPBACK["spark.local.dir"] = str(folder / "tmp")
    # Every JVM here lives for seconds: one that begins fast is worth more than one that becomes fast.
    os.environ["JAVA_TOOL_OPTIONS"] = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    site = folder / "site"
    information = site / "rollbook-0.0.0.dist-info"
    information.mkdir(parents=True, exist_ok=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: rollbook\nVersion: 0.0.0\n")
    if not (site / "rollbook").exists():
        (site / "rollbook").symlink_to(PACKAGE)
    sys.path.insert(0, str(site))
    sys.dont_write_bytecode = True
    os.environ |= {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1", "PYSPARK_PYTHON": sys.executable}


def session(master, **settings):
    """A session of its own; settings are given with `_` for `.`."""
    builder = SparkSession.builder.master(master).appName("rollbook-test")
    for name, value in (LOOPBACK | {name.replace("_", "."): value for name, value in settings.items()}).items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    return spark


def until(what, look, seconds=60.0):
    """Waits until a look finds something, and returns that."""
    end = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > end:
            sys.exit(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(0.02)
    return found


def hashes(dataset):
    """The hash of every file of the three tables, by its path."""
    files = [path for table in TABLES for path in (dataset / table).rglob("*") if path.is_file()]
    return {str(path.relative_to(dataset)): hashlib.sha256(content(path)).hexdigest() for path in files}


def content(path):
    """The bytes of a file; where it has running sessions, of all but the column that says when they were seen."""
    file = parquet.ParquetFile(path)
    if SEEN not in file.schema_arrow.names or not any(seen := file.read([SEEN])[SEEN].is_valid().to_pylist()):
        return path.read_bytes()
    whole, footer = path.read_bytes(), file.metadata
    found = [*str(file.schema).splitlines()[1:], str(footer.metadata), str(footer.num_rows), str(seen)]
    for group in range(footer.num_row_groups):
        for chunk in map(footer.row_group(group).column, range(footer.num_columns)):
            if chunk.path_in_schema != SEEN:
                start = chunk.dictionary_page_offset or chunk.data_page_offset
                found += [chunk.path_in_schema, whole[start : start + chunk.total_compressed_size].hex()]
    return "\n".join(found).encode()


class Cluster:
    """A standalone master and two workers of one core, on two addresses: Spark tries a task twice only on another host."""

    HOSTS = ("127.0.0.1", "127.0.0.2")

    def __init__(self, folder):
        self.folder, self.started = folder, []
        folder.mkdir(parents=True)

    def __enter__(self):
        port = free_port()
        self.url = f"spark://127.0.0.1:{port}"
        try:
            self.start("master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", "0")
            self.said("master.Master", "New state: ALIVE")
            for host in self.HOSTS:
                place = ["--host", host, "--webui-port", "0", "--work-dir", str(self.folder / host)]
                self.start("worker.Worker", *place, "--cores", "1", "--memory", "1g", self.url, log=host)
            for host in self.HOSTS:
                self.said(host, "Successfully registered with master")
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self, name, *arguments, log=None):
        """Starts a part of the cluster that ends with this process, too."""
        leash = [sys.executable, "-I", "-S", PACKAGE / "_child.py", str(os.getpid())]
        spark_class = pathlib.Path(pyspark.__file__).parent / "bin/spark-class"
        command = [*leash, spark_class, f"org.apache.spark.deploy.{name}", *arguments]
        with (self.folder / f"{log or name}.log").open("wb") as out:
            self.started.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out))

    def said(self, log, text):
        until(text, lambda: text in (self.folder / f"{log}.log").read_text(), 90)

    def __exit__(self, *_):
        left = [pid for process in self.started for pid in below(process.pid)]
        for process in reversed(self.started):
            process.terminate()
        for process in self.started:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for pid in left:
            if "rollbook" in command_of(pid) or "spark" in command_of(pid):
                kill(pid)

    def running(self, *words):
        """Processes of the workers whose command has these words, as pairs of process and its ancestors within the cluster."""
        tree = parents()
        found = []
        for pid in tree:
            line, above = words_of(pid), lineage(pid, tree)
            # Not those that are on the leash still, and become the program yet.
            is_it = all(word in line for word in words) and "_child.py" not in "".join(line)
            if is_it and any(process.pid in above for process in self.started):
                found.append((pid, above))
        return found

    def executor(self, above):
        """The executor among a process's ancestors."""
        return next(pid for pid in above if "CoarseGrainedExecutorBackend" in command_of(pid))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def command_of(pid):
    """A process's command, with zeros between the words; empty where the process is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return ""


def words_of(pid):
    """The words of a process's command."""
    return command_of(pid).split("\0")


def task_of(pid):
    """Which task of a split a process does; empty where it is gone."""
    words = words_of(pid)
    return words[words.index("--task") + 1] if "--task" in words else ""


def asks(pid):
    """Whether a process has a connection to a server."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
        connected = {f"socket:[{words[9]}]" for words in map(str.split, lines) if words[3] == "01"}
        return any(os.readlink(file) in connected for file in pathlib.Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False


def stopped(pid):
    """Stops a process, and whether that was before its end."""
    kill(pid, how=signal.SIGSTOP)
    return until("a process to stop or end", lambda: state_of(pid) in ("T", "Z", "")) and state_of(pid) == "T"


def state_of(pid):
    """The state of a process, by its letter; empty where it is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def is_told_to_end(pid):
    """Whether a process that was stopped will find a signal to end, or has found one: the kernel wakes whom nobody else can."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True
    pending = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith("ShdPnd")]
    return state_of(pid) in ("Z", "") or pending[0] >> signal.SIGTERM - 1 & 1 == 1


def parents():
    """The parent of each process that runs; one that only waits to be counted does not."""
    tree = {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            tree[int(folder.name)] = int(parent)
    return tree


def lineage(pid, tree):
    """The ancestors of a process, the nearest first."""
    above = []
    while pid := tree.get(pid):
        above.append(pid)
    return above


def below(pid):
    """All processes that descend from one."""
    tree = parents()
    return [other for other in tree if pid in lineage(other, tree)]


def kill(*pids, how=signal.SIGKILL):
    for pid in pids:
        try:
            os.kill(pid, how)
        except ProcessLookupError:
            pass
