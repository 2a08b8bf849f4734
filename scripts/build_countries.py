"""Write seeds/generated/country_name.csv: the names of all countries in all our languages, from CLDR.

    python scripts/build_countries.py [seeds]

CLDR gives a name in the nominative. Here each word of it gets a declension class by its ending (`BY_ENDING`), an
adjective the class that agrees with its noun (`AGREE`); irregular words stand in `WORDS`, whole names that no rule gets
right in `NAMES`. Names that are also common words are left out (`SKIP`): seeds/gazetteer/*.csv says by hand what may be
said about them. Rows that stand there already are not repeated.
"""

import csv
import re
import sys
from pathlib import Path

from babel import Locale, __version__

SOURCE = f"CLDR via babel {__version__}"
COLUMNS = ["entity_id", "kind", "country_codes", "lang", "patterns", "note", "source"]

LANGS = ["bg", "de", "el", "en", "fr", "hbs", "hu", "it", "mk", "ro", "ru", "sl", "sq", "tr", "uk"]
LOCALES = {lang: [lang] for lang in LANGS} | {"hbs": ["sr_Latn", "bs", "hr"]}

# `ending:class`, the first ending (a regular expression) that fits gives the class; no class: leave the word alone.
BY_ENDING = {
    "hbs": "[sšč]ka:af ka:fk a:f ao:m o:mo i:mi ([čćđšžj]|lj|nj):mj .:m",
    "sl": "[sšč]ka:fs a:f ao:mr o:mo [eiur]:mr [cčšžj]:mj .:m",
    "ru": "ия:fi я:fj [гкх]а:fk [жчшщ]а:fsh а:f ий:mij й:mj усь:fs ь:msj [еиоуэ]: ы:mpe [чшщж]:mch .:m",
    "uk": "ія:fi ея:fja я:fj ка:fk га:fg [жчщш]а:fts а:f й:mj усь:fss ь:msj [еіоуєї]: и:mpe [чшщж]:mch г:mg к:mk .:m",
    "sq": "ë:f i:fi [aeou]:v [kg]:mk .:m",
    "de": "[sxzß]: .:n",
}

# `class of the noun+ending:class`: the class of an adjective with this ending before a noun of that class.
AGREE = {
    "hbs": "f+a:af fk+a:af fp+e:ap m+i:am mp+i:amp mpk+i:amp n+o:an np+a:anp",
    "sl": "f+a:af fp+e:ap m+i:am mp+i:amp n+o:an",
    "ru": "f+ая:af fi+ая:af fj+ая:af fk+ая:af m+ый:am mp+ые:ap npo+кие:apk npo+ые:ap npo+вы:apv",
    "uk": "f+а:af fi+а:af fja+а:af fk+а:af m+ий:am mp+і:ap npo+і:ap",
}
AND = {"i", "in", "и", "і", "й", "та"}

# Words that the endings get wrong; without a class: not inflected (or a word that is only half of a name).
WORDS = {
    "hbs": """Cipar~mar Kipar~mar Egipat~mat Kosovo~n Kraljevstvo~n Ostrvo~n ostrvo~n Otok~m Države~fp Ostrva~np
        ostrva~np Otoci~mpk otoci~mpk Emirati~mp Maldivi~mp Filipini~mp Bahami~mp Bermudi~mp Komori~mp Sejšeli~mp
        Grenadini~mp Obala~f Timor-Leste~m Antigva~f Aljaska~fk Šri Papua Burkina Sijera San
        Slonovače Bjelokosti Sao Tome Principe Sent Sen Kits Pjer""",
    "sl": """Kosovo~n kraljestvo~n Ciper~mer države~fp emirati~mp otoki~mp Otoki~mp otok~m Otok~m Maldivi~mp
        Filipini~mp Bahami~mp Bermudi~mp Komori~mp Sejšeli~mp Karibi~mp Čile~me Amerike Papua Burkina Sierra San Sao
        Tome Principe Saint Turks Šri Grenadine Kitts Aljaska~f""",
    "ru": """Египет~met Эмираты~mp Штаты~mp Нидерланды~mp острова~npo Острова~npo остров~m Косово~n Никарагуа Самоа
        Папуа Антигуа Гоа Рождества Кука Елены Святой""",
    "uk": """Єгипет~met Емірати~mp Штати~mp Нідерланди~mp острови~npo Острови~npo Косово~n Нікарагуа Самоа Папуа Антигуа
        Різдва Кука Теркс Єлени Святої""",
}

