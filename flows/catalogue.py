"""The catalogue of feeds: rows of `seeds/feeds.csv` changed with care, feeds looked at, feeds found. `flows.feeds` has the
commands."""

import csv
import dataclasses
import io
import itertools
import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit
from zoneinfo import available_timezones

import polars as pl
from lxml import html as lxml_html

from flows.answers import with_parts
from flows.settings import Settings
from pipeline import fetch, normalise, parse, seeds
from pipeline.errors import InputError, SeedError
from pipeline.fetch import Request, Result, RobotsCache
from pipeline.parse import FeedDocument

Row = dict[str, str]

COMMON_PATHS = ("/feed/", "/rss", "/rss.xml", "/feed.xml", "/atom.xml", "/index.xml", "/feed.json", "/rss/", "/feeds/")
FEED_TYPES = re.compile(r"(application|text)/(rss|atom|rdf|feed)\+(xml|json)|(application|text)/(xml|rss|atom)", re.IGNORECASE)
FEED_LINK = re.compile(r"(^|[/._=?-])(rss|feed|atom)s?([/._?&=-]|\d|$)", re.IGNORECASE)
MAX_LINKS, MAX_SITEMAPS, MAX_PAGE_CHARS = 15, 5, 3_000_000
MAX_CELL = 1_000
FEED_ID, LANG = re.compile(r"[a-z0-9_]{1,60}"), re.compile(r"[a-z]{2,3}")
USUAL = {"side": "international", "lang": "mul", "time_zone": "Europe/Belgrade"}  # where no feed of the country says more
FINDING = {
    "feed_id": pl.String, "reachable": pl.String, "status": pl.Int64, "parses": pl.String, "entries": pl.Int64,
    "newest": pl.String, "robots": pl.String, "identity": pl.String, "moved_to": pl.String, "problem": pl.String,
}  # fmt: skip
FOUND = {
    "url": pl.String, "found": pl.String, "kind": pl.String, "title": pl.String, "entries": pl.Int64, "newest": pl.String,
    "feed_id": pl.String,
}  # fmt: skip


# -- rows -------------------------------------------------------------------------------------------------------------


