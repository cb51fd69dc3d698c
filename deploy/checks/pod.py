"""A pod of a Job as a cluster would run it, in namespaces of its own, and what the Job does when the pod has ended."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from bed import equal

# Runs as root in a mount namespace of its own. $1 is an empty folder, $2 the binary; then come the mounts, each a source and a place,
# up to `--`; the rest is the command. The root can't be written, nobody is root, nothing gives privileges back.
BOOT = r"""
set -e
root="$1" binary="$2"
shift 2
mount -t tmpfs tmpfs "$root"
cd "$root"
mkdir -p usr/bin lib lib64 dev proc
touch usr/bin/rollbook usr/bin/setpriv dev/null dev/urandom
mount --bind "$binary" usr/bin/rollbook
mount --bind /usr/bin/setpriv usr/bin/setpriv
for folder in lib lib64; do mount --rbind "/$folder" "$folder"; done
for device in null urandom; do mount --bind "/dev/$device" "dev/$device"; done
mount -t proc proc proc
while [ "$1" != -- ]; do
    if [ -d "$1" ]; then mkdir -p ".$2"; else mkdir -p ".${2%/*}"; touch ".$2"; fi
    mount --bind "$1" ".$2"
    shift 2
done
shift
mount -o remount,ro "$root"
exec unshare --root=. --wd=/ \
    setpriv --reuid 65532 --regid 65532 --groups 65532 --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"""


def container(job: dict) -> dict:
    [only] = job["template"]["spec"]["containers"]
    return only


def action(job: dict, code: int) -> str:
    """What the podFailurePolicy of a Job does with an exit code."""
    for rule in job["podFailurePolicy"]["rules"]:
        codes = rule.get("onExitCodes")
        if codes and code in codes["values"]:
            equal((codes["operator"], codes["containerName"]), ("In", container(job)["name"]), "rule")
            return rule["action"]
    return "Count"


class Node:
    """Where pods run: their volumes are folders, and `shared` stands for an object store, which all pods reach as /shared."""

    def __init__(self, rollbook: Path, folder: Path) -> None:
        self.rollbook = rollbook
        self.folder = folder
        self.shared = self.owned(folder / "shared")
        (folder / "settings").mkdir(exist_ok=True)

    @staticmethod
    def owned(folder: Path) -> Path:
        """As the kubelet lays a volume with an fsGroup."""
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, 0, 65532)
        folder.chmod(0o2770)
        return folder

    def settings(self, text: str) -> None:
        """The ConfigMap."""
        (self.folder / "settings/rollbook.toml").write_text(text)

    def claim(self, name: str) -> Path:
        return self.owned(self.folder / "claims" / name)

    def run(self, job: dict, secret: dict[str, str], **environment: str) -> subprocess.CompletedProcess:
        """Runs one pod of a Job to its end, with the entries of the Secret that it refers to."""
        with tempfile.TemporaryDirectory(dir=self.folder) as own:
            root = Path(own) / "root"
            root.mkdir()
            mounts = [word for mount in container(job)["volumeMounts"] for word in self.mount(job, mount, Path(own))]
            command = [*container(job)["command"], *container(job)["args"]]
            held = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "bash", "-c", BOOT, "pod"]
            return subprocess.run(
                [*held, root, self.rollbook, *mounts, self.shared, "/shared", "--", *command],
                env={"PATH": os.environ["PATH"]} | variables(job, secret) | environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=240,
            )

    def mount(self, job: dict, mount: dict, own: Path) -> tuple[Path, str]:
        [volume] = [volume for volume in job["template"]["spec"]["volumes"] if volume["name"] == mount["name"]]
        if "configMap" in volume:
            source = self.folder / "settings"
        elif "persistentVolumeClaim" in volume:
            source = self.claim(volume["persistentVolumeClaim"]["claimName"])
        else:
            equal(volume["emptyDir"], {}, "volume")
            source = self.owned(own / volume["name"])
        return source / mount.get("subPath", ""), mount["mountPath"]


def variables(job: dict, secret: dict[str, str]) -> dict[str, str]:
    """The environment of the container."""
    found = {}
    for entry in container(job)["env"]:
        if "value" in entry:
            found[entry["name"]] = entry["value"]
            continue
        reference = entry["valueFrom"]["secretKeyRef"]
        equal(reference["name"], "rollbook", "name of the Secret")
        if reference["key"] in secret or not reference.get("optional"):
            found[entry["name"]] = secret[reference["key"]]
    return found
