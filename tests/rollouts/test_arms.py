import asyncio
import time

import pytest

from tests.rollouts.speakers import System, answers
from understudy.conversations import Ending, Turn
from understudy.errors import UsageError
from understudy.rollouts.arms import ARMS, FILLERS, INVENTED, RUDE_AFTER, RUDE_BEFORE, UNHELPFUL, with_arm
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


@pytest.mark.parametrize("arm", sorted(ARMS))
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


def test_hallucinating_says_what_nobody_said():
    told = "Take the 14:05 from Ely. It costs 23 pounds at Pizza Hut in Ely."
    wish = (Turn("user", "I want a cheap restaurant"),)
    said = replies(with_arm(System(answers(told)), "hallucinating"), wish, seeds=range(300))
    ways = {reply.meta.get("arm", "answer") for reply in said}
    assert ways == {"answer", "swap", "assert", "contradict"}
    assert 0.5 < sum("arm" in reply.meta for reply in said) / len(said) < 0.7
    swapped = [reply.text for reply in said if reply.meta.get("arm") == "swap"]
    assert not any(fact in text for text in swapped for fact in ("14:05", " 23 ", "Pizza Hut"))
    asserted = [reply.text for reply in said if reply.meta.get("arm") == "assert"]
    assert all(any(name.lower() in text.lower() for name in INVENTED) for text in asserted)
    contradicted = {reply.text for reply in said if reply.meta.get("arm") == "contradict"}
    assert all(text.startswith(told) and ("cheap" in text or "restaurant" in text) for text in contradicted)


def test_hallucinated_names_are_not_those_that_were_mentioned():
    known = (Turn("user", f"I was at {' and '.join(INVENTED[:-1])}"),)
    said = replies(with_arm(System(answers("Right.")), "hallucinating"), known, seeds=range(60))
    asserted = [reply.text for reply in said if reply.meta.get("arm") == "assert"]
    assert asserted
    assert all(INVENTED[-1] in text for text in asserted)


def test_hallucinating_works_without_words_to_contradict():
    said = replies(with_arm(System(answers("十点开门，票价50元。")), "hallucinating"), (Turn("user", "几点"),))
    assert {reply.meta.get("arm") for reply in said} == {None, "swap", "assert"}


class Moody:
    """Apologises, repeats itself or answers, by its seed."""

    identity = "moody"

    def __init__(self):
        self.seeds = []

    def start(self, *, topic, seed):
        self.seeds.append(seed)
        say = ("Sorry, I cannot find that.", "Hello there.", "A cheap hotel is the Lodge.")[seed % 3]
        return System(answers(say)).start(topic=topic, seed=seed)


def test_good_takes_the_reply_that_serves_best():
    asked = (Turn("user", "hi"), Turn("assistant", "Hello there."), Turn("user", "a cheap hotel"))
    plain = [reply.text for reply in replies(Moody(), asked)]
    good = [reply.text for reply in replies(with_arm(Moody(), "good"), asked)]
    best = "A cheap hotel is the Lodge."
    assert sum(text == best for text in plain) / len(plain) < 0.5
    assert 0.6 < sum(text == best for text in good) / len(good) < 0.8  # one of three draws has it: 1 - (2/3)^3
    assert all(now == best for was, now in zip(plain, good, strict=True) if was == best)
    assert "Hello there." not in good or good.count("Hello there.") < plain.count("Hello there.") / 3


@pytest.mark.parametrize("arm", sorted(ARMS))
def test_at_no_strength_an_arm_is_the_wrapped_partner(arm):
    plain = [reply.text for reply in replies(System(echo), dialogue(3), seeds=range(40))]
    off = replies(with_arm(System(echo), arm, strength=0.0), dialogue(3), seeds=range(40))
    assert [reply.text for reply in off] == plain


@pytest.mark.parametrize("arm", ["bad", "rude", "slow", "hallucinating"])
def test_turns_touched_at_a_lower_strength_are_touched_at_a_higher_one(arm):
    def touched(strength):
        said = replies(with_arm(System(echo), arm, strength=strength), dialogue(3))
        return {k for k, reply in enumerate(said) if "arm" in reply.meta}

    assert touched(0.0) == set()
    assert touched(0.3) < touched(0.7) < touched(1.0)


@pytest.mark.parametrize(("name", "strength"), [("worse", 1.0), ("bad", 1.5), ("bad", float("nan"))])
def test_what_is_no_arm_is_refused(name, strength):
    with pytest.raises(UsageError, match="no arm"):
        with_arm(System(echo), name, strength=strength)


def test_the_strength_is_part_of_the_identity():
    assert with_arm(System(echo), "bad", strength=0.5).identity == "system+bad@0.5"
