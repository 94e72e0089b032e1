import zlib

import numpy as np
import pytest

from understudy.conversations import Conversation, Corpus, Ending, Turn
from understudy.errors import UsageError
from understudy.measures.measurement import Estimate
from understudy.rollouts.arms import FILLERS, UNHELPFUL
from understudy.rollouts.partners import function_partner
from understudy.transfer.behaviour_rates import Tally, human_reactions, let_downs, tallies, turn_reactions, weighed
from understudy.transfer.counterfactual import judged_on_bad, reactions
from understudy.users import Goal, Persona, Profile, UserTurn

WISHES = ("find me a cheap hotel tonight", "maybe somewhere in the north", "what about parking there", "four stars")


async def _answer(history):
    return f"There is a hotel for {len(history)} people, is that all right?"


PARTNER = function_partner(_answer, identity="desk")


class Session:
    def __init__(self, seed, patience, minds):
        self.seed, self.patience, self.minds = seed, patience, minds

    async def reply(self, history):
        said = sum(turn.role == "user" for turn in history)
        last = history[-1].text if history else ""
        let_down = self.minds and (last in UNHELPFUL or last in FILLERS)
        # Another draw wherever the partner says something else: chance alone differs between arms.
        rng = np.random.default_rng([self.seed, said, zlib.crc32(last.encode())])
        leaves = said > 0 and rng.random() < self.patience + 0.4 * let_down
        if let_down and not leaves:
            text = f"this is bad, {WISHES[0]}"
        else:
            text = WISHES[int(rng.integers(len(WISHES)))]
        return UserTurn(text, ending=Ending("user", "left") if leaves else None)


class People:
    """Users who mind being let down by four tenths of the odds, or nobody who minds at all."""

    identity = "people"

    def __init__(self, *, minds):
        self.minds = minds

    def draw(self, k, *, seed):
        return Profile(id=f"p{k}", user_id=f"u{k}", persona=Persona(f"u{k}"), goal=Goal("hotel"))

    def simulator(self):
        return self

    def start(self, profile, *, seed):
        return Session(seed, 0.1 + 0.02 * (int(profile.user_id[1:]) % 6), self.minds)


def by_name(measurements):
    return {m.name: m for whole in measurements for m in (whole, *whole.parts)}


def test_users_who_mind_are_seen_to_mind():
    found = by_name(reactions(People(minds=True), PARTNER, arms=("bad", "rude", "slow"), n=150, seed=3, max_turns=40))
    leaving = found["transfer.reaction.leaving.bad"]
    assert leaving.interval[0] > 0.02
    assert leaving.adjusted_p < 0.01
    assert found["transfer.reaction.leaving.slow"].interval[0] > 0
    assert found["transfer.reaction.complaints.bad"].interval[0] > 0
    rates = leaving.evidence["dose"]["rate"]
    assert leaving.evidence["dose"]["strength"] == [0.0, 0.5, 1.0]
    assert rates == sorted(rates)
    # These users do not care for tone: nothing that they do depends on it.
    low, high = found["transfer.reaction.leaving.rude"].interval
    assert low < 0 < high


def test_the_headline_is_the_first_arm_beside_people():
    human = {"leaving": Estimate(0.1, (0.05, 0.15), "real")}
    whole = reactions(People(minds=True), PARTNER, arms=("bad",), n=40, seed=3, human=human)[0]
    assert whole.name == "transfer.reaction.leaving"
    assert whole.value == whole.parts[0].value
    assert whole.floor.value == 0.1
    assert whole.evidence["human"] == {"slope": 0.1, "low": 0.05, "high": 0.15}
    assert whole.evidence["let_downs"]["bad@1"] > whole.evidence["let_downs"]["alone"]
    assert whole.evidence["arms"]["arm"] == ["bad"]
    assert whole.n["synthetic"].users == 40


def _alarms(runs, n):
    """Of all intervals of users who mind nothing, how many leave out 0."""
    outside = total = 0
    for seed in range(runs):
        for whole in reactions(People(minds=False), PARTNER, arms=("bad", "slow"), n=n, seed=seed, max_turns=24):
            for part in whole.parts:
                if part.value is not None and part.interval[1] > part.interval[0]:
                    outside += not part.interval[0] <= 0 <= part.interval[1]
                    total += 1
    return outside, total


def test_users_who_mind_nothing_raise_no_alarm():
    outside, total = _alarms(6, 40)
    assert total >= 40
    assert outside <= 7  # 5 % of about 60, and then some


@pytest.mark.slow
def test_users_who_mind_nothing_raise_no_alarm_in_the_long_run():
    outside, total = _alarms(60, 40)
    assert outside / total <= 0.065


def _side(rng, chances, effect):
    turns = 1 + rng.poisson(5, len(chances))
    top = rng.binomial(turns, np.clip(chances + effect, 0, 1))
    units = np.arange(len(chances)).astype(str)
    return Tally(np.tile(top[:, None], 5).astype(float), np.tile(turns[:, None], 5).astype(float), units)


@pytest.mark.parametrize("effect", [0.0, 0.15])
def test_intervals_of_a_slope_cover_the_truth(effect):
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(1000):
        chances = rng.beta(2, 6, 40)  # every user's own readiness, the same on both sides
        alone, half, full = (_side(rng, chances, effect * s) for s in (0, 0.5, 1))
        r = weighed([(-0.4, alone), (0.4, half), (-0.8, alone), (0.8, full)], "leaving")
        covered += r.low <= effect <= r.high
    assert 0.93 <= covered / 1000 <= 0.97


