"""Users that were fitted to the people who test are found by the digest in their provenance."""

from __future__ import annotations

from tests.cli.running import talk
from understudy import Corpus, simulate
from understudy.conversations import Conversation, Turn
from understudy.users.origins import contamination, fitted_to
from understudy.users.population import fit_population


def real(first: int, count: int = 16) -> Corpus:
    rows = [talk(k) for k in range(first, first + count)]
    return Corpus(
        [
            Conversation(
                f"c{first}-{k}", tuple(Turn(m["role"], m["content"]) for m in row["messages"]), f"u{first}-{k}"
            )
            for k, row in enumerate(rows)
        ]
    )


def test_a_fitted_population_is_known_by_the_corpus_that_it_was_fitted_to() -> None:
    people, others = real(0), real(100)
    population = fit_population(people, seed=0)
    partner = fit_population(others, seed=0).partner()
    made = Corpus(simulate(population, partner, n=6, seed=0).conversations)
    assert fitted_to(made, people) == 1.0
    assert fitted_to(made, others) == 0.0
    assert fitted_to(made, others, side="partner") == 1.0
    assert "100% of the synthetic conversations are by users fitted to" in contamination(made, [others, people])
    assert "the partner was fitted" in contamination(made, [others])
    assert contamination(made, [others], partners=False) == ""
    assert contamination(made, [real(200)]) == ""


def test_people_and_nobody_are_not_contaminated() -> None:
    people = real(0)
    assert contamination(real(100), [people]) == ""
    assert contamination(people, []) == ""
    assert fitted_to(Corpus([]), people) == 0.0
