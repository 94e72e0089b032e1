"""What a plan will take before anything is sent: calls, tokens, money, and the worst case."""

from __future__ import annotations

import msgspec

from understudy.models.budget import worst_input_tokens
from understudy.scenarios.plan import PricePlan
from understudy.scenarios.preparation import Prepared, attempts_of, topics_to_name
from understudy.scenarios.rendering import turns_wanted, whole_prompt
from understudy.scenarios.subtopics import subtopic_request
from understudy.scenarios.whole import whole_request

_TOKENS_PER_WORD = 1.35
_PER_TURN = 12  # quotes, braces and role of a turn in JSON, or the frame of a message
_REASONING = 120
_PERSONA_PROMPT = 350  # what a prompted user reads before the first turn
_SUBTOPIC_ANSWER = 14
_SUBTOPIC_ROUNDS = 3
_WORDS_PER_TURN = 12.0


class Estimate(msgspec.Struct, frozen=True):
    """Expected and at most. `usd` is None where no price is known: unknown, which is not free."""

    calls: int
    input: int
    output: int
    worst_calls: int
    worst_input: int
    worst_output: int
    usd: float | None
    worst_usd: float | None

    @property
    def cost(self) -> str:
        """The money in words.

        >>> Estimate(1, 10, 10, 1, 10, 10, None, None).cost
        'unknown (no price is given), at most unknown'
        >>> Estimate(0, 0, 0, 0, 0, 0, 0.0, 0.0).cost
        'none: no model is called'
        """
        if not self.worst_calls:
            return "none: no model is called"
        if self.usd is None or self.worst_usd is None:
            return "unknown (no price is given), at most unknown"
        return f"${self.usd:,.4f}, at most ${self.worst_usd:,.4f}"


def tokens_of(text: str) -> int:
    """About how many tokens a text has: a quarter of its ASCII characters and each other character.

    >>> tokens_of("four chars"), tokens_of("英语")
    (3, 2)
    """
    ascii_ = sum(c.isascii() for c in text)
    return -(-ascii_ // 4) + len(text) - ascii_


def estimate(prepared: Prepared, *, model: bool, both_sides: bool, price: PricePlan) -> Estimate:
    """What carrying out a plan takes. `model`: whether one is called at all; `both_sides`: for the partner too.

    Expected: every scenario gets the candidates that calibration chooses among, no answer fails. At most: every
    attempt is used, every answer is as long as allowed, and no token of a prompt is shorter than a byte. Calls
    that fail and are tried again come on top where the endpoint bills them.
    """
    if not model:
        return Estimate(0, 0, 0, 0, 0, 0, 0.0, 0.0)
    most, wanted = attempts_of(prepared)
    one = _whole if prepared.plan.writing.mode == "whole" else _turns
    rows = [one(prepared, k, both_sides) for k in range(len(prepared.scenarios))]
    calls, read, written, worst_calls, worst_read, worst_written = (sum(column) for column in zip(*rows, strict=True))
    first = _subtopics(prepared)
    calls, read, written = (first[0] + wanted * calls, first[1] + wanted * read, first[2] + wanted * written)
    most_read, most_written = first[4] + most * worst_read, first[5] + most * worst_written
    return Estimate(
        calls=round(calls),
        input=round(read),
        output=round(written),
        worst_calls=round(first[3] + most * worst_calls),
        worst_input=round(most_read),
        worst_output=round(most_written),
        usd=_usd(read, written, price),
        worst_usd=_usd(most_read, most_written, price),
    )


def _usd(read: float, written: float, price: PricePlan) -> float | None:
    if price.input is None or price.output is None:
        return None
    return round((read * price.input + written * price.output) / 1e6, 6)


def _words_per_turn(prepared: Prepared) -> float:
    return next((t.value for t in prepared.targets if t.name == "words_per_turn"), _WORDS_PER_TURN)


def _whole(prepared: Prepared, k: int, both_sides: bool) -> tuple[float, ...]:
    scenario, writing = prepared.scenarios[k], prepared.plan.writing
    shown = prepared.shown(scenario)
    turns = turns_wanted(scenario, prepared.cuts)
    written = turns * (_words_per_turn(prepared) * _TOKENS_PER_WORD + _PER_TURN) + _REASONING
    request = whole_request(scenario, 0, prepared.cuts, shown, writing)
    read = tokens_of(whole_prompt(scenario, prepared.cuts, shown, writing))
    return 1, read, min(written, writing.max_tokens), 1, worst_input_tokens(request), writing.max_tokens


def _turns(prepared: Prepared, k: int, both_sides: bool) -> tuple[float, ...]:
    scenario, writing = prepared.scenarios[k], prepared.plan.writing
    turns = turns_wanted(scenario, prepared.cuts)
    said = _words_per_turn(prepared) * _TOKENS_PER_WORD + _PER_TURN
    share = 1.0 if both_sides else 0.5
    calls = turns * share
    read = calls * _PERSONA_PROMPT + share * said * turns * (turns - 1) / 2
    most = writing.max_turns
    worst_calls = most if both_sides else (most + 1) // 2
    worst_read = worst_calls * 8 * _PERSONA_PROMPT + share * writing.max_tokens * 4 * most * (most - 1) / 2
    return calls, read, calls * said, worst_calls, worst_read, worst_calls * writing.max_tokens


def _subtopics(prepared: Prepared) -> tuple[float, ...]:
    plan = prepared.plan
    count = plan.topics.subtopics
    requests = [subtopic_request(topic.name, count, (), 0, seed=prepared.seed) for topic in topics_to_name(plan)]
    n = len(requests)
    read = sum(tokens_of(request.messages[0].content) for request in requests)
    worst = sum(worst_input_tokens(request) + 8 * 120 * count for request in requests)
    return n, read, n * count * _SUBTOPIC_ANSWER, n * _SUBTOPIC_ROUNDS, _SUBTOPIC_ROUNDS * worst, 3 * 1024 * n
