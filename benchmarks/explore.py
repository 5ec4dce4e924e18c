"""Speed of the page to play with, in headless Chromium: the first picture, and one after each move of a slider."""

import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

from lab_utils.config import ROOT, LabError
from lab_utils.files import say, shown

FACE, DIGIT, FIRST = 60.0, 5.0, 1000.0  # goals, milliseconds
MOVES = 30
NETWORKS = """moves => Object.entries(lab.found).flatMap(([id, { networks, inputs }]) =>
  Object.entries(networks).map(([name, compute]) => {
    const times = [];
    let side = 0;
    for (let i = 0; i < moves; i++) {
      const z = normal(i, inputs[name]), begun = performance.now();
      side = compute(z).side;
      times.push(performance.now() - begun);
    }
    return { id, name, side, times };
  }))"""


def explore() -> dict[str, Any]:
    """Milliseconds of the newest ``explore.html`` of a report. LabError if there is none, or no browser."""
    page = newest()
    browser = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
    if browser is None:
        raise LabError("bench: explore needs a browser; on Debian: apt-get install chromium")
    say(f"explore: {shown(page)}, {page.stat().st_size / 1e6:.1f} MB")
    first, networks = measured(page, browser)
    say(f"first picture after {first:.0f} ms, {against(first, FIRST)}")
    for one in networks:
        median, goal = statistics.median(one["times"]), FACE if one["side"] > 28 else DIGIT
        picture = f"{one['id']:8} {one['name']:10} {one['side']}×{one['side']}"
        say(f"{picture}: {median:5.1f} ms, {against(median, goal)}")
    return {"page": shown(page), "bytes": page.stat().st_size, "first": first, "networks": networks}


def newest() -> Path:
    reports = [path for folder in ("reports", "reports/published") for path in (ROOT / folder).glob("*/explore.html")]
    if not reports:
        raise LabError("bench: explore needs a report: make report")
    return max(reports, key=lambda path: path.stat().st_mtime)


def measured(page: Path, browser: str) -> tuple[float, list[dict[str, Any]]]:
    """Milliseconds from opening to the first picture, and of each network's pictures."""
    from playwright.sync_api import sync_playwright  # one of the packages for development

    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as profile:
        context = playwright.chromium.launch_persistent_context(profile, executable_path=browser, args=arguments)
        tab = context.new_page()
        tab.goto(page.as_uri())
        tab.wait_for_selector("html[data-ready]")
        first = tab.evaluate("lab.times.first")  # of the page, from its opening
        networks = tab.evaluate(NETWORKS, MOVES)
        context.close()
    return first, networks


def against(milliseconds: float, goal: float) -> str:
    return f"goal {goal:.0f} ms: {'met' if milliseconds <= goal else 'missed'}"
