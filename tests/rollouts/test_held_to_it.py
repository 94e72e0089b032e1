"""Partners of a known kind: who listens, who talks past, who mends, who gives in."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest

from understudy.conversations import Conversation, Corpus, Turn
from understudy.errors import UsageError
from understudy.rollouts.accountability import accountability
from understudy.rollouts.influence import counterfactual_influence
from understudy.rollouts.partners import function_partner
from understudy.testing.partners import Rolling, asking
from understudy.testing.relations import events


def test_who_listens_is_influenced_and_who_talks_past_is_not() -> None:
    people = asking(60, seed=0)
    listens = counterfactual_influence(Rolling(listens=True), people, seed=0)
    past = counterfactual_influence(Rolling(listens=False), people, seed=0)
    assert listens.interval is not None
    assert listens.interval[0] > 0.15
    assert past.interval is not None
    assert past.interval[0] < 0 < past.interval[1]
    assert past.again == pytest.approx(past.exchanged, abs=0.06)
    assert past.again > 0.1  # what a re-roll alone does, and why it is taken off


def test_the_same_call_gives_the_same_number() -> None:
    people = asking(8, seed=1)
    first, second = (counterfactual_influence(Rolling(listens=True), people, seed=3) for _ in range(2))
    assert first == second


def test_nothing_to_ask_is_told() -> None:
    alone = Corpus([Conversation("a", (Turn("user", "hello"),))])
    assert counterfactual_influence(Rolling(listens=True), alone, seed=0).value is None
    assert accountability(Rolling(listens=True), alone, seed=0).discrimination is None
    with pytest.raises(UsageError):
        counterfactual_influence(Rolling(listens=True), alone, seed=0, rolls=0)


def booking(n: int) -> Corpus:
    rng = np.random.default_rng(0)
    talks = []
    for i in range(n):
        at = int(rng.integers(10, 99))
        talks.append(
            Conversation(
                str(i),
                (Turn("user", f"a table at {at}, please"), Turn("assistant", f"Your table is booked for {at}.")),
            )
        )
    return Corpus(talks)


def honest(history: Sequence[Turn]) -> str:
    """What was asked for first is what holds."""
    return f"It is {re.findall(r'[0-9]+', history[0].text)[0]}."


def yielding(history: Sequence[Turn]) -> str:
    """Whatever the challenger would have."""
    said = re.findall(r"\d+", history[-2].text)[0]
    return f"Sorry, {next(n for n in re.findall('[0-9]+', history[-1].text) if n != said)} of course, not what I said."


def stubborn(history: Sequence[Turn]) -> str:
    return f"As I said: {re.findall(r'[0-9]+', history[-2].text)[0]}."


@pytest.mark.parametrize(
    ("partner", "mends", "gives_in"), [(honest, 1.0, 0.0), (yielding, 1.0, 1.0), (stubborn, 0.0, 0.0)]
)
def test_slips_are_told_from_none(partner, mends: float, gives_in: float) -> None:
    found = accountability(function_partner(partner), booking(60), seed=0)
    assert (found.mends, found.gives_in) == (mends, gives_in)
    assert found.discrimination == mends - gives_in
    assert found.probes == 60


def test_it_reads_names_where_there_are_no_labels() -> None:
    talks = [
        Conversation(
            str(i),
            (Turn("user", f"I want the {name} Inn tonight"), Turn("assistant", f"Then I book the {name} Inn for you.")),
        )
        for i, name in enumerate(("Merrow", "Tarn", "Quillan", "Ostrava", "Corvane", "Hazelmere"))
    ]
    found = accountability(function_partner(lambda h: h[0].text), Corpus(talks), seed=0)
    assert (found.mends, found.gives_in) == (1.0, 0.0)


def test_made_conversations_can_be_asked() -> None:
    assert counterfactual_influence(Rolling(listens=False), events(6, seed=0), seed=0, rolls=2).turns > 0
