"""One offline page from a report: a pure function, so the same report gives the same bytes."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

from understudy.measures.measurement import Counts, Measurement
from understudy.reports.chapters import chapters_of, panelled
from understudy.reports.findings import too_few
from understudy.reports.verdicts import FURTHEST, QUESTIONS, Verdict, family_title
from understudy.reports.views import Section, section_of, sizes_of, unscored_rows
from understudy.reports.wording import family_of, number, title_of, words

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

    from understudy.reports.report import Example, Report

MOST_CHARACTERS = 3_000_000
LONGEST_TURN = 2_000
MOST_TURNS = 80
MARKUP_A_TURN = 120
STATUS = {
    "told_apart": "Told apart",
    "not_told_apart": "Not told apart",
    "measured": "Measured",
    "alarm": "False progress",
    "descriptive": "Descriptive only",
    "unscored": "Could not be answered",
    "not_asked": "Not asked",
}
# Control characters are no part of HTML, and overrides of writing direction could make a text look like another.
_UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
_OPTION = re.compile(r"(?<!\S)--[a-z][a-z-]+(?: \d+)?")
_NEVER_FETCH = "default-src 'none'; base-uri 'none'; form-action 'none'"


class Side(NamedTuple):
    """One corpus as the masthead names it."""

    side: str
    noun: str
    source: str
    sizes: Sequence[tuple[str, str]]


class Line(NamedTuple):
    """One turn of a transcript; `cut` counts the characters left out."""

    role: str
    text: str
    label: str
    cut: int


class Transcript(NamedTuple):
    """One conversation to read."""

    id: str
    facts: tuple[str, ...]
    lines: tuple[Line, ...]
    left_out: int
    ending: str


class Shelf(NamedTuple):
    """The transcripts of a side that fit on the page, and how many the report holds."""

    side: str
    noun: str
    transcripts: tuple[Transcript, ...]
    held: int


class Page(NamedTuple):
    """What a page is, and the question at its head, which ends with people."""

    title: str
    asks: str
    of_people: str


AUDIT = Page("Audit of synthetic users", "Will what works on them", "work on people?")
PAGES = {  # where one question alone was asked
    "rank": Page("Ranking by simulated users", "Do simulated users order systems", "as people do?"),
    "train": Page("Training on synthetic users", "Will a model trained on them", "work on people?"),
    "carry": Page("What synthetic users carry", "What else do they carry", "to models and people?"),
}


def render_html(report: Report) -> str:
    """The page of a report: one file, nothing fetched, all text escaped.

    Style and the small script stand under hashes in a content security policy that allows nothing else. Text that
    a browser must not see as it is (control characters, overrides of direction) is shown as U+FFFD. Transcripts
    are cut to a fixed budget, so that the page stays under 10 MB whatever the report holds.

    >>> from understudy.reports.report import make_report
    >>> page = render_html(make_report([]))
    >>> page.startswith("<!doctype html>"), "://" in page
    (True, False)
    """
    from markupsafe import Markup

    style, script = _file("report.css") + _file("panels.css"), _file("report.js")
    looks: dict[str, list[Measurement]] = {}
    for m in report.headlines:
        if m.spec.question == "real":
            looks.setdefault(family_of(m), []).append(m)
    few = {name: too_few(members) for name, members in looks.items()}
    own = [m for m in report.headlines if m.status == "scored" and not panelled(m)]
    sections = [section_of(m, report.parts_of(m), few.get(family_of(m))) for m in own]
    families = list(map(family_of, own))
    headings = {
        sections[families.index(family)].anchor: family_title(
            family, [m for m in report.headlines if family_of(m) == family]
        )
        for family in (families if len(set(families)) > 1 else ())
    }
    verdicts = [report.verdicts[q] for q in QUESTIONS if q in report.verdicts]
    asked = [v.question for v in verdicts if v.status != "not_asked"]
    context: dict[str, Any] = {
        "style": Markup(style),
        "script": Markup(script),
        "policy": f"{_NEVER_FETCH}; style-src '{_hash(style)}'; script-src '{_hash(script)}'",
        "page": PAGES.get(asked[0], AUDIT) if len(asked) == 1 else AUDIT,
        "sides": _sides(report),
        "answered": [_told(v) for v in verdicts if v.status != "not_asked"],
        "silent": [QUESTIONS[v.question] for v in verdicts if v.status == "not_asked"],
        "sections": sections,
        "headings": headings,
        "first": QUESTIONS["real"],
        "chapters": chapters_of(report.headlines, {m.name: report.parts_of(m) for m in report.headlines}),
        "unscored": unscored_rows(report.measurements),
        "shelves": _shelves(report.examples),
        "method": _method(report),
        "provenance": _leaves(report.provenance),
        "sources": [(title_of(m), m.spec.unit, m.spec.source) for m in report.headlines if m.status == "scored"],
        "schema": report.schema,
    }
    return _environment().get_template("report.html.j2").render(context)


@functools.cache
def _environment() -> Environment:
    """The templates, compiled once: a page takes a fraction of that."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("understudy.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    environment.filters["commands"] = _commands
    return environment


def _commands(text: str) -> Markup:
    """Text with its command line options as code and its per cents whole, which do not break across lines."""
    from markupsafe import Markup, escape

    told = str(escape(_visible(text))).replace(" %", "\u00a0%")
    return Markup(_OPTION.sub(r"<code>\g<0></code>", told))


