"""The cron file, run by Debian's cron in a machine of its own."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pages
from bed import DEPLOY, TOKEN, Api, contains, equal
from machine import Machine

# Stands for a mail server: keeps each mail in a file that is named by whom the mail is to.
SENDMAIL = '#!/bin/sh\nfor to; do :; done\ncat >>"/var/mail/to-$to"\n'
EVERY_MINUTE = "* * * * *"


def lines() -> tuple[str, list[str]]:
    """The settings of the file, and its lines with a command."""
    text = (DEPLOY / "cron/rollbook.cron").read_text()
    kept = [line for line in text.splitlines() if line and not line.startswith("#")]
    commands = [line for line in kept if line[0].isdigit()]
    return "".join(f"{line}\n" for line in kept if line not in commands), commands


def nights(rollbook: Path, _: Path) -> None:
    """cron: a good night sends no mail, a refused token and a night that was not proven do, a second try mends."""
    settings, (night, again, morning) = lines()
    with Machine() as machine, Api(rollbook, "--sessions", "300") as api:
        machine.put(SENDMAIL, "/usr/sbin/sendmail", "0755")
        permit = "".join(f"{kind} required pam_permit.so\n" for kind in ("auth", "account", "session"))
        machine.put(permit, "/etc/pam.d/cron")
        machine.put(permit, "/etc/pam.d/other")
        machine.sh("mkdir -p /etc/cron.d /var/spool/cron/crontabs")
        pages.lay_checkout(machine, rollbook)
        pages.follow(machine, "cron", "Install")
        pages.follow(machine, "cron", "The token", typed=f"{TOKEN}\n")
        machine.put(f"[api]\nbase_url = \"{api.url}\"\n[dataset]\nurl = \"/var/lib/rollbook/data\"\n", "/etc/rollbook/rollbook.toml")
        contains(pages.follow(machine, "cron", "The first night"), "complete: the answers overlap without a gap")
        # The file is in its place; what follows are copies of its lines that do not wait for the night.
        machine.run("rm", "/etc/cron.d/rollbook")
        machine.sh("rm -r /var/lib/rollbook/data")
        machine.sh("install -m 0640 -g rollbook /dev/null /etc/rollbook/wrong; echo another-token >/etc/rollbook/wrong")

        def schedule(name: str, line: str, token: str = "token") -> None:
            """A copy of one line, for the next minute, with a dataset and a mailbox of its own."""
            own = f"MAILTO={name}\nROLLBOOK_DATASET_URL=/var/lib/rollbook/{name}\n"
            own += f"VIDEOSDK_TOKEN_FILE=/etc/rollbook/{token}\n"
            command = re.sub(r"^(\S+ ){5}", f"{EVERY_MINUTE} ", line)
            machine.put(f"{settings}{own}{command}\n", f"/etc/cron.d/{name}")

        schedule("night", night)
        schedule("refused", night, token="wrong")
        schedule("again", again)
        schedule("morning", morning)
        machine.run("systemctl", "start", "cron.service")
        ended(machine)
        mails = {name: machine.sh(f"cat /var/mail/to-{name} 2>/dev/null || true") for name in ("night", "refused", "again", "morning")}
        contains(mails["refused"], "Subject: Cron <rollbook@machine>", "rollbook export --quiet\n", "error: the API answered 401")
        contains(mails["morning"], "error: there is no dataset")
        equal((mails["night"], mails["again"]), ("", ""), "mails of good nights")


def ended(machine: Machine) -> None:
    """Until every line has run once, and what they started has ended."""
    runs = "ls /var/lib/rollbook/*/_rollbook/runs/*.json /var/mail/to-* 2>/dev/null | wc -l"
    for _ in range(200):
        time.sleep(0.4)
        # Two receipts of good nights, one of a refused one, two mails.
        if int(machine.sh(runs)) >= 5 and not machine.sh("pgrep rollbook || true"):
            return
    journal = machine.sh("journalctl --no-pager -u cron.service; ls -R /var/lib/rollbook /var/mail")
    raise AssertionError(f"cron has not run every line within 80 s:\n{journal}")


CHECKS = [nights]
