"""Stands for kubectl and for the cluster behind it. A Job that is applied has run to its end when `apply` returns.

Put on the PATH by `on_kubernetes.py`. CLUSTER names a JSON file with what it needs to know. Manifests are filled in and answers are
rendered by the real kubectl, which needs no cluster for that.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

import pod


def kubectl(*words: str | Path) -> str:
    return subprocess.run([CLUSTER["kubectl"], *words], check=True, stdout=subprocess.PIPE, text=True).stdout


def apply(manifest: dict) -> None:
    file = JOBS / f"{manifest['metadata']['name']}.json"
    if file.exists():
        print("unchanged")
        return
    file.write_text(json.dumps(manifest | {"status": {"conditions": ended(manifest["spec"])}}))


def ended(job: dict) -> list[dict]:
    """The conditions of a Job whose pods have run, two at a time and the last index first."""
    with ThreadPoolExecutor(2) as pool:
        failures = [why for why in pool.map(lambda index: task(job, index), reversed(range(job["completions"]))) if why]
    if failures:
        return [{"type": kind, "status": "True", "message": failures[0]} for kind in ("FailureTarget", "Failed")]
    reached = "Reached expected number of succeeded pods"
    return [{"type": kind, "status": "True", "message": reached} for kind in ("SuccessCriteriaMet", "Complete")]


def task(job: dict, index: int) -> str:
    """Why a task has failed, if it has."""
    for _ in range(1 + job["backoffLimitPerIndex"]):
        done = NODE.run(job, CLUSTER["secret"], JOB_COMPLETION_INDEX=str(index))
        print(done.stdout, end="")
        if done.returncode == 0:
            return ""
        if pod.action(job, done.returncode) == "FailJob":
            # The words of the Job controller.
            return f"Container rollbook for pod rollbook/x failed with exit code {done.returncode} matching FailJob rule"
    return "Job has failed indexes"


def main() -> None:
    if "patch" in sys.argv:
        print(kubectl(*sys.argv[1:]))
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("--namespace", required=True, choices=["rollbook"])
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("apply").add_argument("--filename", required=True, choices=["-"])
    get, delete = verbs.add_parser("get"), verbs.add_parser("delete")
    for verb in (get, delete):
        verb.add_argument("kind", choices=["job"])
        verb.add_argument("name")
    get.add_argument("--ignore-not-found", action="store_true", required=True)
    get.add_argument("--output", required=True)
    told = parser.parse_args()
    if told.verb == "apply":
        apply(yaml.safe_load(sys.stdin))
        return
    file = JOBS / f"{told.name}.json"
    if told.verb == "delete":
        file.unlink()
    elif file.exists():
        print(kubectl("patch", "--local", "--filename", file, "--type", "merge", "--patch", "{}", "--output", told.output), end="")


CLUSTER = json.loads(Path(os.environ["CLUSTER"]).read_text())
JOBS = Path(CLUSTER["jobs"])
NODE = pod.Node(Path(CLUSTER["rollbook"]), Path(CLUSTER["node"]))

if __name__ == "__main__":
    main()
