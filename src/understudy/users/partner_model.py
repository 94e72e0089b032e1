"""What a simulated user believes about its partner: a state of three factors, what moves it, and what it moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus, Turn
from understudy.conversations.text import tokens
from understudy.errors import UsageError
from understudy.measures import behaviour_lexicons as lexicons
from understudy.measures.pmq import FACTORS
from understudy.users.partner_acts import ActReader, PartnerActs, Said, language_of, read_talks, said_of, together

Array = npt.NDArray[np.float64]
OUTCOMES = ("leaving", "words", "polite", "delegates")
# How an act speaks for (1) or against (-1) each factor; acts in the order of `PartnerActs`.
SAYS = np.array([[-1.0, -1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 1.0], [0.0, -0.5, 1.0, -1.0, 0.0]])
# Before anything is said: who is taken for a machine is taken for a less warm and less flexible one. Signs as found
# for stated partner types; sizes are this project's.
PRIORS: Mapping[str, tuple[float, float, float]] = {
    "human": (0.0, 0.4, 0.3),
    "ai": (0.1, -0.4, -0.3),
    "new": (0.0, 0.0, 0.0),
    "unknown": (0.0, 0.0, 0.0),
}
NEW_GAIN = 2.0  # who has met none before learns faster
GAIN = 0.35
GAINS = (0.1, 0.2, 0.35, 0.5, 0.75)
USUAL_RATES = (0.05, 0.02, 0.4, 0.02, 0.15)
# An effect a unit of each factor, before people have been seen: log odds of leaving; then standard deviations.
USUAL_EFFECTS = np.array([[-1.0, -0.3, -0.3], [0.0, 0.1, 0.2], [0.0, 0.3, 0.0], [0.2, 0.0, 0.2]])
PRIOR_TURNS = 300.0  # user turns that those count for, at a spread of state of `_SPREAD`
_SPREAD = 0.2
_LATER = 4  # from this user turn on places are one


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

    `belief` is `human`, `ai`, `new` (no experience with any) or, of one who is new to it, `human+new`, `ai+new`.

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


class PartnerModel(NamedTuple):
    """How people's partner models work, learned from conversations.

    `rates` (5,): how usual each act is; `gains` (3,): how far one surprise moves a factor; `effects` (4, 3): what a
    unit of each factor does to `OUTCOMES`: log odds of leaving, then standard deviations of log words, of politeness,
    of asking the partner to do things.

    An act k of rate p_k surprises by x_k - p_k. A factor hears `e = sum_k says_k (x_k - p_k)`, cut to [-1, 1], and

        m <- m + gain |e| (sign(e) - m)

    so that m stays within [-1, 1], and a partner who is as usual leaves a neutral state where it is, on average.
    """

    language: str
    rates: tuple[float, ...]
    gains: tuple[float, ...]
    effects: tuple[tuple[float, ...], ...]
    turns: int

    def updated(self, state: PartnerState, acts: PartnerActs, *, faster: float = 1.0) -> PartnerState:
        """The state after one partner turn.

        >>> model = usual_model("en")
        >>> model.updated(NEUTRAL, PartnerActs(1.0, 0.0, float("nan"), 0.0, 0.0)).competence < -0.3
        True
        """
        said = _heard(np.array(acts)[None], np.array(self.rates))
        return PartnerState(*(float(x) for x in _moved(np.array(state)[None], said, np.array(self.gains) * faster)[0]))

    def leaving(self, state: PartnerState) -> float:
        """What the state adds to the log odds of leaving."""
        return float(np.array(self.effects[0]) @ np.array(state))

    def wording(self, state: PartnerState) -> Array:
        """By how many standard deviations words, politeness and delegation are moved, `(3,)`."""
        moved: Array = np.array(self.effects[1:]) @ np.array(state)
        return moved


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
    effects = tuple(tuple(row) for row in USUAL_EFFECTS.tolist())
    return PartnerModel(language, USUAL_RATES, (GAIN,) * 3, effects, 0)


def fit_partner_model(*corpora: Corpus) -> PartnerModel:
    """Learn rates, gains and effects from people: from one corpus, or from good and bad arms together.

    Gains are those of a grid (`GAINS`) under which the state best tells, by penalised least squares, what people do
    next (leave; write long, politely, with requests), given their place and, for wording, their own average. Effects
    are shrunk to `USUAL_EFFECTS` as if these had been seen over 300 turns. Arms that differ in what the partner does
    make gains better known; without them most partner turns are as usual.
    """
    return learn([said_of(talk.turns) for corpus in corpora for talk in corpus])


def learn(talks: Sequence[Sequence[Said]]) -> PartnerModel:
    """`fit_partner_model` on plain turns."""
    language = language_of(talks)
    rows = _Rows.of(talks, language)
    if rows.acts.shape[0] == 0:
        return usual_model(language)
    known = ~np.isnan(rows.acts)
    rates = np.where(known, rows.acts, 0.0).sum(axis=0) + 2 * np.array(USUAL_RATES)
    rates = rates / (known.sum(axis=0) + 2)
    said = _heard(rows.acts, rates)
    gains = np.full(len(FACTORS), GAIN)
    best = rows.explained(rows.states(said, gains))
    for factor in range(len(FACTORS)):
        for gain in GAINS:
            trial = gains.copy()
            trial[factor] = gain
            if (value := rows.explained(rows.states(said, trial))) > best + 1e-12:
                best, gains = value, trial
    effects = rows.effects(rows.states(said, gains))
    return PartnerModel(
        language, tuple(rates.tolist()), tuple(gains.tolist()), tuple(tuple(r) for r in effects.tolist()), len(said)
    )


def turn_outcomes(texts: Sequence[str], language: str) -> Array:
    """`(turns, 3)`: log(1 + words), whether polite, whether it asks the partner to do something.

    Without word lists politeness is 0 and a question mark stands for a request.
    """
    import polars as pl

    low = pl.Series(texts, dtype=pl.String).str.to_lowercase().str.replace_all("’", "'")
    polite = [p for n in ("polite", "thanks") if (p := lexicons.pattern(language, n))]
    asks = lexicons.pattern(language, "request") or r"[?？]"
    words = np.log1p([len(tokens(text)) for text in texts])
    kind = np.zeros(len(texts), dtype=bool)
    for body in polite:
        kind |= low.str.contains(body).to_numpy()
    return np.column_stack([words, kind, low.str.contains(asks).to_numpy()]).astype(np.float64)


class _Rows(NamedTuple):
    """User turns that a partner turn came before: acts heard, session, number, place, and what the user then did."""

    acts: Array
    talk: npt.NDArray[np.int64]
    step: npt.NDArray[np.int64]
    place: npt.NDArray[np.int64]
    outcomes: Array

    @classmethod
    def of(cls, talks: Sequence[Sequence[Said]], language: str) -> _Rows:
        texts = [[text for is_user, text in talk if is_user] for talk in talks]
        acts, talk_of, step, place, last = [], [], [], [], []
        said: list[str] = []
        for talk, found in enumerate(read_talks(talks, ActReader(language))):
            told = [(k, a) for k, a in enumerate(found) if a is not None]
            for n, (k, a) in enumerate(told):
                acts.append(a)
                talk_of.append(talk)
                step.append(n)
                place.append(min(k, _LATER))
                last.append(k == len(found) - 1)
                said.append(texts[talk][k])
        where = np.array(talk_of, dtype=np.int64)
        if not len(where):
            return cls(np.zeros((0, 5)), where, where, where, np.zeros((0, len(OUTCOMES))))
        at = np.array(place, dtype=np.int64)
        raw = np.column_stack([np.array(last, dtype=np.float64), turn_outcomes(said, language)])
        outcomes = _without(raw, at)
        outcomes[:, 1:] = _without(outcomes[:, 1:], where)
        spread = outcomes.std(axis=0)
        share = max(float(raw[:, 0].mean()), 1e-3)
        scale = np.where(spread > 1e-9, spread, np.inf)
        scale[0] = max(share * (1 - share), 1e-3)  # a change of probability, as log odds
        return cls(np.array(acts, dtype=np.float64), where, np.array(step, dtype=np.int64), at, outcomes / scale)

    def states(self, said: Array, gains: Array) -> Array:
        """The state at each row from a neutral prior: all sessions a step at a time."""
        state = np.zeros((len(self.talk), len(FACTORS)))
        for step in range(int(self.step.max(initial=-1)) + 1):
            rows = np.flatnonzero(self.step == step)
            before = state[rows - 1] if step else np.zeros((len(rows), len(FACTORS)))
            state[rows] = _moved(before, said[rows], gains)
        return state

    def effects(self, states: Array) -> Array:
        """Ridge towards `USUAL_EFFECTS`, `(outcomes, factors)`."""
        return self._fitted(states)[0]

    def explained(self, states: Array) -> float:
        """Of the outcomes' variance, summed: what the states leave untold, negative, with what the effects cost."""
        return self._fitted(states)[1]

    def _fitted(self, states: Array) -> tuple[Array, float]:
        """Leaving is told from states at the same place, wording from states of the same session."""
        ridge = PRIOR_TURNS * _SPREAD**2 * np.eye(len(FACTORS))
        found, left = [], 0.0
        for k, usual in enumerate(USUAL_EFFECTS):
            z, y = _without(states, self.talk if k else self.place), self.outcomes[:, k]
            effect = np.linalg.solve(z.T @ z + ridge, z.T @ y + ridge @ usual)
            off = effect - usual
            left += (((y - z @ effect) ** 2).sum() + off @ ridge @ off) / max(float(y.var()), 1e-12)
            found.append(effect)
        return np.stack(found), -float(left)


def _heard(acts: Array, rates: Array) -> Array:
    """What each factor hears, `(turns, 3)`: acts that cannot be told surprise nobody."""
    surprise = np.where(np.isnan(acts), 0.0, acts - rates)
    said: Array = np.clip(surprise @ SAYS.T, -1.0, 1.0)
    return said


def _moved(state: Array, said: Array, gains: Array) -> Array:
    moved: Array = state + np.minimum(gains, 1.0) * np.abs(said) * (np.sign(said) - state)
    return moved


def _without(values: Array, group: npt.NDArray[np.int64]) -> Array:
    """Values less the mean of their group."""
    size = np.maximum(np.bincount(group), 1)
    means = np.column_stack([np.bincount(group, weights=column) / size for column in values.T])
    rest: Array = values - means[group]
    return rest
