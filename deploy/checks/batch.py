"""Stands for AWS Batch, and runs what is submitted. Asked by the AWS CLI, which keeps to the model of the service."""

from __future__ import annotations

import fnmatch
import json
import subprocess
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path

from bed import HELD, Answering, Served, equal


def decision(strategy: dict, code: int | None, reason: str = "Essential container in task exited") -> str:
    """EXIT or RETRY: the first condition that holds, else another attempt. A host that is lost leaves no exit code."""
    for condition in strategy["evaluateOnExit"]:
        told = {"onExitCode": "" if code is None else str(code), "onStatusReason": reason, "onReason": ""}
        asked = {name: pattern for name, pattern in condition.items() if name != "action"}
        if all(fnmatch.fnmatchcase(told[name], pattern) for name, pattern in asked.items()):
            return condition["action"]
    return "RETRY"


class Batch(Served):
    """A queue whose jobs run when somebody asks how they are: of those that wait for nothing, the newest first."""

    def __init__(self, rollbook: Path, queue: str, secrets: dict[str, str], environment: dict[str, str]) -> None:
        self.rollbook = rollbook
        self.queue = queue
        self.secrets = secrets
        # Wins over that of the definition: a folder in place of the bucket, and where the API is.
        self.environment = environment
        self.definitions: dict[str, dict] = {}
        self.jobs: dict[str, dict] = {}
        self.log: list[str] = []
        self.before_retry: Callable[[], None] = lambda: None
        batch = self

        class Handler(Answering):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                known = {"registerjobdefinition": batch.register, "submitjob": batch.submit, "describejobs": batch.describe}
                self.answer(200, json.dumps(known[self.path.removeprefix("/v1/")](asked)).encode())

        super().__init__(Handler)
        self.url = f"http://127.0.0.1:{self.port}"

    def register(self, asked: dict) -> dict:
        name = asked["jobDefinitionName"]
        self.definitions[name] = asked
        return {"jobDefinitionName": name, "jobDefinitionArn": f"arn:aws:batch:::job-definition/{name}:1", "revision": 1}

    def submit(self, asked: dict) -> dict:
        equal(asked["jobQueue"], self.queue, "queue")
        equal(asked["jobDefinition"] in self.definitions, True, f"the job definition {asked['jobDefinition']!r} is registered")
        after = [dependency["jobId"] for dependency in asked.get("dependsOn", [])]
        equal([job for job in after if job not in self.jobs], [], "jobs to come after that are not known")
        job = str(uuid.uuid4())
        self.jobs[job] = {"asked": asked, "after": after, "status": "PENDING"}
        return {"jobId": job, "jobName": asked["jobName"]}

    def describe(self, asked: dict) -> dict:
        while ready := [job for job in self.jobs.values() if job["status"] == "PENDING" and self.ended(job["after"])]:
            self.run(ready[-1])
        return {"jobs": [self.shown(name) for name in asked["jobs"]]}

    def shown(self, name: str) -> dict:
        job = self.jobs[name]
        known = {key: job[key] for key in ("status", "statusReason", "container") if key in job}
        return known | {"jobId": name, "jobName": job["asked"]["jobName"]}

    def ended(self, jobs: list[str]) -> bool:
        return all(self.jobs[job]["status"] in ("SUCCEEDED", "FAILED") for job in jobs)

    def run(self, job: dict) -> None:
        if any(self.jobs[before]["status"] == "FAILED" for before in job["after"]):
            job |= {"status": "FAILED", "statusReason": "Dependent Job failed"}
            return
        size = job["asked"].get("arrayProperties", {}).get("size")
        if size is None:
            code = self.attempts(job["asked"], {})
            job["container"] = {"exitCode": code}
        else:
            equal(2 <= size <= 10000, True, "size of an array")
            code = max(self.attempts(job["asked"], {"AWS_BATCH_JOB_ARRAY_INDEX": str(index)}) for index in reversed(range(size)))
        ended = "FAILED" if code else "SUCCEEDED"
        job |= {"status": ended, "statusReason": "Essential container in task exited"}

    def attempts(self, asked: dict, index: dict[str, str]) -> int:
        """The exit code of the last attempt."""
        strategy = self.definitions[asked["jobDefinition"]]["retryStrategy"]
        for _ in range(strategy["attempts"]):
            code = self.attempt(asked, index)
            if code == 0 or decision(strategy, code) == "EXIT":
                break
            self.before_retry()
        return code

    def attempt(self, asked: dict, index: dict[str, str]) -> int:
        properties = self.definitions[asked["jobDefinition"]]["containerProperties"]
        variables = {entry["name"]: entry["value"] for entry in properties["environment"]}
        variables |= {entry["name"]: self.secrets[entry["valueFrom"]] for entry in properties["secrets"]}
        command = asked["containerOverrides"]["command"]
        with tempfile.TemporaryDirectory() as home:
            done = subprocess.run(
                # The entry point of the image.
                [*HELD, self.rollbook, *command],
                env=variables | self.environment | {"HOME": home} | index,
                cwd=home,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=240,
            )
        self.log.append(f"{command} {index}: {done.returncode}\n{done.stdout}")
        return done.returncode
