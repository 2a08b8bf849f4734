"""`balkanwatch feeds`: the catalogue of feeds on the command line. The work is done in `flows.catalogue` and `pipeline.opml`."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from flows.console import Data, contents, err, out, show
from pipeline.errors import InputError

if TYPE_CHECKING:
    from flows.catalogue import Catalogue

app = typer.Typer(no_args_is_help=True, help="The catalogue of feeds.")

Csv = Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")]
Seeds = Annotated[Path | None, typer.Option("--seeds", help="Folder of the seeds.", show_default="seeds")]
Side = Annotated[str | None, typer.Option(help="The audience or capital it speaks to, a key of side.csv.")]
Country = Annotated[str | None, typer.Option(help="Where the outlet is, e.g. RS or XK; INT for none.")]
Lang = Annotated[str | None, typer.Option(help="Language, e.g. sr or sq; mul for several.")]


def _settings(seeds: Path | None = None) -> Any:
    from flows.settings import Settings

    return Settings.read(seeds=seeds)


def _catalogue(seeds: Path | None) -> "Catalogue":
    from flows.catalogue import Catalogue

    return Catalogue(_settings(seeds).seeds)


@app.command("list")
def list_(csv: Csv = False, seeds: Seeds = None) -> None:
    """Show the catalogue."""
    from pipeline import seeds as reading

    columns = ["feed_id", "outlet", "owner", "side", "country_code", "lang", "kind", "is_active", "url"]
    show(reading.load(_settings(seeds).seeds).tables["feeds"].select(columns), csv, "Feeds")


@app.command()
def parse(
    file: Annotated[Path, typer.Argument(help="An RSS, Atom or JSON feed, or a sitemap.")],
    url: Annotated[str, typer.Option(help="The address it came from; relative links are resolved against it.")] = "",
) -> None:
    """Read one feed file: a JSON array of its entries."""
    from datetime import UTC, datetime

    from pipeline import language, normalise
    from pipeline import parse as parsing

    document = parsing.feed(contents(file), url)
    if document.error:
        err.print(f"[yellow]{file}:[/] {escape(document.error)}")
    feed = {"feed_id": "", "url": url, "time_zone": _settings().time_zone}
    records = normalise.entry_records(document, feed, datetime.now(UTC), language.languages)
    sys.stdout.write(json.dumps(records, ensure_ascii=False, indent=2) + "\n")
    if document.error and not records:
        raise typer.Exit(1)


# -- change -----------------------------------------------------------------------------------------------------------


@app.command()
def add(
    url: Annotated[str, typer.Argument(help="The address of the feed.")],
    outlet: Annotated[str | None, typer.Option(help="Name of the outlet.", show_default="its domain")] = None,
    owner: Annotated[str | None, typer.Option(help="Who owns it.", show_default="unknown")] = None,
    side: Side = None,
    alignment: Annotated[
        str | None, typer.Option(help="state, pro-government, independent, opposition ...", show_default="unknown")
    ] = None,
    country: Country = None,
    lang: Lang = None,
    time_zone: Annotated[str | None, typer.Option(help="Of dates without a zone.")] = None,
    kind: Annotated[str | None, typer.Option(help="rss (any feed) or sitemap.", show_default="rss")] = None,
    pause: Annotated[
        float | None, typer.Option(min=0.1, max=600, help="Seconds between two requests to its host.", show_default="the setting")
    ] = None,
    feed_id: Annotated[str | None, typer.Option("--id", help="Its key.", show_default="country and domain")] = None,
    note: Annotated[str | None, typer.Option(help="A remark.")] = None,
    source: Annotated[str | None, typer.Option(help="Where the facts are from.", show_default="unchecked")] = None,
    seeds: Seeds = None,
) -> None:
    """Add a feed. Side, language and time zone are those of most feeds of its country, unless given."""
    from flows.catalogue import address_key, web_address

    catalogue = _catalogue(seeds)
    address = web_address(url)
    if known := catalogue.known().get(address_key(address)):
        raise InputError(f"This address is in the catalogue already, as `{known}`.")
    row = catalogue.complete({
        "feed_id": feed_id, "url": address, "outlet": outlet, "owner": owner, "side": side, "alignment": alignment,
        "country_code": _code(country), "lang": lang, "time_zone": time_zone, "kind": kind, "note": note, "source": source,
        "pause_s": None if pause is None else f"{pause:g}",
    })  # fmt: skip
    catalogue.append(row)
    catalogue.write()
    out.print("Added: " + escape(", ".join(f"{k} {v}" for k, v in row.items() if v and k != "is_active")) + ".", highlight=False)


def _code(country: str | None) -> str | None:
    return country.upper() if country else None


@app.command()
def remove(
    feed_id: Annotated[str, typer.Argument(help="The feed.")],
    note: Annotated[str, typer.Option(help="Why.")] = "",
    delete: Annotated[bool, typer.Option("--delete", help="Take the row out, instead of switching the feed off.")] = False,
    seeds: Seeds = None,
) -> None:
    """Switch a feed off; it stays in the catalogue with a note, and its articles stay in the warehouse."""
    from datetime import UTC, datetime

    catalogue = _catalogue(seeds)
    row = catalogue.find(feed_id)
    if delete:
        catalogue.rows.remove(row)
    elif row["is_active"] == "false":
        raise InputError(f"`{feed_id}` is switched off already.")
    else:
        said = f"switched off {datetime.now(UTC):%Y-%m-%d}" + (f": {' '.join(note.split())}" if note.strip() else "")
        row |= {"is_active": "false", "note": "; ".join(filter(None, (row["note"], said)))}
    catalogue.write()
    out.print(f"{feed_id} is {'deleted' if delete else 'switched off'}.")


@app.command()
def accept(feed_id: Annotated[str, typer.Argument(help="The feed.")], data: Data = None) -> None:
    """Believe a feed that now belongs to another site: the next poll takes it over from wherever it leads."""
    from flows.settings import Settings
    from pipeline.warehouse import Store

    with Store.writer(Settings.read(data=data).data) as store:
        if not store.read("select 1 from feed_state where feed_id = $id and site is not null", id=feed_id).height:
            raise InputError(f"There is no feed `{feed_id}` that has been read before.")
        store.connection.execute("update feed_state set site = null, next_fetch_at = null where feed_id = ?", [feed_id])
    out.print(f"{feed_id} will be taken over at the next run.")


# -- look -------------------------------------------------------------------------------------------------------------


@app.command()
def check(
    feed_ids: Annotated[list[str] | None, typer.Argument(help="Which feeds; all that are switched on, unless named.")] = None,
    csv: Csv = False,
    seeds: Seeds = None,
) -> None:
    """Fetch every feed once, politely, and show what is wrong: does it answer, parse, and still belong to its outlet?"""
    import polars as pl

    from flows import catalogue

    settings = _settings(seeds)
    known = catalogue.Catalogue(settings.seeds)
    named = [known.find(feed_id) for feed_id in dict.fromkeys(feed_ids or [])]
    rows = named or [row for row in known.rows if row["is_active"] == "true"]
    with err.status("asking") as status:
        findings = catalogue.check(rows, settings, status.update)
    table = pl.DataFrame(findings, catalogue.FINDING)
    show(table if csv else catalogue.in_brief(table), csv, "Feeds checked")
    n_failed = sum(bool(finding["problem"]) for finding in findings)
    err.print(f"{len(findings) - n_failed} of {len(findings)} feeds are in order.")
    if n_failed:
        raise typer.Exit(1)


@app.command()
def discover(
    url: Annotated[str, typer.Argument(help="A page of the site, mostly its front page.")], csv: Csv = False, seeds: Seeds = None
) -> None:
    """Find the feeds of a site: named by the page, at the usual paths, or as sitemaps in robots.txt, each of them parsed."""
    import polars as pl

    from flows import catalogue

    settings = _settings(seeds)
    known = catalogue.Catalogue(settings.seeds).known()
    with err.status("asking") as status:
        found = catalogue.discover(catalogue.web_address(url), settings, known, status.update)
    if not found:
        raise InputError(f"No feed was found at {catalogue.web_address(url)}.")
    show(pl.DataFrame(found, catalogue.FOUND), csv, "Feeds found")


# -- exchange ---------------------------------------------------------------------------------------------------------


@app.command("export-opml")
def export_opml(
    file: Annotated[Path | None, typer.Argument(help="Where to; standard output unless given.")] = None, seeds: Seeds = None
) -> None:
    """Write the catalogue as OPML for other readers, our columns as `bw:` attributes. Recorded feeds (kind file) stay here."""
    from pipeline import opml

    rows = [row for row in _catalogue(seeds).rows if row["kind"] != "file"]
    text = '<?xml version="1.0" encoding="UTF-8"?>\n' + opml.document(rows, "balkanwatch")
    if file is None or str(file) == "-":
        sys.stdout.buffer.write(text.encode())
        sys.stdout.flush()
        return
    file.write_text(text, encoding="utf-8")
    out.print(f"{len(rows)} feeds are in {escape(str(file))}.", highlight=False)


@app.command("import-opml")
def import_opml(
    file: Annotated[Path, typer.Argument(help="An OPML file; - for standard input.")],
    side: Side = None,
    country: Country = None,
    lang: Lang = None,
    seeds: Seeds = None,
) -> None:
    """Add the feeds of an OPML file, switched on. What the file does not say is as the options say, side international, owner
    unknown. Feeds that are known are skipped."""
    from pipeline import opml
    from pipeline import parse as parsing

    body = sys.stdin.buffer.read() if str(file) == "-" else contents(file)
    catalogue = _catalogue(seeds)
    defaults = {
        "side": side or "international", "country_code": _code(country), "lang": lang,
        "source": f"OPML {file.name if str(file) != '-' else 'from standard input'} (unchecked)",
    }  # fmt: skip
    n_new = n_known = n_bad = 0
    known = catalogue.known()
    for given in opml.feeds(parsing.decode(body), catalogue.columns):
        try:
            row = _imported(catalogue, given, defaults, known)
        except InputError as error:
            n_bad += 1
            err.print(escape(str(error)), highlight=False, soft_wrap=True)
            continue
        n_new, n_known = n_new + (row is not None), n_known + (row is None)
    if n_new:
        catalogue.write()
    out.print(f"{n_new} feeds added, {n_known} were known already, {n_bad} have no address that can be fetched.", highlight=False)


def _imported(
    catalogue: "Catalogue", given: dict[str, str], defaults: dict[str, str | None], known: dict[str, str]
) -> dict[str, str] | None:
    """Put a feed of an OPML file into the catalogue; None when it is there already."""
    from flows.catalogue import address_key, web_address

    url = web_address(given["url"])
    if before := known.get(address_key(url)):
        err.print(f"{escape(url)} is known already, as {before}.", highlight=False, soft_wrap=True)
        return None
    folder = f"folder {given['folder']}" if given.get("folder") and "source" not in given else ""
    row = catalogue.complete(defaults | {"note": folder} | catalogue.sound(given) | {"url": url})
    catalogue.append(row)
    known[address_key(url)] = row["feed_id"]
    return row
