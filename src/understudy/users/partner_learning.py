"""How people take their partner, learned from what they did: how usual acts are, how fast views move, what they do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus
from understudy.conversations.text import tokens
from understudy.measures import behaviour_lexicons as lexicons
from understudy.measures.pmq import FACTORS
from understudy.users.partner_acts import ActReader, Said, language_of, read_talks, said_of
from understudy.users.partner_model import (
    GAIN,
    OUTCOMES,
    USUAL_EFFECTS,
    USUAL_RATES,
    USUAL_UNITS,
    Array,
    PartnerModel,
    heard,
    moved,
    usual_model,
)

Ints = npt.NDArray[np.int64]
GAINS = (0.1, 0.2, 0.35, 0.5, 0.75)
PRIOR_TURNS = 300.0  # turns that the usual effects count for, at a spread of state of `_SPREAD`
FEWEST_UNITS = 10
_SPREAD = 0.2
_PRIOR_RATE = 20.0  # partner turns that a usual rate counts for
_BETTER = 4.0  # fall of -2 log likelihood for which another gain than the usual one is taken
_LATER = 4  # from this user turn on places are one


def fit_partner_model(*corpora: Corpus) -> PartnerModel:
    """Learn rates, gains and effects from people: from one corpus, or from good and bad arms together.

    Rates are shares of partner turns. Gains are those of a grid (`GAINS`) under which the state best tells, by
    least squares, what people do next (leave; write long, politely, with requests), given their place in
    the conversation, their first turn and what the partner has just done: what the state adds is memory. Another
    gain than the usual one is taken only where it tells clearly better. Effects are shrunk to `USUAL_EFFECTS` as if
    these had been seen over 300 turns. Arms that differ in what the partner does make all of it better known;
    without them most partner turns are as usual.

    >>> from understudy.conversations import Conversation, Turn
    >>> talk = Conversation("a", (Turn("user", "hi"), Turn("assistant", "sorry, I cannot"), Turn("user", "oh")))
    >>> model = fit_partner_model(Corpus([talk]))
    >>> model.turns, model.gains
    (1, (0.35, 0.35, 0.35))
    """
    return learn([said_of(talk.turns) for corpus in corpora for talk in corpus])


def learn(talks: Sequence[Sequence[Said]]) -> PartnerModel:
    """`fit_partner_model` on plain turns."""
    language = language_of(talks)
    return learn_from(Decisions.of(talks, language), language)


def learn_from(seen: Decisions, language: str) -> PartnerModel:
    """`fit_partner_model` on what was read."""
    if not len(seen.talk):
        return usual_model(language)
    known = ~np.isnan(seen.acts)
    prior = _PRIOR_RATE * np.array(USUAL_RATES)
    rates = (np.where(known, seen.acts, 0.0).sum(axis=0) + prior) / (known.sum(axis=0) + _PRIOR_RATE)
    design = Design(seen, rates)
    gains = np.full(len(FACTORS), GAIN)
    best = design.loss(gains) - _BETTER
    for _ in range(2):
        for factor in range(len(FACTORS)):
            for gain in GAINS:
                trial = gains.copy()
                trial[factor] = gain
                if (loss := design.loss(trial)) < best - 1e-9:
                    best, gains = loss, trial
    effects = tuple(tuple(row) for row in design.effects(gains).tolist())
    n = int((~np.isnan(seen.outcomes[:, 1])).sum())
    return PartnerModel(language, tuple(rates.tolist()), tuple(gains.tolist()), effects, seen.units, n)


class Effects(NamedTuple):
    """What a unit of each factor goes with, `(outcomes, factors)`: log odds of leaving, standard deviations; 95 %
    intervals, `(outcomes, factors, 2)`, and p-values. nan where a factor does not vary enough to tell."""

    value: Array
    interval: Array
    p: Array


def effects_in(corpus: Corpus, model: PartnerModel) -> Effects:
    """What goes with the state that `model` gives the users of `corpus`: regression, not shrunk, errors by unit.

    Given place, the first turn's wording and the acts just heard, as in `fit_partner_model`. Errors are the larger of
    the cluster-robust and the classical ones: where an act is rare and what users do is rare, none of those who met it
    may do it, and the robust error alone is then next to nothing.
    """
    from scipy import stats

    shape = (len(OUTCOMES), len(FACTORS))
    value, interval, p = np.full(shape, np.nan), np.full((*shape, 2), np.nan), np.full(shape, np.nan)
    seen = Decisions.of([said_of(talk.turns) for talk in corpus], model.language)
    if not len(seen.talk):
        return Effects(value, interval, p)
    design = Design(seen, np.array(model.rates), units=model.units)
    states = design.states(np.array(model.gains))
    unit = np.unique(corpus.unit_ids, return_inverse=True)[1][seen.talk]
    for k in range(len(OUTCOMES)):
        z, y, rows = design.partial(states, k)
        varies = z.std(axis=0) > 0.01
        units = len(np.unique(unit[rows]))
        if not varies.any() or units < FEWEST_UNITS:
            continue
        z = z[:, varies]
        inverse = np.linalg.inv(z.T @ z)
        found = inverse @ (z.T @ y)
        rest = y - z @ found
        moments = np.zeros((int(unit.max()) + 1, z.shape[1]))
        np.add.at(moments, unit[rows], z * rest[:, None])
        robust = np.diag(inverse @ (moments.T @ moments) @ inverse) * units / (units - 1)
        classical = np.diag(inverse) * (rest @ rest) / max(len(y) - z.shape[1], 1)
        error = np.sqrt(np.maximum(robust, classical))
        reach = float(stats.t.ppf(0.975, units - 1)) * error
        value[k, varies] = found
        interval[k, varies] = np.stack([found - reach, found + reach], axis=1)
        exact = np.where(np.abs(found) > 1e-12, np.inf, 0.0)  # where there is no error at all
        score = np.divide(np.abs(found), error, out=exact, where=error > 0)
        p[k, varies] = 2 * stats.t.sf(score, units - 1)
    return Effects(value, interval, p)


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


class Decisions(NamedTuple):
    """Where a partner has spoken and the user speaks on or leaves: acts heard, conversation, number within it, place
    (user turns before, the later ones together), what the user did (`OUTCOMES`, raw; wording nan where it left without
    a word), how it wrote in its first turn (nan in that turn), and the spread of wording over user turns. No later
    turn tells how it writes as such: what it thinks of its partner is in it.
    """

    acts: Array
    talk: Ints
    step: Ints
    place: Ints
    outcomes: Array
    before: Array
    units: tuple[float, ...]

    @classmethod
    def of(cls, talks: Sequence[Sequence[Said]], language: str) -> Decisions:
        texts = [[text for is_user, text in talk if is_user] for talk in talks]
        flat = turn_outcomes([text for own in texts for text in own], language)
        units = tuple(flat.std(axis=0).tolist()) if len(flat) else USUAL_UNITS
        acts, place, outcomes, before = [], [], [], []
        talk_of, step, first = [], [], 0
        for number, heard_by in enumerate(read_talks(talks, ActReader(language))):
            own = flat[first : first + len(texts[number])]
            first += len(own)
            told = [(k, a) for k, a in enumerate(heard_by) if a is not None]
            silent = bool(heard_by) and len(heard_by) > len(own)
            for n, (k, a) in enumerate(told):
                acts.append(a)
                talk_of.append(number)
                step.append(n)
                place.append(min(k, _LATER))
                says = own[k] if k < len(own) else np.full(3, np.nan)
                outcomes.append((float(k == len(own) - (not silent)), *says))
                before.append(own[0] if k else np.full(3, np.nan))
        count = len(acts)
        return cls(
            np.array(acts, dtype=np.float64).reshape(count, -1),
            np.array(talk_of, dtype=np.int64),
            np.array(step, dtype=np.int64),
            np.array(place, dtype=np.int64),
            np.array(outcomes, dtype=np.float64).reshape(count, len(OUTCOMES)),
            np.array(before, dtype=np.float64).reshape(count, 3),
            tuple(max(u, 1e-9) for u in units),
        )


class Design:
    """The regressions of what users do on their state, with everything but the state partialled out."""

    def __init__(self, seen: Decisions, rates: Array, *, units: tuple[float, ...] | None = None) -> None:
        self._seen = seen
        self._said = heard(seen.acts, rates)
        places = np.eye(_LATER + 1)[seen.place]
        surprise = np.where(np.isnan(seen.acts), 0.0, seen.acts - rates)
        self._rows: list[Ints] = []
        self._basis: list[Array] = []
        self._outcome: list[Array] = []
        share = float(seen.outcomes[:, 0].mean()) if len(seen.talk) else 0.5
        scale = (max(share * (1 - share), 1e-3), *(units or seen.units))  # of leaving: a probability, as log odds
        for k in range(len(OUTCOMES)):
            rows = np.flatnonzero(~np.isnan(seen.outcomes[:, k]))
            controls = [places[rows], surprise[rows]]
            if k:
                earlier = seen.before[rows, k - 1]
                controls.append(np.where(np.isnan(earlier), 0.0, earlier)[:, None])
            basis = _orthonormal(np.hstack(controls))
            self._rows.append(rows)
            self._basis.append(basis)
            self._outcome.append(_apart(seen.outcomes[rows, k] / scale[k], basis))

    def states(self, gains: Array) -> Array:
        """The state at each row from a neutral prior: all conversations a step at a time."""
        seen = self._seen
        state = np.zeros((len(seen.talk), len(FACTORS)))
        for step in range(int(seen.step.max(initial=-1)) + 1):
            rows = np.flatnonzero(seen.step == step)
            before = state[rows - 1] if step else np.zeros((len(rows), len(FACTORS)))
            state[rows] = moved(before, self._said[rows], gains)
        return state

    def partial(self, states: Array, outcome: int) -> tuple[Array, Array, Ints]:
        """States and one outcome without what the controls tell of them, and which rows these are."""
        rows = self._rows[outcome]
        return _apart(states[rows], self._basis[outcome]), self._outcome[outcome], rows

    def effects(self, gains: Array) -> Array:
        """Ridge towards `USUAL_EFFECTS`, `(outcomes, factors)`."""
        ridge = PRIOR_TURNS * _SPREAD**2 * np.eye(len(FACTORS))
        states, found = self.states(gains), []
        for k, usual in enumerate(np.array(USUAL_EFFECTS)):
            z, y, _ = self.partial(states, k)
            found.append(np.linalg.solve(z.T @ z + ridge, z.T @ y + ridge @ usual))
        return np.stack(found)

    def loss(self, gains: Array) -> float:
        """-2 log likelihood of what users did, effects free, up to a constant."""
        states, loss = self.states(gains), 0.0
        for k in range(len(OUTCOMES)):
            z, y, _ = self.partial(states, k)
            if len(y) and float(y.var()) > 1e-9:  # what nobody does says nothing of gains
                rest = y - z @ np.linalg.lstsq(z, y, rcond=None)[0]
                loss += len(y) * np.log(max(float(rest @ rest) / len(y), 1e-12))
        return float(loss)


def _orthonormal(controls: Array) -> Array:
    left, size, _ = np.linalg.svd(controls, full_matrices=False)
    basis: Array = left[:, size > 1e-8 * max(float(size.max(initial=0.0)), 1e-12)]
    return basis


def _apart(values: Array, basis: Array) -> Array:
    rest: Array = values - basis @ (basis.T @ values)
    return rest
