"""Bytes of feeds and pages to plain records; pure, never raises, never hangs. What is wrong stands in `error`, as one
sentence."""

from pipeline.parse.charset import decode
from pipeline.parse.feed import FeedDocument, RawEntry, feed
from pipeline.parse.page import PageDocument, page

__all__ = ["FeedDocument", "PageDocument", "RawEntry", "decode", "feed", "page"]
