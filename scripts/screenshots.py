"""Make docs/pictures: the brief and the live view as Chromium shows them, wide and on a phone, in the light and in the dark.

    python scripts/screenshots.py

No picture is painted by hand and none needs a network: the sample, dealt out to invented outlets as for docs/queries.md, is
landed in a folder of its own, `balkanwatch report` writes the brief of its fullest week, `balkanwatch dashboard` serves, and
the system's Chromium takes the pictures, each below 200 kB.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from build_docs import sample_warehouse
from build_terminal import ROOT, printed

PICTURES = ROOT / "docs" / "pictures"
MAX_BYTES = 200_000
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PERIOD = "--since=2023-11-13 --until=2023-11-19"


class Shot(NamedTuple):
    """One picture: where the page is opened (a fragment) and which number is followed (a CSS selector), if any."""

    name: str
    width: int
    height: int
    scheme: str = "light"
    fragment: str = ""
    click: str | None = None


BRIEF = [
    Shot("brief-wide", 1400, 1000),
    Shot("brief-phone", 400, 860),
    Shot("brief-dark", 1400, 820, "dark", "#map"),
    Shot("brief-evidence", 1280, 720, "light", "#matrix", "#matrix td a.n"),
    Shot("brief-evidence-phone", 400, 860, "dark", "#matrix", "#matrix td a.n"),
]


LIVE = [("dashboard-matrix", "Matrix"), ("dashboard-evidence", "Evidence")]  # name, tab
PORT = 8599


def main() -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        desk = Path(folder)
        data = sample_warehouse(desk)
        printed(f"report {PERIOD} --out=brief.html", desk)
        pictures = [*taken((desk / "brief.html").as_uri(), BRIEF)]
        with served(data) as url:
            pictures += live(url)
    for name, picture in pictures:
        if len(picture) > MAX_BYTES:
            sys.exit(f"{name}.png has {len(picture):,} bytes, more than {MAX_BYTES:,}.")
        (PICTURES / f"{name}.png").write_bytes(picture)
        sys.stdout.write(f"{name}.png  {len(picture):,} bytes\n")


@contextmanager
def served(data: Path) -> Iterator[str]:
    """The address of a dashboard on some data, for as long as the block lasts."""
    command = [sys.executable, "-c", "from flows.cli import main; main()", "dashboard", "--port", str(PORT), "--data", str(data)]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, start_new_session=True)
    try:
        for _ in range(240):
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{PORT}/_stcore/health", timeout=2):
                break
            time.sleep(0.25)
        yield f"http://127.0.0.1:{PORT}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def live(url: str) -> Iterator[tuple[str, bytes]]:
    """The tabs of the live view, as PNG."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.goto(url)
        for name, tab in LIVE:
            page.get_by_role("tab", name=tab).click()
            page.get_by_test_id("stMetric").first.wait_for()
            time.sleep(3)  # charts are drawn after the page says it is done
            yield name, page.screenshot()
        browser.close()


def taken(url: str, shots: list[Shot]) -> Iterator[tuple[str, bytes]]:
    """The pictures of a page, as PNG."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for shot in shots:
            scheme: Any = shot.scheme
            size: Any = {"width": shot.width, "height": shot.height}
            page = browser.new_context(viewport=size, color_scheme=scheme).new_page()
            page.goto(url + shot.fragment)
            if shot.click:
                page.locator(shot.click).first.click()
            yield shot.name, page.screenshot()
            page.context.close()
        browser.close()


if __name__ == "__main__":
    main()
