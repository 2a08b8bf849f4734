"""The live view in a real Chromium: it answers, filters, shows evidence, refuses bad SQL, and runs no foreign text."""

import contextlib
import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import BALKANWATCH, ROOT, command, environment, prepared
from playwright.sync_api import Page, expect, sync_playwright

from flows import dashboard, run

HOSTILE = '<img src=x onerror="document.title=1"> [a](javascript:alert(1)) ![b](http://evil.example/x.png) Kosovo KFOR barricades'
FEED = f"""<rss version="2.0"><channel><title>t</title>
<item><guid>1</guid><title><![CDATA[{HOSTILE}]]></title><link>http://shop.example/1</link>
<description>NATO and KFOR removed the barricades in Kosovo &lt;script&gt;document.title=2&lt;/script&gt; on Monday.</description>
<pubDate>Mon, 20 Nov 2023 10:00:00 GMT</pubDate></item>
<item><guid>2</guid><title>Serbia closes the border crossing</title><link>http://shop.example/2</link>
<description>The border crossing was closed by Serbia.</description><pubDate>Sun, 19 Nov 2023 10:00:00 GMT</pubDate></item>
</channel></rss>"""
OTHER = """<rss version="2.0"><channel><title>u</title>
<item><guid>3</guid><title>Kryeministri foli sot për zgjedhjet e reja në Tiranë</title><link>http://other.example/3</link>
<description>Qeveria e Shqipërisë tha se zgjedhjet do të mbahen në pranverë dhe se të gjithë do të votojnë.</description>
<pubDate>Mon, 20 Nov 2023 09:00:00 GMT</pubDate></item></channel></rss>"""
CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

pytestmark = [pytest.mark.needs_chromium, pytest.mark.filterwarnings("ignore::ResourceWarning")]