def test_users_who_break_off_leave_both_sides():
    async def breaks(history):
        if len(history) > 2:
            raise RuntimeError("down")
        return "One moment."

    whole = reactions(People(minds=True), function_partner(breaks), arms=("rude",), n=60, seed=0)[0]
    assert 0 < whole.evidence["broken"]["alone"] < 60


def test_a_silent_minority_is_unscored_with_a_reason():
    whole = reactions(People(minds=True), PARTNER, arms=("bad",), n=5, seed=0)
    assert all(m.status == "unscored" and "at least 10" in m.reason for m in whole)


@pytest.mark.parametrize(("arms", "strengths"), [((), (1.0,)), (("worse",), (1.0,)), (("bad",), (0.0,))])
def test_what_gives_no_slope_is_refused(arms, strengths):
    with pytest.raises(UsageError, match="arms"):
        reactions(People(minds=True), PARTNER, arms=arms, strengths=strengths, n=10, seed=0)


def _talk(name, *texts, by="user", user=None):
    return Conversation(name, tuple(Turn("user", text) for text in texts), user_id=user, ending=Ending(by, "x"))


def test_only_users_leave():
    corpus = Corpus([_talk("a", "where is it"), _talk("b", "where is it", by="limit"), _talk("c", "it", by="fault")])
    assert tallies([corpus])[0].top[:, 0].tolist() == [1.0, 0.0, 0.0]


def test_a_language_without_lists_has_no_hedges():
    found = tallies([Corpus([_talk("a", "czy jest wolny stolik na dzisiaj wieczorem")])])[0]
    assert np.isnan(found.top[0, [2, 4]]).all()
    assert found.top[0, 3] == 7


def test_a_turn_without_words_repeats_nothing():
    assert tallies([Corpus([_talk("a", "...", "?!", "...")])])[0].top[0, 1] == 0


def test_repeats_are_found_where_no_spaces_are_written():
    found = tallies([Corpus([_talk("a", "帮我找便宜的酒店", "有没有早餐", "帮我找便宜的酒店吧")])])[0]
    assert found.top[0, 1] == 1


def test_the_human_reaction_pairs_a_user_with_itself():
    rng = np.random.default_rng(0)
    good, bad = [], []
    for u in range(40):
        own = int(rng.integers(2, 30))  # users differ far more than partners do
        good.append(_talk(f"g{u}", *(["so be it then"] * own), user=f"u{u}"))
        bad.append(_talk(f"b{u}", *(["so be it then now"] * own), user=f"u{u}"))
    found = human_reactions(Corpus(good), Corpus(bad))
    assert found["length"].value == pytest.approx(1.0)
    assert found["leaving"].interval[0] <= 0 <= found["leaving"].interval[1]
    assert found["leaving"].interval[1] < 1e-9


def test_let_downs_are_failures_and_repeats():
    said = ("It is open.", "I am sorry, I cannot find it.", "It is open!", "Anything else?")
    talk = Conversation(
        "a", (Turn("user", "where is the hotel that I asked for"), *(Turn("assistant", t) for t in said))
    )
    assert let_downs(Corpus([talk])) == 0.5
    assert let_downs(Corpus([_talk("b", "hi")])) is None


def test_a_bad_partner_that_nobody_was_fitted_to():
    async def useless(history):
        return UNHELPFUL[len(history) % 4]

    human = {"leaving": Estimate(0.3, (0.2, 0.4), "real")}
    bad = function_partner(useless)
    found = by_name(judged_on_bad(People(minds=True), PARTNER, bad, human=human, n=150, seed=0))
    leaving = found["transfer.reaction.leaving.unseen"]
    assert leaving.interval[0] > 0.1
    assert leaving.evidence["same_sign"]
    assert leaving.evidence["human_is_resolved"]
    gap, low, high = leaving.evidence["difference_from_human"]
    assert low < gap < high
    assert gap == pytest.approx(leaving.value - 0.3)
    blind = by_name(judged_on_bad(People(minds=False), PARTNER, bad, human=human, n=150, seed=0))
    assert blind["transfer.reaction.leaving.unseen"].evidence["difference_from_human"][2] < 0


def _exchange(k, rng, effect):
    turns = [Turn("user", "where is it then")]
    for _ in range(int(rng.integers(2, 8))):
        down = rng.random() < 0.3
        turns.append(Turn("assistant", "I am sorry" if down else f"It is at {rng.integers(10**9)}", meta={"bad": down}))
        hedges = rng.random() < 0.2 + effect * down
        turns.append(Turn("user", "maybe I will see what it is" if hedges else "I will see what it is"))
    return Conversation(f"c{k}", tuple(turns))


@pytest.mark.parametrize("effect", [0.0, 0.3])
def test_what_follows_a_let_down_is_found_where_it_is(effect):
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(60):
        corpus = Corpus([_exchange(k, rng, effect) for k in range(60)])
        low, high = turn_reactions(corpus)["hedging"].interval
        covered += low <= effect <= high
    assert covered >= 53


def test_a_label_of_the_corpus_takes_the_place_of_the_word_list():
    rng = np.random.default_rng(4)
    corpus = Corpus([_exchange(k, rng, 0.3) for k in range(60)])
    assert turn_reactions(corpus, bad=lambda turn: turn.meta["bad"]) == turn_reactions(corpus)
    turned = turn_reactions(corpus, bad=lambda turn: not turn.meta["bad"])
    assert turned["hedging"].value == -turn_reactions(corpus)["hedging"].value
    assert turn_reactions(corpus, bad=lambda turn: None) == {}