NAMES = """
    bg CD Демократична република Конго;ДР Конго
    bg CG Република Конго;Конго
    en BA Bosnia and Herzegovina
    en CD Democratic Republic of the Congo;Congo Kinshasa
    en CG Republic of the Congo;Congo Brazzaville
    en HK Hong Kong
    en MO Macao;Macau
    en PS Palestine
    en TR Turkey;Türkiye
    hbs BA Bosna~f i Hercegovina~f
    hbs BF Burkina~f Faso;Burkina Faso~mo
    hbs CD Demokratska~af Republika~fk Kongo;Demokratska~af Republika~fk Kongo~mo;DR Kongo~mo
    hbs CG Republika~fk Kongo;Kongo~mo
    hbs CN Kina~fn
    hbs CU Kuba~fn
    hbs GH Gana~fn
    hbs GW Gvineja~f Bisao;Gvineja~f Bisau
    hbs PS Palestina~f
    hbs ST Sao Tome i Prinsipe;Sao Tome i Principe;Sveti Toma i Princip
    mk CD Демократска~af Република Конго;ДР Конго
    mk CG Република Конго;Конго
    mk CI Брегот на Слоновата Коска
    mk GW Гвинеја Бисао
    mk PS Палестина
    mk ZA Јужноафриканска~af Република
    ru AE ОАЭ
    ru BA Босния~fi и Герцеговина~f
    ru CD Демократическая~af Республика~fk Конго;ДР Конго;ДРК
    ru CG Республика~fk Конго;Конго
    ru GW Гвинея~fj Бисау
    ru KP КНДР
    ru KR Республика~fk Корея~fj
    ru PG Папуа Новая~af Гвинея~fj
    ru PS Палестина~f
    ru US Соединённые~ap Штаты~mp
    ru VG Британские~apk Виргинские~apk острова~npo
    ru VI Американские~apk Виргинские~apk острова~npo
    sl BA Bosna~f in Hercegovina~f
    sl CD Demokratična~af republika~f Kongo;Demokratska~af republika~f Kongo;DR Kongo
    sl CG Republika~f Kongo;Kongo~mo
    sl GW Gvineja~f Bissau
    sl PS Palestina~f
    sq ME Mali i Zi;Malit të Zi;Malin e Zi;Mal i Zi
    sq US SHBA;Shtetet e Bashkuara
    uk AE Об'єднані~ap Арабські~ap Емірати~mp
    uk BA Боснія~fi і Герцеговина~f;Боснія~fi та Герцеговина~f;Боснія~fi й Герцеговина~f
    uk CD Демократична~af Республіка~fk Конго;ДР Конго;ДРК
    uk CG Республіка~fk Конго;Конго
    uk GW Гвінея~fja Бісау
    uk MM М'янма~f
    uk PG Папуа Нова~af Гвінея~fja
    uk PS Палестина~f
    uk VI Американські~ap Віргінські~ap острови~npo
    uk VN В'єтнам~m
"""

# Common words, first names, saints, uninhabited islands.
SKIP = {
    "*": "AQ BL BQ BV CC HM IO MF RE SX TF UM", "bg": "CG", "de": "JE", "en": "JE", "fr": "JE", "hbs": "CG JE ML SH TG",
    "hu": "JE ML", "it": "JE ML", "mk": "CG ML SH TG YT", "ro": "JE", "ru": "CG ML TG", "sl": "CG JE ML SH TG",
    "sq": "ML NE SH XK", "tr": "JE ML", "uk": "CG ML TG",
}  # fmt: skip

# Nouns, and adjectives of institutions, before which a country's name in -ska is an adjective (nominative only).
OPENERS = {
    "hbs": """agencija akademija armija crkva delegacija demokratska diplomacija diplomatija državna ekonomija fondacija
        javnost kompanija manjina ministarka mornarica muška nacionalna narodna obalska obavještajna obaveštajna
        opozicija policija poslanica pravoslavna predsednica predsjednica premijerka privreda reprezentacija skupština
        socijaldemokratska socijalistička strana stranka štampa televizija vlada vlast vojska zajednica ženska""",
    "sl": """armada cerkev delegacija demokratska diplomacija družba državna javnost levica ljudska manjšina ministrica
        moška mornarica nacionalna narodna obveščevalna opozicija policija predsednica premierka reprezentanca stran
        stranka televizija tiskovna veleposlanica vlada vojska zunanja ženska""",
}
OPENER_NOTE = "not the country: an adjective at the start of a sentence"

# Macedonian: what takes the article.
MK_PLURAL = {"Бахами", "Бермуди", "Комори", "Малдиви", "Сејшели", "Филипини"}
MK_FIRST = "ска:af рна:af дна:af жна:af ва:af но:an ни:pl ки:pl ви:pl ети:pl"

# CLDR's own additions to a name.
NOT_NAME = [
    (r"\s*\(.*?\)", ""), ("о-ва", "острова"), ("о-в", "остров"), (r"Св\.", "Святой"), ("[’ʼ]", "'"), ("&", "and"),
    (r"\b(SAR|PUP|САР|ОАР|Posebno upravno območje|RAS|R\.A\.S\.)\b.*?(?=Hong|Macao|Mac|Mak|$)", ""),
    (r"\s+(Kina|Çin|Кина|КНР|Китаю)$|Ljudske republike Kitajske ", ""), (r"\s[-–—]\s|[,;]", " "), (r"\s+", " "),
]  # fmt: skip

