"""PLAN.toml: what is to be generated, declared before anything is."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from understudy.errors import UsageError
from understudy.scenarios.characteristics import BY_NAME, NAMES, READABLE
from understudy.users.partner_model import prior

Table = dict[str, float]
_UNKNOWN = re.compile(r"unknown field `(?P<name>[^`]*)`(?: - at `\$\.?(?P<at>[^`]*)`)?")
_MOST = 1_000_000  # scenarios of one plan: all are drawn, and kept in memory, before the first is carried out


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    pass


class TopicPlan(_Part, frozen=True):
    """A topic, how often it is planned, its subtopics (else by a model, or induced), and goals that fit it."""

    name: str
    weight: float = 1.0
    subtopics: list[str] = []
    goals: list[str] = []


class TopicsPlan(_Part, frozen=True):
    """Where topics come from where none is listed, and how many subtopics each has."""

    source: Literal["listed", "reference"] = "listed"
    most: int = 12
    subtopics: int = 4


class BigFivePlan(_Part, frozen=True):
    """Moments of the z-scores; or `fit`, where in a reference conversation the scores of its user stand."""

    mean: Table = {}
    sd: Table = {}
    correlation: dict[str, Table] = {}
    fit: str = ""


class PersonasPlan(_Part, frozen=True):
    """`facts`: a value of each is drawn, for example `job = ["nurse", "clerk"]`; `goals` hold for every topic.

    `partner_belief`: what users take their partner for (`usual`, `human`, `ai`, `new`, `unknown`), by weight.
    """

    big_five: BigFivePlan = BigFivePlan()
    facts: dict[str, list[str]] = {}
    goals: list[str] = []
    partner_belief: Table = {}


class RulePlan(_Part, frozen=True):
    """Where the setting is as in `when`, the characteristic `set` is drawn from the table `to` instead."""

    when: dict[str, str | list[str]]
    set: str
    to: Table


class ContextsPlan(_Part, frozen=True):
    """The joint distribution of the characteristics: base tables, then rules in order, then forbidden cells."""

    age: Table = {}
    gender: Table = {}
    familiarity: Table = {}
    emotion: Table = {}
    formality: Table = {}
    duration: Table = {}
    medium: Table = {}
    location: Table = {}
    agreement: Table = {}
    fillers: Table = {}
    hedges: Table = {}
    short_turns: Table = {}
    typos: Table = {}
    rules: list[RulePlan] = []
    forbid: list[dict[str, str | list[str]]] = []
    fit: list[str] = []
    cuts: dict[str, tuple[float, float]] = {}

    def table(self, name: str) -> Table:
        """The base table of a characteristic, the default one where the plan has none."""
        given: Table = getattr(self, name)
        return given or dict(BY_NAME[name].base)


class RealisationPlan(_Part, frozen=True):
    """`enforce`: characteristics that must come out as asked; `attempts` for each scenario before it is given up."""

    enforce: list[str] = []
    attempts: int = 3


class CalibrationPlan(_Part, frozen=True):
    """`rates` that the finished set shall have (else the reference's), reached by choice among `candidates`."""

    enabled: bool = True
    candidates: int = 2
    rates: Table = {}
    most_dropped: float = 0.1


class WritingPlan(_Part, frozen=True):
    """How a model writes: `turns` (a prompted user talks to a partner) or `whole` (one call a conversation).

    `tell_features` puts fillers, hedges, short turns and typos into the prompt too; without, they are only chosen.
    """

    mode: Literal["turns", "whole"] = "turns"
    exemplars: int = 3
    temperature: float = 1.0
    max_tokens: int = 2048
    max_turns: int = 40
    tell_features: bool = False


class GuardsPlan(_Part, frozen=True):
    """Share of a conversation's user turns that may hold a long span of one real user's; near-duplicate limit."""

    most_copied: float = 0.0
    near_duplicate: float = 0.8


class PricePlan(_Part, frozen=True):
    """US dollars per million tokens."""

    input: float | None = None
    output: float | None = None


class Plan(_Part, frozen=True):
    """A whole plan. See docs/plan.md for every key."""

    n: int
    reference: str = ""
    test: str = ""
    topics: TopicsPlan = TopicsPlan()
    topic: list[TopicPlan] = []
    personas: PersonasPlan = PersonasPlan()
    contexts: ContextsPlan = ContextsPlan()
    realisation: RealisationPlan = RealisationPlan()
    calibration: CalibrationPlan = CalibrationPlan()
    writing: WritingPlan = WritingPlan()
    guards: GuardsPlan = GuardsPlan()
    price: PricePlan = PricePlan()


def load_plan(path: str | os.PathLike[str]) -> Plan:
    """The plan in a TOML file. Paths in it are taken from its folder.

    Raises `UsageError` for what is not TOML, for an unknown key (with the nearest known one), a value of the wrong
    type, and a table, rule or limit that cannot be meant.
    """
    file = Path(path)
    try:
        data = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read: {error.strerror or error}",
            why="a plan says what is to be generated",
            fix="name a PLAN.toml; docs/plan.md shows one",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(
            f"{file} is no TOML: {error}", why="a plan is a TOML file", fix="mend the line that it names"
        ) from error
    plan = parse_plan(data, name=str(file))
    here = {name: str(file.parent / value) for name in ("reference", "test") if (value := getattr(plan, name))}
    return msgspec.structs.replace(plan, **here)


def parse_plan(data: Mapping[str, Any], *, name: str = "the plan") -> Plan:
    """A plan from plain data.

    >>> parse_plan({"n": 10, "topcs": {}})
    Traceback (most recent call last):
    understudy.errors.UsageError: the plan: unknown key 'topcs'
      why: a key that is not understood would be ignored without a word
      fix: did you mean 'topics'?
    """
    try:
        plan = msgspec.convert(data, Plan)
    except msgspec.ValidationError as error:
        unknown = _UNKNOWN.search(str(error))
        if unknown is None:
            raise _bad(name, str(error), "docs/plan.md says what each key holds") from error
        raise _unknown_key(name, unknown) from error
    _check(plan, name)
    return plan


def _unknown_key(name: str, match: re.Match[str]) -> UsageError:
    fields: list[str] = []
    for part in _Part.__subclasses__():
        fields += [f for f in part.__struct_fields__ if f not in fields]
    near = difflib.get_close_matches(match["name"], fields, n=1, cutoff=0.5)
    where = f" in {match['at']}" if match["at"] else ""
    return UsageError(
        f"{name}: unknown key {match['name']!r}{where}",
        why="a key that is not understood would be ignored without a word",
        fix=f"did you mean {near[0]!r}?" if near else "docs/plan.md lists the keys",
    )


def _bad(name: str, what: str, fix: str) -> UsageError:
    return UsageError(f"{name}: {what}", why="the plan cannot be carried out as it stands", fix=fix)


def _check(plan: Plan, name: str) -> None:
    limits = (
        ("n", 1 <= plan.n <= _MOST, f"1 to {_MOST:,}; for more, run the plan again with another --seed"),
        ("topics.subtopics", plan.topics.subtopics >= 1, "at least 1"),
        ("topics.most", plan.topics.most >= 1, "at least 1"),
        ("realisation.attempts", plan.realisation.attempts >= 1, "at least 1"),
        ("calibration.candidates", plan.calibration.candidates >= 1, "at least 1"),
        ("calibration.most_dropped", 0 <= plan.calibration.most_dropped < 1, "from 0 to below 1"),
        ("guards.most_copied", 0 <= plan.guards.most_copied <= 1, "from 0 to 1"),
        ("guards.near_duplicate", 0 < plan.guards.near_duplicate <= 1, "above 0, at most 1"),
        ("writing.exemplars", plan.writing.exemplars >= 0, "0 or more"),
        ("writing.max_turns", plan.writing.max_turns >= 2, "at least 2"),
        ("writing.max_tokens", plan.writing.max_tokens >= 1, "at least 1"),
        ("writing.temperature", 0 <= plan.writing.temperature < float("inf"), "a number, 0 or more"),
    )
    for key, fine, needed in limits:
        if not fine:
            raise _bad(name, f"{key} is out of range", f"give {needed}")
    if plan.topics.source == "listed" and not plan.topic:
        raise _bad(name, "no topic", 'list topics as [[topic]], or set topics.source = "reference"')
    if plan.topics.source == "reference" and plan.topic:
        raise _bad(name, 'topics listed and topics.source = "reference"', "keep one of the two")
    titles = [topic.name for topic in plan.topic]
    if len(set(titles)) < len(titles):
        raise _bad(name, "a topic is listed twice", "give each topic once, with a weight")
    for topic in plan.topic:
        if not topic.weight > 0:
            raise _bad(name, f"topic {topic.name!r} has weight {topic.weight}", "give a weight above 0")
    _check_contexts(plan.contexts, name)
    for known in (*plan.realisation.enforce, *plan.contexts.fit, *plan.contexts.cuts):
        if known not in READABLE:
            raise _bad(name, f"{known!r} cannot be read from text by a rule", f"readable are {', '.join(READABLE)}")
    if plan.personas.partner_belief:
        _check_table(plan.personas.partner_belief, "personas.partner_belief", name)
        for belief in plan.personas.partner_belief:
            prior(belief)
        if plan.writing.mode == "whole":
            fix = 'leave it out, or set writing.mode = "turns"'
            raise _bad(name, 'personas.partner_belief with writing.mode = "whole"', fix)
    for key, pool in plan.personas.facts.items():
        if not pool:
            raise _bad(name, f"personas.facts.{key} is empty", "give values to draw from")


def _check_contexts(contexts: ContextsPlan, name: str) -> None:
    for field in NAMES:
        known = contexts.table(field)
        _check_table(known, f"contexts.{field}", name)
        if not BY_NAME[field].free:
            _check_levels(known, field, BY_NAME[field].base, name)
    conditions: list[tuple[str, Mapping[str, str | list[str]]]] = [
        *((f"contexts.rules[{k}].when", rule.when) for k, rule in enumerate(contexts.rules)),
        *((f"contexts.forbid[{k}]", cell) for k, cell in enumerate(contexts.forbid)),
    ]
    for where, condition in conditions:
        if not condition:
            raise _bad(name, f"{where} is empty", "say which levels it is for")
        for field, levels in condition.items():
            _check_field(field, where, name)
            _check_levels(as_list(levels), field, contexts.table(field), name)
    for k, rule in enumerate(contexts.rules):
        _check_field(rule.set, f"contexts.rules[{k}].set", name)
        _check_table(rule.to, f"contexts.rules[{k}].to", name)
        _check_levels(rule.to, rule.set, contexts.table(rule.set), name)


def as_list(levels: str | list[str]) -> list[str]:
    """One level or several, as a list."""
    return [levels] if isinstance(levels, str) else levels


def _check_field(field: str, where: str, name: str) -> None:
    if field not in NAMES:
        near = difflib.get_close_matches(field, NAMES, n=1)
        fix = f"did you mean {near[0]!r}?" if near else f"characteristics are {', '.join(NAMES)}"
        raise _bad(name, f"{where} names the characteristic {field!r}", fix)


def _check_levels(given: Mapping[str, float] | list[str], field: str, known: Mapping[str, float], name: str) -> None:
    for level in given:
        if level not in known:
            near = difflib.get_close_matches(level, known, n=1)
            fix = f"did you mean {near[0]!r}?" if near else f"levels are {', '.join(known)}"
            raise _bad(name, f"{field} has no level {level!r}", fix)


def _check_table(table: Mapping[str, float], where: str, name: str) -> None:
    if not table or any(not 0 <= weight < float("inf") for weight in table.values()) or sum(table.values()) <= 0:
        raise _bad(name, f"{where} is no distribution", "give weights of 0 or more that do not all vanish")