@pytest.fixture(scope="module")
def address(small_seeds: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("dashboard")
    feed = {"feed_id": "f", "outlet": "<b>F</b>", "url": "file:seeds/sample/hostile.xml", "kind": "file", "side": "moscow"}
    other = {"feed_id": "g", "outlet": "G", "url": "file:seeds/sample/other.xml", "kind": "file", "side": "pristina"}
    settings = prepared(small_seeds, folder, [feed, other])
    (settings.seeds / "sample" / "hostile.xml").write_text(FEED)
    (settings.seeds / "sample" / "other.xml").write_text(OTHER)
    run.run_monitor(settings, 60)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    served = subprocess.Popen(
        [*BALKANWATCH, "dashboard", "--port", str(port)], cwd=ROOT, env=os.environ | environment(settings),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(f"{url}/_stcore/health")
        yield url
        served.terminate()  # the command alone: its page goes with it
        served.wait(20)
        with pytest.raises(urllib.error.URLError, match="refused"):
            urllib.request.urlopen(url, timeout=2)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(served.pid, 15)


def _wait(url: str) -> None:
    for _ in range(240):
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.25)
    raise AssertionError(f"nothing answers at {url}")


@pytest.fixture
def page(address: str) -> Iterator[tuple[Page, list[str]]]:
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.on("request", lambda request: asked.append(request.url))
        page.on("dialog", lambda dialog: asked.append(f"dialog {dialog.message}"))
        page.goto(address)
        page.get_by_test_id("stMetric").first.wait_for(timeout=60_000)
        yield page, asked
        browser.close()


def _tab(page: Page, name: str) -> Any:
    page.get_by_role("tab", name=name).click()
    return page.get_by_role("tabpanel").filter(visible=True)


def test_the_page_shows_numbers_and_evidence_and_filters(page: tuple[Page, list[str]]) -> None:
    view, asked = page
    _expect_stories(view, 3)
    evidence = _tab(view, "Evidence")
    expect(evidence.locator("mark").first).to_be_visible()
    expect(evidence).to_contain_text("<b>F</b>")  # foreign text stays text
    expect(evidence).to_contain_text("Serbia closes the border crossing")
    view.get_by_label("Countries").click()
    view.get_by_role("option", name="Kosovo").click()
    view.keyboard.press("Escape")
    expect(evidence).not_to_contain_text("Serbia closes the border crossing")
    _expect_stories(view, 1)
    for name in ("Trend", "Matrix"):
        expect(_tab(view, name).locator("canvas, svg").first).to_be_visible()
    assert view.title() == "balkanwatch"
    assert not [one for one in asked if "evil.example" in one or one.startswith("dialog")]


@pytest.mark.parametrize(
    ("title", "option", "n"),
    [("Countries", "Kosovo", 1), ("Topics", "Borders and documents", 1), ("Sides", "Moscow", 2), ("Languages", "sq", 1),
     ("Outlets", "G", 1)],
)  # fmt: skip
def test_every_filter_filters(title: str, option: str, n: int, page: tuple[Page, list[str]]) -> None:
    view, _ = page
    field = view.get_by_role("combobox", name=title)
    field.fill(option)
    view.get_by_role("option", name=option, exact=True).click()
    view.keyboard.press("Escape")
    _expect_stories(view, n)
    field.press("Backspace")
    _expect_stories(view, 3)


def test_the_period_filters(page: tuple[Page, list[str]]) -> None:
    view, _ = page
    view.get_by_role("spinbutton", name="day, Period start date").press("ArrowUp")  # the 20th
    _tab(view, "Matrix")  # leaving the field
    _expect_stories(view, 2)


def _expect_stories(view: Page, n: int) -> None:
    expect(view.get_by_test_id("stMetric").filter(has_text="Stories")).to_have_text(re.compile(rf"^Stories\s*{n}$"))


@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_its_evidence_can_be_read(width: int, scheme: Any, address: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        view = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
        view.goto(address)
        view.get_by_test_id("stMetric").first.wait_for(timeout=60_000)
        for name in ("Trend", "Matrix", "Stories", "Evidence", "SQL"):
            panel = _tab(view, name)
            expect(panel).to_be_visible()
            assert view.evaluate("document.documentElement.scrollWidth") <= width
            if name == "Evidence":
                ink, ground = panel.locator("mark").first.evaluate(
                    "m => [getComputedStyle(m).color, getComputedStyle(m).backgroundColor]"
                )
                assert _contrast(*(tuple(map(int, re.findall(r"\d+", one)[:3])) for one in (ink, ground))) >= 4.5
        top = view.get_by_role("tab", name="Trend").bounding_box()
        assert top and top["y"] < 450  # the numbers leave room for what they are about
        browser.close()


def test_lines_stand_out_from_both_grounds() -> None:
    for colour in dashboard.LINES:
        parts = tuple(int(colour[n : n + 2], 16) for n in (1, 3, 5))
        assert min(_contrast(parts, (255, 255, 255)), _contrast(parts, (26, 26, 24))) >= 3


def _contrast(*colours: tuple[int, ...]) -> float:
    """Of two colours, as WCAG counts it."""
    linear = [[one / 3294.6 if one <= 10 else ((one / 255 + 0.055) / 1.055) ** 2.4 for one in colour] for colour in colours]
    low, high = sorted(0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in linear)
    return (high + 0.05) / (low + 0.05)


def test_sql_is_answered_and_locked_down(page: tuple[Page, list[str]]) -> None:
    view, _ = page
    panel = _tab(view, "SQL")
    for statement, answer in (
        ("select 40 + 2 as answer", None),
        ("select * from read_text('/etc/passwd')", "can not be answered"),
        ("copy article to '/tmp/balkanwatch-stolen.csv'", "can not be answered"),
    ):
        panel.get_by_role("textbox").fill(statement)
        panel.get_by_role("textbox").press("Control+Enter")
        panel.get_by_role("button", name="Ask").click()
        if answer:
            expect(panel).to_contain_text(answer)
        else:
            expect(panel.get_by_test_id("stDataFrame")).to_be_visible()
    assert not Path("/tmp/balkanwatch-stolen.csv").exists()


def test_a_table_can_be_had_as_csv(page: tuple[Page, list[str]]) -> None:
    view, _ = page
    for name, head in (("Stories", "first_at,title,outlets"), ("Evidence", "day,outlet,topic,rule_id,title,sentence,words,url")):
        panel = _tab(view, name)
        with view.expect_download() as waited:
            panel.get_by_role("button", name="Save as CSV").click()
        text = Path(waited.value.path()).read_text(encoding="utf-8-sig")
        assert text.startswith(head) and "Serbia closes the border crossing" in text


def test_a_port_that_is_none_is_told() -> None:
    done = command("dashboard", "--port", "0")
    assert done.returncode == 2 and "--port" in done.stderr
