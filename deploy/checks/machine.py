"""A machine of its own for a check: systemd as process 1, in namespaces of its own.

The folder /usr is this machine's, under a layer that is thrown away; all else is made anew in memory. The network is this
machine's, so that a server on loopback can be reached. Everything goes when process 1 is killed: nothing is mounted outside.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

# Runs as root in new namespaces. $1 is an empty folder, and becomes the root of the machine.
BOOT = r"""
set -e
root="$1"
mount -t tmpfs -o mode=755 tmpfs "$root"
cd "$root"
mkdir -p usr etc/systemd/system run var/lib var/log var/mail var/tmp tmp proc sys dev root layer
mount -t tmpfs -o mode=755 tmpfs layer
mkdir layer/upper layer/work
mount -t overlay -o lowerdir=/usr,upperdir=layer/upper,workdir=layer/work overlay usr
chmod 1777 tmp var/tmp var/mail
for link in bin sbin lib lib64; do ln -s "usr/$link" "$link"; done
mount -t proc proc proc
# Settings of the kernel are not the machine's own: systemd must not write them.
mount --bind proc/sys proc/sys
mount -o remount,ro,bind proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do touch "dev/$device"; mount --bind "/dev/$device" "dev/$device"; done
mkdir dev/shm dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s ../run var/run
cp -a /etc/ld.so.cache etc/
printf 'root:x:0:0:root:/root:/bin/sh\n' >etc/passwd
printf 'root:x:0:\n' >etc/group
printf 'passwd: files\ngroup: files\n' >etc/nsswitch.conf
printf 'machine\n' >etc/hostname
printf '%032x\n' 1 >etc/machine-id
# The usual units of an early start look after the kernel's modules and devices, which are not the machine's own.
rm -r usr/lib/systemd/system/sysinit.target.wants usr/lib/systemd/system/local-fs.target.wants
printf '[Unit]\nWants=systemd-journald.service\n' >etc/systemd/system/check.target
hostname machine
# In a root that was merely changed (chroot) no user namespaces can be made, as `PrivateUsers=` makes them.
mkdir before
pivot_root . before
umount --lazy before
rmdir before
# Credentials of a service are mounted where only the service sees them, and come to it by this.
mount --make-rshared /
systemd-sysusers >/dev/null 2>&1
mkdir /run/log /run/log/journal
systemd-tmpfiles --create --prefix=/run/log/journal
exec /lib/systemd/systemd --unit=check.target --log-target=journal --show-status=no
"""
NAMESPACES = ["--pid", "--mount", "--uts", "--ipc", "--cgroup"]


class Machine:
    """Boots on entering, and is gone after leaving."""

    def __enter__(self) -> Machine:
        self.folder = tempfile.mkdtemp(prefix="rollbook-machine-")
        # The machine ends with this process, however this process ends.
        held = ["setpriv", "--pdeathsig", "KILL", "unshare", *NAMESPACES, "--fork", "--kill-child=KILL"]
        self.outer = subprocess.Popen(
            [*held, "bash", "-c", BOOT, "boot", self.folder],
            stdin=subprocess.DEVNULL,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "container": "rollbook-check"},
        )
        try:
            self.init = self._process_1()
            self._wait_until_booted()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.outer.kill()
        self.outer.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _process_1(self) -> int:
        children = Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children")
        for _ in range(100):
            if found := children.read_text().split():
                return int(found[0])
            time.sleep(0.1)
        raise AssertionError("the machine has no process 1")

    def _wait_until_booted(self) -> None:
        for _ in range(150):
            time.sleep(0.2)
            if self.outer.poll() is not None:
                raise AssertionError(f"the machine did not boot: exit code {self.outer.returncode}")
            state = self.run("systemctl", "is-system-running", check=False).stdout.strip()
            if state in ("running", "degraded"):
                return
        raise AssertionError(f"the machine is not booted after half a minute: {state}")

    def run(self, *command: str, check: bool = True, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Runs a command as root in the machine."""
        enter = ["nsenter", "--target", str(self.init), *NAMESPACES]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
        done = subprocess.run([*enter, *command], input=stdin, env=environment, capture_output=True, text=True, timeout=120)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def sh(self, script: str) -> str:
        return self.run("sh", "-euc", script).stdout

    def put(self, source: Path | str, path: str, mode: str = "0644") -> None:
        """Puts a file of this machine, or a text, into a path of the machine."""
        content = source.read_bytes() if isinstance(source, Path) else source.encode()
        # What is beyond the root of process 1 is reached through /proc, from outside.
        inside = Path(f"/proc/{self.init}/root{path}")
        inside.parent.mkdir(parents=True, exist_ok=True)
        inside.write_bytes(content)
        inside.chmod(int(mode, 8))
