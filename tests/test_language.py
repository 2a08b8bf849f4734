"""Languages of headlines and sentences, all written for this test."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.language import languages, normalise_lang

HEADLINES = {
    "hbs": [
        "Vlada odobrila novi zakon o bezbednosti",
        "Predsednik Srbije razgovarao sa šefom NATO",
        "Hrvatska uvodi kontrole na granici",
        "Policija uhapsila pet osoba u Mostaru",
        "Kurti odbio predlog Evropske unije",
        "Sutra sastanak u Briselu",
        "Dodik: Nema predaje",
        "Vojska se vraća kući",
        "Premijer podnio ostavku nakon prosvjeda",
        "Влада усвојила буџет за одбрану",
        "Полиција ухапсила осумњичене у Новом Саду",
        "Вучић: Сутра обраћање нацији",
        "Састанак министара у Београду",
        "Нема предаје, каже Додик",
        "Општина Штрпце без струје",
        "Crna Gora bira predsjednika",
        "Sud odlucio: Optuznica se ukida",
        "Ministar spoljnih poslova u poseti Moskvi",
        "Sastanak lidera regiona u Tirani",
        "Na Kosovu mirno, KFOR pojačao patrole",
    ],
    "mk": [
        "Владата го усвои буџетот за одбрана",
        "Полицијата уапси пет лица во Скопје",
        "Претседателот ќе се обрати утре",
        "Нови мерки за безбедноста на границата",
        "Ковачевски на состанок во Брисел",
        "Собранието ги прифати уставните измени",
        "Опозицијата бара предвремени избори",
        "Министрите се сретнаа во Охрид",
        "НАТО со нова мисија на Косово",
        "Граѓаните протестираа пред Владата",
    ],
    "sl": [
        "Vlada potrdila nov zakon o obrambi",
        "Policija prijela pet oseb v Ljubljani",
        "Predsednica države v Beogradu",
        "Slovenija podaljšala nadzor na meji",
        "Vojaki odhajajo na Kosovo",
        "Minister odstopil po očitkih",
        "V Bruslju jutri novo srečanje",
        "Nato krepi prisotnost na Balkanu",
        "Golob: Ne bomo popustili",
        "Evropska komisija pripravlja nov predlog",
    ],
    "sq": [
        "Qeveria miratoi ligjin e ri",
        "Policia arreston pesë persona në Mitrovicë",
        "Kurti takohet me Vuçiqin në Bruksel",
        "Presidentja viziton trupat e KFOR-it",
        "Zgjedhje të parakohshme në maj",
        "Rama: Nuk ka marrëveshje",
        "NATO shton trupat në veri",
        "Serbia ngre gatishmërinë e ushtrisë",
        "Ministrja jep dorëheqjen",
        "Shqiperia dergon ndihma ne Turqi",
    ],
    "en": [
        "Government approves new defence law",
        "Police arrest five in Mitrovica",
        "Kurti meets Vucic in Brussels",
        "NATO sends more troops to Kosovo",
        "Serbia raises army alert",
        "Minister resigns after protests",
        "Early elections called in Bulgaria",
        "Drone attack kills three soldiers",
        "The Mueller investigation failed",
        "EU leaders meet in Tirana",
    ],
    "ru": [
        "Правительство одобрило новый закон",
        "Полиция задержала пять человек",
        "Президент выступит завтра",
        "Сербия подняла армию по тревоге",
        "НАТО отправит войска в Косово",
        "Министр подал в отставку",
        "Переговоры прошли в Брюсселе",
        "Россия и Сербия подписали договор",
    ],
    "uk": [
        "Уряд ухвалив новий закон про оборону",
        "Поліція затримала п'ятьох осіб",
        "Президент виступить із заявою завтра",
        "Сербія привела армію в готовність",
        "НАТО відправить війська до Косова",
        "Міністр подав у відставку",
        "Переговори відбулися у Брюсселі",
        "Україна отримала нову допомогу",
    ],
    "bg": [
        "Правителството прие нов закон за отбраната",
        "Полицията арестува петима в София",
        "Президентът ще говори утре",
        "Сърбия вдигна армията по тревога",
        "НАТО изпраща още войски в Косово",
        "Министърът подаде оставка",
        "България и Северна Македония подписаха споразумение",
        "Преговорите продължават в Брюксел",
    ],
    "de": [
        "Regierung beschließt neues Gesetz",
        "Polizei nimmt fünf Personen fest",
        "Kurti trifft Vucic in Brüssel",
        "Nato schickt mehr Soldaten ins Kosovo",
        "Serbien versetzt Armee in Alarmbereitschaft",
        "Minister tritt nach Protesten zurück",
        "Neuwahlen in Bulgarien ausgerufen",
        "Der Präsident spricht am Montag",
    ],
    "tr": [
        "Hükümet yeni yasayı onayladı",
        "Polis beş kişiyi gözaltına aldı",
        "Erdoğan Belgrad'da Vučić ile görüştü",
        "NATO Kosova'ya asker gönderiyor",
        "Sırbistan ordusu alarma geçti",
        "Bakan protestoların ardından istifa etti",
        "Bulgaristan'da erken seçim kararı",
        "Cumhurbaşkanı yarın konuşacak",
    ],
    "el": [
        "Η κυβέρνηση ενέκρινε τον νέο νόμο",
    ],
    "ro": [
        "Guvernul a aprobat noua lege a apărării",
    ],
    "hu": [
        "A kormány elfogadta az új törvényt",
    ],
    "it": [
        "Il governo approva la nuova legge sulla difesa",
    ],
    "fr": [
        "Le gouvernement adopte une nouvelle loi",
    ],
    "es": [
        "El gobierno aprueba una nueva ley de defensa",
    ],
    "pl": [
        "Rząd przyjął nową ustawę o obronności",
    ],
    "cs": [
        "Vláda schválila nový zákon o obraně",
    ],
    "sk": [
        "Vláda schválila nový zákon o obrane štátu",
    ],
    "und": [
        "",
        "12.11.2023",
        "!!!",
        "ab",
        "NATO",
        "?? 5",
    ],
}
SENTENCES = {
    "hbs": [
        "Predsednica parlamenta rekla je da će se o sporazumu glasati tek kada sve stranke dostave svoje primedbe.",
        "Прича о споразуму није завршена, јер ће се о њему гласати тек када све странке доставе своје примедбе.",
        "Općinsko vijeće odbilo je prijedlog jer u proračunu nema novca za obnovu ceste.",
        "Sud je odlucio da pritvor bude produzen za jos dva meseca.",
        "У Београду и Нишу биће одржани скупови подршке студентима.",
        "Zastupnici su nakon cjelodnevne rasprave izglasali izmjene zakona o vojnoj službi.",
    ],
    "mk": [
        "Претседателката на Собранието рече дека за договорот ќе се гласа дури кога сите партии ќе ги достават забелешките.",
        "Советот го одби предлогот бидејќи во буџетот нема пари за патот.",
        "Судот одлучи притворот да биде продолжен за уште два месеца.",
        "Во Битола и Прилеп утре ќе има собири за поддршка на студентите.",
    ],
    "sl": [
        "Predsednica parlamenta je povedala, da bodo o sporazumu glasovali šele, ko bodo vse stranke poslale pripombe.",
        "Občinski svet je zavrnil predlog, ker v proračunu ni denarja za obnovo ceste.",
        "Sodišče je odločilo, da se pripor podaljša še za dva meseca.",
        "Poslanci so po celodnevni razpravi sprejeli spremembe zakona, Vučić pa je odločitev v Beogradu ostro kritiziral.",
    ],
    "sq": [
        "Kryetarja e kuvendit tha se për marrëveshjen do të votohet vetëm kur të gjitha partitë t'i dërgojnë vërejtjet.",
        "Keshilli komunal e refuzoi propozimin sepse ne buxhet nuk ka para per rrugen.",
        "Gjykata vendosi që paraburgimi të vazhdohet edhe për dy muaj.",
        "Deputetët miratuan pas një debati të gjatë ndryshimet e ligjit për ushtrinë.",
    ],
    "en": [
        "The speaker of parliament said a vote on the agreement would only be held once all parties had sent their remarks.",
        "The municipal council rejected the proposal because there is no money in the budget for the road.",
        "Aleksandar Vučić and Albin Kurti did not shake hands in Brussels, diplomats said.",
        "Milorad Dodik's party said it would boycott the session of the House of Peoples.",
    ],
    "ru": [
        "Председатель парламента заявила, что голосование по соглашению пройдет только после получения замечаний всех партий.",
        "Суд постановил продлить арест ещё на два месяца.",
        "По словам министра, денег на ремонт дороги в бюджете нет.",
        "Депутаты после долгих споров приняли поправки к закону о воинской службе.",
    ],
    "uk": [
        "Голова парламенту заявила, що голосування щодо угоди відбудеться лише після отримання зауважень усіх партій.",
        "Суд ухвалив продовжити арешт ще на два місяці.",
        "За словами міністра, грошей на ремонт дороги в бюджеті немає.",
        "Депутати після довгих суперечок прийняли зміни до закону про військову службу.",
    ],
    "bg": [
        "Председателят на парламента заяви, че по споразумението ще се гласува.",
        "Съдът реши арестът да бъде удължен с още два месеца.",
        "По думите на министъра в бюджета няма пари за ремонта на пътя.",
        "Депутатите приеха след дълъг дебат промените в закона за военната служба.",
    ],
    "de": [
        "Die Präsidentin des Parlaments sagte, über das Abkommen werde erst abgestimmt, wenn alle Parteien sich geäußert haben.",
        "Das Gericht entschied, die Untersuchungshaft um zwei Monate zu verlängern.",
        "Laut Minister ist im Haushalt kein Geld für die Straße.",
    ],
    "tr": [
        "Meclis başkanı, anlaşmanın ancak bütün partiler görüşlerini gönderdikten sonra oylanacağını söyledi.",
        "Mahkeme tutukluluğun iki ay daha uzatılmasına karar verdi.",
        "Bakana göre bütçede yolun onarımı için para yok.",
    ],
}
CASES = [(lang, text) for group in (HEADLINES, SENTENCES) for lang, texts in group.items() for text in texts]


@pytest.mark.parametrize("lang", sorted({lang for lang, _ in CASES}))
def test_language(lang: str) -> None:
    texts = [text for wanted, text in CASES if wanted == lang]
    found, _ = languages(texts)
    assert [text for text, got in zip(texts, found, strict=True) if got != lang] == []


def test_scripts() -> None:
    texts = ["Vlada", "Влада", "Η κυβέρνηση", "2023!", "", "KFOR и НАТО у Звечану", "ישראל", "政府"]
    assert languages(texts)[1] == ["Latn", "Cyrl", "Grek", "Zyyy", "Zyyy", "Cyrl", "Hebr", "Hani"]


def test_serbian_is_never_macedonian() -> None:
    """One letter that only Serbian has decides, whatever the words look like."""
    assert languages(["Ћирић на НАТО", "Никола Ђорђевић, Скопје", "Македонија: посета Вучића"])[0] == ["hbs"] * 3


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=60), max_size=8))
def test_texts_are_judged_one_by_one(texts: list[str]) -> None:
    langs, scripts = languages(texts)
    assert [languages([text]) for text in texts] == [([lang], [script]) for lang, script in zip(langs, scripts, strict=True)]


@pytest.mark.parametrize(
    ("code", "want"),
    [
        *((code, "hbs") for code in ("sr", "hr", "bs", "sh", "cnr", "sr-Latn", "sr_RS", "hr-HR", "SR-cyrl-rs", "srp", "hbs")),
        *((code, "en") for code in ("en", "en-US", "en_GB", "ENG", " en ")),
        *((code, "und") for code in ("", "xx", "mul", "x-default", "12", None)),
        *(("mk-MK", "mk"), ("sqi", "sq"), ("sl-SI", "sl"), ("uk", "uk"), ("alb", "sq")),
    ],
)
def test_normalise_lang(code: str | None, want: str) -> None:
    assert normalise_lang(code) == want


def test_it_is_fast_enough() -> None:
    """At least 2,000 short texts a second even on a busy machine; ten times that is usual."""
    texts = [text for _, text in CASES] * 20
    languages(texts[:200])
    started = time.perf_counter()
    languages(texts)
    assert len(texts) / (time.perf_counter() - started) > 2_000
