"""Embedded judges of lines: fitted on people's own lines, no language model, two of them with different eyes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from understudy.conversations import Corpus, Role
from understudy.conversations.text import tokens
from understudy.errors import MeasureError
from understudy.measures.consistency import contradiction
from understudy.measures.consistency.letter_ranker import LetterRanker, decoys
from understudy.measures.consistency.line_judge import Floats, Scores
from understudy.measures.consistency.personas import persona_of, sentences, unscorable
from understudy.measures.consistency.planting import contradict, reassert
from understudy.measures.consistency.word_ranker import Pairs, WordRanker
from understudy.seeds import stream

Kind = Literal["words", "letters"]
KINDS: tuple[Kind, ...] = ("words", "letters")
ROLES: tuple[Role, ...] = ("user", "assistant")
FEWEST_PEOPLE = 20
FEWEST_LINES = 4


class Person(NamedTuple):
    """Somebody, what is known of them, and what they said."""

    unit: str
    persona: str
    lines: tuple[str, ...]


def people_of(corpus: Corpus, *, roles: Sequence[Role] = ROLES) -> list[Person]:
    """Everybody in a corpus with what is known of them beside what they said.

    Where conversations carry a persona it is that. Else the first half of a person's own lines stands for it, over all
    their conversations, and the other half is what they said: so that any corpus of which people say enough can be
    learned from. People of fewer than four lines are left out.

    >>> from understudy.conversations import Conversation, Turn
    >>> talk = Conversation("c", (Turn("user", "my dogs"),), meta={"persona": ["I have dogs."]})
    >>> people_of(Corpus([talk]), roles=("user",))
    [Person(unit='c:c', persona='I have dogs.', lines=('my dogs',))]
    """
    told, untold = [], dict[str, list[str]]()
    for talk, unit in zip(corpus, corpus.unit_ids.tolist(), strict=True):
        for role in roles:
            lines = tuple(turn.text for turn in talk.turns if turn.role == role and tokens(turn.text))
            if persona := persona_of(talk, role):
                if lines:
                    told.append(Person(unit, " ".join(persona), lines))
            elif role == "user":
                untold.setdefault(unit, []).extend(lines)
    if told:
        return told
    rows = [(unit, lines) for unit, lines in untold.items() if len(lines) >= FEWEST_LINES]
    return [Person(u, " ".join(said[: len(said) // 2]), tuple(said[len(said) // 2 :])) for u, said in rows]


class EmbeddedJudge:
    """A `LineJudge` without a language model. `kind` says which eyes: `words` or `letters`.

    `belongs` is a logistic of the ranker's log ratio, `slope * ratio + offset`, by which own lines are told from the
    same lines beside other people's descriptions. Lines that are blank, a prompt or words to a judge are unscorable;
    what is copied or repeated is for the caller to see (`personas.unscorable`). `contradicts` reads English
    statements; the `letters` judge has its own weights for what lines have in common.
    """

    def __init__(
        self,
        kind: Kind,
        ranker: WordRanker | LetterRanker,
        scale: tuple[float, float],
        against: Floats,
        *,
        fitted_on: Sequence[str] = (),
        human_labels: int = 0,
    ) -> None:
        self.kind, self.ranker, self.scale, self.against = kind, ranker, scale, against
        self.human_labels = human_labels
        self.fitted_on = tuple(fitted_on)  # digests of the corpora
        self.identity = f"embedded:{kind}:{'-'.join(digest[:8] for digest in self.fitted_on)}"

    def belongs(self, personas: Sequence[str], lines: Sequence[str]) -> Scores:
        """How surely each line is by the person described."""
        ratio = self.ranker.ratios(personas, lines) if len(lines) else np.zeros(0)
        value = 1 / (1 + np.exp(-(self.scale[0] * ratio + self.scale[1])))
        return Scores(value, np.array([not unscorable(line) for line in lines], dtype=bool))

    def contradicts(self, earlier: Sequence[str], later: Sequence[str]) -> Scores:
        """How surely each later line takes back the earlier one."""
        z = contradiction.features(earlier, later) @ self.against[:-1] + self.against[-1]
        fine = [not unscorable(a) and not unscorable(b) for a, b in zip(earlier, later, strict=True)]
        return Scores(1 / (1 + np.exp(-z)), np.array(fine, dtype=bool))


def fit_judge(corpora: Iterable[Corpus], kind: Kind, *, seed: int) -> EmbeddedJudge:
    """A judge from real conversations: who says what, learned from people beside their own and others' descriptions.

    Three quarters of the people fit the ranker, the rest its scale. Contradictions are learned from what is said by and
    of a person, turned round (`planting.contradict`), against the same said again and their other lines. Raises
    `MeasureError` for fewer than twenty people.

    >>> from understudy.testing.personas import persona_world
    >>> judge = fit_judge([persona_world(60, seed=0)], "words", seed=0)
    >>> ours = people_of(persona_world(20, seed=1))
    >>> told, lines = zip(*((p.persona, line) for p in ours for line in p.lines))
    >>> others = decoys(told, np.random.default_rng(0))
    >>> bool(judge.belongs(told, lines).value.mean() > judge.belongs(others, lines).value.mean() + 0.2)
    True
    """
    corpora = list(corpora)
    people = enough_people(corpora, "a judge")
    rng = stream(seed, "judge", kind)
    order = rng.permutation(len(people))
    cut = max(len(people) * 3 // 4, 2)
    fitting, scaling = (pairs_of([people[k] for k in part]) for part in (order[:cut], order[cut:]))
    ranker = fit_ranker(fitting, kind, rng)
    against = _fit_against([(*sentences(person.persona), *person.lines) for person in people], rng)
    digests = [corpus.digest for corpus in corpora]
    return EmbeddedJudge(kind, ranker, _scale(ranker, scaling, rng), against, fitted_on=digests)


def enough_people(corpora: Sequence[Corpus], what: str) -> list[Person]:
    """The people of corpora. Raises `MeasureError` where `what` cannot learn from so few."""
    people = [person for corpus in corpora for person in people_of(corpus)]
    if len(people) < FEWEST_PEOPLE:
        raise MeasureError(
            f"{len(people)} people to learn from, in {len(corpora)} corpora",
            why=f"{what} has to have seen who says what, by more than a few",
            fix=f"give conversations of {FEWEST_PEOPLE} people or more, with personas or with several lines each",
        )
    return people


def fit_ranker(pairs: Pairs, kind: Kind, rng: np.random.Generator) -> WordRanker | LetterRanker:
    """What a judge of that kind sees with."""
    return WordRanker.fit(pairs) if kind == "words" else LetterRanker.fit(pairs, rng=rng)


def pairs_of(people: Sequence[Person]) -> Pairs:
    """Every line beside the persona of who said it."""
    return Pairs([p.persona for p in people for _ in p.lines], [line for p in people for line in p.lines])


def _scale(ranker: WordRanker | LetterRanker, pairs: Pairs, rng: np.random.Generator) -> tuple[float, float]:
    """Slope and offset of the logistic; the slope is never below 0."""
    from sklearn.linear_model import LogisticRegression

    own = ranker.ratios(pairs.personas, pairs.lines)
    other = ranker.ratios(decoys(pairs.personas, rng), pairs.lines)
    labels = np.r_[np.ones(len(own)), np.zeros(len(other))]
    fitted = LogisticRegression(C=1e6).fit(np.r_[own, other][:, None], labels)
    return max(float(fitted.coef_[0, 0]), 0.0), float(fitted.intercept_[0])


def _fit_against(people: Sequence[Sequence[str]], rng: np.random.Generator, most: int = 6000) -> Floats:
    earlier, later, label = [], [], []
    for lines in people:
        for k in range(1, len(lines)):
            first = lines[int(rng.integers(k))]
            turned = contradict(first, rng)
            rows = [(lines[k], 0.0)] + ([(turned, 1.0), (reassert(first, rng), 0.0)] if turned else [])
            for text, taken_back in rows:
                earlier.append(first)
                later.append(text)
                label.append(taken_back)
        if len(label) > most:
            break
    if sum(label) < 2:
        # Nothing that could be turned round: no English statements. Never speaks for a contradiction.
        return np.append(np.zeros(len(contradiction.FEATURES)), -4.0)
    return contradiction.fit_weights(earlier, later, np.array(label))
