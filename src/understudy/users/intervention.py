"""The intervention test: set what simulated users think of their partner; do they then behave as people do?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import numpy as np

from understudy.conversations import Conversation, Corpus, Turn
from understudy.errors import UsageError
from understudy.measures.pmq import FACTORS
from understudy.measures.resampling import Floats, Ints
from understudy.seeds import derive_seed
from understudy.users.fitted import FittedUser
from understudy.users.opening import SimulatedUsers
from understudy.users.partner_learning import effects_in, turn_outcomes
from understudy.users.partner_model import NEUTRAL, OUTCOMES, PartnerModel

DISTANCE = 0.5  # of the two set states from the neutral one
MOST = 150  # conversations; more are not replayed
GROUPS = 30
SIZES = (0.5, 2.0)
_FEWEST = 30


class Moved(msgspec.Struct, frozen=True):
    """What a unit of one factor does to one outcome: in people, by regression; in simulated users, by setting it.

    Log odds for `leaving`, standard deviations for the others; 95 % intervals. None: it cannot be told (in people the
    factor does not vary enough; too few turns). `shown`: people's interval is clear of 0. `sign`: the simulated value
    has people's sign. `size`: it lies in people's interval, or is between half and twice their value.
    """

    outcome: str
    factor: str
    people: float | None
    people_interval: tuple[float, float] | None
    simulated: float | None
    simulated_interval: tuple[float, float] | None

    @property
    def shown(self) -> bool:
        return self.people_interval is not None and self.people_interval[0] * self.people_interval[1] > 0

    @property
    def sign(self) -> bool:
        return self.people is not None and self.simulated is not None and self.people * self.simulated > 0

    @property
    def size(self) -> bool:
        if self.people is None or self.simulated is None or self.people_interval is None:
            return False
        inside = self.people_interval[0] <= self.simulated <= self.people_interval[1]
        return inside or SIZES[0] <= self.simulated / self.people <= SIZES[1]


def intervene(
    users: SimulatedUsers, held_out: Corpus, model: PartnerModel, *, seed: int, most: int = MOST
) -> list[Moved]:
    """Does setting the state move what users do as the state does in people?

    People: regression of what the users of `held_out` did on the state that `model` gives them (`effects_in`).
    Simulated: at each turn of up to `most` of the same conversations the users reply to the true history, once with
    each factor set to .5 and once to -.5 (the others 0), with the same random streams; the difference, a unit.
    Intervals by unit: cluster-robust, and a jackknife over groups of units.

    In people it is a regression and no experiment: who trusts a partner may differ in ways that place, first turn and
    the partner's last acts do not tell. Raises `UsageError` for users whose state cannot be set.
    """
    simulator = users.simulator()
    if not isinstance(simulator, FittedUser):
        raise UsageError(
            f"the state of {simulator.identity} cannot be set",
            why="the test sets what users think of their partner and looks at what they do",
            fix="give fitted users",
        )
    people = effects_in(held_out, model)
    talks = list(held_out)[:most]
    units = np.unique(held_out.unit_ids, return_inverse=True)[1][: len(talks)]
    found = []
    for j, factor in enumerate(FACTORS):
        sides = []
        for sign in (-1, 1):
            view = NEUTRAL._replace(**{factor: sign * DISTANCE})
            sides.append(asyncio.run(_replies(simulator.with_view(view), users, talks, model, seed)))
        value, interval = _slopes(sides[0], sides[1], units)
        for k, outcome in enumerate(OUTCOMES):
            told = not np.isnan(people.value[k, j])
            low, high = people.interval[k, j].tolist()
            known = not np.isnan(value[k])
            found.append(
                Moved(
                    outcome,
                    factor,
                    float(people.value[k, j]) if told else None,
                    (low, high) if told else None,
                    float(value[k]) if known else None,
                    (float(interval[k, 0]), float(interval[k, 1])) if known else None,
                )
            )
    return found


class _Said(NamedTuple):
    """Replies at the same turns: which conversation, whether it left, wording in units (nan where nothing was said)."""

    talk: Ints
    left: Floats
    wording: Floats


def _histories(talk: Conversation) -> Iterator[tuple[Turn, ...]]:
    """Before each user turn that a partner turn came before, and at the end where the partner spoke last."""
    turns = talk.turns
    for k, turn in enumerate(turns):
        if turn.role == "user" and k and turns[k - 1].role != "user":
            yield turns[:k]
    if turns and turns[-1].role != "user" and any(turn.role == "user" for turn in turns):
        yield turns


async def _replies(
    simulator: FittedUser, users: SimulatedUsers, talks: list[Conversation], model: PartnerModel, seed: int
) -> _Said:
    texts, left, talk_of = [], [], []
    for number, talk in enumerate(talks):
        session = simulator.start(users.draw(number, seed=seed), seed=derive_seed(seed, "intervention", number))
        for history in _histories(talk):
            reply = await session.reply(history)
            texts.append(reply.text)
            left.append(float(reply.ending is not None))
            talk_of.append(number)
    wording = turn_outcomes(texts, model.language) / np.array(model.units)
    wording[[not text for text in texts]] = np.nan
    return _Said(np.array(talk_of, dtype=np.int64), np.array(left), wording)


def _slopes(low: _Said, high: _Said, units: Ints) -> tuple[Floats, Floats]:
    """A unit's effect on each outcome, and its interval by a jackknife over groups of units."""
    from scipy import stats

    gap = high.wording - low.wording
    known = ~np.isnan(gap)
    group = units[low.talk] % GROUPS
    columns = np.column_stack(
        [low.left, high.left, np.ones(len(low.left)), np.where(known, gap, 0.0), known.astype(np.float64)]
    )
    sums = np.zeros((GROUPS, columns.shape[1]))
    np.add.at(sums, group, columns)

    def slopes(total: Floats) -> Floats:
        n = np.maximum(total[..., 2], 1)
        p, q = ((total[..., k] + 0.5) / (n + 1) for k in (0, 1))
        leaving = np.log(q / (1 - q)) - np.log(p / (1 - p))
        means = total[..., 3:6] / np.maximum(total[..., 6:9], 1)
        out: Floats = np.concatenate([leaving[..., None], means], axis=-1) / (2 * DISTANCE)
        return out

    total = sums.sum(axis=0)
    value = slopes(total)
    value[[total[2] < _FEWEST, *(total[6:9] < _FEWEST)]] = np.nan
    used = sums[:, 2] > 0
    left_out = slopes(total - sums[used])
    count = int(used.sum())
    error = np.sqrt((count - 1) / max(count, 1) * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0))
    reach = float(stats.t.ppf(0.975, max(count - 1, 1))) * error
    return value, np.stack([value - reach, value + reach], axis=1)
