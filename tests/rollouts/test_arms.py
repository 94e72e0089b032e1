import asyncio
import time

import pytest

from tests.rollouts.speakers import System, answers
from understudy.conversations import Ending, Turn
from understudy.rollouts.arms import FILLERS, RUDE_AFTER, RUDE_BEFORE, UNHELPFUL, with_arm
from understudy.rollouts.partner import PartnerTurn
from understudy.testing.checks import failures
from understudy.testing.simulators import check_partner


def echo(history):
    heard = [turn.text for turn in history if turn.role == "user"]
    return PartnerTurn(f"{len(heard)}: {heard[-1] if heard else 'hello'}. Tell me more!", ("inform",), meta={"own": 1})


def dialogue(rounds):
    turns = []
    for k in range(rounds):
        turns += [Turn("user", f"question {k}"), Turn("assistant", f"answer {k}")]
    return (*turns, Turn("user", f"question {rounds}"))


def replies(partner, history, seeds=range(200)):
    async def every():
        return [await partner.start(topic=None, seed=seed).reply(history) for seed in seeds]

    return asyncio.run(every())


@pytest.mark.parametrize("arm", ["bad", "rude", "slow"])
def test_an_arm_is_a_partner(arm):
    partner = with_arm(System(echo), arm)
    assert partner.identity == f"system+{arm}"
    assert failures(check_partner(partner)) == {}


def test_bad_forgets_in_every_way_and_sometimes_answers():
    said = replies(with_arm(System(echo), "bad"), dialogue(3))
    ways = {reply.meta.get("arm", "answer"): reply.text for reply in said}
    assert set(ways) == {"answer", "give up", "repeat", "earlier", "forget"}
    assert ways["answer"].startswith("4: question 3")
    assert ways["forget"].startswith("1: question 3")
    assert ways["repeat"].startswith("answer ")
    assert ways["give up"] in UNHELPFUL
    assert {reply.text[0] for reply in said if reply.meta.get("arm") == "earlier"} == {"1", "2", "3"}
    wrong = sum("arm" in reply.meta for reply in said) / len(said)
    assert 0.5 < wrong < 0.7


def test_bad_has_something_to_say_to_an_empty_history():
    said = {reply.text for reply in replies(with_arm(System(echo), "bad"), ())}
    assert said == {"0: hello. Tell me more!", *UNHELPFUL}


def test_rude_keeps_the_content_and_loses_the_manners():
    said = replies(with_arm(System(echo), "rude"), dialogue(1))
    assert all("2: question 1." in reply.text for reply in said)
    assert all(reply.text.startswith(RUDE_BEFORE) and reply.text.endswith(RUDE_AFTER) for reply in said)
    curt = sum("Tell me more!" not in reply.text for reply in said) / len(said)
    assert 0.4 < curt < 0.6
    assert all(reply.acts == ("inform",) and reply.meta["own"] == 1 for reply in said)


def test_rude_leaves_an_ending_alone():
    partner = with_arm(System(lambda history: PartnerTurn("", ending=Ending("assistant", "closed"))), "rude")
    assert replies(partner, dialogue(0), seeds=[1])[0] == PartnerTurn("", ending=Ending("assistant", "closed"))


def test_rude_cuts_sentences_of_any_script():
    said = replies(with_arm(System(answers("在北边。要订吗？")), "rude"), dialogue(0))
    assert {"要订吗" in reply.text for reply in said} == {True, False}


def test_slow_says_how_late_and_does_not_wait():
    begin = time.perf_counter()
    said = replies(with_arm(System(echo), "slow"), dialogue(2))
    assert time.perf_counter() - begin < 2
    delays = sorted(reply.meta["latency_s"] for reply in said)
    assert 14 < delays[len(delays) // 2] < 28
    fillers = sum(reply.text in FILLERS for reply in said) / len(said)
    assert 0.15 < fillers < 0.35


def test_slow_never_stalls_twice_in_a_row():
    history = (Turn("user", "a"), Turn("assistant", FILLERS[0]), Turn("user", "b"))
    assert not any(reply.text in FILLERS for reply in replies(with_arm(System(echo), "slow"), history))


def test_arms_stack_and_keep_the_streams_of_the_wrapped_apart():
    inner = System(echo)
    partner = with_arm(with_arm(inner, "rude"), "slow")
    partner.start(topic="x", seed=5)
    assert partner.identity == "system+rude+slow"
    assert inner.started == [("x", 5)]
