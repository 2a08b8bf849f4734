"""OPML, the list of feeds that readers exchange: its text to rows of feeds, and back. Pure.

    <outline text="belgrade">
      <outline type="rss" text="B92" xmlUrl="https://..." htmlUrl="https://..." category="belgrade,RS" bw:owner="..."/>

Our columns travel as attributes of the name space `bw`, which other readers pass over.
"""

import html
import itertools
import re
from collections.abc import Collection, Iterable, Mapping
from urllib.parse import urlsplit

from lxml import etree

from pipeline.errors import InputError

NAMESPACE = "https://github.com/balkanwatch/balkanwatch/opml"
MAX_CHARS = 16_000_000
MAX_FEEDS = 20_000
MAX_CELL = 1_000  # characters of an attribute that are kept

_ROOT = re.compile(r"<opml(?=[\s>/])", re.IGNORECASE)
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff\ud800-\udfff]")
_DECLARATION = re.compile(r"<!(?:DOCTYPE|ENTITY)[^<>]*>?", re.IGNORECASE)
_NAMED = re.compile(r"&(?!(?:amp|lt|gt|quot|apos);)[A-Za-z]\w{0,30};")
_BARE = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#\d{1,7}|#[xX][0-9a-fA-F]{1,6});)")


def feeds(text: str, columns: Collection[str]) -> list[dict[str, str]]:
    """One row a feed, in the order of the file, with `url` and what else is known of: `outlet`, `lang`, `folder` (the outlines
    around it, or its category) and our own `columns`. Empty cells are left out.

    Forgiving, for readers write many dialects: nesting, attributes in any case, bare ampersands, broken XML. Entities that the
    file declares are never expanded. Raises InputError when this is no OPML.
    """
    text = _NO_XML.sub("", text[:MAX_CHARS])
    root = _ROOT.search(text)
    if root is None:
        raise InputError("This is not an OPML file.")
    text = _DECLARATION.sub("", text[root.start() :])  # what stood before, entities declared there among it, is dropped
    text = _BARE.sub("&amp;", _NAMED.sub(lambda m: html.escape(html.unescape(m[0])) if html.unescape(m[0]) != m[0] else "", text))
    parser = etree.XMLParser(recover=True, resolve_entities=False, no_network=True, load_dtd=False)
    tree = etree.fromstring(text.encode(), parser)
    if tree is None:
        raise InputError("This OPML file can not be read.")
    outlines = (node for node in tree.iter("{*}*") if _local(node.tag) == "outline")
    rows = (_row(node, columns) for node in outlines)
    return list(itertools.islice((row for row in rows if row), MAX_FEEDS))


def _row(node: "etree._Element", columns: Collection[str]) -> dict[str, str]:
    """The row of an outline; empty when it is no feed but a folder."""
    plain, ours = _attributes(node)
    if not plain.get("xmlurl"):
        return {}
    folders = [_name(_attributes(parent)[0]) for parent in node.iterancestors() if _local(parent.tag) == "outline"]
    row = {name: value for name, value in ours.items() if name in columns}
    row["url"] = _address(plain["xmlurl"])
    row["outlet"] = row.get("outlet") or _name(plain)
    row["lang"] = row.get("lang") or plain.get("language", "")
    row["folder"] = "/".join(filter(None, reversed(folders))) or plain.get("category", "").strip("/")
    return {name: value for name, value in row.items() if value}


def _attributes(node: "etree._Element") -> tuple[dict[str, str], dict[str, str]]:
    """The attributes of an outline with names in lower case: those of OPML, and ours."""
    plain, ours = {}, {}
    for name, value in node.attrib.items():
        value = " ".join(str(value).split())
        if name.startswith((f"{{{NAMESPACE}}}", "bw:")):  # the latter where a reader lost the declaration
            ours[re.split("[}:]", name)[-1].lower()] = value[:MAX_CELL]
        elif not name.startswith("{"):
            plain[name.lower()] = value if name.lower() == "xmlurl" else value[:MAX_CELL]
    return plain, ours


def _name(plain: Mapping[str, str]) -> str:
    return plain.get("title") or plain.get("text") or ""


def _local(tag: object) -> str:
    return tag.split("}")[-1].lower() if isinstance(tag, str) else ""


def _address(url: str) -> str:
    """`feed:https://a.example/x` and `feed://a.example/x` are ways to say that an address is a feed."""
    bare = re.sub(r"^feed:(?=https?:)", "", url, flags=re.IGNORECASE)
    return re.sub(r"^feed:/*", "http://", bare, flags=re.IGNORECASE)


def document(rows: Iterable[Mapping[str, str | None]], title: str) -> str:
    """The OPML 2.0 text of rows of `feeds.csv`, one folder a side, in the order given within."""
    root = etree.Element("opml", version="2.0", nsmap={"bw": NAMESPACE})
    etree.SubElement(etree.SubElement(root, "head"), "title").text = title
    body = etree.SubElement(root, "body")
    by_side = sorted(rows, key=lambda row: row.get("side") or "")
    for side, members in itertools.groupby(by_side, key=lambda row: row.get("side") or ""):
        folder = etree.SubElement(body, "outline", text=side, title=side)
        for row in members:
            _outline(folder, {name: _NO_XML.sub("", value) for name, value in row.items() if value})
    return str(etree.tostring(root, encoding="unicode", pretty_print=True))


def _outline(folder: "etree._Element", row: Mapping[str, str]) -> None:
    node = etree.SubElement(folder, "outline", type="rss", text=row.get("outlet", ""), title=row.get("outlet", ""))
    parts = urlsplit(row["url"])
    node.set("xmlUrl", row["url"])
    node.set("htmlUrl", f"{parts.scheme}://{parts.netloc}/")
    node.set("category", ",".join(filter(None, (row.get("side"), row.get("country_code")))))
    node.set("language", row.get("lang", ""))
    for name, value in row.items():
        if name not in {"url", "outlet", "lang"}:
            node.set(f"{{{NAMESPACE}}}{name}", value)
