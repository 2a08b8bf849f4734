"""Bytes to text: the declared charset where it can be true, else the one that reads like a language of the region."""

import codecs
import re

_DECLARED = re.compile(rb"""(?:charset|encoding)\s{0,9}=\s{0,9}["']?\s{0,9}([A-Za-z0-9_.:-]{2,40})""", re.IGNORECASE)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# what the web calls these is always read as the wider Windows page (WHATWG Encoding Standard)
_WIDER = {"iso8859-1": "cp1252", "ascii": "cp1252", "iso8859-9": "cp1254", "gb2312": "gb18030"}
_REGIONAL = ("cp1250", "cp1251", "iso8859-2", "iso8859-5", "cp1252", "koi8-r", "cp1253", "cp1254")
_SAMPLE = 60_000
# how much a letter speaks for the charset that yields it: letters of the region most, capitals less, for a wrong page
# swaps case
_HOME = "čćžšđëçабвгдђежзијклљмнњопрстћуфхцчџшѓѕќйщъыьэюяіїєґё"
_ABROAD = "äöüßáéíóúàèìòùâêîôûñãõőűåøæłśźżńřğışășțαβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώ"
_NEUTRAL = "ąęľĺŕěňůďťşţÄÖÜÁÉÍÓÚ„“”‘’–—…«»°§©®€ \u00a0"
_WEIGHT = (
    dict.fromkeys(_NEUTRAL, 0.0)
    | dict.fromkeys(_ABROAD.upper(), 0.3)
    | dict.fromkeys(_HOME.upper(), 0.5)
    | dict.fromkeys(_ABROAD, 1.0)
    | dict.fromkeys(_HOME, 2.0)
)
_INSIDE = re.compile(
    r"[^\W\d_][^\w\s.,;:!?'’\"()<>&/–—-][^\W\d_]|[a-zа-яђ-џ][А-ЯЂ-ЏČĆŽŠĐ][a-zа-яђ-џ]|[a-z][а-яђ-џ]|[а-яђ-џ][a-z]"
)


def decode(body: bytes, content_type: str | None = None) -> str:
    """The text of a document. Never raises: what can not be decoded becomes U+FFFD."""
    for bom, encoding in _BOMS:
        if body.startswith(bom):
            return body[len(bom) :].decode(encoding, "replace")
    if wide := _wide(body[:400]):
        return body.decode(wide, "replace")
    try:
        return body.decode()
    except UnicodeDecodeError:
        pass
    text = body.decode(errors="replace")
    lost = text.count("\ufffd")
    if lost * 10 < sum(1 for c in text[: 4 * _SAMPLE] if c > "\x7f"):  # UTF-8 with a few broken places
        return text
    return body.decode(_best(body, _declared(body, content_type)), "replace")


def _wide(head: bytes) -> str | None:
    """UTF-16 or UTF-32 without a byte order mark, by where the zeros of ASCII markup stand."""
    for encoding, start in (
        ("utf-32-le", b"<\0\0\0"),
        ("utf-32-be", b"\0\0\0<"),
        ("utf-16-le", b"<\0"),
        ("utf-16-be", b"\0<"),
    ):
        if head.startswith(start):
            return encoding
    return None


def _declared(body: bytes, content_type: str | None) -> list[str]:
    found = [match.group(1) for match in _DECLARED.finditer((content_type or "").encode("ascii", "ignore"))]
    found += [match.group(1) for match in _DECLARED.finditer(body[:4096])]
    names = []
    for name in found:
        try:
            codec = codecs.lookup(name.decode("ascii"))
        except (LookupError, ValueError):
            continue
        if getattr(codec, "_is_text_encoding", True) and not codec.name.startswith(
            ("utf", "idna", "punycode", "raw", "unicode", "und")
        ):
            names.append(_WIDER.get(codec.name, codec.name))
    return list(dict.fromkeys(names))


def _best(body: bytes, declared: list[str]) -> str:
    """The declared charset, unless another one clearly reads better."""
    sample = re.sub(rb"[\0-\x1f<>=\"/{};]{1,}[\0-\x7f]{200,}", b" ", body)[:_SAMPLE]  # runs of pure markup say nothing
    scores = {name: _score(sample.decode(name, "replace")) for name in dict.fromkeys((*declared, *_REGIONAL))}
    best = max(scores, key=lambda name: scores[name])  # the first of equals: declared ones come first
    if declared and scores[declared[0]] >= 0 and scores[best] <= 1.1 * scores[declared[0]] + 0.5:
        return declared[0]
    return best


def _score(text: str) -> float:
    return sum(_WEIGHT.get(c, -1.0) for c in text if c > "\x7f") - 3.0 * len(_INSIDE.findall(text))
