"""Makes the pictures of the README from a real run: `demo` in a terminal, and the report of what it leaves.

python docs/pictures/make.py target/release/rollbook: with the packages of tests/readers/requirements-browser.txt and Debian's chromium.
"""

import html
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

COLUMNS = 112
FOLDER = Path(__file__).resolve().parent
STYLE = """
body { margin: 0; background: #1b1e24; color: #e6e6e6; }
pre { margin: 0; padding: 20px 24px; font: 15px/1.45 'DejaVu Sans Mono', monospace; display: inline-block; }
.prompt { color: #8ec07c; }
"""


def in_terminal(command, folder):
    """What a command leaves on the screen: lines that were drawn over are gone."""
    terminal = [sys.executable, FOLDER.parents[1] / "tests/it/terminal.py", "", *command]
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "1", "TERMINAL_COLUMNS": str(COLUMNS)}
    seen = subprocess.run(terminal, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE).stdout
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode()).split("\n")
    last = [line.rstrip("\r").rsplit("\r", 1)[-1] for line in lines]
    # The simulated account listens somewhere else each time.
    return [re.sub(r"^\S+Z +INFO", "INFO", line) for line in last]


def main():
    binary = str(Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        demo = in_terminal([binary, "demo"], folder)
        status = in_terminal([binary, "status", "--dest", "rollbook-demo"], folder)
        lines = ["$ rollbook demo", *demo, "$ rollbook status --dest rollbook-demo", *status]
        shown = [f'<span class="prompt">{html.escape(line)}</span>' if line.startswith("$ ") else html.escape(line) for line in lines]
        subprocess.run([binary, "report", "-q", "--dest", "rollbook-demo"], cwd=folder, check=True)
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1100, "height": 400})
        page.set_content(f"<style>{STYLE}</style><pre>{chr(10).join(shown)}</pre>")
        page.locator("pre").screenshot(path=FOLDER / "terminal.png")
        page = browser.new_page(viewport={"width": 1180, "height": 1240}, color_scheme="light")
        page.goto((Path(folder) / "rollbook-report.html").as_uri())
        page.screenshot(path=FOLDER / "report.png")
        browser.close()


main()
