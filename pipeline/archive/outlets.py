"""Whose a record is: the feed and outlet that a catalogue knows for it, by what the record says or by the host of its address."""

from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import polars as pl

from pipeline import language
from pipeline.normalise import registered_domain
from pipeline.schemas import RELATIONS, conform

PREFIX = "import:"
_BARE = ("www.", "m.", "mobile.", "amp.")


class Outlets:
    """The catalogue (columns of seeds/feeds.csv) with what is needed to find the outlet of an archived article.

    Imports have feeds of their own (kind `import`, never polled), one an outlet and side, so that the health of the polled feeds
    tells of polling alone; owner, side and alignment are those of the catalogue.
    """

    def __init__(self, feeds: pl.DataFrame, time_zone: str) -> None:
        self._zone = time_zone
        self._rows: list[dict[str, Any]] = []  # the first feed of each outlet and side
        groups: dict[tuple[str, str], int] = {}
        self._langs: dict[int, set[str]] = defaultdict(set)
        self._hosts: dict[str, set[int]] = defaultdict(set)
        self._domains: dict[str, set[int]] = defaultdict(set)
        self._feeds: dict[str, int] = {}
        self._names: dict[str, set[int]] = defaultdict(set)
        for row in feeds.iter_rows(named=True):
            key = (row["outlet"], row["side"])
            if key not in groups:
                groups[key] = len(self._rows)
                self._rows.append(row)
            n = groups[key]
            self._feeds[row["feed_id"]] = n
            self._names[row["outlet"].casefold()].add(n)
            self._langs[n].add(language.normalise_lang(row["lang"]))
            if row["kind"] != "file":
                self._hosts[_host(row["url"])].add(n)
                self._domains[registered_domain(row["url"])].add(n)
        self._by_host = lru_cache(50_000)(self._find_host)

    def is_known_host(self, url: str) -> bool:
        """Does the host of an address belong to an outlet of the catalogue?"""
        return bool(self._by_host(_host(url)))

    def has_feed(self, feed_id: str) -> bool:
        """Is there such a feed?"""
        return feed_id in self._feeds

    def of(self, url: str | None, feed: str, outlet: str, lang: str) -> tuple[str, str, str]:
        """feed_id, outlet and time zone of an article: by its feed, else by its outlet's name, else by its host.

        An outlet that the catalogue does not know is named as the record says, else after its host; empty when nothing tells.
        """
        host = _host(url) if url else ""
        found: set[int] = {self._feeds[feed]} if feed in self._feeds else set()
        found = found or self._names.get(outlet.casefold(), set())
        by_host = self._by_host(host) if host else frozenset()
        found = (found & by_host or found) if found else set(by_host)
        if len(found) > 1:
            found = {n for n in found if lang in self._langs[n]}
        if len(found) == 1:
            row = self._rows[next(iter(found))]
            return PREFIX + row["feed_id"], row["outlet"], row["time_zone"] or self._zone
        name = outlet or host
        return PREFIX + name if name else "", name, self._zone

    def feeds(self, feed_ids: Iterable[str]) -> pl.DataFrame:
        """Rows of relation `feed` for the feeds of imports that `of` has named."""
        rows = []
        for feed_id in sorted(set(feed_ids)):
            name = feed_id.removeprefix(PREFIX)
            known = self._rows[self._feeds[name]] if name in self._feeds else None
            row = known or {
                "outlet": name, "owner": "unknown", "side": "unknown", "alignment": "unknown", "lang": language.UNKNOWN,
                "time_zone": self._zone,
            }  # fmt: skip
            fixed = {"feed_id": feed_id, "url": None, "kind": "import", "is_active": False, "note": None, "source": "import"}
            rows.append({name: row.get(name) for name in RELATIONS["feed"]} | fixed)
        return conform(pl.DataFrame(rows, schema_overrides={"is_active": pl.Boolean}), RELATIONS["feed"])

    def _find_host(self, host: str) -> frozenset[int]:
        """The outlets at a host: its own, else those of the host it lies under (never of a sister below one domain)."""
        labels = host.split(".")
        for i in range(len(labels) - 1):
            if found := self._hosts.get(".".join(labels[i:])):
                return frozenset(found)
        return frozenset(self._domains.get(host, ()))


def _host(url: str) -> str:
    try:
        host = (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""
    for prefix in _BARE:
        if host.startswith(prefix) and host.count(".") > 1:
            host = host.removeprefix(prefix)
    return host
