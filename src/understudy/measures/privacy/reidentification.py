"""Can the real person behind a simulated user be found again by how they write?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from understudy.conversations import Corpus
from understudy.measures.intervals import FEWEST_CLUSTERS, bounded_interval
from understudy.measures.measurement import Measurement, MeasureSpec, counts, measure, unscored
from understudy.measures.resampling import Floats, Ints, permutation_p

FEWEST_USERS = 10
COLUMNS = 2**16
GRAMS = (3, 4)

SPEC = MeasureSpec(
    name="privacy.reidentification",
    question="carry",
    asks="Is the real user behind a simulated one found again by how they write?",
    unit="top-1 accuracy of attribution minus chance",
    range=(-1.0, 1.0),
    better="lower",
    source="authorship attribution of synthetic text, arXiv:2603.03906",
    minimum_units=FEWEST_USERS,
)


class Found(NamedTuple):
    """For each query: 1 where its own candidate is the nearest (shared among ties), else 0; and similarities."""

    hit: Floats
    similarity: Floats


def _profiles(groups: list[list[str]], weight: Any = None) -> tuple[Any, Any]:
    """Character 3- and 4-grams of each group of texts, weighted by rarity among the groups; unit length."""
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    hashed = HashingVectorizer(
        analyzer="char_wb", ngram_range=GRAMS, n_features=COLUMNS, alternate_sign=False, norm=None, lowercase=False
    ).transform(["\n".join(texts) for texts in groups])
    weight = TfidfTransformer(sublinear_tf=True).fit(hashed) if weight is None else weight
    return weight.transform(hashed), weight


def attribute(candidates: list[list[str]], queries: list[list[str]], truth: Ints) -> Found:
    """Whom of `candidates` is each query nearest to, by cosine of character n-grams?"""
    known, weight = _profiles(candidates)
    asked, _ = _profiles(queries, weight)
    similarity = np.asarray((asked @ known.T).todense(), dtype=np.float64)
    own = similarity[np.arange(len(truth)), truth][:, None]
    ahead = (similarity > own + 1e-12).sum(axis=1)
    level = (np.abs(similarity - own) <= 1e-12).sum(axis=1)
    return Found(np.where(ahead == 0, 1.0 / level, 0.0), similarity)


def _texts(corpus: Corpus) -> tuple[list[str], list[list[str]], list[list[list[str]]]]:
    """Names of the units with words, all their user turns, and the same in halves by conversation."""
    names, all_texts, halves = [], [], []
    for name in np.unique(corpus.unit_ids):
        talks = [corpus[int(row)] for row in np.flatnonzero(corpus.unit_ids == name)]
        lines = [[turn.text for turn in talk.turns if turn.role == "user" and turn.text.strip()] for talk in talks]
        lines = [line for line in lines if line]
        if lines:
            names.append(str(name))
            all_texts.append([text for line in lines for text in line])
            halves.append([[t for line in lines[k::2] for t in line] for k in (0, 1)])
    return names, all_texts, halves


@measure(SPEC)
def reidentification(
    real: Corpus,
    synthetic: Corpus,
    *,
    rng: np.random.Generator,
    holdout: Corpus | None = None,
    sources: Mapping[str, str] | None = None,
    permutations: int = 499,
) -> Measurement:
    """Is the real user that a simulated one was learned from the nearest of all real users, by how they write?

    `sources` names the real unit of each synthetic unit (user, else `c:` and the conversation's id); without it a
    unit of the same name is the source. Profiles are character 3- and 4-grams, weighted by rarity among the real
    users of `real` and `holdout`; the nearest by cosine is taken. Value: share of simulated users attributed to
    their source, minus 1 / candidates; Wilson interval over simulated users; p: sources permuted among them.

    `evidence["real"]` is the same attack on real people: one half of the sessions of users with two or more is
    sought among all users, who are then known by the other half. It is what a simulation that hides nobody would
    allow; separability asks that simulated users be told apart as real ones are, and this measure what that costs.

    >>> from understudy.conversations import Conversation, Turn
    >>> def people(end):
    ...     lines = [f"{letter * 4} {end}" * 3 for letter in "abcdefghijkl"]
    ...     return Corpus([Conversation(f"{end}{k}", (Turn("user", line),), f"u{k}") for k, line in enumerate(lines)])
    >>> m = reidentification(people("so"), people("no"), rng=np.random.default_rng(0), permutations=99)
    >>> round(m.value, 3), m.p_value, m.evidence["real"]
    (0.917, 0.01, None)

    Source: authorship attribution of synthetic text as a privacy attack, arXiv:2603.03906. Different from it: nearest
    profile instead of a trained classifier, so that it runs with few sessions a user.
    """
    names, texts, halves = _texts(real)
    if holdout is not None:
        more = _texts(holdout)
        names, texts, halves = [*names, *(f"h:{n}" for n in more[0])], [*texts, *more[1]], [*halves, *more[2]]
    place = {name: k for k, name in enumerate(names)}
    asked, queries, _ = _texts(synthetic)
    source = {name: name for name in asked} if sources is None else sources
    kept = [k for k, name in enumerate(asked) if source.get(name) in place]
    if len(kept) < FEWEST_USERS:
        return unscored(
            SPEC, real, synthetic, f"the source of {len(kept)} simulated users is known; {FEWEST_USERS} are needed"
        )
    truth = np.array([place[source[asked[k]]] for k in kept])
    found = attribute(texts, [queries[k] for k in kept], truth)
    nearest = found.similarity.argmax(axis=1)
    null = np.array([[(nearest == rng.permutation(truth)).mean()] for _ in range(permutations)])
    chance = 1.0 / len(names)
    interval = None
    if len(kept) >= FEWEST_CLUSTERS:
        low, high = bounded_interval(float(found.hit.mean()), float(found.hit.var(ddof=1)) / len(kept), len(kept))
        interval = (low - chance, high - chance)
    return Measurement(
        name=SPEC.name,
        value=float(found.hit.mean() - chance),
        status="scored",
        n=counts(real, synthetic),
        spec=SPEC,
        interval=interval,
        p_value=float(permutation_p(np.array([found.hit.mean()]), null, two_sided=False)[0]),
        evidence={
            "accuracy": float(found.hit.mean()),
            "candidates": len(names),
            "chance": chance,
            "queries": len(kept),
            "real": _real_accuracy(texts, halves),
        },
    )


def _real_accuracy(texts: list[list[str]], halves: list[list[list[str]]]) -> float | None:
    """The same attack on real users: a half of their sessions, the other half known."""
    twice = [k for k, (first, second) in enumerate(halves) if first and second]
    if len(twice) < FEWEST_USERS:
        return None
    chosen = set(twice)
    known = [halves[k][0] if k in chosen else texts[k] for k in range(len(texts))]
    return float(attribute(known, [halves[k][1] for k in twice], np.array(twice)).hit.mean())
