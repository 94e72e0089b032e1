"""The intervention test: set what simulated users think of their partner; do they then behave as people do?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import numpy as np

from understudy.conversations import Conversation, Corpus, Turn, split_corpus
from understudy.errors import UsageError
from understudy.measures.multiplicity import benjamini_hochberg
from understudy.measures.pmq import FACTORS
from understudy.measures.resampling import Floats, Ints
from understudy.seeds import derive_seed
from understudy.users.fitted import FittedUser
from understudy.users.opening import SimulatedUsers
from understudy.users.partner_learning import Effects, effects_in, turn_outcomes
from understudy.users.partner_model import NEUTRAL, OUTCOMES, PartnerModel

DISTANCE = 0.5  # of the two set states from the neutral one
MOST = 150  # conversations; more are not replayed
GROUPS = 30
LEVEL = 0.05
SIZES = (0.5, 2.0)
_FEWEST = 30
_PLACES = 16  # user turns before; more are one place
_HALF = 0.25  # added to the sums of a ratio, so that it is finite


class Half(msgspec.Struct, frozen=True):
    """An effect in one half of the people: its value, its 95 % interval, and whether that half shows it.

    `shown`: at a false discovery rate of 5 % over all outcomes and factors of the half.
    """

    value: float
    interval: tuple[float, float]
    shown: bool


class Moved(msgspec.Struct, frozen=True):
    """What a unit of one factor does to one outcome: in people, by regression; in simulated users, by setting it.

    Log odds for `leaving`, standard deviations for the others; 95 % intervals. None: it cannot be told (in people the
    factor does not vary enough; too few turns). An effect picked because it is large is, on average, smaller in truth;
    so one half of the people says whether there is an effect and which sign it has, and the other half, which took no
    part in that, how large it is; and the other way round. `shown`: a half shows it. `sign`: the simulated value has
    the sign of every half that shows it. `size`: wherever a half shows it, the simulated value lies in the interval of
    the other, or is between half and twice its value.
    """

    outcome: str
    factor: str
    people: float | None
    people_interval: tuple[float, float] | None
    halves: tuple[Half, ...]
    simulated: float | None
    simulated_interval: tuple[float, float] | None

    @property
    def shown(self) -> bool:
        return any(half.shown for half in self.halves)

    @property
    def sign(self) -> bool:
        value = self.simulated
        return value is not None and self.shown and all(value * half.value > 0 for half in self.halves if half.shown)

    @property
    def size(self) -> bool:
        return (
            self.simulated is not None
            and self.shown
            and all(as_large(self.simulated, other) for half, other in self.pairs if half.shown)
        )

    @property
    def pairs(self) -> tuple[tuple[Half, Half], ...]:
        """The half that says whether, and the half that says how much."""
        return tuple(zip(self.halves, self.halves[::-1], strict=True))


def as_large(simulated: float, people: Half) -> bool:
    """Does the value lie in people's interval, or between half and twice their value?"""
    inside = people.interval[0] <= simulated <= people.interval[1]
    return inside or (people.value != 0 and SIZES[0] <= simulated / people.value <= SIZES[1])


def intervene(
    users: SimulatedUsers, held_out: Corpus, model: PartnerModel, *, seed: int, most: int = MOST
) -> list[Moved]:
    """Does setting the state move what users do as the state does in people?

    People: regression of what the users of `held_out` did on the state that `model` gives them (`effects_in`), of all
    and of two halves by unit.
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
    halves = [_shown(effects_in(half, model)) for half in split_corpus(held_out, (0.5, 0.5), seed=seed)]
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
                    tuple(half[k, j] for half in halves) if all((k, j) in half for half in halves) else (),
                    float(value[k]) if known else None,
                    (float(interval[k, 0]), float(interval[k, 1])) if known else None,
                )
            )
    return found


def _shown(effects: Effects) -> dict[tuple[int, int], Half]:
    """The effects that can be told, by outcome and factor."""
    known = [(int(k), int(j)) for k, j in np.argwhere(~np.isnan(effects.p))]
    adjusted = benjamini_hochberg([float(effects.p[at]) for at in known]) if known else []
    return {
        at: Half(float(effects.value[at]), (float(effects.interval[at][0]), float(effects.interval[at][1])), p <= LEVEL)
        for at, p in zip(known, adjusted, strict=True)
    }


class _Said(NamedTuple):
    """Replies at the same turns: which conversation, after how many user turns, whether it left (nan: it had before),
    wording in units (nan where nothing was said)."""

    talk: Ints
    place: Ints
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
    texts, left, talk_of, place = [], [], [], []
    for number, talk in enumerate(talks):
        session = simulator.start(users.draw(number, seed=seed), seed=derive_seed(seed, "intervention", number))
        there = True
        for history in _histories(talk):
            reply = await session.reply(history)
            texts.append(reply.text)
            left.append(float(reply.ending is not None) if there else np.nan)
            there = there and reply.ending is None
            talk_of.append(number)
            place.append(min(sum(turn.role == "user" for turn in history), _PLACES - 1))
    wording = turn_outcomes(texts, model.language) / np.array(model.units)
    wording[[not text for text in texts]] = np.nan
    return _Said(np.array(talk_of, dtype=np.int64), np.array(place, dtype=np.int64), np.array(left), wording)


def _slopes(low: _Said, high: _Said, units: Ints) -> tuple[Floats, Floats]:
    """A unit's effect on each outcome, and its interval by a jackknife over groups of units.

    Leaving: odds ratio of Mantel and Haenszel over places, of those still there; wording: mean difference.
    """
    from scipy import stats

    gap = high.wording - low.wording
    known = ~np.isnan(gap)
    leaving = np.zeros((len(low.talk), _PLACES, 4))
    at = np.arange(len(low.talk))
    for k, side in enumerate((low, high)):
        leaving[at, side.place, 2 * k] = side.left == 1.0
        leaving[at, side.place, 2 * k + 1] = side.left == 0.0
    columns = np.column_stack([leaving.reshape(len(at), -1), np.where(known, gap, 0.0), known.astype(np.float64)])
    sums = np.zeros((GROUPS, columns.shape[1]))
    np.add.at(sums, units[low.talk] % GROUPS, columns)

    def slopes(total: Floats) -> Floats:
        left, stayed, more, fewer = np.moveaxis(total[..., :-6].reshape(*total.shape[:-1], _PLACES, 4), -1, 0)
        n = np.maximum(left + stayed + more + fewer, 1)
        odds = np.log((more * stayed / n).sum(axis=-1) + _HALF) - np.log((left * fewer / n).sum(axis=-1) + _HALF)
        means = total[..., -6:-3] / np.maximum(total[..., -3:], 1)
        out: Floats = np.concatenate([odds[..., None], means], axis=-1) / (2 * DISTANCE)
        return out

    total = sums.sum(axis=0)
    value = slopes(total)
    value[[total[:-6].sum() < _FEWEST, *(total[-3:] < _FEWEST)]] = np.nan
    used = sums.any(axis=1)
    left_out = slopes(total - sums[used])
    count = int(used.sum())
    error = np.sqrt((count - 1) / max(count, 1) * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0))
    reach = float(stats.t.ppf(0.975, max(count - 1, 1))) * error
    return value, np.stack([value - reach, value + reach], axis=1)
