"""Personas learned from logs whose truth is planted: habits, none, a switch, noise; and what a model proposes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from understudy.conversations import Conversation, Corpus, CorpusCard, Turn
from understudy.errors import SimulatorError, UsageError
from understudy.models.model import Request
from understudy.models.scripted import Scripted
from understudy.rollouts.simulate import simulate
from understudy.users.aligned import AlignedPopulation
from understudy.users.alignment import Alignment, Settings, align
from understudy.users.lookahead import lint_profile
from understudy.users.memory import Episode, EpisodicMemory
from understudy.users.opening import open_users
from understudy.users.personas import Wording, digest_of, load_personas
from understudy.users.population import FittedPopulation, fit_population

PLACES = ("the river", "a museum", "old towers", "the market", "a garden", "some hills")
FOODS = ("noodles", "fresh bread", "grilled fish", "a curry", "plum cake", "bean soup")
FILLER = ["really", "just", "also", "maybe", "quite", "still", "then", "again", "perhaps", "today", "soon"]


def habit(rng: np.random.Generator, own: float) -> np.ndarray:
    """How long, how asking, how shouting, how much of a foodie a user is; `own` 0 makes all users one."""
    return own * rng.normal(0, 1, 4)


def session(name: str, user: str, ways: np.ndarray, rng: np.random.Generator, topic: str = "trip") -> Conversation:
    """A conversation whose user turns follow the ways of a user."""
    turns: list[Turn] = []
    for k in range(5):
        food = rng.random() < 1 / (1 + np.exp(-1.5 * ways[3]))
        liked = str(rng.choice(FOODS if food else PLACES))
        why = "to eat at dinner" if food else "for walks and views"
        words = rng.choice(FILLER, max(1, round(5 * np.exp(0.5 * ways[0] + 0.3 * rng.normal()))))
        text = f"I like {liked} {why} {' '.join(words)}"
        text += "?" if ways[1] + rng.normal() > 0.5 else ""
        text = text.upper() if ways[2] + rng.normal() > 1 else text
        turns += [
            Turn("assistant", f"What would you like next, number {k}?"),
            Turn("user", text, meta={"entities": [["wish", liked]]}),
        ]
    return Conversation(name, tuple(turns), user_id=user, topic=topic)


def people(users: int, sessions: int, *, own: float, seed: int, name: str = "p") -> Corpus:
    rng = np.random.default_rng(seed)
    talks = []
    for u in range(users):
        ways = habit(rng, own)
        talks += [session(f"{name}{u}-{s}", f"{name}{u}", ways, rng) for s in range(sessions)]
    return Corpus(talks, CorpusCard("real", "written for the tests"))


@pytest.fixture(scope="module")
def population() -> FittedPopulation:
    return fit_population(people(24, 5, own=1.0, seed=0), seed=0)


@pytest.fixture(scope="module")
def whole() -> Corpus:
    return people(12, 9, own=1.0, seed=1, name="person-")


@pytest.fixture(scope="module")
def log(whole: Corpus) -> Corpus:
    """The first six sessions of nine."""
    return whole.subset([k for k, talk in enumerate(whole) if int(talk.id.rsplit("-", 1)[1]) < 6])


@pytest.fixture(scope="module")
def aligned(population: FittedPopulation, log: Corpus) -> Alignment:
    return align(population, log, seed=0)


def test_people_with_habits_get_personas_that_tell_unseen_sessions_better(
    population: FittedPopulation, whole: Corpus, aligned: Alignment
) -> None:
    assert aligned.counts["accepted"] >= 10
    held_out = aligned.held_out
    assert held_out is not None
    assert held_out.after < held_out.before - 0.2
    slots = population.speaker.slots
    gains = []
    for record in aligned.population.personas.personas:
        name = next(t.user_id for t in whole if t.user_id is not None and digest_of(t.user_id) == record.source)
        later = Corpus([t for t in whole if t.user_id == name and int(t.id.rsplit("-", 1)[1]) >= 6])
        told = slots.read(population.speaker.slots.deeds.read(later))
        gains.append(slots.gain(told, slots.values_of(record.slots)).sum())
    assert np.mean(np.array(gains) > 0) >= 10 / 12


def test_where_there_is_nothing_to_learn_users_change_at_the_level(population: FittedPopulation) -> None:
    """Average people: the population's own sessions, dealt out at random. 60 users at 10 %: a binomial reaches 13 once
    in 100."""
    talks = list(people(24, 5, own=1.0, seed=0))
    accepted = tested = 0
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(talks))
        dealt = [talks[k] for k in order.tolist()][:100]
        renamed = [Conversation(t.id, t.turns, f"u{n // 5}", t.topic) for n, t in enumerate(dealt)]
        found = align(population, Corpus(renamed), settings=Settings(level=0.1, references=99), seed=seed)
        accepted += found.counts["accepted"]
        tested += found.counts["accepted"] + found.counts["rolled back"]
    assert tested >= 57
    assert accepted <= 13


def test_held_out_loss_gains_nothing_by_choosing(population: FittedPopulation) -> None:
    """Average people again, and a lax level: updates that are accepted gain on the sessions that they were accepted by,
    so that the mean over all users would be below 0 beyond its interval."""
    from understudy.users.alignment import _interval

    talks = list(people(24, 5, own=1.0, seed=0))
    order = np.random.default_rng(0).permutation(len(talks)).tolist()
    renamed = [Conversation(talks[k].id, talks[k].turns, f"u{n // 3}", talks[k].topic) for n, k in enumerate(order)]
    found = align(population, Corpus(renamed), settings=Settings(level=0.5, references=99), seed=0)
    change = [
        v.loss_after - v.loss_before if v.outcome == "accepted" else 0.0
        for v in found.versions.values()
        if v.loss_after is not None and v.loss_before is not None
    ]
    assert found.counts["accepted"] >= 6
    assert _interval(np.array(change))[1] < 0
    assert found.held_out is not None
    assert found.held_out.users == 40
    assert found.held_out.change[1] > 0


def test_one_session_and_nothing_new_leave_users_as_they_are(population: FittedPopulation, log: Corpus) -> None:
    once = Corpus([talk for talk in log if talk.id.endswith("-0")])
    found = align(population, once, seed=0)
    assert found.counts == {"accepted": 0, "rolled back": 0, "untouched": 12}
    assert found.held_out is None
    first = align(population, log, seed=0)
    again = align(first.population, log, seed=1)
    assert again.counts["untouched"] == 12
    assert {v.reason for v in again.versions.values()} == {"nothing new in the log"}
    kept = [p.slots for p in first.population.personas.personas]
    assert [p.slots for p in again.population.personas.personas] == kept
    assert [len(p.history) for p in again.population.personas.personas] == [2] * 12


def test_a_third_of_foreign_turns_does_not_make_users_worse(population: FittedPopulation) -> None:
    """30 % of each user's turns are others': what is accepted still tells the user's own clean sessions better."""
    rng = np.random.default_rng(7)
    slots, change = population.speaker.slots, []
    ways = [habit(rng, 1.0) for _ in range(12)]
    clean = [[session(f"{u}-{s}", f"u{u:02d}", w, rng) for s in range(9)] for u, w in enumerate(ways)]
    noisy = []
    for u, talks in enumerate(clean):
        for talk in talks[:6]:
            other = clean[(u + int(rng.integers(1, 12))) % 12][int(rng.integers(6))]
            turns = [
                o if t.role == "user" and rng.random() < 0.3 else t
                for t, o in zip(talk.turns, other.turns, strict=False)
            ]
            noisy.append(Conversation(talk.id, tuple(turns), talk.user_id, talk.topic))
    found = align(population, Corpus(noisy), seed=0)
    for u, record in enumerate(found.population.personas.personas):
        held_out = slots.read(population.speaker.slots.deeds.read(Corpus(clean[u][6:])))
        change.append(slots.gain(held_out, slots.values_of(record.slots)).sum() / held_out.turns.sum())
    assert found.counts["accepted"] >= 4
    assert np.mean(change) > 0
    assert min(change) > -0.3


