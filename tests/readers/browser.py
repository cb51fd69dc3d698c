"""Opens a report in Chromium, without a network, and prints what it finds as JSON.

python browser.py PAGE.html [FOLDER [CHROMIUM]]: with a folder, pictures at three widths in both colours, and as paper, are left in it.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

FLAGS = [
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDTHS = {"phone": 390, "tablet": 820, "desktop": 1280}

# What a reader of the page can find out: texts as they are shown, tables as lists, charts with their labels.
FACTS = """() => {
  const text = (element) => element.textContent.replace(/\\s+/g, ' ').trim();
  const cells = (table) => [...table.rows].map((row) => [...row.cells].map(text));
  const tables = {};
  for (const table of document.querySelectorAll('table')) {
    const name = table.getAttribute('aria-label');
    (tables[name] ??= []).push(cells(table));
  }
  const bare = [...document.querySelectorAll('svg')].filter((svg) => !svg.closest('[aria-hidden]')
    && !(svg.getAttribute('role') === 'img' && svg.getAttribute('aria-label')));
  const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
  return {
    tiles: Object.fromEntries([...document.querySelectorAll('.tiles div')].map((tile) =>
      [text(tile.querySelector('dt')), text(tile.querySelector('dd'))])),
    headings: [...document.querySelectorAll('h1, h2')].map(text),
    verdict: text(document.querySelector('.note')),
    text: text(document.body),
    tables,
    charts: document.querySelectorAll('svg[role=img]').length,
    charts_without_label: bare.length,
    figures_without_table: [...document.querySelectorAll('figure')].filter((figure) => !figure.querySelector('details table')).length,
    links_to_nothing: [...document.querySelectorAll('a')].filter((a) => !document.querySelector(a.getAttribute('href'))).length,
    ids_twice: ids.length - new Set(ids).size,
    scripts: document.scripts.length,
    inline_styles: document.querySelectorAll('[style]').length,
    wider_than_screen: document.documentElement.scrollWidth > document.documentElement.clientWidth,
    hacked: window.hacked ?? null,
  };
}"""


def small_text(page):
    """The smallest text of a chart, in pixels of the screen."""
    return page.evaluate(
        """() => Math.min(...[...document.querySelectorAll('svg text')].map((text) => {
          const svg = text.ownerSVGElement;
          return parseFloat(text.getAttribute('font-size')) * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
        }))"""
    )


def focus_order(page, steps):
    """What the tab key leads to."""
    found = []
    for _ in range(steps):
        page.keyboard.press("Tab")
        found.append(page.evaluate("() => document.activeElement.tagName + ' ' + document.activeElement.textContent.trim().slice(0, 30)"))
    return found


def watched(context, messages, requests):
    page = context.new_page()
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    return page


def opened(page, url):
    """Seconds until the page is drawn."""
    begun = time.monotonic()
    page.goto(url, wait_until="load")
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return time.monotonic() - begun


def look(browser, url, folder):
    messages, requests = [], []
    context = browser.new_context(offline=True, viewport={"width": WIDTHS["desktop"], "height": 900})
    page = watched(context, messages, requests)
    found = {"opened_in_s": round(min(opened(page, url) for _ in range(3)), 3), **page.evaluate(FACTS)}
    found["focus"] = focus_order(page, 4)
    page.locator("details summary").first.focus()
    page.keyboard.press("Enter")
    found["opened_by_key"] = page.evaluate("() => document.querySelector('details').open")
    context.close()
    found["wide"], found["smallest"] = {}, {}
    for colour in ["light", "dark"]:
        for name, width in WIDTHS.items():
            context = browser.new_context(offline=True, viewport={"width": width, "height": 900}, color_scheme=colour)
            page = watched(context, messages, requests)
            page.goto(url, wait_until="load")
            found["wide"][name] = page.evaluate(FACTS)["wider_than_screen"]
            found["smallest"][name] = round(small_text(page), 1)
            if folder:
                page.screenshot(path=str(folder / f"{name}-{colour}.png"), full_page=True)
            context.close()
    if folder:
        context = browser.new_context(offline=True)
        page = watched(context, messages, requests)
        page.goto(url, wait_until="load")
        page.pdf(path=str(folder / "paper.pdf"), prefer_css_page_size=True, format="A4")
        context.close()
    found["messages"], found["requests"] = messages, sorted(set(requests))
    return found


def bare(browser, path, folder):
    """The same page where no style is let through: what a mail program or a wiki makes of it."""
    text = Path(path).read_text(encoding="utf-8")
    begin, end = text.index("<style>"), text.index("</style>") + len("</style>")
    with tempfile.NamedTemporaryFile("w", suffix=".html", encoding="utf-8") as stripped:
        stripped.write(text[:begin] + text[end:])
        stripped.flush()
        context = browser.new_context(offline=True, color_scheme="dark", viewport={"width": 1280, "height": 900})
        page = context.new_page()
        page.goto(f"file://{stripped.name}", wait_until="load")
        if folder:
            page.screenshot(path=str(folder / "bare-dark.png"), full_page=True)
        seen = page.evaluate("() => [...document.querySelectorAll('svg')].every((svg) => svg.getBoundingClientRect().height > 5)")
        context.close()
        return seen


def main():
    path = Path(sys.argv[1]).resolve()
    folder = Path(sys.argv[2]) if sys.argv[2:] and sys.argv[2] else None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=sys.argv[3] if sys.argv[3:] else "/usr/bin/chromium", chromium_sandbox=False, args=FLAGS
        )
        found = look(browser, path.as_uri(), folder)
        found["charts_without_style"] = bare(browser, path, folder)
        browser.close()
    print(json.dumps(found))


main()
