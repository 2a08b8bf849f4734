"""Bytes of feeds and pages to plain records; pure, never raises, never hangs. What is wrong stands in `error`, as one
sentence."""

from pipeline.parse.charset import decode
from pipeline.parse.entries import FeedDocument, RawEntry
from pipeline.parse.feeds import feed
from pipeline.parse.pages import PageDocument, page
from pipeline.parse.parts import MAX_PARTS, following, joined
from pipeline.parse.sitemaps import is_news

__all__ = ["MAX_PARTS", "FeedDocument", "PageDocument", "RawEntry", "decode", "feed", "following", "is_news", "joined", "page"]