def _visible(value: object) -> object:
    """Text without characters that are unseen or unsafe; everything else as it is."""
    if type(value) is str:
        return _UNSEEN.sub("\ufffd", value)
    return value


def _file(name: str) -> str:
    from importlib.resources import files

    return (files("understudy.reports") / "templates" / name).read_text("utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def _told(verdict: Verdict) -> dict[str, Any]:
    lead, mark, worst = verdict.sentence.partition(FURTHEST)
    return {
        "question": QUESTIONS[verdict.question],
        "status": verdict.status,
        "word": STATUS[verdict.status],
        # The word stands in the badge beside the question.
        "lead": lead.strip().removeprefix(f"{STATUS['told_apart']}. ").removeprefix(f"{STATUS['unscored']}: "),
        "worst": [w.strip() for w in worst.rstrip(".").split(";")] if mark else [],
        "findings": verdict.findings,
    }


def _sides(report: Report) -> list[Side]:
    corpora = report.provenance.get("corpora")
    asked = [m for m in report.headlines if m.spec.question == "real" and "real" in m.n] or report.headlines
    first: Measurement | None = max(asked, key=lambda m: sum(c.conversations for c in m.n.values()), default=None)
    sides = []
    for side, noun in (("real", "Real users"), ("synthetic", "Synthetic users")):
        about = corpora.get(side) if isinstance(corpora, Mapping) else None
        about = about if isinstance(about, Mapping) else {"source": _named(report.provenance, side)}
        source = str(about.get("source") or "")
        n = {side: whole} if (whole := _told_sizes(about)) else {} if first is None else first.n
        sizes = sizes_of(n, side, bool(about.get("users_known", True))) if n else []
        noun = str(about.get("noun") or noun)
        sides.append(Side(side, noun, PurePath(source).name or source or "unnamed", sizes))
    return sides


def _told_sizes(about: Mapping[str, Any]) -> Counts | None:
    """How much a side holds in all its files, where the run wrote that down; a measurement counts what it used."""
    sizes = [size for field in Counts.__struct_fields__ if isinstance(size := about.get(field), int)]
    return Counts(*sizes) if len(sizes) == len(Counts.__struct_fields__) else None


def _named(provenance: Mapping[str, Any], side: str) -> str:
    """The files of a run that has no card of its corpora: one path, several, or names with their paths."""
    given = provenance.get(side, provenance.get("simulated") if side == "synthetic" else None)
    if isinstance(given, Mapping):
        return ", ".join(map(str, given))
    if isinstance(given, (list, tuple)):
        return ", ".join(PurePath(str(path)).name for path in given)
    return given if isinstance(given, str) else ""


def _shelves(examples: Sequence[Example]) -> list[Shelf]:
    shelves = []
    for side, noun in (("real", "Real"), ("synthetic", "Synthetic")):
        own = [e for e in examples if e.side == side]
        room = MOST_CHARACTERS
        kept = []
        for example in own:
            one = _transcript(example)
            room -= sum(len(line.text) + MARKUP_A_TURN for line in one.lines)
            if room < 0:
                break
            kept.append(one)
        shelves.append(Shelf(side, noun, tuple(kept), len(own)))
    return shelves if examples else []


def _transcript(example: Example) -> Transcript:
    talk = example.conversation
    lines = tuple(
        Line(t.role, t.text[:LONGEST_TURN], t.intent or ", ".join(t.acts), max(0, len(t.text) - LONGEST_TURN))
        for t in talk.turns[:MOST_TURNS]
    )
    facts = [f"user {talk.user_id}"] if talk.user_id is not None else []
    facts += [talk.topic] if talk.topic else []
    ending = f"ended by the {talk.ending.by}: {talk.ending.reason}" if talk.ending else ""
    return Transcript(talk.id, (*facts, f"{len(talk.turns)} turns"), lines, len(talk.turns) - len(lines), ending)


def _method(report: Report) -> dict[str, Any]:
    """How many tests there were and what was held equal."""
    matching = report.provenance.get("matching")
    statements = [str(v) for v in matching.values()] if isinstance(matching, Mapping) else []
    if isinstance(matching, str):
        statements = [matching]
    families = Counter(family_of(m) for m in report.headlines if m.p_value is not None)
    named = {
        **{q: f"“{told}”" for q, told in QUESTIONS.items()},
        **{f: words(f) for f in families if f not in QUESTIONS},
    }
    return {
        "matching": statements,
        "families": ", ".join(f"{families[f]} for {told}" for f, told in named.items() if f in families),
        "tests": sum(m.p_value is not None for m in report.measurements),
        "measurements": len(report.measurements),
        "permutations": report.provenance.get("permutations"),
    }


def _leaves(value: Mapping[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """Nested provenance as rows of path and text."""
    rows: list[tuple[str, str]] = []
    for key, inner in value.items():
        here = (*path, str(key).replace("_", " "))
        if isinstance(inner, Mapping):
            rows += _leaves(inner, here)
        elif isinstance(inner, (list, tuple)):
            rows.append((" › ".join(here), ", ".join(map(str, inner))))
        else:
            text = number(inner, 2) if isinstance(inner, float) else "yes" if inner is True else str(inner)
            rows.append((" › ".join(here), "no" if inner is False else text))
    return rows


__all__ = ["Section", "render_html"]
