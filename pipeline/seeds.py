"""The seed files: read, validated with file and line, and given out as tables (docs/seeds.md has the formats)."""

import contextlib
import hashlib
import itertools
import re
import shutil
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import available_timezones

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline import patterns
from pipeline.errors import SeedError

# columns, then how many of them (from the left) are the key; `*` patterns of files are read together as one table
COLUMNS: dict[str, tuple[str, int]] = {
    "declension": ("lang class ending slots example note", 2),
    "country": ("code name_en name_sr name_sq name_mk groups capital note source", 1),
    "gazetteer": ("entity_id kind country_codes lang patterns note source", 5),
    "guard": ("guard_id lang patterns suppresses yields_kind yields_entity note source", 3),
    "actor": ("actor_id kind name category country_code note source", 1),
    "actor_alias": ("actor_id lang patterns when note", 3),
    "title": ("title_id lang patterns implies note", 3),
    "role": ("role_id title_id holder person_id from until note source", 6),
    "topic": ("topic_id label_en label_sr label_sq label_mk threshold definition gkg_themes plover acled iptc_medtop source", 1),
    "lexicon": ("concept_id lang patterns note", 3),
    "rule": ("rule_id topic_id weight expression note", 1),
    "feeds": ("feed_id url outlet owner side alignment country_code lang time_zone kind is_active note source", 1),
    "side": ("side name_en name_sr name_sq name_mk description note source", 1),
    "alerts": ("rule_id kind topic_id country_code side threshold window_days quiet_hours channel note", 1),
}
OPTIONAL = {"feeds": ("pause_s",)}  # columns that a file may have
FILES = {
    "gazetteer": ("gazetteer/*.csv", "generated/*.csv"),
    "lexicon": ("lexicon/*.csv",),
    "rule": ("rule/*.csv",),
}
TAGGING = ("declension", "country", "gazetteer", "guard", "actor", "actor_alias", "title", "role", "topic", "lexicon", "rule")
ALLOWED = {
    ("gazetteer", "kind"): {"country", "demonym", "adjective", "place"},
    ("guard", "suppresses"): {"place", "actor", "lexicon", "all"},
    ("guard", "yields_kind"): {"", "country", "demonym", "adjective", "place"},
    ("actor", "kind"): {"person", "organisation"},
    ("actor_alias", "when"): {"", "full"},
    ("feeds", "kind"): {"rss", "sitemap", "file"},
    ("feeds", "is_active"): {"true", "false"},
    ("alerts", "kind"): {"stories", "burst"},
    ("feeds", "alignment"): {"state", "pro-government", "independent", "opposition", "foreign-state", "institution", "unknown"},
}


Array = npt.NDArray[Any]
CheckRule = Callable[[str, Collection[str]], list[str]]


