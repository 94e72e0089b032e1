from __future__ import annotations

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest

from tests.users.fitting_corpus import ASKED, talks
from understudy.conversations import Conversation, Corpus, Turn
from understudy.errors import SimulatorError, UsageError
from understudy.users import Goal, Persona, Population, Profile, UserSimulator
from understudy.users.aligned import AlignedPopulation
from understudy.users.copy_guard import verbatim_rate
from understudy.users.lookahead import lint_profile
from understudy.users.opening import SimulatedUsers, open_users
from understudy.users.personas import PersonaRecord, Personas
from understudy.users.population import FittedPopulation, fit_population, load_population
from understudy.users.speaker import Guard


@pytest.fixture(scope="module")
def real() -> Corpus:
    return talks()


@pytest.fixture(scope="module")
def population(real: Corpus) -> FittedPopulation:
    return fit_population(real, seed=0)


def converse(population: FittedPopulation, k: int, *, seed: int = 5, limit: int = 30) -> tuple[Turn, ...]:
    async def talk() -> tuple[Turn, ...]:
        profile = population.draw(k, seed=seed)
        user = population.simulator().start(profile, seed=seed + k)
        partner = population.partner().start(topic=profile.goal.topic, seed=seed + k)
        history: list[Turn] = []
        speaks = profile.opens
        while len(history) < limit:
            if speaks:
                said = await user.reply(history)
                if said.text:
                    history.append(Turn("user", said.text, said.intent))
                if said.ending:
                    break
            else:
                answer = await partner.reply(history)
                history.append(Turn("assistant", answer.text, acts=answer.acts))
            speaks = not speaks
        return tuple(history)

    return asyncio.run(talk())


def simulated(population: FittedPopulation, n: int) -> Corpus:
    drawn = [population.draw(k, seed=5) for k in range(n)]
    return Corpus(
        [Conversation(id=f"s{k}", turns=converse(population, k), user_id=p.user_id) for k, p in enumerate(drawn)]
    )


def test_keeps_the_contracts(population: FittedPopulation) -> None:
    assert isinstance(population, Population)
    assert isinstance(population, SimulatedUsers)
    assert isinstance(population.simulator(), UserSimulator)


def test_a_block_of_draws_is_every_session_once(population: FittedPopulation, real: Corpus) -> None:
    drawn = [population.draw(k, seed=3) for k in range(population.n_sessions)]
    assert len({p.id for p in drawn}) == population.n_sessions == len(real)
    counts = sorted(np.unique([p.user_id for p in drawn], return_counts=True)[1].tolist())
    assert counts == sorted(np.unique(real.unit_ids, return_counts=True)[1].tolist())
    assert [population.draw(k, seed=4).id for k in range(9)] != [p.id for p in drawn[:9]]
    assert population.draw(population.n_sessions, seed=3).user_id not in {p.user_id for p in drawn}


def test_profiles_hold_neither_real_ids_nor_the_future(population: FittedPopulation, real: Corpus) -> None:
    by_row = dict(enumerate(real))
    for k in range(20):
        profile = population.draw(k, seed=0)
        assert "person" not in profile.id + profile.user_id
        source = by_row[int(profile.id.rsplit("-a", 1)[1])]
        assert not list(lint_profile(profile, source))


def test_same_profile_seed_and_history_give_the_same_turn(population: FittedPopulation) -> None:
    first = converse(population, 0)
    assert first == converse(population, 0)
    profile = population.draw(0, seed=5)
    at = [k for k, turn in enumerate(first) if turn.role == "user"][2]
    fresh = population.simulator().start(profile, seed=5)
    relived = asyncio.run(fresh.reply(first[:at]))
    assert relived.text == first[at].text
    again = asyncio.run(fresh.reply(first[:at]))
    assert again.text == first[at].text


def test_the_reply_answers_what_the_partner_asks(population: FittedPopulation) -> None:
    """Asked out of the plan's order, most users still answer the question that was put."""
    free = population.with_guard("free")
    questions = list(ASKED)
    right = 0
    for k in range(40):
        session = free.simulator().start(free.draw(k, seed=1), seed=k)
        opening = asyncio.run(session.reply([]))
        history = [Turn("user", opening.text), Turn("assistant", questions[2])]
        answer = asyncio.run(session.reply(history)).text.lower()
        right += any(word in answer for word in ("yes", "no", "hotel"))
    assert right >= 32


def test_lengths_follow_the_real_ones(population: FittedPopulation, real: Corpus) -> None:
    made = simulated(population, len(real))
    turns = [sum(t.role == "user" for t in talk.turns) for talk in made]
    assert abs(np.mean(turns) - 5.0) < 0.5


def test_the_guard_lets_through_what_people_share_and_no_more(real: Corpus) -> None:
    rng = np.random.default_rng(1)
    words = [f"word{k}" for k in range(40)]
    made = [
        Conversation(
            id=f"c{k}",
            turns=(Turn("user", " ".join(rng.choice(words, 14))), Turn("assistant", "go on"), Turn("user", "bye")),
            user_id=f"u{k}",
        )
        for k in range(40)
    ]
    corpus = Corpus(made)
    population = fit_population(corpus, seed=0)
    assert population.material.shared_rate == 0.0
    assert not verbatim_rate(simulated(population, 40), corpus)
    assert verbatim_rate(simulated(population.with_guard("free"), 40), corpus) == 1.0


