"""Focus: the set of countries a text is chiefly about, each with a salience, instead of one winner."""

import numpy as np
import polars as pl

from pipeline.tag.arrays import Bools
from pipeline.tag.lexis import KINDS, Names
from pipeline.tag.mentions import Spans
from pipeline.tag.texts import Batch

# How much one mention says that the text is about the country.
KIND_WEIGHT = {"country": 1.0, "demonym": 0.8, "adjective": 0.7, "place": 0.7, "role": 0.6, "organisation": 0.5, "person": 0.5}
TITLE, LEAD, EARLY = 3.0, 2.0, 1.3  # title; first sentence; first quarter of the text
MIN_SALIENCE = 0.33  # of the strongest country's
MAX_FOCUS = 5


def focus_countries(texts: Batch, spans: Spans, has_title: Bools, names: Names) -> pl.DataFrame:
    """Columns of relation focus, and `doc`, for every country that is mentioned; salience is relative to the strongest one."""
    counted = np.flatnonzero(spans.country)
    start, kind, country = spans.start[counted], spans.kind[counted], spans.country[counted]
    field, field_start = texts.field(start), texts.fields.at
    doc = field // 2
    sentence, first = texts.sentence(start), texts.sentence(field_start)
    is_title, is_first = field % 2 == 0, sentence == first[field]
    length = np.diff(np.append(field_start, len(texts.folded)))
    early = (start - field_start[field]) * 4 < length[field]
    place = np.where(is_title, TITLE, np.where(is_first, np.where(has_title[doc], LEAD, TITLE), np.where(early, EARLY, 1.0)))
    share = np.array([KIND_WEIGHT.get(name, 0.0) for name in KINDS])[kind] * place
    weight = np.round(100 * share).astype(np.int64)  # whole numbers, so that no order of adding changes a digit
    return (
        pl.DataFrame({"doc": doc, "country_code": names.column(country), "weight": weight})
        .group_by("doc", "country_code")
        .agg(pl.col("weight").sum(), pl.len().alias("n_mentions"))
        .with_columns(salience=(pl.col("weight") / pl.col("weight").max().over("doc")).round(4))
        .sort("doc", "salience", "country_code", descending=[False, True, False])
        .with_columns(nth=pl.int_range(pl.len()).over("doc"))
        .with_columns(is_focus=(pl.col("salience") >= MIN_SALIENCE) & (pl.col("nth") < MAX_FOCUS))
    )
