"""Commands for analysts: search, export, coding sheets, verdicts; for whoever answers for the data: forget, backup, restore."""

import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.text import Text

from flows import console
from flows.console import Data, err, out, show
from pipeline.errors import InputError

if TYPE_CHECKING:
    import polars as pl

app = typer.Typer()
Since = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day of publication.")]
Until = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day of publication.")]
Country = Annotated[str | None, typer.Option(help="Only articles chiefly about this country: ISO code, XK for Kosovo.")]
Topic = Annotated[str | None, typer.Option(help="Only articles with this topic.")]
_MARKS = ("\x02", "\x03")  # round a hit, until it is shown


def _settings(data: Path | None) -> Any:
    from flows.settings import Settings

    return Settings.read(data=data)


def _day(given: datetime | None) -> date | None:
    return given.date() if given else None


def _code(given: str | None) -> str | None:
    return given.upper() if given else None


# -- search -----------------------------------------------------------------------------------------------------------


@app.command()
def search(
    question: Annotated[str, typer.Argument(help='Words, all of them; "words in a row", begin*, -not.')],
    since: Since = None,
    until: Until = None,
    outlet: Annotated[str | None, typer.Option(help="Only this outlet.")] = None,
    lang: Annotated[str | None, typer.Option(help="Only this language: en, hbs, sq, mk, sl ...")] = None,
    country: Country = None,
    topic: Topic = None,
    limit: Annotated[int, typer.Option(help="How many articles to show.", min=1)] = 20,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead; hits stand in [ ].")] = False,
    data: Data = None,
) -> None:
    """Find articles by words in title and text: in either script, with or without diacritics, best first."""
    from pipeline import language
    from pipeline.search import parts
    from pipeline.warehouse import Store, index

    settings = _settings(data)
    language_ = language.normalise_lang(lang) if lang else None
    where = index.Filter(_day(since), _day(until), outlet, language_, _code(country), topic)
    with Store.reader(settings.data, settings.query_memory, settings.query_seconds, settings.warehouse) as store:
        _require_index(store)
        _check_codes(store, country=where.country, topic=topic)
        found = index.find(store, question, where, limit, ("[", "]") if csv else _MARKS)
    if csv:
        show(found.drop("n_found"), csv=True)
        return
    for row in found.iter_rows(named=True):
        out.print(Text.assemble(f"{row['published_day']}  {row['outlet']}  ", _lit(row["title"])), soft_wrap=True)
        out.print(Text.assemble("    ", _lit(row["snippet"])), soft_wrap=True)
        out.print(Text(f"    {row['url'] or ''}  ({row['article_id']})", "dim"), soft_wrap=True)
    n = int(found["n_found"].max() or 0)  # type: ignore[arg-type]
    # words in a row are looked up only until there are enough
    is_open = found.height == limit and any(len(part.words) > 1 for part in parts(question))
    out.print(f"{found.height} of {'at least ' if is_open else ''}{n:,} articles." if n else "No article has that.")


def _require_index(store: Any) -> None:
    """A snapshot of an older release is not searchable; without this the answer would be a quiet nothing."""
    if store.meta("search_version") is None:
        raise InputError("The warehouse has no search index yet: run `balkanwatch run` once.")


def _lit(marked: str) -> Text:
    """Text with its hits in bold; where nothing can be bold they stand in brackets."""
    if not out.is_terminal or out.no_color:
        return Text(marked.replace(_MARKS[0], "[").replace(_MARKS[1], "]"))
    text = Text()
    for piece in marked.split(_MARKS[0]):
        hit, mark, rest = piece.rpartition(_MARKS[1])
        text.append(hit, "bold yellow") if mark else None
        text.append(rest)
    return text


# -- export -----------------------------------------------------------------------------------------------------------


