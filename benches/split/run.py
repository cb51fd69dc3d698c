#!/usr/bin/env python3
"""What many processes gain over one: `benches/split/run.py ROLLBOOK [--sessions N] [--latency MS ...] [--tasks N ...]`.

Each process has `--in-flight` requests in flight, the one of the plain export, too, so that N tasks have N times as many: the ideal is N
times as fast. With `--key-limit RPS` the API allows so many requests a second for all together, and the tasks share them. Prints a table in
Markdown. Works in a folder of its own below target/, and takes nothing from the network.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def simulated(rollbook: Path, arguments: list[str]) -> tuple[subprocess.Popen, str]:
    command = [rollbook, "simulate", "--listen", "127.0.0.1:0", "-q", *arguments]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    line = server.stdout.readline()
    return server, line.split(": ", 1)[1].strip()


class Bench:
    def __init__(self, rollbook: Path, folder: Path, url: str, in_flight: int, per_page: int):
        self.rollbook, self.folder, self.url = rollbook, folder, url
        self.environment = {
            "VIDEOSDK_TOKEN": "any",
            "HOME": str(folder),
            "ROLLBOOK_API_CONCURRENCY": str(in_flight),
            "ROLLBOOK_API_PER_PAGE": str(per_page),
        }

    def start(self, *arguments: str, **extra: str) -> subprocess.Popen:
        command = [self.rollbook, *arguments, "--base-url", self.url, "--json", "-q"]
        environment = {**self.environment, **extra}
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=self.folder)

    def done(self, *arguments: str, **extra: str) -> dict:
        return self.end(self.start(*arguments, **extra))

    def end(self, process: subprocess.Popen) -> dict:
        text, _ = process.communicate()
        if process.returncode != 0:
            sys.exit(f"ended with {process.returncode}: {process.args}")
        return json.loads(text)

    def plain(self, **extra: str) -> tuple[float, dict]:
        shutil.rmtree(self.folder / "plain", ignore_errors=True)
        begun = time.monotonic()
        receipt = self.done("export", "--dest", "plain", **extra)
        return time.monotonic() - begun, receipt

    def split(self, tasks: int, limit: str, **extra: str) -> tuple[dict[str, float], dict]:
        for name in ("many", "split"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        times: dict[str, float] = {}
        begun = time.monotonic()

        def note(step: str) -> None:
            times[step] = time.monotonic() - begun - sum(times.values())

        place = ["--split", "split"]
        plan = self.done("split", "plan", *place, "--tasks", str(tasks), "--limit", limit, "--dest", "many", **extra)
        note("plan")
        for process in [
            self.start("split", "fetch", *place, "--task", str(task), **extra) for task in range(plan["fetch_tasks"])
        ]:
            self.end(process)
        note("fetch")
        join = self.done("split", "join", *place, **extra)
        note("join")
        for process in [self.start("split", "publish", *place, "--task", str(task)) for task in range(join["publish_tasks"])]:
            self.end(process)
        note("publish")
        receipt = self.done("split", "finish", *place)
        note("finish")
        return times, receipt


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rollbook", type=Path)
    parser.add_argument("--sessions", type=int, default=200_000)
    parser.add_argument("--latency", type=int, nargs="*", default=[50, 100, 200])
    parser.add_argument("--tasks", type=int, nargs="*", default=[2, 4, 8])
    parser.add_argument("--in-flight", type=int, default=4)
    parser.add_argument("--per-page", type=int, default=100)
    parser.add_argument("--key-limit", type=int)
    asked = parser.parse_args()
    folder = ROOT / "target" / "split-bench"
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    rollbook = asked.rollbook.resolve()
    print("| a request takes | tasks | wall s | plan | fetch | join | publish, finish | reading: speed-up | of the ideal | requests | retries |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    limited = ["--rate-limit", str(asked.key_limit)] if asked.key_limit else []
    share = {"ROLLBOOK_API_REQUESTS_PER_SECOND": str(asked.key_limit)} if asked.key_limit else {}
    for latency in asked.latency:
        server, url = simulated(rollbook, ["--prepared", "--sessions", str(asked.sessions), "--latency", f"{latency}ms", *limited])
        try:
            bench = Bench(rollbook, folder, url, asked.in_flight, asked.per_page)
            alone, receipt = bench.plain(**share)
            sent, retries = receipt["walk"]["sent"], receipt["walk"]["retries"]
            walked = receipt["timing"]["walk_s"]
            rest = alone - walked
            print(f"| {latency} ms | one export | {alone:.2f} | | {walked:.2f} | | {rest:.2f} | | | {sent} | {retries} |", flush=True)
            for tasks in asked.tasks:
                times, receipt = bench.split(tasks, "key" if asked.key_limit else "connection", **share)
                wall = sum(times.values())
                ideal = 1 if asked.key_limit else tasks
                reading = times["plan"] + times["fetch"] + times["join"]
                published = times["publish"] + times["finish"]
                more = receipt["walk"]["sent"] / sent
                print(
                    f"| {latency} ms | {tasks} | {wall:.2f} | {times['plan']:.2f} | {times['fetch']:.2f} | {times['join']:.2f} "
                    f"| {published:.2f} | {walked / reading:.2f} | {walked / reading / ideal:.2f} "
                    f"| {receipt['walk']['sent']} ({more:.3f}) | {receipt['walk']['retries']} |",
                    flush=True,
                )
        finally:
            server.terminate()
            server.wait()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
