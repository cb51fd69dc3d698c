"""The systemd units, run by systemd itself in a machine of its own."""

from __future__ import annotations

import re
import time
from datetime import datetime, timezone
from pathlib import Path

import pages
from bed import DEPLOY, TOKEN, Answering, Api, Served, contains, equal, run
from machine import Machine

FOLDER = DEPLOY / "systemd"
UNITS = ["rollbook.service", "rollbook.timer", "rollbook-failed@.service"]
MAIL = "/var/mail/sent"
# Stands for a mail server: keeps what is to be sent.
SENDMAIL = f"#!/bin/sh\ncat >>{MAIL}\n"


def exposure(_: Path, __: Path) -> None:
    """systemd: `systemd-analyze security` gives the service less than 2.0."""
    told = run("systemd-analyze", "security", "--offline=true", FOLDER / "rollbook.service")
    [level] = re.findall(r"Overall exposure level for rollbook\.service: ([\d.]+)", told)
    if not float(level) < 2.0:
        raise AssertionError(told)


class Service:
    """A machine in which somebody has followed docs/systemd.md up to the first night."""

    def __init__(self, machine: Machine, rollbook: Path) -> None:
        self.machine = machine
        machine.put(SENDMAIL, "/usr/sbin/sendmail", "0755")
        pages.lay_checkout(machine, rollbook)
        pages.follow(machine, "systemd", "Install")
        pages.follow(machine, "systemd", "The token", typed=f"{TOKEN}\n")
        # Tries are a second apart, not fifteen minutes.
        machine.put("[Service]\nRestartSec=1s\n", "/etc/systemd/system/rollbook.service.d/check.conf")
        machine.sh("mkdir -p /var/lib/prometheus/node-exporter; systemctl daemon-reload")

    def token(self, token: str) -> None:
        self.machine.put(f"{token}\n", "/etc/rollbook/token", "0600")

    def api(self, port: int, **settings: str) -> None:
        lines = {"ROLLBOOK_API_BASE_URL": f"http://127.0.0.1:{port}"} | settings
        text = "".join(f"{name}={value}\n" for name, value in lines.items())
        self.machine.put(text, "/etc/rollbook/environment", "0600")

    def start(self) -> None:
        """Starts the service, with nothing left of earlier failures and mails."""
        self.machine.sh(f"rm -f {MAIL}; systemctl reset-failed; journalctl --rotate --vacuum-time=1s >/dev/null 2>&1")
        self.machine.run("systemctl", "start", "rollbook.service", check=False)

    def wait(self) -> None:
        """Until no try is under way or to come, and no mail is being sent."""
        for _ in range(300):
            time.sleep(0.1)
            states = self.machine.sh("systemctl show -P ActiveState rollbook.service 'rollbook-failed@*'; systemctl list-jobs --no-legend")
            if not re.search("activating|deactivating|running|waiting", states):
                return
        raise AssertionError(f"the service has not come to rest: {states}")

    def ended(self, state: str, code: int, mails: int) -> str:
        """Asserts how the last start has ended; returns the mails."""
        self.wait()
        journal = self.machine.sh("journalctl -u rollbook.service -u 'rollbook-failed@*' --no-pager")
        shown = self.machine.sh("systemctl show -p ActiveState -p ExecMainStatus rollbook.service").split()
        equal(sorted(shown), [f"ActiveState={state}", f"ExecMainStatus={code}"], f"{journal}\nthe service")
        text = self.machine.sh(f"cat {MAIL} 2>/dev/null || true")
        equal(text.count("Subject: "), mails, f"mails:\n{text}\n{journal}\nnumber")
        return text

    def exit_codes(self) -> list[int]:
        """The exit codes of all runs, by the receipts."""
        receipts = "/var/lib/rollbook/data/_rollbook/runs"
        told = self.machine.sh(f"cat {receipts}/*.json | grep exit_code")
        return [int(code) for code in re.findall(r"\d+", told)]