@app.command()
def export(
    names: Annotated[
        list[str] | None, typer.Argument(help="Marts, tables, views or queries; `query:NAME` for a query. All marts if none.")
    ] = None,
    format_: Annotated[str, typer.Option("--format", help="csv, parquet or xlsx.")] = "csv",
    since: Since = None,
    until: Until = None,
    country: Country = None,
    topic: Topic = None,
    shape: Annotated[str, typer.Option(help="long, or wide: dates as rows, topics or countries as columns.")] = "long",
    value: Annotated[str | None, typer.Option(help="The number that a wide shape shows.", show_default="n_stories")] = None,
    bom: Annotated[bool, typer.Option("--bom", help="Begin CSV with a byte order mark, which Excel needs.")] = False,
    split: Annotated[str | None, typer.Option(help="month: a file a month.")] = None,
    param: Annotated[list[str] | None, typer.Option(help="Parameter of a query: name=value. Repeatable.")] = None,
    out_: Annotated[Path | None, typer.Option("--out", help="Folder to write to.", show_default="data/exports")] = None,
    data: Data = None,
) -> None:
    """Write marts, tables and queries as files, without a limit of rows, each with a `.meta.json` that says how it was made."""
    from flows.run import EXPORT_SECONDS
    from pipeline import export as exporting
    from pipeline.warehouse import Store

    settings = _settings(data)
    options = exporting.Options(
        format_.lower(), _day(since), _day(until), _code(country), topic, shape, bom, split, value,
        dict(map(_parameter, param or [])),
    )  # fmt: skip
    folder = out_ or settings.data / "exports"
    with Store.reader(settings.data, settings.query_memory, EXPORT_SECONDS, settings.warehouse) as store:
        _check_codes(store, country=options.country, topic=options.topic)
        written = exporting.export(store, names or [], folder, options)
        if not names and options.format == "csv":
            exporting.write_readme(store, folder)
    for path in written:
        out.print(escape(f"{path}  {path.stat().st_size:,} bytes"), soft_wrap=True, highlight=False)
    if not written:
        out.print("There are no rows, so nothing was written.")


def _parameter(given: str) -> tuple[str, str]:
    name, sign, value = given.partition("=")
    if not sign:
        raise InputError(f"`{given}` is not a parameter; write --param name=value.")
    return name, value


def _check_codes(store: Any, **codes: str | None) -> None:
    for relation, code in codes.items():
        known = store.read(f"select {'code' if relation == 'country' else 'topic_id'} as code from {relation}")["code"].to_list()
        if code and known and code not in [*known, "*"]:
            raise InputError(f"There is no {relation} `{code}`; relation `{relation}` has them all.")


# -- judgement --------------------------------------------------------------------------------------------------------


@app.command()
def sample(
    topic: Annotated[str | None, typer.Option(help="The topic whose tags are to be judged.")] = None,
    country: Annotated[
        str | None, typer.Option(help="The focus country to be judged, or to which the topic is narrowed.")
    ] = None,
    n: Annotated[int, typer.Option(help="How many articles.", min=1)] = 50,
    seed: Annotated[int, typer.Option(help="The same seed draws the same articles.")] = 1,
    by_language: Annotated[
        bool, typer.Option("--by-language", help="As many articles of each language, as far as it goes.")
    ] = False,
    out_: Annotated[Path | None, typer.Option("--out", help="The file.", show_default="standard output")] = None,
    data: Data = None,
) -> None:
    """Write a coding sheet: articles drawn by chance, with text and evidence, and empty columns for the verdicts."""
    from pipeline import review
    from pipeline.export import harmless, write_csv
    from pipeline.warehouse import Store

    settings = _settings(data)
    with Store.reader(settings.data, settings.query_memory, settings.query_seconds, settings.warehouse) as store:
        sheet = review.sample(store, topic, _code(country), n, seed, by_language=by_language)
    if out_ is None:
        sys.stdout.write(harmless(sheet).write_csv())
        return
    write_csv(sheet, out_, bom=True)  # it will be opened in a spreadsheet
    out.print(f"{escape(str(out_))}: {sheet.height} articles to judge. Write yes or no, then `balkanwatch judge` reads it back.",
              soft_wrap=True)  # fmt: skip


