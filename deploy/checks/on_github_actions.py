"""The workflow for GitHub Actions: its schema, and its scripts run by the shell that GitHub runs them with."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import yaml

from bed import DEPLOY, TOKEN, Api, Throttle, contains, equal, run

WORKFLOW = DEPLOY / "github-actions/rollbook.yml"


def schema(_: Path, __: Path) -> None:
    """GitHub Actions: the workflow keeps to the schema."""
    run(Path(sys.executable).parent / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", WORKFLOW)


def script(job: str, name: str) -> str:
    [step] = [step for step in yaml.safe_load(WORKFLOW.read_text())["jobs"][job]["steps"] if step.get("name") == name]
    equal(step["shell"], "bash", f"shell of {name!r}")
    return step["run"]


def nights(rollbook: Path, folder: Path) -> None:
    """GitHub Actions: 0 is green, 429 is tried again, 3 is green with a red job behind it, 4 is red at once."""
    programs = folder / "bin"
    programs.mkdir()
    (programs / "rollbook").symlink_to(rollbook)
    # A pause takes no time here, and is kept.
    pauses = folder / "pauses"
    sleep = programs / "sleep"
    sleep.write_text(f'#!/bin/sh\necho "$1" >>{pauses}\n')
    sleep.chmod(0o755)

    def step(job: str, name: str, code: int, **environment: str) -> str:
        known = {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(folder)}
        # The command of GitHub's documentation for `shell: bash`.
        return run("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script(job, name), env=known | environment, code=code)

    def export(url: str, code: int, exit_code: int, token: str = TOKEN, **settings: str) -> str:
        """The step "Export", whose code is that of the job, and whose output is rollbook's exit code."""
        output = folder / "output"
        output.write_text("")
        pauses.write_text("")
        where = {"ROLLBOOK_API_BASE_URL": url, "ROLLBOOK_DATASET_URL": str(folder / f"data-{exit_code}"), "VIDEOSDK_TOKEN": token}
        log = step("export", "Export", code, GITHUB_OUTPUT=str(output), **where, **settings)
        equal(output.read_text(), f"exit-code={exit_code}\n", f"output of the step\n{log}")
        return log

    with Api(rollbook, "--sessions", "300") as api:
        export(api.url, 0, 0)
        export(api.url, 4, 4, token="another-token")
        equal(pauses.read_text(), "", "pauses after 4")
        with Throttle(api) as throttle:
            export(throttle.url, 5, 5, ROLLBOOK_API_RETRY_BUDGET="500ms")
            equal(pauses.read_text().split(), ["60", "300", "900"], "pauses between tries that are answered with 429")
    with Api(rollbook, "--sessions", "300", "--reject-every", "50") as odd:
        contains(export(odd.url, 0, 3), "::warning title=rollbook::")
    verdict = "Was it shown that nothing is missing?"
    step("proven", verdict, 0, CODE="0")
    contains(step("proven", verdict, 3, CODE="3"), "::error title=rollbook::")


CHECKS = [schema, nights]