EL_FORMS = [(r"([αάηή])$", r"\1ς"), (r"[οό]$", "ου"), (r"[οό]ς$", "ου"), (r"([άαήη])ς$", r"\1")]
RO_FORMS = [(r"a$", "ei"), (r"([^aeiou])$", r"\1ului"), (r"u$", "ului")]

Row = list[str]


def main(seeds: Path) -> None:
    """Write the file; the codes are those of country.csv."""
    with (seeds / "country.csv").open(encoding="utf-8", newline="") as file:
        codes = [row["code"] for row in csv.DictReader(file)]
    by_hand = {key for path in (seeds / "gazetteer").glob("*.csv") for key in _keys(path)}
    made = (row for code in codes for lang in LANGS for row in country_rows(code, lang))
    rows = [row for row in made if tuple(row[:5]) not in by_hand]
    with (seeds / "generated" / "country_name.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(sorted(rows))


def _keys(path: Path) -> list[tuple[str, ...]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [tuple(row[column] for column in COLUMNS[:5]) for row in csv.DictReader(file)]


def country_rows(code: str, lang: str) -> list[Row]:
    """The names of one country in one language, and the phrases in which they are no names."""
    names = patterns(code, lang)
    adjectives = [opener for name in names for opener in openers(lang, name)]
    rows = [[code, "country", code, lang, ";".join(names), "", SOURCE]] if names else []
    if adjectives:
        rows.append([code, "adjective", code, lang, ";".join(adjectives), OPENER_NOTE, "unchecked"])
    return rows


def patterns(code: str, lang: str) -> list[str]:
    """The patterns of one country in one language, without repeats, in the order of CLDR's locales."""
    if code in f"{SKIP['*']} {SKIP.get(lang, '')}".split():
        return []
    written = re.search(rf"^ *{lang} {code} (.+)$", NAMES, re.MULTILINE)
    if written:
        return written[1].split(";")
    names = [str(Locale.parse(locale).territories.get(code, "")) for locale in LOCALES[lang]]
    found = [pattern for name in names if (cleaned := clean(name)) for pattern in inflect(cleaned, lang)]
    return list(dict.fromkeys(found))


def clean(name: str) -> str:
    """The bare name: no brackets, no `SAR China`, no abbreviated `island`."""
    for unwanted, instead in NOT_NAME:
        name = re.sub(unwanted, instead, name)
    return name.strip()


def inflect(name: str, lang: str) -> list[str]:
    """`name` with classes or stars, as one pattern or more."""
    words = name.split(" ")
    if lang == "mk":
        return [_definite(words)]
    if lang in {"el", "ro"} and len(words) == 1:
        rules = EL_FORMS if lang == "el" else RO_FORMS
        return [name, *(re.sub(ending, new, name) for ending, new in rules if re.search(ending, name))]
    if lang == "hu":
        return [f"{name}*{4 if len(name) > 6 else 3}"]
    if lang not in BY_ENDING or (lang == "sq" and len(words) > 1):
        return [name]
    classes = ["" for _ in words]
    for i in reversed(range(len(words))):
        classes[i] = _class(words, i, classes, lang)
    return [" ".join(f"{word}~{cls}" if cls else word for word, cls in zip(words, classes, strict=True))]


def openers(lang: str, pattern: str) -> list[str]:
    """`Hrvatska vlada`: before such a word the name of a country is an adjective."""
    name = pattern.partition("~")[0]
    if " " in pattern or not re.search("[sšč]ka$", name):
        return []
    return [f"{name} [{noun}]" for noun in OPENERS.get(lang, "").split()]


def _definite(words: list[str]) -> str:
    """Macedonian puts the article on the first word of a phrase, and on a plural name."""
    first, *others = words
    if not others:
        return f"{first}~pl" if first in MK_PLURAL else first
    cls = "" if "и" in others else _by_ending(first, MK_FIRST)
    return " ".join([f"{first}~{cls}" if cls else first, *others])


def _class(words: list[str], i: int, classes: list[str], lang: str) -> str:
    """The class of words[i]; the classes of the words behind it are known."""
    word, following = words[i], [*words, ""][i + 1]
    irregular = dict(pair.partition("~")[::2] for pair in WORDS.get(lang, "").split())
    if word in AND or word in irregular:
        return irregular.get(word, "")
    if following in AND or not following:
        return "" if word.isupper() else _by_ending(word, BY_ENDING[lang])
    noun = next((c for c in classes[i + 1 :] if c and not c.startswith("a")), "-")
    agreeing = [pair.partition("+")[2] for pair in AGREE.get(lang, "").split() if pair.startswith(f"{noun}+")]
    return _by_ending(word, " ".join(agreeing))


def _by_ending(word: str, table: str) -> str:
    """The class of the first `ending:class` of the table that fits the word; empty if none does."""
    pairs = (pair.rpartition(":")[::2] for pair in table.split())
    return next((cls for ending, cls in pairs if re.search(f"(?:{ending})$", word)), "")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "seeds")
