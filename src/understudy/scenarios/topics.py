"""Topics and subtopics read off a corpus without labels: clusters of conversations under readable names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus
from understudy.conversations.text import tokens
from understudy.measures.behaviours import writing
from understudy.measures.embeddings import conversation_embeddings, user_texts
from understudy.seeds import derive_seed, stream

Ints = npt.NDArray[np.int64]
_FEWEST = 8  # conversations a subtopic


class InducedTopic(NamedTuple):
    """A topic of a corpus, its subtopics, and the row of the subtopic of each of its conversations."""

    name: str
    rows: Ints
    subtopics: tuple[str, ...]
    subtopic_of: Ints


def induce_topics(corpus: Corpus, *, most: int, subtopics: int, seed: int) -> tuple[InducedTopic, ...]:
    """What are the conversations about, and about what within that?

    The corpus's own topics where at least half of the conversations have one (the commonest `most`), else
    clusters; within each topic at most `subtopics` clusters of 8 conversations or more. Clusters are k-means on
    the embedding of the user turns; a name is the three words that its conversations have most above the others
    (log odds with a Dirichlet prior, Monroe et al. 2008, doi:10.1093/pan/mpn018).
    """
    common = common_words(corpus)
    labelled = Counter(topic for topic in corpus.topics if topic)
    if 2 * sum(labelled.values()) >= len(corpus) and labelled:
        names = [name for name, _ in sorted(labelled.most_common(most), key=lambda pair: (-pair[1], pair[0]))]
        groups = [np.flatnonzero([topic == name for topic in corpus.topics]) for name in names]
    else:
        label = _clusters(corpus, min(most, max(1, len(corpus) // (2 * _FEWEST))), seed=seed)
        groups = [np.flatnonzero(label == k) for k in range(int(label.max()) + 1)]
        names = cluster_names(user_texts(corpus), label, common=common)
    found = []
    for name, rows in zip(names, groups, strict=True):
        part = corpus.subset(rows)
        k = int(np.clip(len(rows) // _FEWEST, 1, subtopics))
        within = _clusters(part, k, seed=derive_seed(seed, name)) if k > 1 else np.zeros(len(rows), dtype=np.int64)
        parts = cluster_names(user_texts(part), within, common=common)
        found.append(InducedTopic(name, rows, tuple(parts), within))
    return tuple(found)


def _clusters(corpus: Corpus, k: int, *, seed: int) -> Ints:
    """A cluster number each, numbered by falling size and without gaps."""
    if k < 2:
        return np.zeros(len(corpus), dtype=np.int64)
    from sklearn.cluster import KMeans

    space = conversation_embeddings(corpus, Corpus([]), rng=stream(seed, "topics"))
    k = min(k, len(np.unique(space, axis=0)))
    label = KMeans(k, n_init=4, random_state=derive_seed(seed, "k-means") % 2**32).fit_predict(space)
    sizes = np.bincount(label, minlength=k)
    rank = np.empty(k, dtype=np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(k)
    return np.asarray(rank[label])


def cluster_names(texts: Sequence[str], label: Ints, *, words: int = 3, common: Collection[str] = ()) -> list[str]:
    """A readable name for each cluster: the words that set it apart, the strongest first, `common` ones left out.

    >>> texts = ["a cheap hotel", "hotel in town", "late train", "the train fare"]
    >>> cluster_names(texts, np.array([0, 0, 1, 1]), words=1)
    ['hotel', 'train']
    """
    from sklearn.feature_extraction.text import CountVectorizer

    k = int(label.max()) + 1 if len(label) else 0
    try:
        counter = CountVectorizer(analyzer=terms, binary=True, min_df=2 if len(texts) > 8 else 1)
        present = counter.fit_transform(texts)
    except ValueError:  # scikit-learn's way to say that no word is left
        return [f"cluster {c + 1}" for c in range(k)]
    vocabulary = [str(word) for word in counter.get_feature_names_out()]
    inside = np.stack([np.asarray(present[label == c].sum(axis=0), dtype=float).ravel() for c in range(k)])
    total = inside.sum(axis=0)
    prior = 10 * total / total.sum()
    left_out = set(common)
    telling = np.array([_telling(word) and word not in left_out for word in vocabulary])
    names = []
    for c in range(k):
        own, rest = inside[c] + prior, total - inside[c] + prior
        delta = np.log(own / (own.sum() - own)) - np.log(rest / (rest.sum() - rest))
        z = delta / np.sqrt(1 / own + 1 / rest) if k > 1 else total
        z = np.where(telling & (inside[c] > 0), z, -np.inf)
        best = [vocabulary[j] for j in np.argsort(-z, kind="stable")[:words] if np.isfinite(z[j])]
        names.append(", ".join(best) or f"cluster {c + 1}")
    return [name if names.index(name) == at else f"{name} ({at + 1})" for at, name in enumerate(names)]


def terms(text: str) -> list[str]:
    """What a topic may be named by: words, and pairs of characters where no spaces are written.

    >>> terms("学英语 with me")
    ['学英', '英语', 'with', 'me']
    """
    found: list[str] = []
    words = tokens(text)
    for word, after in zip(words, [*words[1:], ""], strict=False):
        if len(word) > 1 or word.isascii():
            found.append(word)
        elif len(after) == 1 and not after.isascii():
            found.append(word + after)
    return found


def _telling(word: str) -> bool:
    return not any(c.isdigit() for c in word) and (len(word) > 2 or not word.isascii())


def common_words(corpus: Corpus) -> frozenset[str]:
    """Words that no subtopic is named by: function words of English, and in any language those that half of the
    users' sides have.
    """
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    seen = Counter(word for text in user_texts(corpus) for word in set(terms(text)))
    often = {word for word, count in seen.items() if count > max(5, 0.5 * len(corpus))}
    if writing(corpus).language == "en":
        often |= set(ENGLISH_STOP_WORDS) | {word for word in seen if "'" in word or "’" in word}
    return frozenset(often)
