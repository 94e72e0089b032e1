"""Do simulated users differ from each other as much as real ones do: neither less nor more?"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from understudy.conversations import Corpus
from understudy.conversations.text import TOKEN_PATTERN
from understudy.measures.embeddings import Singles, conversation_embeddings
from understudy.measures.measurement import Measurement, MeasureSpec, counts, floor_of, measure
from understudy.measures.multiplicity import benjamini_hochberg
from understudy.measures.resampling import Floats, Ints, Pool, Statistic, permutation_p, pool, two_sample
from understudy.measures.sampling import equal_sample, without

if TYPE_CHECKING:
    import polars as pl
    from scipy.sparse import csr_matrix

MOST_CONVERSATIONS = 1500
# One percentage point on both sides of each share, or one real unit's worth where that is more: a share of 0 among
# 30 users is not known to be nearer 0 than 1 in 30, and its ratio must not outweigh every other part.
STABILISER = 0.01
# What either side's level is counted in.
UNITS = {
    "spread": "cosine distance",
    "distinct_2": "share of word pairs",
    "self_repetition": "share of user turns",
    "first_turn": "Jaccard distance",
    "own_words": "share of words",
    "openings": "effective number",
}
COMPONENTS = tuple(UNITS)

SPEC = MeasureSpec(
    name="realism.diversity",
    question="real",
    asks="Do simulated users vary from one another as much as real ones do?",
    unit="mean absolute log ratio synthetic / real over six measures of diversity; 0 = as real users",
    range=(0.0, None),
    better="lower",
    source="first-turn diversity, arXiv:2510.06552; Hill numbers, doi:10.2307/1934352",
    headline=True,
)
PART = MeasureSpec(
    name=SPEC.name,
    question="real",
    asks=SPEC.asks,
    unit="log ratio synthetic / real; 0 = as real users",
    range=(None, None),
    better="match",
    source=SPEC.source,
)
# (units, B) weights of one side -> (B,)
Level = Callable[[Floats], Floats]


def spread_level(vectors: Singles, unit: Ints) -> Level:
    """Mean cosine distance between conversations of different units; linear, no pair is formed."""
    units = int(unit.max()) + 1
    sums = np.zeros((units, vectors.shape[1]))
    np.add.at(sums, unit, vectors)
    size = np.bincount(unit, minlength=units).astype(np.float64)
    own = np.einsum("ud,ud->u", sums, sums)

    def level(weights: Floats) -> Floats:
        total = sums.T @ weights
        pairs = (size @ weights) ** 2 - size**2 @ weights
        similar = np.einsum("db,db->b", total, total) - own @ weights
        return np.asarray(1.0 - similar / np.maximum(pairs, 1.0))

    return level


def _pooled_turns(real: Corpus, synthetic: Corpus) -> pl.LazyFrame:
    """The `text` of the user turns of both sides, by pooled `conversation`."""
    import polars as pl

    return pl.concat(
        side.turns.lazy()
        .filter(pl.col("is_user"))
        .select("text", conversation=pl.col("conversation").cast(pl.Int64) + offset)
        for side, offset in ((real, 0), (synthetic, len(real)))
    )


def pooled_words(real: Corpus, synthetic: Corpus) -> pl.DataFrame:
    """A row a word of the user turns of both sides: pooled `conversation`, `turn`, and the word's `code`."""
    import polars as pl

    split = pl.col("text").str.to_lowercase().str.extract_all(TOKEN_PATTERN)
    turns = _pooled_turns(real, synthetic).with_columns(words=split).drop("text")
    turns = turns.with_row_index("turn").filter(pl.col("words").list.len() > 0)
    coded = turns.explode("words").with_columns(code=pl.col("words").rank("dense").cast(pl.Int64) - 1)
    return coded.drop("words").collect()


def _sparse(rows: Ints, labels: Ints, units: int) -> csr_matrix:
    """Counts of each label a unit, `(units, labels)`."""
    from scipy.sparse import csr_matrix

    _, column = np.unique(labels, return_inverse=True)
    return csr_matrix((np.ones(len(rows)), (rows, column)), shape=(units, int(column.max(initial=-1)) + 1))