class Problem(NamedTuple):
    """One mistake in a seed file; line 1 is the header."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


@dataclass(frozen=True)
class Seeds:
    """All seed tables (every column a string, empty cells are null) and the version of those that decide tags."""

    folder: Path
    tables: Mapping[str, pl.DataFrame]
    version: str


def load(folder: Path) -> Seeds:
    """Read every seed file below `folder`; a missing file or column raises SeedError."""
    tables = {name: _table(folder, name) for name in COLUMNS}
    hashed = hashlib.blake2b(digest_size=6)
    for name in TAGGING:
        for path in _paths(folder, name):
            hashed.update(path.read_bytes())
    return Seeds(folder, tables, hashed.hexdigest())


def _paths(folder: Path, name: str) -> list[Path]:
    found = [path for pattern in FILES.get(name, (f"{name}.csv",)) for path in sorted(folder.glob(pattern))]
    if not found:
        raise SeedError(f"{folder / FILES.get(name, (f'{name}.csv',))[0]} is missing.")
    return found


def _table(folder: Path, name: str) -> pl.DataFrame:
    """One table with its origin in columns `_file` and `_line`."""
    frames = []
    for path in _paths(folder, name):
        try:
            frame = pl.read_csv(path, infer_schema=False)
        except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
            raise SeedError(f"{path} can not be read as CSV: {str(error).splitlines()[0]}") from None
        missing = [c for c in COLUMNS[name][0].split() if c not in frame.columns]
        if missing:
            raise SeedError(f"{path}:1: column `{missing[0]}` is missing.")
        columns = [pl.col(c).str.strip_chars() for c in COLUMNS[name][0].split()]
        columns += [
            (pl.col(c) if c in frame.columns else pl.lit(None, pl.String).alias(c)).str.strip_chars()
            for c in OPTIONAL.get(name, ())
        ]
        lines = pl.int_range(2, frame.height + 2).alias("_line")
        frames.append(frame.select(*columns, pl.lit(path.relative_to(folder).as_posix()).alias("_file"), lines))
    return pl.concat(frames)


class Cache:
    """Arrays compiled from the seeds, kept in files below a folder for as long as the version is the same.

    `cache(key, make)` reads the file of the key, or makes it; a folder that can not be written to only costs time.
    """

    def __init__(self, folder: Path, version: str) -> None:
        self._folder, self._version = folder, version

    def __call__(self, key: str, make: Callable[[], Mapping[str, Array]]) -> Mapping[str, Array]:
        path = self._folder / self._version / f"{key}.npz"
        try:
            with np.load(path, allow_pickle=False) as kept:
                return {name: kept[name] for name in kept.files}
        except (OSError, ValueError, zipfile.BadZipFile):
            made = make()
        with contextlib.suppress(OSError):
            for old in self._folder.glob("*"):
                if old.name != self._version:
                    shutil.rmtree(old, ignore_errors=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as temporary:
                np.savez(temporary, **made)  # type: ignore[arg-type]
            Path(temporary.name).replace(path)
        return made


def check(seeds: Seeds, check_rule: CheckRule) -> list[Problem]:
    """Every mistake in every file. `check_rule(expression, known atoms)` judges topic rules (pipeline.tag.rules.check)."""
    tables = seeds.tables
    return sorted({
        *_keys(tables), *_cells(tables), *_foreign_keys(tables), *_pattern_problems(tables), *_examples(tables),
        *_role_dates(tables), *_never_matching(tables), *_rules(tables, check_rule), *_addresses(tables), *_feeds(tables),
        *_alerts(tables),
    })  # fmt: skip


def _keys(tables: Mapping[str, pl.DataFrame]) -> Iterator[Problem]:
    """Keys are complete, unique over all files of a table, and sorted inside each file."""
    for name, (columns, n_key) in COLUMNS.items():
        key = columns.split()[:n_key]
        seen: dict[tuple[str, ...], str] = {}
        last: tuple[str, tuple[str, ...]] = ("", ())
        for row in tables[name].select(*key, "_file", "_line").iter_rows():
            file, line = row[-2:]
            value = tuple(cell or "" for cell in row[:n_key])
            if not value[0]:
                yield Problem(file, line, f"`{key[0]}` is empty")
            if value in seen:
                yield Problem(file, line, f"the same {', '.join(key)} as {seen[value]}")
            elif last[0] == file and value < last[1]:
                yield Problem(file, line, f"not sorted: `{value[0]}` belongs before `{last[1][0]}` (sort by {', '.join(key)})")
            seen.setdefault(value, f"{file}:{line}")
            last = (file, value)


def _cells(tables: Mapping[str, pl.DataFrame]) -> Iterator[Problem]:
    for (name, column), allowed in ALLOWED.items():
        for value, file, line in tables[name].select(column, "_file", "_line").iter_rows():
            if (value or "") not in allowed:
                yield Problem(
                    file, line, f"{column} `{value or ''}` is not one of {', '.join(sorted(a or 'empty' for a in allowed))}"
                )
    for name in ("declension", "gazetteer", "guard", "actor_alias", "title", "lexicon"):
        for value, file, line in tables[name].select("lang", "_file", "_line").iter_rows():
            unknown = [lang for lang in (value or "").split("|") if lang not in {*patterns.LANGS, "*"}]
            if unknown:
                yield Problem(file, line, f"language `{unknown[0]}` is not one of {' '.join(patterns.LANGS)} or *")
    for name, column in (("topic", "threshold"), ("rule", "weight")):
        for value, file, line in tables[name].select(column, "_file", "_line").iter_rows():
            if not re.fullmatch(r"0?\.\d+|[01](\.0+)?", value or ""):
                yield Problem(file, line, f"{column} `{value or ''}` is not a number from 0 to 1")


def _foreign_keys(tables: Mapping[str, pl.DataFrame]) -> Iterator[Problem]:
    codes = set(tables["country"]["code"])
    actors = set(tables["actor"]["actor_id"])
    people = set(tables["actor"].filter(pl.col("kind") == "person")["actor_id"])
    checks: list[tuple[str, str, set[str], str]] = [
        ("gazetteer", "country_codes", codes, "country.csv"), ("actor", "country_code", codes, "country.csv"),
        ("actor_alias", "actor_id", actors, "actor.csv"), ("title", "implies", actors | codes, "actor.csv"),
        ("role", "holder", actors | codes, "actor.csv or country.csv"), ("role", "person_id", people, "actor.csv as a person"),
        ("role", "title_id", set(tables["title"]["title_id"]), "title.csv"),
        ("rule", "topic_id", set(tables["topic"]["topic_id"]), "topic.csv"),
        ("feeds", "side", set(tables["side"]["side"]), "side.csv"),
    ]  # fmt: skip
    for name, column, known, where in checks:
        for value, file, line in tables[name].select(column, "_file", "_line").iter_rows():
            for one in (value or "").split("|"):
                if one and one not in known:
                    yield Problem(file, line, f"{column} `{one}` is not in {where}")
    for code, file, line in tables["feeds"].select("country_code", "_file", "_line").iter_rows():
        if code and code not in codes and code != "INT":
            yield Problem(file, line, f"country_code `{code}` is not in country.csv (or INT)")


def _pattern_problems(tables: Mapping[str, pl.DataFrame]) -> Iterator[Problem]:
    """Patterns that can not be read, and country patterns that another country has too."""
    classes = patterns.declensions(tables["declension"].iter_rows(named=True))
    owners: dict[tuple[str, str], tuple[str, str]] = {}
    for name in ("gazetteer", "guard", "actor_alias", "title", "lexicon"):
        for row in tables[name].iter_rows(named=True):
            for pattern, lang in itertools.product(patterns.split(row["patterns"] or ""), (row["lang"] or "").split("|")):
                try:
                    forms = patterns.expand(pattern, lang, classes)
                except (SeedError, KeyError) as error:
                    yield Problem(row["_file"], row["_line"], str(error))
                    continue
                if (forms[0].before or forms[0].after) and name != "guard":
                    yield Problem(row["_file"], row["_line"], f"`{pattern}`: `^` is for guards only")
                if name != "gazetteer" or row["kind"] != "country":
                    continue
                for form in forms:
                    here = (row["entity_id"], f"{row['_file']}:{row['_line']}")
                    other = owners.setdefault((lang, repr(form)), here)
                    if other[0] != here[0]:
                        yield Problem(row["_file"], row["_line"], f"`{pattern}` is already a name of {other[0]} ({other[1]})")
            if not patterns.split(row["patterns"] or ""):
                yield Problem(row["_file"], row["_line"], "`patterns` is empty")


def _never_matching(tables: Mapping[str, pl.DataFrame]) -> Iterator[Problem]:
    """Names that lose to the same name of somebody else, and starred patterns that swallow another's name."""
    classes = patterns.declensions(tables["declension"].iter_rows(named=True))
    certain = {"country": 0, "place": 1, "demonym": 2, "adjective": 3}
    lines = [
        (certain[r["kind"]], "place", r["entity_id"], r)
        for r in tables["gazetteer"].iter_rows(named=True)
        if r["kind"] in certain
    ]
    lines += [(0, "actor", r["actor_id"], r) for r in tables["actor_alias"].iter_rows(named=True) if r["when"] != "full"]
    owner: dict[tuple[str, str, patterns.Form], tuple[str, str]] = {}
    stars: dict[tuple[str, str, bytes], tuple[str, str, int]] = {}
    for _, layer, entity, r in sorted(lines, key=lambda line: (line[0], line[3]["_file"], line[3]["_line"])):
        here = f"{r['_file']}:{r['_line']}"
        for pattern, lang in itertools.product(patterns.split(r["patterns"] or ""), (r["lang"] or "").split("|")):
            try:
                forms = patterns.expand(pattern, lang, classes)
            except (SeedError, KeyError):
                continue  # said elsewhere
            owners = [owner.setdefault((layer, lang, form), (entity, here)) for form in forms]
            if all(other[0] != entity for other in owners):
                yield Problem(r["_file"], r["_line"], f"`{pattern}` can never match: it is {owners[0][0]} ({owners[0][1]})")
            for form in forms:
                last = form.parts[-1]
                if len(form.parts) == 1 and last.n_more:
                    stars[layer, lang, last.text] = (entity, here, last.n_more)
    for (layer, lang, form), (entity, here) in owner.items():
        text = form.parts[0].text
        for size in range(3, len(text)) if len(form.parts) == 1 and not form.parts[0].n_more else ():
            found = stars.get((layer, lang, text[:size]))
            if found and found[0] != entity and len(text) - size <= found[2] and b" " not in text[size:]:
                file, line = found[1].rsplit(":", 1)
                yield Problem(file, int(line), f"a starred pattern swallows a name of {entity} ({here})")


