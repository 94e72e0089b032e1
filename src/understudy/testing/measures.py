"""A conformance suite for measures, for anybody's own.

In pytest: `@pytest.mark.parametrize("check", list(check_measure(mine)), ids=repr)`, then
`def test(check): check()`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np

from understudy.conversations import Conversation, Corpus, CorpusCard, Role, Turn
from understudy.measures.measurement import Measure, Measurement, MeasureSpec, flatten
from understudy.seeds import stream
from understudy.testing.checks import Check, plain_data, watched_randomness

_ASKED = (
    "a table for two",
    "a quiet room",
    "something cheap",
    "the late train",
    "a film like that one",
    "two seats",
)
_SOFT = ("maybe ", "i think ", "hm, ", "", "", "")
_TAILS = ("please", "if possible", "for friday", "thanks", "or so", "")
_ANSWERED = ("Which day would you like?", "There are two of them.", "It costs 20.", "Anything else?", "Done.")
_CHINESE = {"a": "你", "e": "好", "i": "我", "o": "想", "t": "去", "n": "看", "s": "电", "r": "影"}


def example_corpora(*, users: int = 30, sessions: int = 2, seed: int = 0, alike: bool = False) -> tuple[Corpus, Corpus]:
    """A `real` and a `synthetic` corpus of `users * sessions` talks; synthetic users hedge only if `alike`.

    >>> real, synthetic = example_corpora(users=3)
    >>> len(real), real.has_users, real.card.origin, synthetic.card.origin
    (6, True, 'real', 'synthetic')
    """
    return (
        _corpus("real", users, sessions, seed, hedges=True),
        _corpus("synthetic", users, sessions, seed + 1, hedges=alike),
    )


def _corpus(side: str, users: int, sessions: int, seed: int, *, hedges: bool) -> Corpus:
    talks = []
    for user in range(users):
        for session in range(sessions):
            rng = stream(seed, side, user, session)
            turns = []
            for _ in range(int(rng.integers(2, 6))):
                soft = _pick(_SOFT, rng) if hedges else ""
                turns.append(Turn("user", f"{soft}{_pick(_ASKED, rng)} {_pick(_TAILS, rng)}".strip(), acts=("inform",)))
                turns.append(Turn("assistant", _pick(_ANSWERED, rng), acts=("request",)))
            topic = ("food", "travel")[session % 2]
            talks.append(Conversation(f"{side}-{user}-{session}", tuple(turns), f"{side}-u{user}", topic))
    return Corpus(talks, CorpusCard("real" if side == "real" else "synthetic", "conformance"))


def _pick(bank: Sequence[str], rng: np.random.Generator) -> str:
    return bank[int(rng.integers(len(bank)))]


def check_measure(measure: Measure, *, real: Corpus | None = None, synthetic: Corpus | None = None) -> Iterator[Check]:
    """The contract of a two-corpus measure declared by `@measure`, as named checks.

    A measure that needs more than the example corpora hold (two users, labels, other languages) is given its own
    `real` and `synthetic`; being unscored with a reason is within the contract wherever something is missing.

    >>> from understudy.measures.measurement import counts
    >>> spec = MeasureSpec("example.turns", "real", "as long?", "turns", (None, None), "match", "example")
    >>> def turns(real, synthetic, *, rng):
    ...     means = [sum(len(c.turns) for c in side) / len(side) for side in (real, synthetic)]
    ...     value = means[1] - means[0]
    ...     return Measurement(name=spec.name, value=value, status="scored", n=counts(real, synthetic), spec=spec)
    >>> turns.spec = spec
    >>> from understudy.testing.checks import failures
    >>> list(failures(check_measure(turns)))
    ['is unscored on too little']
    """
    spec: MeasureSpec = measure.spec
    examples = example_corpora()
    first, second = real if real is not None else examples[0], synthetic if synthetic is not None else examples[1]

    def run(left: Corpus = first, right: Corpus = second, seed: int = 0) -> Measurement:
        return measure(left, right, rng=np.random.default_rng(seed))

    def untouched() -> str | None:
        digests = first.digest, second.digest
        with watched_randomness() as touched:
            run()
            seen = touched()
        return seen or (None if digests == (first.digest, second.digest) else "a corpus was changed")

    def renamed() -> str | None:
        before, after = run(), run(_renamed(first), _renamed(second))
        return (
            None
            if _near(before, after)
            else f"{before.value} with one set of conversation ids, {after.value} with another"
        )

    yield Check(
        "declares itself",
        "a spec has `family.measure`, a question, a unit, a range, a source",
        lambda: _declared(spec),
    )
    yield Check("returns a measurement", "value, n, spec and name of its own; range, interval and p-value hold",
                lambda: _sound(spec, run()))  # fmt: skip
    yield Check("repeats itself exactly", "all randomness comes from `rng`",
                lambda: None if _same(run(), run()) else "the same rng gives another measurement")  # fmt: skip
    yield Check("leaves its surroundings alone", "no global generator is used and no corpus changed", untouched)
    yield Check("is unscored on too little", "too few units, or no user turn, is a status with a reason",
                lambda: _too_little(measure, first, second))  # fmt: skip
    yield Check("survives odd corpora", "no users, no topics, other scripts, no text: a measurement or a reason",
                lambda: _odd(measure, first, second))  # fmt: skip
    yield Check("finds real like real", "the same corpus on both sides is no significant difference",
                lambda: _null(spec, run(first, first)))  # fmt: skip
    yield Check("does not read ids", "conversation ids carry no information", renamed)
    yield Check("can be reported", "a measurement is plain data", lambda: plain_data(run()))


def _declared(spec: MeasureSpec) -> str | None:
    if spec.name.count(".") < 1 or not all(part.strip() for part in spec.name.split(".")):
        return f"the name is {spec.name!r}"
    for field in ("asks", "unit", "source"):
        if not getattr(spec, field).strip():
            return f"{field} is empty"
    low, high = spec.range
    if low is not None and high is not None and not low < high:
        return f"the range is {spec.range}"
    return None if spec.minimum_units >= 1 else f"minimum_units is {spec.minimum_units}"


def _sound(spec: MeasureSpec, result: Measurement) -> str | None:
    if result.name != spec.name or result.spec != spec:
        return f"the measurement is named {result.name!r}, the spec {spec.name!r}"
    for m in flatten([result]):
        if not (m.name == spec.name or m.name.startswith(spec.name + ".")):
            return f"a part is named {m.name!r}"
        if set(m.n) != {"real", "synthetic"}:
            return f"{m.name}: n is given for {sorted(m.n)}"
        if seen := _sound_numbers(m):
            return f"{m.name}: {seen}"
    return None


def _sound_numbers(m: Measurement) -> str | None:
    low, high = m.spec.range
    slack = 1e-9
    if m.value is not None and (
        (low is not None and m.value < low - slack) or (high is not None and m.value > high + slack)
    ):
        return f"value {m.value} outside {m.spec.range}"
    if m.p_value is not None and not 0 < m.p_value <= 1:
        return f"p-value {m.p_value}"
    if m.interval is not None and not (all(map(math.isfinite, m.interval)) and m.interval[0] <= m.interval[1]):
        return f"interval {m.interval}"
    if m.floor is not None and not math.isfinite(m.floor.value):
        return f"floor {m.floor.value}"
    return None


def _same(first: Measurement, second: Measurement) -> bool:
    return msgspec.json.encode(first) == msgspec.json.encode(second)


def _near(first: Measurement, second: Measurement) -> bool:
    if first.value is None or second.value is None:
        return first.value == second.value
    return math.isclose(first.value, second.value, rel_tol=1e-6, abs_tol=1e-9)


def _too_little(measure: Measure, real: Corpus, synthetic: Corpus) -> str | None:
    silent = _map_turns(synthetic, lambda turn: turn if turn.role == "assistant" else Turn("user", ""))
    cases = {
        "no synthetic conversation": (real, Corpus([], synthetic.card)),
        "one real conversation": (real[:1], synthetic),
        "synthetic users without a word": (real, silent),
    }
    for name, (left, right) in cases.items():
        result = measure(left, right, rng=np.random.default_rng(0))
        if result.status != "unscored":
            return f"{name}: scored {result.value}"
        if not result.reason.strip():
            return f"{name}: unscored without a reason"
    return None


def _odd(measure: Measure, real: Corpus, synthetic: Corpus) -> str | None:
    def per_turn(change: Callable[[Turn], Turn]) -> Callable[[Corpus], Corpus]:
        return lambda corpus: _map_turns(corpus, change)

    def per_talk(change: Callable[[Conversation], Conversation]) -> Callable[[Corpus], Corpus]:
        return lambda corpus: _map(corpus, change)

    cases = {
        "no user ids and no topics": per_talk(lambda c: msgspec.structs.replace(c, user_id=None, topic=None)),
        "Chinese": per_turn(_in_chinese),
        "no acts": per_turn(lambda turn: Turn(turn.role, turn.text)),
        "user turns only": per_talk(
            lambda c: msgspec.structs.replace(c, turns=tuple(t for t in c.turns if t.role == "user"))
        ),
        "everybody says ok": per_turn(lambda turn: Turn(turn.role, "ok")),
        "silent assistants": per_turn(lambda turn: turn if turn.role == "user" else Turn("assistant", "")),
    }
    for name, change in cases.items():
        result = measure(change(real), change(synthetic), rng=np.random.default_rng(0))
        if seen := _sound(measure.spec, result):
            return f"{name}: {seen}"
    return None


def _null(spec: MeasureSpec, result: Measurement) -> str | None:
    if seen := _sound(spec, result):
        return seen
    p = result.p_value
    return f"p = {p} with the same conversations on both sides" if p is not None and p < 0.01 else None


def _map(corpus: Corpus, change: Callable[[Conversation], Conversation]) -> Corpus:
    return Corpus([change(talk) for talk in corpus], corpus.card)


def _map_turns(corpus: Corpus, change: Callable[[Turn], Turn]) -> Corpus:
    return _map(corpus, lambda talk: msgspec.structs.replace(talk, turns=tuple(map(change, talk.turns))))


def _in_chinese(turn: Turn) -> Turn:
    role: Role = turn.role
    return Turn(role, "".join(_CHINESE.get(letter, "") for letter in turn.text.lower()) + "。")


def _renamed(corpus: Corpus) -> Corpus:
    """Other conversation ids in the same order; users keep theirs, as ids may order the units."""
    talks = list(corpus)
    if any(talk.user_id is None for talk in talks):
        return corpus
    return Corpus([msgspec.structs.replace(c, id=f"other-{i:06d}") for i, c in enumerate(talks)], corpus.card)