def bigram_counts(words: pl.DataFrame, unit: Ints) -> csr_matrix:
    """Pairs of neighbouring words in a turn, counted a unit."""
    turn, code = words["turn"].to_numpy(), words["code"].to_numpy()
    same = turn[1:] == turn[:-1]
    pair = code[:-1] * (int(code.max(initial=0)) + 1) + code[1:]
    return _sparse(unit[words["conversation"].to_numpy()[1:][same]], pair[same], int(unit.max()) + 1)


def distinct_levels(counted: csr_matrix, real: Floats, synthetic: Floats) -> tuple[Floats, Floats]:
    """Expected distinct bigrams over bigrams when each side is thinned to half the smaller side's bigrams."""
    often = np.asarray(counted.sum(axis=0)).ravel() > 1
    once, many = np.asarray(counted[:, ~often].sum(axis=1)).ravel(), counted[:, often].T.tocsr()
    seen = [(many @ weights, once @ weights) for weights in (real, synthetic)]
    totals = [several.sum(axis=0) + single for several, single in seen]
    sample = 0.5 * np.minimum(*totals)
    levels = []
    for (several, single), total in zip(seen, totals, strict=True):
        rate = sample / np.maximum(total, 1.0)
        distinct = -np.expm1(-several * rate).sum(axis=0) - single * np.expm1(-rate)
        levels.append(distinct / np.maximum(sample, 1.0))
    return levels[0], levels[1]


def turn_counts(real: Corpus, synthetic: Corpus, unit: Ints) -> csr_matrix:
    """User turns by exact text (case and outer space aside), counted a unit."""
    import polars as pl

    said = pl.col("text").str.strip_chars().str.to_lowercase()
    turns = _pooled_turns(real, synthetic).with_columns(said=said).filter(pl.col("said") != "")
    table = turns.with_columns(code=pl.col("said").rank("dense").cast(pl.Int64)).collect()
    return _sparse(unit[table["conversation"].to_numpy()], table["code"].to_numpy(), int(unit.max()) + 1)


def repetition_level(counted: csr_matrix) -> Level:
    """Share of user turns that another unit of the same side says word for word."""
    said_by = np.asarray((counted > 0).sum(axis=0)).ravel()
    shared = counted[:, said_by > 1]
    says, often = (shared > 0).astype(np.float64).T.tocsr(), shared.T.tocsr()
    total = np.asarray(counted.sum(axis=1)).ravel()

    def level(weights: Floats) -> Floats:
        repeated = ((says @ weights > 1) * (often @ weights)).sum(axis=0)
        return np.asarray(repeated / np.maximum(total @ weights, 1.0))

    return level


def openings_level(words: pl.DataFrame, unit: Ints) -> Level:
    """Entropy (nats) of the first three words of the first user turn: log of the effective number of openings."""
    import polars as pl

    first = words.filter(pl.col("turn") == pl.col("turn").min().over("conversation"))
    opening = first.group_by("conversation", maintain_order=True).agg(code=pl.col("code").head(3))
    key = opening.with_columns(key=pl.col("code").cast(pl.List(pl.String)).list.join(" ").rank("dense"))
    counted = _sparse(unit[key["conversation"].to_numpy()], key["key"].to_numpy(), int(unit.max()) + 1).T.tocsr()

    def level(weights: Floats) -> Floats:
        seen = counted @ weights
        share = seen / np.maximum(seen.sum(axis=0), 1.0)
        return np.asarray(-(share * np.log(np.where(share > 0, share, 1.0))).sum(axis=0))

    return level


def first_turn_level(words: pl.DataFrame, unit: Ints) -> Level:
    """Mean Jaccard distance between the word sets of the first user turns of different units."""
    import polars as pl
    from scipy.sparse import csr_matrix

    first = words.filter(pl.col("turn") == pl.col("turn").min().over("conversation"))
    pairs = first.select("conversation", "code").unique()
    talks, row = np.unique(pairs["conversation"].to_numpy(), return_inverse=True)
    has = csr_matrix((np.ones(len(row), dtype=np.float32), (row, pairs["code"].to_numpy())))
    size = np.asarray(has.sum(axis=1)).ravel()
    common = (has @ has.T).toarray()
    common /= size[:, None] + size[None, :] - common
    units = int(unit.max()) + 1
    owner = csr_matrix(
        (np.ones(len(talks), dtype=np.float32), (unit[talks], np.arange(len(talks)))), (units, len(talks))
    )
    similar = np.asarray(owner @ (owner @ common).T, dtype=np.float32)
    np.fill_diagonal(similar, 0.0)
    openings = np.asarray(owner.sum(axis=1), dtype=np.float64).ravel()

    def level(weights: Floats) -> Floats:
        pairs = (openings @ weights) ** 2 - openings**2 @ weights
        light = weights.astype(np.float32)
        alike = np.einsum("ub,ub->b", similar @ light, light, dtype=np.float64)
        return np.asarray(np.where(pairs > 0, 1.0 - alike / np.maximum(pairs, 1.0), 0.0))

    return level


