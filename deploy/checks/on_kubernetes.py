"""The Kubernetes manifests: their schema, what they do with each exit code, and the pod as it would be run."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import yaml

from bed import DEPLOY, TOKEN, Api, equal, run

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
# Runs as root in a mount namespace of its own. $1 is an empty folder, $2 the binary, $3 the folder with the volumes; the rest is the
# command. The root can't be written, nobody is root, nothing gives privileges back.
POD = r"""
set -e
root="$1" binary="$2" volumes="$3"
shift 3
mount -t tmpfs tmpfs "$root"
cd "$root"
mkdir -p usr/bin lib lib64 dev proc etc/rollbook var/lib/rollbook tmp
touch usr/bin/rollbook usr/bin/setpriv etc/rollbook/rollbook.toml dev/null dev/urandom
mount --bind "$binary" usr/bin/rollbook
mount --bind /usr/bin/setpriv usr/bin/setpriv
for folder in lib lib64; do mount --rbind "/$folder" "$folder"; done
for device in null urandom; do mount --bind "/dev/$device" "dev/$device"; done
mount -t proc proc proc
mount --bind "$volumes/data" var/lib/rollbook
mount --bind "$volumes/tmp" tmp
mount --bind "$volumes/settings/rollbook.toml" etc/rollbook/rollbook.toml
mount -o remount,ro "$root"
exec unshare --root=. --wd=/ \
    setpriv --reuid 65532 --regid 65532 --groups 65532 --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"""


def manifest(name: str, kind: str) -> dict:
    [found] = [document for document in yaml.safe_load_all((FOLDER / name).read_text()) if document["kind"] == kind]
    return found


def jobs() -> dict[str, dict]:
    night = manifest("cronjob.yaml", "CronJob")["spec"]["jobTemplate"]["spec"]
    return {"cronjob.yaml": night, "backfill-job.yaml": manifest("backfill-job.yaml", "Job")["spec"]}


def container(job: dict) -> dict:
    [only] = job["template"]["spec"]["containers"]
    return only


def schema(_: Path, __: Path) -> None:
    """Kubernetes: the manifests keep to the schema of the API, unknown keys refused."""
    files = sorted(FOLDER.glob("*.yaml"))
    equal(len(files), 2, "manifests")
    # The newest version that the package knows, and the oldest one that docs/kubernetes.md names.
    for version in ([], ["--kubernetes-version", "1.31"]):
        run(Path(sys.executable).parent / "kubernetes-validate", "--strict", *version, *files)


def action(job: dict, code: int) -> str:
    for rule in job["podFailurePolicy"]["rules"]:
        codes = rule.get("onExitCodes")
        if codes and code in codes["values"]:
            equal((codes["operator"], codes["containerName"]), ("In", container(job)["name"]), "rule")
            return rule["action"]
    return "Count"


def exit_codes(_: Path, __: Path) -> None:
    """Kubernetes: each exit code leads to what the pages say, and rules apply at all."""
    for name, job in jobs().items():
        equal({code: action(job, code) for code in MEANT}, MEANT, name)
        equal(job["template"]["spec"]["restartPolicy"], "Never", "restartPolicy, without which no rule applies")
    documented = re.findall(r"^\| ([\d, ]+) \|", (DEPLOY.parent / "README.md").read_text(), re.MULTILINE)
    known = {int(code) for row in documented for code in row.split(",")}
    # 0 and 10 are successes or nearly so; 129 is a terminal that went away.
    equal(known - set(MEANT), {0, 10, 129}, "exit codes that the README has and this check does not")


def restrictions(_: Path, __: Path) -> None:
    """Kubernetes: the pods keep to the standard "restricted", and differ in their arguments only."""
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
    equal(arguments, ["export", "backfill"], "commands")
    equal(pods["cronjob.yaml"], pods["backfill-job.yaml"], "pods")


def pod(rollbook: Path, folder: Path) -> None:
    """Kubernetes: the pods' commands run as their user on a root that can't be written."""
    volumes = folder / "volumes"
    for name in ("data", "tmp", "settings"):
        (volumes / name).mkdir(parents=True)
    # As the kubelet lays a volume with an fsGroup.
    os.chown(volumes / "data", 0, 65532)
    (volumes / "data").chmod(0o2770)
    (volumes / "tmp").chmod(0o1777)
    settings = manifest("cronjob.yaml", "ConfigMap")["data"]["rollbook.toml"]

    def started(job: dict, expected: int, **environment: str) -> None:
        root = folder / "root"
        root.mkdir(exist_ok=True)
        known = {"PATH": os.environ["PATH"]}
        literal = {entry["name"]: entry["value"] for entry in container(job)["env"] if "value" in entry}
        command = [*container(job)["command"], *container(job)["args"]]
        held = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "bash", "-c", POD, "pod"]
        run(*held, root, rollbook, volumes, *command, env=known | literal | environment, code=expected)

    with Api(rollbook, "--sessions", "300") as api:
        (volumes / "settings/rollbook.toml").write_text(f'{settings}\n[api]\nbase_url = "{api.url}"\n')
        for job in jobs().values():
            started(job, 0, VIDEOSDK_TOKEN=TOKEN)
            started(job, 4, VIDEOSDK_TOKEN="another-token")
    tables = list((volumes / "data/data/sessions").glob("*/*.parquet"))
    if not tables or {path.stat().st_uid for path in tables} != {65532}:
        raise AssertionError(f"the tables are not the user's: {tables}")


CHECKS = [schema, exit_codes, restrictions, pod]
