"""Runs the program as a child that does not outlive the process that waits for it.

Knows nothing of Spark and nothing of what the program does. The child gets its few variables from the environment of this
machine; nothing here sends or stores one.

As a script this file is the first life of the child: `python -I -S _child.py PARENT PROGRAM ARGUMENT...` has the kernel end the
process with its parent, and then becomes the program. A call between fork and exec, as `preexec_fn` makes it, could hang in a
process with threads. The kernel counts the *thread* that has started the child as its parent: `run` therefore starts the child
and waits for it in one thread.
"""

from __future__ import annotations

import codecs
import ctypes
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

PR_SET_PDEATHSIG = 1
# Characters: of an error, and of a log in which it is looked for.
TAIL, LAST = 2000, 20_000
PLAIN = {"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"}
PROXIES = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"}
FAMILIES = ("VIDEOSDK_", "ROLLBOOK_", "AWS_", "AZURE_", "GOOGLE_")
# Profiles name the variables that hold their credentials, or the path of a file with one: token_env = "ACME_TOKEN".
NAMED = re.compile(r"""\b(?:token|token_file|api_key|secret_key)_env["']?\s*=\s*["'](\w+)["']""")


class Ended(NamedTuple):
    """How the program ended: its exit code (negative: the signal), its standard output, and the error that it told."""

    code: int
    output: str
    message: str


class Orphaned(Exception):
    """The process that had given this one its work is gone."""


def run(program: Sequence[str | Path], environment: dict[str, str], with_parent: bool = False, aloud: bool = True) -> Ended:
    """Runs a program to its end; `aloud`, its log goes on to our standard error.

    `with_parent` ends it also when our own parent is gone, and then raises `Orphaned`: nobody waits for the work any more.
    Whatever else is raised here, the child is ended before.
    """
    leash = [sys.executable, "-I", "-S", __file__, str(os.getpid())]
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(
            [*leash, *program], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE, env=environment
        )
        with child:
            try:
                said = _listen(child, os.getppid() if with_parent else None, aloud)
                child.wait()
            except BaseException:
                _end(child)
                raise
        output.seek(0)
        return Ended(child.returncode, output.read().decode(errors="replace"), told(said))


def _listen(child: subprocess.Popen[bytes], parent: int | None, aloud: bool) -> str:
    """The last of what the child says; `aloud`, all of it is written down while it is said."""
    assert child.stderr is not None
    poll, decoder, last = select.poll(), codecs.getincrementaldecoder("utf-8")("replace"), ""
    poll.register(child.stderr)
    while True:
        ready = poll.poll(1000)
        if parent is not None and os.getppid() != parent:
            raise Orphaned("the process that had given this task is gone")
        if ready:
            said = os.read(child.stderr.fileno(), 1 << 16)
            if not said:
                return last
            text = decoder.decode(said)
            if aloud:
                sys.stderr.write(text)
                sys.stderr.flush()
            last = (last + text)[-LAST:]


def _end(child: subprocess.Popen[bytes]) -> None:
    """Lets the child clean up, which takes it a second or two, and kills it where that does not end it."""
    child.terminate()
    try:
        child.wait(10)
    except subprocess.TimeoutExpired:
        child.kill()


def told(said: str) -> str:
    """The error that a program ended with, without the log before it: 2000 characters at most.

    >>> told("INFO begun\\nerror: no credentials are set\\nhint: set VIDEOSDK_TOKEN\\n")
    'error: no credentials are set\\nhint: set VIDEOSDK_TOKEN'
    """
    errors = [found.start() for found in re.finditer("^error: ", said, re.MULTILINE)]
    return said[errors[-1] if errors else 0 :].strip()[-TAIL:]


def environment(config: str | None) -> dict[str, str]:
    """The variables of this machine that are for the program, those that the profiles of the settings file name among them."""
    named = PLAIN | _named(config or os.environ.get("ROLLBOOK_CONFIG"))
    return {
        name: value for name, value in os.environ.items() if name in named or name.upper() in PROXIES or name.startswith(FAMILIES)
    }


def _named(config: str | None) -> set[str]:
    """The variables that the profiles of a settings file name; none where it can't be read, which the program will tell."""
    try:
        return set(NAMED.findall(Path(config).read_text())) if config else set()
    except (OSError, UnicodeDecodeError):
        return set()


def _become(parent: int, program: list[str]) -> None:
    """Becomes the program, which a signal tells to stop when `parent` is gone."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        sys.exit(f"error: prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        sys.exit("error: the process that had started this one is gone")
    # Python ignores the signal of a broken pipe, and the program would inherit that.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execv(program[0], program)
    except OSError as error:
        sys.exit(f"error: {program[0]} can't be started: {error.strerror}")


if __name__ == "__main__":
    _become(int(sys.argv[1]), sys.argv[2:])
