"""What a simulated user believes about its partner: a state of three factors, what moves it, and what it moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from understudy.conversations import Turn
from understudy.errors import UsageError
from understudy.measures.pmq import FACTORS
from understudy.users.partner_acts import ActReader, PartnerActs, together

Array = npt.NDArray[np.float64]
OUTCOMES = ("leaving", "words", "polite", "delegates")
# How an act speaks for (1) or against (-1) each factor; acts in the order of `PartnerActs`.
SAYS = np.array([[-1.0, -1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 1.0], [0.0, -0.5, 1.0, -1.0, 0.0]])
# Before anything is said, beside what the people of the corpus took their partner for (`usual`): who is taken for a
# machine is taken for a less warm and less flexible one. Signs as found for stated partner types; sizes are this
# project's.
PRIORS: Mapping[str, tuple[float, float, float]] = {
    "usual": (0.0, 0.0, 0.0),
    "human": (0.0, 0.4, 0.3),
    "ai": (0.1, -0.4, -0.3),
    "new": (0.0, 0.0, 0.0),
    "unknown": (0.0, 0.0, 0.0),
}
NEW_GAIN = 2.0  # who has met none before learns faster
GAIN = 0.35
USUAL_RATES = (0.05, 0.02, 0.4, 0.02, 0.15)
USUAL_UNITS = (0.7, 0.35, 0.45)
# An effect a unit of each factor, before people have been seen: log odds of leaving; then standard deviations.
USUAL_EFFECTS = ((-1.0, -0.3, -0.3), (0.0, 0.1, 0.2), (0.0, 0.3, 0.0), (0.2, 0.0, 0.2))


class PartnerState(NamedTuple):
    """Each factor from -1 to 1; 0 is what the user's usual partner is taken for."""

    competence: float
    human_likeness: float
    flexibility: float

    def rounded(self) -> dict[str, float]:
        """As plain data."""
        return {name: round(value, 4) for name, value in zip(FACTORS, self, strict=True)}


NEUTRAL = PartnerState(0.0, 0.0, 0.0)


def prior(belief: str) -> tuple[PartnerState, float]:
    """The state before the first turn, and the factor on the gains.

    `belief` is `usual` (what the people of the corpus took theirs for), `human`, `ai`, `new` (no experience with any)
    or, of one who is new to it, `human+new`, `ai+new`.

    >>> prior("ai")
    (PartnerState(competence=0.1, human_likeness=-0.4, flexibility=-0.3), 1.0)
    """
    label, _, experience = belief.partition("+")
    if label not in PRIORS or experience not in ("", "new"):
        raise UsageError(
            f"partner belief {belief!r}",
            why="a user's first idea of its partner follows from what it takes it for",
            fix=f"use one of {', '.join(PRIORS)}, or human+new, ai+new",
        )
    return PartnerState(*PRIORS[label]), NEW_GAIN if "new" in (label, experience) else 1.0


class PartnerModel(msgspec.Struct, frozen=True):
    """How people's partner models work, learned from conversations (`partner_learning`) or stated (`usual_model`).

    `rates` (5,): how usual each act is; `gains` (3,): how far one surprise moves a factor; `effects` (4, 3): what a
    unit of each factor does to `OUTCOMES`: log odds of leaving, then standard deviations (`units`, (3,)) of log words,
    of politeness, of asking the partner to do things. `turns` are the user turns that this was learned from.

    An act k of rate p_k surprises by x_k - p_k. A factor hears `e = sum_k says_k (x_k - p_k)`, cut to [-1, 1], and

        m <- m + gain |e| (sign(e) - m)

    so that m stays within [-1, 1], and a partner who is as usual leaves a neutral state where it is, on average.
    """

    language: str
    rates: tuple[float, ...]
    gains: tuple[float, ...]
    effects: tuple[tuple[float, ...], ...]
    units: tuple[float, ...] = USUAL_UNITS
    turns: int = 0

    def updated(self, state: PartnerState, acts: PartnerActs, *, faster: float = 1.0) -> PartnerState:
        """The state after one partner turn.

        >>> model = usual_model("en")
        >>> model.updated(NEUTRAL, PartnerActs(1.0, 0.0, float("nan"), 0.0, 0.0)).competence < -0.3
        True
        """
        said = heard(np.array(acts)[None], np.array(self.rates))
        return PartnerState(*(float(x) for x in moved(np.array(state)[None], said, np.array(self.gains) * faster)[0]))

    def leaving(self, state: PartnerState) -> float:
        """What the state adds to the log odds of leaving."""
        return float(np.array(self.effects[0]) @ np.array(state))

    def wording(self, state: PartnerState) -> Array:
        """By how many standard deviations words, politeness and delegation are moved, `(3,)`."""
        shift: Array = np.array(self.effects[1:]) @ np.array(state)
        return shift


class View:
    """One user's state in one conversation, moved on as the conversation goes on; with `fixed` it stays there."""

    def __init__(self, belief: str, fixed: PartnerState | None = None) -> None:
        self.held = belief != "unknown" or fixed is not None  # else the user has no model and behaves as fitted
        self._fixed = fixed
        self._start, self._faster = prior(belief)
        self._restart()

    def _restart(self) -> None:
        self.state, self._read = self._start, 0
        self._earlier: list[str] = []
        self._asked: str | None = None

    def after(self, history: Sequence[Turn], model: PartnerModel) -> PartnerState:
        """The state after `history`, of which what was read before is not read again."""
        if self._fixed is not None:
            return self._fixed
        if len(history) < self._read:
            self._restart()
        reader = ActReader(model.language)
        since: list[PartnerActs] = []
        for turn in (*history[self._read :], None):
            if turn is not None and turn.role != "user":
                since.append(reader.read(turn.text, self._earlier, self._asked))
                self._earlier.append(turn.text)
                continue
            if since:
                self.state = model.updated(self.state, together(since), faster=self._faster)
                since = []
            self._asked = turn.text if turn is not None else self._asked
        self._read = len(history)
        return self.state


def usual_model(language: str) -> PartnerModel:
    """The model before any people have been seen: stated, not fitted."""
    return PartnerModel(language, USUAL_RATES, (GAIN,) * len(FACTORS), USUAL_EFFECTS)


def heard(acts: Array, rates: Array) -> Array:
    """What each factor hears, `(turns, 3)`: acts that cannot be told surprise nobody."""
    surprise = np.where(np.isnan(acts), 0.0, acts - rates)
    said: Array = np.clip(surprise @ SAYS.T, -1.0, 1.0)
    return said


def moved(state: Array, said: Array, gains: Array) -> Array:
    """States after what they heard, `(turns, 3)`."""
    new: Array = state + np.minimum(gains, 1.0) * np.abs(said) * (np.sign(said) - state)
    return new
