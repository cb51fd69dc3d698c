"""The recipe for AWS Batch: its job definition by the model of the service, and its script, run with the AWS CLI."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import awscli.botocore.session
from awscli.botocore.model import Shape
from awscli.botocore.validate import ParamValidator

from batch import Batch, decision
from bed import DEPLOY, TOKEN, Api, Throttle, contains, equal, run
from on_kubernetes import MEANT
from plain import ACCOUNT, STEPS, Plain, environment

FOLDER = DEPLOY / "aws-batch"
SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rollbook-token-AbCdEf"


def definition() -> dict:
    return json.loads((FOLDER / "job-definition.json").read_text())


def words(shape: Shape, value: object, where: str) -> list[str]:
    """The texts that are none of those that the model allows. The AWS CLI leaves this to the service."""
    if shape.type_name == "structure":
        return [found for name, inner in value.items() for found in words(shape.members[name], inner, f"{where}.{name}")]
    if shape.type_name == "list":
        return [found for inner in value for found in words(shape.member, inner, f"{where}[]")]
    enum = getattr(shape, "enum", None)
    return [f"{where}: {value}"] if enum and value not in enum else []


def schema(_: Path, __: Path) -> None:
    """AWS Batch: the job definition keeps to the model of the service, and has its token by reference."""
    operation = awscli.botocore.session.get_session().get_service_model("batch").operation_model("RegisterJobDefinition")
    found = definition()
    report = ParamValidator().validate(found, operation.input_shape)
    equal(report.generate_report(), "", "what the model of the service says")
    equal(words(operation.input_shape, found, "definition"), [], "words that the model of the service does not know")
    kept = found["containerProperties"]
    equal(kept["secrets"], [{"name": "VIDEOSDK_TOKEN", "valueFrom": SECRET}], "secrets")
    equal([entry["name"] for entry in kept["environment"]], ["ROLLBOOK_DATASET_URL", "AWS_REGION"], "variables")
    # The service takes so many.
    equal(len(found["retryStrategy"]["evaluateOnExit"]) <= 5 and found["retryStrategy"]["attempts"] <= 10, True, "limits")


def exit_codes(_: Path, __: Path) -> None:
    """AWS Batch: each exit code leads to what the pages say, and a lost host to another attempt."""
    strategy = definition()["retryStrategy"]
    # Only `verify` ends with 9.
    meant = {code: {"FailJob": "EXIT", "Count": "RETRY"}[action] for code, action in MEANT.items() if code != 9}
    equal({code: decision(strategy, code) for code in meant}, meant, "decisions")
    for reason in ("Host EC2 (instance i-0123456789abcdef0) terminated.", "Your Spot Task was interrupted."):
        equal(decision(strategy, None, reason), "RETRY", reason)


class Account:
    """An account of AWS with the recipe's job definition, whose jobs find an API at an address."""

    def __init__(self, rollbook: Path, folder: Path, url: str) -> None:
        self.data, self.place = folder / "data", folder / "splits/a-night"
        known = environment(url) | {"ROLLBOOK_DATASET_URL": str(self.data)}
        # The token comes by its reference alone.
        del known["VIDEOSDK_TOKEN"]
        self.batch = Batch(rollbook, "rollbook", {SECRET: TOKEN}, known)
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "AWS_ENDPOINT_URL": self.batch.url,
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "a-key-of-the-checks",
            "AWS_SECRET_ACCESS_KEY": "a-secret-of-the-checks",
        }
        self.place.parent.mkdir()
        file = f"file://{FOLDER}/job-definition.json"
        run("aws", "batch", "register-job-definition", "--cli-input-json", file, env=self.environment)

    def __enter__(self) -> Account:
        self.batch.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.batch.__exit__()

    def split(self, code: int, token: str = TOKEN) -> str:
        """Runs the script of the recipe."""
        self.batch.secrets[SECRET] = token
        try:
            return run(FOLDER / "split", self.place, "4", env=self.environment, code=code)
        except AssertionError as unexpected:
            raise AssertionError("\n".join(self.batch.log)) from unexpected


def split(rollbook: Path, folder: Path) -> None:
    """AWS Batch: a split stops at a step that has failed, goes on from there, and writes what a plain export does."""
    with Api(rollbook, *ACCOUNT) as api:
        plain = Plain(rollbook, api, folder)
        with Account(rollbook, folder, api.url) as account:
            refused = account.split(1, token="another-token")
            contains(refused, "rollbook-plan-a-night\tFAILED\tEssential container in task exited")
            contains(refused, "rollbook-finish-a-night\tFAILED\tDependent Job failed")
            equal(len(account.batch.log), 1, "attempts with a token that is refused")
            account.split(0)
            names = [job["asked"]["jobName"] for job in account.batch.jobs.values()]
            equal(names, [f"rollbook-{step}-a-night" for step in STEPS] * 2, "jobs")
            plain.equals(account.data)


def unproven(rollbook: Path, folder: Path) -> None:
    """AWS Batch: 429 is tried again, and a split that is written but not proven ends with 3, after its last step."""
    with (
        Api(rollbook, *ACCOUNT, "--reject-every", "50") as odd,
        Throttle(odd) as throttle,
        Account(rollbook, folder, throttle.url) as account,
    ):
        account.batch.environment["ROLLBOOK_API_RETRY_BUDGET"] = "1s"
        account.batch.before_retry = throttle.relent
        contains(account.split(3), "rollbook-finish-a-night\tFAILED", "rollbook-publish-a-night\tSUCCEEDED")
        contains(account.batch.log[0], "'split', 'plan'", "429 Too Many Requests")
        equal([attempt.splitlines()[0][-3:] for attempt in account.batch.log[:2]], [": 5", ": 0"], "attempts of the plan")


CHECKS = [split, schema, exit_codes, unproven]