def test_a_switch_of_preference_is_tracked(population: FittedPopulation) -> None:
    """A user turns from places to foods: after as many sessions the item slots have changed sign, the old ones
    notwithstanding."""
    rng = np.random.default_rng(3)
    before, after = np.array([0, 0, 0, -2.0]), np.array([0, 0, 0, 2.0])
    first = [session(f"a{s}", "u", before, rng) for s in range(10)]
    then = [session(f"b{s}", "u", after, rng) for s in range(14)]
    found = align(population, Corpus(first), seed=0)
    moved = align(found.population, Corpus([*first, *then]), settings=Settings(latest=14), seed=0)
    slots = population.speaker.slots
    told = slots.read(
        population.speaker.slots.deeds.read(Corpus([session(f"c{s}", "u", after, rng) for s in range(5)]))
    )
    old, new = (a.population.personas.personas[0].slots for a in (found, moved))
    assert [v.outcome for v in (*found.versions.values(), *moved.versions.values())] == ["accepted", "accepted"]
    assert slots.gain(told, slots.values_of(new)).sum() > 0 > slots.gain(told, slots.values_of(old)).sum()
    only_new = align(found.population, Corpus(then), settings=Settings(latest=14), seed=0)
    replayed = only_new.population.personas.personas[0]
    assert replayed.semantic.sessions == 24
    assert slots.gain(told, slots.values_of(replayed.slots)).sum() > 0


