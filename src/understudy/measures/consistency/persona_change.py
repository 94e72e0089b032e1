"""From which line on does somebody else speak? The likeliest line, a range, and whether there is a change at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from understudy.conversations import Corpus
from understudy.errors import MeasureError
from understudy.measures.consistency.embedded_judge import (
    EmbeddedJudge,
    Kind,
    Person,
    enough_people,
    fit_ranker,
    pairs_of,
)
from understudy.measures.consistency.line_evidence import (
    LineEvidence,
    features,
    fit_weights,
    strangers,
)
from understudy.measures.consistency.line_judge import Floats
from understudy.measures.consistency.personas import persona_of
from understudy.seeds import stream

FOLDS = 3
NEAR = 2  # lines to both sides that still count as the place
SURE = 0.9
ALARMS = 0.05
ORDERS = 199


class Change(NamedTuple):
    """Where somebody else takes over, and how surely.

    `line`: the place with most of the posterior within two lines, counted in own lines from 0: the first line of the
    other. `interval`: the shortest range of lines that holds 90 % of the posterior. `posterior[k]`: the probability
    that line k is the first of another's, if one is; `posterior[0]` is 0. `p_value`: of no change.
    """

    line: int
    interval: tuple[int, int]
    posterior: Floats
    p_value: float

    @property
    def changed(self) -> bool:
        """Whether there is a change, at 5 % false alarms."""
        return self.p_value <= ALARMS


class ChangeLocator:
    """A change point by the lines' log likelihood ratios, own persona over somebody else's.

    With x the ratios of n lines, a change before line k has the likelihood `exp(-sum(x[k:]))` over none: every place
    from 1 to n - 1 is as likely beforehand. The odds of a change are the mean of that over places. Two things could
    explain them without one, and `p_value` is the larger of two tests: people too speak less of themselves the longer
    they talk (the odds of `null`, real people's own conversations, none of them seen by who judged them), and lines may
    fit badly in no order (the same lines in 199 other orders).

    Only what the user says is looked at: what the partner answers to is no sign of who the user is, and in planted
    changes it would give away the seam.
    """

    def __init__(self, evidence: LineEvidence, null: Floats) -> None:
        self.evidence, self.null = evidence, np.sort(null)

    def ratios(self, persona: str, lines: Sequence[str], told: Sequence[str], rng: np.random.Generator) -> Floats:
        """The log ratio of each line. `told` are personas of others, of which some are held beside it."""
        others = strangers(persona, told, rng)
        if not others:
            raise MeasureError(
                f"{len(told)} personas are told, none of them another than this one",
                why="what a line says of one person is seen beside what it says of others",
                fix="give the personas of other users too",
            )
        return self.evidence.ratios(persona, lines, others)

    def locate(self, ratios: Floats, rng: np.random.Generator) -> Change:
        """Where the change is, if there is one. Fewer than two lines cannot change: `p_value` 1."""
        if len(ratios) < 2:
            return Change(0, (0, 0), np.zeros(len(ratios)), 1.0)
        found = after(ratios)
        posterior = np.r_[0.0, np.exp(found - found.max())]
        posterior /= posterior.sum()
        odds = _odds(found)
        orders = np.array([ratios[rng.permutation(len(ratios))] for _ in range(ORDERS)])
        shuffled = 1 + int((_odds(after(orders)) >= odds - 1e-9).sum())
        people = 1 + len(self.null) - int(np.searchsorted(self.null, odds))
        p_value = max(people / (1 + len(self.null)), shuffled / (1 + ORDERS))
        return Change(_place(posterior), _range(posterior), posterior, p_value)


class Located(NamedTuple):
    """A conversation, the turn that its change would begin with (counted from 0 over both speakers), and the change."""

    conversation: str
    turn: int
    change: Change


def changes(corpus: Corpus, locator: ChangeLocator, *, seed: int) -> list[Located]:
    """Where each conversation's user becomes somebody else, if so: all that tell a persona and two lines or more.

    Each is tested alone: of a hundred users who stay themselves, up to five are found by chance.

    >>> from understudy.measures.consistency.embedded_judge import fit_judge
    >>> from understudy.testing.personas import persona_world
    >>> world = [persona_world(60, seed=0)]
    >>> locator = fit_locator(world, [fit_judge(world, "words", seed=0)], seed=0)
    >>> found = changes(persona_world(5, seed=1, turns=12, drift_at=7), locator, seed=0)
    >>> found[3].conversation, found[3].turn, found[3].change.changed
    ('w1-3-0', 14, True)
    """
    personas = [" ".join(persona_of(talk, "user")) for talk in corpus]
    told = sorted({persona for persona in personas if persona})
    found = []
    for talk, persona in zip(corpus, personas, strict=True):
        places = [k for k, turn in enumerate(talk.turns) if turn.role == "user"]
        if persona and len(places) > 1:
            rng = stream(seed, "change", talk.id)
            ratios = locator.ratios(persona, [talk.turns[k].text for k in places], told, rng)
            change = locator.locate(ratios, rng)
            found.append(Located(talk.id, places[change.line], change))
    return found


def after(ratios: Floats) -> Floats:
    """The log likelihood of a change before each line but the first, over none; of one sequence or of a row each.

    >>> after(np.array([2.0, 1.0, -1.0, -3.0])).tolist()
    [3.0, 4.0, 3.0]
    """
    return np.asarray(np.cumsum(-ratios[..., ::-1], axis=-1)[..., ::-1][..., 1:])


def _odds(found: Floats) -> Floats:
    """The log of the mean likelihood over places."""
    top = found.max(axis=-1)
    return np.asarray(top + np.log(np.exp(found - top[..., None]).mean(axis=-1)))


def _place(posterior: Floats) -> int:
    """The place with most of the posterior within `NEAR`; the likeliest of those that hold as much, to a hundredth."""
    around = np.convolve(posterior, np.ones(2 * NEAR + 1))[NEAR : NEAR + len(posterior)]
    around[0] = 0.0
    return int(np.argmax(np.where(around >= around.max() - 0.01, posterior, -1.0)))


def _range(posterior: Floats) -> tuple[int, int]:
    below = np.r_[0.0, np.cumsum(posterior)]
    ranges = [(int(np.searchsorted(below, below[a] + SURE - 1e-12)) - 1, a) for a in range(1, len(posterior))]
    reached = [(last - first, first, last) for last, first in ranges if last < len(posterior)]
    _, first, last = min(reached)
    return first, last


def fit_locator(corpora: Iterable[Corpus], judges: Iterable[EmbeddedJudge], *, seed: int) -> ChangeLocator:
    """A locator for judges, from real conversations: what `fit_judge` was given.

    Weights and null come from people whom nobody judges that has seen them: two thirds teach rankers that judge the
    rest, in turn. Raises `MeasureError` for fewer than twenty people.

    >>> from understudy.measures.consistency.embedded_judge import fit_judge
    >>> from understudy.testing.personas import persona_world
    >>> world = [persona_world(100, seed=0)]
    >>> locator = fit_locator(world, [fit_judge(world, kind, seed=0) for kind in ("words", "letters")], seed=0)
    >>> people = persona_world(20, seed=1, turns=12, drift_at=7)
    >>> told, rng = [" ".join(talk.meta["persona"]) for talk in people], np.random.default_rng(0)
    >>> said = [turn.text for turn in people[3].turns if turn.role == "user"]
    >>> found = locator.locate(locator.ratios(told[3], said, told, rng), rng)
    >>> found.line, found.interval, found.changed
    (7, (6, 7), True)

    Source: Smith, Biometrika 62 (1975) 407, doi:10.1093/biomet/62.2.407, with learned likelihood ratios in place of a
    family of distributions.
    """
    people = enough_people(list(corpora), "a locator")
    judges = list(judges)
    kinds = [judge.kind for judge in judges]
    rng = stream(seed, "locator")
    units = sorted({person.unit for person in people})
    fold_of = dict(zip(units, (rng.permutation(len(units)) % FOLDS).tolist(), strict=True))
    seen = [_judged([p for p in people if fold_of[p.unit] != k], [p for p in people if fold_of[p.unit] == k],
                    kinds, rng)
            for k in range(FOLDS)]  # fmt: skip
    if not all(mine for mine, _ in seen):
        raise MeasureError(
            "everybody has one and the same persona, or nearly",
            why="whose a line is can only be learned where people differ",
            fix="give conversations of people with personas of their own",
        )
    null = []
    for k, (mine, _) in enumerate(seen):
        weights = _weights([part for j, part in enumerate(seen) if j != k])
        null += [float(_odds(after(x @ weights[:-1] + weights[-1]))) for x in mine if len(x) > 1]
    return ChangeLocator(LineEvidence([judge.ranker for judge in judges], _weights(seen)), np.array(null))


def _judged(
    teaching: Sequence[Person], people: Sequence[Person], kinds: Sequence[Kind], rng: np.random.Generator
) -> tuple[list[Floats], list[Floats]]:
    """The features of people's lines beside their own persona, and beside somebody else's."""
    pairs = pairs_of(teaching)
    rankers = [fit_ranker(pairs, kind, rng) for kind in kinds]
    told = sorted({person.persona for person in people})
    mine, theirs = [], []
    for person in people:
        apart = strangers(person.persona, told, rng)
        beside = strangers(apart[0], told, rng) if apart else []
        if beside:
            mine.append(features(rankers, person.persona, person.lines, apart))
            theirs.append(features(rankers, apart[0], person.lines, beside))
    return mine, theirs


def _weights(seen: Sequence[tuple[list[Floats], list[Floats]]]) -> Floats:
    mine, theirs = (np.vstack([x for part in seen for x in part[side]]) for side in (0, 1))
    return fit_weights(np.vstack([mine, theirs]), np.repeat([True, False], [len(mine), len(theirs)]))
