"""From what an outlet wrote to what we store: addresses, identity, clean text, dates, and the rows of ENTRY and PAGE.

Pure: no clock, disk or network. `now` and the language detector (`pipeline.language.languages`) come in as arguments.
"""

from pipeline.normalise.address import accepts_canonical, canonical_url, registered_domain
from pipeline.normalise.content import MAX_BODY, MAX_TITLE, article_id, clean_body, clean_title, content_hash
from pipeline.normalise.rows import entry_records, entry_rows, fuller, moment, page_record, page_rows, sites

__all__ = [
    "MAX_BODY",
    "MAX_TITLE",
    "accepts_canonical",
    "article_id",
    "canonical_url",
    "clean_body",
    "clean_title",
    "content_hash",
    "entry_records",
    "entry_rows",
    "fuller",
    "moment",
    "page_record",
    "page_rows",
    "registered_domain",
    "sites",
]
