"""The Kubernetes manifests: their schema, what they do with each exit code, and their pods as they would be run."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path

import yaml

from bed import DEPLOY, TOKEN, Api, contains, equal, run
from plain import ACCOUNT, PARTITION_BY, STEPS, Plain
from pod import Node, action

FOLDER = DEPLOY / "kubernetes"
# What the pages say of each exit code: README.md, "Exit codes".
MEANT = {
    1: "FailJob",
    2: "FailJob",
    3: "FailJob",
    4: "FailJob",
    5: "Count",
    6: "Count",
    7: "Count",
    8: "FailJob",
    9: "FailJob",
    # Stopped by a signal, or killed for want of memory: no rule, which counts as well.
    130: "Count",
    137: "Count",
    143: "Count",
}


def manifest(name: str, kind: str) -> dict:
    [found] = [document for document in yaml.safe_load_all((FOLDER / name).read_text()) if document["kind"] == kind]
    return found


def jobs() -> dict[str, dict]:
    night = manifest("cronjob.yaml", "CronJob")["spec"]["jobTemplate"]["spec"]
    return {"cronjob.yaml": night} | {name: manifest(name, "Job")["spec"] for name in ("backfill-job.yaml", "split-job.yaml")}


def settings() -> str:
    return manifest("cronjob.yaml", "ConfigMap")["data"]["rollbook.toml"]


def validate(files: list[Path]) -> None:
    # The newest version that the package knows, and the oldest one that docs/kubernetes.md names.
    for version in ([], ["--kubernetes-version", "1.31"]):
        run(Path(sys.executable).parent / "kubernetes-validate", "--strict", *version, *files)


def schema(_: Path, __: Path) -> None:
    """Kubernetes: the manifests keep to the schema of the API, unknown keys refused."""
    files = sorted(FOLDER.glob("*.yaml"))
    equal(len(files), 3, "manifests")
    validate(files)


def exit_codes(_: Path, __: Path) -> None:
    """Kubernetes: each exit code leads to what the pages say, and rules apply at all."""
    for name, job in jobs().items():
        equal({code: action(job, code) for code in MEANT}, MEANT, name)
        lost = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
        equal(job["podFailurePolicy"]["rules"][0], lost, "the rule for a pod whose node is lost")
        equal(job["template"]["spec"]["restartPolicy"], "Never", "restartPolicy, without which no rule applies")
    documented = re.findall(r"^\| ([\d, ]+) \|", (DEPLOY.parent / "README.md").read_text(), re.MULTILINE)
    known = {int(code) for row in documented for code in row.split(",")}
    # 0 and 10 are successes or nearly so; 129 is a terminal that went away.
    equal(known - set(MEANT), {0, 10, 129}, "exit codes that the README has and this check does not")


def restrictions(_: Path, __: Path) -> None:
    """Kubernetes: the pods keep to the standard "restricted", and differ in their arguments and the first volume only."""
    pods = {name: job["template"]["spec"] for name, job in jobs().items()}
    for pod in pods.values():
        security = pod["securityContext"]
        equal(security["runAsNonRoot"], True, "runAsNonRoot")
        equal(security["seccompProfile"], {"type": "RuntimeDefault"}, "seccompProfile")
        inner = pod["containers"][0]["securityContext"]
        kept = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        equal(inner, kept, "securityContext of the container")
        equal(pod["automountServiceAccountToken"], False, "automountServiceAccountToken")
        equal([name for name in ("hostNetwork", "hostPID", "hostIPC") if name in pod], [], "host namespaces")
    arguments = [pod["containers"][0].pop("args")[0] for pod in pods.values()]
    equal(arguments, ["export", "backfill", "split"], "commands")
    night, backfill, split = pods.values()
    equal(night, backfill, "pods")
    # The pods of a split share no volume, and a health check does not wait for each of them.
    for pod in (night, split):
        del pod["volumes"][0], pod["containers"][0]["volumeMounts"][0]
    night["containers"][0]["env"] = [entry for entry in night["containers"][0]["env"] if entry["name"] != "ROLLBOOK_HEALTHCHECK_URL"]
    equal(night, split, "pods but for the first volume")


def runs(rollbook: Path, folder: Path) -> None:
    """Kubernetes: the pods' commands run as their user on a root that can't be written."""
    node = Node(rollbook, folder)
    with Api(rollbook, "--sessions", "300") as api:
        node.settings(f'{settings()}\n[api]\nbase_url = "{api.url}"\n')
        for name in ("cronjob.yaml", "backfill-job.yaml"):
            for token, code in ((TOKEN, 0), ("another-token", 4)):
                done = node.run(jobs()[name], {"VIDEOSDK_TOKEN": token})
                equal(done.returncode, code, f"exit code of {name}\n{done.stdout}")
    tables = list(node.claim("rollbook").glob("data/sessions/*/*.parquet"))
    if not tables or {path.stat().st_uid for path in tables} != {65532}:
        raise AssertionError(f"the tables are not the user's: {tables}")


class Cluster:
    """A cluster that `kubectl.py` stands for, whose pods find an API at an address."""

    def __init__(self, rollbook: Path, folder: Path, url: str) -> None:
        self.node = Node(rollbook, folder / "node")
        self.jobs, self.known = folder / "jobs", folder / "cluster.json"
        shared = settings().replace('url = "/var/lib/rollbook/data"', f'url = "/shared/data"\npartition_by = "{PARTITION_BY}"')
        self.node.settings(f'{shared}\n[api]\nbase_url = "{url}"\n')
        self.told = {"kubectl": shutil.which("kubectl"), "rollbook": rollbook, "jobs": self.jobs, "node": self.node.folder}
        program = folder / "bin/kubectl"
        for made in (self.jobs, program.parent):
            made.mkdir()
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -B {DEPLOY}/checks/kubectl.py "$@"\n')
        program.chmod(0o755)
        self.environment = {"PATH": f"{program.parent}:{os.environ['PATH']}", "CLUSTER": str(self.known)}

    def split(self, code: int, token: str = TOKEN) -> str:
        """Runs the script of the recipe."""
        self.known.write_text(json.dumps(self.told | {"secret": {"VIDEOSDK_TOKEN": token}}, default=str))
        return run(FOLDER / "split", "/shared/splits/a-night", "4", env=self.environment, code=code)

    def applied(self) -> list[str]:
        files = sorted(self.jobs.glob("*.json"), key=lambda file: file.stat().st_mtime_ns)
        return [file.stem for file in files]


def split(rollbook: Path, folder: Path) -> None:
    """Kubernetes: a split stops at a step that has failed, goes on from there, and writes what a plain export does."""
    with Api(rollbook, *ACCOUNT) as api:
        plain = Plain(rollbook, api, folder)
        cluster = Cluster(rollbook, folder, api.url)
        refused = cluster.split(1, token="another-token")
        contains(refused, "rollbook-plan-a-night has failed: ", "exit code 4 matching FailJob rule")
        equal(cluster.applied(), ["rollbook-plan-a-night"], "Jobs up to the one that has failed")
        cluster.split(0)
    equal(cluster.applied(), [f"rollbook-{step}-a-night" for step in STEPS], "Jobs")
    validate(sorted(cluster.jobs.iterdir()))
    plain.equals(cluster.node.shared / "data")


def unproven(rollbook: Path, folder: Path) -> None:
    """Kubernetes: a split that is written but not proven ends with 3, after its last step."""
    with Api(rollbook, *ACCOUNT, "--reject-every", "50") as odd:
        cluster = Cluster(rollbook, folder, odd.url)
        contains(cluster.split(3), "rollbook-finish-a-night has failed: ", "exit code 3 matching FailJob rule")
    equal(len(cluster.applied()), len(STEPS), "Jobs")


CHECKS = [split, schema, exit_codes, restrictions, runs, unproven]