class Catalogue:
    """`feeds.csv` of a folder of seeds: its rows, and `write`, which puts them back in order or leaves the file as it is."""

    def __init__(self, folder: Path) -> None:
        self._path, self._seeds = folder / "feeds.csv", seeds.load(folder)
        text = self._path.read_text(encoding="utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""))
        self.rows: list[Row] = [{name: cell or "" for name, cell in row.items() if name} for row in reader]
        self.columns = list(reader.fieldnames or [])
        self._taken = {row["feed_id"] for row in self.rows}
        counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for row, column in itertools.product(self.rows, USUAL):
            if row["country_code"] and row["kind"] != "file":
                counts[row["country_code"], column][row[column]] += 1
        self._usual = {key: count.most_common(1)[0][0] for key, count in counts.items()}
        self._allowed: dict[str, Collection[str]] = {
            "side": set(self._seeds.tables["side"]["side"]), "country_code": {*self._seeds.tables["country"]["code"], "INT"},
            "time_zone": available_timezones(), "kind": {"rss", "sitemap"},
            **{column: values for (name, column), values in seeds.ALLOWED.items() if name == "feeds" and column != "kind"},
        }  # fmt: skip

    def known(self) -> dict[str, str]:
        """The feed_id of each address, whatever way it is written."""
        return {address_key(row["url"]): row["feed_id"] for row in self.rows}

    def append(self, row: Row) -> None:
        """One more feed; nothing is on disk until `write`."""
        self.rows.append(row)
        self._taken.add(row["feed_id"])

    def find(self, feed_id: str) -> Row:
        """The row of a feed; InputError when there is none."""
        row = next((row for row in self.rows if row["feed_id"] == feed_id), None)
        if row is None:
            raise InputError(f"There is no feed `{feed_id}`; `balkanwatch feeds list` shows them all.")
        return row

    def sound(self, given: Mapping[str, str]) -> Row:
        """What a stranger's file says of a feed, without the cells that our columns do not allow and keys that are taken."""
        row = {name: value for name, value in given.items() if value in self._allowed.get(name, (value,))}
        row["lang"] = row.get("lang", "").lower().split("-")[0]  # `en-us` is en
        if not LANG.fullmatch(row["lang"]):
            del row["lang"]
        if not FEED_ID.fullmatch(row.get("feed_id", "")) or row["feed_id"] in self._taken:
            row.pop("feed_id", None)
        return row

    def complete(self, given: Mapping[str, str | None]) -> Row:
        """A full row from what is given; what is not given is what most feeds of its country have, or says that it is unknown."""
        more = [column for column in seeds.OPTIONAL["feeds"] if given.get(column) and column not in self.columns]
        self.columns = [*self.columns, *more]
        row = {column: _cell(given.get(column) or "") for column in self.columns}
        for column, default in USUAL.items():
            row[column] = row[column] or self._usual.get((row["country_code"], column), default)
        defaults = {
            "outlet": _site(row["url"]), "owner": "unknown", "alignment": "unknown", "kind": "rss",
            "is_active": "true", "source": "unchecked",
        }  # fmt: skip
        row |= {column: row[column] or default for column, default in defaults.items()}
        row["feed_id"] = row["feed_id"] or self._new_id(row)
        for column, is_sound, example in (
            ("feed_id", FEED_ID.fullmatch(row["feed_id"]), "rs_b92"), ("lang", LANG.fullmatch(row["lang"]), "sr"),
            ("time_zone", row["time_zone"] in self._allowed["time_zone"], "Europe/Belgrade"),
        ):  # fmt: skip
            if not is_sound:
                raise SeedError(f"Nothing was changed: {column} `{row[column]}` should look like {example}.")
        return row

    def _new_id(self, row: Row) -> str:
        """Country and site, as in `rs_b92`; with a number when that is taken."""
        site = re.sub(r"[^a-z0-9]+", "_", _site(row["url"]).rsplit(".", 1)[0].lower()).strip("_")
        site = re.sub(r"_(com|co|org|net|gov|edu)$", "", site) or "feed"
        stem = f"{row['country_code'].lower() or 'int'}_{site}"
        names = itertools.chain([stem], (f"{stem}_{n}" for n in itertools.count(2)))
        return next(name for name in names if name not in self._taken)

    def write(self) -> None:
        """Sort, check as `seeds check` does, and replace the file; SeedError and an untouched file when a row is wrong."""
        self.rows.sort(key=lambda row: row["feed_id"])
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(self.rows)
        self._check()
        mode = self._path.stat().st_mode & 0o777
        with tempfile.NamedTemporaryFile(
            "w", dir=self._path.parent, prefix=".feeds-", delete=False, encoding="utf-8", newline=""
        ) as made:
            made.write(text.getvalue())
        Path(made.name).chmod(mode)
        Path(made.name).replace(self._path)

    def _check(self) -> None:
        cells = [{name: cell or None for name, cell in row.items()} for row in self.rows]
        frame = pl.DataFrame(cells, dict.fromkeys(self.columns, pl.String))
        numbered = frame.with_columns(pl.lit(self._path.name).alias("_file"), pl.int_range(2, frame.height + 2).alias("_line"))
        tables = {name: table.clear() for name, table in self._seeds.tables.items()}
        tables |= {"feeds": numbered, **{name: self._seeds.tables[name] for name in ("side", "country")}}
        for problem in seeds.check(dataclasses.replace(self._seeds, tables=tables), lambda _expression, _known: []):
            if problem.file == self._path.name:
                raise SeedError(f"Nothing was changed: {self.rows[problem.line - 2]['feed_id']}: {problem.text}.")


def _cell(text: str) -> str:
    """One line, no control characters, nothing that a spreadsheet runs."""
    return re.sub(r"^[\s=+\-@]+", "", " ".join("".join(c if c.isprintable() else " " for c in text).split()))[:MAX_CELL]


def address_key(url: str) -> str:
    """The same for all ways to write one address: http or https, with or without www and the last slash."""
    return re.sub(r"^https?://(www\.)?|/+(?=\?|$)", "", normalise.canonical_url(url) or url)


def _site(url: str | None) -> str:
    return normalise.registered_domain(url or "").removeprefix("www.")  # left only where the suffix is no public one


def web_address(url: str) -> str:
    """The address as it may stand in the catalogue; InputError when it is none of the web."""
    url = url.strip()
    url = url if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:", url) and not re.match(r"[\w.-]+:\d+(/|$)", url) else f"https://{url}"
    if not re.match(r"https?://[^\s/]+\.[^\s/]+", url, re.IGNORECASE) or normalise.canonical_url(url) is None:
        raise InputError(f"`{_cell(url)[:200]}` is not an address that can be fetched.")
    return url


# -- looking at feeds -------------------------------------------------------------------------------------------------

Report = Callable[[str], None]


def policy(settings: Settings) -> fetch.Policy:
    """The monitor's manners, without its time budget."""
    return fetch.Policy(
        user_agent=f"balkanwatch/0.1 (+{settings.contact})", pause_s=settings.pause_s, total_timeout_s=settings.timeout_s,
        max_bytes=settings.max_bytes, allow_private=settings.allow_private, concurrency=settings.concurrency,
        file_root=settings.seeds,
    )  # fmt: skip


def check(rows: Sequence[Row], settings: Settings, report: Report = lambda _: None) -> list[dict[str, Any]]:
    """Fetch and judge each feed: one finding a feed, in the order given; `problem` is empty where all is well."""
    requests = [Request(row["feed_id"], "sitemap" if row["kind"] == "sitemap" else "feed", row["url"]) for row in rows]
    by_id = {row["feed_id"]: row for row in rows}
    answered: dict[str, tuple[Result, FeedDocument | None]] = {}
    for result in with_parts(requests, policy(settings), RobotsCache()):
        before, document = answered.get(result.request_id), _document(result)
        if before is None:
            answered[result.request_id] = result, document
        elif document and before[1] and not document.error:  # a sitemap of an index
            entries = before[1].entries + document.entries
            answered[result.request_id] = before[0], dataclasses.replace(before[1], error=None, entries=entries)
        report(f"{len(answered)} of {len(rows)} feeds")
    return [_finding(by_id[row["feed_id"]], *answered[row["feed_id"]]) for row in rows]


def _finding(row: Row, result: Result, document: FeedDocument | None) -> dict[str, Any]:
    entries = document.entries if document else []
    newest = _newest(document, row["time_zone"] or "UTC") if document else None
    identity = _identity(row["url"], document) if document and entries else ""
    parse_error = document.error if document else None
    problem = result.error or parse_error or ("" if entries else "the feed has no entries")
    if not problem and identity.startswith("other"):
        problem = "its links lead to another site"
    return {
        "feed_id": row["feed_id"], "reachable": "yes" if result.error is None else "no", "status": result.http_status,
        "parses": "" if document is None else "no" if parse_error else "yes", "entries": len(entries) if document else None,
        "newest": _age(newest) if newest else "", "robots": _robots(result), "identity": identity,
        "moved_to": result.final_url if result.is_moved else "", "problem": problem,
    }  # fmt: skip


def in_brief(findings: pl.DataFrame) -> pl.DataFrame:
    """The findings in the columns that fit on a screen."""
    moved = pl.when(pl.col("moved_to") != "").then(pl.format("moved to {}", "moved_to")).otherwise(pl.lit(""))
    return findings.select(
        "feed_id",
        pl.when(pl.col("reachable") == "yes").then("status").cast(pl.String).fill_null("no").alias("answer"),
        pl.when(pl.col("parses") == "no").then(pl.lit("unread")).otherwise(pl.col("entries").cast(pl.String)).alias("entries"),
        "newest", "robots", "identity",
        pl.concat_list("problem", moved).list.filter(pl.element() != "").list.join("; ").alias("remark"),
    )  # fmt: skip


def _document(result: Result) -> FeedDocument | None:
    return None if result.body is None else parse.feed(result.body, result.final_url, result.content_type)


def _newest(document: FeedDocument, time_zone: str) -> datetime | None:
    now = datetime.now(UTC)
    dates = (normalise.moment(entry.published or entry.updated, time_zone, now) for entry in document.entries)
    return max((date for date in dates if date), default=None)


def _age(when: datetime) -> str:
    hours = max(0.0, (datetime.now(UTC) - when).total_seconds() / 3600)
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} d"


