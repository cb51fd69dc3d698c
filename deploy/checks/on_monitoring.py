"""The alert rules and the dashboard."""

from __future__ import annotations

import enum
import json
import os
import re
import socket
import subprocess
import time
import types
import typing
import urllib.parse
import urllib.request
from pathlib import Path

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from bed import DEPLOY, HELD, TOKEN, Answering, Api, Served, equal, run

RULES = DEPLOY / "prometheus/rollbook.rules.yml"
DASHBOARD = DEPLOY / "grafana/rollbook.json"
# What a run writes with `--metrics-file`: docs/monitoring.md has the table.
METRICS = {
    "rollbook_last_run_end_timestamp_seconds",
    "rollbook_last_run_start_timestamp_seconds",
    "rollbook_last_run_exit_code",
    "rollbook_last_run_evidence",
    "rollbook_last_run_sessions",
    "rollbook_last_run_new_sessions",
    "rollbook_last_run_updated_sessions",
    "rollbook_last_run_rejects",
    "rollbook_last_run_new_rejects",
    "rollbook_last_run_duration_seconds",
    "rollbook_last_run_requests",
    "rollbook_last_run_retries",
    "rollbook_last_run_info",
    "rollbook_open_sessions",
    "rollbook_fence_timestamp_seconds",
    "rollbook_fence_age_seconds",
    "rollbook_last_success_timestamp_seconds",
}


def metrics_of(text: str) -> set[str]:
    return set(re.findall(r"\brollbook_[a-z_]+", text))


def rules(_: Path, __: Path) -> None:
    """Prometheus: the rules are sound, each alert fires when it should and not before, each metric is one of rollbook's."""
    run("promtool", "check", "rules", RULES)
    run("promtool", "test", "rules", DEPLOY / "prometheus/rollbook.test.yml")
    alerts = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    tested = re.findall(r"alertname: (\w+)\n +exp_alerts", (DEPLOY / "prometheus/rollbook.test.yml").read_text())
    equal(set(tested), {rule["alert"] for rule in alerts}, "alerts that a test has seen firing")
    equal(metrics_of(" ".join(rule["expr"] for rule in alerts)) - METRICS, set(), "unknown metrics")


def dashboard(_: Path, folder: Path) -> None:
    """Grafana: the dashboard keeps to the schema; its queries can be parsed, and ask for rollbook's metrics only."""
    written = json.loads(DASHBOARD.read_text())
    equal(faults(written), [], "what the schema of dashboards does not allow")
    # The check notices an unknown key, a wrong type, and a word that is none of a list.
    for path, value in [(("panels", 0, "colour"), "red"), (("panels", 0, "title"), 5), (("graphTooltip",), 7)]:
        wrong = json.loads(DASHBOARD.read_text())
        place = wrong
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        equal(len(faults(wrong)), 1, f"faults with {path} = {value!r}: {faults(wrong)}; their number")

    queries = [target["expr"] for panel in written["panels"] for target in panel["targets"]]
    queries += [annotation["expr"] for annotation in written["annotations"]["list"]]
    named = [variable["query"]["query"] for variable in written["templating"]["list"] if variable["type"] == "query"]
    queries += [re.fullmatch(r"label_values\((\w+), dataset\)", query)[1] for query in named]
    for query in queries:
        if not metrics_of(query):
            raise AssertionError(f"no metric in {query}")
    # As rules, since this promtool parses queries nowhere else. Grafana fills in its variables before.
    records = [{"record": f"query:{number}", "expr": query.replace("$dataset", "x")} for number, query in enumerate(queries)]
    (folder / "queries.yml").write_text(json.dumps({"groups": [{"name": "queries", "rules": records}]}))
    run("promtool", "check", "rules", folder / "queries.yml")
    equal(metrics_of(DASHBOARD.read_text()) - METRICS, set(), "unknown metrics")


def faults(written: dict) -> list[str]:
    """What Grafana's own library does not know of a dashboard, or knows as another type."""
    register_default_plugins()
    model = Dashboard.from_json(written)
    known = json.loads(JSONEncoder().encode(model))
    return [*lost(written, known, ""), *mistyped(model, Dashboard, "")]


def lost(written: object, known: object, path: str) -> list[str]:
    """Paths of what is in one text and not, or otherwise, in the other. The library adds defaults."""
    if isinstance(written, dict) and isinstance(known, dict):
        missing = [f"{path}/{key}: unknown" for key in written if key not in known]
        return missing + [fault for key in written if key in known for fault in lost(written[key], known[key], f"{path}/{key}")]
    if isinstance(written, list) and isinstance(known, list) and len(written) == len(known):
        return [fault for number, pair in enumerate(zip(written, known)) for fault in lost(*pair, f"{path}/{number}")]
    return [] if written == known else [f"{path}: {written!r} became {known!r}"]


