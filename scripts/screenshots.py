"""Make docs/pictures: the brief of the sample as Chromium shows it, wide and on a phone, in the light and in the dark.

    python scripts/screenshots.py

Nothing is painted by hand and no network is needed: the sample is landed in a folder of its own, `balkanwatch report` writes the
brief of its fullest week, and the system's Chromium takes the pictures, each below 200 kB.
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from build_terminal import ROOT, printed, sample_only

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


def main() -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        desk = Path(folder)
        sample_only(Path(shutil.copytree(ROOT / "seeds", desk / "seeds")) / "feeds.csv")
        printed("run", desk)
        printed(f"report {PERIOD} --out=brief.html", desk)
        for name, picture in taken((desk / "brief.html").as_uri(), BRIEF):
            if len(picture) > MAX_BYTES:
                sys.exit(f"{name}.png has {len(picture):,} bytes, more than {MAX_BYTES:,}.")
            (PICTURES / f"{name}.png").write_bytes(picture)
            sys.stdout.write(f"{name}.png  {len(picture):,} bytes\n")


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