def _examples(tables: Mapping[str, pl.DataFrame]) -> Iterator[Problem]:
    for row in tables["declension"].iter_rows(named=True):
        declension = patterns.declensions([row])[row["lang"], row["class"]]
        base, _, forms = (row["example"] or "").partition(":")
        try:
            made = {form for slot in declension.forms(base.strip()) for form in slot}
        except SeedError as error:
            yield Problem(row["_file"], row["_line"], str(error))
            continue
        if made != set(forms.split()):
            yield Problem(row["_file"], row["_line"], f"the example should read `{base.strip()}: {' '.join(sorted(made))}`")


def _role_dates(tables: Mapping[str, pl.DataFrame]) -> Iterator[Problem]:
    """Dates are dates, `until` is after `from`, and two people do not hold a single seat at once."""
    last: dict[str, tuple[str, str, str]] = {}
    for row in tables["role"].sort("role_id", "from", nulls_last=False).iter_rows(named=True):
        since, until = row["from"] or "", row["until"] or "9999"
        if any(not re.fullmatch(r"\d{4}(-\d\d(-\d\d)?)?", d) for d in (since, until)):
            yield Problem(
                row["_file"], row["_line"], f"`{since}` - `{row['until'] or ''}` are not dates (YYYY, YYYY-MM or YYYY-MM-DD)"
            )
        elif since >= until:
            yield Problem(row["_file"], row["_line"], f"the term ends ({until}) before it begins ({since})")
        if row["role_id"] != f"{row['title_id']}:{row['holder']}":
            yield Problem(row["_file"], row["_line"], f"role_id should be `{row['title_id']}:{row['holder']}`")
        before = last.get(row["role_id"])
        if before and before[0] > since and "several" not in (row["note"] or ""):
            yield Problem(
                row["_file"],
                row["_line"],
                f"overlaps with {before[1]} (until {before[0]}); write `several seats` in note if right",
            )
        last[row["role_id"]] = (until, row["person_id"], row["_file"])


