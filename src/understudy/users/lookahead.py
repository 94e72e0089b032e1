"""The look-ahead lint: whatever a simulated user is conditioned on must be knowable before the turn it conditions.

Everything in a profile conditions turn 1 already, so everything in it must be knowable before turn 1. Two checks:
`lint_profile` looks at one profile for what betrays the outcome of its own conversation, and `lint_population`
proves it: it takes the words of a conversation away and derives the profile again. What changes was the future.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from understudy.conversations import Conversation, Corpus, Turn
from understudy.conversations.text import tokens
from understudy.errors import UsageError
from understudy.seeds import stream
from understudy.users.profile import Profile

Derive = Callable[[Corpus], Sequence[Profile]]

# Every field of a profile, and why it is there before turn 1. A field that is missing here fails the tests.
AVAILABLE_BEFORE_TURN_1: Mapping[str, str] = {
    "id": "assigned when the session is planned",
    "user_id": "known from the user's account or assigned",
    "persona.id": "known from the user's other sessions or assigned",
    "persona.style": "measured on the user's other sessions, or drawn",
    "persona.big_five": "from a questionnaire before the session, or drawn",
    "persona.slots": "learned from the user's other sessions",
    "persona.text": "the slots in words",
    "persona.facts": "told before the session, or in other sessions",
    "goal.topic": "the scenario or task the user comes with",
    "goal.entities": "what the user has in mind when it comes; not what the partner will bring up",
    "goal.text": "the instruction the user was given before the session",
    "knowledge": "what the user knows when it comes",
    "patience": "fitted on other sessions, or drawn",
    "opens": "set by the channel: who speaks first, not what is said",
    "partner_belief": "what the user takes the partner for when it comes",
}
SPAN = 7

_OUTCOMES = {
    "satisfaction", "satisfied", "rating", "ratings", "rated", "success", "successful", "succeeded", "donation",
    "donated", "reward", "outcome", "solved", "resolved", "completed", "completion", "ending", "csat", "nps",
}  # fmt: skip
# A user may well want something by these names ("rating: at least 4"), so an entity type may carry them.
_WANTED = {"rating", "ratings", "rated", "reward", "donation"}
_LENGTHS = {("n", "turns"), ("num", "turns"), ("turn", "count"), ("number", "of", "turns"), ("total", "turns")}
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_KEY = re.compile(r"^\s*([^\W\d][\w .-]{0,40}?)\s*[:=]")


class Leak(msgspec.Struct, frozen=True):
    """A field of a profile that knows the future. `kind` says how it was seen:

    `outcome_key` (named like an outcome label), `future_text` (holds a verbatim span of its own conversation),
    `future_entity` (an entity that the partner brings up first), `changed` (differs once the conversation's words
    are taken away), `needs_future` (cannot be derived without them).
    """

    field: str
    kind: str
    evidence: str
    conversation: str = ""


class LookaheadReport(msgspec.Struct, frozen=True):
    """`leaks` over `checked` conversations; `share` gives, by field, the share of those in which it leaked."""

    checked: int
    leaks: tuple[Leak, ...]

    @property
    def clean(self) -> bool:
        return not self.leaks

    @property
    def share(self) -> dict[str, float]:
        where: dict[str, set[str]] = {}
        for leak in self.leaks:
            where.setdefault(leak.field, set()).add(leak.conversation)
        return {field: len(ids) / self.checked for field, ids in sorted(where.items())}


def lint_profile(profile: Profile, conversation: Conversation, *, span: int = SPAN) -> tuple[Leak, ...]:
    """What in `profile` can only come from `conversation` itself, which it is meant to condition.

    Three signs: a key named like an outcome label or a turn count; a text (facts, knowledge, goal) that shares
    `span` tokens in a row with a turn; a goal entity that an assistant turn brings up before the user does. A sign
    is no proof: a user may copy the words of an instruction it was given. `lint_population` is the proof.

    >>> from understudy.users import Goal, Persona
    >>> said = Turn("user", "ok i will watch that one tonight")
    >>> talk = Conversation("c", (Turn("assistant", "Try Alien?"), said))
    >>> goal = Goal(entities=(("movie", "Alien"),), text="says ok i will watch that one tonight")
    >>> persona = Persona("u", style={"n_turns": 2.0, "hedges": 0.1})
    >>> for leak in lint_profile(Profile(id="p", user_id="u", persona=persona, goal=goal), talk):
    ...     print(leak.field, leak.kind, leak.evidence)
    persona.style outcome_key n_turns
    goal.text future_text ok i will watch that one tonight
    goal.entities future_entity Alien
    """
    found = [
        *_outcome_keys(profile),
        *_future_text(profile, conversation, span),
        *_future_entities(profile, conversation),
    ]
    return tuple(msgspec.structs.replace(leak, conversation=conversation.id) for leak in found)


def before_first_turn(conversation: Conversation, *, keep_meta: Sequence[str] = ()) -> Conversation:
    """`conversation` as it is known before turn 1: id, user, topic, who will speak first, and no word.

    `meta` and a recorded `profile` may hold outcomes (ratings, labels given afterwards), so that both go; name in
    `keep_meta` the keys of `meta` that were fixed beforehand, such as a task instruction.

    >>> talk = Conversation("c", (Turn("user", "hi"), Turn("assistant", "hello")), meta={"task": "a", "rating": 5})
    >>> before_first_turn(talk, keep_meta=["task"])
    Conversation(id='c', turns=(Turn(role='user', text='', intent=None, acts=(), meta={}),), user_id=None,
                 topic=None, profile=None, ending=None, provenance=None, meta={'task': 'a'})
    """
    return Conversation(
        conversation.id,
        tuple(Turn(turn.role, "") for turn in conversation.turns[:1]),
        user_id=conversation.user_id,
        topic=conversation.topic,
        meta={key: conversation.meta[key] for key in keep_meta if key in conversation.meta},
    )


def for_each(derive: Callable[[Conversation], Profile]) -> Derive:
    """A way to derive profiles one conversation at a time, as one over a corpus."""
    return lambda corpus: [derive(conversation) for conversation in corpus]


def lint_population(
    corpus: Corpus,
    derive: Derive,
    *,
    seed: int = 0,
    sample: int = 20,
    keep_meta: Sequence[str] = (),
) -> LookaheadReport:
    """Prove for `sample` conversations that their profiles do not depend on what is said in them.

    `derive(corpus)` gives the profile of each conversation, in order. Conversation i is replaced by
    `before_first_turn(i)`, all others staying as they are, and the profile of i is derived again:
    `derive(corpus)[i] == derive(corpus without the words of i)[i]`, field by field and exactly. A field that
    changes depends on the future: also through the back door, such as a user's mean style that counts the very
    session, or a scaling over the whole corpus. Costs `sample + 1` calls of `derive`. A deriver that draws at
    random must derive its streams from ids, or every field will seem to change.

    >>> from understudy.users import Goal, Persona
    >>> talks = Corpus([Conversation(f"c{i}", (Turn("user", "word " * (i + 1)),), topic="a") for i in range(3)])
    >>> def derive(talk):
    ...     style = {"words": float(len(talk.turns[0].text.split()))}
    ...     return Profile(id=talk.id, user_id=talk.id, persona=Persona(talk.id, style), goal=Goal(talk.topic))
    >>> report = lint_population(talks, for_each(derive))
    >>> report.clean, report.share
    (False, {'persona.style.words': 1.0})
    """
    if not len(corpus):
        raise UsageError("an empty corpus", why="there is nothing to derive profiles from", fix="give conversations")
    whole = list(derive(corpus))
    if len(whole) != len(corpus):
        raise UsageError(
            f"derive gave {len(whole)} profiles for {len(corpus)} conversations",
            why="each conversation is compared with its own profile",
            fix="return one profile a conversation, in the order of the corpus",
        )
    rows = np.sort(stream(seed, "look-ahead").permutation(len(corpus))[:sample])
    leaks = [leak for row in rows.tolist() for leak in _differences(corpus, derive, whole[row], row, keep_meta)]
    return LookaheadReport(len(rows), tuple(leaks))


def _differences(corpus: Corpus, derive: Derive, full: Profile, row: int, keep_meta: Sequence[str]) -> Iterator[Leak]:
    talks = list(corpus)
    name = talks[row].id
    talks[row] = before_first_turn(talks[row], keep_meta=keep_meta)
    try:
        blind = list(derive(Corpus(talks, corpus.card)))[row]
    except Exception as error:  # noqa: BLE001 - recorded: a deriver that breaks without the future needs it
        yield Leak("*", "needs_future", f"{type(error).__name__}: {error}", name)
        return
    before, after = dict(_leaves(full)), dict(_leaves(blind))
    for field in sorted({*before, *after}):
        if before.get(field) != after.get(field):
            yield Leak(field, "changed", f"{before.get(field)!r} -> {after.get(field)!r}"[:200], name)


def _leaves(profile: Profile) -> Iterator[tuple[str, Any]]:
    """Dotted names down to the keys of mappings; NaN compares equal to itself as text."""

    def walk(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                yield from walk(f"{prefix}.{key}" if prefix else str(key), inner)
        else:
            yield prefix, "nan" if isinstance(value, float) and value != value else value

    return walk("", msgspec.to_builtins(profile))


def _texts(profile: Profile) -> Iterator[tuple[str, str]]:
    yield from (("persona.facts", fact) for fact in profile.persona.facts)
    yield "persona.text", profile.persona.text
    yield from (("knowledge", fact) for fact in profile.knowledge)
    yield "goal.text", profile.goal.text


def _outcome_keys(profile: Profile) -> Iterator[Leak]:
    for field, keys in (("persona.style", profile.persona.style), ("persona.big_five", profile.persona.big_five)):
        yield from (Leak(field, "outcome_key", key) for key in keys if _names_outcome(key, _OUTCOMES))
    for kind, _ in profile.goal.entities:
        if _names_outcome(kind, _OUTCOMES - _WANTED):
            yield Leak("goal.entities", "outcome_key", kind)
    for field, text in _texts(profile):
        key = _KEY.match(text)
        if key and _names_outcome(key.group(1), _OUTCOMES):
            yield Leak(field, "outcome_key", key.group(1))


def _names_outcome(key: str, outcomes: set[str]) -> bool:
    words = [w for part in _CAMEL.split(key) for w in re.split(r"[\W_]+", part.lower()) if w]
    runs = {tuple(words[i : i + n]) for n in (2, 3) for i in range(len(words))}
    return bool(set(words) & outcomes or runs & _LENGTHS)


def _future_text(profile: Profile, conversation: Conversation, span: int) -> Iterator[Leak]:
    said: set[tuple[str, ...]] = set()
    for turn in conversation.turns:
        words = tokens(turn.text)
        said.update(tuple(words[i : i + span]) for i in range(len(words) - span + 1))
    for field, text in _texts(profile):
        words = tokens(text)
        shared = next((w for i in range(len(words)) if (w := tuple(words[i : i + span])) in said), None)
        if shared:
            yield Leak(field, "future_text", " ".join(shared))


def _future_entities(profile: Profile, conversation: Conversation) -> Iterator[Leak]:
    folded = [(turn.role, f" {' '.join(tokens(turn.text))} ") for turn in conversation.turns]
    for _, value in profile.goal.entities:
        name = " ".join(tokens(value))
        first = next((role for role, text in folded if name and f" {name} " in text), None)
        if first == "assistant":
            yield Leak("goal.entities", "future_entity", value)


def undeclared_fields() -> tuple[str, ...]:
    """Fields of a profile that `AVAILABLE_BEFORE_TURN_1` does not declare.

    >>> undeclared_fields()
    ()
    """
    declared = set(AVAILABLE_BEFORE_TURN_1)
    names: list[str] = []
    for field in msgspec.structs.fields(Profile):
        nested = field.type if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct) else None
        inner = [f"{field.name}.{name}" for name in nested.__struct_fields__] if nested else [field.name]
        names.extend(name for name in inner if name not in declared)
    return tuple(names)
