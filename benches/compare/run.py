#!/usr/bin/env python3
"""Runs rollbook and its peers in turn on the same simulated account, and writes what they took to docs/performance.md.

    cargo build --profile dist && benches/compare/run.py S       # 100,000 sessions in pages of 100
    benches/compare/run.py L --rounds 1 --only rollbook duckdb   # 1,000,000 in pages of 1,000

Needs Python 3.11; installs the packages of requirements.txt into target/compare/venv the first time.
"""

import argparse
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SCRATCH = ROOT / "target" / "compare"
PYTHON = SCRATCH / "venv" / "bin" / "python"
ROLLBOOK = ROOT / "target" / "dist" / "rollbook"
PAGE = ROOT / "docs" / "performance.md"
LISTEN = "127.0.0.1:8790"
# Sessions and sessions a page.
SETS = {"S": (100_000, 100), "L": (1_000_000, 1000)}
# The peers that are worth measuring three times, and those that are not.
PEERS = ["curl", "rollbook", "duckdb", "polars", "pyarrow"]
SLOW = ["dlt"]
NAMES = {
    "curl": "draining the pages with curl, one connection",
    "rollbook": "**rollbook export**, proof, attendance and flushing included",
    "duckdb": "DuckDB 1.5.5 reading the URLs, `UNNEST`, `COPY` to Parquet",
    "polars": "Polars 2.1 + httpx",
    "pyarrow": "requests + pyarrow 26",
    "dlt": "dlt 1.31 to Parquet, defaults (one round)",
}


def install():
    """The virtual environment of the peers."""
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", SCRATCH / "venv"], check=True)
    subprocess.run([PYTHON, "-m", "pip", "install", "--quiet", "-r", HERE / "requirements.txt"], check=True)


def serve(sessions):
    """The simulated API with all its pages prepared, once it listens."""
    command = [ROLLBOOK, "simulate", "--listen", LISTEN, "--sessions", str(sessions), "--prepared"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE)
    server.stdout.readline()
    return server


def command(peer, sessions, per_page, folder):
    """What to run."""
    base_url, pages = f"http://{LISTEN}", sessions // per_page
    if peer == "curl":
        url = f"{base_url}/v1/meeting-sessions?page=[1-{pages}]&perPage={per_page}"
        return ["curl", "--silent", "--output", "/dev/null", url]
    if peer == "rollbook":
        settings = ["--base-url", base_url, "--dest", folder, "--quiet"]
        return [ROLLBOOK, "export", *settings]
    return [PYTHON, HERE / f"peer_{peer}.py", base_url, str(pages), str(per_page), folder]


def measured(peer, sessions, per_page):
    """Wall and CPU seconds, peak memory in MiB, and written bytes in MB of one run."""
    folder = SCRATCH / "out" / peer
    shutil.rmtree(folder, ignore_errors=True)
    environment = {**os.environ, "VIDEOSDK_TOKEN": "x", "ROLLBOOK_API_PER_PAGE": str(per_page)}
    begun = time.monotonic()
    child = subprocess.Popen(command(peer, sessions, per_page, folder), env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - begun
    if status != 0:
        sys.exit(f"{peer} failed: {os.waitstatus_to_exitcode(status)}")
    written = sum(path.stat().st_size for path in folder.rglob("*.parquet")) / 1e6
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, written


def table(name, results):
    """The medians as a table; ratios are to DuckDB where it was run."""
    sessions, per_page = SETS[name]
    rounds = max(len(runs) for runs in results.values())
    medians = {peer: [statistics.median(column) for column in zip(*runs)] for peer, runs in results.items()}
    reference = medians.get("duckdb")
    lines = [
        f"Set {name}: {sessions:,} sessions in pages of {per_page:,}; medians of {rounds} rounds in turn.",
        "",
        "| | wall s | CPU s | peak memory MiB | written MB | wall / DuckDB's | CPU / DuckDB's |",
        "|---|---|---|---|---|---|---|",
    ]
    for peer, (wall, cpu, peak, written) in medians.items():
        ratios = [f"{wall / reference[0]:.2f}", f"{cpu / reference[1]:.2f}"] if reference else ["", ""]
        size = f"{written:.1f}" if written else ""
        lines.append(f"| {NAMES[peer]} | {wall:.2f} | {cpu:.2f} | {peak:.0f} | {size} | {ratios[0]} | {ratios[1]} |")
    return "\n".join(lines)


def store(name, text):
    """Puts a table between its markers."""
    begin, end = f"<!-- compare {name} -->", f"<!-- compare {name} end -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    page, found = pattern.subn(lambda _: f"{begin}\n{text}\n{end}", PAGE.read_text())
    if found != 1:
        sys.exit(f"no markers for set {name} in {PAGE}")
    PAGE.write_text(page)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=SETS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=[*PEERS, *SLOW], default=PEERS, help="default: all but dlt")
    parser.add_argument("--dry", action="store_true", help="print the table, don't store it")
    asked = parser.parse_args()
    install()
    sessions, per_page = SETS[asked.set]
    results = {peer: [] for peer in asked.only}
    server = serve(sessions)
    try:
        for number in range(asked.rounds):
            for peer in asked.only:
                if peer not in SLOW or number == 0:
                    results[peer].append(measured(peer, sessions, per_page))
                    print(peer, *(f"{figure:.2f}" for figure in results[peer][-1]), flush=True)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()
    text = table(asked.set, results)
    print(text)
    if not asked.dry:
        store(asked.set, text)


if __name__ == "__main__":
    main()
