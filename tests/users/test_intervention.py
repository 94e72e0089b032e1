"""Setting the state moves what users do by what their model says, and the test that asks so tells right from wrong."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

import understudy
from tests.users.fitting_corpus import talks
from understudy.conversations import Corpus, split_corpus
from understudy.conversations.reading import read_corpus
from understudy.errors import UsageError
from understudy.users.intervention import Moved, intervene
from understudy.users.partner_model import PartnerModel, usual_model
from understudy.users.population import FittedPopulation, fit_population, load_population
from understudy.users.structured import StructuredPopulation
from understudy.users.tilting import tilt

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
    """By less than was planted: a user has its plan, and few other things to say at any moment."""
    sample = read_corpus(Path(understudy.__file__).parent / "sample" / "conversations.jsonl").corpus
    train, held_out = split_corpus(sample, (0.6, 0.4), seed=0)
    moved = planted(fit_population(train, copy_guard="free", seed=0), words=0.6, held_out=held_out)
    assert 0.1 < found(moved, "words", "competence") < 0.8
    assert all(m.simulated == 0.0 for m in moved if m.factor != "competence")
    assert found(moved, "leaving", "competence") == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize("effect", [-1.2, 1.2])
def test_a_planted_effect_on_leaving_comes_out_in_log_odds(population: FittedPopulation, effect: float) -> None:
    assert found(planted(population, leaving=effect), "leaving", "competence") == pytest.approx(effect, abs=0.5)


def test_no_effect_is_no_difference(population: FittedPopulation) -> None:
    assert all(m.simulated == 0.0 for m in planted(population) if m.simulated is not None)


def test_verdicts() -> None:
    people = ("words", "competence", 0.4, (0.2, 0.6))
    assert Moved(*people, 0.25, None).size
    assert Moved(*people, 0.7, None).size  # within twice
    assert not Moved(*people, 0.1, None).size
    assert not Moved(*people, -0.3, None).sign
    assert Moved(*people, 0.3, None).shown
    assert not Moved("words", "competence", 0.1, (-0.2, 0.4), 0.1, None).shown


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


def test_tilting_moves_the_mean_and_gives_up_where_nothing_varies() -> None:
    rng = np.random.default_rng(0)
    features, score = rng.normal(size=(400, 3)), rng.normal(size=400)
    features[:, 2] = 1.0

    def means(weight: np.ndarray) -> np.ndarray:
        share = np.exp(weight)
        return share @ features / share.sum()

    shift = np.array([0.3, -0.2, 0.5])
    moved = means(score + tilt(score, features, shift)) - means(score)
    assert moved[:2] == pytest.approx(shift[:2], abs=0.03)
    assert moved[2] == pytest.approx(0.0, abs=1e-9)