def _rules(tables: Mapping[str, pl.DataFrame], check_rule: CheckRule) -> Iterator[Problem]:
    concepts = set(tables["lexicon"]["concept_id"])
    groups = {g for cell in tables["country"]["groups"] for g in (cell or "").split()}
    known = concepts | {f"@{c}" for c in {*tables["country"]["code"], *groups}}
    known |= {f"#{a}" for column in ("actor_id", "category") for a in tables["actor"][column]}
    used: Counter[str] = Counter()
    for row in tables["rule"].iter_rows(named=True):
        used.update(re.findall(r"\w+", row["expression"] or ""))
        for text in check_rule(row["expression"] or "", known):
            yield Problem(row["_file"], row["_line"], text)
    for concept, file, line in tables["lexicon"].unique("concept_id", keep="first", maintain_order=True).select(
        "concept_id", "_file", "_line"
    ).iter_rows():  # fmt: skip
        if concept not in used:
            yield Problem(file, line, f"no rule uses the concept `{concept}`")


def _alerts(tables: Mapping[str, pl.DataFrame]) -> Iterator[Problem]:
    """What a rule watches exists, its numbers are whole, its hours are hours, and its channel is a name, not an address."""
    groups = {g for cell in tables["country"]["groups"] for g in (cell or "").split()}
    known = {
        "topic_id": {"*", *tables["topic"]["topic_id"]}, "country_code": {"*", *tables["country"]["code"], *groups},
        "side": {"*", *tables["side"]["side"]},
    }  # fmt: skip
    forms = {
        "threshold": (r"[1-9]\d{0,5}", "a whole number from 1"), "window_days": (r"[1-9]\d?", "a whole number from 1 to 99"),
        "quiet_hours": (r"(([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d)?", "like 22:00-06:00, or empty"),
        "channel": (r"([a-z][a-z0-9_]*)?", "a name in small letters (its address is a secret and stands in the environment)"),
    }  # fmt: skip
    for row in tables["alerts"].iter_rows(named=True):
        for column, values in known.items():
            if row[column] not in values:
                yield Problem(row["_file"], row["_line"], f"{column} `{row[column] or ''}` is not known (* for any)")
        for column, (form, text) in forms.items():
            if not re.fullmatch(form, row[column] or ""):
                yield Problem(row["_file"], row["_line"], f"{column} `{row[column] or ''}` is not {text}")


