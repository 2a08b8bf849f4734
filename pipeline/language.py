"""Language and script of short and long texts. Serbian, Bosnian, Croatian and Montenegrin are one language, `hbs`.

Letters that only one language has decide first (ђ and ћ are never Macedonian), then small words, then py3langid among
the languages of the script. By itself it takes Serbian Cyrillic for Macedonian and hbs headlines for Slovene.
"""

import contextlib
import copy
import functools
import importlib.metadata
import math
import re
import shutil
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

SAMPLE = 600  # characters whose letters and words are looked at; later ones change nothing
OPENING = 200  # those that are mostly enough
GUESSED = 160  # characters that py3langid reads, one by one in Python
UNKNOWN = "und"
NO_SCRIPT = "Zyyy"

# -- codes ------------------------------------------------------------------------------------------------------------

_HBS = frozenset({"hbs", "sr", "hr", "bs", "sh", "cnr", "srp", "hrv", "bos", "scr", "scc", "srl", "me"})
_LATIN = ("en", "hr", "sr", "bs", "sq", "sl", "de", "tr", "ro", "hu", "it", "fr", "es", "pl", "cs", "sk", "nl", "pt")
_CYRILLIC = ("sr", "mk", "bg", "ru", "uk")
_THREE = {
    "eng": "en", "sqi": "sq", "alb": "sq", "mkd": "mk", "mac": "mk", "slv": "sl", "rus": "ru", "ukr": "uk",
    "deu": "de", "ger": "de",
    "tur": "tr", "ell": "el", "gre": "el", "bul": "bg", "ron": "ro", "rum": "ro", "hun": "hu", "ita": "it",
    "fra": "fr", "fre": "fr",
    "spa": "es", "pol": "pl", "ces": "cs", "cze": "cs", "slk": "sk", "slo": "sk", "nld": "nl", "dut": "nl", "por": "pt",
}  # fmt: skip
_ONE_LANGUAGE = {"Grek": "el", "Hebr": "he", "Geor": "ka", "Armn": "hy", "Hang": "ko", "Kana": "ja"}
KNOWN = frozenset({"hbs", "ar", "fa", "zh", *_LATIN, *_CYRILLIC, *_ONE_LANGUAGE.values()}) - {"sr", "hr", "bs"}


def normalise_lang(code: str | None) -> str:
    """ISO 639-1 or `hbs` from whatever a feed, a page or a user says (`sr-Latn`, `sr_RS`, `cnr`, `en-US`, `eng`); else
    `und`."""
    base = re.split(r"[-_. @;,]", (code or "").strip().lower(), maxsplit=1)[0]
    if base in _HBS:
        return "hbs"
    base = _THREE.get(base, base)
    return base if base in KNOWN else UNKNOWN


# -- letters ----------------------------------------------------------------------------------------------------------

_SCRIPTS = ("Latn", "Cyrl", "Grek", "Arab", "Hebr", "Geor", "Armn", "Hang", "Hani", "Kana", "Zzzz")
_RANGES: tuple[tuple[str, str], ...] = (
    ("Latn", "AZ"), ("Latn", "az"), ("Latn", "ÀÖ"), ("Latn", "Øö"), ("Latn", "øɏ"), ("Latn", "Ḁỿ"), ("Cyrl", "Ѐԯ"),
    ("Grek", "ͰϿ"),
    ("Grek", "ἀ῿"), ("Arab", "ؠي"), ("Arab", "ٮۓ"), ("Hebr", "את"), ("Geor", "Ⴀჺ"), ("Armn", "Աֆ"), ("Hang", "가힣"),
    ("Hani", "㐀鿿"),
    ("Kana", "ぁヺ"), ("Zzzz", "ऄ෴"), ("Zzzz", "กະ"),
)  # fmt: skip
# groups of letters that tell languages of one script apart
_GROUPS = {
    "hbs": "ђћЂЋ", "mk": "ѓќѕЃЌЅ", "south": "јљњџЈЉЊЏ", "ru": "ыэёЫЭЁ", "uk": "іїєґІЇЄҐ", "hard": "ъЪ",
    "east": "йяющьЙЯЮЩЬ",
}  # fmt: skip