def service(rollbook: Path, _: Path) -> None:
    """systemd: the units are sound; the service exports within its sandbox, restarts for 5, mails for 3 and 4, stops cleanly."""
    flags = ["--sessions", "300"]
    with Machine() as machine, Api(rollbook, *flags) as api, Api(rollbook, *flags, "--reject-every", "50") as odd:
        it = Service(machine, rollbook)
        it.api(api.port)
        paths = [f"/etc/systemd/system/{unit}" for unit in UNITS]
        equal(machine.run("systemd-analyze", "verify", *paths).stderr, "", "remarks of systemd-analyze verify")

        journal = pages.follow(machine, "systemd", "The first night")
        contains(journal, "complete: the answers overlap without a gap", "rollbook.timer")
        it.ended("inactive", 0, mails=0)
        equal(it.exit_codes(), [0], "exit codes of the first run")
        if "WARN" in journal:
            raise AssertionError(journal)
        pages.follow(machine, "systemd", "The message")
        contains(it.ended("inactive", 0, mails=1), "Subject: rollbook has failed on machine", "complete: the answers")
        sandbox(it)

        it.api(odd.port)
        it.start()
        contains(it.ended("failed", 3, mails=1), "Subject: rollbook has failed on machine", "could not be read whole")

        it.api(api.port)
        it.token("another-token")
        it.start()
        contains(it.ended("failed", 4, mails=1), "the API answered 401")
        equal(it.exit_codes(), [0, 3, 4], "exit codes of all runs: 3 and 4 are not tried again")
        machine.run("rm", "/etc/rollbook/token")
        it.start()
        it.ended("failed", 243, mails=1)
        equal(machine.sh("systemctl show -P NRestarts rollbook.service"), "0\n", "further tries without a token")
        it.token(TOKEN)

        failing(it, rollbook)
        timer(it, api)
        stopped(it, rollbook)


def sandbox(it: Service) -> None:
    """The tables are for the group to read; nothing else can be written, and the token is not in reach."""
    machine = it.machine
    machine.sh("useradd --groups rollbook ann; useradd bob")
    reading = "setpriv --reuid {} --regid nogroup --init-groups sh -c 'cat /var/lib/rollbook/data/sessions/*/*.parquet' >/dev/null"
    machine.sh(reading.format("ann"))
    machine.sh("! " + reading.format("bob"))
    # The same restrictions, another program.
    allowed = ["touch /var/lib/rollbook/probe", "touch /tmp/x", "touch /var/lib/prometheus/node-exporter/x", "cat $VIDEOSDK_TOKEN_FILE"]
    # Everybody may write these folders, so that nothing but the sandbox keeps the service out.
    machine.sh("for folder in /etc /usr /var /root /srv; do mkdir -p $folder/open; chmod 1777 $folder/open; done; chmod 0755 /root")
    refused = [f"touch {folder}/open/x" for folder in ("/etc", "/usr", "/var", "/root", "/srv")]
    refused += ["cat /etc/rollbook/token", "cat /etc/rollbook/environment", "unshare -U true", "ls /proc/1/cwd/"]
    refused += ["chmod u+s /var/lib/rollbook/probe", "ls /dev/mem", "hostname other"]
    script = "".join(f"{command} >/dev/null && echo 'allowed: {command}' >&2\n" for command in allowed + refused)
    machine.sh("chown rollbook /var/lib/prometheus/node-exporter")
    machine.put(f"#!/bin/sh\n{script}true\n", "/usr/bin/probe", "0755")
    dropin = "/run/systemd/system/rollbook.service.d/probe.conf"
    machine.put("[Service]\nExecStart=\nExecStart=/usr/bin/probe\n", dropin)
    machine.run("systemctl", "daemon-reload")
    it.start()
    it.ended("inactive", 0, mails=0)
    journal = machine.sh("journalctl -u rollbook.service -o cat --no-pager")
    found = re.findall(r"^allowed: (.*)$", journal, re.MULTILINE)
    equal(found, allowed, f"{journal}\nwhat the sandbox allows")
    machine.sh(f"rm {dropin} /var/lib/rollbook/probe; systemctl daemon-reload")


def failing(it: Service, rollbook: Path) -> None:
    """An API that is away: five tries and one mail; none where it comes back in time."""
    with Api(rollbook, "--sessions", "300") as gone:
        port = gone.port
    it.api(port, ROLLBOOK_API_RETRY_BUDGET="500ms")
    before = len(it.exit_codes())
    it.start()
    it.ended("failed", 5, mails=1)
    equal(it.exit_codes()[before:], [5] * 5, "tries with an API that is away")

    before = len(it.exit_codes())
    it.start()
    with Api(rollbook, "--sessions", "300", port=port):
        it.ended("inactive", 0, mails=0)
    equal(it.exit_codes()[before:][-1], 0, "the last of the tries with an API that comes back")
    equal(set(it.exit_codes()[before:-1]), {5}, "the tries before it")