# ISO 639-1, and the codes without two letters that feeds here have
LANGS = frozenset(
    re.findall(
        r"\w+",
        "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en "
        "eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv "
        "ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne "
        "ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq sr ss "
        "st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu cnr hbs mul rom "
        "rue rup ",
    )
)


def _feeds(tables: Mapping[str, pl.DataFrame]) -> Iterator[Problem]:
    """Languages and time zones exist, and a pause is a number of seconds."""
    zones = available_timezones()
    for row in tables["feeds"].iter_rows(named=True):
        if row["lang"] not in LANGS:
            yield Problem(row["_file"], row["_line"], f"lang `{row['lang'] or ''}` is not a language code such as sr, sq or mul")
        if row["time_zone"] not in zones:
            text = f"time_zone `{row['time_zone'] or ''}` is not a time zone such as Europe/Belgrade"
            yield Problem(row["_file"], row["_line"], text)
        pause = row.get("pause_s") or "1"
        if not (re.fullmatch(r"\d{1,3}(\.\d+)?", pause) and 0.1 <= float(pause) <= 600):
            yield Problem(row["_file"], row["_line"], f"pause_s `{pause}` is not a number of seconds from 0.1 to 600")


def _addresses(tables: Mapping[str, pl.DataFrame]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for url, kind, file, line in tables["feeds"].select("url", "kind", "_file", "_line").iter_rows():
        if not re.match(r"file:seeds/" if kind == "file" else r"https?://[^\s/]+\.[^\s/]+", url or ""):
            yield Problem(file, line, f"`{url or ''}` is not a web address (or, for kind file, file:seeds/...)")
        if url in seen:
            yield Problem(file, line, f"the same address as {seen[url]}")
        seen.setdefault(url or "", f"{file}:{line}")
