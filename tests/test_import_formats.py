"""The formats of archives: each to the same rows, damage told by line, nothing lost around it."""

import bz2
import gzip
import json
import lzma
import zipfile
import zlib
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import brotli
import polars as pl
import pytest
from conftest import FEED

from pipeline import archive
from pipeline.archive import IMPORTED, Outlets
from pipeline.errors import InputError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CATALOGUE = Outlets(
    pl.DataFrame([
        FEED | {"feed_id": "rs_b92", "url": "https://www.b92.net/rss", "outlet": "B92", "side": "belgrade", "lang": "sr"},
        FEED | {"feed_id": "dw_sr", "url": "https://rss.dw.com/sr", "outlet": "DW", "lang": "sr"},
        FEED | {"feed_id": "two_sq", "url": "https://two.example/sq", "outlet": "Two sq", "lang": "sq"},
        FEED | {"feed_id": "two_sr", "url": "https://two.example/sr", "outlet": "Two sr", "lang": "sr"},
    ]),
    "Europe/Belgrade",
)  # fmt: skip
TITLE = "Vojska i policija na Jarinju"
TEXT = "Pripadnici Kfora uklonili su barikade kod Zvečana. Šef policije rekao je da je put otvoren.\nDrugi pasus govori o đacima."


def read(
    path: Path, format: str | None = None, mapping: dict[str, str] | None = None, **said: Any
) -> tuple[pl.DataFrame, list[Any], Any]:
    """All rows of the sources below a path, what was rejected, and what was skipped."""
    frames, rejected, skipped = [pl.DataFrame(schema=IMPORTED)], [], Counter[str]()
    for source in archive.sources([path], format):
        plan = archive.plan(source, mapping or {}, **({"time_zone": "Europe/Belgrade"} | said))
        for chunk in archive.chunks(source, plan, CATALOGUE.is_known_host):
            found, bad = archive.rows(chunk.raws, plan, CATALOGUE, NOW)
            frames.append(found)
            rejected += bad
            skipped.update(chunk.skipped)
    return pl.concat(frames), rejected, dict(skipped)


def one(found: pl.DataFrame) -> dict[str, Any]:
    assert found.height == 1
    return found.row(0, named=True)


def is_ours(row: dict[str, Any]) -> bool:
    """Is it the article of these tests, whole?"""
    return (row["title"], row["body"], row["outlet"], row["lang"]) == (TITLE, TEXT, "B92", "hbs")


# -- text files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", ["", ".gz", ".bz2", ".xz", ".zip"])
def test_json_lines_packed_or_not(packed: str, tmp_path: Path) -> None:
    line = json.dumps({"url": "https://b92.net/1", "title": TITLE, "text": TEXT, "date": "2019-03-01 10:00"}).encode() + b"\n"
    path = tmp_path / f"old.jsonl{packed}"
    if packed == ".zip":
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("old.jsonl", line)
    else:
        path.write_bytes(
            {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}[packed](b"\xef\xbb\xbf" + line)
        )
    row = one(read(path)[0])
    assert is_ours(row)
    assert row["published_at"] == datetime(2019, 3, 1, 9, tzinfo=UTC)  # without a zone: the outlet's


def test_a_cut_file_gives_what_it_has(tmp_path: Path) -> None:
    lines = b"".join(
        json.dumps({"url": f"https://b92.net/{n}", "title": TITLE, "text": TEXT * 99 + str(n)}).encode() + b"\n"
        for n in range(20)
    )
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(lines, 0)[:60_000])
    found, rejected, _ = read(tmp_path / "cut.jsonl.gz")
    assert 1 < found.height < 20
    assert [bad.line for bad in rejected] == [found.height + 1]
    assert "the file is cut off" in rejected[0].reason


@pytest.mark.parametrize(("encoding", "delimiter"), [("utf-8", ","), ("utf-8-sig", ";"), ("cp1250", ";"), ("utf-16", "\t")])
def test_csv_of_any_make(encoding: str, delimiter: str, tmp_path: Path) -> None:
    cell = f'"{TEXT}"'
    rows = [["Link", "Naslov", "Tekst", "Datum"],
            ["https://b92.net/1", TITLE, cell, "1.3.2019. 10:00"],
            ["https://b92.net/2", "x"],
            ["https://b92.net/3", TITLE, "kratko", ""]]  # fmt: skip
    (tmp_path / "old.csv").write_text("\r\n".join(delimiter.join(row) for row in rows), encoding=encoding, newline="")
    found, rejected, _ = read(tmp_path / "old.csv", mapping={"url": "Link"})
    assert is_ours(found.row(0, named=True))
    assert found["published_at"].to_list() == [datetime(2019, 3, 1, 9, tzinfo=UTC), None]
    assert rejected == [(4, "the row has 2 cells and the header 4")]  # the cell before goes over two lines


