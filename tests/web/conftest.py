"""One served population for all tests of this room."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from understudy.users.population import FittedPopulation, fit_population
from understudy.web.running import in_background
from understudy.web.server import build_app

SEED = 7


@pytest.fixture(scope="session")
def people() -> FittedPopulation:
    from understudy.sample import sample_corpus

    return fit_population(sample_corpus().subset(range(80)), seed=0)


@pytest.fixture(scope="session")
def url(people: FittedPopulation) -> Iterator[str]:
    with in_background(build_app(people, seed=SEED)) as served:
        yield served
