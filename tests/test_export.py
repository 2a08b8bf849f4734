"""Exports: every format keeps every cell, nothing runs in a spreadsheet, and each file says how it was made."""

import csv
import hashlib
import io
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from conftest import command
from landed import article_id, land

from pipeline import export
from pipeline.errors import InputError
from pipeline.export import Options
from pipeline.warehouse import Store

TITLE = "Војне вежбе код Рашке: Ђуђевић и љубав, čćžšđ ČĆŽŠĐ"
FORMULA = '=HYPERLINK("http://evil.example","click")'
CELLS = ["0012", "1E5", "http://x.example", "=1+1", "@x", "-5", "+1", TITLE, "two\nlines", 'say "no", twice', "", None]
OCTOBER, NOVEMBER = datetime(2023, 10, 5, tzinfo=UTC), datetime(2023, 11, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three articles: two of November about Kosovo, one of October about Albania."""
    folder = tmp_path_factory.mktemp("export")
    with Store.writer(folder) as store:
        for topic in ("border", "energy"):
            store.append("topic", pl.DataFrame({"topic_id": [topic]}))
        for code in ("XK", "AL"):
            store.append("country", pl.DataFrame({"code": [code]}))
        land(
            store, {"a": (TITLE, "one text"), "b": (FORMULA, "another text")}, at=NOVEMBER,
            tags=[("a", "border"), ("b", "energy"), ("b", "border")], focus=[("a", "XK"), ("b", "XK")],
        )  # fmt: skip
        land(store, {"c": ("Tirana", "third text")}, at=OCTOBER, tags=[("c", "energy")], focus=[("c", "AL")], lang="sq")
        store.set_meta("tagged_by", "seeds-code")
        store.publish()
    return folder


@pytest.fixture
def store(data: Path) -> Iterator[Store]:
    with Store.reader(data) as reader:
        yield reader


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def sheets(path: Path) -> list[list[list[str | None]]]:
    """The cells of a workbook as they stand in it, sheet by sheet; a formula or a link in it is an error."""
    space = {"": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
    out = []
    with zipfile.ZipFile(path) as book:
        names = [name for name in book.namelist() if re.fullmatch(r"xl/worksheets/sheet\d+\.xml", name)]
        assert not [name for name in book.namelist() if "rels" in name and "worksheets" in name]  # where links stand
        for name in sorted(names, key=lambda name: int(re.sub(r"\D", "", name))):
            tree = ElementTree.fromstring(book.read(name))
            assert tree.find(".//f", space) is None
            out.append([
                [cell.findtext("is/t", namespaces=space) if cell.get("t") == "inlineStr" else cell.findtext("v", namespaces=space)
                 for cell in row.iterfind("c", space)]
                for row in tree.iterfind(".//row", space)
            ])  # fmt: skip
    return out


# -- files ------------------------------------------------------------------------------------------------------------


def test_csv_keeps_every_cell(tmp_path: Path) -> None:
    frame = pl.DataFrame({"n": range(len(CELLS)), "text": CELLS})
    export.write_csv(frame, tmp_path / "x.csv")
    raw = (tmp_path / "x.csv").read_bytes()
    assert raw.startswith(b"n,text\r\n") and raw.endswith(b"\r\n")
    assert [row["text"].removeprefix("'") for row in rows(tmp_path / "x.csv")] == [cell or "" for cell in CELLS]


def test_a_byte_order_mark_when_asked_for(tmp_path: Path) -> None:
    export.write_csv(pl.DataFrame({"text": [TITLE]}), tmp_path / "x.csv", bom=True)
    assert (tmp_path / "x.csv").read_bytes().startswith(b"\xef\xbb\xbftext")


def test_xlsx_writes_text_as_text(tmp_path: Path) -> None:
    frame = pl.DataFrame({
        "text": CELLS, "n": [1, 2.5, None, 10**17, -3, 0, 1, 2, 3, 4, 5, 6], "day": [date(2023, 11, 20)] * len(CELLS),
        "at": [NOVEMBER] * len(CELLS), "words": [["a", "b"]] * len(CELLS), "is_so": [True] * len(CELLS),
    }, strict=False)  # fmt: skip
    export.write([frame], tmp_path / "x.xlsx", Options("xlsx"))
    (header, *cells) = sheets(tmp_path / "x.xlsx")[0]
    assert header == frame.columns
    assert [row[0] for row in cells if len(row) == len(header)][: len(CELLS) - 2] == [
        cell for i, cell in enumerate(CELLS[:-2]) if frame["n"][i] is not None
    ] + [""]
    assert cells[0][1:] == ["1", "45250", "45250", "a b", "1"]


def test_xlsx_goes_on_in_another_sheet_when_one_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "SHEET_ROWS", 4)
    frame = pl.DataFrame({"n": range(10)})
    export.write([frame.head(3), frame.tail(7)], tmp_path / "x.xlsx", Options("xlsx"))
    assert [[row[0] for row in sheet] for sheet in sheets(tmp_path / "x.xlsx")] == [
        ["n", "0", "1", "2", "3"], ["n", "4", "5", "6", "7"], ["n", "8", "9"],
    ]  # fmt: skip


def test_xlsx_cuts_what_no_cell_can_hold(tmp_path: Path) -> None:
    export.write([pl.DataFrame({"text": ["x" * 40_000]})], tmp_path / "x.xlsx", Options("xlsx"))
    assert sheets(tmp_path / "x.xlsx")[0][1] == ["x" * 32_765 + " …"]


@pytest.mark.parametrize("kind", export.FORMATS)
def test_a_file_that_could_not_be_finished_leaves_the_old_one(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{kind}"
    export.write([pl.DataFrame({"n": [1]})], path, Options(kind))
    before = path.read_bytes()

    def broken() -> Iterator[pl.DataFrame]:
        yield pl.DataFrame({"n": [2]})
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        export.write(broken(), path, Options(kind))
    assert path.read_bytes() == before and [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("kind", export.FORMATS)
def test_the_same_rows_in_every_format(kind: str, store: Store, tmp_path: Path) -> None:
    (path,) = export.export(store, ["focus"], tmp_path, Options(kind))
    expected = {(article_id("a"), "XK"), (article_id("b"), "XK"), (article_id("c"), "AL")}
    if kind == "xlsx":
        found = {(row[0], row[1]) for row in sheets(path)[0][1:]}
    else:
        frame = pl.read_csv(path) if kind == "csv" else pl.read_parquet(path)
        found = set(frame.select("article_id", "country_code").rows())
    assert found == expected


# -- what is exported -------------------------------------------------------------------------------------------------


def test_each_file_says_how_it_was_made(store: Store, tmp_path: Path) -> None:
    (path,) = export.export(store, ["articles"], tmp_path, Options(country="XK", since=date(2023, 11, 1)))
    meta = json.loads((tmp_path / "articles.csv.meta.json").read_text(encoding="utf-8"))
    assert meta["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (meta["n_rows"], meta["parameters"]) == (2, {"since": "2023-11-01", "country": "XK"})
    assert "from article_text" in meta["sql"] and {"seeds_version", "tagged_by", "exported_at"} <= set(meta)
    assert (meta["seeds_version"], meta["tagged_by"]) == ("seeds", "seeds-code")  # also where no monitor ever ran
    assert datetime.fromisoformat(meta["exported_at"]).tzinfo is not None


@pytest.mark.parametrize(("name", "options", "n"), [
    ("articles", Options(), 3), ("articles", Options(country="XK"), 2), ("articles", Options(topic="energy"), 2),
    ("articles", Options(country="XK", topic="energy"), 1), ("articles", Options(until=date(2023, 10, 5)), 1),
    ("articles", Options(since=date(2023, 10, 6)), 2), ("evidence", Options(topic="border"), 2),
    ("evidence", Options(country="AL"), 1), ("mentions", Options(country="XK"), 2), ("stories", Options(topic="border"), 2),
    ("stories", Options(until=date(2023, 10, 31)), 1), ("article_text", Options(country="AL"), 1),
    ("story_article", Options(country="XK"), 2), ("topic", Options(topic="energy"), 1),
    ("feed_health", Options(), 0), ("run", Options(), 0),
])  # fmt: skip
def test_narrowed(name: str, options: Options, n: int, store: Store, tmp_path: Path) -> None:
    (path,) = export.export(store, [name], tmp_path, options)
    assert len(rows(path)) == n
    assert path.read_bytes().count(b"\r\n") >= 1  # the header, also of nothing


def test_coverage_is_narrowed_by_its_own_columns_and_has_ratios(store: Store, tmp_path: Path) -> None:
    (path,) = export.export(store, ["coverage"], tmp_path, Options(country="XK", topic="border", since=date(2023, 11, 1)))
    (row,) = [row for row in rows(path) if row["basis"] == "focus" and row["side"] == row["lang"] == "*"]
    assert (row["n_stories"], row["share"], row["n_stories_per_1000"]) == ("2", "1.0", "1000.0")
    assert {(row["country_code"], row["topic_id"]) for row in rows(path)} == {("XK", "border")}


def test_wide_has_days_as_rows_and_topics_or_countries_as_columns(store: Store, tmp_path: Path) -> None:
    (path,) = export.export(store, ["coverage"], tmp_path, Options(shape="wide"))
    assert rows(path) == [
        {"day": "2023-10-05", "border": "0", "energy": "1"},
        {"day": "2023-11-20", "border": "2", "energy": "1"},
    ]
    (path,) = export.export(store, ["coverage"], tmp_path, Options(shape="wide", topic="energy"))
    assert rows(path) == [{"day": "2023-10-05", "AL": "1", "XK": "0"}, {"day": "2023-11-20", "AL": "0", "XK": "1"}]
    (path,) = export.export(store, ["coverage"], tmp_path, Options(shape="wide", country="XK", value="share"))
    assert rows(path) == [{"day": "2023-11-20", "border": "1.0", "energy": "0.5"}]
    with pytest.raises(InputError, match="has no wide shape"):
        export.export(store, ["focus"], tmp_path, Options(shape="wide"))


def test_a_file_a_month(store: Store, tmp_path: Path) -> None:
    paths = export.export(store, ["articles", "evidence", "coverage"], tmp_path, Options(split="month"))
    assert [path.name for path in paths] == [f"{n}-2023-{m}.csv" for n in ("articles", "evidence", "coverage") for m in (10, 11)]
    assert [len(rows(path)) for path in paths[:4]] == [1, 2, 1, 3]
    (whole,) = export.export(store, ["coverage"], tmp_path, Options())
    assert len(rows(whole)) == sum(len(rows(path)) for path in paths[4:])
    (path,) = export.export(store, ["articles"], tmp_path, Options(split="month", country="AL"))
    assert path.name == "articles-2023-10.csv"
    with pytest.raises(InputError, match="can not be split"):
        export.export(store, ["topic"], tmp_path, Options(split="month"))


def test_a_query_has_no_limit_of_rows_unless_it_is_given(store: Store, tmp_path: Path) -> None:
    values: dict[str, Any] = {"country": "XK", "topic": "border"}
    (path,) = export.export(store, ["query:evidence"], tmp_path, Options(**values))
    assert len(rows(path)) == 2
    (path,) = export.export(store, ["query:evidence"], tmp_path, Options(**values, parameters={"limit": "1"}))
    assert len(rows(path)) == 1
    assert json.loads((tmp_path / "evidence.csv.meta.json").read_text())["parameters"]["limit"] == "1"


def test_a_query_is_narrowed_to_a_period(store: Store, tmp_path: Path) -> None:
    period = {"since": date(2023, 10, 1), "until": date(2023, 10, 31)}
    (path,) = export.export(store, ["topic_trend"], tmp_path, Options(country="AL", topic="energy", **period))
    assert sum(int(row["n_stories"]) for row in rows(path)) == 1
    assert json.loads((tmp_path / "topic_trend.csv.meta.json").read_text())["parameters"] == {
        "since": "2023-10-01", "until": "2023-10-31", "country": "AL", "topic": "energy", "days": "31",
    }  # fmt: skip


@pytest.mark.parametrize(("name", "options", "sentence"), [
    ("nothing", Options(), "no mart, table, view or query `nothing`"),
    ("feed_health", Options(topic="border"), "can not be narrowed"),
    ("feeds_dark", Options(since=date(2023, 1, 1)), "has no parameter `since`"),
    ("query:top_topics", Options(since=date(2023, 1, 1), parameters={"days": "1"}), "--since and --days"),
    ("query:top_topics", Options(parameters={"until": "infinity"}), "not `infinity`"),
    ("articles", Options("ods"), "`ods` is no format"),
    ("articles", Options(shape="tall"), "`tall` is no shape"), ("articles", Options(parameters={"a": "b"}), "only queries take"),
    ("articles", Options(since=date(2023, 2, 1), until=date(2023, 1, 1)), "ends before it begins"),
    ("articles; drop table article", Options(), "no mart"), ('x" union select', Options(), "no mart"),
])  # fmt: skip
def test_what_can_not_be_exported_is_one_sentence(
    name: str, options: Options, sentence: str, store: Store, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=sentence):
        export.export(store, [name], tmp_path, options)
    assert not list(tmp_path.iterdir())


def test_a_run_exports_the_newest_days_when_there_are_many_articles(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export.marts(store, tmp_path)
    assert len(rows(tmp_path / "articles.csv")) == 3 and "many articles" not in (tmp_path / "README.md").read_text()
    monkeypatch.setattr(export, "WHOLE", 2)
    monkeypatch.setattr(export, "AUTOMATIC_DAYS", 30)
    export.marts(store, tmp_path)
    assert len(rows(tmp_path / "articles.csv")) == 2
    assert {row["day"] for row in rows(tmp_path / "coverage.csv")} == {"2023-11-20"}
    assert "begins with 2023-10-22" in (tmp_path / "README.md").read_text()
    assert {path.stem for path in tmp_path.glob("*.csv")} == set(export.AUTOMATIC)


def test_the_command(data: Path, tmp_path: Path) -> None:
    done = command("export", "articles", "--param", "topic=border", "--out", tmp_path, "--data", data)
    assert done.returncode == 1 and "only queries take --param" in done.stderr
    done = command("export", "articles", "stories", "--country", "xk", "--bom", "--out", tmp_path, "--data", data)
    assert done.returncode == 0 and str(tmp_path / "articles.csv") in done.stdout
    assert {row["title"] for row in rows(tmp_path / "articles.csv")} == {TITLE, f"'{FORMULA}"}
    done = command("export", "articles", "--country", "ZZ", "--out", tmp_path, "--data", data)
    assert done.returncode == 1 and done.stderr.startswith("Error: There is no country `ZZ`")


# -- a real spreadsheet -----------------------------------------------------------------------------------------------


@pytest.mark.needs_libreoffice
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_libreoffice_opens_it_rightly(kind: str, store: Store, tmp_path: Path) -> None:
    frame = pl.DataFrame({"id": ["0012", "1E5", "x"], "title": [TITLE, FORMULA, "=1+1"]})
    export.write([frame], tmp_path / f"x.{kind}", Options(kind, bom=True))
    opened = tmp_path / "opened"
    soffice = shutil.which("soffice")
    assert soffice
    told = ["--infilter=CSV:44,34,76,1,,0,false,false"] if kind == "csv" else []  # comma, quote, UTF-8; no evaluation of text
    done = subprocess.run(
        [soffice, f"-env:UserInstallation=file://{tmp_path}/profile", "--headless", *told, "--convert-to",
         "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false", "--outdir", str(opened), str(tmp_path / f"x.{kind}")],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (header, *cells) = csv.reader(io.StringIO((opened / "x.csv").read_text(encoding="utf-8-sig"), newline=""))
    assert header == ["id", "title"]
    assert [row[1].removeprefix("'") for row in cells] == [TITLE, FORMULA, "=1+1"]
    if kind == "xlsx":
        assert [row[0] for row in cells] == ["0012", "1E5", "x"]