@functools.cache
def _tables() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """For each code point of the basic plane its script (1 and up, 0 for none) and its group (likewise)."""
    scripts, groups = np.zeros(0x10001, np.uint8), np.zeros(0x10001, np.uint8)
    for script, ends in _RANGES:
        scripts[ord(ends[0]) : ord(ends[1]) + 1] = 1 + _SCRIPTS.index(script)
    for number, letters in enumerate(_GROUPS.values(), start=1):
        groups[[ord(letter) for letter in letters]] = number
    return scripts, groups


def _counts(texts: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Letters of each script and of each group by text; shapes (texts, scripts + 1) and (texts, groups + 1)."""
    codes = np.minimum(np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32), 0x10000)
    owner = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    result = []
    for table, size in zip(_tables(), (len(_SCRIPTS) + 1, len(_GROUPS) + 1), strict=True):
        found = np.bincount(owner * size + table[codes], minlength=len(texts) * size)
        result.append(found.reshape(len(texts), size))
    return result[0], result[1]


# -- words ------------------------------------------------------------------------------------------------------------

# Small words that one language has and its neighbours in this list have not; written with and without their marks.
_WORDS_LATIN = {
    "hbs": "će ćemo su koji koja koje koju kojeg kojem kojih kojima kojim kojom šta što nije nisu nisam bio biti"
    " bude budu jer ili gde gdje kada"
    " nakon posle poslije zbog između protiv prema kod tokom tijekom uz ovaj ovo ova ove ovog ovom ovih onaj taj tog"
    " tom toj još sve svih"
    " već više može mogu moraju treba danas juče jučer sada ovde ovdje takođe takodje također bez prije među dok"
    " osim ispred iza"
    " rekao rekla izjavio izjavila kaže navodi dodao dodala saopštio saopštila priopćio godine godinu ljudi osoba"
    " osobe jedan jedna"
    " jednog jednu predsjednik predsjednika predsjednica ministar vijeće veće srpski srpske srpska srpskog hrvatski"
    " hrvatske hrvatska hrvatskoj"
    " srbija srbije srbiji srbiju bosna bosne bosni hrvatskog crna gora crnoj gori crne gore kosovu"
    " bosanski vijesti vesti bih bismo biste jesu nema ima ću ćete neće nego kojoj svi vise moze hoće neko netko"
    " to on ništa nešto nigde nigdje",
    "sl": "in to on biti treba tudi ki kot še lahko ker kjer zaradi več zelo danes vendar oziroma dejal dejala povedal povedala"
    " sporočila sporočil pojasnil niso bodo"
    " bo letos tega temu teh tem njihov sicer zdaj zato vsi vse nekaj kdo kdaj proti brez skoraj če bil nismo nihče"
    " slovenski slovenska slovenske slovenija slovenije sloveniji sloveniji minister ministrica ministrstvo evrov"
    " odstotkov državni včeraj jutri"
    " predvsem želi želijo morajo čez predlog občini oseb oseba osebe ljubljana ljubljani ljubljane hrvaška hrvaške"
    " hrvaški srbska srbski srbske evropska evropske",
    "sq": "dhe në për një që është nga të së më mund kanë nuk janë ka do tha pas edhe ose si kjo këtë tij saj kishte"
    " ishte kur por mes ndaj prej deri"
    " sipas para rreth gjatë shqip shqipëri shqipëria shqipërisë kosovës kosoves kryeministri kryeministër"
    " presidenti policia qeveria"
    " qeverisë qeverise ministri ministria shtet shteti veriu eshte per nje qe te gjate sot dje ky kete atij mos"
    " cilat cili duhet ata ai ajo",
    "en": "the of and to in that is was for with from by at has have had will would been be are were not this which"
    " their his her its said after says"
    " over into amid against new who he she it they but on an as or about before during between could should more than",
}
_WORDS_CYRILLIC = {
    "hbs": "је су ће који која које коју којих којима што шта није нису био била било бити буде или јер где када"
    " након после због између против према"
    " код око током уз овај ово ова ове овог овом тај тог још све већ више може могу треба данас јуче сада такође"
    " пре међу док осим преко рекао"
    " рекла изјавио изјавила каже саопштио година године ју сам смо у са и од се да на за или по до не кад их им"
    " један једна ли сви све никад ништа уочи испред изнад упркос поводом ради председник председника министар влада"
    " владе српски српске",
    "mk": "е на се во од да со за ќе не ги го ја му ја им кој која кои што како дека беше биле бил била има нема"
    " може треба уште веќе меѓу поради според"
    " пред после но или ова овој оваа овие тоа тој таа тие денеска вчера утре сега изјави рече вели посочи владата"
    " претседателот министерот земјата"
    " година години која кое кои по кон низ бидат биде сите само еден една едно македонија македонија скопје"
    " претседател министер",
    "bg": "на се в във със с за че не ще са е от към при като но или това тази този тези беше бяха има няма може"
    " трябва още вече между заради според"
    " след преди които която който което той тя те днес вчера утре сега заяви каза правителството президентът"
    " министърът година години българия"
    " българия софия по до над под без когато където много",
    "ru": "в и на не что с по из к у от это как его её ее их но или для же за до при был была было были будет есть"
    " нет который которая которые"
    " после перед между против также уже еще ещё сегодня вчера завтра заявил заявила сообщил сообщает года год году"
    " со во об россии президент"
    " правительство министр они она он мы вы я которого которому которой которую которых пока того тому этого этой эти ему ей"
    " если чтобы когда где лишь только человек человека людей россия москва москвы москве киев киева",
    "uk": "в і та на не що з із зі по до у від це як його її їх але або для же за при був була було були буде є"
    " немає який яка які після перед між проти"
    " також вже ще сьогодні вчора завтра заявив заявила повідомив року рік щодо україни президент уряд міністр вони"
    " вона він ми ви",
}
_FOLD = str.maketrans("čćšžëç", "ccszec")


def _weights(lists: dict[str, str]) -> dict[str, tuple[tuple[str, float], ...]]:
    """word -> (language, weight): a word of several languages counts little for each."""
    owners: dict[str, set[str]] = {}
    for lang, words in lists.items():
        for word in words.split():
            for form in {word, word.translate(_FOLD)} if len(word) > 3 else {word}:
                owners.setdefault(form, set()).add(lang)
    return {word: tuple((lang, 1.0 if len(langs) == 1 else 0.2) for lang in langs) for word, langs in owners.items()}


_VOTES = {"Latn": _weights(_WORDS_LATIN), "Cyrl": _weights(_WORDS_CYRILLIC)}
_WORD = re.compile(r"[^\W\d_]+")
_NOISE = re.compile(r"https?://\S+|www\.\S+|\S+@\S+|[@#]\w+")
# what tells neighbours apart beyond whole words: prepositions, conjunctions, endings, letters (names in -ić stand in
# any language)
_SIGNS: dict[str, tuple[frozenset[str], tuple[str, ...], tuple[str, ...]]] = {
    "hbs": (frozenset({"i", "u", "su"}), ("ao", "io", "eo", "ima", "ama", "og", "oga", "om", "ome"), ("đ", "ć", "ije")),
    "sl": (
        frozenset({"in", "v", "z", "k", "so", "ni", "pri", "med", "pa", "vse", "vsi", "vseh"}),
        ("ega", "emu", "jo", "ah", "eh", "imi", "ejši", "tev", "al", "el", "il"),
        ("šč", "vč"),
    ),
    "sr": (frozenset({"у", "са", "су", "је"}), ("ом", "ама", "има", "ог", "ије", "ију", "ају", "ују", "ао", "ио"), ()),
    "mk": (
        frozenset({"во", "со", "ги", "го", "врз", "кон"}),
        ("иот", "ата", "ите", "ето", "ото", "вме", "вте", "ува", "уваат", "аат", "еше"),
        (),
    ),
}


def _words(text: str) -> list[str]:
    words: list[str] = []
    for token in text.split():
        if token.isalpha():  # most are
            words.append(token)
        else:
            words += _WORD.findall(token)
    return words


def _is_sign(word: str, lang: str) -> bool:
    small, endings, letters = _SIGNS[lang]
    return word in small or (len(word) > 4 and word.endswith(endings)) or any(part in word[:-1] for part in letters)


@functools.lru_cache(maxsize=20_000)  # news has few words, and uses them often
def _leaning_latin(word: str) -> int:
    return _is_sign(word, "hbs") - _is_sign(word, "sl")


@functools.lru_cache(maxsize=20_000)
def _leaning_cyrillic(word: str) -> int:
    return _is_sign(word, "sr") - _is_sign(word, "mk")


def _votes(words: list[str], script: str, allowed: Collection[str]) -> dict[str, float]:
    table = _VOTES[script]
    votes: dict[str, float] = {}
    for word in filter(table.__contains__, words):
        for lang, weight in table[word]:
            if lang in allowed:
                votes[lang] = votes.get(lang, 0.0) + weight
    return votes


def _clear(votes: dict[str, float], n_words: int) -> str | None:
    """The language for which so many words speak that nothing else need be asked."""
    if not votes:
        return None
    lang = max(votes, key=votes.__getitem__)
    second = max((score for other, score in votes.items() if other != lang), default=0.0)
    first = votes[lang]
    is_dense = first >= 3 and first > 2 * second + 1 and 12 * first >= n_words
    is_alone = first >= 4 and first >= 4 * second and 30 * first >= n_words
    return lang if is_dense or is_alone else None


def _heard(text: str, script: str, allowed: Collection[str]) -> tuple[list[str], dict[str, float], str | None]:
    """The words of a text, their votes for the languages allowed, and the language for which they clearly speak. Of most texts
    the first lines are enough."""
    for part in dict.fromkeys((text[:OPENING], text)):
        words = _words(part.lower())
        votes = _votes(words, script, allowed)
        if clear := _clear(votes, len(words)):
            break
    return words, votes, clear


# -- decisions --------------------------------------------------------------------------------------------------------

# what speaks for a language before a word is read: the outlets are of the region
_PRIOR = {"hbs": 0.1, "mk": 0.6, "sq": 0.5, "sl": 0.0, "en": 0.6, "bg": -0.3, "ru": 0.3}


@functools.cache
def _identifier(langs: tuple[str, ...]) -> "LanguageIdentifier":
    """py3langid for some languages; loaded at first use."""
    if langs:
        identifier = copy.copy(_identifier(()))
        identifier.set_languages(langs)
        return identifier
    folder = Path(__file__).parent / "__pycache__" / f"py3langid-{importlib.metadata.version('py3langid')}"
    if not folder.exists():
        with contextlib.suppress(OSError):  # nothing can be written there, or another process was faster
            _unpack(folder)
    if not folder.exists():
        return _packed()  # that only costs half a second, and memory in each process
    from py3langid.langid import LanguageIdentifier

    array = {path.stem: np.load(path, mmap_mode="r") for path in folder.glob("*.npy")}
    return LanguageIdentifier(
        array["ptc"], array["pc"], array["classes"].tolist(), memoryview(array["nextmove"]), memoryview(array["output"]),
        norm_probs=True, tk_row=array["row"].tolist(),
    )  # fmt: skip


def _packed() -> "LanguageIdentifier":
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _unpack(folder: Path) -> None:
    """Write the model, for the languages that are asked for, as plain arrays which processes share as they lie on disk."""
    model = _packed()
    model.set_languages({*_LATIN, *_CYRILLIC})
    folder.parent.mkdir(parents=True, exist_ok=True)
    for old in folder.parent.glob("py3langid-*"):
        shutil.rmtree(old, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        arrays = {
            "ptc": model.nb_ptc.astype(np.float32), "pc": model.nb_pc, "classes": np.array(model.nb_classes),
            "nextmove": np.asarray(model.tk_nextmove), "row": np.asarray(model.tk_row),
            "output": np.asarray(model.tk_output, np.int32),
        }  # fmt: skip
        for name, array in arrays.items():
            np.save(made / f"{name}.npy", array)
        made.replace(folder)


def _evidence(text: str, langs: tuple[str, ...], votes: dict[str, float]) -> tuple[dict[str, float], float]:
    """(evidence by language, the share of the best language in py3langid's opinion): logarithms of its opinion, plus
    the words."""
    shares: dict[str, float] = {}
    for lang, share in _identifier(langs).rank(text[:GUESSED]):
        lang = "hbs" if lang in _HBS else lang
        shares[lang] = shares.get(lang, 0.0) + share
    total = {
        lang: math.log(max(share, 1e-6)) + 1.2 * votes.get(lang, 0.0) + _PRIOR.get(lang, -0.5) for lang, share in shares.items()
    }
    return total, max(shares.values())


def languages(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """(languages, scripts) of texts, in their order. ISO 639-1, `hbs` or `und`; ISO 15924, `Zyyy` without letters.

    The script is that of most letters; the language is `und` below three letters and where nothing speaks for any
    language.
    """
    if not texts:
        return [], []
    samples = [text[:SAMPLE] for text in texts]
    samples = [_NOISE.sub(" ", text) if "@" in text or "://" in text or "#" in text else text for text in samples]
    by_script, by_group = _counts(samples)
    by_script[:, 0] = 0
    best, total = by_script.argmax(axis=1).tolist(), by_script.sum(axis=1).tolist()
    scripts = [_SCRIPTS[index - 1] if index else NO_SCRIPT for index in best]
    langs = [
        _language(text, script, n, groups)
        for text, script, n, groups in zip(samples, scripts, total, by_group.tolist(), strict=True)
    ]
    return langs, scripts


def _language(text: str, script: str, n_letters: int, counts: list[int]) -> str:
    if n_letters < 3:
        return UNKNOWN
    if script not in _VOTES:
        return _ONE_LANGUAGE.get(script) or {"Arab": "ar", "Hani": "zh"}.get(script, UNKNOWN)
    groups = dict(zip(_GROUPS, counts[1:], strict=True))
    return _cyrillic(text, groups, n_letters) if script == "Cyrl" else _latin(text)


def _cyrillic(text: str, n: dict[str, int], n_letters: int) -> str:
    south, east = n["south"] + n["hbs"] + n["mk"], n["east"] + n["ru"] + n["uk"] + n["hard"]
    # Russian and Ukrainian have letters of their own in every sentence that is not very short
    candidates: tuple[str, ...] = _CYRILLIC if n_letters < 60 else ("sr", "mk", "bg")
    if south > east:
        candidates = ("sr", "mk")
        if n["hbs"] != n["mk"] and min(n["hbs"], n["mk"]) == 0:
            return "hbs" if n["hbs"] else "mk"
    elif east > south:
        candidates = ("bg", "ru", "uk")
        if n["uk"] > n["ru"] + n["hard"]:
            return "uk"
        if n["ru"] > n["uk"]:
            return "ru"
    words, votes, clear = _heard(text, "Cyrl", {"hbs" if lang == "sr" else lang for lang in candidates})
    if clear:
        return clear
    evidence, _ = _evidence(text, candidates, votes)
    if "sr" in candidates:
        signs = sum(map(_leaning_cyrillic, words))
        evidence["mk" if signs > 0 else "hbs"] -= 0.7 * abs(signs)
        evidence["hbs"] += 0.7  # Serbian taken for Macedonian is the worse mistake
    return max(evidence, key=evidence.__getitem__)


def _latin(text: str) -> str:
    words, votes, clear = _heard(text, "Latn", _WORDS_LATIN)
    if clear:
        return clear
    evidence, share = _evidence(text, _LATIN, votes)
    lang, signs = max(evidence, key=evidence.__getitem__), 0
    if lang in {"hbs", "sl"}:
        signs = sum(map(_leaning_latin, words))
        evidence["sl" if signs > 0 else "hbs"] -= 0.7 * abs(signs)
        lang = max(evidence, key=evidence.__getitem__)
    enough = 0.6 if len(words) < 3 else 0.4 if len(words) < 5 and lang not in _WORDS_LATIN else 0.2
    sure = bool(votes.get(lang)) or (lang == "hbs" and signs > 0) or share > enough
    return lang if sure else UNKNOWN
