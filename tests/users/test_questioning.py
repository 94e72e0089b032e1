"""Users who know who they are answer as their persona says; who forgets, or says nothing, is seen to."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from understudy.conversations import Conversation, Corpus, Turn
from understudy.seeds import stream
from understudy.testing.personas import persona_world
from understudy.users import Goal, Persona, Profile, UserTurn
from understudy.users.questioning import chosen_option, question_users


class Answering:
    """A user that answers with the option that `forgets` and its persona decide."""

    def __init__(self, forgets: float = 0.0, mute: bool = False) -> None:
        self.identity = f"answering {forgets}"
        self._forgets, self._mute = forgets, mute

    def start(self, profile: Profile, *, seed: int) -> Answering._Session:
        return self._Session(self, profile, seed)

    class _Session:
        def __init__(self, user: Answering, profile: Profile, seed: int) -> None:
            self._user, self._profile, self._seed = user, profile, seed

        async def reply(self, history: Sequence[Turn]) -> UserTurn:
            question = history[-1].text
            if self._user._mute:
                return UserTurn("hm")
            shown = [part[3:].strip() for part in question[question.index("(a)") :].replace("(", "\n(").split("\n")[1:]]
            own = [k for k, option in enumerate(shown) if option in self._profile.persona.facts]
            rng = stream(self._seed, "answer", len(history), question)
            k = int(rng.integers(len(shown))) if rng.random() < self._user._forgets else own[0]
            return UserTurn(f"({'abcd'[k]})")


@pytest.fixture(scope="module")
def talks() -> Corpus:
    found = []
    for talk in persona_world(60, seed=3):
        facts = tuple(talk.meta["persona"])
        profile = Profile(id=talk.id, user_id=talk.user_id, persona=Persona(talk.user_id, facts=facts), goal=Goal())
        found.append(Conversation(talk.id, talk.turns, user_id=talk.user_id, profile=_plain(profile)))
    return Corpus(found)


def _plain(profile: Profile) -> dict[str, object]:
    import msgspec

    return msgspec.to_builtins(profile)


def part(measurement, name: str):
    return next(p for p in measurement.parts if p.name.endswith(f".{name}"))


def test_who_knows_answers_right_and_stays_with_it(talks: Corpus) -> None:
    m, asked = question_users(Answering(), talks, seed=0)
    assert m.value == 1.0
    assert {part(m, name).value for name in ("answered", "stable", "paraphrased")} == {1.0}
    assert len(asked) == 60 * 2 * 2 * 2


def test_who_guesses_is_right_by_chance_and_does_not_stay(talks: Corpus) -> None:
    m, _ = question_users(Answering(forgets=1.0), talks, seed=0)
    assert m.interval[0] < 0.25 < m.interval[1]
    for name in ("stable", "paraphrased"):
        low, high = part(m, name).interval
        assert low < 0.25 < high


def test_half_forgotten_is_between(talks: Corpus) -> None:
    m, _ = question_users(Answering(forgets=0.5), talks, seed=0)
    assert m.interval[0] < 0.5 + 0.5 * 0.25 < m.interval[1]


def test_no_answer_is_unscorable_not_right(talks: Corpus) -> None:
    m, _ = question_users(Answering(mute=True), talks, seed=0)
    assert m.value is None
    assert "0 users" in m.reason
    assert part(m, "answered").value == 0.0


def test_conversations_without_personas_are_not_asked() -> None:
    m, asked = question_users(Answering(), persona_world(20, seed=0), seed=0)
    assert asked == []
    assert m.status == "unscored"


def test_the_same_seed_asks_the_same(talks: Corpus) -> None:
    assert question_users(Answering(0.5), talks, seed=1)[1] == question_users(Answering(0.5), talks, seed=1)[1]
    assert question_users(Answering(0.5), talks, seed=1)[1] != question_users(Answering(0.5), talks, seed=2)[1]


@pytest.mark.parametrize(
    ("reply", "chosen"),
    [("B", 1), ("b.", 1), ("(A) and (B)", None), ("a lot", None), ("", None), ("I have a parrot", 2), ("(d)", None)],
)
def test_reading_an_answer(reply: str, chosen: int | None) -> None:
    options = ["I have two dogs.", "I love chess.", "I keep a parrot."]
    assert chosen_option(reply, options) == chosen