def test_the_strict_guard_keeps_back_spans_of_five(real: Corpus) -> None:
    rng = np.random.default_rng(2)
    words = [f"word{k}" for k in range(12)]
    said = [Turn("user", " ".join(rng.choice(words, 7))) for _ in range(60)]
    corpus = Corpus(
        [Conversation(f"c{k}", (turn, Turn("assistant", "go on")), user_id=f"u{k}") for k, turn in enumerate(said)]
    )
    population = fit_population(corpus, seed=0)
    assert verbatim_rate(simulated(population, 60), corpus, size=5)
    strict = population.with_guard("strict")
    assert strict.identity != population.identity
    assert not verbatim_rate(simulated(strict, 60), corpus, size=5)


def test_saved_and_loaded_it_says_the_same(population: FittedPopulation, tmp_path: Path) -> None:
    population.save(tmp_path / "users")
    loaded = load_population(tmp_path / "users")
    assert loaded.identity == population.identity
    assert [converse(loaded, k) for k in range(3)] == [converse(population, k) for k in range(3)]
    assert load_population(tmp_path / "users", copy_guard="free").copy_guard == "free"
    assert {p.suffix for p in (tmp_path / "users").iterdir()} == {".json", ".parquet"}


@pytest.mark.parametrize("guard", ["free", "guarded", "strict"])
def test_users_keep_the_guard_that_they_were_saved_with(
    population: FittedPopulation, tmp_path: Path, guard: Guard
) -> None:
    kept = population.with_guard(guard)
    kept.save(tmp_path / "users")
    opened = open_users(tmp_path / "users")
    assert isinstance(opened, FittedPopulation)
    opened.save(tmp_path / "again")
    for one in (opened, open_users(tmp_path / "again")):
        assert (one.copy_guard, one.identity) == (guard, kept.identity)
        assert [converse(one, k) for k in range(6)] == [converse(kept, k) for k in range(6)]
    personas = Personas(
        population=population.material.corpus_digest, log="log", personas=(PersonaRecord("sim-0", "a", (None,)),)
    )
    AlignedPopulation(kept, personas).save(tmp_path / "aligned")
    assert open_users(tmp_path / "aligned").copy_guard == guard


@pytest.mark.parametrize("damage", ["missing", "cut", "schema", "header", "guard"])
def test_a_damaged_folder_is_refused(population: FittedPopulation, tmp_path: Path, damage: str) -> None:
    population.save(tmp_path)
    header = tmp_path / "population.json"
    if damage == "missing":
        (tmp_path / "words.parquet").unlink()
    elif damage == "cut":
        (tmp_path / "turns.parquet").write_bytes((tmp_path / "turns.parquet").read_bytes()[:-9])
    elif damage == "header":
        header.write_text("{", "utf-8")
    else:
        field, value = ("schema", "understudy.population/99") if damage == "schema" else ("copy_guard", "loose")
        header.write_text(json.dumps({**json.loads(header.read_text("utf-8")), field: value}), "utf-8")
    with pytest.raises(UsageError if damage == "guard" else SimulatorError) as caught:
        load_population(tmp_path)
    assert caught.value.fix


@pytest.mark.parametrize("named", [True, False])
def test_tiny_corpora_without_users_topics_or_acts(named: bool) -> None:
    population = fit_population(talks(3, named=named), seed=0)
    for k in range(4):
        assert converse(population, k)


def test_users_alone_can_be_fitted_but_make_no_partner() -> None:
    silent = [Conversation(id=c.id, turns=tuple(t for t in c.turns if t.role == "user")) for c in talks(12)]
    population = fit_population(Corpus(silent), seed=0)
    session = population.simulator().start(population.draw(0, seed=0), seed=0)
    assert asyncio.run(session.reply([])).text
    with pytest.raises(SimulatorError, match="without assistant turns"):
        population.partner()


def test_a_corpus_without_user_turns_is_refused() -> None:
    with pytest.raises(SimulatorError, match="has a user turn"):
        fit_population(Corpus([Conversation(id="a", turns=(Turn("assistant", "hi"),))]), seed=0)


def test_a_profile_from_elsewhere_and_an_unknown_partner_are_answered(population: FittedPopulation) -> None:
    profile = Profile(id="x", user_id="x", persona=Persona(id="x"), goal=Goal(topic="unheard of"), opens=False)
    session = population.simulator().start(profile, seed=0)
    for text in ("完全不同的语言", "", "???", "Where to?" * 500):
        assert asyncio.run(session.reply([Turn("assistant", text)])).text


def test_acts_of_the_corpus_become_intents() -> None:
    labelled = [
        Conversation(id=c.id, turns=tuple(Turn(t.role, t.text, acts=(f"act-{k % 3}",)) for k, t in enumerate(c.turns)))
        for c in talks(20)
    ]
    population = fit_population(Corpus(labelled), seed=0)
    assert population.material.user.from_acts
    said = converse(population, 0)
    assert {t.intent for t in said if t.role == "user"} <= {"act-0", "act-1", "act-2", "leave"}
    assert all(t.acts for t in said if t.role == "assistant")
