"""The pages in docs/: their commands, which checks run as they stand, and their links."""

from __future__ import annotations

import re
from pathlib import Path

from bed import DEPLOY, ROOT, equal
from machine import Machine

NAMES = ["systemd", "kubernetes", "airflow", "cron", "github-actions", "monitoring", "clusters"]


def text(name: str) -> str:
    return (ROOT / f"docs/{name}.md").read_text()


def commands(name: str, heading: str) -> list[str]:
    """The blocks of shell commands under a heading of a page."""
    [section] = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text(name), re.MULTILINE | re.DOTALL)
    return re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def lay_checkout(machine: Machine, rollbook: Path) -> None:
    """What the pages take for granted: a checkout after `cargo build --release`, in which commands are run, and sudo."""
    machine.put(rollbook, "/checkout/target/release/rollbook", "0755")
    for file in [*DEPLOY.glob("systemd/*"), *DEPLOY.glob("cron/*")]:
        machine.put(file, f"/checkout/{file.relative_to(ROOT)}")
    machine.put('#!/bin/sh\nexec "$@"\n', "/usr/bin/sudo", "0755")


def follow(machine: Machine, name: str, heading: str, typed: str = "", instead: dict[str, str] | None = None) -> str:
    """Runs what stands under a heading of a page, with some texts of it replaced; returns what it printed."""
    found = commands(name, heading)
    if not found:
        raise AssertionError(f"no commands under {heading!r} of {name}.md")
    for example, real in (instead or {}).items():
        equal(example in "".join(found), True, f"{example!r} is under {heading!r} of {name}.md")
        found = [block.replace(example, real) for block in found]
    return "".join(machine.run("sh", "-euc", f"cd /checkout\n{block}", stdin=typed).stdout for block in found)


def sound(_: Path, __: Path) -> None:
    """The pages: links and named files are there, none is long, and each file of deploy/ has its page."""
    for name in NAMES:
        page = text(name)
        equal(40 <= page.count("\n") <= 100, True, f"docs/{name}.md has {page.count(chr(10))} lines; 40 to 100")
        for target in re.findall(r"\]\(([^)#:]+)[^):]*\)", page):
            equal((ROOT / "docs" / target).exists(), True, f"docs/{name}.md links to {target}, which is there")
        for target in re.findall(r"\bdeploy/[\w./@-]*\w", page):
            equal((ROOT / target).exists(), True, f"docs/{name}.md names {target}, which is there")
    pages = "".join(text(name) for name in NAMES)
    shown = [file for file in DEPLOY.rglob("*.*") if file.parent not in (DEPLOY, DEPLOY / "checks") and ".test." not in file.name]
    missing = [file.name for file in shown if file.name not in pages and "__pycache__" not in file.parts]
    equal(missing, [], "files that no page names")


CHECKS = [sound]