def stopped(it: Service, rollbook: Path) -> None:
    """`systemctl stop` ends a run cleanly, and nobody gets a mail."""
    before = len(it.exit_codes())
    with Api(rollbook, "--sessions", "5000", "--latency", "500ms") as slow:
        it.api(slow.port)
        it.machine.sh(f"rm -f {MAIL}; systemctl reset-failed; systemctl start --no-block rollbook.service; sleep 1.5")
        begun = time.monotonic()
        it.machine.run("systemctl", "stop", "rollbook.service")
        if time.monotonic() - begun > 5:
            raise AssertionError("the run took more than five seconds to stop")
        it.ended("inactive", 143, mails=0)
    equal(it.exit_codes()[before:], [143], "exit codes of a run that was stopped")


def timer(it: Service, api: Api) -> None:
    """The timer starts the service, and its next time is within a day and its delay."""
    it.api(api.port)
    before = len(it.exit_codes())
    it.machine.put("[Timer]\nOnActiveSec=1s\nRandomizedDelaySec=0\nAccuracySec=1ms\n", "/run/systemd/system/rollbook.timer.d/now.conf")
    it.machine.sh("systemctl daemon-reload; systemctl reset-failed; systemctl enable --quiet --now rollbook.timer; sleep 2")
    it.wait()
    equal(it.exit_codes()[before:], [0], "exit codes of runs that the timer has started")
    it.machine.sh("systemctl stop rollbook.timer; rm -r /run/systemd/system/rollbook.timer.d")
    it.machine.sh("systemctl daemon-reload; systemctl start rollbook.timer")
    told = it.machine.sh("systemctl show -P NextElapseUSecRealtime rollbook.timer").strip()
    next_time = datetime.strptime(told, "%a %Y-%m-%d %H:%M:%S UTC").replace(tzinfo=timezone.utc)
    ahead = next_time.timestamp() - time.time()
    if not 0 < ahead <= 24 * 3600 + 20 * 60:
        raise AssertionError(f"the timer's next time is in {ahead} s")


def watched(rollbook: Path, _: Path) -> None:
    """docs/monitoring.md within the sandbox of the service: the health check, the program that tells, the metrics file."""
    flags = ["--sessions", "300"]
    with Machine() as machine, Calls() as calls, Api(rollbook, *flags) as api, Api(rollbook, *flags, "--reject-every", "50") as odd:
        it = Service(machine, rollbook)
        address = f"http://127.0.0.1:{calls.port}"

        def night(api: Api) -> None:
            calls.seen.clear()
            it.api(api.port)
            ping = {"https://health.example/ping/0000": f"{address}/ping"}
            pages.follow(machine, "monitoring", "A health check service", instead=ping)
            hook = {"https://chat.example/hooks/0000": f"{address}/hook"}
            pages.follow(machine, "monitoring", "A program of yours", instead=hook)
            pages.follow(machine, "monitoring", "Prometheus")
            it.start()

        def code_by_metrics() -> str:
            file = "/var/lib/prometheus/node-exporter/rollbook.prom"
            # As the node exporter, a user of its own, reads it.
            reading = f"setpriv --reuid nobody --regid nogroup --clear-groups cat {file}"
            [code] = re.findall(r"^rollbook_last_run_exit_code\{.*\} (\d+)$", machine.sh(reading), re.MULTILINE)
            return code

        night(api)
        it.ended("inactive", 0, mails=0)
        equal(calls.seen, [("/ping/start", ""), ("/ping", "")], "calls in a good night")
        equal(code_by_metrics(), "0", "exit code by the metrics")
        night(odd)
        it.ended("failed", 3, mails=1)
        equal(calls.seen[0], ("/ping/start", ""), "first call in a night with exit code 3")
        equal(sorted(path for path, _ in calls.seen), ["/hook", "/ping/3", "/ping/start"], "calls in a night with exit code 3")
        contains(dict(calls.seen)["/hook"], "rollbook export ended with 3 (")
        equal(code_by_metrics(), "3", "exit code by the metrics")
        journal = machine.sh("journalctl -u rollbook.service --no-pager")
        contains(journal, "`notify.command` was told how the run ended")


class Calls(Served):
    """Stands for the services that are called: keeps path and body of each call."""

    def __init__(self) -> None:
        seen = self.seen = []

        class Handler(Answering):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                seen.append((self.path, body))
                self.answer(200)

            do_POST = do_GET

        super().__init__(Handler)


CHECKS = [exposure, service, watched]
