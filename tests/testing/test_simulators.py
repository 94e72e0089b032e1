"""The suites are tested on what they must catch: one broken simulator or partner for each check."""

import random

import numpy as np
import pytest

from understudy.conversations import Ending
from understudy.rollouts.partner import PartnerTurn
from understudy.testing.checks import Check, ConformanceError, failures
from understudy.testing.simulators import (
    check_partner,
    check_population,
    check_user_simulator,
    example_profile,
)
from understudy.users import UserTurn
from understudy.users.structured import StructuredPopulation


class Good:
    """Says how often it has spoken, and leaves in time."""

    identity = "good"

    def start(self, profile, *, seed):
        return GoodSession(profile, seed)


class GoodSession:
    def __init__(self, profile, seed):
        self.seed = seed

    def text(self, history):
        return f"{len(history)} {np.random.default_rng(self.seed + len(history)).random()}"

    async def reply(self, history):
        if len(history) >= 8:
            return UserTurn("bye", ending=Ending("user", "done"))
        return UserTurn(self.text(history))


def broken(session):
    class Broken(Good):
        def start(self, profile, *, seed):
            return session(profile, seed)

    return Broken()


class Nameless(Good):
    identity = ""


class Renaming(Good):
    @property
    def identity(self):
        return f"{random.random()}"


class Sync(GoodSession):
    def reply(self, history):
        return UserTurn("hi")


class Bare(GoodSession):
    async def reply(self, history):
        return "hi"


class Silent(GoodSession):
    async def reply(self, history):
        return UserTurn("")


class Drawing(GoodSession):
    def text(self, history):
        return f"{np.random.random()}"  # noqa: NPY002 - what the check must see


class Stateful(GoodSession):
    def __init__(self, profile, seed):
        self.rng = np.random.default_rng(seed)

    def text(self, history):
        return f"{self.rng.random()}"


class Sharing(GoodSession):
    last = None

    def __init__(self, profile, seed):
        self.mine = type(self).last = object()

    def text(self, history):
        return "the last" if self.mine is type(self).last else "not the last"


class Obeying(GoodSession):
    async def reply(self, history):
        if history and "STOP" in history[-1].text:
            raise RuntimeError("stopped")
        return await super().reply(history)


class Posing(GoodSession):
    async def reply(self, history):
        return UserTurn("hi", ending=Ending("assistant", "no"))


class Unwritable(GoodSession):
    async def reply(self, history):
        return UserTurn("hi", state={"f": print})


def test_a_good_simulator_passes():
    assert failures(check_user_simulator(Good())) == {}
    assert failures(check_user_simulator(Good(), example_profile(opens=False))) == {}


@pytest.mark.parametrize(
    ("simulator", "check"),
    [
        (Nameless(), "has an identity"),
        (Renaming(), "has an identity"),
        (broken(Sync), "starts a session"),
        (broken(lambda profile, seed: object()), "starts a session"),
        (broken(Bare), "speaks"),
        (broken(Silent), "speaks"),
        (broken(Silent), "talks without a fault"),
        (broken(Unwritable), "talks without a fault"),
        (broken(Drawing), "repeats itself exactly"),
        (broken(Drawing), "leaves global randomness alone"),
        (broken(Stateful), "can be resumed"),
        (broken(Sharing), "keeps sessions apart"),
        (broken(Obeying), "survives hostile partners"),
        (broken(Posing), "ends as the user"),
    ],
)
def test_a_broken_simulator_is_caught(simulator, check):
    assert check in failures(check_user_simulator(simulator))


class People(StructuredPopulation):
    identity = "people"

    def __init__(self, change):
        super().__init__([example_profile().goal])
        self.change, self.calls = change, 0

    def draw(self, k, *, seed):
        self.calls += 1
        return self.change(self, super().draw(k, seed=seed))


def counted(people, profile):
    return type(profile)(id=f"{people.calls}", user_id="u", persona=profile.persona, goal=profile.goal)


def drawn(people, profile):
    random.random()
    return profile


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (lambda people, profile: None, "draws profiles"),
        (counted, "draws by number"),
        (drawn, "leaves global randomness alone"),
    ],
)
def test_a_broken_population_is_caught(change, check):
    assert failures(check_population(People(lambda people, profile: profile))) == {}
    assert list(failures(check_population(People(change)))) == [check]


class Desk:
    identity = "desk"

    def __init__(self, act):
        self.act = act

    def start(self, *, topic, seed):
        return DeskSession(self.act, seed)


class DeskSession:
    def __init__(self, act, seed):
        self.act, self.seed = act, seed

    async def reply(self, history):
        return self.act(history)


def good(history):
    return PartnerTurn(f"answer {len(history)}")


def one_that(condition, then):
    return lambda history: then if condition(history) else good(history)


@pytest.mark.parametrize(
    ("act", "check"),
    [
        (lambda history: "bare", "talks without a fault"),
        (lambda history: PartnerTurn(history[-1].text), "may speak first"),
        (one_that(lambda h: h and "template" in h[-1].text, PartnerTurn("")), "survives hostile users"),
        (one_that(lambda h: len(h) > 30, PartnerTurn("")), "survives a long conversation"),
        (lambda history: PartnerTurn(f"{np.random.random()}"), "repeats itself exactly"),  # noqa: NPY002
        (lambda history: PartnerTurn(f"{random.random()}"), "leaves global randomness alone"),
    ],
)
def test_a_broken_partner_is_caught(act, check):
    assert failures(check_partner(Desk(good))) == {}
    assert check in failures(check_partner(Desk(act)))


def test_a_partner_that_draws_is_excused_on_request():
    drawing = Desk(lambda history: PartnerTurn(f"{random.random()}"))
    assert failures(check_partner(drawing, deterministic=False)) == {}


def test_a_check_says_what_was_seen_and_what_was_asked():
    check = Check("sum", "sums are right", lambda: "2 + 2 is 5")
    assert repr(check) == "sum"
    with pytest.raises(ConformanceError) as told:
        check()
    assert str(told.value) == "2 + 2 is 5\n  the contract: sums are right"
    assert issubclass(ConformanceError, AssertionError)


def test_errors_of_the_checked_code_pass_through():
    with pytest.raises(ZeroDivisionError):
        Check("divides", "", lambda: 1 / 0)()


@pytest.mark.parametrize("check", list(check_user_simulator(Good())), ids=repr)
def test_the_suite_runs_as_pytest_cases(check):
    check()
