"""The blocks of text of a page and the block that is its article: a second witness beside trafilatura, and the map on which
dates are looked for. One walk over the tree; the cost is linear in its size."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from lxml import etree
from lxml.html import HtmlElement

MAX_CARD = 6  # units of a teaser
MAX_UNIT = 20_000  # characters of one block that are kept


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_INLINE = _names(
    "a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark q s samp small span strike strong sub sup"
    " time tt u var wbr img picture amp-img nobr center"
)
_SILENT = _names(
    "script style noscript template svg iframe object embed head title select option textarea button input video audio canvas map"
    " amp-sidebar amp-consent amp-analytics amp-ad datalist dialog math"
)
_MARGIN = frozenset({"nav", "aside", "footer", "menu"})
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_LOW = frozenset({"p", "blockquote", "li", "ul", "ol", "span", "h2", "h3", "strong", "em"})

# what classes and ids call the things around an article; the first two groups stand at the beginning of a name
_JUNK = re.compile(
    r"(?:^|[\s_-])(?:nav|menu|ads?|adv|advert\w*|banner|oglas\w*|reklam\w*|promo\w*|sponsor\w*|tags|tagovi|tag-?list|share\w*"
    r"|social\w*|soc|footer|breadcrumbs?"
    r"|captions?|credits?|toolbar|popup|modal|rating|poll|anketa|login|byline|meta|gallery|galerija)(?=$|[\s_-])"
    r"|cookie|consent|gdpr|newsletter|subscribe|pretplat\w*-?(?:box|banner|form)|komentar|disqus|sidebar|teaser|recommend|outbrain"
    r"|taboola|widget-area|most-?read"
    r"|najcitan|najnovij|more-?news|read-?more|procitaj|author-?(?:box|bio|info)|paywall-?(?:box|banner|message|overlay|info)|jp-relatedposts"
    r"|trending|wp-caption-text|sp_message|onetrust|didomi|qc-cmp|cmp-?(?:box|container)",
    re.IGNORECASE,
)
_OTHERS = re.compile(
    r"comment|koment|related|povezan|vezan[ei]|slicn|sidebar|side-?bar|footer|teaser|recommend|latest|najnovij|najcitan|popular|trending|most-?read"
    r"|widget|carousel|(?:card|news|post)-?list|(?:^|[\s_-])(?:today|danas|nav|menu|ticker|weather|calendar|prev|next)(?=$|[\s_-])",
    re.IGNORECASE,
)
# names that say something of an article or of a layout, not what the element is (those of WordPress and its site builders)
_STATES = re.compile(
    r"(?:^|(?<=\s))(?:(?:no|has|with|is|tag|category|cat|format|type|status|rubrika|section)[-_]\S+|elementor-widget\S*"
    r"|widget-(?:theme|container)\S*|comments-(?:open|closed)\S*)"
)
_OWN = re.compile(r"article-?body|entry-content|post-content", re.IGNORECASE)
_NO_WORD = re.compile(r"[\W_]+")
_ENDS = re.compile(r"[.!?…:;\"”“»]\s*$")


def plain(text: str) -> str:
    """Letters and digits only, in lower case: what two renderings of a text have in common."""
    return _NO_WORD.sub("", text.lower())


@dataclass(slots=True, eq=False)
class Frame:
    """An element with the weight of the running text in it; `first` and `last` bound its units."""

    element: HtmlElement
    parent: "Frame | None"
    tag: str
    is_junk: bool  # around an article rather than in it
    is_other: bool  # about other articles, or about none: its dates do not count
    in_link: bool
    score: float = 0.0
    first: int = 0
    last: int = 0
    kids: "list[Frame]" = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Unit:
    """A run of text between two borders of blocks."""

    text: str
    n_linked: int  # characters of it that are links
    n_links: int  # links of the page before it
    start: int  # characters of the page before it
    frame: Frame
    times: list[HtmlElement]  # elements in it that carry a date as attribute
    is_card: bool = False  # of a teaser: a linked title and a few words

    @property
    def is_heading(self) -> bool:
        return self.frame.tag in _HEADINGS

    @property
    def weight(self) -> int:
        """How much it speaks for its frame being the article."""
        return max(0, len(self.text) - 2 * self.n_linked - 30) if self.is_running else 0

    @property
    def is_running(self) -> bool:
        """Text of sentences, not a label, a menu or a teaser's link."""
        n = len(self.text)
        if self.is_card or self.frame.is_junk or self.is_heading or self.n_linked > 0.4 * n:
            return False
        return n >= 80 or (n >= 25 and _ENDS.search(self.text) is not None)


@lru_cache(maxsize=20_000)
def _kinds(names: str) -> tuple[bool, bool]:
    names = _STATES.sub("", names[:300])
    return bool(_JUNK.search(names) or _OTHERS.search(names)) and not _OWN.search(names), bool(_OTHERS.search(names))