def _robots(result: Result) -> str:
    """What robots.txt said of the address itself and of where it led."""
    if not result.verdicts:
        return ""
    last = next((verdict for verdict in result.verdicts if not verdict.is_allowed), result.verdicts[-1])
    return "allowed" if last.is_allowed else "no answer" if "did not answer" in last.reason else "forbidden"


def _identity(url: str, document: FeedDocument) -> str:
    """`ok` when the feed's link and most of its entries stay on the site that was subscribed to."""
    ours = _site(url)
    if not ours:
        return ""
    links = Counter(_site(entry.link) for entry in document.entries if entry.link)
    links.pop("", None)
    home = _site(document.link) or ours
    if links and 2 * links[ours] < links.total():
        return f"other site: {next(site for site, _ in links.most_common() if site != ours)}"
    return "ok" if home == ours else f"other site: {home}"


# -- finding feeds ----------------------------------------------------------------------------------------------------


def discover(url: str, settings: Settings, known: Mapping[str, str], report: Report = lambda _: None) -> list[dict[str, Any]]:
    """The feeds of a site, each fetched and parsed: named by its page, at the usual paths, or sitemaps that robots.txt names.

    InputError when the site can not be reached.
    """
    manners, cache = policy(settings), RobotsCache()
    (front,) = fetch.fetch([Request("front", "page", url)], manners, cache)
    if front.body is None and front.http_status is None:
        raise InputError(f"{front.error or 'The page is empty'}.")
    found: list[tuple[str, Result, FeedDocument]] = []
    document = _document(front)
    if document and not document.error:
        found.append(("address", front, document))
    candidates = dict(_candidates(front, cache))
    for key in {address_key(front.url), address_key(front.final_url)}:
        candidates.pop(key, None)
    looked = list(_look(list(candidates.values()), manners, cache, report))
    named = (link for _, _, document in looked for link in document.parts[:MAX_SITEMAPS] if parse.is_news(link))
    inner = {address_key(link): ("sitemap", link) for link in named if normalise.canonical_url(link)}
    looked += _look([inner[key] for key in inner if key not in candidates], manners, cache, report)
    order = {name: n for n, name in enumerate(("address", "page", "usual path", "sitemap"))}
    found += [(how, result, document) for how, result, document in looked if document.entries and not document.error]
    found.sort(key=lambda one: (order[one[0]], one[1].url))
    return list(_distinct(found, known))