def own_word_counts(real: Corpus, synthetic: Corpus, unit: Ints) -> tuple[Floats, Floats]:
    """Distinct words of answering user turns that the partner's last turn lacks, and all of them, a unit."""
    import polars as pl

    words = pl.col("text").str.to_lowercase().str.extract_all(TOKEN_PATTERN).list.unique()
    sums = np.zeros((2, int(unit.max()) + 1))
    for side, offset in ((real, 0), (synthetic, len(real))):
        heard = pl.when(~pl.col("is_user")).then(words).forward_fill().over("conversation")
        table = (
            side.turns.lazy()
            .select("conversation", "is_user", words=words, heard=heard)
            .filter(pl.col("is_user") & pl.col("heard").is_not_null())
            .select(
                "conversation",
                own=pl.col("words").list.set_difference("heard").list.len(),
                all=pl.col("words").list.len(),
            )
            .collect()
        )
        member = unit[table["conversation"].to_numpy().astype(np.int64) + offset]
        np.add.at(sums[0], member, table["own"].to_numpy())
        np.add.at(sums[1], member, table["all"].to_numpy())
    return sums[0], sums[1]


def own_words_levels(counted: tuple[Floats, Floats], real: Floats, synthetic: Floats) -> tuple[Floats, Floats]:
    """Share of a user's words that are not the partner's; 1 on both sides where one side never answers anyone."""
    own, said = ([part @ weights for weights in (real, synthetic)] for part in counted)
    answered = np.minimum(*said) > 0
    first, second = (np.where(answered, o / np.maximum(s, 1.0), 1.0) for o, s in zip(own, said, strict=True))
    return first, second


def prepare(real: Corpus, synthetic: Corpus, rng: np.random.Generator) -> tuple[Statistic, Pool]:
    """The statistic on every conversation, as `comparison.closer` wants it; the headline is column 6."""
    pooled = pool(real, synthetic)
    vectors = conversation_embeddings(real, synthetic, rng=rng)
    return diversity_statistic(real, synthetic, pooled, vectors), pooled


def diversity_statistic(real: Corpus, synthetic: Corpus, pooled: Pool, vectors: Singles) -> Statistic:
    """Columns: six log ratios (`COMPONENTS`), their mean absolute value, six real and six synthetic levels."""
    unit = pooled.unit
    first = np.unique(unit, return_index=True)[1]
    least = max(STABILISER, 1.0 / int((~pooled.unit_is_synthetic).sum()))
    words = pooled_words(real, synthetic)
    bigrams = bigram_counts(words, unit)
    own = own_word_counts(real, synthetic, unit)
    single = (
        spread_level(vectors, unit),
        repetition_level(turn_counts(real, synthetic, unit)),
        first_turn_level(words, unit),
        openings_level(words, unit),
    )

    def statistic(real_weights: Floats, synthetic_weights: Floats) -> Floats:
        sides = (real_weights[first], synthetic_weights[first])
        spread, repetition, opening, openings = ([level(side) for side in sides] for level in single)
        distinct = distinct_levels(bigrams, *sides)
        shares = [spread, distinct, repetition, opening, own_words_levels(own, *sides)]
        ratios = [np.log((b + least) / (a + least)) for a, b in shares]
        ratios.append(openings[1] - openings[0])
        levels = [[*(pair[side] for pair in shares), np.exp(openings[side])] for side in (0, 1)]
        return np.stack([*ratios, np.mean(np.abs(ratios), axis=0), *levels[0], *levels[1]], axis=1)

    return statistic


