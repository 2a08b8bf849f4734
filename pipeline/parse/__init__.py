"""Bytes of feeds and pages to plain records; pure, never raises, never hangs. What is wrong stands in `error`, as one
sentence."""

from pipeline.parse.charset import decode
from pipeline.parse.feeds import FeedDocument, RawEntry, feed
from pipeline.parse.pages import PageDocument, page

__all__ = ["FeedDocument", "PageDocument", "RawEntry", "decode", "feed", "page"]
