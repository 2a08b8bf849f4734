"""The warehouse as Parquet partitioned by month, laid out so that Spark, Trino, DuckDB, Arrow for R and Polars see one table."""

import os
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl

SETS = {
    "article": """
        select t.*, s.side, s.owner, s.story_id
        from article_text t
        join article_side s using (article_id)
        where t.published_day >= $first and t.published_day < $until
        order by t.published_at, t.article_id
    """,
    **{
        name: f"""
            select m.*, a.published_day
            from {name} m
            join article a using (article_id)
            where a.published_day >= $first and a.published_day < $until
            order by m.article_id, {order}
        """
        for name, order in {"mention": "field, char_start, entity_id", "focus": "country_code", "tag": "topic_id"}.items()
    },
}  # name of the dataset: a month of it


def write_months(read: Callable[..., pl.DataFrame], folder: Path) -> dict[str, int]:
    """Write every dataset below `folder` as NAME/year=Y/month=M/part.parquet; the rows of each.

    `read(sql, **values)` asks the warehouse, a month at a time. Files are moved into place when complete, and months that are no
    more are removed.
    """
    months = read("select distinct date_trunc('month', published_day)::date as month from article order by 1")["month"].to_list()
    counts = dict.fromkeys(SETS, 0)
    for name, sql in SETS.items():
        for month in months:
            frame = read(sql, first=month, until=_next(month))
            target = folder / name / f"year={month.year}" / f"month={month.month}" / "part.parquet"
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.with_name(f".part.{os.getpid()}.tmp")
            frame.write_parquet(temporary, compression="zstd")
            temporary.replace(target)
            counts[name] += frame.height
        kept = {(month.year, month.month) for month in months}
        for old in (folder / name).glob("year=*/month=*"):
            if (int(old.parent.name[5:]), int(old.name[6:])) not in kept:
                shutil.rmtree(old)
    return counts


def _next(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)