def headline_p(observed: Floats, null: Floats) -> float:
    """p of the mean absolute component, each over its spread in all relabellings, the observed included."""
    everything = np.vstack([observed, null])
    scaled = np.abs(everything - np.median(everything, axis=0)) / (everything.std(axis=0) + 1e-12)
    mean = scaled.mean(axis=1, keepdims=True)
    return float(permutation_p(mean[0], mean[1:], two_sided=False)[0])


@measure(SPEC)
def diversity(real: Corpus, synthetic: Corpus, *, rng: np.random.Generator, permutations: int = 499) -> Measurement:
    """Do simulated users vary from one another as much as real ones do: neither less nor more?

    Signed log ratios synthetic / real, one a part; 0 = as diverse as people, which is the aim, not a maximum:

    - `spread`: mean cosine distance between conversations of different units (pooled embedding)
    - `distinct_2`: distinct over all word pairs, both sides thinned to the same number
    - `self_repetition`: share of user turns said word for word by another unit of the side (positive: too often)
    - `first_turn`: mean Jaccard distance between the words of first user turns of different units
    - `own_words`: share of a user turn's words that the partner's last turn lacks (negative: a parrot)
    - `openings`: effective number, exp(entropy), of the first three words of a conversation

    A share x enters as x + max(.01, 1 / real units), so that none at all stays finite and comparable. The headline
    is their mean absolute value; no sample gives 0, so read it against the floor. Both sides give the same number
    of conversations, at most 1,500, one of each unit in turn. p: units permuted between the sides, parts two-sided;
    the headline's on the mean absolute part in units of its null spread. Intervals: delete-a-group jackknife over
    units.

    >>> from understudy.conversations import Conversation, Turn
    >>> def side(first, n=40):
    ...     return Corpus([Conversation(str(i), (Turn("user", f"{first(i)} film about w{i} w{i + 1}"),))
    ...                    for i in range(n)])
    >>> real, template = side(lambda i: f"w{3 * i} some w{5 * i}"), side(lambda i: "i want a")
    >>> m = diversity(real, template, rng=np.random.default_rng(0), permutations=99)
    >>> m.p_value, [p.name.rsplit(".")[-1] for p in m.parts if p.value < -0.2]
    (0.01, ['spread', 'distinct_2', 'first_turn', 'openings'])

    Source: first-turn diversity, arXiv:2510.06552; distinct-n, arXiv:1510.03055; Hill (1973),
    doi:10.2307/1934352. Differences: (1) matched sizes; (2) ratios to real users instead of higher is better.
    """
    drawn = equal_sample(real, synthetic, most=MOST_CONVERSATIONS, rng=rng)
    statistic, pooled = prepare(*drawn, rng)
    result = two_sample(statistic, pooled, rng=rng, permutations=permutations, two_sided=True)
    parts = len(COMPONENTS)
    n = counts(*drawn)
    p_values = [*result.p_value[:parts].tolist(), headline_p(result.value[:parts], result.null[:, :parts])]
    adjusted = benjamini_hochberg(p_values[:-1])
    levels = {
        side: dict(zip(COMPONENTS, result.value[start : start + parts].tolist(), strict=True))
        for side, start in (("real", parts + 1), ("synthetic", 2 * parts + 1))
    }

    def scored(column: int, **rest: Any) -> Measurement:
        bounds = None if result.interval is None else result.interval[column].tolist()
        if bounds is not None and column == parts:
            bounds[0] = max(bounds[0], 0.0)
        return Measurement(
            value=float(result.value[column]),
            status="scored",
            n=n,
            spec=SPEC if column == parts else PART,
            interval=None if bounds is None else (bounds[0], bounds[1]),
            p_value=p_values[column],
            floor=floor_of(result.floor[:, column]),
            **rest,
        )

    used = {"real": len(drawn[0]), "synthetic": len(drawn[1])}
    return scored(
        parts,
        name=SPEC.name,
        evidence={
            "levels": levels,
            "conversations_used": used,
            "permutations": permutations,
            **without(pooled, interval=result.interval is not None, floor=len(result.floor) > 0),
        },
        parts=tuple(
            scored(
                i,
                name=f"{SPEC.name}.{name}",
                adjusted_p=adjusted[i],
                evidence={**{side: levels[side][name] for side in levels}, "unit": UNITS[name]},
            )
            for i, name in enumerate(COMPONENTS)
        ),
    )