def mistyped(value: object, hint: object, path: str) -> list[str]:
    """Paths of values that are not of the type that the library declares."""
    kind, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is typing.Any or hint is object:
        return []
    if kind in (typing.Union, types.UnionType):
        found = [mistyped(value, one, path) for one in inner]
        return [] if [] in found else min(found, key=len)
    if kind is typing.Literal:
        return [] if value in inner else [f"{path}: {value!r}"]
    if kind is list and isinstance(value, list):
        return [fault for number, item in enumerate(value) for fault in mistyped(item, inner[0], f"{path}/{number}")]
    if kind is dict and isinstance(value, dict):
        return [fault for key, item in value.items() for fault in mistyped(item, inner[1], f"{path}/{key}")]
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return [] if value in {member.value for member in hint} or isinstance(value, hint) else [f"{path}: {value!r}"]
    if isinstance(value, dict) and hasattr(hint, "from_json"):
        # The library leaves some objects as they were read.
        return mistyped(hint.from_json(value), hint, path)
    accepted = (int, float) if hint is float else hint
    right = kind is None and isinstance(value, accepted) and not (isinstance(value, bool) and hint in (int, float))
    if not right:
        return [f"{path}: {value!r} is no {hint}"]
    declared = typing.get_type_hints(type(value)) if type(value).__module__.startswith("grafana_foundation_sdk.") else {}
    return [fault for name, one in declared.items() for fault in mistyped(getattr(value, name), one, f"{path}/{name}")]


def live(rollbook: Path, folder: Path) -> None:
    """Prometheus reads what three runs have written: alerts fire for 3 and 4, and each panel of the dashboard has data."""
    files = {name: folder / f"{name}.prom" for name in ("good", "odd", "refused")}

    def night(name: str, api: Api, code: int, token: str = TOKEN) -> None:
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "VIDEOSDK_TOKEN": token}
        flags = ["--base-url", api.url, "--dest", folder / name, "--metrics-file", files[name]]
        run(rollbook, "export", *flags, env=environment, code=code)

    with Api(rollbook, "--sessions", "300") as api, Api(rollbook, "--sessions", "300", "--reject-every", "50") as odd:
        night("good", api, 0)
        night("odd", api, 0)
        night("odd", odd, 3)
        night("refused", api, 0)
        night("refused", api, 4, token="another-token")
    for file in files.values():
        told = file.read_text()
        run("promtool", "check", "metrics", input=told)
        equal(set(re.findall(r"^(\w+)\{", told, re.MULTILINE)), METRICS, f"metrics in {file.name}")

    with Exporter(folder) as exporter, Prometheus(folder, exporter, files) as prometheus:
        # The records that can't be read were sessions before, so that the list also lacks sessions.
        odd_ones = {("RollbookNewRejects", "odd"), ("RollbookNotProven", "odd")}
        prometheus.until_fires(odd_ones | {("RollbookCredentialsRefused", "refused")})
        for panel in json.loads(DASHBOARD.read_text())["panels"]:
            for target in panel["targets"]:
                found = prometheus.ask("query", query=target["expr"].replace("$dataset", ".*"))["result"]
                equal(len(found) >= 3, True, f"{panel['title']}: {target['expr']} has data of all datasets: {found}")


class Exporter(Served):
    """Stands for the node exporter: the files of a folder, each under its name."""

    def __init__(self, folder: Path) -> None:
        class Handler(Answering):
            def do_GET(self) -> None:
                self.answer(200, (folder / Path(self.path).name).read_bytes(), "text/plain; version=0.0.4")

        super().__init__(Handler)


class Prometheus:
    """A Prometheus with the rules, which reads once a second."""

    def __init__(self, folder: Path, exporter: Exporter, files: dict[str, Path]) -> None:
        self.folder = folder
        jobs = [
            {"job_name": name, "metrics_path": f"/{file.name}", "static_configs": [{"targets": [f"127.0.0.1:{exporter.port}"]}]}
            for name, file in files.items()
        ]
        every = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config = {"global": every, "rule_files": [str(RULES)], "scrape_configs": jobs}
        (folder / "prometheus.yml").write_text(json.dumps(config))
        run("promtool", "check", "config", folder / "prometheus.yml")

    def __enter__(self) -> Prometheus:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/api/v1"
        place = [f"--config.file={self.folder}/prometheus.yml", f"--storage.tsdb.path={self.folder}/tsdb"]
        with (self.folder / "prometheus.log").open("w") as log:
            command = [*HELD, "prometheus", *place, f"--web.listen-address=127.0.0.1:{port}"]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def ask(self, what: str, **parameters: str) -> dict:
        address = f"{self.url}/{what}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return json.load(answer)["data"]

    def until_fires(self, expected: set[tuple[str, str]]) -> None:
        """Until all three files have been read and these alerts fire, by name and dataset, and no other ones."""
        fired: set[tuple[str, str]] = set()
        for _ in range(120):
            time.sleep(0.5)
            try:
                alerts = self.ask("alerts")["alerts"]
            except OSError:
                continue
            firing = [alert["labels"] for alert in alerts if alert["state"] == "firing"]
            fired = {(labels["alertname"], Path(labels["dataset"]).name) for labels in firing}
            if fired == expected and self.ask("query", query="count(up == 1) == 3")["result"]:
                return
        raise AssertionError(f"alerts that fire: {fired}, not {expected}\n{(self.folder / 'prometheus.log').read_text()}")


CHECKS = [rules, live, dashboard]
