"""Does a synthetic set hold personal data, and is any of it a real user's?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import msgspec
import numpy as np

from understudy.conversations import Corpus, Turn
from understudy.conversations.lineage import Step, with_step
from understudy.measures.intervals import FEWEST_CLUSTERS, cluster_t_interval
from understudy.measures.measurement import Measurement, MeasureSpec, counts, measure
from understudy.measures.privacy.pii import KINDS, Finder, Hit, find_pii, redact

SPEC = MeasureSpec(
    name="privacy.personal_data",
    question="carry",
    asks="Does it hold what looks like mail addresses, numbers, names or addresses of people?",
    unit="hits by rule per 100 user turns",
    range=(0.0, None),
    better="lower",
    source="pattern matching with check digits, ISO/IEC 7812-1, ISO 13616",
    minimum_units=1,
)
REDACTED = Step("rewrite", "understudy privacy: redaction by rule")


def _values(texts: Iterable[str], finder: Finder) -> list[tuple[str, str]]:
    """Kind and value of every hit, spacing and case aside."""
    return [
        (hit.kind, re.sub(r"[\W_]+", "", text[hit.start : hit.end]).lower()) for text in texts for hit in finder(text)
    ]


def _user_texts(corpus: Corpus) -> list[str]:
    return [turn.text for talk in corpus for turn in talk.turns if turn.role == "user"]


@measure(SPEC)
def personal_data(
    real: Corpus,
    synthetic: Corpus,
    *,
    rng: np.random.Generator,
    holdout: Corpus | None = None,
    finder: Finder = find_pii,
) -> Measurement:
    """What in the synthetic user turns looks like personal data, and which of it did a train user write?

    Value: hits per 100 synthetic user turns, cluster-t interval over units. Evidence, a row a kind: hits on either
    side, distinct synthetic values, and how many of those stand in `real` (the training data), in `holdout`, and in
    `real` alone. A name that people share is no disclosure; a mail address that one train user alone wrote is.

    The rules find what has the forms they know; that nothing is found does not mean that nothing is there. See
    `testing.personal_data.recall` for how much of a seeded set they find.

    Source: check digits of ISO/IEC 7812-1 (cards) and ISO 13616 (accounts); the other forms are written here.

    >>> from understudy.conversations import Conversation
    >>> def one(name, text): return Corpus([Conversation(name, (Turn("user", text),))])
    >>> m = personal_data(one("a", "mail ann@example.org"), one("b", "ANN@example.org"), rng=np.random.default_rng(0))
    >>> m.value, m.evidence["kinds"]["kind"], m.evidence["kinds"]["in_train"]
    (100.0, ['email'], [1])
    """
    del rng
    _, unit = np.unique(synthetic.unit_ids, return_inverse=True)
    hits, owner = [], []
    for row, talk in enumerate(synthetic):
        for turn in talk.turns:
            if turn.role == "user":
                hits.append(100.0 * len(finder(turn.text)))
                owner.append(int(unit[row]))
    interval = None
    if len(set(owner)) >= FEWEST_CLUSTERS:
        bounds = cluster_t_interval(hits, np.array(owner))
        interval = (max(bounds.low, 0.0), bounds.high)
    ours, theirs = _values(_user_texts(synthetic), finder), _values(_user_texts(real), finder)
    others = set(_values(_user_texts(holdout), finder)) if holdout is not None else set()
    rows = []
    for kind in KINDS:
        mine = {value for value in ours if value[0] == kind}
        known = {value for value in theirs if value[0] == kind}
        found = Counter(k for k, _ in ours)[kind], Counter(k for k, _ in theirs)[kind]
        if any(found):
            shared = mine & known
            rows.append((kind, *found, len(mine), len(shared), len(mine & others), len(shared - others)))
    names = ("kind", "synthetic", "train", "distinct", "in_train", "in_holdout", "in_train_alone")
    return Measurement(
        name=SPEC.name,
        value=float(np.mean(hits)),
        status="scored",
        n=counts(real, synthetic),
        spec=SPEC,
        interval=interval,
        evidence={"kinds": {name: [row[k] for row in rows] for k, name in enumerate(names)}},
    )


def redact_corpus(corpus: Corpus, finder: Finder = find_pii) -> tuple[Corpus, dict[str, int]]:
    """The corpus with every hit, on both sides, replaced by its kind in brackets; and how many of each were.

    Ids, topics, labels and provenance stay; entities in a turn's meta and profiles, which hold words of the user,
    are left out.

    >>> from understudy.conversations import Conversation
    >>> clean, found = redact_corpus(Corpus([Conversation("a", (Turn("user", "I'm ann@example.org"),))]))
    >>> clean[0].turns[0].text, found
    ("I'm [EMAIL]", {'email': 1})
    """
    found: Counter[str] = Counter()

    def without(turn: Turn) -> Turn:
        hits: tuple[Hit, ...] = finder(turn.text)
        found.update(hit.kind for hit in hits)
        meta = {key: value for key, value in turn.meta.items() if key != "entities"}
        return msgspec.structs.replace(turn, text=redact(turn.text, hits), meta=meta)

    talks = [
        msgspec.structs.replace(talk, turns=tuple(without(turn) for turn in talk.turns), profile=None)
        for talk in corpus
    ]
    return Corpus(with_step(talks, REDACTED), corpus.card), dict(found)