@app.command()
def judge(
    file: Annotated[Path, typer.Argument(help="A coding sheet that was filled in, saved as CSV.")],
    by: Annotated[str, typer.Option(help="Who judged.")] = "unknown",
    data: Data = None,
) -> None:
    """Read a coding sheet back: verdicts override the tags in all counts; shows the precision with a 95 % interval."""
    from pipeline import review
    from pipeline.warehouse import Store

    settings = _settings(data)
    with Store.writer(settings.data, settings.warehouse) as store:
        sheet = review.verdicts(store, console.contents(file), by, datetime.now(UTC))
        for line, reason in sheet.problems:
            err.print(f"line {line}: {escape(reason)}", highlight=False, soft_wrap=True)
        report = review.precision(store, sheet.rows)
        if sheet.rows.height:
            review.judge(store, sheet.rows)
            store.publish()
    if report.height:
        show(report, csv=False, title="Precision")
    out.print(f"{sheet.rows.height} verdicts kept, {sheet.n_empty} rows not judged, {len(sheet.problems)} lines not understood.")
    if sheet.problems:
        raise typer.Exit(1)


# -- keeping and forgetting -------------------------------------------------------------------------------------------


@app.command()
def forget(
    name: Annotated[str, typer.Argument(help="An address, an article_id, or the name of an outlet.", metavar="URL|OUTLET")],
    reason: Annotated[str, typer.Option(help="Why; it is kept with the tombstone.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data: Data = None,
) -> None:
    """Remove an article or an outlet for good: text, versions, tags, counts. It is not fetched or landed again."""
    from pipeline import export as exporting
    from pipeline.warehouse import Store, erasure
    from pipeline.warehouse import backup as backing

    settings = _settings(data)
    with Store.writer(settings.data, settings.warehouse) as store:
        what = erasure.target(store, name)
        n = what.articles.height
        sentence = (
            f"{what.kind} {what.address}: {n} articles"
            if what.kind == "outlet"
            else f"{what.address}: {_titles(store, what.articles)}"
        )
        out.print(escape(sentence), soft_wrap=True, highlight=False)
        if not yes and not typer.confirm("Forget it for good?"):
            raise typer.Abort
        erasure.forget(store, what, reason, datetime.now(UTC))
    with err.status("writing the database anew"):
        if not settings.warehouse:
            backing.rewrite(settings.data)
    with Store.writer(settings.data, settings.warehouse) as store:
        store.publish()
        if store.lake:
            store.lake.purge(store.connection)
    with Store.reader(settings.data, settings.query_memory, settings.query_seconds, settings.warehouse) as store:
        exporting.marts(store, settings.data / "exports")
    out.print(
        f"{n} articles forgotten; the snapshot and the exports in {escape(str(settings.data))} are without them.", soft_wrap=True
    )


def _titles(store: Any, ids: "pl.DataFrame") -> str:
    found = store.read("select title from article_text semi join batch_ids using (article_id)", batch_ids=ids)["title"].to_list()
    return "; ".join(f"`{title}`" for title in found) or "not known yet"


@app.command()
def backup(
    path: Annotated[Path, typer.Argument(help="The file to make, or a folder to put it in.")],
    data: Data = None,
) -> None:
    """Copy the warehouse, one consistent state of it, also while a run is at work; its checksum goes into PATH.json."""
    from pipeline.warehouse import backup as backing

    facts = backing.backup(_settings(data).data, path, datetime.now(UTC))
    out.print(
        escape(f"{facts['path']}: {facts['n_articles']:,} articles, {facts['n_bytes']:,} bytes, from the {facts['source']}."),
        soft_wrap=True, highlight=False,
    )  # fmt: skip


@app.command()
def restore(
    path: Annotated[Path, typer.Argument(help="A file that `backup` made.")],
    data: Data = None,
) -> None:
    """Put a backup in the place of the warehouse and publish it; the warehouse of before is put aside."""
    from pipeline.warehouse import backup as backing

    settings = _settings(data)
    facts, aside = backing.restore(settings.data, path, datetime.now(UTC))
    out.print(escape(f"{facts['n_articles']:,} articles restored to {settings.data}."), soft_wrap=True, highlight=False)
    if aside:
        out.print(escape(f"The warehouse of before is {aside}; delete it when you need it no more."), soft_wrap=True)
