"""Personal data by rule: what has a form (mail, phone, card) by its form, names and addresses by cue and list."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from understudy._require import require
from understudy.measures.privacy.given_names import GIVEN_NAMES, NO_NAMES

STRUCTURED = ("email", "url", "iban", "card", "ssn", "ip", "phone", "birth_date")
LOOSE = ("address", "name")
KINDS = (*STRUCTURED, *LOOSE)


class Hit(NamedTuple):
    """A stretch of a text, `text[start:end]`, that looks like personal data of that kind."""

    kind: str
    start: int
    end: int


Finder = Callable[[str], tuple[Hit, ...]]

_EMAIL = re.compile(r"[^\s@<>()\[\],;:\"']+\s?@\s?(?:[\w-]+\.)+[^\W\d_]{2,}", re.I)
_SPOKEN_EMAIL = re.compile(r"\b[\w.-]+ (?:at|\(at\)|\[at\]) [\w-]+ (?:dot|\(dot\)|\[dot\]) [a-z]{2,6}\b", re.I)
_URL = re.compile(r"\b(?:https?://|www\.)[^\s<>\"']+[^\s<>\"'.,;:!?)]", re.I)
_IBAN = re.compile(r"\b[a-z]{2}\d{2}(?: ?[a-z0-9]{4}){2,7}(?: ?[a-z0-9]{1,4})?\b", re.I)
_CARD = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")
_SSN = re.compile(
    r"(?<![\d-])\d{3}[- ]\d{2}[- ]\d{4}(?![\d-])|\b[a-ceghj-prstw-z]{2} ?\d{2} ?\d{2} ?\d{2} ?[a-d]\b"
    r"|(?<!\d)[1-9]\d{5}(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])\d{3}[\dxX](?!\d)"
    r"|\b(?:ssn|social security)\D{0,20}\d{9}(?!\d)",
    re.I,
)
_IP4 = re.compile(r"(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d]|\.\d)")
_IP6 = re.compile(r"(?<![\w:])(?:[0-9a-f]{1,4}:){2,7}(?::?[0-9a-f]{1,4}){1,6}(?![\w:])", re.I)
_PHONE = re.compile(r"(?<![\w.,-])(?:\+|00)?\(?\d(?:[ ().\-/]{0,2}\d){6,14}(?![\w])")
_MONTH = r"(?:jan|feb|mar|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez|ene|abr|ago|dic|fév|avr|août|déc)[^\W\d_]*\.?"
_DATE = (
    rf"(?:\d{{1,4}}[-/.]\d{{1,2}}[-/.]\d{{1,4}}|\d{{1,2}}(?:st|nd|rd|th|\.|º)?(?: (?:of|de))? {_MONTH},?(?: de)? "
    rf"\d{{2,4}}"
    rf"|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? \d{{2,4}}|\d{{4}}年\d{{1,2}}月\d{{1,2}}[日号])"
)
_BIRTH = re.compile(
    r"(?:\bborn\b|\bbirth\w*|\bdob\b|\bb-?day\b|\bgeboren\b|\bgeb\.|\bgeburts\w*|\bnée?\b|\bnaissance\b|\bnacid[oa]\b"
    r"|\bnacimiento\b|\bnat[oa]\b|\bnascita\b|生于|出生|生日)[^\d\n]{0,20}?(?P<date>" + _DATE + ")",
    re.I,
)
_STREET = (
    r"(?:street|st|road|rd|avenue|ave|boulevard|blvd|lane|ln|drive|dr|court|ct|place|pl|square|sq|terrace|way|close"
    r"|crescent|highway|hwy|parkway|pkwy|row|grove|hill|walk)"
)
_TOWN = r"(?:,? \d{5}(?: [A-ZÀ-Þ][\w-]+)?)?"
_TAIL = (
    r"(?:,? (?i:apt|apartment|suite|unit|flat|no)\.? ?#?\w{1,5}\b)?"
    r"(?:,? [A-ZÀ-Þ][a-zà-þ][\w'.-]*(?: [A-ZÀ-Þ][a-zà-þ][\w'.-]*)?)?"
    r"(?:,? [A-Z]{2}\b)?(?:,? (?:\d{5}(?:-\d{4})?|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}))?"
)
_FRENCH = r"(?:rue|avenue|boulevard|place|impasse|quai|chemin|allée)"
_SOUTHERN = r"(?:calle|c/|avenida|avda\.|plaza|paseo|via|viale|piazza|corso|rua|travessa)"
_WORD = r"[^\W\d_][\w'.-]*"
_ADDRESSES = (
    re.compile(
        r"(?<![\w.:])\d{1,5}[a-zA-Z]?,? (?:(?i:n|s|e|w|north|south|east|west)\.? )?"
        rf"(?:{_WORD}|\d+(?:st|nd|rd|th))(?: {_WORD}){{0,2}} (?i:{_STREET})\b\.?{_TAIL}"
    ),
    re.compile(
        rf"\b[^\W\d_][\w.-]*(?:stra(?:ß|ss)e|str\.|weg|platz|allee|gasse|straat|laan|gatan)"
        rf" ?\d{{1,4}} ?[a-z]?\b{_TOWN}",
        re.I,
    ),
    re.compile(rf"\b[A-ZÀ-Þ][\w-]+ (?:Stra(?:ß|ss)e|Str\.|Weg|Platz|Allee|Ring) \d{{1,4}} ?[a-z]?\b{_TOWN}"),
    re.compile(
        rf"(?<!\w)(?:\d{{1,4}}(?: ?(?:bis|ter))?,? )?{_FRENCH} (?:(?:de|du|des|la|le|les|d'|l') ?){{0,2}}"
        rf"[^\W\d_][\w'-]*(?: (?-i:[A-ZÀ-Þ])[\w'-]*){{0,2}}(?:,? \d{{1,4}}\b)?{_TOWN}",
        re.I,
    ),
    re.compile(
        rf"\b{_SOUTHERN} (?:(?:de|del|della|dei|la|las|los|da|do) ){{0,2}}"
        rf"{_WORD}(?: (?!n[.º°]){_WORD}){{0,2}},? (?:n[.º°]? ?)?\d{{1,4}}\b{_TOWN}",
        re.I,
    ),
    re.compile(r"\bp\.? ?o\.? box \d{1,6}\b", re.I),
    re.compile(
        r"[\u4e00-\u9fff]{2,10}(?:省|市|区|县)[\u4e00-\u9fff]{1,12}(?:路|街|道|巷|弄)\d{1,5}号?(?:\d{1,4}(?:室|楼|单元))?"
    ),
    re.compile(r"[\u4e00-\u9fff]{1,8}(?:路|街|大道|巷)\d{1,5}号(?:\d{1,4}(?:室|楼|单元))?"),
)
_PART = r"[^\W\d_](?:[^\W\d_]|['’-](?=[^\W\d_]))+"
_BIG = r"(?-i:[A-ZÀ-ÞŁŚŻČŠŽ](?:[^\W\d_]|['’-](?=[^\W\d_]))+)"
_MIDDLE = r"(?:(?-i:[A-Z])\. |(?:van|von|de|der|da|di|del|la|le|bin|al|el|ter) ){0,2}"
_CUE = re.compile(
    r"(?:\bmy (?:full |first |last |real )?name(?: is|['’]s|:)|\bname(?: is|['’]s|:)"
    r"|\bname on the (?:card|account|booking)(?: is|:)"
    r"|\bi am called|\bcall me|\bunder the name(?: of)?|\b(?:ich heiße|mein name ist|je m['’]appelle|mon nom est"
    r"|me llamo|mi nombre es|mi chiamo|il mio nome è|meu nome é|jag heter|mijn naam is|nazywam się|меня зовут))\s+"
    rf"(?P<name>{_PART}(?: {_MIDDLE}{_PART}){{0,2}})",
    re.I,
)
_WEAK_CUE = re.compile(
    rf"\b(?:i['’]?m|i am|this is|it['’]s|speak(?:ing)? (?:to|with)|ask for"
    r"|regards,?|sincerely,?|love,|signed,?|dear|hi|hello|hey"
    rf"|sr\.?|señora?|monsieur|madame|herrn?|frau|signora?"
    r"|contact|friend|wife|husband|son|daughter|brother|sister|boss|colleague|doctor)\s+"
    rf"(?P<name>{_BIG}(?: {_MIDDLE}{_BIG}){{0,2}})",
    re.I,
)
_TITLE = re.compile(
    r"\b(?:mr|mrs|ms|miss|dr|prof|professor|sir|madam|mme|mlle|don|doña)\b\.? "
    rf"(?P<name>{_PART}(?: {_MIDDLE}{_BIG}){{0,2}})",
    re.I,
)
_PAIR = re.compile(rf"\b(?P<name>{_BIG}(?: {_MIDDLE}{_BIG}){{1,2}})")
_CHINESE_NAME = re.compile(
    r"(?:我叫|我的名字是|我的名字叫|名叫|姓名[:：]?|联系人[:：]?)\s*(?P<name>[\u4e00-\u9fff]{2,4}?)(?=[,，。.!！?？、\s]|$|的|是|电)"
)


def luhn(digits: str) -> bool:
    """Does a card number check? ISO/IEC 7812-1.

    >>> luhn("4111111111111111"), luhn("4111111111111112")
    (True, False)
    """
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 * (value > 9)
    return total % 10 == 0


def iban_checks(text: str) -> bool:
    """Does an account number check? ISO 13616, remainder 1 modulo 97.

    >>> iban_checks("GB82 WEST 1234 5698 7654 32"), iban_checks("GB82 WEST 1234 5698 7654 33")
    (True, False)
    """
    plain = re.sub(r"\s", "", text).upper()
    if not 15 <= len(plain) <= 34:
        return False
    turned = plain[4:] + plain[:4]
    return int("".join(str(int(letter, 36)) for letter in turned)) % 97 == 1


def _ibans(text: str) -> list[tuple[int, int]]:
    """An account number may run into the word behind it: the longest beginning that checks."""
    found = []
    for match in _IBAN.finditer(text):
        for end in range(match.end(), match.start() + 14, -1):
            if (end == len(text) or not text[end].isalnum()) and iban_checks(text[match.start() : end]):
                found.append((match.start(), end))
                break
    return found


def _cards(text: str) -> list[tuple[int, int]]:
    return [m.span() for m in _CARD.finditer(text) if luhn(re.sub(r"\D", "", m[0]))]


def _phones(text: str) -> list[tuple[int, int]]:
    """Seven to fifteen digits, grouped as numbers are dialled; no date, no time, no plain amount."""
    found = []
    for match in _PHONE.finditer(text):
        shown, digits = match[0], re.sub(r"\D", "", match[0])
        if not 7 <= len(digits) <= 15 or re.fullmatch(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}", shown.strip()):
            continue
        if re.fullmatch(r"(?:19|20)\d\d ?[-–/ ]? ?(?:19|20)\d\d", shown):  # two years
            continue
        found.append(match.span())
    return found


def _spans(pattern: re.Pattern[str], text: str, group: str | int = 0) -> list[tuple[int, int]]:
    return [match.span(group) for match in pattern.finditer(text)]


def _trimmed(text: str, start: int, end: int) -> tuple[int, int] | None:
    """A name without the words behind it (or before it) that are none."""
    kept = start
    for word in re.finditer(r"\S+", text[start:end]):
        if word[0].strip(".,").lower() in NO_NAMES:
            break
        kept = start + word.end()
    return (start, kept) if kept > start else None


def _names(text: str) -> list[tuple[int, int]]:
    found = [_trimmed(text, *match.span("name")) for match in _CUE.finditer(text)]
    for match in _TITLE.finditer(text):
        found.append(_trimmed(text, *match.span("name")))
    found += [match.span("name") for match in _CHINESE_NAME.finditer(text)]
    for match in _WEAK_CUE.finditer(text):
        found.append(_trimmed(text, *match.span("name")))
    for match in _PAIR.finditer(text):
        words = list(re.finditer(r"\S+", match[0]))
        for place, word in enumerate(words):
            if word[0].lower() in GIVEN_NAMES and word[0].lower() not in NO_NAMES:
                alone = place + 1 == len(words) and place and words[place - 1][0].lower() not in NO_NAMES
                first = words[place - 1] if alone else word
                found.append(_trimmed(text, match.start() + first.start(), match.end()))
                break
    for match in re.finditer(_BIG, text):
        if match[0].lower() in GIVEN_NAMES and match[0].lower() not in NO_NAMES:
            found.append(match.span())
    return [span for span in found if span is not None]


def find_pii(text: str) -> tuple[Hit, ...]:
    """What in `text` looks like personal data? Hits in order, without overlap; a form with a check wins.

    Cards are those that pass Luhn's check, account numbers those that are 1 modulo 97, dates those said to be of
    birth. Names come from cues ("my name is", titles) in several languages and from a list of common given names;
    addresses from the words for streets. Rules miss what nobody thought of: finding nothing is no proof.

    >>> text = "I'm Maria Lopez, maria.l@example.org, card 4111 1111 1111 1111, 12 Oak Street"
    >>> [(hit.kind, text[hit.start:hit.end]) for hit in find_pii(text)]
    [('name', 'Maria Lopez'), ('email', 'maria.l@example.org'), ('card', '4111 1111 1111 1111'),
    ('address', '12 Oak Street')]
    """
    found: list[Hit] = []
    sources: list[tuple[str, list[tuple[int, int]]]] = [
        ("email", _spans(_EMAIL, text) + (_spans(_SPOKEN_EMAIL, text) if "dot" in text.lower() else [])),
        ("url", _spans(_URL, text)),
    ]
    if any(letter.isdigit() for letter in text):
        sources += [
            ("iban", _ibans(text)),
            ("ssn", _spans(_SSN, text)),
            ("card", _cards(text)),
            ("birth_date", _spans(_BIRTH, text, "date")),
            ("ip", _spans(_IP4, text) + _spans(_IP6, text)),
            ("phone", _phones(text)),
            ("address", [span for pattern in _ADDRESSES for span in _spans(pattern, text)]),
        ]
    sources.append(("name", _names(text)))
    for kind, ranges in sources:
        for start, end in sorted(ranges, key=lambda r: (r[0] - r[1], r[0])):
            if all(end <= hit.start or start >= hit.end for hit in found):
                found.append(Hit(kind, start, end))
    return tuple(sorted(found, key=lambda hit: hit.start))


def presidio_finder(language: str = "en", *, least: float = 0.4) -> Finder:
    """The same with Presidio's analyser (extra `presidio`), which brings models for names; kinds by our words."""
    analyzer = require("presidio_analyzer", extra="presidio", purpose="finding personal data with models")
    engine = analyzer.AnalyzerEngine()
    kinds = {
        "EMAIL_ADDRESS": "email", "URL": "url", "IBAN_CODE": "iban", "CREDIT_CARD": "card", "US_SSN": "ssn",
        "UK_NINO": "ssn", "IP_ADDRESS": "ip", "PHONE_NUMBER": "phone", "DATE_TIME": "birth_date",
        "LOCATION": "address", "PERSON": "name",
    }  # fmt: skip

    def find(text: str) -> tuple[Hit, ...]:
        found = engine.analyze(text=text, language=language)
        hits = [Hit(kinds[r.entity_type], r.start, r.end) for r in found if r.entity_type in kinds and r.score >= least]
        kept: list[Hit] = []
        for hit in sorted(hits, key=lambda h: (h.start - h.end, h.start)):
            if all(hit.end <= other.start or hit.start >= other.end for other in kept):
                kept.append(hit)
        return tuple(sorted(kept, key=lambda h: h.start))

    return find


def redact(text: str, hits: tuple[Hit, ...]) -> str:
    """`text` with each hit replaced by its kind.

    >>> redact("mail ann@example.org now", find_pii("mail ann@example.org now"))
    'mail [EMAIL] now'
    """
    out, at = [], 0
    for hit in hits:
        out += [text[at : hit.start], f"[{hit.kind.upper()}]"]
        at = hit.end
    return "".join([*out, text[at:]])
