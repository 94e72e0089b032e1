"""Seeded sentences with personal data in known places: what a redactor finds of it can be counted.

The names and streets here were written apart from the lists in `measures/privacy`; about a third of the given names
and all surnames are in no list there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from understudy.measures.privacy.pii import KINDS, Finder, iban_checks, luhn
from understudy.seeds import stream

_GIVEN = """
Oluwaseun Siobhan Thandiwe Priya Maria John Wei Fatou Anneliese Giulia Pedro Sofia Mohammed Olga Ifeoma Lars
Kwame Ingeborg James Emma Lakshmi Rosario Tomás Katarzyna Deshawn Mairead Hiroshi Beatriz Gustav Aoife Michael
Sarah Nkechi Zbigniew Chloe David Anders Yetunde Carlos Helga Laura Robert Jennifer Daniel Anna Thomas
"""

_FAMILY = """
Adeyemi O'Connell Nkosi Raghunathan Gonzalez Whitfield Zhou Diallo Baumgartner Esposito Carvalho Petrov Haddad
Kuznetsova Lindqvist Mensah Thornbury Villanueva Kowalczyk Washington Gallagher Tanaka Ferreira Holmgren
Brennan Fitzgerald Chukwu Nowak Marchetti Dubois Okafor Jensen Rivera Schmidt-Braun Castellano Hughes Patel
"""

_PLACES = ("Maple", "Kingsbridge", "Ocean View", "42nd", "Birchwood", "St James", "Lincoln", "Elm", "Mill", "Queen's")
_NAMES = (
    "my name is {}", "My name's {}.", "Hi, I'm {} and I need help", "this is {} calling about the order",
    "it is booked under the name {}", "please speak to {} in billing", "Regards, {}", "Dr. {} told me to call",
    "Mr. {} will pick it up", "I am {}, a student", "my wife {} has the ticket", "name: {}", "call me {} please",
    "you can ask for {} at the desk", "thanks, {} here", "the room is for {} and two children", "yo me llamo {}",
    "Ich heiße {} und brauche Hilfe", "je m'appelle {}", "mi chiamo {}", "please send it to {}, thank you",
)  # fmt: skip
_FRAMES: dict[str, tuple[str, ...]] = {
    "email": ("write to {} please", "my mail is {}.", "({})",
        "E-Mail: {}", "it's {}, thanks"),
    "url": ("see {} for details", "I found it on {}.", "link: {}", "the page ({}) is down"),
    "iban": ("my IBAN is {}", "Konto {} bitte", "transfer to {}, please", "from account {}."),
    "card": ("my card is {}", "card number: {}.", "charge {} please", "{} exp 04/29"),
    "ssn": ("my social is {}", "SSN {}.", "id number {} ok?", "it is {}"),
    "ip": ("my address is {}", "server {} times out", "ping {}.", "from {} since noon"),
    "phone": ("call me at {}", "my number is {}.", "phone: {}", "Tel. {}", "reach me on {} after six", "{} is my cell"),
    "birth_date": ("I was born on {}", "dob {}", "date of birth: {}.", "my birthday is {}", "geboren am {}",
    "né le {}"),
    "address": (
        "I live at {}", "ship it to {} please", "my address is {}.", "pick me up from {} at 8", "Adresse: {}", "{}",
    ),
    "name": _NAMES,
}  # fmt: skip


class Marked(NamedTuple):
    """A sentence with one piece of personal data at `text[start:end]`."""

    text: str
    kind: str
    start: int
    end: int


def _digits(rng: np.random.Generator, count: int) -> str:
    return "".join(str(rng.integers(10)) for _ in range(count))


def _pick(rng: np.random.Generator, bank: Sequence[str]) -> str:
    return bank[int(rng.integers(len(bank)))]


def _email(rng: np.random.Generator) -> str:
    first, last = _pick(rng, _GIVEN.split()).lower(), _pick(rng, _FAMILY.split()).lower().replace("'", "")
    name = _pick(rng, (f"{first}.{last}", f"{first[0]}{last}{_digits(rng, 2)}", f"{last}_{first}+shop", first))
    return f"{name}@{_pick(rng, ('example.org', 'mail.example.co.uk', 'firma-web.de', 'uni.edu', 'EXAMPLE.COM'))}"


def _url(rng: np.random.Generator) -> str:
    host = _pick(rng, ("www.example.org", "https://example.com", "http://shop.example.de", "https://a.b.example.fr"))
    return f"{host}{_pick(rng, ('', '/u/4711', '/profile?id=83&x=1', '/~anna/index.html'))}"


def _iban(rng: np.random.Generator) -> str:
    country, length = (("DE", 18), ("FR", 23), ("ES", 20), ("IT", 23), ("NL", 14))[int(rng.integers(5))]
    body = ("ABNA" + _digits(rng, 10)) if country == "NL" else _digits(rng, length)
    plain = next(t for t in (f"{country}{check:02d}{body}" for check in range(2, 99)) if iban_checks(t))
    return plain if rng.random() < 0.5 else " ".join(plain[k : k + 4] for k in range(0, len(plain), 4))


def _card(rng: np.random.Generator) -> str:
    body = _pick(rng, ("4", "51", "55", "2221", "6011")) + _digits(rng, 15)
    body = body[:15]
    plain = next(body + str(k) for k in range(10) if luhn(body + str(k)))
    mark = _pick(rng, ("", " ", "-"))
    return mark.join(plain[k : k + 4] for k in range(0, 16, 4))


def _ssn(rng: np.random.Generator) -> str:
    us = f"{_digits(rng, 3)}-{_digits(rng, 2)}-{_digits(rng, 4)}"
    uk = f"AB {_digits(rng, 2)} {_digits(rng, 2)} {_digits(rng, 2)} C"
    china = f"11010519{rng.integers(49, 99)}0{rng.integers(1, 10)}1{rng.integers(10)}{_digits(rng, 3)}X"
    return _pick(rng, (us, us.replace("-", " "), uk, uk.replace(" ", ""), china))


def _ip(rng: np.random.Generator) -> str:
    four = ".".join(str(rng.integers(1, 255)) for _ in range(4))
    six = ":".join(f"{rng.integers(1, 65535):x}" for _ in range(8))
    return _pick(rng, (four, four, six, "2001:db8::" + f"{rng.integers(1, 65535):x}"))


def _phone(rng: np.random.Generator) -> str:
    a, b, c = _digits(rng, 3), _digits(rng, 3), _digits(rng, 4)
    shapes = (
        f"({a}) {b}-{c}", f"{a}-{b}-{c}", f"{a}.{b}.{c}", f"+1 {a} {b} {c}", f"+44 20 7{a} {c}",
        f"07{a[:2]}{b} {c[:3]}{b}",
        f"+49 (0)30 {c}{b}", f"0{a}/{b}{c}", f"+33 6 {a[:2]} {b[:2]} {c[:2]} {c[2:]}", f"+34 6{a[:2]} {b} {c[:3]}",
        f"+86 138 {c} {c}", f"138{a}{b}{a[:2]}", f"{a}{b}{c}", f"0{a[:2]} {b} {c[:2]} {c[2:]}",
    )  # fmt: skip
    return _pick(rng, shapes)


def _birth_date(rng: np.random.Generator) -> str:
    day, month, year = int(rng.integers(1, 29)), int(rng.integers(1, 13)), int(rng.integers(1940, 2010))
    word = _pick(rng, ("January", "March", "June", "Oct.", "december", "Mai"))
    shapes = (
        f"{day:02d}/{month:02d}/{year}", f"{year}-{month:02d}-{day:02d}", f"{day}.{month}.{year}",
        f"{day} {word} {year}",
        f"{word} {day}, {year}", f"{word} {day}th {year}", f"{month}/{day}/{year % 100:02d}",
    )  # fmt: skip
    return _pick(rng, shapes)


def _address(rng: np.random.Generator) -> str:
    number, place = int(rng.integers(1, 3000)), _pick(rng, _PLACES)
    kind = _pick(rng, ("Street", "St", "Avenue", "Rd.", "Lane", "Drive", "Blvd", "Court"))
    code = _digits(rng, 5)
    shapes = (
        f"{number} {place} {kind}", f"{number} {place} {kind}, Springfield, IL {code}",
        f"{number} {place} {kind} Apt 4B",
        f"{number % 90 + 1} {place} {kind}, Leeds LS1 4AP", f"Goethestraße {number % 200 + 1}, {code} Weimar",
        f"Lange Straße {number % 200 + 1}", f"{number % 99 + 1} rue de la Paix, {code} Lyon",
        f"{number % 99 + 1}, avenue Foch",
        f"Calle Mayor {number % 99 + 1}, {code} Madrid", f"via Garibaldi {number % 99 + 1}", f"P.O. Box {number}",
        f"Rua das Flores, {number % 300 + 1}", f"北京市海淀区中关村大街{number % 300 + 1}号",
        f"{number} {place.lower()} {kind.lower()}",
    )  # fmt: skip
    return _pick(rng, shapes)


def _name(rng: np.random.Generator) -> str:
    first, last = _pick(rng, _GIVEN.split()), _pick(rng, _FAMILY.split())
    return _pick(
        rng, (f"{first} {last}", f"{first} {last}", first, f"{first} {_pick(rng, ('van', 'J.', 'de'))} {last}")
    )


_MAKERS: dict[str, Callable[[np.random.Generator], str]] = {
    "email": _email, "url": _url, "iban": _iban, "card": _card, "ssn": _ssn, "ip": _ip, "phone": _phone,
    "birth_date": _birth_date, "address": _address, "name": _name,
}  # fmt: skip


def marked_sentences(each: int = 300, *, seed: int = 0) -> list[Marked]:
    """`each` sentences of every kind, in the formats of several countries.

    >>> [one.text[one.start:one.end] for one in marked_sentences(1)][:2]
    ['mzhou16@EXAMPLE.COM', 'https://example.com/~anna/index.html']
    """
    made = []
    for kind in KINDS:
        for k in range(each):
            rng = stream(seed, "personal data", kind, k)
            value, frame = _MAKERS[kind](rng), _pick(rng, _FRAMES[kind])
            start = frame.index("{}")
            made.append(Marked(frame.replace("{}", value), kind, start, start + len(value)))
    return made


def recall(finder: Finder, sentences: Sequence[Marked]) -> dict[str, tuple[int, int]]:
    """Of each kind: how many pieces are covered whole by what `finder` finds (of any kind), and how many there are.

    A piece counts when all its letters and digits lie inside hits, however those are named: what matters to the
    person is that it is gone.
    """
    counted: dict[str, tuple[int, int]] = {}
    for one in sentences:
        covered = {place for hit in finder(one.text) for place in range(hit.start, hit.end)}
        whole = all(place in covered for place in range(one.start, one.end) if one.text[place].isalnum())
        found, all_of_them = counted.get(one.kind, (0, 0))
        counted[one.kind] = (found + whole, all_of_them + 1)
    return counted
