"""Archives of articles as researchers have them, read as one stream of records and prepared part by part.

    path -> sources -> plan (format, columns) -> chunks (raw records) -> rows (IMPORTED) -> [tag] -> a part on disk -> changes

A chunk is a few megabytes of one file; its number is a part of the import. Chunks of the same file are always the same, whoever
reads them, so a part can be prepared by any process or machine, twice if need be, and is landed once. Nothing here opens the
warehouse: `changes` decides, given what is known, and `flows.imports` carries it out.
"""

from pipeline.archive.changes import ImportChanges, changes, wanted
from pipeline.archive.fields import GUESSES, Record, guessed
from pipeline.archive.months import write_months
from pipeline.archive.outlets import Outlets
from pipeline.archive.parts import PART_VERSION, Part, prepared, read_part
from pipeline.archive.readers import FORMATS, Chunk, Plan, Source, chunks, plan, sources
from pipeline.archive.rows import IMPORTED, Rejected, rows

__all__ = [
    "FORMATS",
    "GUESSES",
    "IMPORTED",
    "PART_VERSION",
    "Chunk",
    "ImportChanges",
    "Outlets",
    "Part",
    "Plan",
    "Record",
    "Rejected",
    "Source",
    "changes",
    "chunks",
    "guessed",
    "plan",
    "prepared",
    "read_part",
    "rows",
    "sources",
    "wanted",
    "write_months",
]
