"""Do the two speakers come to share expressions, as people do?"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from understudy.conversations import Corpus
from understudy.conversations.text import tokens
from understudy.measures.behaviour_lexicons import FUNCTION_WORDS, UNSPACED_FUNCTION
from understudy.measures.behaviours import writing
from understudy.measures.distributions import Labels
from understudy.measures.measurement import Measurement, MeasureSpec, measure, unscored
from understudy.measures.relational.gaps import Sheet
from understudy.measures.relational.threads import crossed_with, kept_for
from understudy.measures.resampling import Floats, Pool, pool

Talk = list[tuple[bool, list[str]]]  # turns: whether the user speaks, and the words

LONGEST = 6
FEWEST_WORDS = 1
FUNCTION = FUNCTION_WORDS | UNSPACED_FUNCTION
MOST_TOKENS = 120
SPEC = MeasureSpec(
    name="relational.alignment",
    question="real",
    asks="Do the two speakers come to share expressions, beyond chance, as much as people do?",
    unit="share of the user's words in shared expressions beyond chance, synthetic minus real; 0 = as people",
    range=(-2.0, 2.0),
    better="match",
    source="shared expressions, doi:10.1007/s10579-021-09532-w",
)


class Shared(NamedTuple):
    """Shared expressions of one conversation (or of two laid together).

    `words` said by each role (user, partner); `reused` of them inside an expression that the other said first;
    `expressions`, distinct; `by_user`, those that the user said first; `lengths`, how many of each length
    (`FEWEST_WORDS` .. `LONGEST`).
    """

    words: tuple[int, int]
    reused: tuple[int, int]
    expressions: int
    by_user: int
    lengths: tuple[int, ...]


def shared_expressions(turns: Talk) -> Shared:
    """Contiguous runs of up to six words, a content word among them, that one speaker takes over from the other.

    Turn by turn, each longest run that the other speaker has said in an earlier turn (greedy, left to right, not
    overlapping) is a reuse. An expression is counted once, for the speaker who said it first.

    >>> shared_expressions([(False, "how about the old mill".split()), (True, "the old mill sounds good".split())])
    Shared(words=(5, 5), reused=(3, 0), expressions=1, by_user=0, lengths=(0, 0, 1, 0, 0, 0))
    """
    said: tuple[set[tuple[str, ...]], set[tuple[str, ...]]] = (set(), set())
    first: dict[tuple[str, ...], int] = {}
    words, reused = [0, 0], [0, 0]
    found: dict[tuple[str, ...], int] = {}
    for is_user, text in turns:
        me = 0 if is_user else 1
        other = said[1 - me]
        words[me] += len(text)
        at = 0
        while at + FEWEST_WORDS <= len(text):
            reach = range(min(LONGEST, len(text) - at), FEWEST_WORDS - 1, -1)
            run = next((n for n in reach if (*text[at : at + n],) in other), 0)
            if run and FUNCTION.issuperset(text[at : at + run]):
                at += run
                continue
            if run:
                expression = (*text[at : at + run],)
                found[expression] = first[expression]
                reused[me] += run
            at += run or 1
        for n in range(FEWEST_WORDS, LONGEST + 1):
            for start in range(len(text) - n + 1):
                gram = (*text[start : start + n],)
                first.setdefault(gram, me)
                said[me].add(gram)
    lengths = np.bincount([len(e) for e in found], minlength=LONGEST + 1)[FEWEST_WORDS:].tolist()
    return Shared(
        (words[0], words[1]), (reused[0], reused[1]), len(found), sum(who == 0 for who in found.values()), (*lengths,)
    )


class _Table(NamedTuple):
    """A row a conversation: words, reused, chance reuse of user and partner; expressions, first by user; lengths."""

    words: Floats
    reused: Floats
    chance: Floats
    expressions: Floats
    by_user: Floats
    lengths: Floats


def _read(corpus: Corpus) -> list[Talk]:
    return corpus.memo(
        "relational.alignment.words",
        lambda c: [[(t.role == "user", tokens(t.text)[:MOST_TOKENS]) for t in talk.turns] for talk in c],
    )


def _crossed(
    own: list[tuple[bool, list[str]]], other: list[tuple[bool, list[str]]], user: bool
) -> list[tuple[bool, list[str]]]:
    """One role's turns as they are, the other role's from another conversation, turn for turn."""
    theirs = iter([turn for turn in other if turn[0] != user])
    crossed = []
    for turn in own:
        if turn[0] == user:
            crossed.append(turn)
        elif (taken := next(theirs, None)) is not None:
            crossed.append(taken)
    return crossed


def _side(corpus: Corpus, unit: Labels) -> _Table:
    talks = _read(corpus)
    partner = crossed_with(corpus, unit)[:, 0]
    own = [shared_expressions(talk) for talk in talks]
    chance = np.full((len(talks), 2), np.nan)
    for i, talk in enumerate(talks):
        if partner[i] >= 0:
            for role in (0, 1):
                chance[i, role] = shared_expressions(_crossed(talk, talks[partner[i]], role == 0)).reused[role]

    def array(values: list[Any]) -> Floats:
        return np.array(values, dtype=np.float64)

    return _Table(
        array([s.words for s in own]),
        array([s.reused for s in own]),
        chance,
        array([s.expressions for s in own]),
        array([s.by_user for s in own]),
        array([s.lengths for s in own]),
    )


def _table(real: Corpus, synthetic: Corpus, pooled: Pool) -> _Table:
    n = pooled.n_real
    sides = [_side(real, pooled.unit[:n]), _side(synthetic, pooled.unit[n:])]
    return _Table(*(np.concatenate(both) for both in zip(*sides, strict=True)))


def _entropy(counts: Floats) -> Floats:
    p = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-9)
    bits: Floats = -(p * np.log2(p, out=np.zeros_like(p), where=p > 0)).sum(axis=1)
    return bits


@measure(SPEC)
def alignment(real: Corpus, synthetic: Corpus, *, rng: np.random.Generator, permutations: int = 999) -> Measurement:
    """Do the two speakers come to share expressions, beyond chance, as much as people do?

    An expression is a run of up to six words, not all of them function words, that one speaker takes over from the
    other (`shared_expressions`).
    Level: `(words of the user inside expressions taken over - the same with the partner's turns of another
    conversation on the same topic) / words of the user`; 0 where the two have nothing to do with each other. Value:
    synthetic minus real. Parts: `reuse`, without chance taken off (ER of the user); `vocabulary`, distinct
    expressions per word (EV); `initiated`, the share of expressions that the user said first (IE); `length_entropy`,
    bits, of the lengths of expressions (ENTR); `partner`, the partner's reuse beyond chance. Saying the partner's
    words back raises all but `initiated`: read it beside `relational.next_utterance.hard`. Of each turn the first
    120 words.

    >>> from understudy.testing.relations import exchanges, mixture
    >>> real = exchanges(60, seed=0)
    >>> torn = mixture(exchanges(60, seed=1), 1.0, rng=np.random.default_rng(0))
    >>> m = alignment(real, torn, rng=np.random.default_rng(0), permutations=99)
    >>> bool(m.evidence["real"] > 0.1), abs(m.evidence["synthetic"]) < 0.02, m.p_value
    (True, True, 0.01)

    Source: Dubuisson Duplessis et al. (2021), doi:10.1007/s10579-021-09532-w. Differences: (1) runs of function words
    alone do not count; (2) greedy longest reuse in reading order instead of a
    suffix tree over the whole conversation; (3) chance, from crossed conversations, is taken off.
    """
    if writing(real).spaced != writing(synthetic).spaced:
        return unscored(SPEC, real, synthetic, "a word is not the same in the two scripts")
    pooled = pool(real, synthetic)
    table: _Table = kept_for(real, synthetic, "alignment", lambda: _table(real, synthetic, pooled))
    sheet = Sheet(SPEC, real, synthetic)
    talk = np.arange(pooled.n)
    both = table.words.min(axis=1) > 0
    words = np.where(both[:, None], table.words, np.nan)
    beyond = table.reused - table.chance
    unit = "share of words"
    says = "words inside expressions taken over from the other, beyond chance"
    every = words.sum(axis=1)
    wide = (-2.0, 2.0)
    sheet.ratio("", f"the user's {says}", talk, beyond[:, 0], words[:, 0], unit=unit, bounds=wide, chance=0.0)
    sheet.ratio(
        "reuse", "the user's words inside expressions taken over", talk, table.reused[:, 0], words[:, 0], unit=unit
    )
    sheet.ratio("vocabulary", "distinct shared expressions a word", talk, table.expressions, every, unit="per word")
    some = np.where(table.expressions > 0, table.expressions, np.nan)
    says_first = "shared expressions that the user said first"
    sheet.ratio("initiated", says_first, talk, table.by_user, some, unit="share of expressions", bounds=(-1.0, 1.0))
    count = table.lengths.astype(np.int64)
    repeated = np.repeat(np.tile(np.arange(count.shape[1]), pooled.n), count.ravel())
    where = np.repeat(talk, count.sum(axis=1))
    says_bits = "entropy of the lengths of shared expressions"
    sheet.counted(
        "length_entropy", says_bits, where, repeated, count.shape[1], _entropy, unit="bits", bounds=(-3.0, 3.0)
    )
    sheet.ratio("partner", f"the partner's {says}", talk, beyond[:, 1], words[:, 1], unit=unit, bounds=wide, chance=0.0)
    crossed = float(np.mean(~np.isnan(table.chance[:, 0])))
    return sheet.measured(rng, permutations, {"crossed_conversations": crossed})
