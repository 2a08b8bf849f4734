"""Tagging history again: staged beside the warehouse in parts, compared, and switched all at once.

    stage (in batches, resumable) -> changes (what was gained and lost, by which rule) -> switch (one transaction)

Until the switch the old tags stand; what is staged lies in Parquet files in a folder of the tagging version, so that nothing of
it is published and a killed run goes on where it was. A part is the tags of some articles at the version they then had; an
article that has changed since is staged again. Articles whose text was removed for its age keep the tags they have.
"""

import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import polars as pl

from pipeline.schemas import RELATIONS, conform
from pipeline.tag import Tagged
from pipeline.warehouse import marts
from pipeline.warehouse.store import Store

FRAMES = {"mention": "mentions", "focus": "focus", "tag": "tags"}
TO_TAG = "article where tagged_by is distinct from $by and body_source <> 'removed'"


def staging(data: Path, tagged_by: str) -> Path:
    """The folder of the parts of a tagging version."""
    return data / ".writer" / "retag" / tagged_by


def n_stale(store: Store, tagged_by: str) -> int:
    """Articles that another tagging version tagged."""
    return int(store.read(f"select count(*) as n from {TO_TAG}", by=tagged_by)["n"][0])


def stage(
    store: Store, tag: Callable[[pl.DataFrame], Tagged], tagged_by: str, n_batch: int = 5_000,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> int:  # fmt: skip
    """Tag what is not staged yet, a part at a time; how many articles were tagged. Nothing is written to the warehouse."""
    folder = staging(store.data, tagged_by)
    shutil.rmtree(folder / ".part", ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    for other in folder.parent.iterdir():  # of seeds that were changed again before they came into force
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)
    # in the order in which texts lie in the file: a batch reads a stretch of it, not all of it
    missing = store.read(
        f"""
        select v.rowid as place, a.article_id
        from (from {TO_TAG}) a join article_version v using (article_id, version)
        anti join batch_staged s on s.article_id = a.article_id and s.version = a.version
        order by place
        """,
        by=tagged_by, batch_staged=_staged(folder),
    )  # fmt: skip
    for n_done in range(0, missing.height, n_batch):
        some = missing.slice(n_done, n_batch)
        documents = store.read(
            """
            select a.article_id, v.version, v.title, v.body, a.lang, a.published_at
            from article_version v join article a using (article_id, version) semi join batch_ids using (article_id)
            where v.rowid between $first and $last order by v.rowid
            """,
            batch_ids=some.select("article_id"), first=some["place"].min(), last=some["place"].max(),
        )  # fmt: skip
        _write_part(folder, documents, tag(documents))
        progress(n_done + some.height, missing.height)
    return missing.height


def _write_part(folder: Path, documents: pl.DataFrame, tagged: Tagged) -> None:
    part = folder / ".part"
    part.mkdir()
    for relation, name in FRAMES.items():
        conform(getattr(tagged, name), RELATIONS[relation]).write_parquet(part / f"{relation}.parquet", compression="lz4")
    documents.select("article_id", "version").write_parquet(part / "article.parquet")
    part.rename(folder / f"part-{len(list(folder.glob('part-*'))):06}")


def _staged(folder: Path) -> pl.DataFrame:
    empty = pl.DataFrame(schema={"article_id": pl.String, "version": pl.Int32})
    return pl.concat([empty, *(pl.read_parquet(path) for path in sorted(folder.glob("part-*/article.parquet")))])


def changes(store: Store, tagged_by: str, now: datetime) -> pl.DataFrame:
    """Relation `retag_change`: the topics and focus countries that articles gain and lose by the staged tags, with the rules."""
    if not _load(store, tagged_by):
        return conform(pl.DataFrame(), RELATIONS["retag_change"])
    rules = """
        select f.article_id, f.country_code, list_sort(list(distinct m.rule_id)) as rule_ids
        from {focus} f left join {mention} m on m.article_id = f.article_id and m.country_code = f.country_code group by all
    """
    found = [
        store.read(
            f"""
            with lost as (
                select article_id, topic_id, rule_ids from {one}tag semi join staged_article using (article_id)
                anti join {other}tag o using (article_id, topic_id)
            ),
            focus_lost as (
                select article_id, country_code from {one}focus semi join staged_article using (article_id)
                anti join (from {other}focus where is_focus) o using (article_id, country_code) where is_focus
            ),
            focus_rules as ({rules.format(focus="focus_lost", mention=f"{one}mention")})
            select article_id, topic_id, null as country_code, rule_ids from lost
            union all
            select article_id, null, country_code, rule_ids from focus_rules
            """
        ).with_columns(change=pl.lit(change))
        for change, one, other in (("added", "staged_", ""), ("removed", "", "staged_"))
    ]
    stamps = {"retagged_at": pl.lit(now), "from_version": pl.lit(store.meta("tagged_by")), "to_version": pl.lit(tagged_by)}
    return conform(pl.concat(found).with_columns(**stamps), RELATIONS["retag_change"]).sort(
        "topic_id", "country_code", "change", "article_id", nulls_last=True
    )


def _load(store: Store, tagged_by: str) -> bool:
    """Make the staged rows of articles as they now stand queryable as staged_article, staged_mention and so on."""
    folder = staging(store.data, tagged_by)
    staged = _staged(folder)
    if not staged.height:
        return False
    parts = f"{folder}/part-*"
    store.run(
        "create or replace temp table staged_article as select distinct article_id, version "
        "from batch_ semi join article using (article_id, version)", staged,
    )  # fmt: skip
    # an article that changed was staged twice: its mentions tell the versions apart, focus and tags come from the last part
    store.run(
        f"""
        create or replace temp table staged_part as
        select article_id, max(filename) as part from read_parquet('{parts}/article.parquet', filename = true)
        semi join staged_article using (article_id, version) group by article_id
        """
    )
    for relation in FRAMES:
        store.run(
            f"""
            create or replace temp view staged_{relation} as
            select r.* exclude (filename) from read_parquet('{parts}/{relation}.parquet', filename = true) r
            semi join staged_part p on p.article_id = r.article_id
                and parse_dirpath(p.part) = parse_dirpath(r.filename)
            """
        )
    return True


def switch(store: Store, tagged_by: str, now: datetime) -> pl.DataFrame:
    """Put the staged tags in force, all at once, count the marts anew, and remember what changed (returned: `retag_change`).

    Every article of another tagging version must be staged. Articles that keep all their rows are not written.
    """
    found = changes(store, tagged_by, now)
    with store.transaction():
        if n_stale(store, tagged_by):
            differing = pl.concat([_differing(store, relation) for relation in FRAMES]).unique()
            for relation in FRAMES:
                store.delete(relation, differing)
                rows = f"from staged_{relation} semi join batch_ using (article_id)"
                store.run(f"insert into {relation} by name {rows}", differing)
            sql = "update article set tagged_by = ? where tagged_by is distinct from ?"
            store.connection.execute(sql, [tagged_by, tagged_by])
            marts.touch_articles(store, differing)
        store.append("retag_change", found)
        store.set_meta("tagged_by", tagged_by)
        if store.lake:  # its readers see each transaction; those of the file see nothing before it is published
            marts.recount(store)
    for relation in FRAMES:
        store.run(f"drop view if exists staged_{relation}")
    shutil.rmtree(staging(store.data, tagged_by).parent, ignore_errors=True)
    marts.bring_up(store)
    return found


def _differing(store: Store, relation: str) -> pl.DataFrame:
    """Articles whose rows of a relation are not the same when staged."""
    columns = ", ".join(RELATIONS[relation])
    prints = (
        f"select article_id, count(*) as n, sum(hash({columns})) as print from {{}} "
        "semi join staged_article using (article_id) group by article_id"
    )
    return store.read(
        f"""
        with old as ({prints.format(relation)}), new as ({prints.format(f"staged_{relation}")})
        select coalesce(old.article_id, new.article_id) as article_id
        from old full join new on old.article_id = new.article_id
        where (old.n, old.print) is distinct from (new.n, new.print)
        """
    )