def _look(
    candidates: Sequence[tuple[str, str]], manners: fetch.Policy, cache: RobotsCache, report: Report
) -> Iterator[tuple[str, Result, FeedDocument]]:
    requests = [Request(str(n), "sitemap" if how == "sitemap" else "feed", url) for n, (how, url) in enumerate(candidates)]
    for n, result in enumerate(fetch.fetch(requests, manners, cache), 1):
        report(f"{n} of {len(candidates)} addresses")
        if (document := _document(result)) is not None:
            yield candidates[int(result.request_id)][0], result, document


def _candidates(front: Result, cache: RobotsCache) -> Iterator[tuple[str, tuple[str, str]]]:
    """(key, (how it was found, address)), each key as often as it is found: the last stays, so the surest come last."""
    base = front.final_url
    for url in cache.sitemaps(base)[:MAX_SITEMAPS]:
        yield address_key(url), ("sitemap", url)
    for path in COMMON_PATHS:
        yield address_key(urljoin(base, path)), ("usual path", urljoin(base, path))
    for url in _named(front):
        yield address_key(url), ("page", url)


def _named(front: Result) -> Iterable[str]:
    """The feeds that a page names in its head, and links of its text that look like feeds of the same site."""
    text = parse.decode(front.body or b"", front.content_type)[:MAX_PAGE_CHARS].replace("\0", "")
    try:
        tree = lxml_html.document_fromstring(text.encode(), parser=lxml_html.HTMLParser(encoding="utf-8"))
    except Exception:  # lxml raises several kinds on what is no page
        return []
    bases = tree.xpath("//base/@href")
    base = _joined(front.final_url, bases[0]) if bases else front.final_url
    links = [(node.get("href"), node.get("rel") or "", node.get("type") or "") for node in tree.iter("link")]
    heads = [href for href, rel, kind in links if href and "alternate" in rel.lower().split() and FEED_TYPES.match(kind)]
    texts = [node.get("href") for node in tree.iter("a") if FEED_LINK.search(_path_of(node.get("href") or ""))]
    named = [_joined(base or front.final_url, href) for href in [*heads, *texts]]
    kept = [
        url for n, url in enumerate(named)
        if url and normalise.canonical_url(url) and (n < len(heads) or _site(url) == _site(front.final_url))
    ]  # fmt: skip
    return list(dict.fromkeys(kept))[:MAX_LINKS]


def _path_of(href: str) -> str:
    """Path and query of a link; empty when it can not be read."""
    try:
        parts = urlsplit(href)
    except ValueError:
        return ""
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _joined(base: str, href: str) -> str:
    try:
        return urljoin(base, href.strip())
    except ValueError:
        return ""


def _distinct(found: Iterable[tuple[str, Result, FeedDocument]], known: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """One row a feed: what redirects to a feed that was found already, or says the very same, is left out."""
    seen: set[str] = set()
    for how, result, document in found:
        marks = {address_key(result.final_url), address_key(result.url), result.body_hash or result.final_url}
        if seen.isdisjoint(marks):
            newest = _newest(document, "UTC")
            yield {
                "url": result.final_url if result.is_moved else result.url, "found": how, "kind": document.kind,
                "title": _cell(document.title)[:80], "entries": len(document.entries), "newest": _age(newest) if newest else "",
                "feed_id": known.get(address_key(result.final_url), known.get(address_key(result.url), "")),
            }  # fmt: skip
        seen |= marks