def test_columns_inside_others_and_numbers_as_dates(tmp_path: Path) -> None:
    record = {"_source": {"title": TITLE, "content": TEXT, "meta": {"link": "https://b92.net/1"}}, "ts": 1551430800}
    (tmp_path / "dump.jsonl").write_text(json.dumps(record))
    mapping = {"title": "_source.title", "text": "_source.content", "url": "_source.meta.link", "published_at": "ts"}
    row = one(read(tmp_path / "dump.jsonl", mapping=mapping)[0])
    assert is_ours(row) and row["published_at"] == datetime(2019, 3, 1, 9, tzinfo=UTC)


@pytest.mark.parametrize("shape", ["array", "articles", "one"])
def test_json_that_is_no_lines(shape: str, tmp_path: Path) -> None:
    record = {"url": "https://b92.net/1", "title": TITLE, "text": TEXT}
    value = {"array": [record], "articles": {"articles": [record]}, "one": record}[shape]
    (tmp_path / "old.json").write_text(json.dumps(value, indent=1))
    assert is_ours(one(read(tmp_path / "old.json")[0]))
    (tmp_path / "torn.json").write_text(json.dumps([record, record])[:-20])
    found, rejected, _ = read(tmp_path / "torn.json")
    assert found.height == 1 and "not valid JSON" in rejected[0].reason


def test_parquet(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"url": ["https://b92.net/1"], "title": [TITLE], "plain_text": [TEXT], "date": [date(2019, 3, 1)], "n": [1.5]}
    )
    frame.write_parquet(tmp_path / "old.parquet")
    row = one(read(tmp_path / "old.parquet")[0])
    assert is_ours(row) and row["published_at"] == datetime(2019, 3, 1, tzinfo=UTC)


# -- other people's exports -------------------------------------------------------------------------------------------


def test_news_please(tmp_path: Path) -> None:
    record = {
        "url": "https://b92.net/1", "title": TITLE, "maintext": TEXT, "description": "x", "authors": ["A", "B"], "language": "sr",
        "date_publish": "2019-03-01 10:00:00", "date_download": "2020-01-01 00:00:00", "source_domain": "b92.net",
        "filename": "f",
    }  # fmt: skip
    (tmp_path / "2019").mkdir()
    (tmp_path / "2019" / "article.json").write_text(json.dumps(record))
    (tmp_path / "2019" / "notes.pdf").write_bytes(b"%PDF")
    row = one(read(tmp_path)[0])
    assert is_ours(row) and row["author"] == "A, B"
    assert row["crawled_at"] == datetime(2020, 1, 1, tzinfo=UTC) and row["published_at"] == datetime(2019, 3, 1, 9, tzinfo=UTC)


def test_media_cloud(tmp_path: Path) -> None:
    (tmp_path / "mc.csv").write_text(
        "id,indexed_date,language,media_name,media_url,publish_date,title,url\n"
        f"1,2023-11-21 05:00:00,sr,b92.net,b92.net,2023-11-20,{TITLE},https://b92.net/1\n"
    )
    row = one(read(tmp_path / "mc.csv")[0])
    assert (row["outlet"], row["body"], row["body_source"], row["waits"]) == ("B92", "", "headline", True)
    assert row["published_at"].date() == date(2023, 11, 20) and row["crawled_at"].date() == date(2023, 11, 21)


ARTICLE = {"url": "https://b92.net/1", "url_mobile": "", "title": TITLE, "seendate": "20231120T101500Z", "domain": "b92.net",
           "language": "Serbian", "sourcecountry": "Serbia"}  # fmt: skip