class Blocks:
    """The units of a page in their order, and the frames that hold running text."""

    def __init__(self, tree: HtmlElement) -> None:
        body = tree.find("body")
        self.root = Frame(tree if body is None else body, None, "body", False, False, False)
        self.units: list[Unit] = []
        self.n_elements = 0
        self.weight = 0.0  # of the running text under the title
        # whatever holds the headline is of the article, however it is called
        self._own = {parent for heading in itertools.islice(tree.iter("h1"), 3) for parent in heading.iterancestors()}
        self._walk(self.root.element)

    def _walk(self, body: HtmlElement) -> None:
        frame, length, n_links, depth_a = self.root, 0, 0, 0
        words: list[str] = []
        linked: list[int] = [0]
        times: list[HtmlElement] = []

        def flush() -> None:
            nonlocal length
            text = " ".join("".join(words).split())[:MAX_UNIT] if words else ""
            if text or times:
                unit = Unit(text, min(linked[0], len(text)), n_links, length, frame, times.copy())
                self.units.append(unit)
                length += len(text)
                frame.score += unit.weight
            words.clear()
            times.clear()
            linked[0] = 0

        walker = etree.iterwalk(body, events=("start", "end"))
        for event, element in walker:
            tag = element.tag
            if event == "start":
                self.n_elements += 1
                if not isinstance(tag, str) or tag in _SILENT:
                    walker.skip_subtree()
                    continue
                if tag == "br":
                    if words and words[-1] == "\n":  # an empty line parts two paragraphs
                        flush()
                    else:
                        words.append("\n")
                    continue
                if tag == "time" or "datetime" in element.attrib or element.get("itemprop") == "datePublished":
                    times.append(element)
                if tag in _INLINE:
                    if tag == "a":
                        n_links += 1
                        depth_a += 1
                elif element is not body:
                    keep = times[-1:] if times and times[-1] is element else []
                    del times[len(times) - len(keep) :]
                    flush()
                    times.extend(keep)
                    frame = self._enter(frame, element, tag, depth_a > 0)
                if text := element.text:
                    words.append(text)
                    if depth_a:
                        linked[0] += len(text)
            else:
                if isinstance(tag, str) and tag not in _SILENT and tag != "br":
                    if tag in _INLINE:
                        depth_a -= tag == "a"
                    elif element is not body:
                        flush()
                        frame = self._leave(frame)
                if element is not body and (text := element.tail) and (words or not text.isspace()):
                    if words and words[-1] == "\n" and text.isspace():
                        continue
                    words.append(text)
                    if depth_a > 0:
                        linked[0] += len(text)
        flush()
        self.root.last = len(self.units)

    def _enter(self, parent: Frame, element: HtmlElement, tag: str, in_link: bool) -> Frame:
        junk, other = parent.is_junk, parent.is_other
        if not (junk and other) and element not in self._own:
            names = f"{element.get('class') or ''} {element.get('id') or ''}"
            own_junk, own_other = _kinds(names) if len(names) > 1 else (False, False)
            margin = tag in _MARGIN
            junk = junk or own_junk or margin or tag in {"figure", "figcaption", "form", "caption"}
            other = other or own_other or margin or (tag == "header" and element.find(".//h1") is None)
        return Frame(element, parent, tag, junk, other, in_link or parent.in_link, 0.0, len(self.units))

    def _leave(self, frame: Frame) -> Frame:
        parent = frame.parent or self.root
        frame.last = len(self.units)
        units = self.units[frame.first :] if frame.last - frame.first <= MAX_CARD else []
        if 0 < frame.score < 250 and any(unit.n_linked > 0.85 * len(unit.text) > 20 for unit in units):
            frame.score = 0.0
            for unit in units:
                unit.is_card = True
        if frame.score > 0:
            parent.score += frame.score
            parent.kids.append(frame)
        return parent

    def article(self, title: int | None) -> Frame:
        """The frame that holds most of the running text; of several whole articles the one under the title, whose unit is
        number `title`. What stands before the title is no article (but a banner about cookies, say) unless little else is."""
        start = 0 if title is None else title
        before = sum(unit.weight for unit in self.units[:start])
        if not 400 < self.root.score - before > 0.25 * before:
            start, before = 0, 0
        self.weight = self.root.score - before
        frame, left = self.root, self.weight
        while kids := [kid for kid in frame.kids if kid.last > start]:
            best = max(kids, key=lambda kid: kid.score)
            holds_title = title is not None and best.first <= title < best.last
            if best.score < (0.6 if holds_title else 0.8) * left:
                big = [kid for kid in kids if kid.score > 0.2 * left]
                own = [kid for kid in big if title is not None and kid.first <= title < kid.last]
                if not own or len(big) < 2 or not all(self._has_heading(kid) for kid in big):
                    break
                best = own[0]
            frame, left = best, best.score
        while frame.parent and frame.tag in _LOW:
            frame = frame.parent
        return frame

    def _has_heading(self, frame: Frame) -> bool:
        return any(unit.frame.tag in {"h1", "h2"} for unit in self.units[frame.first : min(frame.last, frame.first + 8)])

    def text_of(self, frame: Frame) -> Iterator[Unit]:
        """The units of a frame that are its text: running ones, and the short ones between them."""
        units = self.units[frame.first : frame.last]
        running = [n for n, unit in enumerate(units) if unit.is_running]
        if not running:
            return
        for unit in units[running[0] : running[-1] + 1]:
            if unit.text and not unit.is_card and not unit.frame.is_junk and unit.n_linked <= 0.5 * len(unit.text):
                yield unit
