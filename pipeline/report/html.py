"""HTML that can not be broken into: every string is escaped, every link is checked, nothing else is written."""

import re
from html import escape
from typing import Any
from urllib.parse import urlsplit

_VOID = {"br", "meta", "col"}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Html(str):
    """Markup that is finished: it is not escaped again."""

    __slots__ = ()


def text(value: object) -> Html:
    """Anything as text; markup stays markup, None is nothing."""
    if isinstance(value, Html):
        return value
    return Html("" if value is None else escape(_CONTROL.sub("", str(value)), quote=True))


def join(*parts: object, between: str = "") -> Html:
    """Parts one after the other; lists are flattened."""
    flat = [text(one) for part in parts for one in (part if isinstance(part, list | tuple) else [part])]
    return Html(text(between).join(flat))


def tag(name: str, /, *children: object, **attributes: Any) -> Html:
    """An element. `class_` is class; an attribute of None or False is left out, of True is bare; `aria_label` is aria-label."""
    shown = []
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        key = key.rstrip("_").replace("_", "-")
        shown.append(f" {key}" if value is True else f' {key}="{text(value)}"')
    head = f"<{name}{''.join(shown)}>"
    return Html(head if name in _VOID else f"{head}{join(*children)}</{name}>")


def filled(template: str, **parts: object) -> Html:
    """A sentence with its parts in place of `{name}`; sentence and parts are escaped."""
    pieces = re.split(r"\{(\w+)\}", template)
    return join([parts[piece] if odd % 2 else piece for odd, piece in enumerate(pieces)])


def web_address(url: str | None) -> str | None:
    """The address if it is one of the web that a link may lead to, else None."""
    if not url or not re.match(r"https?://", url, re.IGNORECASE) or re.search(r"[\s\\\x00-\x20\x7f]", url):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.hostname and "@" not in parts.netloc else None


def link(label: object, url: str | None, **attributes: Any) -> Html:
    """A link to the web; only the label when the address is none."""
    address = web_address(url)
    return tag("a", label, href=address, rel="noreferrer noopener", **attributes) if address else text(label)