GKG = [
    "20231120101500-7",
    "20231120101500",
    "1",
    "b92.net",
    "https://b92.net/1",
    *[""] * 21,
    f"<PAGE_LINKS>x</PAGE_LINKS><PAGE_TITLE>{TITLE}</PAGE_TITLE>",
]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.json", json.dumps({"articles": [ARTICLE]})),
        ("list.csv", f"URL,MobileURL,Date,Title\nhttps://b92.net/1,,2023-11-20 10:15:00,{TITLE}\n"),
        ("20231120101500.gkg.csv", "\t".join(GKG) + "\n" + "\t".join([*GKG[:2], "4", *GKG[3:]]) + "\n"),
    ],
)
def test_gdelt(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    found, rejected, _ = read(tmp_path / name, time_zone="UTC")
    row = one(found)
    assert (row["title"], row["outlet"], row["waits"], row["lang"]) == (TITLE, "B92", True, "hbs")
    at = row["published_at"] if name == "list.csv" else row["crawled_at"]  # what GDELT saw is no date of publication
    assert at.hour in {9, 10} and at.date() == date(2023, 11, 20)
    assert [reason for _, reason in rejected] == (["not a page of the web"] if "gkg" in name else [])


def test_folders_of_texts_and_pages(tmp_path: Path) -> None:
    (tmp_path / "2019-03-01-jarinje.txt").write_text(f"{TITLE}\n\n{TEXT}")
    (tmp_path / "page.html").write_text(page(TITLE, TEXT, '<link rel="canonical" href="https://www.b92.net/1">'))
    (tmp_path / "empty.html").write_text("")
    found, rejected, _ = read(tmp_path, outlet="B92")
    assert all(map(is_ours, found.iter_rows(named=True))) and found.height == 2
    text, html = found.sort("url", nulls_last=False).iter_rows(named=True)
    assert text["published_at"] == datetime(2019, 3, 1, tzinfo=UTC) and text["guid"] == "2019-03-01-jarinje.txt"
    assert html["url"] == "https://www.b92.net/1"
    assert [reason for _, reason in rejected] == ["the page is empty"]
    assert {reason for _, reason in read(tmp_path)[1]} == {
        "the page is empty",
        "neither an address nor an outlet (--outlet NAME)",
    }


# -- WARC -------------------------------------------------------------------------------------------------------------


def page(title: str, text: str, head: str = "") -> str:
    paragraphs = "".join(f"<p>{line}</p>" for line in text.split("\n"))
    meta = '<meta property="article:published_time" content="2019-03-01T10:00:00+01:00">'
    article = f"<article><h1>{title}</h1>{paragraphs}</article>"
    return f"<html><head><title>{title}</title>{meta}{head}</head><body>{article}</body></html>"


def warc(
    url: str, body: bytes, kind: str = "text/html; charset=utf-8", status: str = "200 OK", more: str = "", form: str = "response"
) -> bytes:
    """One record of a WARC file."""
    http = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{more}\r\n".encode() + body
    content, kind = (http, "application/http; msgtype=response") if form == "response" else (body, kind)
    head = (
        f"WARC/1.0\r\nWARC-Type: {form}\r\nWARC-Record-ID: <urn:uuid:{zlib.crc32(url.encode())}>\r\n"
        "WARC-Date: 2020-01-02T03:04:05Z\r\n"
        f"WARC-Target-URI: {url}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content + b"\r\n\r\n"


B92 = "https://www.b92.net/"
PAGE = page(TITLE, TEXT).encode()
CHUNKED = b"%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (100, PAGE[:100], len(PAGE) - 100, PAGE[100:])
GOOD = {
    "plain": warc(B92 + "plain", PAGE),
    "gzip": warc(B92 + "gzip", gzip.compress(PAGE), more="Content-Encoding: gzip\r\n"),
    "deflate": warc(B92 + "deflate", zlib.compress(PAGE), more="Content-Encoding: deflate\r\n"),
    "brotli": warc(B92 + "brotli", brotli.compress(PAGE), more="Content-Encoding: br\r\n"),
    "kept": warc(B92 + "kept", PAGE, more="Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"),  # unpacked, header kept
    "chunked": warc(B92 + "chunked", CHUNKED, more="Transfer-Encoding: chunked\r\n"),
    "cp1250": warc(B92 + "cp1250", PAGE.decode().encode("cp1250"), "text/html; charset=windows-1250"),
    "unsaid": warc(B92 + "unsaid", PAGE.decode().encode("cp1250"), "text/html"),
    "text": warc(B92 + "text", f"{TITLE}\n\n{TEXT}".encode(), "text/plain; charset=utf-8"),
    "wet": warc(B92 + "wet", f"{TITLE}\n\n{TEXT}".encode(), "text/plain", form="conversion"),
}
NOT_WANTED = {
    "status 404": warc(B92 + "gone", PAGE, status="404 Not Found"),
    "type image/png": warc(B92 + "image", b"\x89PNG", "image/png"),
    "host not in the catalogue": warc("https://nobody.example/1", PAGE),
    "front page": warc(B92, PAGE),
}
BROKEN = warc(B92 + "broken", b"\x1f\x8b\x08 nothing", more="Content-Encoding: gzip\r\n")
EMPTY = warc(B92 + "empty", b"<html><body></body></html>")


@pytest.mark.parametrize("is_packed", [False, True])
def test_warc(is_packed: bool, tmp_path: Path) -> None:
    records = [*GOOD.values(), BROKEN, *NOT_WANTED.values(), EMPTY]
    path = tmp_path / ("news.warc.gz" if is_packed else "news.warc")
    path.write_bytes(b"".join(map(gzip.compress, records)) if is_packed else b"".join(records))
    found, rejected, skipped = read(path)
    assert {row["url"].removeprefix(B92): (row["title"], row["body"]) for row in found.iter_rows(named=True)} == dict.fromkeys(
        GOOD, (TITLE, TEXT)
    )
    assert skipped == dict.fromkeys(NOT_WANTED, 1)
    assert [line for line, _ in rejected] == [len(GOOD) + 1, len(records)]
    assert "can not be unpacked" in rejected[0].reason
    assert set(found["crawled_at"]) == {datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)}
    dated = found.filter(pl.col("url").str.contains("plain|gzip"))
    assert set(dated["published_at"]) == {datetime(2019, 3, 1, 9, tzinfo=UTC)} and set(dated["date_source"]) == {"meta"}
    assert read(path, all_hosts=True)[0].height == len(GOOD) + 1


def test_a_damaged_warc_loses_only_the_damage(tmp_path: Path) -> None:
    packed = [gzip.compress(record) for record in GOOD.values()]
    packed[3] = packed[3][:30] + b"\xff" * 40 + packed[3][70:]
    packed[-1] = packed[-1][:50]
    (tmp_path / "torn.warc.gz").write_bytes(b"".join(packed))
    found, rejected, _ = read(tmp_path / "torn.warc.gz")
    assert set(found["url"].str.replace(B92, "", literal=True)) == {
        name for i, name in enumerate(GOOD) if i not in {3, len(GOOD) - 1}
    }
    assert rejected and all("damaged" in reason for _, reason in rejected)


# -- outlets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "lang", "outlet"),
    [
        ("https://b92.net/1", "hbs", "B92"),
        ("http://m.b92.net/1", "hbs", "B92"),
        ("https://sport.b92.net/1", "hbs", "B92"),
        ("https://notb92.net/1", "hbs", "notb92.net"),
        ("https://www.dw.com/1", "hbs", "DW"),  # its feed is on a host of its own
        ("https://blog.dw.com/1", "hbs", "blog.dw.com"),  # but a sister of that host may be anybody's
        ("https://two.example/1", "sq", "Two sq"),
        ("https://two.example/1", "en", "two.example"),  # which of the two, nothing tells
    ],
)
def test_the_outlet_of_an_address(url: str, lang: str, outlet: str) -> None:
    assert CATALOGUE.of(url, "", "", lang)[1] == outlet


def test_guessing_takes_the_first_name_of_a_field() -> None:
    columns = ["ID", "Article Title", "Headline", "Full_Text", "Source URL", "Publish-Date", "Media Name", "colour"]
    assert archive.guessed(columns) == {
        "url": "Source URL", "title": "Headline", "text": "Full_Text", "published_at": "Publish-Date",
        "outlet": "Media Name", "id": "ID",
    }  # fmt: skip


def test_a_zip_of_many_files_and_zstandard_are_told(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "many.jsonl.zip", "w") as file:
        file.writestr("a", "{}")
        file.writestr("b", "{}")
    with pytest.raises(InputError, match="holds 2 files"):
        read(tmp_path / "many.jsonl.zip")
    (tmp_path / "old.jsonl.zst").write_bytes(b"x")
    with pytest.raises(InputError, match=r"no ending that tells|Zstandard"):
        read(tmp_path / "old.jsonl.zst")
