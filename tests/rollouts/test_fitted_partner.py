"""The fitted engine behind the names of the command line, and under the conformance suites."""

import msgspec
import pytest

from understudy.conversations import Conversation, Corpus, Turn
from understudy.conversations.writing import write_corpus
from understudy.rollouts.partners import open_partner
from understudy.rollouts.simulate import simulate
from understudy.seeds import stream
from understudy.testing.checks import failures
from understudy.testing.simulators import check_partner, check_population, check_user_simulator
from understudy.users.population import FittedPopulation, fit_population

SEEK = ("a quiet hotel", "a cheap room", "the late train to York", "two seats by the window", "a table for three")
HEDGE = ("maybe", "i think", "please", "well", "if you can")
ASK = ("Which day would you like?", "How many people?", "There are two of them, shall I book?", "It costs twenty.")


def small_corpus():
    talks = []
    for i in range(60):
        rng = stream(3, "small", i)
        turns = []
        for _ in range(int(rng.integers(2, 5))):
            turns.append(Turn("user", f"{HEDGE[rng.integers(5)]} i want {SEEK[rng.integers(5)]}"))
            turns.append(Turn("assistant", ASK[rng.integers(4)]))
        turns.append(Turn("user", "ok thanks, bye"))
        talks.append(Conversation(f"c{i}", tuple(turns), user_id=f"u{i % 20}", topic="ab"[i % 2]))
    return Corpus(talks)


@pytest.fixture(scope="module")
def people():
    return fit_population(small_corpus(), seed=0)


def test_fitted_users_and_partner_keep_the_contracts(people):
    assert failures(check_population(people)) == {}
    assert failures(check_user_simulator(people.simulator(), people.draw(0, seed=1))) == {}
    assert failures(check_partner(people.partner())) == {}


def test_workers_change_no_byte_of_fitted_rollouts(people):
    one, two = (simulate(people, people.partner(), n=12, seed=1, workers=w) for w in (1, 2))
    assert msgspec.json.encode(one.rollouts) == msgspec.json.encode(two.rollouts)
    assert one.counts.accepted == 12


def test_a_corpus_by_name_is_fitted_to_its_assistants(tmp_path):
    file = tmp_path / "real.jsonl"
    write_corpus(file, small_corpus())
    partner = open_partner(f"fitted:{file}+rude")
    assert partner.identity.endswith("+rude")
    said = simulate(f"structured:{file}", partner, n=4, seed=1)
    assert said.counts.accepted == 4


@pytest.mark.skipif(not hasattr(FittedPopulation, "save"), reason="populations cannot be saved")
def test_a_fitted_corpus_by_name_is_the_same_in_any_number_of_processes(tmp_path):
    file = tmp_path / "real.jsonl"
    write_corpus(file, small_corpus())
    names = (f"structured:{file}", f"fitted:{file}+bad")
    one, two = (simulate(*names, n=8, seed=1, workers=w) for w in (1, 2))
    assert msgspec.json.encode(one.rollouts) == msgspec.json.encode(two.rollouts)
