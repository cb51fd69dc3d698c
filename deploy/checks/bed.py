"""Where checks run: folders that go again, and servers on loopback that end with the process that started them."""

from __future__ import annotations

import http.server
import os
import re
import socketserver
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
TOKEN = "a-token-of-the-checks"
# A child that is started through this ends with this process, however this process ends.
HELD = ["setpriv", "--pdeathsig", "KILL"]


class Api:
    """The simulated API. Takes TOKEN alone."""

    def __init__(self, rollbook: Path, *flags: str, port: int = 0) -> None:
        command = [*HELD, str(rollbook), "simulate", "--listen", f"127.0.0.1:{port}", *flags]
        environment = {"PATH": os.environ["PATH"], "VIDEOSDK_TOKEN": TOKEN}
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        said = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", said)
        if not found:
            self.stop()
            raise AssertionError(f"the simulated API did not start: {said!r}")
        self.url, self.port = found[0], int(found[1])

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        # A client that is stopped while it is answered is no fault of the server's.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Served:
    """A server in a thread, on a free port of loopback."""

    def __init__(self, handler: type) -> None:
        self.server = Server(("127.0.0.1", 0), handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class Answering(http.server.BaseHTTPRequestHandler):
    """Answers with whole bodies, and logs nothing."""

    def answer(self, status: int, body: bytes = b"", kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Throttle(Served):
    """Stands before an API, and answers 429 until `relent` is called."""

    def __init__(self, api: Api) -> None:
        throttle = self

        class Handler(Answering):
            def do_GET(self) -> None:
                if throttle.refuses:
                    throttle.refused += 1
                    self.answer(429, b'{"message":"Too many requests"}')
                    return
                asked = urllib.request.Request(api.url + self.path, headers={"Authorization": self.headers["Authorization"]})
                try:
                    with urllib.request.urlopen(asked, timeout=30) as answer:
                        self.answer(answer.status, answer.read())
                except urllib.error.HTTPError as refusal:
                    self.answer(refusal.code, refusal.read())

        self.refuses, self.refused = True, 0
        super().__init__(Handler)
        self.url = f"http://127.0.0.1:{self.port}"

    def relent(self) -> None:
        self.refuses = False


class Mailbox(Served):
    """Takes mail by SMTP, and keeps the text of each message."""

    def __init__(self) -> None:
        messages = self.messages = []

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.say("220 mailbox")
                for line in self.rfile:
                    word = line[:4].upper().strip()
                    if word == b"DATA":
                        self.say("354 go on")
                        lines = iter(self.rfile.readline, b".\r\n")
                        messages.append(b"".join(lines).decode())
                        self.say("250 kept")
                    elif word == b"QUIT":
                        self.say("221 bye")
                        return
                    else:
                        self.say("250 mailbox")

            def say(self, text: str) -> None:
                self.wfile.write(text.encode() + b"\r\n")

        super().__init__(Handler)


def run(*command: str | Path, env: dict[str, str] | None = None, code: int = 0, **options) -> str:
    """Runs a command, asserts its exit code, and returns all that it printed."""
    done = subprocess.run(
        [str(word) for word in command], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240, **options
    )
    if done.returncode != code:
        shown = " ".join("..." if "\n" in str(word) else str(word) for word in command)
        raise AssertionError(f"{shown}: exit code {done.returncode}, not {code}\n{done.stdout}")
    return done.stdout


def equal(found: object, expected: object, what: str) -> None:
    if found != expected:
        raise AssertionError(f"{what}: {found!r}, not {expected!r}")


def contains(text: str, *parts: str) -> None:
    for part in parts:
        if part not in text:
            raise AssertionError(f"{part!r} is not in:\n{text}")