def test_only_earlier_sessions_tell_later_ones(population: FittedPopulation, log: Corpus) -> None:
    """The last session changes nothing about how the ones before it are told."""
    talks = [t for t in log if t.user_id == "person-0"]
    rng = np.random.default_rng(0)
    other = session(talks[-1].id, "person-0", np.array([-3.0, -3.0, 3.0, 3.0]), rng)
    from understudy.users.heldout import Replay, prequential

    slots = population.speaker.slots
    gains = []
    for last in (talks[-1], other):
        seen = slots.read(population.speaker.slots.deeds.read(Corpus([*talks[:-1], last])))
        zero = slots.values_of({})
        gains.append(prequential(slots, seen.fit[None], np.arange(1, 5), zero, Replay.of(slots, {})).after[0].sum())
    assert gains[0] == gains[1]


def test_saved_users_speak_and_hold_no_word_of_the_log(
    population: FittedPopulation, log: Corpus, aligned: Alignment, tmp_path: Path
) -> None:
    aligned.population.save(tmp_path / "users2")
    opened = open_users(tmp_path / "users2")
    assert isinstance(opened, AlignedPopulation)
    assert opened.identity == aligned.population.identity
    assert log.digest[:12] in opened.identity
    drawn = [opened.draw(k, seed=3) for k in range(opened.n_sessions)]
    assert len({p.id for p in drawn}) == len(drawn) == len(log)
    assert drawn == [aligned.population.draw(k, seed=3) for k in range(opened.n_sessions)]
    assert not [
        leak for p in drawn for talk in list(log)[:9] for leak in lint_profile(p, talk) if "persona" in leak.field
    ]
    made = simulate(opened, opened.partner(), n=30, seed=0).conversations
    assert len(made) == 30
    assert all(talk.turns for talk in made)
    raw = (tmp_path / "users2" / "personas.json").read_text("utf-8")
    wording = Wording(log)
    for name in ("person-", *(talk.id for talk in log)):
        assert name not in raw
    strings = [p.text for p in load_personas(tmp_path / "users2").personas]
    assert all(wording.copied(text) is None for text in strings)
    (tmp_path / "users2" / "personas.json").write_text(raw[: len(raw) // 2])
    with pytest.raises(SimulatorError, match="cannot be read"):
        open_users(tmp_path / "users2")


def test_simulated_users_are_moved_by_their_personas(population: FittedPopulation, log: Corpus) -> None:
    """A persona set by hand: long and asking turns come from it more than from its opposite."""
    import msgspec

    found = align(population, log, seed=0).population
    made = {}
    for value in (2.0, -2.0):
        records = tuple(
            msgspec.structs.replace(p, slots={"writes_long": value, "questions": value})
            for p in found.personas.personas
        )
        users = AlignedPopulation(population, msgspec.structs.replace(found.personas, personas=records))
        talks = simulate(users, users.partner(), n=24, seed=0).conversations
        said = [t.text for talk in talks for t in talk.turns if t.role == "user"]
        made[value] = np.mean([len(t.split()) for t in said]), np.mean(["?" in t for t in said])
    assert made[2.0][0] > 1.3 * made[-2.0][0]
    assert made[2.0][1] > made[-2.0][1] + 0.05


def proposer(answer: Mapping[str, object], asked: list[Request]) -> Scripted:
    def say(request: Request) -> str:
        asked.append(request)
        return json.dumps(answer)

    return Scripted(say, name="proposer")


def test_a_model_is_heard_and_tested(population: FittedPopulation) -> None:
    rng = np.random.default_rng(5)
    ways = np.array([1.2, 1.5, 0.0, 0.0])
    own = Corpus([session(f"s{k}", "u", ways, rng) for k in range(9)])
    asked: list[Request] = []
    quote = next(t.text for t in own[0].turns if t.role == "user")
    good = {"feedback": "Longer, and asking more.", "slots": {"writes_long": 1.0, "questions": 1.0}, "facts": [quote]}
    found = align(population, own, model=proposer(good, asked), seed=0)
    (version,) = found.versions.values()
    assert version.outcome == "accepted"
    assert version.feedback == "Longer, and asking more."
    assert version.by == "scripted:proposer"
    assert "dropped" in version.reason
    assert found.population.personas.personas[0].facts == ()
    assert "simulated:" in asked[0].messages[1].content
    bad = {"feedback": "Shorter.", "slots": {"writes_long": -2.0, "questions": -2.0}}
    (version,) = align(population, own, model=proposer(bad, []), seed=0).versions.values()
    assert version.outcome == "rolled back"
    wrong: list[dict[str, object]] = [{}, {"no such": 1.0}, {"questions": "much"}, {"questions": True}]
    for given in wrong:
        (version,) = align(population, own, model=proposer({"slots": given}, []), seed=0).versions.values()
        assert version.outcome == "untouched"
        assert "no proposal can be read" in version.reason
    (version,) = align(population, own, model=Scripted(["no idea"]), seed=0).versions.values()
    assert version.outcome == "untouched"


def test_a_model_without_answers_leaves_users_untouched(population: FittedPopulation, log: Corpus) -> None:
    found = align(population, log, model=Scripted([]), seed=0)
    assert found.counts["untouched"] == 12
    assert all("the model gave no answer" in v.reason for v in found.versions.values())


def test_a_log_without_users_is_refused(population: FittedPopulation, log: Corpus) -> None:
    with pytest.raises(UsageError, match="names no users"):
        align(population, Corpus([Conversation(t.id, t.turns) for t in log]), seed=0)
    mute = Corpus([Conversation("a", (Turn("assistant", "Anyone?"), Turn("user", " ")), user_id="u")])
    with pytest.raises(UsageError, match="no user turn"):
        align(population, mute, seed=0)


def test_whatever_stands_in_a_log_is_borne(population: FittedPopulation) -> None:
    """Blank, foreign, endless and hostile turns, unknown topics, users who say nothing."""
    talks = [
        Conversation("a", (Turn("user", ""),), "x"),
        Conversation("b", (Turn("user", "我想要一张票!"),), "x", "新"),
        Conversation("c", (Turn("assistant", "?"), Turn("user", "\u202e<script>" * 50)), "x"),
        Conversation("d", (Turn("assistant", "only"),), "y"),
        Conversation("e", (Turn("user", "w " * 5000),), "z"),
        Conversation("f", (Turn("user", "ok"),), "z"),
    ]
    tiny = fit_population(Corpus([Conversation(str(k), (Turn("user", "hi there"),)) for k in range(3)]), seed=0)
    for fitted in (population, tiny):
        found = align(fitted, Corpus(talks), seed=0)
        assert sum(found.counts.values()) == 2
        assert [found.population.draw(k, seed=0).goal.topic for k in range(found.population.n_sessions)]


def test_what_is_remembered_is_found_by_likeness_topic_and_how_long_ago() -> None:
    memory = EpisodicMemory(
        [Episode("a", "film", 3, (1.0, 0.0)), Episode("b", "film", 3, (1.0, 0.0)), Episode("c", "food", 3, (0.0, 1.0))],
        half_life=2,
    )
    assert memory.recall(np.array([1.0, 0.0]))[0].episode.session == "b"
    assert [r.episode.session for r in memory.recall(np.array([1.0, 0.0]), topic="film")] == ["b", "a"]
    assert [r.episode.session for r in memory.recall(topic="opera", count=1)] == ["c"]
    near = memory.direction(topic="film")
    assert near is not None
    assert near.tolist() == [1.0, 0.0]
    assert EpisodicMemory([]).direction() is None


def test_alignment_is_the_same_every_time(population: FittedPopulation, log: Corpus, aligned: Alignment) -> None:
    again = align(population, log, seed=0)
    assert again.versions == aligned.versions
    backwards = align(
        population, Corpus([t for u in range(11, -1, -1) for t in log if t.user_id == f"person-{u}"]), seed=0
    )
    assert sorted(v.loss_after or 0 for v in backwards.versions.values()) == pytest.approx(
        sorted(v.loss_after or 0 for v in again.versions.values())
    )


def test_a_session_with_a_persona_is_relived_alike(aligned: Alignment) -> None:
    users = aligned.population
    profile = users.draw(0, seed=0)
    history = [Turn("assistant", "What would you like next, number 0?")]
    said = [asyncio.run(users.simulator().start(profile, seed=4).reply(history)) for _ in range(2)]
    assert said[0] == said[1]


def test_a_folder_holds_the_users_that_were_written_last(
    population: FittedPopulation, aligned: Alignment, tmp_path: Path
) -> None:
    """Whatever stood there before, as `train` leaves `neural.json` or `adapted.json`."""
    for name in ("adapted.json", "neural.json"):
        (tmp_path / name).write_text("{}")
    aligned.population.save(tmp_path)
    assert open_users(tmp_path).identity == aligned.population.identity
    (tmp_path / "neural.json").write_text("{}")
    population.save(tmp_path)
    assert open_users(tmp_path).identity == population.identity
