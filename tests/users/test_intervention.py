"""Setting the state moves what users do by what their model says, and the test that asks so tells right from wrong."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import numpy as np
import pytest

import understudy
from tests.users.fitting_corpus import talks
from understudy.conversations import Corpus, Turn, split_corpus
from understudy.conversations.reading import read_corpus
from understudy.errors import UsageError
from understudy.users.fitted import FittedUser
from understudy.users.intervention import Half, Moved, intervene
from understudy.users.partner_model import NEUTRAL, PartnerModel, usual_model
from understudy.users.population import FittedPopulation, fit_population, load_population
from understudy.users.structured import StructuredPopulation
from understudy.users.tilting import Choices, tilt

NONE = ((0.0, 0.0, 0.0),) * 4


@pytest.fixture(scope="module")
def population() -> FittedPopulation:
    return fit_population(talks(90), copy_guard="free", seed=0)


def planted(
    population: FittedPopulation, *, leaving: float = 0.0, words: float = 0.0, held_out: Corpus | None = None
) -> list[Moved]:
    effects = ((leaving, 0.0, 0.0), (words, 0.0, 0.0), *NONE[2:])
    model: PartnerModel = msgspec.structs.replace(population.partner_model, effects=effects)
    people = talks(60, seed=9) if held_out is None else held_out
    return intervene(population.with_partner_model(model), people, model, seed=1, most=60)


def found(moved: list[Moved], outcome: str, factor: str) -> float:
    value = next(m.simulated for m in moved if (m.outcome, m.factor) == (outcome, factor))
    assert value is not None
    return value


def test_a_planted_effect_on_wording_comes_out_and_no_other() -> None:
    """As much as was planted, though a user has its plan and at most moments one thing to say."""
    sample = read_corpus(Path(understudy.__file__).parent / "sample" / "conversations.jsonl").corpus
    train, held_out = split_corpus(sample, (0.6, 0.4), seed=0)
    moved = planted(fit_population(train, copy_guard="free", seed=0), words=0.6, held_out=held_out)
    assert 0.4 < found(moved, "words", "competence") < 0.9
    assert all(m.simulated == 0.0 for m in moved if m.factor != "competence")
    assert found(moved, "leaving", "competence") == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize("effect", [-1.2, 1.2])
def test_a_planted_effect_on_leaving_comes_out_in_log_odds(population: FittedPopulation, effect: float) -> None:
    assert found(planted(population, leaving=effect), "leaving", "competence") == pytest.approx(effect, abs=0.5)


def test_no_effect_is_no_difference(population: FittedPopulation) -> None:
    assert all(m.simulated == 0.0 for m in planted(population) if m.simulated is not None)


def test_verdicts() -> None:
    """One half says whether and which way, the other how much."""

    def moved(simulated: float, other: float = 0.4, *, shown: bool = True) -> Moved:
        halves = (Half(0.9, (0.5, 1.3), shown), Half(other, (other - 0.2, other + 0.2), False))
        return Moved("words", "competence", 0.6, (0.4, 0.8), halves, simulated, None)

    assert moved(0.25).size
    assert moved(0.25).sign
    assert moved(0.7).size  # within twice
    assert not moved(0.9).size  # as large as in the half that it was picked from
    assert not moved(0.1).size
    assert not moved(-0.3).sign
    assert moved(0.05, -0.1).sign
    assert moved(0.05, -0.1).size
    assert not moved(0.25, shown=False).shown
    assert not moved(0.25, shown=False).sign


def test_of_effects_that_do_not_exist_hardly_any_is_shown(population: FittedPopulation) -> None:
    """What these people do goes with nothing: 12 effects in 2 halves of 8 corpora."""
    model = population.partner_model
    found = [intervene(population, talks(60, seed=100 + k), model, seed=k, most=1) for k in range(8)]
    assert sum(m.shown for moved in found for m in moved) <= 3


def test_users_without_a_state_are_refused() -> None:
    with pytest.raises(UsageError):
        intervene(StructuredPopulation.from_corpus(talks(30)), talks(30), usual_model("en"), seed=0)


def test_the_model_is_kept_with_the_users_and_learned_where_a_folder_has_none(population, tmp_path) -> None:
    model = msgspec.structs.replace(population.partner_model, gains=(0.1, 0.2, 0.75))
    population.with_partner_model(model).save(tmp_path / "users")
    assert load_population(tmp_path / "users").partner_model == model
    card = tmp_path / "users" / "population.json"
    content = msgspec.json.decode(card.read_bytes())
    del content["partner_model"]
    card.write_bytes(msgspec.json.encode(content))
    assert load_population(tmp_path / "users").partner_model == population.partner_model


def test_tilting_moves_the_mean_over_all_choices_and_gives_up_where_nothing_varies() -> None:
    """Half of the choices are as good as made; steps of Newton that are not damped run away here."""
    rng = np.random.default_rng(0)
    features, score = rng.normal(size=(400, 3)), rng.normal(size=400)
    score[::20][::2] += 30.0
    features[:, 2] = 1.0
    choices = Choices(score, features, np.arange(0, 400, 20))
    for size in (0.05, 0.1, 0.2):
        shift = np.array([size, -0.1, 0.5])
        moved = choices.under(tilt(choices, shift))[0] - choices.under(np.zeros(3))[0]
        assert moved[:2] == pytest.approx(shift[:2], rel=0.1)
        assert moved[2] == pytest.approx(0.0, abs=1e-9)
    assert not tilt(choices, np.zeros(3)).any()
    assert not tilt(Choices(np.zeros(0), np.zeros((0, 3)), np.zeros(0, dtype=np.int64)), shift).any()


def test_a_view_multiplies_the_odds_of_leaving_at_every_turn_and_after_the_plan() -> None:
    """Lengths of conversations beside those of people whose odds of leaving are multiplied, known exactly."""
    rng = np.random.default_rng(0)
    cut = [msgspec.structs.replace(t, turns=t.turns[: int(rng.integers(3, 10))]) for t in talks(90)]
    population = fit_population(Corpus(cut), copy_guard="free", seed=0)
    usual = np.array([population.simulator().start(population.draw(0, seed=0), seed=0)._speaker.sway.leaving(k)
                      for k in range(60)])  # fmt: skip
    for sway in (-1.0, 1.0):
        model = msgspec.structs.replace(population.partner_model, effects=((2 * sway, 0.0, 0.0), *NONE[1:]))
        users = population.with_partner_model(model).simulator().with_view(NEUTRAL._replace(competence=0.5))
        ends = [_turns(population, users, k) for k in range(120)]
        stays = 1 / (1 + np.exp(usual + sway))
        expected = float(np.cumprod(stays).sum())
        assert np.mean(ends) == pytest.approx(expected, abs=3 * np.std(ends) / 120**0.5 + 0.15), sway


def _turns(population: FittedPopulation, users: FittedUser, k: int) -> int:
    """User turns before the last decision to leave, as `Sway.leaving` counts them."""

    async def talk() -> int:
        user = users.start(population.draw(k, seed=3), seed=k)
        partner = population.partner().start(topic="travel", seed=k)
        history: list[Turn] = []
        for said in range(60):
            reply = await user.reply(history)
            if reply.ending is not None:
                return said
            history.append(Turn("user", reply.text))
            history.append(Turn("assistant", (await partner.reply(history)).text))
        return 60

    return asyncio.run(talk())
